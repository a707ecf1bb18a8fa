"""The room that a group takes in the scratchpad beside held bases, phase by phase (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import aligned, operand_buffers
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray
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
    return int(by_phase(rooms, phases).max())


def by_phase(rooms: Iterable[Room], phases: int) -> IntArray:
    """The bytes of every phase."""
    found = np.zeros(phases, dtype=np.int64)
    for room in rooms:
        found[room.first : room.last + 1] += room.size_bytes
    return found


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
    found = fixed_rooms(arch, group, boxed, adding)
    for base in dict.fromkeys(block.base for block in group.blocks.values()):
        on_chip, stored = base in places.on_chip, base in places.stored
        found += base_rooms(arch, group, boxes, boxed, adding, base, on_chip=on_chip, stored=stored)
    return found


def fixed_rooms(
    arch: Accelerator, group: Members, boxed: tuple[dict[str, int], ...], adding: tuple[bool, ...]
) -> list[Room]:
    """The buffers that are there wherever bases are: parameters, temporaries, sums of all operators but the last."""
    found, last = [], len(group.all) - 1
    for place, one in enumerate(group.all):
        if place != last and adding[place]:
            found.append(_sums(arch, group, boxed, place))
        for tensor, size in one.vectors:
            found.append(Room(tensor, aligned(size, arch.alignment_bytes), 0, last))
        found += _temporaries(one.problem, place)
    return found


def base_rooms(
    arch: Accelerator,
    group: Members,
    boxes: Boxes,
    boxed: tuple[dict[str, int], ...],
    adding: tuple[bool, ...],
    base: str,
    *,
    on_chip: bool,
    stored: bool,
) -> list[Room]:
    """The buffers that a group has for one base, which is held on chip or not and stored or not."""
    last = len(group.all) - 1
    if base not in group.written:
        return [] if on_chip else list(_streamed(arch, group, boxes, base))
    if base != group.blocks[group.last.writes].base:
        return [] if on_chip else [_inner(arch, group, boxes, base, stored=stored)]
    if on_chip:
        return [_sums(arch, group, boxed, last)] if adding[last] else []
    steps = boxes.loops.passes * own_chunks(group, boxed)
    slots = 2 if arch.overlaps and steps > 1 else 1
    bits = arch.widths.accumulator if adding[last] else arch.widths.output
    return [Room(group.last.writes, _bytes(arch, _results(group, boxed, last) * slots, bits), 0, last)]


def _sums(arch: Accelerator, group: Members, boxed: tuple[dict[str, int], ...], place: int) -> Room:
    """The tile in which the scratchpad adds up an operator's results."""
    size = _bytes(arch, _results(group, boxed, place), arch.widths.accumulator)
    return Room(f"sums of {group.all[place].writes}", size, place, place)


def _results(group: Members, boxed: tuple[dict[str, int], ...], place: int) -> int:
    return prod(boxed[place][dim] for dim in group.all[place].nest.output.dims)


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


def _inner(arch: Accelerator, group: Members, boxes: Boxes, base: str, *, stored: bool) -> Room:
    """A map between operators, or one that goes to DRAM only besides."""
    by = [place for place, one in enumerate(group.all) if group.blocks[one.writes].base == base]
    reads = [k for k, one in enumerate(group.all) for _, tensor in one.reads if group.blocks[tensor].base == base]
    shape = group.blocks[group.all[by[0]].writes].outer
    lengths = [_length(boxes, base, axis, size) for axis, size in enumerate(shape)]
    first, until = by[0], max(reads[-1], by[-1] + 1) if stored else reads[-1]
    if boxes.loops.caches:
        first, until = 0, len(group.all) - 1
    return Room(base, _bytes(arch, prod(lengths), arch.widths.output), first, until)


def _length(boxes: Boxes, base: str, axis: int, size: int) -> int:
    known = boxes.bases.get((base, axis))
    if known is None or _inside(boxes, known[0]):
        return size
    return known[1].widest


def _inside(boxes: Boxes, place: int) -> bool:
    """Whether a cached loop of several chunks stands outside another."""
    ring = boxes.loops.ring
    return ring is not None and ring < place


def _streamed(arch: Accelerator, group: Members, boxes: Boxes, base: str) -> Iterator[Room]:
    """Maps from outside that come in tile by tile, all of one base."""
    loops, ring, double = boxes.loops, boxes.loops.ring, arch.overlaps
    for tensor, block in group.blocks.items():
        if block.base != base:
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
