"""What the vector unit does in each tile step: passes over its tile, and their bits at the scratchpad (docs/model.md,
section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.mapping.homes import PASS, held_bits
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.traffic import box_elements, span_tables, starts_from_zero
from tilewright.workload.nest import Operand


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of the vector unit in each step: busy cycles, and bits read and written at the scratchpad.

    Arrays have an entry per step, or one for all; ``reads`` and ``writes`` pair operands with bits.
    """

    busy: IntArray
    reads: tuple[tuple[str, IntArray], ...]
    writes: tuple[tuple[str, IntArray], ...]
    operations: IntArray


def step_footprint(operand: Operand, level: Level) -> IntArray:
    """In-bounds elements of an operand in each step."""
    return box_elements(operand, level, span_tables(operand, level.chunks, None))


def ranges_product(level: Level, dims: tuple[str, ...]) -> IntArray:
    """The product of the ranges of some dimensions, per step (one value if none varies)."""
    return level.product({dim: level.chunks[dim].length for dim in dims})


def vector_passes(problem: NestProblem, mapping: Mapping, tiling: Tiling) -> tuple[Pass, ...]:
    """The passes of an operator of the vector unit over each step's tile."""
    nest, work, level = problem.nest, problem.nest.work, tiling.levels[-1]
    assert work is not None
    if work.kind == "normalise":
        return _normalise_passes(problem, tiling)
    inputs = tuple((o.name, step_footprint(o, level) * problem.bits(o.name)) for o in nest.inputs)
    results = step_footprint(nest.output, level)
    written = results * held_bits(problem, mapping, nest.output.name, problem.arch.scratchpad.name)
    if work.kind == "map":
        operations = work.operations * results
        begun: tuple[tuple[str, IntArray], ...] = ()
    else:
        operations = ranges_product(level, tuple(level.chunks))
        begun = ((nest.output.name, written * (1 - starts_from_zero(nest, level))),)
    return (_vector_pass(problem, operations, inputs + begun, ((nest.output.name, written),)),)


def _vector_pass(
    problem: NestProblem,
    operations: IntArray,
    reads: tuple[tuple[str, IntArray], ...],
    writes: tuple[tuple[str, IntArray], ...],
    runs: IntArray | int = 1,
) -> Pass:
    """A pass of the vector unit; ``runs`` is 1 in the steps that have it and 0 in the others."""
    busy = -(-operations // problem.arch.vector.lanes)
    return Pass(
        busy * runs,
        tuple((name, bits * runs) for name, bits in reads),
        tuple((name, bits * runs) for name, bits in writes),
        operations * runs,
    )


def _normalise_passes(problem: NestProblem, tiling: Tiling) -> tuple[Pass, ...]:
    """Two passes for the statistics and one that applies them; each step of a split row runs the pass of its loop."""
    nest, level, widths = problem.nest, tiling.levels[-1], problem.arch.widths
    work = nest.work
    assert work is not None
    points = ranges_product(level, tuple(dim for dim, _ in nest.dims if dim != PASS))
    rows = ranges_product(level, tuple(dim for dim, _ in nest.dims if dim != PASS and dim not in work.reduced))
    tile = tuple((o.name, step_footprint(o, level) * problem.bits(o.name)) for o in nest.inputs)
    result = ((nest.output.name, step_footprint(nest.output, level) * widths.output),)
    one = (("statistics", rows * widths.accumulator),)
    two = (("statistics", 2 * rows * widths.accumulator),)
    if PASS in level.index:
        number = level.chunks[PASS].start[level.index[PASS]]
        begun = np.ones(1, dtype=bool)
        for dim in work.reduced:
            if dim in level.index:
                begun = begun & (level.chunks[dim].start[level.index[dim]] == 0)
        again = (("statistics", rows * widths.accumulator * (1 - begun.astype(np.int64))),)
        return (
            _vector_pass(problem, points, tile + again, one, (number == 0).astype(np.int64)),
            _vector_pass(problem, points, tile + one + again, one, (number == 1).astype(np.int64)),
            _vector_pass(problem, points, tile + two, result, (number == 2).astype(np.int64)),
        )
    exponentials = (("exponentials", step_footprint(nest.inputs[0], level) * widths.accumulator),)
    second = (*one, *exponentials) if work.exponentials else one
    third = (*one, *exponentials) if work.exponentials else (*tile, *two)
    return (
        _vector_pass(problem, points, tile, one),
        _vector_pass(problem, points, tile + one, second),
        _vector_pass(problem, points, third, result),
    )


def outputs_in_all(problem: NestProblem) -> int:
    """Elements that the nest produces: what each absorbed activation is applied to."""
    output = problem.nest.output
    return prod(problem.nest.extents[dim] for dim in output.dims)
