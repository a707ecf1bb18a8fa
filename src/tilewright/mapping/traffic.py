"""What moves between DRAM and the scratchpad, refill by refill (docs/model.md, section 4).

With L1..Lp the loops above the keep down to the innermost one that the operand uses, it is refilled once per
iteration of L1..Lp, in that iteration's first tile step. An output is visited once per iteration instead: its results
leave after the visit's last step, and come back first if an earlier visit left partial sums.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.mapping.footprint import Span, footprint_table, fresh_table
from tilewright.mapping.homes import PASS, accumulated_dims
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import BoolArray, Chunks, IntArray, Level, Tiling
from tilewright.workload.nest import LoopNest, Operand


@dataclass(frozen=True, eq=False)
class Moves:
    """One transfer per entry: the step (from 0) that it belongs to, its elements, and its runs in DRAM."""

    operand: str
    cause: str
    step: IntArray
    elements: IntArray
    runs: IntArray
    bits: int

    @property
    def transfer_bytes(self) -> IntArray:
        """Every transfer is rounded up to whole bytes by itself."""
        return -(-self.elements * self.bits // 8)


def sliding_axis(operand: Operand, tiling: Tiling, last_used: int) -> int | None:
    """The axis along which the innermost used loop moves a window, if it does."""
    if last_used == 0:
        return None
    dim = tiling.loops[last_used - 1].dim
    return next((k for k, axis in enumerate(operand.axes) if axis.is_window and dim in axis.dims), None)


def span_tables(operand: Operand, chunks: Dict[str, Chunks], slide: tuple[int, str] | None) -> list[Span]:
    """Per axis, what one refill moves, over the chunks of the axis' dimensions; ``slide`` is (axis, dimension)."""
    return [
        fresh_table(axis, chunks, slide[1]) if slide is not None and slide[0] == k else footprint_table(axis, chunks)
        for k, axis in enumerate(operand.axes)
    ]


def box_elements(operand: Operand, level: Level, tables: list[Span]) -> IntArray:
    """Elements of each iteration's box: the product of its counts."""
    total = np.ones(1, dtype=np.int64)
    for axis, table in zip(operand.axes, tables, strict=True):
        total = total * level.gather(axis.dims, table.count)
    return np.broadcast_to(total, len(level))


def contiguous_runs(
    counts: Sequence[IntArray], stretches: Sequence[IntArray], strides: Sequence[int], elements: IntArray
) -> IntArray:
    """Maximal runs of consecutive DRAM addresses in boxes of indices (docs/model.md, section 6).

    Per axis: how many indices, in how many stretches of neighbours, and the distance of neighbours in DRAM. Axes of one
    index do not matter; the others are taken from the smallest stride up, for as long as each continues the run so
    far.

    >>> one = np.array([1])
    >>> contiguous_runs([4 * one, 56 * one, 16 * one], [one, one, one], [56 * 64, 64, 1], 4 * 56 * 16 * one).tolist()
    [224]
    >>> contiguous_runs([4 * one, 56 * one, 64 * one], [one, one, one], [56 * 64, 64, 1], 4 * 56 * 64 * one).tolist()
    [1]
    >>> contiguous_runs([4 * one, 56 * one], [2 * one, one], [56, 1], 4 * 56 * one).tolist()
    [2]
    """
    length, runs = np.ones(1, dtype=np.int64), np.ones(1, dtype=np.int64)
    whole = np.ones(1, dtype=bool)
    for k in sorted(range(len(counts)), key=lambda k: strides[k]):
        joins = whole & (length == strides[k])
        runs = runs * np.where(joins, stretches[k], counts[k])
        whole = (counts[k] == 1) & whole | joins & (stretches[k] == 1)
        length = np.where(whole, length * counts[k], length)
    return np.where(elements > 0, runs, 0)


def box_runs(problem: NestProblem, operand: Operand, level: Level, tables: list[Span], elements: IntArray) -> IntArray:
    """Runs of each iteration's box; a constant weight's tile is stored as one."""
    binding = problem.binding[operand.name]
    if binding.packed:
        return (elements > 0).astype(np.int64)
    counts, stretches = [], []
    for axis, table in zip(operand.axes, tables, strict=True):
        apart = np.broadcast_to(table.step, table.count.shape) > 1
        counts.append(level.gather(axis.dims, table.count))
        stretches.append(level.gather(axis.dims, np.where(apart, table.count, np.minimum(table.count, 1))))
    return np.broadcast_to(contiguous_runs(counts, stretches, binding.strides, elements), elements.shape)


def moves_in(problem: NestProblem, mapping: Mapping, tiling: Tiling, operand: Operand) -> Moves:
    """The refills of an input or weight."""
    last_used = tiling.last_used(len(mapping.loops_above(operand.name, problem.arch.scratchpad.name)), operand.dims)
    level = tiling.levels[last_used]
    axis = sliding_axis(operand, tiling, last_used)
    slide = None if axis is None else (axis, tiling.loops[last_used - 1].dim)
    tables = span_tables(operand, level.chunks, slide)
    elements = box_elements(operand, level, tables)
    runs = box_runs(problem, operand, level, tables, elements)
    cause = "weight" if operand.role == "weight" and problem.binding[operand.name].constant else "load"
    return Moves(operand.name, cause, level.first_step, elements, runs, problem.bits(operand.name))


@dataclass(frozen=True, eq=False)
class Visits:
    """The visits of an output: results out, partial sums out and back in; ``clash`` counts the visits that read
    back what the visit just before them spilled."""

    stores: Moves
    spills: Moves
    readbacks: Moves
    number: int
    clash: int


def visits(problem: NestProblem, mapping: Mapping, tiling: Tiling) -> Visits:
    """The visits of the output's home.

    A visit in which every reduction stands at its last chunk completes its elements and writes them at output width;
    all others spill at accumulator width. Every visit but the first of its elements reads back.
    """
    nest, output, widths = problem.nest, problem.nest.output, problem.arch.widths
    last_used = tiling.last_used(len(mapping.loops_above(output.name, problem.arch.scratchpad.name)), output.dims)
    level = tiling.levels[last_used]
    tables = span_tables(output, level.chunks, None)
    elements = box_elements(output, level, tables)
    runs = box_runs(problem, output, level, tables, elements)
    active = np.ones(len(level), dtype=bool)
    if nest.work is not None and nest.work.kind == "normalise" and PASS in level.index:
        active = level.chunks[PASS].start[level.index[PASS]] == nest.extents[PASS] - 1
    reductions = [dim for dim in level.index if dim in accumulated_dims(nest)]
    first, complete = np.ones(len(level), dtype=bool), np.ones(len(level), dtype=bool)
    same = np.ones(len(level) - 1, dtype=bool)
    for dim, index in level.index.items():
        if dim in reductions:
            first &= index == 0
            complete &= index == len(level.chunks[dim]) - 1
        elif dim in output.dims:
            same &= index[1:] == index[:-1]

    def chosen(cause: str, which: BoolArray, step: IntArray, bits: int) -> Moves:
        return Moves(output.name, cause, step[which], elements[which], runs[which], bits)

    return Visits(
        chosen("store", active & complete, level.last_step, widths.output),
        chosen("spill", active & ~complete, level.last_step, widths.accumulator),
        chosen("readback", active & ~first, level.first_step, widths.accumulator),
        number=int(active.sum()),
        clash=int((same & ~first[1:]).sum()),
    )


def starts_from_zero(nest: LoopNest, level: Level) -> IntArray:
    """Per iteration whether its output elements have had no contribution yet (one value if that never varies)."""
    zero = np.ones(1, dtype=bool)
    for dim in accumulated_dims(nest):
        if dim in level.index:
            zero = zero & (level.chunks[dim].start[level.index[dim]] == 0)
    return zero.astype(np.int64)
