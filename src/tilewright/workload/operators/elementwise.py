"""Operators that work element by element, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node, broadcasts_to
from tilewright.workload.operators.registry import constraint, imports

BINARY = ("Add", "Sub", "Mul", "Div", "Pow")
VARIADIC = ("Sum", "Max", "Min")
PLAIN = ("Relu", "Sigmoid", "Tanh", "Sqrt", "Exp", "Softplus", "Abs", "Neg")
ARGUMENTS: dict[str, tuple[tuple[str, float], ...]] = {
    # Attributes of functions that have any, with the defaults of the ONNX standard.
    "LeakyRelu": (("alpha", 0.01),),
    "HardSigmoid": (("alpha", 0.2), ("beta", 0.5)),
    "Elu": (("alpha", 1.0),),
}
FLOAT32_MAX = float(np.finfo(np.float32).max)


def emit_elementwise(
    node: Node, emitter: Emitter, function: str, slots: Sequence[int], arguments: tuple[float, ...] = ()
) -> None:
    """One elementwise operator over inputs of a node; constants of one element become immediates."""
    immediate = [_is_immediate(node, slot, slots) for slot in slots]
    constants = tuple(node.value_float(slot) if alone else None for slot, alone in zip(slots, immediate, strict=True))
    tensors = [node.inputs[slot] for slot, alone in zip(slots, immediate, strict=True) if not alone]
    emitter.emit(node, "Elementwise", tensors, function=function, constants=constants, arguments=arguments)


def _is_immediate(node: Node, slot: int, slots: Sequence[int]) -> bool:
    """Whether the input is one known number that does not raise the rank of the result."""
    if not (node.folds(slot) and node.elements(slot) == 1):
        return False
    return node.rank(slot) <= max(node.rank(other) for other in slots if not node.constant(other))


@imports(*BINARY, kind="Elementwise")
def binary(node: Node, emitter: Emitter) -> None:
    """Two operands, broadcast to one shape."""
    emit_elementwise(node, emitter, node.op_type, (0, 1))


@imports(*VARIADIC, kind="Elementwise")
def variadic(node: Node, emitter: Emitter) -> None:
    """Any number of operands, broadcast to one shape."""
    if len(node.inputs) == 1:
        emitter.emit(node, "Identity", node.inputs)
    else:
        emit_elementwise(node, emitter, node.op_type, range(len(node.inputs)))


@imports(*PLAIN, kind="Elementwise")
def unary(node: Node, emitter: Emitter) -> None:
    """A function without arguments."""
    emit_elementwise(node, emitter, node.op_type, (0,))


@imports("Erf", kind="Elementwise", opsets="9+")
def erf(node: Node, emitter: Emitter) -> None:
    """The error function."""
    emit_elementwise(node, emitter, "Erf", (0,))


@imports("HardSwish", kind="Elementwise", opsets="14+")
def hard_swish(node: Node, emitter: Emitter) -> None:
    """The function ``x * clip(x / 6 + 1 / 2, 0, 1)``."""
    emit_elementwise(node, emitter, "HardSwish", (0,))


@imports(*ARGUMENTS, kind="Elementwise")
def with_arguments(node: Node, emitter: Emitter) -> None:
    """A function with arguments, in the order of the table above."""
    arguments = tuple(node.number(name, default) for name, default in ARGUMENTS[node.op_type])
    emit_elementwise(node, emitter, node.op_type, (0,), arguments)


@imports("Gelu", kind="Elementwise", opsets="20+")
def gelu(node: Node, emitter: Emitter) -> None:
    """The argument is 1 for the approximation by a hyperbolic tangent, 0 for the exact function."""
    approximate = node.text("approximate", "none") == "tanh"
    emit_elementwise(node, emitter, "Gelu", (0,), (float(approximate),))


@constraint("Clip")
def limits_known(node: Node) -> bool:
    """The limits, if given, are attributes or constants."""
    return all(not node.has(slot) or node.folds(slot) for slot in (1, 2))


@constraint("Clip")
def limits_are_numbers(node: Node) -> bool:
    """Each limit is a single number."""
    return all(not node.has(slot) or node.elements(slot) == 1 for slot in (1, 2))


@imports("Clip", kind="Elementwise")
def clip(node: Node, emitter: Emitter) -> None:
    """Limits left out are the largest float32 numbers."""
    low = node.value_float(1) if node.has(1) else node.number("min", -FLOAT32_MAX)
    high = node.value_float(2) if node.has(2) else node.number("max", FLOAT32_MAX)
    emit_elementwise(node, emitter, "Clip", (0,), (low, high))


@constraint("PRelu")
def constant_slope(node: Node) -> bool:
    """The slope is a constant."""
    return node.constant(1)


@constraint("PRelu")
def slope_broadcasts(node: Node) -> bool:
    """The slope can be broadcast to the shape of the input."""
    return broadcasts_to(node.shape(1), node.shape())


@imports("PRelu", kind="Elementwise")
def prelu(node: Node, emitter: Emitter) -> None:
    """A slope per channel stays an operand; a single one makes a LeakyRelu."""
    if _is_immediate(node, 1, (0, 1)):
        emit_elementwise(node, emitter, "LeakyRelu", (0,), (node.value_float(1),))
    else:
        emit_elementwise(node, emitter, "PRelu", (0, 1))
