"""Types of every value of a graph, node by node, and which values are constant.

A value is constant if no network input reaches it; what depends only on the *shape* of an activation is constant too.
Constants are evaluated only when a node's shape or attributes depend on them, so that weights cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.errors import InputError
from tilewright.workload.network import Tensor
from tilewright.workload.onnx_evaluate import Array, evaluate, initializer_value
from tilewright.workload.onnx_file import ModelFile, has_data, is_external
from tilewright.workload.onnx_graph import OnnxGraph, OnnxNode

LARGEST_TENSOR_ELEMENTS = 2**40
LARGEST_FOLDED_ELEMENTS = 2**24

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)
SHAPE_INPUTS: dict[str, tuple[int, ...]] = {
    # Input positions whose values, not just types, decide the shape of the result.
    "ConstantOfShape": (0,),
    "Expand": (1,),
    "OneHot": (1,),
    "Pad": (1, 3),
    "Range": (0, 1, 2),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "ReduceMin": (1,),
    "ReduceProd": (1,),
    "ReduceSum": (1,),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
}


class ShapeError(Exception):
    """Why the outputs of one node have no usable shape, as the end of a sentence."""


@dataclass(frozen=True)
class ValueType:
    """Shape and element type (numpy's name for it) of a dense tensor."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def elements(self) -> int:
        total = 1
        for extent in self.shape:
            total *= extent
        return total


class Values:
    """What is known of the values of a graph while its nodes are visited in order.

    ``consumed`` collects the constants whose numbers the import depended on: replacing them by other numbers would
    contradict the network.
    """

    def __init__(self, file: ModelFile, graph: OnnxGraph, input_shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.file = file
        self.graph = graph
        self.types: dict[str, ValueType] = {}
        self.constants: set[str] = set()
        self.consumed: set[str] = set()
        self.producer = {name: node for node in graph.nodes for name in node.writes}
        self._folded: dict[str, Array] = {}
        self._available: dict[str, bool] = {}
        problems = []
        for value in graph.inputs:
            try:
                kind = _type_of(value.type, known=input_shapes[value.name])
                _check(value.name, kind)
                self.types[value.name] = kind
            except ShapeError as problem:
                problems.append(f"{file.label}: input '{value.name}' {problem}")
        for name, tensor in graph.initializers.items():
            try:
                kind = ValueType(tuple(tensor.dims), _dtype_name(tensor.data_type))
                _check(name, kind, allow_empty=True)
                self.types[name] = kind
                self.constants.add(name)
            except ShapeError as problem:
                problems.append(f"{file.label}: initializer '{name}' {problem}")
        if problems:
            raise InputError(problems)

    def tensor(self, name: str) -> Tensor:
        kind = self.types[name]
        return Tensor(name, kind.shape, kind.dtype, name in self.constants)

    def numpy_dtype(self, name: str) -> np.dtype[Any]:
        """The element type of a value, as numpy has it."""
        return _numpy_dtype(self.types[name].dtype)

    def is_known(self, node: OnnxNode) -> bool:
        """Whether every input of the node has a type (it has none behind a node that was rejected)."""
        return all(name in self.types for name in node.reads)

    def infer(self, node: OnnxNode) -> None:
        """Settle the types of a node's outputs, and whether they are constants.

        Raises ShapeError if the inputs contradict each other or the shape depends on data.
        """
        if node.op_type in ("Shape", "Size") and node.domain == "":
            source = np.array(self.types[node.inputs[0]].shape, dtype=np.int64)
            if node.op_type == "Size":
                self._fold(node.outputs[0], np.array(source.prod(dtype=np.int64)))
            else:
                bounds = {attribute.name: attribute.i for attribute in node.proto.attribute}
                self._fold(node.outputs[0], source[bounds.get("start", 0) : bounds.get("end")])
            return
        if node.op_type in RANDOM and node.domain == "":
            raise ShapeError("gives other numbers at every run; replace it by a constant before exporting the model")
        if node.has_subgraph:
            raise ShapeError("has graphs inside it, which are not supported; unroll loops and branches first")
        constant = all(name in self.constants for name in node.reads)
        inferred = self._inferred(node)
        if constant:
            self.constants.update(node.writes)
        for name in node.writes:
            if name in inferred:
                _check(name, inferred[name], allow_empty=constant)
                self.types[name] = inferred[name]
            elif not constant and name in self.graph.needed:
                raise ShapeError(
                    f"has an output '{name}' whose shape cannot be told from the shapes of its inputs; fix open axes "
                    "with --dim or --input-shape, or simplify the model before loading it"
                )
        if constant:
            for name in node.writes:
                if name not in inferred and name in self.graph.needed:
                    value = self.value(name)
                    self.types[name] = ValueType(value.shape, value.dtype.name)

    def value(self, name: str) -> Array:
        """The numbers of a constant, worked out now and remembered as consumed.

        Raises InputError for data kept in other files, for stripped data, and for constants too large to fold.
        """
        if name in self._folded:
            return self._folded[name]
        if name in self.types and self.types[name].elements > LARGEST_FOLDED_ELEMENTS:
            raise InputError(
                f"{self.file.label}: the shape of the network depends on the constant '{name}' of "
                f"{self.types[name].elements} elements, more than the {LARGEST_FOLDED_ELEMENTS} that are folded; "
                "simplify the model before loading it"
            )
        self.consumed.add(name)
        if name in self.graph.initializers:
            stored = initializer_value(self.graph.initializers[name], self.file, external=False)
            if stored is None:
                raise InputError(
                    f"{self.file.label}: the value of '{name}' is needed to import the model, and the file holds only "
                    "its shape; strip weights but keep shapes, axes and limits"
                )
            self._folded[name] = stored
        else:
            node = self.producer[name]
            results = evaluate(node, [self.value(i) if i else None for i in node.inputs], self.file)
            for output, result in results.items():
                self._fold(output, result)
        return self._folded[name]

    def is_available(self, name: str) -> bool:
        """Whether a constant is small enough to fold, and no number behind it is in another file or stripped."""
        if name in self._folded:
            return True
        if name not in self._available:
            if self.types[name].elements > LARGEST_FOLDED_ELEMENTS:
                known = False
            elif name in self.graph.initializers:
                tensor = self.graph.initializers[name]
                known = not is_external(tensor) and (has_data(tensor) or self.types[name].elements == 0)
            else:
                known = all(self.is_available(source) for source in self.producer[name].reads)
            self._available[name] = known
        return self._available[name]

    def _fold(self, name: str, value: Array) -> None:
        self._folded[name] = value
        self.consumed.add(name)
        self.constants.add(name)
        self.types[name] = ValueType(value.shape, value.dtype.name)

    def _inferred(self, node: OnnxNode) -> dict[str, ValueType]:
        """Output types by the operator's own inference function; a name is missing where it does not tell."""
        import onnx
        from onnx import defs, helper, numpy_helper, shape_inference

        try:
            schema = defs.get_schema(node.op_type, max_inclusive_version=self._version(node.domain), domain=node.domain)
        except (defs.SchemaError, TypeError):  # the second for versions that are no plausible number
            raise ShapeError(
                f"has an operator that operator set {self._version(node.domain)} does not have; export the model for "
                "a newer one"
            ) from None
        types = {
            name: helper.make_tensor_type_proto(
                helper.np_dtype_to_tensor_dtype(_numpy_dtype(self.types[name].dtype)), list(self.types[name].shape)
            )
            for name in node.reads
        }
        slots = SHAPE_INPUTS.get(node.op_type, ())
        data = {
            name: numpy_helper.from_array(self.value(name), name)
            for slot, name in enumerate(node.inputs)
            if slot in slots and name in self.constants
        }
        try:
            results = shape_inference.infer_node_outputs(
                schema,
                node.proto,
                types,
                data or None,
                opset_imports=[helper.make_opsetid(node.domain, self._version(node.domain))],
                ir_version=self.file.model.ir_version,
            )
        except (shape_inference.InferenceError, onnx.checker.ValidationError, RuntimeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0].split("] ")[-1]
            raise ShapeError(f"does not suit its inputs or its operator: {reason.rstrip('.')}") from None
        found = {}
        for name in node.writes:
            if name in results and _is_closed(results[name]):
                found[name] = _type_of(results[name])
                if node.op_type in ("MaxPool", "AveragePool"):
                    found[name] = _without_late_windows(node, self.types[node.inputs[0]], found[name])
        return found

    def _version(self, domain: str) -> int:
        if domain == "":
            return self.file.opset
        return next((entry.version for entry in self.file.model.opset_import if entry.domain == domain), 1)


def _dtype_name(element_type: int) -> str:
    from onnx import TensorProto, helper

    if element_type in (TensorProto.UNDEFINED, TensorProto.STRING):
        raise ShapeError("has no numeric element type")
    try:
        return helper.tensor_dtype_to_np_dtype(element_type).name
    except KeyError:
        raise ShapeError(f"has the unknown element type {element_type}") from None


def _numpy_dtype(name: str) -> np.dtype[Any]:
    try:
        return np.dtype(name)
    except TypeError:
        import ml_dtypes

        found: np.dtype[Any] = np.dtype(getattr(ml_dtypes, name))
        return found


def _without_late_windows(node: OnnxNode, source: ValueType, result: ValueType) -> ValueType:
    """With ``ceil_mode``, a last window that would start in the padding at the end is left out.

    The standard says so since operator set 22, and runtimes always did; older inference functions count it.
    """
    attributes = {attribute.name: attribute for attribute in node.proto.attribute}
    axes = len(source.shape) - 2
    automatic = "auto_pad" in attributes and attributes["auto_pad"].s not in (b"", b"NOTSET")
    if "ceil_mode" not in attributes or not attributes["ceil_mode"].i or automatic:
        return result
    strides = attributes["strides"].ints if "strides" in attributes else [1] * axes
    pads = attributes["pads"].ints if "pads" in attributes else [0] * (2 * axes)
    extents = [
        count - 1 if (count - 1) * strides[axis] >= size + pads[axis] else count
        for axis, (size, count) in enumerate(zip(source.shape[2:], result.shape[2:], strict=True))
    ]
    return ValueType((*result.shape[:2], *extents), result.dtype)


def _is_closed(kind: object) -> bool:
    tensor = kind.tensor_type  # type: ignore[attr-defined]
    return bool(tensor.HasField("shape")) and all(dim.HasField("dim_value") for dim in tensor.shape.dim)


def _type_of(kind: object, known: tuple[int, ...] | None = None) -> ValueType:
    """A dense tensor's type; ShapeError for sequences, maps and optional values."""
    if not kind.HasField("tensor_type"):  # type: ignore[attr-defined]
        raise ShapeError("is no dense tensor; sequences, maps and optional values are not supported")
    tensor = kind.tensor_type  # type: ignore[attr-defined]
    shape = known if known is not None else tuple(dim.dim_value for dim in tensor.shape.dim)
    return ValueType(shape, _dtype_name(tensor.elem_type))


def _check(name: str, kind: ValueType, *, allow_empty: bool = False) -> None:
    if any(extent < 0 for extent in kind.shape) or (kind.elements == 0 and not allow_empty):
        raise ShapeError(
            f"gives '{name}' the shape {list(kind.shape)}, which holds no elements; check the sizes of "
            "the inputs against kernels, strides and slices"
        )
    if kind.elements > LARGEST_TENSOR_ELEMENTS:
        raise ShapeError(
            f"gives '{name}' {kind.elements} elements, more than the {LARGEST_TENSOR_ELEMENTS} that are supported"
        )
