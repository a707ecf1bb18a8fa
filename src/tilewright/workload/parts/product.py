"""Nests of matrix products, batched and broadcast (docs/model.md, section 1)."""

from __future__ import annotations

from tilewright.workload.nest import Axis, LoopNest, Operand
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.naming import plain


def matrix_product(operator: Operator, network: Network) -> tuple[Part, ...]:
    """``output[b, m, n] += input[b, m, k] * weight[b, k, n]``; a transposed operand only has its last axes swapped.

    Dimensions B (B0, B1, ... where there are several batch axes), M, N, K. A batch axis that an operand lacks or
    has with extent 1 repeats it.
    """
    a, b = operator.inputs
    left, right, out = network.shape(a), network.shape(b), network.shape(operator.output)
    batch = out[:-2]
    names = ("B",) if len(batch) == 1 else tuple(f"B{i}" for i in range(len(batch)))
    rows, columns = out[-2:]
    depth = left[-2] if operator["trans_a"] else left[-1]
    nest = LoopNest(
        dims=(*zip(names, batch, strict=True), ("M", rows), ("N", columns), ("K", depth)),
        operands=(
            Operand(
                "input",
                "input",
                (
                    *_batch_axes(names, left[:-2], batch),
                    *_matrix_axes(("M", rows), ("K", depth), len(left), bool(operator["trans_a"])),
                ),
            ),
            Operand(
                "weight",
                "weight",
                (
                    *_batch_axes(names, right[:-2], batch),
                    *_matrix_axes(("K", depth), ("N", columns), len(right), bool(operator["trans_b"])),
                ),
            ),
            Operand(
                "output",
                "output",
                (
                    *_batch_axes(names, batch, batch),
                    *_matrix_axes(("M", rows), ("N", columns), len(out), False),
                ),
            ),
        ),
    )
    return (Part("", nest, (("input", a), ("weight", b), ("output", operator.output))),)


def _batch_axes(names: tuple[str, ...], own: tuple[int, ...], batch: tuple[int, ...]) -> tuple[Axis, ...]:
    lead = len(batch) - len(own)
    return tuple(
        Axis((), 1, axis) if size == 1 and batch[lead + axis] != 1 else plain(names[lead + axis], size, axis)
        for axis, size in enumerate(own)
    )


def _matrix_axes(first: tuple[str, int], second: tuple[str, int], rank: int, transposed: bool) -> tuple[Axis, Axis]:
    """The last two axes in the order of the formula; ``transposed`` ones lie the other way round in the tensor."""
    at_first, at_second = (rank - 1, rank - 2) if transposed else (rank - 2, rank - 1)
    return plain(*first, at_first), plain(*second, at_second)
