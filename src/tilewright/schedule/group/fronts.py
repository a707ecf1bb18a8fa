"""The offers of a group for every residency: all its ways at once, the best of which stay (docs/model.md, 8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.mapping.mapping import Node
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.prepared import Book, Prepared, Way, setting
from tilewright.schedule.group.room import by_phase, map_rooms
from tilewright.schedule.group.sheet import Columns, Framed, columns, request
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
    for framed in prepared_ways(book, mapper, capacity):
        ways += framed.ways
        found.append(columns(framed, table))
    if not found:
        return ((),) * len(asked.residencies)
    every = Columns(*(np.concatenate([getattr(one, name) for one in found]) for name in Columns.__dataclass_fields__))
    return tuple(_front(every, r, capacity - held, ways) for r, held in enumerate(asked.held_bytes))


def prepared_ways(book: Book, mapper: ArrayMapper, capacity: int) -> Iterator[Framed]:
    """All ways to run a group that fit by themselves where all that can be on chip is, frame by frame."""
    group = book.group
    outside = frozenset(block.base for block in group.blocks.values()) - group.written
    least = Residency(resident=outside, held=book.outputs)
    nothing = (False,) * len(group.all)
    for frame in frames(group):
        found, boxed = book.frame(frame.loops, frame.overlap, frame.channels)
        maps = by_phase(map_rooms(book.arch, group, found, least, boxed, nothing), len(group.all))
        choices = weight_choices(group, frame)
        fitting = [w for w in choices if (maps + book.weight_phases(w, frame.channels, boxed)).max() <= capacity]
        arrays = _arrays(book, mapper, boxed) if fitting else None
        if arrays is not None:
            way = Way(frame.loops, frame.channels, frame.overlap, arrays, fitting[0])
            yield Framed(Prepared(setting(book, way)), tuple(fitting))


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
