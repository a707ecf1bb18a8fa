"""The offers of a group for every residency: all its ways at once, the best of which stay (docs/model.md, 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tilewright.mapping.mapping import Node
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.prepared import Book, Prepared, Way, setting
from tilewright.schedule.group.room import Room, map_rooms, peak, weight_rooms
from tilewright.schedule.group.sheet import Columns, columns, request
from tilewright.schedule.group.ways import frames, weight_choices
from tilewright.schedule.offers import Offer, Residency


@dataclass(frozen=True)
class Asked:
    """The residencies of a group that are asked for, with the bytes that bases on chip take in each."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    residencies: tuple[Residency, ...]
    held_bytes: tuple[int, ...]


def fronts(book: Book, mapper: ArrayMapper, asked: Asked, capacity: int) -> tuple[tuple[Offer, ...], ...]:
    """For each residency the offers of which none is beaten in room, energy, cycles and bytes at once; ``how`` is the
    way to run the group."""
    table = request(asked.inputs, asked.outputs, asked.residencies)
    ways: list[Way] = []
    found: list[Columns] = []
    for same in prepared_ways(book, mapper, capacity):
        ways += [one.at.way for one in same]
        found.append(columns(same, table))
    if not found:
        return ((),) * len(asked.residencies)
    every = Columns(*(np.concatenate([getattr(one, name) for one in found]) for name in Columns.__dataclass_fields__))
    return tuple(_front(every, r, capacity - held, ways) for r, held in enumerate(asked.held_bytes))


def prepared_ways(book: Book, mapper: ArrayMapper, capacity: int) -> Iterator[list[Prepared]]:
    """All ways to run a group that fit by themselves where all that can be on chip is; those of one frame together."""
    group = book.group
    outside = frozenset(block.base for block in group.blocks.values()) - group.written
    least = Residency(resident=outside, held=book.outputs)
    nothing = (False,) * len(group.all)
    for frame in frames(group):
        choices = weight_choices(group, frame)
        found, boxed = book.frame(frame.loops, frame.overlap, frame.channels)
        rooms = map_rooms(book.arch, group, found, least, boxed, nothing)
        fitting = [w for w in choices if _fits(book, [*rooms, *weight_rooms(book.arch, group, boxed, w)], capacity)]
        arrays = _arrays(book, mapper, boxed) if fitting else None
        if arrays is None:
            continue
        first = Prepared(setting(book, Way(frame.loops, frame.channels, frame.overlap, arrays, fitting[0])))
        others = (replace(first.at, way=replace(first.at.way, weights=weights)) for weights in fitting[1:])
        yield [first, *(Prepared(other, first) for other in others)]


def _fits(book: Book, rooms: list[Room], capacity: int) -> bool:
    return peak(rooms, len(book.group.all)) <= capacity


def _arrays(book: Book, mapper: ArrayMapper, boxed: Sequence[dict[str, int]]) -> tuple[tuple[Node, ...], ...] | None:
    found = []
    for one, box in zip(book.books, boxed, strict=True):
        array = mapper.of(one, box)
        if array is None:
            return None
        found.append(array)
    return tuple(found)


def _front(every: Columns, number: int, free: int, ways: Sequence[Way]) -> tuple[Offer, ...]:
    """The front of one residency."""
    from tilewright.schedule.group.kernels import front

    places = np.flatnonzero(every.room_bytes[:, number] <= free)
    columns = [getattr(every, name)[places, number] for name in Columns.__dataclass_fields__]
    order = np.lexsort(columns[::-1])
    columns = [one[order] for one in columns]
    kept = np.empty(len(order), dtype=np.int64)
    some = kept[: front(*columns, kept)]  # type: ignore[call-arg]
    rows = zip(*(one[some].tolist() for one in columns), places[order[some]].tolist(), strict=True)
    return tuple(Offer(r, e, c, size, loose, ways[way]) for r, e, c, size, loose, way in rows)
