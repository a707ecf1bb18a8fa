"""What each step of a group computes and what must be there for it: intervals along tiled axes (docs/model.md, 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilewright.mapping.mapping import Loop
from tilewright.mapping.tiling import IntArray
from tilewright.schedule.group.members import Member, Members
from tilewright.schedule.tiled import Overlap
from tilewright.workload.nest import Axis

_FAR = np.iinfo(np.int64).max // 4


@dataclass(frozen=True, eq=False)
class Intervals:
    """Along one axis, for each chunk of a shared loop: the window ``[low, high)``, what is computed of it
    ``[new, high)``, and ``before``, up to where all was there already in earlier chunks."""

    low: IntArray
    new: IntArray
    high: IntArray
    before: IntArray

    def __len__(self) -> int:
        return len(self.low)

    @cached_property
    def widest(self) -> int:
        """Places that the longest window takes."""
        return int((self.high - self.low).max())

    @cached_property
    def two_windows(self) -> int:
        """Places that two successive windows span."""
        return max(self.widest, int((self.high[1:] - self.low[:-1]).max(initial=0)))

    @cached_property
    def two_sweeps(self) -> int:
        """The same where the first window follows on the last one besides."""
        return max(self.two_windows, int(self.high[-1] - self.low[-1] + self.high[0] - self.low[0]))

    @cached_property
    def first(self) -> int:
        """The first chunk in which anything is computed."""
        return int(np.argmax(self.high > self.new))

    @cached_property
    def stored(self) -> IntArray:
        """How many indices no earlier chunk had."""
        found: IntArray = np.maximum(self.high - self.before, 0)
        return found


@dataclass(frozen=True)
class Loops:
    """The shared loops of a group: chunk bounds of each, and which of them are cached."""

    loops: tuple[Loop, ...]
    extents: tuple[int, ...]
    cached: tuple[bool, ...]

    @cached_property
    def chunks(self) -> tuple[tuple[IntArray, IntArray], ...]:
        found = []
        for loop, extent in zip(self.loops, self.extents, strict=True):
            start = np.arange(0, extent, loop.tile)
            found.append((start, np.minimum(start + loop.tile, extent)))
        return tuple(found)

    @cached_property
    def counts(self) -> tuple[int, ...]:
        return tuple(len(start) for start, _ in self.chunks)

    @cached_property
    def passes(self) -> int:
        total = 1
        for count in self.counts:
            total *= count
        return total

    @cached_property
    def caches(self) -> bool:
        """Whether anything is cached at all."""
        return any(cached and count > 1 for cached, count in zip(self.cached, self.counts, strict=True))

    @cached_property
    def ring(self) -> int | None:
        """The outermost cached loop of several chunks."""
        places = [k for k, (cached, n) in enumerate(zip(self.cached, self.counts, strict=True)) if cached and n > 1]
        return places[0] if places else None


def shared_loops(group: Members, loops: tuple[Loop, ...], overlap: Overlap) -> Loops:
    """Loops of the last operator with what the overlap mode caches."""
    extents = tuple(group.last.nest.extents[loop.dim] for loop in loops)
    last = len(loops) - 1
    cached = tuple(
        {"recompute": False, "cache_rows": k == last, "cache_all": loop.dim not in group.batch}[overlap]
        for k, loop in enumerate(loops)
    )
    return Loops(loops, extents, cached)


Key = tuple[str, int]  # a base and one of its axes


@dataclass(frozen=True)
class Boxes:
    """All intervals of a group: ``bases[base, axis]`` along the axes of bases that the group writes; ``inputs[tensor,
    axis]`` of feature maps it reads from outside; ``ranges[k][dim]`` along the dimensions of operator k. Each with the
    number of the shared loop it belongs to."""

    loops: Loops
    bases: dict[Key, tuple[int, Intervals]]
    inputs: dict[Key, tuple[int, Intervals]]
    ranges: tuple[dict[str, tuple[int, Intervals]], ...]


def boxes(group: Members, loops: Loops, outputs: frozenset[str]) -> Boxes:
    """The intervals of a group; ``outputs`` are the bases it writes that are needed elsewhere."""
    number = {loop.dim: k for k, loop in enumerate(loops.loops)}
    needs: dict[Key, tuple[int, IntArray, IntArray]] = {}
    bases: dict[Key, tuple[int, Intervals]] = {}
    ranges: list[dict[str, tuple[int, Intervals]]] = []
    for one in reversed(group.all):
        mine: dict[str, tuple[int, Intervals]] = {}
        base = group.blocks[one.writes].base
        for axis, tie in enumerate(group.ties[one.writes]):
            if tie not in number:
                continue
            key, place = (base, axis), number[tie]
            if one is group.last:
                start, end = loops.chunks[place]
                bases[key] = (place, Intervals(start, start, end, start))
            elif key not in bases:
                _, low, high = needs[key]
                cached, size = loops.cached[place], group.blocks[one.writes].outer[axis]
                whole = _settle_whole(cached, low, high, size) if base in outputs else _settle(cached, low, high)
                bases[key] = (place, whole)
            dim = one.dim_of[axis]
            assert dim is not None
            mine[dim] = bases[key]
        ranges.append(mine)
        _note_needs(group, one, mine, needs)
    inputs = {
        (name, axis): (need[0], _settle(loops.cached[need[0]], need[1], need[2]))
        for (name, axis), need in needs.items()
        if name not in group.written
    }
    return Boxes(loops, bases, inputs, tuple(reversed(ranges)))


def _note_needs(
    group: Members,
    one: Member,
    ranges: dict[str, tuple[int, Intervals]],
    needs: dict[Key, tuple[int, IntArray, IntArray]],
) -> None:
    """What an operator reads along every tied axis, into the hulls of bases of the group and of inputs."""
    for operand, tensor in one.reads:
        base = group.blocks[tensor].base
        for axis in operand.axes:
            tied = [ranges[dim] for dim in axis.dims if dim in ranges]
            if not tied:
                continue
            place = tied[0][0]
            low, high = _touched(axis, ranges, one.nest.extents)
            nothing = high <= low
            for at, mine in ranges.values():
                nothing = nothing | ((mine.high <= mine.new) & (at == place))
            low, high = np.where(nothing, _FAR, low), np.where(nothing, -_FAR, high)
            key = (base if base in group.written else tensor, axis.tensor_axis)
            if key in needs:
                low, high = np.minimum(low, needs[key][1]), np.maximum(high, needs[key][2])
            needs[key] = (place, low, high)


def _touched(
    axis: Axis, ranges: dict[str, tuple[int, Intervals]], extents: dict[str, int]
) -> tuple[IntArray, IntArray]:
    """First index and one past the last that an axis touches in each chunk, cut at the borders."""
    first = last = np.asarray(axis.offset)
    for dim, coefficient in axis.terms:
        if dim in ranges:
            start, end = ranges[dim][1].new, ranges[dim][1].high
        else:
            start, end = np.asarray(0), np.asarray(extents[dim])
        first, last = first + coefficient * start, last + coefficient * (end - 1)
    if axis.divisor > 1 or axis.reach > 0 or axis.clamp:
        first, last = first // axis.divisor, last // axis.divisor + axis.reach
    if axis.clamp:
        return np.clip(first, 0, axis.size - 1), np.clip(last, 0, axis.size - 1) + 1
    return np.maximum(first, 0), np.minimum(last + 1, axis.size)


def _settle(cached: bool, low: IntArray, high: IntArray) -> Intervals:
    """Windows, and what is computed of them, from what is needed in each chunk."""
    seen = np.maximum.accumulate(np.maximum(high, 0))
    before = np.concatenate([[0], seen[:-1]])
    if not cached:
        nothing = high <= low
        low, high = np.where(nothing, 0, low), np.where(nothing, 0, high)
        return Intervals(low, low, high, before)
    later = np.minimum.accumulate(low[::-1])[::-1]
    return Intervals(np.minimum(later, seen), np.minimum(np.maximum(low, before), seen), seen, before)


def _settle_whole(cached: bool, low: IntArray, high: IntArray, size: int) -> Intervals:
    """The same for a map that goes elsewhere too: every index from the first to the last, none left out."""
    low, high = low.copy(), high.copy()
    low[0], high[-1] = 0, size
    high = np.maximum.accumulate(np.maximum(high, 0))
    low[1:] = np.minimum(low[1:], high[:-1])
    return _settle(cached, low, high)


def merged(loops: Loops, lines: tuple[Boxes, ...], operators: int) -> Boxes:
    """The intervals under several loops from those under each alone, which do not depend on each other."""
    bases: dict[Key, tuple[int, Intervals]] = {}
    inputs: dict[Key, tuple[int, Intervals]] = {}
    ranges: tuple[dict[str, tuple[int, Intervals]], ...] = tuple({} for _ in range(operators))
    for place, line in enumerate(lines):
        bases |= {key: (place, known) for key, (_, known) in line.bases.items()}
        inputs |= {key: (place, known) for key, (_, known) in line.inputs.items()}
        for mine, of_line in zip(ranges, line.ranges, strict=True):
            mine |= {dim: (place, known) for dim, (_, known) in of_line.items()}
    return Boxes(loops, bases, inputs, ranges)
