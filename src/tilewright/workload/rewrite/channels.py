"""Constants that act alike on every element of an output channel, and where a producer keeps its output channels."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.workload.attributes import integer, scalars, text
from tilewright.workload.network import MAC_KINDS, Operator, Tensor
from tilewright.workload.rewrite.editor import FLOATS, Editor


@dataclass(frozen=True)
class ChannelStep:
    """``x * c``, ``x / c``, ``x + c`` or ``x - c`` with a constant c; ``power`` or ``sign`` is -1 for the inverses.

    ``tensor`` names the constant, or is None where it is the number ``value``.
    """

    product: bool
    inverse: bool
    tensor: str | None
    value: float

    @property
    def exponent(self) -> int:
        return -1 if self.inverse else 1

    def constant(self, editor: Editor, model: str) -> str:
        """The constant's tensor; a number becomes a derived constant in the type of the tensor ``model``."""
        return self.tensor or editor.derive("filled", (model,), (1,), size=1, value=self.value)


FUNCTIONS = {"Mul": (True, False), "Div": (True, True), "Add": (False, False), "Sub": (False, True)}


def channel_step(editor: Editor, operator: Operator, axis: int) -> ChannelStep | None:
    """The operator as one step per channel along an output axis, or None if it is anything else."""
    if operator.kind != "Elementwise" or text(operator, "function") not in FUNCTIONS:
        return None
    product, inverse = FUNCTIONS[text(operator, "function")]
    shape = editor.tensor(operator.output).shape
    variable = [name for name in operator.inputs if not editor.tensor(name).constant]
    if len(variable) != 1 or editor.tensor(variable[0]).shape != shape:
        return None
    names = iter(operator.inputs)
    operands = [constant if constant is not None else next(names) for constant in scalars(operator)]
    if len(operands) != 2 or (inverse and operands[0] != variable[0]):
        return None
    (other,) = (operand for operand in operands if operand != variable[0])
    if isinstance(other, str):
        fits = varies_along(editor.tensor(other).shape, shape, axis)
        return ChannelStep(product, inverse, other, 0.0) if fits else None
    return None if product and inverse and other == 0.0 else ChannelStep(product, inverse, None, other)


def varies_along(shape: tuple[int, ...], out: tuple[int, ...], axis: int) -> bool:
    """Whether an operand of that shape, broadcast to ``out``, differs along that axis only.

    >>> varies_along((8, 1, 1), (2, 8, 5, 5), 1), varies_along((8,), (2, 8, 5, 5), 1), varies_along((1,), (2, 8), 1)
    (True, False, True)
    """
    lead = len(out) - len(shape)
    return lead >= 0 and all(size == 1 or lead + i == axis for i, size in enumerate(shape))


def takes_folds(editor: Editor, producer: Operator) -> bool:
    """Whether constants can move into the producer: floating-point multiply-accumulates without an epilogue."""
    return (
        producer.kind in MAC_KINDS
        and not producer.epilogue
        and editor.tensor(producer.inputs[1]).constant
        and editor.tensor(producer.output).dtype in FLOATS
    )


def channel_axis(editor: Editor, producer: Operator) -> int:
    """The output axis along which a multiply-accumulate operator's weights differ."""
    return len(editor.tensor(producer.output).shape) - 1 if producer.kind == "MatMul" else 1


def weight_axis(producer: Operator, weight: Tensor) -> tuple[int, int]:
    """The weight's axis of output channels, and the groups that split it (docs/model.md, section 1)."""
    if producer.kind == "Conv":
        return 0, 1
    if producer.kind == "ConvTranspose":
        return 1, integer(producer, "groups")
    return len(weight.shape) - (2 if producer["trans_b"] else 1), 1
