"""Sums over all tile steps without listing them, for machines on which nothing but sums counts.

The iterations of some loops are all combinations of the chunks of each dimension. So the sum over them of a product of
tables, each over dimensions of its own, is the product of the tables' sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilewright.mapping.accesses import exchanges
from tilewright.mapping.boundary import Boundary
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.traffic import Moves

_ZERO = np.zeros(1, dtype=np.int64)


def only_sums(problem: NestProblem, passing: frozenset[str]) -> bool:
    """Whether time and energy depend on sums over the steps alone: perfect overlap, and no byte rounded up."""
    widths = problem.arch.widths
    sizes = {widths.output, widths.accumulator, *(problem.bits(operand.name) for operand in problem.nest.operands)}
    return (
        problem.nest.work is None
        and problem.arch.timing == "roofline"
        and not passing
        and all(size % 8 == 0 for size in sizes)
        and all(sum(len(axis.dims) for axis in o.axes) == len(o.dims) for o in problem.nest.operands)
    )


class SummedLevel(Level):
    """All iterations of some loops taken together: one entry, and the sums of tables."""

    def gather(self, dims: tuple[str, ...], table: IntArray) -> IntArray:
        """The sum of a table over the chunks of some dimensions; one value stands for each of them."""
        number = 1
        for dim in dims:
            number *= len(self.chunks[dim])
        return np.array([int(table.sum()) * (number if table.size == 1 else 1)])


@dataclass(frozen=True)
class SummedTiling(Tiling):
    """A nest and the loops over it, all its tile steps taken as one."""

    @cached_property
    def steps(self) -> int:
        return 1

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        return tuple(SummedLevel(chunks, {}, _ZERO, _ZERO) for chunks in self.chunks)


def summed_moves(problem: NestProblem, chains: tuple[tuple[Boundary, ...], ...]) -> tuple[Moves, ...]:
    """All transfers from and to DRAM but those of parameters, one for each operand and cause; runs are not counted."""
    widths, found = problem.arch.widths, []
    for boundary, *_ in chains[:-1]:
        operand = boundary.operand
        cause = "weight" if operand.role == "weight" and problem.binding[operand.name].constant else "load"
        found.append(_move(boundary, cause, boundary.moved, problem.bits(operand.name)))
    outer, flow = chains[-1][0], exchanges(problem, chains[-1])[0]
    return (
        *found,
        _move(outer, "readback", flow.found, widths.accumulator),
        _move(outer, "store", flow.arrivals - flow.found, widths.output),
        _move(outer, "spill", flow.found, widths.accumulator),
    )


def _move(boundary: Boundary, cause: str, elements: int, bits: int) -> Moves:
    return Moves(boundary.operand.name, cause, _ZERO, np.array([elements]), _ZERO, bits)
