"""The room that a group takes in the scratchpad beside held bases, phase by phase (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import aligned, operand_buffers
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.schedule.group.book import footprint
from tilewright.schedule.group.intervals import Boxes, Key
from tilewright.schedule.group.members import Members
from tilewright.schedule.group.steps import pad_keeps
from tilewright.schedule.offers import Residency
from tilewright.schedule.tiled import Weights


@dataclass(frozen=True)
class Room:
    """A buffer that is there from one phase to another (inclusive); ``size_bytes`` is aligned."""

    what: str
    size_bytes: int
    first: int
    last: int


def peak(rooms: list[Room], phases: int) -> int:
    """The most bytes of any phase."""
    return max(sum(r.size_bytes for r in rooms if r.first <= phase <= r.last) for phase in range(phases))


def map_rooms(
    arch: Accelerator,
    group: Members,
    boxes: Boxes,
    places: Residency,
    boxed: tuple[dict[str, int], ...],
    adding: tuple[bool, ...],
) -> list[Room]:
    """The buffers of a group's feature maps, parameters and temporaries; ``boxed`` is the largest box of each operator,
    ``adding`` says whose results are added up in the scratchpad."""
    double = arch.overlaps
    found = [*_inner(arch, group, boxes, places), *_streamed(arch, group, boxes, places, double)]
    last, widths = len(group.all) - 1, arch.widths
    steps = boxes.loops.passes * own_chunks(group, boxed)
    for place, one in enumerate(group.all):
        results = prod(boxed[place][dim] for dim in one.nest.output.dims)
        base = group.blocks[one.writes].base
        if place == last and base not in places.on_chip:
            slots = 2 if double and steps > 1 else 1
            bits = widths.accumulator if adding[place] else widths.output
            found.append(Room(one.writes, _bytes(arch, results * slots, bits), 0, last))
        elif adding[place]:
            found.append(Room(f"sums of {one.writes}", _bytes(arch, results, widths.accumulator), place, place))
        for tensor, size in one.vectors:
            found.append(Room(tensor, aligned(size, arch.alignment_bytes), 0, last))
        found += _temporaries(one.problem, place)
    return found


def weight_rooms(
    arch: Accelerator, group: Members, boxed: tuple[dict[str, int], ...], weights: tuple[Weights, ...]
) -> list[Room]:
    """The buffers of weights that stay or are streamed."""
    last, found = len(group.all) - 1, []
    for place, one in enumerate(group.all):
        if one.weights is None or weights[place] == "pass":
            continue
        name = one.part.tensor(one.weights.name)
        if weights[place] == "stay":
            size = _bytes(arch, footprint(one.weights, one.nest.extents), arch.widths.weight)
            found.append(Room(name, size, 0, last))
        else:
            slots = 2 if arch.overlaps and (last == 0 or (place == last and own_chunks(group, boxed) > 1)) else 1
            size = _bytes(arch, footprint(one.weights, boxed[place]) * slots, arch.widths.weight)
            found.append(Room(name, size, place - 1 if place else 0, place if place else last))
    return found


def own_chunks(group: Members, boxed: tuple[dict[str, int], ...]) -> int:
    """Chunks of the last operator's own loop."""
    extents = group.last.nest.extents
    return prod(-(-extents[dim] // boxed[-1][dim]) for dim in group.channel_dims)


def _bytes(arch: Accelerator, elements: int, bits: int) -> int:
    return aligned(-(-elements * bits // 8), arch.alignment_bytes)


def _inner(arch: Accelerator, group: Members, boxes: Boxes, places: Residency) -> Iterator[Room]:
    """Maps between operators, and maps that go to DRAM only besides."""
    writers: dict[str, list[int]] = {}
    readers: dict[str, list[int]] = {}
    for place, one in enumerate(group.all):
        writers.setdefault(group.blocks[one.writes].base, []).append(place)
        for _, tensor in one.reads:
            readers.setdefault(group.blocks[tensor].base, []).append(place)
    last = len(group.all) - 1
    for base, by in writers.items():
        if base in places.on_chip or last in by:
            continue
        shape = group.blocks[group.all[by[0]].writes].outer
        lengths = [_length(boxes, base, axis, size) for axis, size in enumerate(shape)]
        first, until = by[0], readers[base][-1]
        if base in places.stored:
            until = max(until, by[-1] + 1)
        if boxes.loops.caches:
            first, until = 0, last
        yield Room(base, _bytes(arch, prod(lengths), arch.widths.output), first, until)


def _length(boxes: Boxes, base: str, axis: int, size: int) -> int:
    known = boxes.bases.get((base, axis))
    if known is None or _inside(boxes, known[0]):
        return size
    return known[1].widest


def _inside(boxes: Boxes, place: int) -> bool:
    """Whether a cached loop of several chunks stands outside another."""
    ring = boxes.loops.ring
    return ring is not None and ring < place


def _streamed(arch: Accelerator, group: Members, boxes: Boxes, places: Residency, double: bool) -> Iterator[Room]:
    """Maps from outside that come in tile by tile."""
    loops, ring = boxes.loops, boxes.loops.ring
    for tensor in dict.fromkeys(t for one in group.all for _, t in one.reads):
        block = group.blocks[tensor]
        if block.base in group.written or block.base in places.on_chip:
            continue
        lengths, slots = [], 1
        for axis, size in enumerate(block.shape):
            key: Key = (tensor, axis)
            if key not in boxes.inputs:
                lengths.append(size)
                continue
            place, known = boxes.inputs[key]
            if double and loops.passes > 1 and ring is None:
                slots = 2
            if double and ring == place:
                anew = any(count > 1 for count in loops.counts[:place])
                lengths.append(known.two_sweeps if anew else known.two_windows)
            else:
                lengths.append(size if _inside(boxes, place) else known.widest)
        yield Room(tensor, _bytes(arch, prod(lengths) * slots, arch.widths.input), 0, len(group.all) - 1)


def _temporaries(problem: NestProblem, place: int) -> Iterator[Room]:
    work = problem.nest.work
    if work is None or work.kind != "normalise":
        return
    for buffer in operand_buffers(problem, Mapping(pad_keeps(problem))):
        if buffer.operand in ("statistics", "exponentials"):
            yield Room(buffer.operand, buffer.size_bytes, place, place)
