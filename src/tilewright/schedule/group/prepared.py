"""How a group runs, and all that its cost is made of: steps and transfers (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Loop, Node
from tilewright.mapping.tiling import IntArray
from tilewright.mapping.traffic import contiguous_runs
from tilewright.schedule.group.intervals import Boxes, Intervals, Loops, boxes, merged, shared_loops
from tilewright.schedule.group.members import Member, Members
from tilewright.schedule.group.room import Room, rooms
from tilewright.schedule.group.steps import Classes, StepBook, Steps, classes, footprint, largest_box
from tilewright.schedule.offers import Residency
from tilewright.schedule.problems import dram_strides
from tilewright.schedule.tiled import Overlap, Weights
from tilewright.workload.storage import PlacedNetwork

Where = Any  # an index into the array of steps


@dataclass(frozen=True)
class Way:
    """How a group runs: shared loops (outermost first, of several chunks), the loop of the last operator's channels,
    the overlap mode, and for each operator its array part and what becomes of its weights."""

    loops: tuple[Loop, ...]
    channels: Loop | None
    overlap: Overlap
    arrays: tuple[tuple[Node, ...], ...]
    weights: tuple[Weights, ...]


@dataclass(frozen=True)
class Setting:
    """A group under a way to run it. ``chunks`` are the bounds of the last operator's own chunks, ``boxed`` the largest
    box of each operator, ``adding`` says whose results are added up in the scratchpad."""

    book: Book
    way: Way
    boxes: Boxes
    chunks: tuple[IntArray, IntArray]
    boxed: tuple[dict[str, int], ...]
    adding: tuple[bool, ...]

    @property
    def placed(self) -> PlacedNetwork:
        return self.book.placed

    @property
    def arch(self) -> Accelerator:
        return self.book.arch

    @property
    def group(self) -> Members:
        return self.book.group

    @property
    def shape(self) -> tuple[int, ...]:
        """Chunks of every shared loop, then the steps of a pass."""
        return (*self.boxes.loops.counts, len(self.group.all) - 1 + len(self.chunks[0]))

    @property
    def last(self) -> int:
        return len(self.group.all) - 1

    def steps_of(self, place: int) -> Where:
        """The steps of an operator in an array of all steps."""
        return (..., slice(place, None)) if place == self.last else (..., slice(place, place + 1))

    def along(self, loop: int, values: IntArray) -> IntArray:
        """Values over the chunks of a loop, shaped for the array of passes."""
        return values.reshape([-1 if k == loop else 1 for k in range(len(self.boxes.loops.counts))])


class Book:
    """A group with what is computed once for all ways to run it; ``outputs`` are the bases it writes that are needed
    elsewhere."""

    def __init__(self, placed: PlacedNetwork, arch: Accelerator, group: Members, outputs: frozenset[str]) -> None:
        self.placed, self.arch, self.group, self.outputs = placed, arch, group, outputs
        self.books = tuple(StepBook(one) for one in group.all)
        self.sizes = dict(placed.bases)
        self._lines: dict[tuple[Loop, bool], Boxes] = {}
        self._classes: dict[tuple[Loop, bool, int], Classes] = {}
        self._chunks: dict[Loop, Classes] = {}

    def line(self, loop: Loop, cached: bool) -> Boxes:
        """The intervals along one loop."""
        if (loop, cached) not in self._lines:
            alone = Loops((loop,), (self.group.last.nest.extents[loop.dim],), (cached,))
            self._lines[loop, cached] = boxes(self.group, alone, self.outputs)
        return self._lines[loop, cached]

    def boxes(self, loops: Loops) -> Boxes:
        """The intervals along all loops."""
        lines = tuple(self.line(loop, cached) for loop, cached in zip(loops.loops, loops.cached, strict=True))
        return merged(loops, lines, len(self.group.all))

    def classes(self, loops: Loops, place: int) -> tuple[Classes, ...]:
        """The classes of an operator's boxes along every loop."""
        found = []
        for loop, cached in zip(loops.loops, loops.cached, strict=True):
            key = (loop, cached, place)
            if key not in self._classes:
                ranges = self.line(loop, cached).ranges[place]
                spans = {dim: (known.new, known.high) for dim, (_, known) in ranges.items()}
                count = -(-self.group.last.nest.extents[loop.dim] // loop.tile)
                self._classes[key] = classes(self.group.all[place].nest, spans, count)
            found.append(self._classes[key])
        return tuple(found)

    def chunks(self, loop: Loop | None) -> tuple[IntArray, IntArray]:
        """The bounds of the last operator's own chunks."""
        if loop is None:
            return np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64)
        extent = self.group.last.nest.extents[loop.dim]
        start = np.arange(0, extent, loop.tile)
        return start, np.minimum(start + loop.tile, extent)

    def own_classes(self, loop: Loop) -> Classes:
        """The classes of the last operator's own chunks."""
        if loop not in self._chunks:
            start, end = self.chunks(loop)
            self._chunks[loop] = classes(self.group.last.nest, {loop.dim: (start, end)}, len(start))
        return self._chunks[loop]

    def largest(self, found: Boxes, channels: Loop | None) -> tuple[dict[str, int], ...]:
        """The longest range of every dimension of every operator in any step."""
        last = len(self.group.all) - 1
        return tuple(
            largest_box(one, found.ranges[k], (channels.dim, channels.tile) if channels and k == last else None)
            for k, one in enumerate(self.group.all)
        )


def setting(book: Book, way: Way) -> Setting:
    """A group under a way to run it."""
    found = book.boxes(shared_loops(book.group, way.loops, way.overlap))
    boxed = book.largest(found, way.channels)
    adding = tuple(one.adds_up(array) for one, array in zip(book.books, way.arrays, strict=True))
    return Setting(book, way, found, book.chunks(way.channels), boxed, adding)


@dataclass(frozen=True, eq=False)
class Transfer:
    """Transfers of one tensor for one cause: bytes and runs in every step (an axis per shared loop, steps last)."""

    tensor: str
    cause: str
    size: IntArray
    runs: IntArray

    @property
    def total_bytes(self) -> int:
        return int(self.size.sum())


class Prepared:
    """A group under a way to run it, with everything that places of its maps choose from."""

    def __init__(self, at: Setting) -> None:
        self.at = at
        self._work = {(place, False): self._steps(place, moved=False) for place in range(len(at.group.all))}
        self._parts: dict[tuple[str, str], Transfer] = {}
        self._on_chip: dict[tuple[int, bool], float] = {}

    def _steps(self, place: int, *, moved: bool) -> Steps:
        at, book = self.at, self.at.book
        kinds = book.classes(at.boxes.loops, place)
        if place == at.last and at.way.channels is not None:
            kinds = (*kinds, book.own_classes(at.way.channels))
        return book.books[place].steps(kinds, at.way.arrays[place], moved=moved)

    def work(self, places: Residency) -> tuple[Steps, ...]:
        """The steps of every operator; results that the scratchpad adds up move unless they go to DRAM only."""
        found = []
        for place, one in enumerate(self.at.group.all):
            out = place == self.at.last and self.at.group.blocks[one.writes].base not in places.held
            key = (place, self.at.adding[place] and not out)
            if key not in self._work:
                self._work[key] = self._steps(place, moved=True)
            found.append(self._work[key])
        return tuple(found)

    def tile_cycles(self, places: Residency) -> IntArray:
        """The time of every step."""
        found = np.zeros(self.at.shape, dtype=np.int64)
        for place, mine in enumerate(self.work(places)):
            found[self.at.steps_of(place)] = self._table(place, mine, "cycles")
        return found.reshape(-1)

    def _table(self, place: int, mine: Steps, name: str) -> IntArray:
        """A field of an operator's step costs, with an axis for the steps of a pass."""
        own = len(self.at.chunks[0]) if place == self.at.last else 1
        return mine.table(name).reshape(*self.at.boxes.loops.counts, own)

    def on_chip_pj(self, places: Residency) -> float:
        """Dynamic energy of all steps, transfers with DRAM aside."""
        total = 0.0
        for place, mine in enumerate(self.work(places)):
            key = (place, mine is self._work.get((place, True)))
            if key not in self._on_chip:
                activations = self.at.group.all[place].problem.activations
                self._on_chip[key] = sum(n * cost.energy_pj(self.at.arch, activations) for cost, n in mine.times)
            total += self._on_chip[key]
        return total

    @cached_property
    def flows(self) -> tuple[Transfer, ...]:
        """Weights that pass the scratchpad by."""
        at, found = self.at, []
        for place, one in enumerate(at.group.all):
            if at.way.weights[place] == "pass" and one.weights is not None:
                mine = self._work[place, False]
                size, runs = (self._table(place, mine, f"stream_{what}") for what in ("bytes", "runs"))
                found.append(
                    self._transfer(one.part.tensor(one.weights.name), "weight", at.steps_of(place), size, runs)
                )
        return tuple(found)

    @cached_property
    def constants(self) -> tuple[Transfer, ...]:
        """Parameters, and weights that stay or are streamed."""
        at, found = self.at, []
        first: Where = (0,) * len(at.boxes.loops.counts)
        for place, one in enumerate(at.group.all):
            for tensor, size in one.vectors:
                found.append(self._transfer(tensor, "parameter", (*first, place), size, int(size > 0)))
            if one.weights is None or at.way.weights[place] == "pass":
                continue
            tensor, where = one.part.tensor(one.weights.name), at.steps_of(place)
            sizes = np.array([self._weight_bytes(one, place, k) for k in range(len(at.chunks[0]))])
            sizes = sizes if place == at.last else sizes[:1]
            if at.way.weights[place] == "stay":
                found.append(self._transfer(tensor, "weight", (*first, where[-1]), sizes, 1))
            else:
                there = (self._table(place, self._work[place, False], "results") > 0).astype(np.int64)
                found.append(self._transfer(tensor, "weight", where, there * sizes, there))
        return tuple(found)

    def _weight_bytes(self, one: Member, place: int, chunk: int) -> int:
        assert one.weights is not None
        at, extents = self.at, dict(one.nest.extents)
        if place == at.last and at.way.channels is not None:
            extents[at.way.channels.dim] = int(at.chunks[1][chunk] - at.chunks[0][chunk])
        return -(-footprint(one.weights, extents) * at.arch.widths.weight // 8)

    def _transfer(self, tensor: str, cause: str, where: Where, size: IntArray | int, runs: IntArray | int) -> Transfer:
        sizes, many = np.zeros(self.at.shape, dtype=np.int64), np.zeros(self.at.shape, dtype=np.int64)
        sizes[where], many[where] = size, runs
        return Transfer(tensor, cause, sizes, many)

    def loads(self, places: Residency) -> tuple[Transfer, ...]:
        """What comes from DRAM into the scratchpad."""
        here = places.resident | places.loaded | self.at.group.written
        maps = [self._streamed(tensor) for tensor in self.reads if self.at.group.blocks[tensor].base not in here]
        return (*self.constants, *(self._whole(base) for base in sorted(places.loaded)), *maps)

    @cached_property
    def reads(self) -> dict[str, int]:
        """Maps that come from outside, with the first operator that reads each."""
        found: dict[str, int] = {}
        for place, one in enumerate(self.at.group.all):
            for _, tensor in one.reads:
                if self.at.group.blocks[tensor].base not in self.at.group.written:
                    found.setdefault(tensor, place)
        return found

    def _whole(self, base: str) -> Transfer:
        """A base that is loaded whole with the first step."""
        at = self.at
        size = -(-at.book.sizes[base] * at.arch.widths.input // 8)
        return self._transfer(base, "load", (0,) * len(at.shape), size, 1)

    def _streamed(self, tensor: str) -> Transfer:
        """A map that comes in tile by tile."""
        key = (tensor, "load")
        if key not in self._parts:
            at, counts, moves = self.at, [], False
            for axis, size in enumerate(at.group.blocks[tensor].shape):
                known = at.boxes.inputs.get((tensor, axis))
                moves |= known is not None
                counts.append(np.array([size]) if known is None else at.along(known[0], known[1].high - known[1].new))
            sizes, runs = _box(at, counts, at.placed.of[tensor].strides, at.arch.widths.input)
            first: Where = (...,) if moves else (0,) * len(at.boxes.loops.counts)
            if not moves:
                sizes, runs = sizes.reshape(-1)[0], runs.reshape(-1)[0]
            self._parts[key] = self._transfer(tensor, "load", (*first, self.reads[tensor]), sizes, runs)
        return self._parts[key]

    def stores(self, places: Residency) -> tuple[Transfer, ...]:
        """What goes to DRAM."""
        blocks = self.at.group.blocks
        return tuple(
            self._stored(place, one)
            for place, one in enumerate(self.at.group.all)
            if blocks[one.writes].base in places.stored
        )

    def _stored(self, place: int, one: Member) -> Transfer:
        key = (one.writes, "store")
        if key not in self._parts:
            at, output = self.at, one.nest.output
            strides = dram_strides(at.placed, one.part, output)
            sizes, many = np.zeros(at.shape, dtype=np.int64), np.zeros(at.shape, dtype=np.int64)
            for chunk in range(len(at.chunks[0]) if place == at.last else 1):
                counts = [self._new(place, axis.dims, axis.size, chunk) for axis in output.axes]
                sizes[..., place + chunk], many[..., place + chunk] = _box(at, counts, strides, at.arch.widths.output)
            self._parts[key] = Transfer(one.writes, "store", sizes, many)
        return self._parts[key]

    def _new(self, place: int, dims: tuple[str, ...], size: int, chunk: int) -> IntArray:
        """How many indices of an output axis a step brings that none before it did."""
        at = self.at
        for dim in dims:
            if place == at.last and at.way.channels is not None and dim == at.way.channels.dim:
                return at.chunks[1][chunk : chunk + 1] - at.chunks[0][chunk : chunk + 1]
            known: tuple[int, Intervals] | None = at.boxes.ranges[place].get(dim)
            if known is not None:
                return at.along(known[0], known[1].stored)
        return np.array([size])

    def room(self, places: Residency) -> list[Room]:
        """The buffers of the group beside held bases."""
        at = self.at
        return rooms(at.arch, at.group, at.boxes, places, at.way.weights, at.boxed, at.adding)


def _box(at: Setting, counts: list[IntArray], strides: Sequence[int], bits: int) -> tuple[IntArray, IntArray]:
    """Bytes and runs of boxes with those counts along each axis."""
    shape = np.broadcast_shapes(*(c.shape for c in counts), (1,) * len(at.boxes.loops.counts))
    whole = [np.broadcast_to(c, shape) for c in counts]
    elements = np.ones(shape, dtype=np.int64)
    for count in whole:
        elements = elements * count
    runs = contiguous_runs(whole, [np.minimum(count, 1) for count in whole], strides, elements)
    return -(-elements * bits // 8), np.broadcast_to(runs, shape)
