"""The steps of an operator in a group: which of its boxes count alike, what each costs (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from tilewright.mapping.mapping import Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray
from tilewright.schedule.group.factors import BoxCounts
from tilewright.schedule.group.intervals import Intervals
from tilewright.schedule.group.members import Member
from tilewright.schedule.group.steps import NOTHING, Ranges, StepCost, boxed, step_cost
from tilewright.workload.nest import Axis, LoopNest, Operand


@dataclass(frozen=True, eq=False)
class Classes:
    """Chunks of a loop in which an operator's box counts alike: the dimensions that move, the class of each chunk, how
    many chunks each class has, what tells it from others, and the ranges (start, length) of one of its chunks."""

    dims: tuple[str, ...]
    of: IntArray
    number: IntArray
    keys: tuple[tuple[int, ...], ...]
    examples: tuple[dict[str, tuple[int, int]], ...]


Bounds = Dict[str, tuple[IntArray, IntArray]]  # first index and one past the last of each dimension, per chunk


def classes(nest: LoopNest, spans: Bounds, count: int) -> Classes:
    """The classes of the chunks of a loop; ``spans`` bound what an operator computes along the dimensions it moves."""
    rows = [high - low for low, high in spans.values()]
    for operand in nest.inputs:
        rows += [r for axis in operand.axes if any(dim in spans for dim in axis.dims) for r in _cut(axis, nest, spans)]
    table = np.array([np.broadcast_to(row, count) for row in rows]).T.reshape(count, -1).tolist()
    known: dict[tuple[int, ...], int] = {}
    of = np.array([known.setdefault(tuple(row), len(known)) for row in table], dtype=np.int64)
    examples: list[dict[str, tuple[int, int]]] = []
    for kind in range(len(known)):
        chunk = int(np.argmax(of == kind))
        examples.append({dim: (int(low[chunk]), int(high[chunk] - low[chunk])) for dim, (low, high) in spans.items()})
    return Classes(tuple(spans), of, np.bincount(of, minlength=len(known)), tuple(known), tuple(examples))


def _cut(axis: Axis, nest: LoopNest, spans: Bounds) -> tuple[IntArray, ...]:
    """What of an axis' indices lies outside the array, before and behind."""
    first = last = np.asarray(axis.offset)
    for dim, coefficient in axis.terms:
        low, high = spans.get(dim, (np.asarray(0), np.asarray(nest.extents[dim])))
        first, last = first + coefficient * low, last + coefficient * (high - 1)
    if axis.divisor > 1 or axis.reach or axis.clamp:
        return first, last
    return np.minimum(first, 0), np.maximum(last - axis.size + 1, 0)


@dataclass(frozen=True, eq=False)
class Steps:
    """All steps of one operator. ``numbers`` has the number in ``book`` of every combination of classes: an axis for
    each shared loop, then one for the chunks of its own loop (channels) if it has any."""

    book: StepBook
    classes: tuple[Classes, ...]
    numbers: IntArray

    @cached_property
    def occurrences(self) -> IntArray:
        """How often each combination occurs."""
        total = np.ones((), dtype=np.int64)
        for one in self.classes:
            total = np.multiply.outer(total, one.number)
        return total.reshape(-1)

    @property
    def times(self) -> tuple[tuple[StepCost, int], ...]:
        """Every cost and how often it occurs."""
        costs = (self.book.costs[number] for number in self.numbers.reshape(-1).tolist())
        return tuple(zip(costs, self.occurrences.tolist(), strict=True))

    @cached_property
    def energy_pj(self) -> float:
        """Dynamic energy of all of them, transfers with DRAM aside."""
        each = [self.book.energy_pj[number] for number in self.numbers.reshape(-1).tolist()]
        return float((np.array(each) * self.occurrences).sum())

    def table(self, column: int) -> IntArray:
        """A column of the book (CYCLES, THERE, STREAM_BYTES, STREAM_RUNS) for all combinations."""
        rows = self.book.rows
        values = [rows[number][column] for number in self.numbers.reshape(-1).tolist()]
        return np.array(values, dtype=np.int64).reshape(self.numbers.shape)


CYCLES, THERE, STREAM_BYTES, STREAM_RUNS = range(4)


class StepBook:
    """The steps of one operator, or of several with equal problems, each box evaluated once.

    Everything known of a box has its number: ``costs``, ``energy_pj``, and ``rows`` of what ``Steps.table`` asks for.
    """

    def __init__(self, problem: NestProblem) -> None:
        self.problem, self.nest = problem, problem.nest
        self.costs: list[StepCost] = []
        self.energy_pj: list[float] = []
        self.rows: list[tuple[int, int, int, int]] = []
        self._bare = replace(problem, parameters=(), held_parameters=())
        self._known: dict[tuple[int, ...], int] = {}
        self._kinds: dict[tuple[tuple[str, ...], tuple[int, ...]], int] = {}
        self._arrays: dict[tuple[tuple[Node, ...], bool], int] = {}
        self._counts: dict[tuple[tuple[Node, ...], bool], BoxCounts] = {}

    def adds_up(self, array: tuple[Node, ...]) -> bool:
        """Whether results are added up in the scratchpad itself."""
        return self.nest.work is None and self._of(array, moved=False).adds_up

    def _of(self, array: tuple[Node, ...], *, moved: bool) -> BoxCounts:
        if (array, moved) not in self._counts:
            self._counts[array, moved] = BoxCounts(self._bare, array, moved=moved)
        return self._counts[array, moved]

    def cost(self, ranges: Ranges, array: tuple[Node, ...], *, moved: bool) -> StepCost:
        """The cost of a box."""
        if any(length <= 0 for _, length in ranges.values()):
            return NOTHING
        if self.nest.work is not None:
            return step_cost(replace(self._bare, nest=boxed(self.nest, ranges)), array, moved)
        return self._of(array, moved=moved).cost(ranges)

    def steps(self, kinds: tuple[Classes, ...], array: tuple[Node, ...], *, moved: bool) -> Steps:
        """The steps of boxes that are products of classes."""
        numbers = np.empty([len(c.keys) for c in kinds], dtype=np.int64)
        known, names = self._known, self._kinds
        part = self._arrays.setdefault((array, moved), len(self._arrays))
        of = [[names.setdefault((c.dims, key), len(names)) for key in c.keys] for c in kinds]
        for index in product(*(range(len(c.keys)) for c in kinds)):
            key = (part, *(names_of[k] for names_of, k in zip(of, index, strict=True)))
            number = known.get(key)
            if number is None:
                box: dict[str, tuple[int, int]] = {}
                for kind, place in zip(kinds, index, strict=True):
                    box |= kind.examples[place]
                number = known[key] = self._add(self.cost(box, array, moved=moved))
            numbers[index] = number
        return Steps(self, kinds, numbers)

    def _add(self, cost: StepCost) -> int:
        self.costs.append(cost)
        self.energy_pj.append(cost.energy_pj(self.problem.arch, self.problem.activations))
        self.rows.append((cost.cycles, int(cost.results > 0), cost.stream_bytes, cost.stream_runs))
        return len(self.costs) - 1


def largest_box(
    one: Member, ranges: Dict[str, tuple[int, Intervals]], channels: tuple[str, int] | None
) -> dict[str, int]:
    """The longest range of every dimension in any step."""
    found = dict(one.nest.extents)
    for dim, (_, known) in ranges.items():
        found[dim] = int((known.high - known.new).max())
    if channels is not None:
        found[channels[0]] = channels[1]
    return found


def footprint(operand: Operand, extents: Dict[str, int]) -> int:
    """Elements of an operand whose axes are not cut (weights) for some ranges."""
    return prod(prod(extents[dim] for dim in axis.dims) for axis in operand.axes)
