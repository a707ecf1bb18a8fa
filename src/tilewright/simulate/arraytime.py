"""A tile step on the array: computing, and every word between memories on chip (docs/model.md, sections 4 to 6).

The array part of a program is walked in lockstep, one dimension at a time. Nothing here is shared with ``mapping``,
which predicts these numbers: that both agree is the point.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Node
from tilewright.plan.plan import Counter as TileLoop
from tilewright.plan.step import DimRanges, Staying
from tilewright.simulate.arraycost import ArrayCost, Passing, Sums
from tilewright.simulate.chains import Link, Surroundings, links
from tilewright.simulate.geometry import Ranges, in_bounds
from tilewright.simulate.lockstep import EVERYTHING, Table, covers, positions_used, splits_of, table
from tilewright.simulate.sharing import Before, Boundary, Words, axis_words, repeat_words, stretches
from tilewright.workload.nest import Axis, LoopNest, Operand

Key = tuple[object, ...]


@dataclass
class _Count:
    """Words over one link in one step, or one stay; ``zero`` of results start from zero at the children, and
    ``zero_first`` of them at the first."""

    child: int
    child_most: int
    parent: int
    parent_most: int
    held: int
    transfers: int
    zero: int = 0
    zero_first: int = 0


class ArrayTime:
    """Times the steps of one nest of multiply-accumulates: its array part, how many tile loops bring something new to
    each keep of it, and these.

    ``kept`` names the operands that the scratchpad holds, ``constants`` those stored tile by tile; ``bits`` gives the
    width of every operand in the scratchpad (or, if it bypasses it, as it comes from DRAM); ``largest`` are the ranges
    of the largest step where these loops do not say.
    """

    def __init__(
        self,
        arch: Accelerator,
        nest: LoopNest,
        array: Sequence[Node],
        levels: Sequence[int],
        counters: Sequence[TileLoop],
        kept: Sequence[str],
        constants: Collection[str],
        bits: Mapping[str, int],
        largest: Mapping[str, int] | None = None,
    ) -> None:
        self._arch, self._nest, self._constants = arch, nest, constants
        largest = dict(largest or nest.dims)
        for counter in counters:
            largest[counter.dim] = min(largest[counter.dim], counter.tile)
        self._splits = splits_of(array, largest, dict(arch.array.axes))
        around = Surroundings(arch, nest, tuple(array), tuple(counters), tuple(levels))
        self._links = {o.name: links(around, o, kept=o.name in kept, bits=bits[o.name]) for o in nest.operands}
        self._copies = {memory.name: 2 if memory.double_buffered else 1 for memory in arch.memories}
        self._known: dict[Key, ArrayCost] = {}
        self._words: dict[Key, Words] = {}
        self._tables: dict[Key, Table] = {}
        self._covered: dict[tuple[str, int], bool] = {}
        sizes, used = dict(arch.array.axes), positions_used(self._splits)
        self._too_many = tuple(
            f"{number} positions are needed along axis {axis}, which has {sizes.get(axis, 0)}"
            for axis, number in used.items()
            if number > sizes.get(axis, 0)
        )

    def of(self, ranges: Ranges, stays: Sequence[Staying], *, first: bool) -> ArrayCost:
        """The cost of a step; ``first`` if no earlier step has added to its results."""
        place = self._place(ranges)
        whole = tuple((dim, start, count) for dim, (start, count) in ranges.items())
        key: Key = (place, first, tuple(self._staying(stay, whole, place) for stay in stays))
        if key not in self._known:
            self._known[key] = self._cost(ranges, stays, first)
        return self._known[key]

    def _place(self, ranges: Ranges) -> Key:
        """All that matters of a step's ranges: their lengths, and how far they reach into the padding of each axis."""
        lengths = tuple(count for _, count in ranges.values())
        return lengths, tuple(_edges(axis, ranges) for operand in self._nest.inputs for axis in operand.axes)

    def _staying(self, stay: Staying, whole: DimRanges, place: Key) -> Key:
        if stay.ranges == whole and not stay.before:
            return stay.begins, stay.ends, stay.zero, place
        ranges = _as_ranges(stay)
        before = tuple((dim, ranges[dim][0] - start, count) for dim, start, count in stay.before)
        return stay.begins, stay.ends, stay.zero, self._place(ranges), before

    def _table(self, dim: str, count: int, below: int, upto: int) -> Table:
        splits = self._splits[dim]
        # Only what differs for this dimension tells tables apart.
        above = sum(split.place < below for split in splits)
        listed = sum(split.place < below and not split.axis and split.place <= upto for split in splits)
        key = (dim, count, above, listed, below == EVERYTHING)
        if key not in self._tables:
            self._tables[key] = table(splits, count, below=below, upto=upto)
        return self._tables[key]

    def _cost(self, ranges: Ranges, stays: Sequence[Staying], first: bool) -> ArrayCost:
        sums = Sums()
        for operand in self._nest.inputs:
            self._inputs(operand, ranges, stays, sums)
        self._results(self._nest.output, ranges, stays, first, sums)
        compute = prod(self._table(d, n, EVERYTHING, EVERYTHING).iterations for d, (_, n) in ranges.items())
        pairs = sorted({(memory, operand) for memory, operand, _ in sums.bits})
        memories = sorted({memory for memory, _ in sums.busiest})
        return ArrayCost(
            compute,
            tuple(((m, o), (sums.bits[m, o, 0], sums.bits[m, o, 1])) for m, o in pairs),
            tuple((m, (sums.busiest[m, 0], sums.busiest[m, 1])) for m in memories),
            tuple(sums.passing),
            (*self._too_many, *self._uncovered(ranges), *self._overfull(sums.held)),
        )

    def _uncovered(self, ranges: Ranges) -> list[str]:
        found = []
        for dim, (_, count) in ranges.items():
            if (dim, count) not in self._covered:
                self._covered[dim, count] = covers(self._splits[dim], count)
            if not self._covered[dim, count]:
                found.append(f"the array part does not work on each of {count} indices of {dim} exactly once")
        return found

    def _overfull(self, held: Mapping[str, int]) -> list[str]:
        sizes = {memory.name: memory.size_bytes for memory in self._arch.memories}
        return [
            f"{size} bytes are needed at one instance of {name}, which has {sizes[name]}"
            for name, size in held.items()
            if (room := sizes[name]) is not None and size > room
        ]

    def _count(self, link: Link, operand: Operand, ranges: Ranges, stay: Staying | None) -> _Count:
        """The words over a link in a step, or at the begin of a stay."""
        boundary = Boundary(link.parent_place, link.shared)
        parts = [self._axis(link, boundary, k, axis, ranges, stay) for k, axis in enumerate(operand.axes)]
        for dim, (_, count) in ranges.items():
            if dim not in operand.dims:
                key = (link.number, dim, count)
                if key not in self._words:
                    self._words[key] = repeat_words(self._table(dim, count, link.child_place, link.upto), boundary)
                parts.append(self._words[key])
        return _Count(
            prod(p.child for p in parts),
            prod(p.child_most for p in parts),
            prod(p.parent for p in parts),
            prod(p.parent_most for p in parts),
            prod(p.held for p in parts),
            prod(p.transfers for p in parts),
        )

    def _axis(
        self, link: Link, boundary: Boundary, number: int, axis: Axis, ranges: Ranges, stay: Staying | None
    ) -> Words:
        before = () if stay is None else tuple(b for b in stay.before if b[0] in axis.dims)
        lengths = tuple(ranges[dim][1] for dim in axis.dims)
        shift = tuple((dim, ranges[dim][0] - start, count) for dim, start, count in before)
        key = (link.number, number, lengths, _edges(axis, ranges), shift)
        if key not in self._words:
            tables, begins, moved = self._tables_of(link, axis, ranges, stay)
            self._words[key] = axis_words(axis, tables, begins, boundary, moved)
        return self._words[key]

    def _tables_of(
        self, link: Link, axis: Axis, ranges: Ranges, stay: Staying | None
    ) -> tuple[list[Table], list[int], Before | None]:
        """The tables of an axis' dimensions, where they begin, and where the window stood before, if it moves."""
        tables = [self._table(dim, ranges[dim][1], link.child_place, link.upto) for dim in axis.dims]
        begins = [ranges[dim][0] for dim in axis.dims]
        for term, dim in enumerate(axis.dims if axis.is_window else ()):
            if dim == link.slides:
                moving = tables[term]
                there = moving.index[link.upto] > 0
                start, length = moving.start.copy(), moving.length.copy()
                start[1:], length[1:] = moving.start[:-1], moving.length[:-1]
                return tables, begins, Before(term, start + begins[term], length, there)
            for name, start_before, count in stay.before if stay is not None else ():
                if name == dim:
                    old = self._table(dim, count, link.child_place, link.upto)
                    there = np.ones(old.iterations, dtype=np.bool_)
                    return tables, begins, Before(term, old.start + start_before, old.length, there)
        return tables, begins, None

    def _inputs(self, operand: Operand, ranges: Ranges, stays: Sequence[Staying], into: Sums) -> None:
        """Fills of every memory in the chain, and what the multipliers read of the innermost."""
        for link in self._links[operand.name]:
            if link.stay is None:
                count = self._count(link, operand, ranges, None)
                into.read(link.parent, operand, count.parent, link.parent_bits, count.parent_most)
                continue
            stay = stays[link.stay]
            inside = _as_ranges(stay)
            count = self._count(link, operand, inside, stay)
            into.hold(link.child, count.held * link.held_bits * self._copies[link.child])
            if not stay.begins:
                continue
            into.write(link.child, operand, count.child, link.child_bits, count.child_most)
            if link.from_dram:
                into.passing.append(self._passing(link, operand, inside, stay, count))
            else:
                into.read(link.parent, operand, count.parent, link.parent_bits, count.parent_most)

    def _passing(self, link: Link, operand: Operand, ranges: Ranges, stay: Staying, count: _Count) -> Passing:
        if operand.name in self._constants:
            return Passing(operand.name, count.parent, count.transfers)
        boundary = Boundary(link.parent_place, link.shared)
        found = []
        for axis in operand.axes:
            tables, begins, moved = self._tables_of(link, axis, ranges, stay)
            found.append(tuple(sorted(stretches(axis, tables, begins, boundary, moved).items())))
        again = prod(
            repeat_words(self._table(dim, length, link.child_place, link.upto), boundary).parent
            for dim, (_, length) in ranges.items()
            if dim not in operand.dims
        )
        return Passing(operand.name, count.parent, count.transfers, again, tuple(found))

    def _results(self, operand: Operand, ranges: Ranges, stays: Sequence[Staying], first: bool, into: Sums) -> None:
        """Drains and read-backs of every memory in the chain, and what the multipliers write and read of the innermost.

        A drain belongs to the step in which its visit ends, as does what the parent reads to add it up; what is read
        back belongs to the step in which the visit begins.
        """
        above: tuple[_Count, Staying] | None = None
        for link in self._links[operand.name]:
            stay = None if link.stay is None else stays[link.stay]
            inside = ranges if stay is None else _as_ranges(stay)
            count = self._count(link, operand, inside, stay)
            fresh, fresh_first = self._fresh(link, in_bounds(operand, inside), count, first, stay, above)
            again, again_first = count.parent - fresh, count.parent_most - fresh_first
            if stay is None:
                into.write(link.parent, operand, count.parent, link.parent_bits, count.parent_most)
                into.read(link.parent, operand, again, link.parent_bits, again_first)
                return
            into.hold(link.child, count.held * link.held_bits * self._copies[link.child])
            read_back = not link.adds and not link.from_dram
            count.zero, count.zero_first = count.child, count.child_most
            if read_back:
                count.zero -= again
                count.zero_first = self._zero_first(link, operand, inside, stay, stays)
            if stay.ends:
                into.read(link.child, operand, count.child, link.child_bits, count.child_most)
                if link.from_dram:
                    into.passing.append(self._passing(link, operand, inside, stay, count))
                else:
                    into.write(link.parent, operand, count.parent, link.parent_bits, count.parent_most)
            if not link.from_dram and (stay.ends if link.adds else stay.begins):
                into.read(link.parent, operand, again, link.parent_bits, again_first)
            if stay.begins and read_back:
                into.write(link.child, operand, again, link.child_bits, count.child_most - count.zero_first)
            above = None if link.outside else (count, stay)

    @staticmethod
    def _fresh(
        link: Link,
        footprint: int,
        count: _Count,
        first: bool,
        stay: Staying | None,
        above: tuple[_Count, Staying] | None,
    ) -> tuple[int, int]:
        """Elements that start from zero at a link's parent: in all its instances, and in the first."""
        if link.from_dram:
            return count.parent, count.parent_most
        lasts = stay is not None and link.upto < 0
        if above is None:
            opens = stay.zero if stay is not None and lasts else first
            return (footprint, footprint) if opens else (0, 0)
        outer, outer_stay = above
        # A visit that lasts over steps belongs to one of its parent's that lasts as long.
        return (outer.zero, outer.zero_first) if lasts or outer_stay.begins else (0, 0)

    def _zero_first(self, link: Link, operand: Operand, ranges: Ranges, stay: Staying, stays: Sequence[Staying]) -> int:
        """Elements that start from zero at the first instance: in visits for which every loop over a reduction stands
        at its first chunk, of the loops inside those that refill a memory whose parent adds up."""
        base = None if link.base is None else self._links[operand.name][link.base]
        if base is None:
            opens = stay.zero
        elif base.upto >= 0 or link.upto < 0 or base.stay is None:
            opens = True
        else:
            opens = stays[base.stay].begins
        if not opens:
            return 0
        from_place = -1 if base is None else base.upto
        total = 1
        for dim, (_, count) in ranges.items():
            mine = self._table(dim, count, link.child_place, link.upto)
            if dim in operand.dims:
                total *= int(mine.length.reshape(mine.iterations, -1)[:, 0].sum())
                continue
            opening = np.ones(mine.iterations, dtype=np.bool_)
            for place, index in mine.index.items():
                opening &= (index == 0) | (place <= from_place)
            total *= int(opening.sum())
        return total


def _as_ranges(stay: Staying) -> Ranges:
    return {dim: (start, count) for dim, start, count in stay.ranges}


def _edges(axis: Axis, ranges: Ranges) -> tuple[int, int]:
    """How far a step's indices reach below and above the array: all that matters of where they start."""
    first = last = axis.offset
    for dim, coefficient in axis.terms:
        start, count = ranges[dim]
        first, last = first + coefficient * start, last + coefficient * (start + count - 1)
    return first if first < 0 else 0, last - axis.size + 1 if last >= axis.size else 0
