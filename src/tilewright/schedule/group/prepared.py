"""How a group runs, and all that its cost is made of: steps and transfers (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Loop, Node
from tilewright.mapping.tiling import IntArray, without_single_chunks
from tilewright.schedule.group.book import (
    CYCLES,
    STREAM_BYTES,
    STREAM_RUNS,
    THERE,
    Classes,
    StepBook,
    Steps,
    classes,
    footprint,
    largest_box,
)
from tilewright.schedule.group.intervals import Boxes, Loops, boxes, merged, shared_loops
from tilewright.schedule.group.members import Member, Members
from tilewright.schedule.group.room import Room, by_phase, map_rooms, weight_rooms
from tilewright.schedule.offers import Residency
from tilewright.schedule.problems import dram_strides
from tilewright.schedule.tiled import Overlap, Weights
from tilewright.workload.storage import PlacedNetwork

Where = Any  # an index into the array of steps
_ZERO = np.zeros(1, dtype=np.int64)


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


class Book:
    """A group with what is computed once for all ways to run it; ``outputs`` are the bases it writes that are needed
    elsewhere."""

    def __init__(
        self,
        placed: PlacedNetwork,
        arch: Accelerator,
        group: Members,
        outputs: frozenset[str],
        books: tuple[StepBook, ...] | None = None,
    ) -> None:
        self.placed, self.arch, self.group, self.outputs = placed, arch, group, outputs
        self.books = books or tuple(StepBook(one.problem) for one in group.all)
        self.sizes = dict(placed.bases)
        self._frames: dict[tuple[object, ...], tuple[Boxes, tuple[dict[str, int], ...]]] = {}
        self._lines: dict[tuple[Loop, bool], Boxes] = {}
        self._classes: dict[tuple[Loop, bool, int], Classes] = {}
        self._chunks: dict[Loop, Classes] = {}
        self._weights: dict[tuple[int, Loop | None], IntArray] = {}
        self._weight_dims = [(k, dim) for k, one in enumerate(group.all) if one.weights for dim in one.weights.dims]
        self._weight_phases: dict[tuple[object, ...], IntArray] = {}
        self._counts: dict[tuple[Loop, bool, str, bool], Counted] = {}

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

    def frame(
        self, loops: tuple[Loop, ...], overlap: Overlap, channels: Loop | None
    ) -> tuple[Boxes, tuple[dict[str, int], ...]]:
        """The intervals under shared loops, and the longest range of every dimension of every operator in any step."""
        key = (loops, overlap, channels)
        if key not in self._frames:
            found = self.boxes(shared_loops(self.group, loops, overlap))
            self._frames[key] = (found, self.largest(found, channels))
        return self._frames[key]

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

    def counted(self, loop: Loop, cached: bool, tensor: str, *, stored: bool) -> Counted:
        """How many indices of a map are new in each chunk of a loop, along every axis that depends on it: what is
        loaded of a map from outside, or stored of one that the group writes."""
        key = (loop, cached, tensor, stored)
        if key not in self._counts:
            line, base = self.line(loop, cached), self.group.blocks[tensor].base
            rows = {
                axis: known.stored if stored else known.high - known.new
                for (name, axis), (_, known) in (line.bases if stored else line.inputs).items()
                if name == (base if stored else tensor)
            }
            table = np.array(list(rows.values())).T.tolist() if rows else []
            kinds: dict[tuple[int, ...], int] = {}
            of = np.array([kinds.setdefault(tuple(row), len(kinds)) for row in table], dtype=np.int64)
            if not rows:
                kinds, of = {(): 0}, np.zeros(-(-self.group.last.nest.extents[loop.dim] // loop.tile), dtype=np.int64)
            self._counts[key] = Counted(
                of, np.bincount(of), tuple(dict(zip(rows, kind, strict=True)) for kind in kinds)
            )
        return self._counts[key]

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

    def weight_bytes(self, place: int, channels: Loop | None) -> IntArray:
        """Bytes of an operator's weights in each of its own chunks; of all of them if it has no such loop."""
        key = (place, channels if place == len(self.group.all) - 1 else None)
        if key not in self._weights:
            one = self.group.all[place]
            assert one.weights is not None
            extents, sizes = dict(one.nest.extents), []
            for length in (np.subtract(*self.chunks(key[1])[::-1])).tolist():
                if key[1] is not None:
                    extents[key[1].dim] = length
                sizes.append(-(-footprint(one.weights, extents) * self.arch.widths.weight // 8))
            self._weights[key] = np.array(sizes)
        return self._weights[key]

    def weight_phases(
        self, weights: tuple[Weights, ...], channels: Loop | None, boxed: tuple[dict[str, int], ...]
    ) -> IntArray:
        """Bytes of weights that stay or are streamed while each operator runs."""
        key = (weights, channels, tuple(boxed[k][dim] for k, dim in self._weight_dims))
        if key not in self._weight_phases:
            rooms = weight_rooms(self.arch, self.group, boxed, weights)
            self._weight_phases[key] = by_phase(rooms, len(self.group.all))
        return self._weight_phases[key]

    def largest(self, found: Boxes, channels: Loop | None) -> tuple[dict[str, int], ...]:
        """The longest range of every dimension of every operator in any step."""
        last = len(self.group.all) - 1
        return tuple(
            largest_box(one, found.ranges[k], (channels.dim, channels.tile) if channels and k == last else None)
            for k, one in enumerate(self.group.all)
        )


def setting(book: Book, way: Way) -> Setting:
    """A group under a way to run it."""
    found, boxed = book.frame(way.loops, way.overlap, way.channels)
    way = replace(
        way, arrays=tuple(without_single_chunks(nodes, box) for nodes, box in zip(way.arrays, boxed, strict=True))
    )
    adding = tuple(one.adds_up(array) for one, array in zip(book.books, way.arrays, strict=True))
    return Setting(book, way, found, book.chunks(way.channels), boxed, adding)


@dataclass(frozen=True, eq=False)
class Counted:
    """Chunks of a loop by how many indices they bring: the kind of each chunk, how many chunks each kind has, and for
    each kind the indices along the axes that depend on the loop."""

    of: IntArray
    number: IntArray
    kinds: tuple[dict[int, int], ...]


@dataclass(frozen=True, eq=False)
class Transfer:
    """Transfers of one tensor for one cause. ``size`` and ``runs`` are bytes and runs by kinds of chunks (an axis for
    each shared loop), then by the steps of a pass from ``first`` on; ``of`` gives the kind of every chunk. ``once`` is
    the pass in which they happen, if they do so in one only."""

    tensor: str
    cause: str
    first: int
    of: tuple[IntArray, ...]
    size: IntArray
    runs: IntArray
    once: tuple[int, ...] | None = None

    @cached_property
    def total_bytes(self) -> int:
        if self.once is not None:
            return int(self.size.sum())
        total = self.size
        for of in self.of:
            total = np.tensordot(np.bincount(of, minlength=len(total)), total, axes=1)
        return int(total.sum())

    def add_to(self, size: IntArray, runs: IntArray) -> None:
        """Add bytes and runs to arrays over all passes and steps."""
        steps = slice(self.first, self.first + self.size.shape[-1])
        if self.once is not None:
            where: Where = (*self.once, steps)
            size[where] += self.size.reshape(-1)
            runs[where] += self.runs.reshape(-1)
            return
        mine, many = self.size, self.runs
        for axis, of in enumerate(self.of):
            if mine.shape[axis] > 1:
                mine, many = mine.take(of, axis=axis), many.take(of, axis=axis)
        size[..., steps] += mine
        runs[..., steps] += many


class Prepared:
    """A group under a way to run it, with everything that places of its maps choose from."""

    def __init__(self, at: Setting) -> None:
        self.at = at
        self._work = {(place, False): self._steps(place, moved=False) for place in range(len(at.group.all))}
        self._parts: dict[tuple[str, str], Transfer] = {}
        self._times: dict[tuple[int, bool], IntArray] = {}
        self._rooms: dict[frozenset[str], list[Room]] = {}

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
            key = (place, mine is self._work.get((place, True)))
            if key not in self._times:
                values = self._by_class(mine, CYCLES)
                for axis, of in enumerate(self._of(place)):
                    values = values.take(of, axis=axis)
                self._times[key] = values
            found[self.at.steps_of(place)] = self._times[key]
        return found.reshape(-1)

    def on_chip_pj(self, places: Residency) -> float:
        """Dynamic energy of all steps, transfers with DRAM aside."""
        return sum(mine.energy_pj for mine in self.work(places))

    def _of(self, place: int) -> tuple[IntArray, ...]:
        at = self.at
        return tuple(one.of for one in at.book.classes(at.boxes.loops, place))

    def _by_class(self, mine: Steps, column: int) -> IntArray:
        """A column of an operator's steps by the classes of its boxes, then by its steps of a pass."""
        loops = len(self.at.boxes.loops.counts)
        table = mine.table(column)
        table = table.reshape(*table.shape[:loops], -1)
        return table.take(mine.classes[-1].of, axis=-1) if len(mine.classes) > loops else table

    @cached_property
    def flows(self) -> tuple[Transfer, ...]:
        """Weights that pass the scratchpad by."""
        at, found = self.at, []
        for place, one in enumerate(at.group.all):
            if at.way.weights[place] == "pass" and one.weights is not None:
                mine = self._work[place, False]
                size, runs = self._by_class(mine, STREAM_BYTES), self._by_class(mine, STREAM_RUNS)
                found.append(Transfer(one.part.tensor(one.weights.name), "weight", place, self._of(place), size, runs))
        return tuple(found)

    @cached_property
    def constants(self) -> tuple[Transfer, ...]:
        """Parameters, and weights that stay or are streamed."""
        found = list(self.parameters)
        for place, kind in enumerate(self.at.way.weights):
            if kind in ("stay", "stream"):
                found.append(self.weights(place, stay=kind == "stay"))
        return tuple(found)

    @cached_property
    def parameters(self) -> tuple[Transfer, ...]:
        """Vectors, which come once."""
        return tuple(
            self._once(tensor, "parameter", place, np.array([size]), self._first_pass(place))
            for place, one in enumerate(self.at.group.all)
            for tensor, size in one.vectors
        )

    def weights(self, place: int, *, stay: bool) -> Transfer:
        """The weights of an operator that stay, or are streamed."""
        key = (f"{place}", "stay" if stay else "stream")
        if key not in self._parts:
            at, one = self.at, self.at.group.all[place]
            assert one.weights is not None
            tensor = one.part.tensor(one.weights.name)
            sizes = at.book.weight_bytes(place, at.way.channels)
            if stay:
                self._parts[key] = self._once(tensor, "weight", place, sizes, self._first_pass(place))
            else:
                there = self._by_class(self._work[place, False], THERE)
                self._parts[key] = Transfer(tensor, "weight", place, self._of(place), there * sizes, there)
        return self._parts[key]

    def _once(self, tensor: str, cause: str, place: int, sizes: IntArray, first: tuple[int, ...]) -> Transfer:
        """Transfers with the steps of one pass, one run each."""
        nothing = (_ZERO,) * len(self.at.boxes.loops.counts)
        return Transfer(tensor, cause, place, nothing, sizes, (sizes > 0).astype(np.int64), once=first)

    def _first_pass(self, place: int) -> tuple[int, ...]:
        """The first pass in which an operator's step is not empty."""
        found = [0] * len(self.at.boxes.loops.counts)
        for at, known in self.at.boxes.ranges[place].values():
            found[at] = max(found[at], known.first)
        return tuple(found)

    def loads(self, places: Residency) -> tuple[Transfer, ...]:
        """What comes from DRAM into the scratchpad."""
        here = places.resident | places.loaded | self.at.group.written
        maps = [self.streamed(tensor) for tensor in self.reads if self.at.group.blocks[tensor].base not in here]
        return (*self.constants, *(self.whole(base) for base in sorted(places.loaded)), *maps)

    @cached_property
    def reads(self) -> dict[str, int]:
        """Maps that come from outside, with the first operator that reads each."""
        found: dict[str, int] = {}
        for place, one in enumerate(self.at.group.all):
            for _, tensor in one.reads:
                if self.at.group.blocks[tensor].base not in self.at.group.written:
                    found.setdefault(tensor, place)
        return found

    def whole(self, base: str) -> Transfer:
        """A base that is loaded whole with the first step."""
        size = -(-self.at.book.sizes[base] * self.at.arch.widths.input // 8)
        return self._once(base, "load", 0, np.array([size]), (0,) * len(self.at.boxes.loops.counts))

    def streamed(self, tensor: str) -> Transfer:
        """A map that comes in tile by tile."""
        key = (tensor, "load")
        if key not in self._parts:
            at, loops = self.at, self.at.boxes.loops
            counted = self._counted(tensor, stored=False)
            shape, strides = at.group.blocks[tensor].shape, at.placed.of[tensor].strides
            size, runs = _boxes(
                counted, [(axis, whole) for axis, whole in enumerate(shape)], strides, at.arch.widths.input
            )
            once: tuple[int, ...] | None = None
            place, of = self.reads[tensor], tuple(one.of for one in counted)
            if not any(kind for one in counted for kind in one.kinds):
                once, of = (0,) * len(loops.counts), (_ZERO,) * len(loops.counts)
                size, runs = size.reshape(-1), runs.reshape(-1)
            self._parts[key] = Transfer(tensor, "load", place, of, size, runs, once)
        return self._parts[key]

    def _counted(self, tensor: str, *, stored: bool) -> tuple[Counted, ...]:
        loops = self.at.boxes.loops
        return tuple(
            self.at.book.counted(loop, cached, tensor, stored=stored)
            for loop, cached in zip(loops.loops, loops.cached, strict=True)
        )

    def stores(self, places: Residency) -> tuple[Transfer, ...]:
        """What goes to DRAM."""
        blocks = self.at.group.blocks
        return tuple(
            self.stored(place, one)
            for place, one in enumerate(self.at.group.all)
            if blocks[one.writes].base in places.stored
        )

    def stored(self, place: int, one: Member) -> Transfer:
        """A map that goes to DRAM tile by tile."""
        key = (one.writes, "store")
        if key not in self._parts:
            at, output, own, extents = self.at, one.nest.output, self.at.way.channels, one.nest.extents
            counted = self._counted(one.writes, stored=True)
            strides, bits = dram_strides(at.placed, one.part, output), at.arch.widths.output
            tables = []
            for length in (at.chunks[1] - at.chunks[0]).tolist() if place == at.last else [0]:
                axes = [
                    (
                        axis.tensor_axis,
                        prod(length if own and length and d == own.dim else extents[d] for d in axis.dims),
                    )
                    for axis in output.axes
                ]
                tables.append(_boxes(counted, axes, strides, bits))
            size, runs = (np.concatenate([table[k] for table in tables], axis=-1) for k in (0, 1))
            self._parts[key] = Transfer(one.writes, "store", place, tuple(c.of for c in counted), size, runs)
        return self._parts[key]

    def room(self, places: Residency) -> list[Room]:
        """The buffers of the group beside held bases."""
        at = self.at
        key = places.on_chip | {f"stored {base}" for base in places.stored}
        if key not in self._rooms:
            self._rooms[key] = map_rooms(at.arch, at.group, at.boxes, places, at.boxed, at.adding)
        return [*self._rooms[key], *self._weight_rooms]

    @cached_property
    def _weight_rooms(self) -> list[Room]:
        at = self.at
        return weight_rooms(at.arch, at.group, at.boxed, at.way.weights)


def _boxes(
    counted: tuple[Counted, ...], axes: Sequence[tuple[int, int]], strides: tuple[int, ...], bits: int
) -> tuple[IntArray, IntArray]:
    """Bytes and runs of boxes by kinds of chunks, and one axis more. ``axes`` are the tensor's axes behind those of the
    box with the indices of a whole one; loops that an axis depends on say otherwise."""
    shape = tuple(len(one.kinds) for one in counted)
    size, runs = np.empty((*shape, 1), dtype=np.int64), np.empty((*shape, 1), dtype=np.int64)
    for index in product(*(range(n) for n in shape)):
        some: dict[int, int] = {}
        for one, kind in zip(counted, index, strict=True):
            some |= one.kinds[kind]
        size[index], runs[index] = box_transfer(tuple(some.get(axis, whole) for axis, whole in axes), strides, bits)
    return size, runs


@lru_cache(maxsize=1 << 16)
def box_transfer(counts: tuple[int, ...], strides: tuple[int, ...], bits: int) -> tuple[int, int]:
    """Bytes and runs of a box in DRAM.

    >>> box_transfer((4, 56, 16), (56 * 64, 64, 1), 8), box_transfer((4, 56, 64), (56 * 64, 64, 1), 8)
    ((3584, 224), (14336, 1))
    """
    elements = prod(counts)
    run = 1
    for stride, count in sorted((stride, count) for stride, count in zip(strides, counts, strict=True) if count > 1):
        if stride != run:
            break
        run *= count
    return -(-elements * bits // 8), elements // run
