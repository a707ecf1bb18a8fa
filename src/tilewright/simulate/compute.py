"""What a step computes: operands demanded from their cells, kernels applied, results put back with their identities."""

from __future__ import annotations

import numpy as np

from tilewright.plan.step import Region, Step, View
from tilewright.simulate.geometry import Grid, MissingHaloError, Ranges, expand, touched
from tilewright.simulate.kernels import normalise
from tilewright.simulate.kernels.accumulate import combine, contribution, epilogue, finish
from tilewright.simulate.kernels.maps import MAPS, padding_value
from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.machine import Room, share
from tilewright.simulate.program import RunningProgram
from tilewright.simulate.regions import Array
from tilewright.simulate.rows import FIRST, SECOND, RowStatistics
from tilewright.workload.nest import Axis


class Computation:
    """The computes of one program. ``used`` are the rooms in the scratchpad that the last one touched."""

    def __init__(self, running: RunningProgram) -> None:
        self.running = running
        self.machine = running.machine
        plan, nest = self.machine.plan, running.nest
        self._reads: list[Room] = []
        self._writes: list[Room] = []
        self._temporaries: list[Room] = []
        self._replaced: list[Room] = []
        over = running.program.compute.over
        self._over = {o for o, t in running.part.tensors if over and t == running.part.tensor(over)}
        tensor = next(t for t in plan.tensors if t.name == running.planned.operator.output)
        self._shape = tensor.shape
        self._integer = not tensor.dtype.startswith(("float", "bfloat"))
        self._fill = padding_value(running.planned.operator)
        work = nest.work
        self._kind = "accumulate" if work is None or work.kind == "reduce" else work.kind
        self._rows = RowStatistics(running, work) if work is not None and work.kind == "normalise" else None

    @property
    def used(self) -> tuple[Room, ...]:
        return (*self._reads, *self.changed)

    @property
    def changed(self) -> tuple[Room, ...]:
        """Those of them that it wrote to."""
        return (*self._writes, *self._temporaries)

    def run(self, step: Step) -> None:
        """Compute one step's tile."""
        self._reads, self._writes, self._temporaries = [], [], []
        self._replaced = []
        if step.empty:
            return
        ranges = {dim: (start, count) for dim, start, count in step.ranges}
        tile = self._tile(step, ranges)
        if tile is None:
            return
        if self._kind == "accumulate":
            self._accumulate(tile, step)
        elif self._rows is not None:
            self._normalise(tile, step, self._rows)
            for room in self._rows.used:
                self._note(self._temporaries, room)
            self._rows.used.clear()
        else:
            result = epilogue(tile, MAPS[tile.operator.kind](tile))
            self._put(tile, step, result, self.running.tally.of(ranges))
        self._check_apart()

    def _check_apart(self) -> None:
        """What a compute reads, its temporaries and its results must not share bytes, but that results may take the
        very places of the operand that they replace element by element."""
        pairs = ((self._writes, self._reads), (self._temporaries, self._reads), (self._writes, self._temporaries))
        if any(share(a, b) for left, right in pairs for a in left for b in right if not self._in_place(a, b)):
            self.machine.log.report("shared in one step", "results or temporaries lie on what the same compute uses")

    def _in_place(self, written: Room, read: Room) -> bool:
        """Whether results replace what was read at the same places, one by one."""
        replaced = any(read is room for room in self._replaced)
        return replaced and self._kind == "map" and written.segments == read.segments

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
            self._note(self._reads, room)
            if operand.name in self._over:
                self._replaced.append(room)
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
            self._note(self._reads, room)
            ids = machine.maps.numbering.of(running.parameter_ids[tensor], (elements,), (1,))
            machine.demand(room, ids, f"parameter '{role}'")
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
        self._note(self._writes, room)
        return room, self.running.identities(view.operand, starts, counts, steps)

    def _put(self, tile: Tile, step: Step, result: Array, tally: Array | int) -> None:
        """Write finished elements, after checking that they are complete."""
        view, through = step.views[-1], step.through
        found = self._output(tile, view)
        if found is None:
            return
        room, ids = found
        if np.any(tally != self.running.tally.whole):
            self.machine.log.report(
                "incomplete", f"'{view.operand}' is finished without every point of its reduction exactly once"
            )
        values = np.broadcast_to(result, tile.out_extents).reshape(ids.shape)
        if through is not None and not self._move(through, ids, values):
            return
        self.machine.write(room, ids, values)

    def _move(self, through: View, ids: Array, values: Array) -> bool:
        """Put results into the tile in which they were added up, from which they move on; False outside its buffer."""
        tile = self.machine.room(through.region, through.counts, f"the sums of '{through.operand}'")
        if tile is None:
            return False
        self._note(self._temporaries, tile)
        self.machine.write(tile, ids, values)
        return True

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
            self._put(tile, step, epilogue(tile, finish(tile, total)), tally)
            return
        found = self._output(tile, view)
        if found is not None:
            room, ids = found
            machine.write(room, -ids, total.reshape(ids.shape), tally)

    def _normalise(self, tile: Tile, step: Step, rows: RowStatistics) -> None:
        """One step with all three passes, or one pass of a split row; only the last one writes results."""
        values = tile.inputs[0].over(tile.out)
        start, passes = tile.ranges["pass"]
        if passes > 1:
            first = normalise.first_statistic(tile, values)
            second = normalise.second_statistic(tile, values, first)
            rows.put(tile, FIRST, first)
            rows.put(tile, SECOND, second)
            rows.keep_exponentials(normalise.spread(tile, values, first))
            self._put_normalised(tile, step, values, first, second)
        elif start == 0:
            rows.add(tile, FIRST, normalise.first_statistic(tile, values))
        else:
            complete = rows.get(tile, FIRST)
            if complete is not None and start == 1:
                rows.add(tile, SECOND, normalise.second_statistic(tile, values, complete))
            elif complete is not None:
                self._put_normalised(tile, step, values, complete, rows.get(tile, SECOND))

    def _put_normalised(self, tile: Tile, step: Step, values: Array, first: Array, second: Array | None) -> None:
        if second is not None:
            result = epilogue(tile, normalise.scaled(tile, values, first, second))
            self._put(tile, step, result, self.running.tally.whole)


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
