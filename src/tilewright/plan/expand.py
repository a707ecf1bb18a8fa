"""Expanding a program: from loops with expressions to the list of its steps (docs/model.md, section 11)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.plan.expr import Expr, evaluate
from tilewright.plan.plan import Access, Buffer, Plan, Program, Section, Spot, Stay, Transfer
from tilewright.plan.step import DimRanges, Move, Region, Staying, Step, View

_CHUNK = 1 << 14


def buffer_strides(buffer: Buffer) -> tuple[int, ...]:
    """Elements between neighbours along each operand axis: row-major, the ring axis (if any) outermost.

    Along the ring axis the stride counts from place to place.
    """
    axes = list(range(len(buffer.counts)))
    order = axes if buffer.ring_axis is None else [buffer.ring_axis] + [a for a in axes if a != buffer.ring_axis]
    strides = dict.fromkeys(axes, 1)
    total = 1
    for axis in reversed(order):
        strides[axis] = total
        total *= buffer.counts[axis]
    return tuple(strides[axis] for axis in axes)


@dataclass
class _Place:
    """Where the current refill of a buffer lies. Slots are taken in turn; a ring's head moves on with each refill."""

    buffer: Buffer
    strides: tuple[int, ...]
    footprint: int
    turns: int = 0
    head: int = 0
    origin_index: int = 0
    origin_place: int = 0

    def region(self, start: int, step: int) -> Region:
        ring = self.buffer.ring_axis
        if ring is None:
            slot = (self.turns - 1) % self.buffer.slots if self.turns else 0
            return Region(self.buffer.name, slot * self.footprint, self.strides)
        # A ring of no places belongs to windows that lie wholly in padding.
        length, apart = max(1, self.buffer.ring_length), self.buffer.ring_step
        place = self.origin_place + (start - self.origin_index) // apart
        return Region(self.buffer.name, 0, self.strides, ring, place % length, length, max(1, step // apart))

    def turn(self, start: int, count: int, step: int, new: int) -> None:
        """The next refill: a window of ``count`` indices from ``start``, of which ``new`` were not there before."""
        self.turns += 1
        if self.buffer.ring_axis is None or count == 0:
            return
        if new == count:
            self.origin_index, self.origin_place = start, self.head
        last = start + (count - 1) * step
        self.head = self.origin_place + (last - self.origin_index) // self.buffer.ring_step + 1


class _Rows:
    """Expressions of one program evaluated for many iterations at once, each expression only once."""

    def __init__(self, counters: dict[str, Any], rows: int) -> None:
        self._counters, self._rows = counters, rows
        self._known: dict[Expr, list[int]] = {}

    def __call__(self, expr: Expr) -> list[int]:
        known = self._known.get(expr)
        if known is None:
            values = np.broadcast_to(np.asarray(evaluate(expr, self._counters), dtype=np.int64), (self._rows,))
            known = self._known[expr] = values.tolist()
        return known

    def table(self, exprs: tuple[Expr, ...]) -> list[tuple[int, ...]]:
        """Row by row the values of several expressions."""
        return list(zip(*(self(expr) for expr in exprs), strict=True)) if exprs else [()] * self._rows


def iterations(program: Program) -> int:
    """How many steps a program has."""
    return sum(rows for _, rows in _chunks(program))


def substeps(arch: Accelerator, program: Program) -> int:
    """Sub-steps of an operator by itself: with double buffers two per step and one before and after, else three."""
    return 2 * iterations(program) + 2 if arch.overlaps else 3 * iterations(program)


def rounds(plan: Plan, section: Section) -> Iterator[tuple[int, int]]:
    """The sequence of the steps of a section of several programs: (which of them, how many of its steps in a row)."""
    shared = len(section.shared)
    own = [prod(c.trips for c in plan.programs[number].counters[shared:]) for number in section.programs]
    for _ in range(prod(counter.trips for counter in section.shared)):
        yield from enumerate(own)


def _chunks(program: Program) -> Iterator[tuple[dict[str, Any], int]]:
    """The iterations that exist, in order, some thousands at a time."""
    trips = [counter.trips for counter in program.counters]
    total = int(np.prod(trips, dtype=np.int64)) if trips else 1
    for begin in range(0, total, _CHUNK):
        flat = np.arange(begin, min(total, begin + _CHUNK), dtype=np.int64)
        values = np.unravel_index(flat, trips) if trips else ()
        counters: dict[str, Any] = {c.name: v.astype(np.int64) for c, v in zip(program.counters, values, strict=True)}
        exists = np.broadcast_to(np.asarray(evaluate(program.exists, counters)), flat.shape) != 0
        rows = int(exists.sum())
        if rows:
            yield {name: v[exists] for name, v in counters.items()}, rows


def expand(plan: Plan, program: Program) -> Iterator[Step]:
    """Every step of a program, in order, with all boxes and places concrete."""
    yield from _expanded(plan, program, 0)


def last_step(plan: Plan, program: Program) -> Step:
    """The last step of a program."""
    (found,) = _expanded(plan, program, iterations(program) - 1)
    return found


def _expanded(plan: Plan, program: Program, begin: int) -> Iterator[Step]:
    """The steps of a program from number ``begin`` on."""
    compute = program.compute
    places: dict[str, _Place] = {}
    names = {a.buffer for a in compute.accesses if a.at is None} | {t.buffer for t in program.transfers if t.at is None}
    for name in names:
        buffer = plan.buffer[name]
        footprint = 1
        for count in buffer.counts:
            footprint *= count
        places[name] = _Place(buffer, buffer_strides(buffer), footprint)
    # Only a load can bring new indices into a ring.
    loads = {t.operand: t for t in program.transfers if t.direction != "store" and t.cause != "readback"}
    number = 0
    for counters, rows in _chunks(program):
        steps = range(number, number + rows)
        yield from _steps(program, places, loads, _Rows(counters, rows), steps, begin)
        number += rows


def _steps(
    program: Program, places: dict[str, _Place], loads: dict[str, Transfer], at: _Rows, numbers: range, begin: int
) -> Iterator[Step]:
    compute = program.compute
    ranges = [(r.dim, at(r.start), at(r.count)) for r in compute.ranges]
    first, last = at(compute.first), at(compute.last)
    accesses = [
        _AccessRows(a, places[a.buffer], loads.get(a.operand), at) if a.at is None else _SpotRows(a, a.at, at)
        for a in compute.accesses
    ]
    tile = compute.through
    through = None if tile is None or tile.at is None else _SpotRows(tile, tile.at, at)
    moves = [_TransferRows(t, places.get(t.buffer), at) for t in program.transfers]
    stays = [_StayRows(stay, at) for stay in program.stays]
    for row, number in enumerate(numbers):
        for access in accesses:
            access.turn(row)
        if number < begin:
            continue
        found: dict[str, list[Move]] = {"load": [], "stream": [], "store": [], "early": []}
        for move in moves:
            if move.when[row]:
                made = move.move(row)
                if made.elements:
                    early = move.transfer.early and number == 0
                    found["early" if early else move.transfer.direction].append(made)
        yield Step(
            ranges=tuple((dim, starts[row], counts[row]) for dim, starts, counts in ranges),
            loads=tuple(found["load"]),
            streams=tuple(found["stream"]),
            stores=tuple(found["store"]),
            views=tuple(access.view(row) for access in accesses),
            first=bool(first[row]),
            last=bool(last[row]),
            stays=tuple(stay.in_step(row) for stay in stays),
            through=None if through is None else through.view(row),
            early=tuple(found["early"]),
        )


class _StayRows:
    """The stays of one keep. What they begin with changes only where one begins."""

    def __init__(self, stay: Stay, at: _Rows) -> None:
        self.flags = tuple(at(e) for e in (stay.begins, stay.ends, stay.zero, stay.slides))
        self.ranges = tuple((r.dim, at(r.start), at(r.count)) for r in stay.ranges)
        self.before = tuple((r.dim, at(r.start), at(r.count)) for r in stay.before)

    def in_step(self, row: int) -> Staying:
        begins, ends, zero, slides = (flag[row] for flag in self.flags)
        before: DimRanges = ()
        if slides:
            before = tuple((dim, starts[row], counts[row]) for dim, starts, counts in self.before)
        ranges = tuple((dim, starts[row], counts[row]) for dim, starts, counts in self.ranges)
        return Staying(bool(begins), bool(ends), bool(zero), ranges, before)


class _AccessRows:
    def __init__(self, access: Access, place: _Place, load: Transfer | None, at: _Rows) -> None:
        self.access, self.place = access, place
        self.turns = at(access.turn)
        self.starts, self.counts, self.steps = (at.table(e) for e in (access.starts, access.counts, access.steps))
        ring = place.buffer.ring_axis
        self.new = at(load.counts[ring]) if ring is not None and load is not None else None
        self._view: View | None = None

    def turn(self, row: int) -> None:
        if not self.turns[row]:
            return
        ring = self.place.buffer.ring_axis or 0
        starts, counts, steps = self.starts[row], self.counts[row], self.steps[row]
        if starts:
            new = self.new[row] if self.new is not None else counts[ring]
            self.place.turn(starts[ring], counts[ring], steps[ring], new)
        else:
            self.place.turn(0, 1, 1, 1)
        self._view = None

    def view(self, row: int) -> View:
        if self._view is None:
            ring = self.place.buffer.ring_axis or 0
            starts, steps = self.starts[row], self.steps[row]
            region = self.place.region(starts[ring] if starts else 0, steps[ring] if steps else 1)
            self._view = View(self.access.operand, starts, self.counts[row], steps, region)
        return self._view


class _SpotRows:
    """An access whose place does not depend on what was accessed before."""

    def __init__(self, access: Access, spot: Spot, at: _Rows) -> None:
        self.access, self.spot = access, _Regions(access.buffer, spot, at)
        self.starts, self.counts, self.steps = (at.table(e) for e in (access.starts, access.counts, access.steps))

    def turn(self, row: int) -> None:
        """Nothing changes from refill to refill."""

    def view(self, row: int) -> View:
        starts, counts, steps = self.starts[row], self.counts[row], self.steps[row]
        return View(self.access.operand, starts, counts, steps, self.spot.region(row, starts, steps))


class _Regions:
    """Where boxes lie by a ``Spot``."""

    def __init__(self, buffer: str, spot: Spot, at: _Rows) -> None:
        self.buffer, self.spot = buffer, spot
        self.base, self.shift = at(spot.base), at(spot.shift)

    def region(self, row: int, starts: tuple[int, ...], steps: tuple[int, ...]) -> Region:
        spot = self.spot
        linear = [k for k in range(len(starts)) if k != spot.axis]
        base = self.base[row] + sum(starts[k] * spot.strides[k] for k in linear)
        if spot.axis is None:
            return Region(self.buffer, base, tuple(a * b for a, b in zip(spot.strides, steps, strict=True)))
        strides = [stride * step for stride, step in zip(spot.strides, steps, strict=True)]
        strides[spot.axis] = spot.strides[spot.axis]
        place = (starts[spot.axis] + self.shift[row]) % spot.length
        return Region(self.buffer, base, tuple(strides), spot.axis, place, spot.length, steps[spot.axis])


class _TransferRows:
    def __init__(self, transfer: Transfer, place: _Place | None, at: _Rows) -> None:
        self.transfer, self.place = transfer, place
        self.spot = None if transfer.at is None else _Regions(transfer.buffer, transfer.at, at)
        self.when, self.offset = at(transfer.when), at(transfer.offset)
        tables = (transfer.starts, transfer.counts, transfer.steps, transfer.strides)
        self.starts, self.counts, self.steps, self.strides = (at.table(e) for e in tables)

    def move(self, row: int) -> Move:
        t, starts, steps = self.transfer, self.starts[row], self.steps[row]
        return Move(
            operand=t.operand,
            cause=t.cause,
            array=t.array,
            offset=self.offset[row],
            strides=self.strides[row],
            counts=self.counts[row],
            starts=starts,
            steps=steps,
            region=self._region(row, starts, steps),
        )

    def _region(self, row: int, starts: tuple[int, ...], steps: tuple[int, ...]) -> Region:
        if self.spot is not None:
            return self.spot.region(row, starts, steps)
        assert self.place is not None
        ring = self.place.buffer.ring_axis or 0
        return self.place.region(starts[ring] if starts else 0, steps[ring] if steps else 1)
