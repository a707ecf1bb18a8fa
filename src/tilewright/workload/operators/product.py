"""Gemm and MatMul, both as the canonical MatMul."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.workload.network import Parameter, Value
from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node, broadcasts_to
from tilewright.workload.operators.registry import constraint, imports


@constraint("Gemm")
def two_axes(node: Node) -> bool:
    """Both factors have two axes."""
    return node.rank(0) == 2 and node.rank(1) == 2


@constraint("Gemm")
def third_broadcasts(node: Node) -> bool:
    """The third input, if there is one, can be broadcast to the shape of the result."""
    return not node.has(2) or broadcasts_to(node.shape(2), node.out_shape())


@constraint("Gemm", "MatMul")
def one_result_axis(node: Node) -> bool:
    """The result has at least one axis: a product of two vectors is not supported."""
    return len(node.out_shape()) >= 1


@imports("Gemm", kind="MatMul")
def gemm(node: Node, emitter: Emitter) -> None:
    """``alpha * A' * B' + beta * C``: scales go into constants where they can, C becomes a bias if it is a vector."""
    factors = list(node.inputs[:2])
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    steps: list[tuple[str, list[str], tuple[float | None, ...]]] = []
    parameters: list[Parameter] = []
    if alpha != 1.0:
        slot = 1 if node.constant(1) else 0
        if node.constant(slot):
            factors[slot] = _scaled(node, emitter, slot, alpha)
        else:
            steps.append(("Mul", [], (None, alpha)))
    if node.has(2) and beta != 0.0:
        _add_third(node, emitter, beta, parameters, steps)
    result = node.outputs[0]
    if steps:
        result = emitter.intermediate(node, "product", node.out_shape(), node.out_dtype())
    trans: dict[str, Value] = {"trans_a": bool(node.integer("transA", 0)), "trans_b": bool(node.integer("transB", 0))}
    emitter.emit(node, "MatMul", factors, result, part="product" if steps else "", parameters=parameters, **trans)
    for position, (function, others, constants) in enumerate(steps):
        last = position == len(steps) - 1
        target = node.outputs[0] if last else emitter.intermediate(node, "scaled", node.out_shape(), node.out_dtype())
        emitter.emit(
            node,
            "Elementwise",
            [result, *others],
            target,
            part="" if last else "scale",
            function=function,
            constants=constants,
            arguments=(),
        )
        result = target


def _add_third(
    node: Node,
    emitter: Emitter,
    beta: float,
    parameters: list[Parameter],
    steps: list[tuple[str, list[str], tuple[float | None, ...]]],
) -> None:
    """Add Gemm's third input: as a bias if it is a constant vector along the columns, else as a step of its own."""
    columns = node.out_shape()[1]
    if not node.constant(2):
        third = node.inputs[2]
        if beta != 1.0:
            third = emitter.intermediate(node, "addend", node.shape(2), node.dtype(2))
            emitter.emit(
                node,
                "Elementwise",
                node.inputs[2:3],
                third,
                part="addend",
                function="Mul",
                constants=(None, beta),
                arguments=(),
            )
        steps.append(("Add", [third], (None, None)))
    elif node.elements(2) == 1 and columns > 1 and node.folds(2):
        steps.append(("Add", [], (None, beta * node.value_float(2))))
    else:
        third = _scaled(node, emitter, 2, beta) if beta != 1.0 else node.inputs[2]
        if node.elements(2) == columns and (node.rank(2) == 0 or node.shape(2)[-1] == columns):
            if node.rank(2) != 1:
                third = emitter.derive(third, "reshape", {"shape": (columns,)}, (columns,), node.dtype(2))
            parameters.append(Parameter("bias", third, (1,)))
        else:
            steps.append(("Add", [third], (None, None)))


def _scaled(node: Node, emitter: Emitter, slot: int, factor: float) -> str:
    """A constant input times a number."""
    return emitter.derive(node.inputs[slot], "scale", {"factor": factor}, node.shape(slot), node.dtype(slot))


@imports("MatMul", kind="MatMul")
def matmul(node: Node, emitter: Emitter) -> None:
    """A vector operand is a matrix with one row (first) or one column (second), dropped from the result again."""
    factors = list(node.inputs[:2])
    matrix = list(node.out_shape())
    if node.rank(0) == 1:
        factors[0] = _as_matrix(node, emitter, 0, (1, node.shape(0)[0]))
        matrix.insert(len(matrix) - (1 if node.rank(1) > 1 else 0), 1)
    if node.rank(1) == 1:
        factors[1] = _as_matrix(node, emitter, 1, (node.shape(1)[0], 1))
        matrix.append(1)
    direct = len(matrix) == len(node.out_shape())
    result = node.outputs[0] if direct else emitter.intermediate(node, "product", matrix, node.out_dtype())
    emitter.emit(node, "MatMul", factors, result, part="" if direct else "product", trans_a=False, trans_b=False)
    if not direct:
        emitter.emit(node, "Reshape", (result,))


def _as_matrix(node: Node, emitter: Emitter, slot: int, shape: Sequence[int]) -> str:
    if node.constant(slot):
        return emitter.derive(node.inputs[slot], "reshape", {"shape": tuple(shape)}, shape, node.dtype(slot))
    name = emitter.intermediate(node, "ab"[slot], shape, node.dtype(slot))
    emitter.emit(node, "Reshape", node.inputs[slot : slot + 1], name, part="ab"[slot])
    return name
