"""A neural network as a graph of canonical operators over tensors: plain immutable data, shapes only.

The importer turns ONNX nodes into the kinds of ``KINDS`` below; everything after it (rewrites, views, nests, kernels)
knows these kinds and no ONNX. Values of constants are computed on demand by ``workload.constants.ConstantStore``, so
that a network costs no memory for weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

Scalar = bool | int | float | str | None
Value = Scalar | tuple[Scalar | tuple[Scalar, ...], ...]

KINDS: dict[str, str] = {
    # Multiply-accumulates. Spatial tuples have one entry per spatial axis (1 or 2); pads are begins then ends.
    "Conv": "inputs (x, w); strides, dilations, pads, groups",
    "ConvTranspose": "inputs (x, w), w is [C, K/groups, R, S]; strides, dilations, pads, groups, output_padding",
    "MatMul": "inputs (a, b); trans_a, trans_b (last two axes swapped in the tensor); batch axes broadcast",
    # Vector unit, kind map.
    "Elementwise": "inputs (1..n, broadcast); function; constants: per operand None or the scalar standing there",
    "Pool": "inputs (x,); function max|average, kernel, strides, dilations, pads, count_include_pad",
    "LRN": "inputs (x,); size, alpha, beta, bias",
    "Resize": "inputs (x,); mode nearest|linear, nearest_mode; coordinates: per axis (numerator, addend, denominator):"
    " source position of output index y is (numerator * y + addend) / denominator",
    "BatchNormalization": "inputs (x,); parameters scale, bias, mean, variance; epsilon",
    # Vector unit, kind reduce and normalise.
    "Reduce": "inputs (x,); function mean|sum|max, axes (non-negative), keepdims",
    "Softmax": "inputs (x,); axis",
    "LayerNormalization": "inputs (x,); axis (first normalised), epsilon; parameters scale, bias?",
    "InstanceNormalization": "inputs (x,); epsilon; parameters scale, bias",
    # Data movement: views where the address map allows it, copies otherwise.
    "Reshape": "inputs (x,); the output tensor has the shape (also Flatten, Squeeze, Unsqueeze)",
    "Slice": "inputs (x,); starts, steps (per axis, steps positive) (also Split, Gather of one index)",
    "Concat": "inputs (x, ...); axis",
    "Transpose": "inputs (x,); perm",
    "Pad": "inputs (x,); pads (begins then ends, may be negative), value",
    "Expand": "inputs (x,); the output tensor has the shape",
    "Identity": "inputs (x,)",
}

MAC_KINDS = frozenset({"Conv", "ConvTranspose", "MatMul"})
MOVE_KINDS = frozenset({"Reshape", "Slice", "Concat", "Transpose", "Pad", "Expand", "Identity"})


@dataclass(frozen=True)
class Tensor:
    """A value of the network; ``constant`` ones have their numbers in the constant store."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    constant: bool = False

    @cached_property
    def elements(self) -> int:
        total = 1
        for extent in self.shape:
            total *= extent
        return total


@dataclass(frozen=True)
class Activation:
    """An elementwise function that a producer applies to its result before storing it.

    ``function`` is one of Relu, Clip (low, high), LeakyRelu (alpha), PRelu (``slope`` names a parameter tensor),
    Sigmoid, HardSigmoid (alpha, beta), HardSwish, Tanh, Erf, Sqrt, SiLU, GELU, Affine (scale, shift).
    """

    function: str
    arguments: tuple[float, ...] = ()
    slope: str | None = None


@dataclass(frozen=True)
class Parameter:
    """A constant vector along one axis of the output (bias, slope, scale...), loaded once at accumulator width.

    ``axes`` are the output axes that the vector's elements run along, in the vector's row-major order.
    """

    role: str
    tensor: str
    axes: tuple[int, ...]


@dataclass(frozen=True)
class Operator:
    """One operator: a canonical kind of ``KINDS``, its tensors, and what it applies to its result."""

    name: str
    kind: str
    inputs: tuple[str, ...]
    output: str
    attributes: tuple[tuple[str, Value], ...] = ()
    parameters: tuple[Parameter, ...] = ()
    epilogue: tuple[Activation, ...] = ()

    def __getitem__(self, key: str) -> Value:
        for name, value in self.attributes:
            if name == key:
                return value
        raise KeyError(f"{self.kind} operator {self.name} has no attribute {key}")

    def get(self, key: str, default: Value = None) -> Value:
        return next((value for name, value in self.attributes if name == key), default)

    def parameter(self, role: str) -> Parameter | None:
        """The parameter of that role, or None."""
        return next((p for p in self.parameters if p.role == role), None)

    @property
    def reads(self) -> tuple[str, ...]:
        """Every tensor the operator reads: tiled inputs, parameters, slopes of its epilogue."""
        slopes = tuple(a.slope for a in self.epilogue if a.slope is not None)
        return self.inputs + tuple(p.tensor for p in self.parameters) + slopes


@dataclass(frozen=True)
class Derived:
    """A constant computed from other constants by a named function of ``workload.derive`` (folded BatchNorm...)."""

    tensor: str
    function: str
    inputs: tuple[str, ...]
    arguments: tuple[tuple[str, Value], ...] = ()


@dataclass(frozen=True)
class ModelReference:
    """Where a network came from, and the choices made when it was loaded: enough to load the same network again."""

    path: str = ""
    sha256: str = ""
    batch: int | None = None
    input_shapes: tuple[tuple[str, tuple[int, ...]], ...] = ()
    dims: tuple[tuple[str, int], ...] = ()
    until: str | None = None


@dataclass(frozen=True)
class Network:
    """Operators in topological order over tensors in SSA form.

    ``derived`` says how constants that the rewrites introduced follow from constants of the model; ``notes`` are
    sentences for the user (what a rewrite did or refused).
    """

    name: str
    operators: tuple[Operator, ...]
    tensors: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    reference: ModelReference = ModelReference()
    derived: tuple[Derived, ...] = ()
    notes: tuple[str, ...] = ()

    @cached_property
    def by_name(self) -> dict[str, Tensor]:
        return {tensor.name: tensor for tensor in self.tensors}

    @cached_property
    def operator(self) -> dict[str, Operator]:
        """The operators by name."""
        return {operator.name: operator for operator in self.operators}

    @cached_property
    def producer(self) -> dict[str, Operator]:
        """The operator that writes each tensor (inputs and constants have none)."""
        return {operator.output: operator for operator in self.operators}

    @cached_property
    def consumers(self) -> dict[str, tuple[Operator, ...]]:
        """The operators that read each tensor, in order; a tensor nobody reads has an empty tuple."""
        found: dict[str, list[Operator]] = {tensor.name: [] for tensor in self.tensors}
        for operator in self.operators:
            for name in dict.fromkeys(operator.reads):
                found[name].append(operator)
        return {name: tuple(operators) for name, operators in found.items()}

    def shape(self, tensor: str) -> tuple[int, ...]:
        return self.by_name[tensor].shape

    def with_operators(
        self, operators: tuple[Operator, ...], extra: tuple[Tensor, ...] = (), derived: tuple[Derived, ...] = ()
    ) -> Network:
        """The network with other operators, and new tensors and derivations; tensors nobody mentions are dropped."""
        used = set(self.inputs) | set(self.outputs)
        for operator in operators:
            used |= {operator.output, *operator.reads}
        tensors = {t.name: t for t in (*self.tensors, *extra) if t.name in used}
        return replace(self, operators=operators, tensors=tuple(tensors.values()), derived=self.derived + derived)
