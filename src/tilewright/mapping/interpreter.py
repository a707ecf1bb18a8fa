"""A mapping walked loop by loop, step by step, with sets of indices: the slow oracle of ``evaluate``.

Nothing of the fast model is used here: footprints are enumerated index by index, sliding is set difference, and
whether partial sums are spilled, read back or complete follows from counting each output element's contributions.
Only for small nests; tests compare it with ``evaluate`` for equality.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise, product
from math import prod

from tilewright.mapping.mapping import Loop, Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.workload.nest import Axis, Operand

Ranges = dict[str, range]
Indices = tuple[frozenset[int], ...]


@dataclass(frozen=True)
class Moved:
    """One transfer: ``kind`` is load, stream or store; ``box`` has the indices moved along every axis."""

    kind: str
    operand: str
    cause: str
    box: Indices
    elements: int
    runs: int
    size_bytes: int


@dataclass
class StepSeen:
    """A tile step: its ranges, transfers, and what the computation touches: in-bounds elements of every operand."""

    ranges: Ranges
    moves: list[Moved] = field(default_factory=list)
    touched: dict[str, int] = field(default_factory=dict)
    starts_from_zero: bool = True


def interpret(problem: NestProblem, mapping: Mapping) -> list[StepSeen]:
    """Every tile step of a mapping in order, with all that moves for it."""
    loops = _real_loops(problem, mapping.loops)
    walk = list(_walk(loops, {dim: range(extent) for dim, extent in problem.nest.dims}, ()))
    steps = [StepSeen(ranges) for _, ranges in walk]
    counters = [counter for counter, _ in walk]
    for operand in problem.nest.inputs:
        _refills(problem, mapping, operand, loops, counters, steps)
    _visits(problem, mapping, loops, counters, steps)
    for step in steps:
        for operand in problem.nest.operands:
            step.touched[operand.name] = _size(footprint(operand, step.ranges))
    return steps


def _real_loops(problem: NestProblem, loops: tuple[Loop, ...]) -> list[tuple[int, Loop]]:
    """Loops of more than one chunk, with their places in the mapping."""
    largest = dict(problem.nest.extents)
    found = []
    for place, loop in enumerate(loops):
        if largest[loop.dim] > loop.tile:
            found.append((place, loop))
            largest[loop.dim] = loop.tile
    return found


def _walk(
    loops: list[tuple[int, Loop]], ranges: Ranges, counters: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], Ranges]]:
    if not loops:
        yield counters, ranges
        return
    (_, loop), *inner = loops
    whole = ranges[loop.dim]
    for number, start in enumerate(range(whole.start, whole.stop, loop.tile)):
        chunk = range(start, min(start + loop.tile, whole.stop))
        yield from _walk(inner, {**ranges, loop.dim: chunk}, (*counters, number))


def axis_indices(axis: Axis, ranges: Ranges) -> frozenset[int]:
    """In-bounds indices that an axis needs: those touched, and the holes between them where a window is concerned."""
    touched = [
        axis.offset + sum(c * v for (_, c), v in zip(axis.terms, values, strict=True))
        for values in product(*(ranges[dim] for dim in axis.dims))
    ]
    if axis.divisor > 1 or axis.reach or axis.clamp:
        touched = [index for v in touched for index in (v // axis.divisor, v // axis.divisor + axis.reach)]
        if axis.clamp:
            touched = [min(max(index, 0), axis.size - 1) for index in touched]
        touched = list(range(min(touched), max(touched) + 1))
    elif sum(len(ranges[dim]) > 1 for dim in axis.dims) > 1:
        touched = list(range(min(touched), max(touched) + 1))
    return frozenset(index for index in touched if 0 <= index < axis.size)


def footprint(operand: Operand, ranges: Ranges) -> Indices:
    """What an operand needs for some ranges: a set of indices per axis."""
    return tuple(axis_indices(axis, ranges) for axis in operand.axes)


def _size(indices: Indices) -> int:
    return prod(len(along) for along in indices)


def _stretches(problem: NestProblem, operand: Operand, indices: Indices) -> int:
    """Runs of consecutive DRAM addresses: a stretch goes on from row to row of a box if whole rows are stretches."""
    if not _size(indices):
        return 0
    binding = problem.binding[operand.name]
    if binding.packed:
        return 1
    length, runs, going = 1, 1, True
    places = [sorted(stride * index for index in along) for stride, along in zip(binding.strides, indices, strict=True)]
    for along in sorted((p for p in places if len(p) > 1), key=lambda p: p[1] - p[0]):
        going = going and all(b - a == length for a, b in pairwise(along))
        if going:
            length *= len(along)
        else:
            runs *= len(along)
    return runs


def _innermost_used(mapping: Mapping, operand: Operand, loops: list[tuple[int, Loop]]) -> int:
    above = len(mapping.loops_above(operand.name))
    return max(
        (k + 1 for k, (place, loop) in enumerate(loops) if place < above and loop.dim in operand.dims), default=0
    )


def _spans(counters: list[tuple[int, ...]], depth: int) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """First and last step of every iteration of the outermost ``depth`` loops, and its counters."""
    first = 0
    for step in range(len(counters)):
        if step + 1 == len(counters) or counters[step + 1][:depth] != counters[step][:depth]:
            yield first, step, counters[first][:depth]
            first = step + 1


def _held(steps: list[StepSeen], first: int, last: int) -> Ranges:
    """The ranges that an iteration covers: from the least to the greatest index of every dimension."""
    return {
        dim: range(
            min(steps[k].ranges[dim].start for k in range(first, last + 1)),
            max(steps[k].ranges[dim].stop for k in range(first, last + 1)),
        )
        for dim in steps[first].ranges
    }


def _refills(
    problem: NestProblem,
    mapping: Mapping,
    operand: Operand,
    loops: list[tuple[int, Loop]],
    counters: list[tuple[int, ...]],
    steps: list[StepSeen],
) -> None:
    depth = _innermost_used(mapping, operand, loops)
    window = None
    if depth:
        dim = loops[depth - 1][1].dim
        window = next((k for k, axis in enumerate(operand.axes) if axis.is_window and dim in axis.dims), None)
    bits = problem.bits(operand.name)
    constant = problem.binding[operand.name].constant
    kind = "load" if _in_scratchpad(problem, operand) else "stream"
    sweep: tuple[int, ...] | None = None
    before: Indices = ()
    for first, last, counter in _spans(counters, depth):
        now = footprint(operand, _held(steps, first, last))
        moved = now
        if window is not None and sweep == counter[:-1]:
            moved = (*now[:window], now[window] - before[window], *now[window + 1 :])
        sweep, before = counter[:-1] if depth else None, now
        if _size(moved):
            steps[first].moves.append(
                Moved(
                    kind,
                    operand.name,
                    "weight" if operand.role == "weight" and constant else "load",
                    moved,
                    _size(moved),
                    _stretches(problem, operand, moved),
                    -(-_size(moved) * bits // 8),
                )
            )


def _in_scratchpad(problem: NestProblem, operand: Operand) -> bool:
    arch = problem.arch
    return problem.nest.work is not None or operand.role in arch.scratchpad.keeps


def _visits(
    problem: NestProblem,
    mapping: Mapping,
    loops: list[tuple[int, Loop]],
    counters: list[tuple[int, ...]],
    steps: list[StepSeen],
) -> None:
    nest, output, widths = problem.nest, problem.nest.output, problem.arch.widths
    depth = _innermost_used(mapping, output, loops)
    normalises = nest.work is not None and nest.work.kind == "normalise"
    reductions = [] if normalises else [dim for dim, _ in nest.dims if dim not in output.dims]
    needed = prod(nest.extents[dim] for dim in reductions)
    received: Counter[tuple[int, ...]] = Counter()
    for first, last, _ in _spans(counters, depth):
        ranges = _held(steps, first, last)
        if normalises and ranges["pass"].stop != 3:
            continue
        box = footprint(output, ranges)
        runs = _stretches(problem, output, box)
        begun = {received[element] > 0 for element in product(*box)}
        for step in steps[first : last + 1]:
            elements = list(product(*footprint(output, step.ranges)))
            step.starts_from_zero = all(received[element] == 0 for element in elements)
            points = prod(len(step.ranges[dim]) for dim in reductions)
            for element in elements:
                received[element] += points
        complete = {normalises or received[element] == needed for element in product(*box)}
        if len(begun) > 1 or len(complete) > 1:
            raise AssertionError("a visit finds some of its elements begun or complete and others not")

        def moved(kind: str, cause: str, bits: int, box: Indices = box, runs: int = runs) -> Moved:
            return Moved(kind, output.name, cause, box, _size(box), runs, -(-_size(box) * bits // 8))

        if begun == {True}:
            steps[first].moves.append(moved("load", "readback", widths.accumulator))
        if complete == {True}:
            steps[last].moves.append(moved("store", "store", widths.output))
        elif complete == {False}:
            steps[last].moves.append(moved("store", "spill", widths.accumulator))
