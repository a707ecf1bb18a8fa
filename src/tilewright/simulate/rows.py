"""The statistics of rows that softmax and the normalisations keep on chip between their passes (docs/model.md, 5)."""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.plan.step import Region
from tilewright.simulate.geometry import Ranges
from tilewright.simulate.kernels import normalise
from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.machine import Room
from tilewright.simulate.numbering import linear
from tilewright.simulate.program import RunningProgram
from tilewright.simulate.regions import Array
from tilewright.simulate.tally import Tally
from tilewright.workload.nest import VectorWork

FIRST, SECOND = 0, 1


class RowStatistics:
    """Reads and writes the two statistics of each row, with identities and tallies as outputs have them.

    In the buffer stand the first statistics of the tile's rows, then the second ones. ``used`` are the rooms touched
    since ``clear``.
    """

    def __init__(self, running: RunningProgram, work: VectorWork) -> None:
        self._running, self._work = running, work
        self._machine = running.machine
        extents = running.nest.extents
        self._out = tuple(d for axis in running.nest.output.axes for d in axis.dims)
        self._rows = tuple(d for d in self._out if d not in work.reduced)
        self._tally = Tally(running.nest, work.reduced)
        buffers = {self._machine.plan.buffer[n].operand: n for n in running.program.compute.temporaries}
        self._statistics, self._exponentials = buffers["statistics"], buffers.get("exponentials")
        name = running.planned.operator.name
        ids = self._machine.ids
        self._first_id = ids.take(f"statistics of {name}", 2 * prod(extents[d] for d in self._rows))
        self._exponential_id = ids.take(f"exponentials of {name}", prod(extents[d] for d in self._out))
        self.used: list[Room] = []

    def _room(self, ranges: Ranges, which: int) -> tuple[Room, Array] | None:
        """The cells of one statistic of the tile's rows and their identities; None outside the buffer."""
        counts = tuple(ranges[d][1] for d in self._rows)
        room = self._machine.room(Region(self._statistics, which * prod(counts), (1,)), (prod(counts),), "statistics")
        if room is None:
            return None
        self.used.append(room)
        first, stride = self._first_id + which, 2
        strides: list[int] = []
        for dim in reversed(self._rows):
            strides.insert(0, stride)
            first += ranges[dim][0] * stride
            stride *= self._running.nest.extents[dim]
        return room, linear(first, counts, tuple(strides)).reshape(-1)

    def put(self, tile: Tile, which: int, values: Array) -> None:
        """Write complete statistics."""
        found = self._room(tile.ranges, which)
        if found is not None:
            self._machine.write(found[0], found[1], values.reshape(-1))

    def get(self, tile: Tile, which: int) -> Array | None:
        """The complete statistics of the tile's rows; reduced axes have extent 1."""
        found = self._room(tile.ranges, which)
        if found is None:
            return None
        room, ids = found
        self._machine.demand(room, ids, "a row's statistics")
        shape = tuple(tile.ranges[d][1] if d in self._rows else 1 for d in self._out)
        return self._machine.values(room, ids.shape).copy().reshape(shape)

    def add(self, tile: Tile, which: int, more: Array) -> None:
        """Add a tile's part of a statistic to what earlier tiles of the rows have left."""
        found = self._room(tile.ranges, which)
        if found is None:
            return
        room, ids = found
        gathered: Array | int = self._tally.of(tile.ranges)
        if any(tile.ranges[d][0] for d in self._work.reduced):
            self._machine.demand(room, -ids, "a row's statistics so far")
            so_far = self._machine.values(room, ids.shape).reshape(more.shape)
            more = normalise.combine_first(tile, so_far, more) if which == FIRST else so_far + more
            gathered = self._machine.tallies(room, ids.shape) + gathered
        extents = self._running.nest.extents
        done = all(sum(tile.ranges[d]) == extents[d] for d in self._work.reduced)
        if done and np.any(gathered != self._tally.whole):
            self._machine.log.report("incomplete", "a row's statistics lack elements or have some twice")
        self._machine.write(room, ids if done else -ids, more.reshape(-1), gathered)

    def keep_exponentials(self, values: Array) -> None:
        """Write the exponentials of a softmax whose rows are not split, where it has room for them."""
        if self._exponentials is None:
            return
        room = self._machine.room(Region(self._exponentials, 0, (1,)), (values.size,), "exponentials")
        if room is not None:
            self.used.append(room)
            self._machine.write(room, linear(self._exponential_id, (values.size,), (1,)), values.reshape(-1))
