"""One ONNX node as constraints and importers see it: shapes, constants and attributes, no protobuf."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tilewright.workload.onnx_evaluate import Array
from tilewright.workload.onnx_graph import OnnxNode
from tilewright.workload.onnx_shapes import Values


class Node:
    """A view of one node; ``slot`` numbers its inputs or outputs."""

    def __init__(self, node: OnnxNode, values: Values) -> None:
        self._node = node
        self._values = values
        self.name = node.name
        self.op_type = node.op_type
        self.opset = values.file.opset
        self.inputs = node.inputs
        self.outputs = node.outputs

    @cached_property
    def attributes(self) -> dict[str, object]:
        from onnx import helper

        return {attribute.name: helper.get_attribute_value(attribute) for attribute in self._node.proto.attribute}

    def has(self, slot: int) -> bool:
        """Whether the optional input is there."""
        return slot < len(self.inputs) and bool(self.inputs[slot])

    def shape(self, slot: int = 0) -> tuple[int, ...]:
        return self._values.types[self.inputs[slot]].shape

    def dtype(self, slot: int = 0) -> str:
        return self._values.types[self.inputs[slot]].dtype

    def rank(self, slot: int = 0) -> int:
        return len(self.shape(slot))

    def out_shape(self, slot: int = 0) -> tuple[int, ...]:
        return self._values.types[self.outputs[slot]].shape

    def out_dtype(self, slot: int = 0) -> str:
        return self._values.types[self.outputs[slot]].dtype

    def elements(self, slot: int) -> int:
        return self._values.types[self.inputs[slot]].elements

    def constant(self, slot: int) -> bool:
        """Whether the input is there and no network input reaches it."""
        return self.has(slot) and self.inputs[slot] in self._values.constants

    def folds(self, slot: int) -> bool:
        """Whether the input is a constant whose numbers are at hand (not in another file, not stripped)."""
        return self.constant(slot) and self._values.is_available(self.inputs[slot])

    def used(self, slot: int) -> bool:
        """Whether anything that the network computes needs this output."""
        return slot < len(self.outputs) and self.outputs[slot] in self._values.graph.needed

    def value(self, slot: int) -> Array:
        """The numbers of a constant input."""
        return self._values.value(self.inputs[slot])

    def value_ints(self, slot: int) -> tuple[int, ...]:
        return tuple(int(v) for v in np.asarray(self.value(slot)).reshape(-1))

    def value_float(self, slot: int) -> float:
        return float(np.asarray(self.value(slot)).reshape(-1)[0])

    def integer(self, name: str, default: int) -> int:
        return int(self.attributes.get(name, default))  # type: ignore[call-overload, no-any-return]

    def number(self, name: str, default: float) -> float:
        return float(self.attributes.get(name, default))  # type: ignore[arg-type]

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)

    def integers(self, name: str) -> tuple[int, ...] | None:
        """A list attribute, or None if it is left out."""
        value = self.attributes.get(name)
        return None if value is None else tuple(int(v) for v in value)  # type: ignore[attr-defined]

    def axis(self, axis: int, rank: int | None = None) -> int:
        """An axis counted from the front."""
        rank = self.rank() if rank is None else rank
        return axis + rank if axis < 0 else axis

    def describe(self) -> str:
        """The node for an error message: name, operator type, shapes in and out."""
        reads = ", ".join(self._show(name) for name in self.inputs)
        writes = ", ".join(self._show(name) for name in self.outputs if name)
        return f"node '{self.name}' ({self.op_type}: {reads} -> {writes})"

    def _show(self, name: str) -> str:
        kind = self._values.types.get(name)
        text = "x".join(str(extent) for extent in kind.shape) or "scalar" if kind else "?"
        return f"constant {text}" if name in self._values.constants else text if name else "none"


def broadcasts_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of a shape can be repeated to a target shape, aligned at the last axis.

    >>> broadcasts_to((3, 1), (2, 3, 4)), broadcasts_to((2, 3), (1, 3))
    (True, False)
    """
    return len(shape) <= len(target) and all(
        extent in (1, wanted) for extent, wanted in zip(shape[::-1], target[::-1], strict=False)
    )
