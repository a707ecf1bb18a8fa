"""The offers of a group under one frame, for all residencies and weights at once: what ``cost.offer`` says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilewright.mapping.tiling import IntArray
from tilewright.schedule.group.cost import Counts
from tilewright.schedule.group.prepared import Prepared, Transfer, Way
from tilewright.schedule.group.room import Room, base_rooms, by_phase, fixed_rooms
from tilewright.schedule.offers import Residency
from tilewright.schedule.tiled import Weights

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
    and come out of it. Residency r does with the inputs what row ``into[r]`` of ``entering`` says (STREAMED, RESIDENT,
    LOADED), and with the outputs what row ``out_of[r]`` of ``leaving`` says (whether each is held, and stored)."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    entering: tuple[tuple[int, ...], ...]
    into: IntArray
    leaving: tuple[tuple[tuple[bool, bool], ...], ...]
    out_of: IntArray


STREAMED, RESIDENT, LOADED = range(3)


def request(inputs: Sequence[str], outputs: Sequence[str], residencies: Sequence[Residency]) -> Request:
    """Residencies as a table."""
    entering: dict[tuple[int, ...], int] = {}
    leaving: dict[tuple[tuple[bool, bool], ...], int] = {}
    into, out_of = [], []
    for one in residencies:
        here = tuple(RESIDENT if b in one.resident else LOADED if b in one.loaded else STREAMED for b in inputs)
        into.append(entering.setdefault(here, len(entering)))
        there = tuple((b in one.held, b in one.stored) for b in outputs)
        out_of.append(leaving.setdefault(there, len(leaving)))
    return Request(
        tuple(inputs), tuple(outputs), tuple(entering), np.array(into), tuple(leaving), np.array(out_of)
    )  # fmt: skip


class _Rows:
    """Transfers as rows of bytes and runs over all steps; row 0 is empty."""

    def __init__(self, shape: tuple[int, ...], most: int) -> None:
        self._both = np.zeros((2, most, *shape), dtype=np.int64)
        self.sizes, self.runs = self._both.reshape(2, most, -1)
        self._used = 1

    def add(self, transfers: Sequence[Transfer]) -> int:
        """The number of the row with these transfers."""
        if not transfers:
            return 0
        sizes, runs = self._both[:, self._used]
        for transfer in transfers:
            transfer.add_to(sizes, runs)
        self._used += 1
        return self._used - 1


@dataclass(frozen=True)
class Framed:
    """A group in one frame: a way that is prepared, and the choices of weights of all ways that fit."""

    first: Prepared
    weights: tuple[tuple[Weights, ...], ...]

    @property
    def ways(self) -> list[Way]:
        """All of them."""
        return [replace(self.first.at.way, weights=weights) for weights in self.weights]


def columns(framed: Framed, asked: Request) -> Columns:
    """The offers of ways that differ in their weights only, for all residencies asked for."""
    from tilewright.schedule.group.kernels import timelines

    first, choices = framed.first, framed.weights
    at, arch = first.at, first.at.arch
    group, dram, pad = at.group, arch.dram, arch.scratchpad
    weighted = [k for k, kind in enumerate(choices[0]) if kind in ("stay", "stream")]
    rows = _Rows(at.shape, 3 + 2 * len(weighted) + 2 * len(asked.inputs) + len(asked.outputs))
    flow = rows.add(first.flows)
    loads = _loads(first, choices, weighted, asked, rows)
    stores = _stores(first, asked, rows)
    last = group.blocks[group.last.writes].base
    number = asked.outputs.index(last) if last in asked.outputs else -1
    held = np.array([number >= 0 and one[number][0] for one in asked.leaving], dtype=np.int64)
    kinds = (Residency(), Residency(held=frozenset((last,))))[: 1 + int(held.any())]
    tile_of = held[asked.out_of]
    found = np.empty((len(choices), len(asked.into), 4), dtype=np.int64)
    timelines(
        np.array([first.tile_cycles(kind) for kind in kinds]),
        rows.sizes,
        rows.runs,
        loads,
        flow,
        stores,
        asked.into,
        asked.out_of,
        tile_of,
        dram.setup_cycles,
        _rate(dram.read_bandwidth),
        _rate(dram.write_bandwidth),
        arch.overlaps,
        found,
    )
    cycles, loose, into, out = found.transpose(2, 0, 1)
    beside = int(rows.sizes[flow].sum())
    if arch.timing == "roofline":
        counts = [Counts(at, first.work(kind)) for kind in kinds]
        table = (np.broadcast_to(tile_of, into.shape).reshape(-1), into.reshape(-1), out.reshape(-1))
        times = [counts[k].roofline(i, beside, o) for k, i, o in zip(*(one.tolist() for one in table), strict=True)]
        cycles = np.array(times, dtype=np.int64).reshape(cycles.shape)
    on_chip = np.array([first.on_chip_pj(kind) for kind in kinds])
    energy = on_chip[tile_of] + cycles * arch.leakage_pj_per_cycle
    energy = energy + ((into + beside) * dram.read_pj + out * dram.write_pj + into * pad.write_pj + out * pad.read_pj)
    return Columns(_rooms(first, choices, asked), energy, cycles, into + beside + out, loose)


def _loads(
    first: Prepared, choices: Sequence[tuple[Weights, ...]], weighted: list[int], asked: Request, rows: _Rows
) -> IntArray:
    """The rows that come in before a step, for every choice of weights and every way to have the inputs."""
    blocks = first.at.group.blocks
    outside = [t for t in first.reads if blocks[t].base not in asked.inputs]
    known: dict[tuple[int, object], int] = {}
    for k in weighted:
        for kind in {one[k] for one in choices}:
            known[k, kind] = rows.add((first.weights(k, stay=kind == "stay"),))
    always = rows.add((*first.parameters, *map(first.streamed, outside)))
    maps = np.zeros((len(asked.inputs), 3), dtype=np.int64)
    for b, base in enumerate(asked.inputs):
        ways = {one[b] for one in asked.entering}
        if STREAMED in ways:
            maps[b, STREAMED] = rows.add([first.streamed(t) for t in first.reads if blocks[t].base == base])
        if LOADED in ways:
            maps[b, LOADED] = rows.add((first.whole(base),))
    constant = [[always, *(known[k, one[k]] for k in weighted)] for one in choices]
    entering = [[int(maps[b, how]) for b, how in enumerate(one)] for one in asked.entering]
    return np.array([[[*one, *other] for other in entering] for one in constant], dtype=np.int64)


def _stores(first: Prepared, asked: Request, rows: _Rows) -> IntArray:
    """The rows that go out after a step, for every way to leave the outputs."""
    group = first.at.group
    number = [
        rows.add([first.stored(k, one) for k, one in enumerate(group.all) if group.blocks[one.writes].base == base])
        for base in asked.outputs
    ]
    table = [[row if stored else 0 for row, (_, stored) in zip(number, one, strict=True)] for one in asked.leaving]
    return np.array(table, dtype=np.int64).reshape(len(asked.leaving), len(asked.outputs))


def _rate(rate: Any) -> IntArray:
    return np.array((0, 1) if rate is None else (rate.numerator, rate.denominator), dtype=np.int64)


def _rooms(first: Prepared, choices: Sequence[tuple[Weights, ...]], asked: Request) -> IntArray:
    """The most bytes of any phase, for every choice of weights and residency."""
    at, arch = first.at, first.at.arch
    group, phases = at.group, len(at.group.all)
    fixed = fixed_rooms(arch, group, at.boxed, at.adding)
    known = {*asked.inputs, *asked.outputs}

    def of(base: str, *, on_chip: bool, stored: bool) -> list[Room]:
        return base_rooms(arch, group, at.boxes, at.boxed, at.adding, base, on_chip=on_chip, stored=stored)

    for base in dict.fromkeys(block.base for block in group.blocks.values()):
        if base not in known:
            fixed += of(base, on_chip=False, stored=False)
    weights = np.array([at.book.weight_phases(one, at.way.channels, at.boxed) for one in choices])
    streamed = np.array([by_phase(of(base, on_chip=False, stored=False), phases) for base in asked.inputs])
    coming = np.array(asked.entering, dtype=np.int64).reshape(len(asked.entering), -1) == STREAMED
    entering = coming @ streamed.reshape(-1, phases)
    known_ends: dict[tuple[str, tuple[bool, bool]], IntArray] = {}
    leaving = [by_phase(fixed, phases) for _ in asked.leaving]
    for number, one in enumerate(asked.leaving):
        for base, how in zip(asked.outputs, one, strict=True):
            if (base, how) not in known_ends:
                known_ends[base, how] = by_phase(of(base, on_chip=how[0], stored=how[1]), phases)
            leaving[number] += known_ends[base, how]
    both = entering[asked.into] + np.array(leaving)[asked.out_of]
    found: IntArray = (weights[:, None] + both).max(axis=-1)
    return found
