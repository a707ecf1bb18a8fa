"""The offers of a group under one frame, for all residencies and weights at once: what ``cost.offer`` says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.tiling import IntArray
from tilewright.schedule.group.cost import Counts
from tilewright.schedule.group.prepared import Prepared, Transfer
from tilewright.schedule.group.room import Room, base_rooms, fixed_rooms, weight_rooms
from tilewright.schedule.offers import Residency

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class Columns:
    """Offers as arrays over (way, residency), in the order of the fields of an offer."""

    room_bytes: IntArray
    energy_pj: Floats
    cycles: IntArray
    dram_bytes: IntArray
    loose_cycles: IntArray


@dataclass(frozen=True)
class Request:
    """The residencies that are asked for, base by base: ``inputs`` and ``outputs`` name the bases that go into a group
    and come out of it; for each of them, ``resident[r, b]`` and the like say what residency r does with base b."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    resident: IntArray
    loaded: IntArray
    held: IntArray
    stored: IntArray


def request(inputs: Sequence[str], outputs: Sequence[str], residencies: Sequence[Residency]) -> Request:
    """Residencies as a table."""

    def flags(bases: Sequence[str], of: Sequence[frozenset[str]]) -> IntArray:
        return np.array([[base in one for base in bases] for one in of], dtype=np.int64).reshape(len(of), len(bases))

    return Request(
        tuple(inputs),
        tuple(outputs),
        flags(inputs, [r.resident for r in residencies]),
        flags(inputs, [r.loaded for r in residencies]),
        flags(outputs, [r.held for r in residencies]),
        flags(outputs, [r.stored for r in residencies]),
    )


class _Rows:
    """Transfers as rows of bytes and runs over all steps; row 0 is empty."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self.sizes = [np.zeros(shape, dtype=np.int64)]
        self.runs = [np.zeros(shape, dtype=np.int64)]

    def add(self, transfers: Sequence[Transfer]) -> int:
        """The number of the row with these transfers."""
        if not transfers:
            return 0
        self.sizes.append(np.zeros(self._shape, dtype=np.int64))
        self.runs.append(np.zeros(self._shape, dtype=np.int64))
        for transfer in transfers:
            transfer.add_to(self.sizes[-1], self.runs[-1])
        return len(self.sizes) - 1


def columns(ways: Sequence[Prepared], asked: Request) -> Columns:
    """The offers of ways that differ in their weights only, for all residencies asked for."""
    from tilewright.schedule.group.kernels import timelines

    first, number = ways[0], len(asked.stored)
    at, arch = first.at, first.at.arch
    group, dram, pad = at.group, arch.dram, arch.scratchpad
    rows = _Rows(at.shape)
    outside = [t for t in first.reads if group.blocks[t].base not in asked.inputs]
    weighted = [k for k, one in enumerate(group.all) if one.weights is not None and at.way.weights[k] != "pass"]
    loads = np.zeros((len(ways), number, 1 + len(weighted) + len(asked.inputs)), dtype=np.int64)
    loads[..., 0] = rows.add((*first.parameters, *map(first.streamed, outside)))
    for k, place in enumerate(weighted, 1):
        kinds_of = [way.at.way.weights[place] == "stay" for way in ways]
        row = {stay: rows.add((first.weights(place, stay=stay),)) for stay in set(kinds_of)}
        loads[..., k] = np.array([row[stay] for stay in kinds_of])[:, None]
    for b, base in enumerate(asked.inputs):
        whole = rows.add((first.whole(base),)) if asked.loaded[:, b].any() else 0
        streamed = rows.add([first.streamed(t) for t in first.reads if group.blocks[t].base == base])
        here = np.where(asked.resident[:, b] > 0, 0, streamed)
        loads[..., 1 + len(weighted) + b] = np.where(asked.loaded[:, b] > 0, whole, here)
    flow = rows.add(first.flows)
    stores = np.zeros((len(ways), number, max(1, len(asked.outputs))), dtype=np.int64)
    held_last = np.zeros(number, dtype=np.int64)
    for b, base in enumerate(asked.outputs):
        by = [(place, one) for place, one in enumerate(group.all) if group.blocks[one.writes].base == base]
        stores[..., b] = rows.add([first.stored(place, one) for place, one in by]) * asked.stored[:, b]
        if by[-1][0] == at.last:
            held_last = asked.held[:, b]
    last = group.blocks[group.last.writes].base
    kinds = (Residency(), Residency(held=frozenset((last,))))[: 1 + int(held_last.any())]
    tiles = np.array([first.tile_cycles(kind) for kind in kinds])
    found = np.empty((len(ways) * number, 4), dtype=np.int64)
    timelines(
        tiles,
        np.array(rows.sizes).reshape(len(rows.sizes), -1),
        np.array(rows.runs).reshape(len(rows.runs), -1),
        loads.reshape(len(found), -1),
        np.full((len(found), 1), flow),
        stores.reshape(len(found), -1),
        np.tile(held_last, len(ways)),
        dram.setup_cycles,
        _rate(dram.read_bandwidth),
        _rate(dram.write_bandwidth),
        arch.overlaps,
        found,
    )
    cycles, loose, arrived, out = found.reshape(len(ways), number, 4).transpose(2, 0, 1)
    beside = int(rows.sizes[flow].sum())
    into = arrived - beside
    if arch.timing == "roofline":
        counts = [Counts(at, first.work(kind)) for kind in kinds]
        table = (np.tile(held_last, len(ways)), into.reshape(-1), out.reshape(-1))
        times = [counts[k].roofline(i, beside, o) for k, i, o in zip(*(one.tolist() for one in table), strict=True)]
        cycles = np.array(times, dtype=np.int64).reshape(cycles.shape)
    on_chip = np.array([first.on_chip_pj(kind) for kind in kinds])
    energy = on_chip[held_last] + cycles * arch.leakage_pj_per_cycle
    energy = energy + ((into + beside) * dram.read_pj + out * dram.write_pj + into * pad.write_pj + out * pad.read_pj)
    return Columns(_rooms(arch, ways, asked), energy, cycles, into + beside + out, loose)


def _rate(rate: Any) -> IntArray:
    return np.array((0, 1) if rate is None else (rate.numerator, rate.denominator), dtype=np.int64)


def _rooms(arch: Accelerator, ways: Sequence[Prepared], asked: Request) -> IntArray:
    """The most bytes of any phase, for every way and residency."""
    at = ways[0].at
    group, phases, number = at.group, len(at.group.all), len(asked.stored)
    fixed = fixed_rooms(arch, group, at.boxed, at.adding)
    known = {*asked.inputs, *asked.outputs}
    for base in dict.fromkeys(block.base for block in group.blocks.values()):
        if base not in known:
            fixed += base_rooms(arch, group, at.boxes, at.boxed, at.adding, base, on_chip=False, stored=False)
    total = np.zeros((len(ways), number, phases), dtype=np.int64)
    total += _phases(fixed, phases)
    for k, way in enumerate(ways):
        total[k] += _phases(weight_rooms(arch, group, at.boxed, way.at.way.weights), phases)
    for bases, on_chip, stored in (
        (asked.inputs, asked.resident | asked.loaded, np.zeros_like(asked.resident)),
        (asked.outputs, asked.held, asked.stored),
    ):
        for b, base in enumerate(bases):
            table = np.zeros((2, 2, phases), dtype=np.int64)
            for here, there in {*zip(on_chip[:, b].tolist(), stored[:, b].tolist(), strict=True)}:
                rooms = base_rooms(
                    arch, group, at.boxes, at.boxed, at.adding, base, on_chip=bool(here), stored=bool(there)
                )
                table[here, there] = _phases(rooms, phases)
            total += table[on_chip[:, b], stored[:, b]]
    found: IntArray = total.max(axis=-1)
    return found


def _phases(rooms: Sequence[Room], phases: int) -> IntArray:
    found = np.zeros(phases, dtype=np.int64)
    for room in rooms:
        found[room.first : room.last + 1] += room.size_bytes
    return found
