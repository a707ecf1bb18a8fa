"""The orders in which an operator's keeps can stand, and where the array's axes unroll (docs/model.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import factorial, prod
from random import Random

from tilewright.arch.accelerator import Memory
from tilewright.mapping.problem import NestProblem
from tilewright.workload.nest import Operand


@dataclass(frozen=True)
class Item:
    """One keep: an operand in a memory. ``parent`` is the item that feeds it, -1 for DRAM."""

    operand: str
    memory: str
    parent: int


@dataclass(frozen=True)
class Split:
    """A place where one dimension may be split: by the loops in front of an item, or by a par of an axis.

    ``segment`` is the number of the item that stands below; the pars of an axis come after the loops of that segment.
    ``positions`` is 0 for a loop. ``any_tile`` allows every integer, otherwise divisors (and, for pars, rounded-up
    quotients) of the enclosing chunk are taken.
    """

    segment: int
    axis: int
    positions: int
    any_tile: bool


@dataclass(frozen=True)
class Structure:
    """An order of keeps, outermost first. ``axis_places`` gives for every axis the item above which its pars stand
    (the number of items: innermost), or None where the order leaves no legal place for them."""

    problem: NestProblem
    items: tuple[Item, ...]
    axis_places: tuple[int | None, ...]

    @cached_property
    def tile_items(self) -> int:
        """How many items stand above or are the innermost keep of the scratchpad."""
        pad = self.problem.arch.scratchpad.name
        return max((k + 1 for k, item in enumerate(self.items) if item.memory == pad), default=0)

    @property
    def deep(self) -> bool:
        """Whether there are keeps further in than the scratchpad's. Tiles are divisors there, so that what a keep
        costs depends on its tiles alone."""
        return len(self.items) > self.tile_items

    @cached_property
    def barriers(self) -> tuple[int, ...]:
        """The last segment whose loops every item has to stand below, whatever it uses; -2 for none.

        Pars hold the memories that exist once per position of theirs. The scratchpad's last keep is held by what stands
        right above it in a memory further in: moved up, it would leave that nothing but divisors for tiles. A keep is
        held where the one that feeds it is.
        """
        arch = self.problem.arch
        per = {memory.name: memory.per for memory in arch.memories}
        found: list[int] = []
        for k, item in enumerate(self.items):
            places = zip(arch.array.axes, self.axis_places, strict=True)
            held = [place for (axis, _), place in places if place is not None and axis in per[item.memory]]
            if k and k == self.tile_items - 1 and self.items[k - 1].memory != item.memory:
                held.append(k - 1)
            if item.parent >= 0:
                held.append(found[item.parent])
            found.append(max(held, default=-2))
        return tuple(found)

    def passes_by(self, item: int) -> bool:
        """Whether an item is fed by DRAM past the scratchpad."""
        entry = self.items[item]
        inward = self.operands[item] is not self.problem.nest.output
        return entry.parent < 0 and entry.memory != self.problem.arch.scratchpad.name and inward

    @cached_property
    def overlapped(self) -> bool:
        """Whether transfers hide behind the computing of other tile steps."""
        return self.problem.arch.timing == "pipelined" and self.problem.arch.buffering == "double"

    def steps_count(self, item: int) -> bool:
        """Whether it counts what moves to an item, or from it, in one tile step: past the scratchpad, or through it."""
        parent = self.items[item].parent
        through = parent >= 0 and self.items[parent].memory == self.problem.arch.scratchpad.name
        return self.overlapped and (self.passes_by(item) or through)

    @cached_property
    def operands(self) -> tuple[Operand, ...]:
        return tuple(self.problem.nest.operand(item.operand) for item in self.items)

    @cached_property
    def kept(self) -> tuple[tuple[str, ...], ...]:
        """The memories that keep every operand of the nest, outermost first."""
        return tuple(
            tuple(item.memory for item in self.items if item.operand == operand.name)
            for operand in self.problem.nest.operands
        )

    @property
    def spread_out(self) -> Structure:
        """The same order with every axis unrolled where it can be."""
        return replace(self, axis_places=_axis_places(self.problem, self.items))

    def swapped(self, j: int) -> Structure:
        """The order with the j-th item and the next one, of another operand, the other way round; unspread where this
        one is."""
        number = {j: j + 1, j + 1: j}
        order = (*self.items[:j], self.items[j + 1], self.items[j], *self.items[j + 2 :])
        items = tuple(replace(item, parent=number.get(item.parent, item.parent)) for item in order)
        other = Structure(self.problem, items, _axis_places(self.problem, items))
        return other if self == self.spread_out else unspread(other)

    @property
    def last_fed(self) -> int:
        """The last item that DRAM feeds."""
        return max(k for k, item in enumerate(self.items) if item.parent < 0)

    def innermost(self, operand: str) -> int:
        """The last item of an operand."""
        return max(k for k, item in enumerate(self.items) if item.operand == operand)

    def spread(self, chosen: dict[str, tuple[int, ...]]) -> Iterator[tuple[str, int, int]]:
        """Dimension, axis and the positions that it takes, for the tiles of every dimension at its places."""
        for dim, tiles in chosen.items():
            taken: dict[int, int] = {}
            outer = self.problem.nest.extents[dim]
            for split, tile in zip(self.splits(dim), tiles, strict=True):
                if split.axis >= 0:
                    taken[split.axis] = taken.get(split.axis, 1) * -(-outer // tile)
                outer = tile
            yield from ((dim, axis, number) for axis, number in taken.items())

    def splits(self, dim: str) -> tuple[Split, ...]:
        """Every place where a dimension may be split, outermost first."""
        if dim not in self._splits:
            self._splits[dim] = self._places(dim)
        return self._splits[dim]

    @cached_property
    def _splits(self) -> dict[str, tuple[Split, ...]]:
        return {}

    def _places(self, dim: str) -> tuple[Split, ...]:
        array, nest = self.problem.arch.array, self.problem.nest
        found: list[Split] = []
        if dim in nest.whole:
            return ()
        for place in range(len(self.items) + 1):
            if place < len(self.items) and dim in self.operands[place].dims:
                found.append(Split(place, -1, 0, place < self.tile_items))
            for number, (axis, size) in enumerate(array.axes):
                if self.axis_places[number] == place and size > 1 and array.may_unroll(axis, dim):
                    found.append(Split(place, number, size, False))
        return tuple(found)


def choices(problem: NestProblem, operand: Operand) -> list[tuple[Memory, ...]]:
    """Every legal set of on-chip memories that keep an operand, outermost first."""
    found: list[tuple[Memory, ...]] = [()]
    for memory in problem.arch.memories[1:]:
        if operand.role in memory.keeps:
            found = [(*chosen, memory) for chosen in found]
        elif operand.role in memory.may_keep:
            found = [*found, *((*chosen, memory) for chosen in found)]
    return [chosen for chosen in found if chosen]


def _interleavings(queues: tuple[tuple[tuple[str, Memory], ...], ...]) -> Iterator[tuple[tuple[str, Memory], ...]]:
    if not any(queues):
        yield ()
        return
    for number, queue in enumerate(queues):
        if queue:
            rest = (*queues[:number], queue[1:], *queues[number + 1 :])
            for tail in _interleavings(rest):
                yield (queue[0], *tail)


Queues = tuple[tuple[tuple[str, Memory], ...], ...]


def _combinations(problem: NestProblem) -> list[Queues]:
    """The keeps of every operand, outermost first, with every choice of memories passed by."""
    found: list[Queues] = [()]
    for operand in problem.nest.operands:
        found = [
            (*before, tuple((operand.name, memory) for memory in chosen))
            for before in found
            for chosen in choices(problem, operand)
        ]
    return found


def structure_number(problem: NestProblem) -> int:
    """How many structures there are, without listing them."""
    return sum(map(_interleaving_number, _combinations(problem)))


def _interleaving_number(queues: Queues) -> int:
    return factorial(sum(map(len, queues))) // prod(factorial(len(queue)) for queue in queues)


def structures(problem: NestProblem) -> Iterator[Structure]:
    """Every order of keeps that respects the order of memories, with every choice of memories passed by."""
    for queues in _combinations(problem):
        for order in _interleavings(queues):
            yield _structure(problem, order)


def drawn(problem: NestProblem, rng: Random) -> Structure:
    """One of them, any as likely as any other."""
    combinations = _combinations(problem)
    queues = rng.choices(combinations, [_interleaving_number(queues) for queues in combinations])[0]
    turns = [number for number, queue in enumerate(queues) for _ in queue]
    rng.shuffle(turns)
    waiting = [iter(queue) for queue in queues]
    return _structure(problem, tuple(next(waiting[number]) for number in turns))


def unspread(structure: Structure) -> Structure:
    """A structure whose mappings reach every DRAM traffic that those of the given one do, without unrolling where that
    can be: what stands below all keeps that DRAM feeds does not change what DRAM sees, and loops fit where pars did."""
    if any(place is not None and place <= structure.last_fed for place in structure.axis_places):
        return structure
    return replace(structure, axis_places=(None,) * len(structure.axis_places))


def _structure(problem: NestProblem, order: tuple[tuple[str, Memory], ...]) -> Structure:
    last: dict[str, int] = {}
    items = []
    for number, (operand, memory) in enumerate(order):
        items.append(Item(operand, memory.name, last.get(operand, -1)))
        last[operand] = number
    return Structure(problem, tuple(items), _axis_places(problem, tuple(items)))


def _axis_places(problem: NestProblem, items: tuple[Item, ...]) -> tuple[int | None, ...]:
    per = {memory.name: memory.per for memory in problem.arch.memories}
    places: list[int | None] = []
    for axis, _ in problem.arch.array.axes:
        first = next((k for k, item in enumerate(items) if axis in per[item.memory]), len(items))
        places.append(first if all(axis in per[item.memory] for item in items[first:]) else None)
    return tuple(places)
