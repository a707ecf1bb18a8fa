"""What the array or the vector unit does in each tile step: cycles, and bits at the scratchpad (docs/model.md, 5, 6).

First version: a multiply-accumulate step lets every position work through its share; memories inside the scratchpad
overlap perfectly and take no time. Operators of the vector unit run in passes over the step's tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.mapping.homes import PASS, memories_below, output_bits, streams
from tilewright.mapping.mapping import Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.traffic import box_elements, span_tables, starts_from_zero
from tilewright.workload.nest import Operand

_NONE = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Pass:
    """One pass of one step each: busy cycles, and bits read and written at the scratchpad's array side.

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


def used_positions(pars: tuple[Par, ...], level: Level) -> dict[str, tuple[str, IntArray]]:
    """Per array axis that carries a ``Par``: its dimension, and the positions used for each chunk of it."""
    lengths = {dim: chunks.length for dim, chunks in level.chunks.items()}
    found = {}
    for par in pars:
        found[par.axis] = (par.dim, -(-lengths[par.dim] // par.tile))
        lengths[par.dim] = np.minimum(lengths[par.dim], par.tile)
    return found


def copies(operand: Operand, pars: tuple[Par, ...], level: Level, axes: tuple[str, ...]) -> IntArray:
    """Positions along some axes that need the same words of an operand: axes over dimensions it does not use."""
    total = np.ones(1, dtype=np.int64)
    for axis, (dim, used) in used_positions(pars, level).items():
        if axis in axes and dim not in operand.dims:
            total = total * level.gather((dim,), used)
    return total


def compute_cycles(pars: tuple[Par, ...], level: Level) -> IntArray:
    """Steps of the busiest position: the product over dimensions of its range, one point per cycle.

    A chunk of the innermost ``Par`` over a dimension is what one position has of it, or less in a shorter tile.
    """
    innermost = {par.dim: par.tile for par in pars}
    return level.product(
        {dim: np.minimum(innermost.get(dim, chunks.length), chunks.length) for dim, chunks in level.chunks.items()}
    )


def array_words(problem: NestProblem, operand: Operand, pars: tuple[Par, ...], level: Level) -> IntArray:
    """Words of a step that the array takes from, or hands to, the scratchpad directly.

    One for each point, shared by the positions along multicast axes (for outputs: reduce axes) whose dimension the
    operand does not use.
    """
    array = problem.arch.array
    shared = copies(operand, pars, level, array.reduce if operand.role == "output" else array.multicast)
    return -(-ranges_product(level, tuple(level.chunks)) // shared)


def array_pass(problem: NestProblem, mapping: Mapping, tiling: Tiling) -> Pass:
    """The multiply-accumulates of each step.

    Where a memory further in keeps an operand's role, the scratchpad hands the step's footprint over once; otherwise
    it serves every access. Results already begun are read before they are written, those that start from zero not.
    """
    nest, level, widths = problem.nest, tiling.levels[-1], problem.arch.widths
    reads, writes = [], []
    for operand in nest.inputs:
        if streams(problem, operand.name):
            continue
        below = memories_below(problem, operand.name)
        words = step_footprint(operand, level) if below else array_words(problem, operand, mapping.pars, level)
        reads.append((operand.name, words * problem.bits(operand.name)))
    output, bits = nest.output, output_bits(problem, mapping)
    if not streams(problem, output.name):
        footprint, zero = step_footprint(output, level), starts_from_zero(nest, level)
        if memories_below(problem, output.name):
            words, begun = footprint, footprint * (1 - zero)
        else:
            words = array_words(problem, output, mapping.pars, level)
            begun, bits = np.maximum(words - footprint * zero, 0), widths.accumulator
        reads.append((output.name, begun * bits))
        writes.append((output.name, words * bits))
    busy = compute_cycles(mapping.pars, level)
    return Pass(busy, tuple(reads), tuple(writes), _NONE)


def vector_passes(problem: NestProblem, mapping: Mapping, tiling: Tiling) -> tuple[Pass, ...]:
    """The passes of an operator of the vector unit over each step's tile."""
    nest, work, level = problem.nest, problem.nest.work, tiling.levels[-1]
    assert work is not None
    if work.kind == "normalise":
        return _normalise_passes(problem, tiling)
    inputs = tuple((o.name, step_footprint(o, level) * problem.bits(o.name)) for o in nest.inputs)
    results = step_footprint(nest.output, level)
    written = results * output_bits(problem, mapping)
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


def passes(problem: NestProblem, mapping: Mapping, tiling: Tiling) -> tuple[Pass, ...]:
    """Everything the machine computes in each step: one pass for the array, one to three for the vector unit."""
    if problem.nest.work is None:
        return (array_pass(problem, mapping, tiling),)
    return vector_passes(problem, mapping, tiling)


def outputs_in_all(problem: NestProblem) -> int:
    """Elements that the nest produces: what each absorbed activation is applied to."""
    output = problem.nest.output
    return prod(problem.nest.extents[dim] for dim in output.dims)
