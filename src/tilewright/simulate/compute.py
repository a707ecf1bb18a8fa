"""What a step computes: operands demanded from their cells, kernels applied, results put back with their identities."""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.plan.step import Region, Step, View
from tilewright.simulate.dram import linear
from tilewright.simulate.geometry import Grid, MissingHaloError, Ranges, expand, touched
from tilewright.simulate.kernels import normalise
from tilewright.simulate.kernels.accumulate import combine, contribution, epilogue, finish
from tilewright.simulate.kernels.maps import MAPS, padding_value
from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.machine import Room
from tilewright.simulate.program import RunningProgram
from tilewright.simulate.regions import Array, overlap
from tilewright.simulate.tally import Tally
from tilewright.workload.nest import Axis

PASSES = 3


class Computation:
    """The computes of one program. ``reads`` and ``writes`` are the rooms in the scratchpad that the last one used."""

    def __init__(self, running: RunningProgram) -> None:
        self.running = running
        self.machine = running.machine
        plan, nest = self.machine.plan, running.nest
        self.reads: list[Room] = []
        self.writes: list[Room] = []
        tensor = next(t for t in plan.tensors if t.name == running.planned.operator.output)
        self._shape = tensor.shape
        self._integer = not tensor.dtype.startswith(("float", "bfloat"))
        self._fill = padding_value(running.planned.operator)
        work = nest.work
        self._kind = "accumulate" if work is None or work.kind == "reduce" else work.kind
        temporaries = {plan.buffer[name].operand: name for name in running.program.compute.temporaries}
        self._statistics, self._exponentials = temporaries.get("statistics"), temporaries.get("exponentials")
        if self._kind == "normalise" and work is not None:
            self._rows_tally = Tally(nest, work.reduced)
            names = tuple(d for axis in nest.output.axes for d in axis.dims)
            self._rows = tuple(d for d in names if d not in work.reduced)
            rows = prod(nest.extents[d] for d in self._rows)
            label = f"{running.planned.operator.name} statistics"
            self._statistics_id = self.machine.ids.take(label, 2 * rows)
            self._exponentials_id = self.machine.ids.take(
                f"{running.planned.operator.name} exponentials", prod(nest.extents[d] for d in names)
            )

    def run(self, step: Step) -> None:
        """Compute one step's tile."""
        self.reads, self.writes = [], []
        ranges = {dim: (start, count) for dim, start, count in step.ranges}
        tile = self._tile(step, ranges)
        if tile is None:
            return
        if self._kind == "accumulate":
            self._accumulate(tile, step)
        elif self._kind == "normalise":
            self._normalise(tile, step)
        else:
            result = epilogue(tile, MAPS[tile.operator.kind](tile))
            self._put(tile, step.views[-1], result, self.running.tally.of(ranges))
        self._check_apart()

    def _check_apart(self) -> None:
        """Results must not share bytes with what the same compute reads."""
        for a in self.writes:
            for b in self.reads:
                if overlap(a.segments, b.segments, a.width, b.width):
                    self.machine.log.report("shared in one step", "results overwrite what the same compute reads")

    def _note(self, rooms: list[Room], room: Room) -> None:
        if room.cells is self.machine.scratchpad:
            rooms.append(room)

    def _tile(self, step: Step, ranges: Ranges) -> Tile | None:
        running, machine = self.running, self.machine
        grids: list[Grid] = []
        for operand, view in zip(running.nest.inputs, step.views, strict=False):
            what = f"operand '{operand.name}'"
            room = machine.room(view.region, view.counts, what)
            if room is None:
                return None
            self._note(self.reads, room)
            machine.demand(room, running.of_view(view), what)
            box = machine.values(room, view.counts)
            try:
                grids.append(expand(operand, box, view.starts, view.steps, ranges, self._fill))
            except MissingHaloError as missing:
                machine.log.report("halo missing", str(missing))
                return None
        parameters = self._parameters()
        if parameters is None:
            return None
        return Tile(
            running.planned.operator, running.part, ranges, tuple(grids), parameters, self._shape, self._integer
        )

    def _parameters(self) -> dict[str, Array] | None:
        running, machine = self.running, self.machine
        found: dict[str, Array] = {}
        for role, name in running.program.compute.parameters:
            tensor = next((p.tensor for p in running.planned.operator.parameters if p.role == role), role)
            elements = machine.plan.array[tensor].elements
            room = machine.room(Region(name, 0, (1,)), (elements,), f"parameter '{role}'")
            if room is None:
                return None
            self._note(self.reads, room)
            machine.demand(room, linear(running.parameter_ids[tensor], (elements,), (1,)), f"parameter '{role}'")
            found[role] = found[tensor] = machine.values(room, (elements,))
        return found

    def _output(self, tile: Tile, view: View) -> tuple[Room, Array] | None:
        """The place of the tile's output elements and their identities."""
        try:
            region, starts, counts, steps = _part_of(view, self.running.nest.output.axes, tile.ranges)
        except MissingHaloError as missing:
            self.machine.log.report("halo missing", str(missing))
            return None
        room = self.machine.room(region, counts, f"operand '{view.operand}'")
        if room is None:
            return None
        self._note(self.writes, room)
        return room, self.running.identities(view.operand, starts, counts, steps)

    def _put(self, tile: Tile, view: View, result: Array, tally: Array | int) -> None:
        """Write finished elements, after checking that they are complete."""
        found = self._output(tile, view)
        if found is None:
            return
        room, ids = found
        if np.any(tally != self.running.tally.whole):
            self.machine.log.report(
                "incomplete", f"'{view.operand}' is finished without every point of its reduction exactly once"
            )
        self.machine.write(room, ids, np.broadcast_to(result, tile.out_extents).reshape(ids.shape))

    def _accumulate(self, tile: Tile, step: Step) -> None:
        machine, view = self.machine, step.views[-1]
        total = contribution(tile)
        tally: Array | int = self.running.tally.of(tile.ranges)
        if not step.first:
            found = self._output(tile, view)
            if found is None:
                return
            room, ids = found
            machine.demand(room, -ids, f"partial sums of '{view.operand}'")
            total = combine(tile, machine.values(room, ids.shape).reshape(tile.out_extents), total)
            tally = machine.tallies(room, ids.shape) + tally
        if step.last:
            self._put(tile, view, epilogue(tile, finish(tile, total)), tally)
            return
        found = self._output(tile, view)
        if found is not None:
            room, ids = found
            machine.write(room, -ids, total.reshape(ids.shape), tally)

    def _normalise(self, tile: Tile, step: Step) -> None:
        values = tile.inputs[0].over(tile.out)
        start, passes = tile.ranges["pass"]
        if passes == PASSES:
            first = normalise.first_statistic(tile, values)
            second = normalise.second_statistic(tile, values, first)
            self._write_statistic(tile, 0, first)
            self._write_statistic(tile, 1, second)
            self._write_exponentials(tile, values, first)
            result = normalise.scaled(tile, values, first, second)
        elif start == 0:
            self._gather_statistic(tile, 0, normalise.first_statistic(tile, values))
            return
        else:
            complete = self._read_statistic(tile, 0)
            if complete is None:
                return
            if start == 1:
                self._gather_statistic(tile, 1, normalise.second_statistic(tile, values, complete))
                return
            spread = self._read_statistic(tile, 1)
            if spread is None:
                return
            result = normalise.scaled(tile, values, complete, spread)
        self._put(tile, step.views[-1], epilogue(tile, result), self.running.tally.whole)

    def _statistic_room(self, tile: Tile, which: int) -> tuple[Room, Array] | None:
        """The cells of one statistic of the tile's rows (all firsts, then all seconds), and their identities."""
        if self._statistics is None:
            raise KeyError(f"{tile.operator.name} has no buffer for statistics")
        counts = tuple(tile.ranges[d][1] for d in self._rows)
        rows = prod(counts)
        room = self.machine.room(Region(self._statistics, which * rows, (1,)), (rows,), "statistics")
        if room is None:
            return None
        self._note(self.writes, room)
        strides: list[int] = []
        total = 2
        for dim in reversed(self._rows):
            strides.insert(0, total)
            total *= self.running.nest.extents[dim]
        first = self._statistics_id + which + sum(
            tile.ranges[d][0] * s for d, s in zip(self._rows, strides, strict=True)
        )
        return room, linear(first, counts, tuple(strides)).reshape(-1)

    def _write_statistic(self, tile: Tile, which: int, values: Array) -> None:
        found = self._statistic_room(tile, which)
        if found is not None:
            self.machine.write(found[0], found[1], values.reshape(-1))

    def _write_exponentials(self, tile: Tile, values: Array, first: Array) -> None:
        if self._exponentials is None:
            return
        room = self.machine.room(Region(self._exponentials, 0, (1,)), (values.size,), "exponentials")
        if room is not None:
            self._note(self.writes, room)
            ids = linear(self._exponentials_id, (values.size,), (1,))
            self.machine.write(room, ids, normalise.spread(tile, values, first).reshape(-1))

    def _read_statistic(self, tile: Tile, which: int) -> Array | None:
        found = self._statistic_room(tile, which)
        if found is None:
            return None
        room, ids = found
        self.machine.demand(room, ids, "a row's statistics")
        return self.machine.values(room, ids.shape).copy().reshape(self._row_shape(tile))

    def _row_shape(self, tile: Tile) -> tuple[int, ...]:
        return tuple(tile.ranges[d][1] if d in self._rows else 1 for d in tile.out)

    def _gather_statistic(self, tile: Tile, which: int, more: Array) -> None:
        """Add a tile's part of a statistic to what earlier tiles of the rows have left."""
        work, extents = self.running.nest.work, self.running.nest.extents
        found = self._statistic_room(tile, which)
        if found is None or work is None:
            return
        room, ids = found
        tally = self._rows_tally.of(tile.ranges)
        gathered: Array | int = tally
        if any(tile.ranges[d][0] for d in work.reduced):
            self.machine.demand(room, -ids, "a row's statistics so far")
            so_far = self.machine.values(room, ids.shape).reshape(more.shape)
            more = normalise.combine_first(tile, so_far, more) if which == 0 else so_far + more
            gathered = self.machine.tallies(room, ids.shape) + tally
        done = all(sum(tile.ranges[d]) == extents[d] for d in work.reduced)
        if done and np.any(gathered != self._rows_tally.whole):
            self.machine.log.report("incomplete", "a row's statistics lack elements or have some twice")
        self.machine.write(room, ids if done else -ids, more.reshape(-1), gathered)


def _part_of(
    view: View, axes: tuple[Axis, ...], ranges: Ranges
) -> tuple[Region, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """The part of an output's box that a tile computes: its region, and starts, counts and steps in indices."""
    region = view.region
    base, start = region.base, region.ring_start
    strides = list(region.strides)
    ring_step = region.ring_step
    starts, counts, steps = [], [], []
    for k, axis in enumerate(axes):
        first, count, step = touched(axis, ranges)
        position, apart = divmod(first - view.starts[k], view.steps[k])
        multiple, uneven = divmod(step, view.steps[k]) if count > 1 else (1, 0)
        if apart or uneven or position < 0 or position + (count - 1) * multiple >= view.counts[k]:
            raise MissingHaloError(
                f"operand '{view.operand}' is computed at {count} indices from {first} of axis {k}, "
                f"but its box has {view.counts[k]} from {view.starts[k]}"
            )
        if k == region.ring_axis:
            start, ring_step = start + ring_step * position, ring_step * multiple
        else:
            base, strides[k] = base + position * strides[k], strides[k] * multiple
        starts.append(first)
        counts.append(count)
        steps.append(step)
    part = Region(region.buffer, base, tuple(strides), region.ring_axis, start, region.ring_length, ring_step)
    return part, tuple(starts), tuple(counts), tuple(steps)
