"""One program while it runs: which identities its operands have, and its transfers."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.plan.plan import DramArray, Plan, Program
from tilewright.plan.step import Move, View
from tilewright.simulate.dram import operand_strides
from tilewright.simulate.machine import Machine, Room
from tilewright.simulate.regions import Array
from tilewright.simulate.tally import Tally
from tilewright.simulate.weights import WeightImage, logical_weight
from tilewright.workload.nest import Operand

Constant = Callable[[str], Array]


class RunningProgram:
    """A program on a machine: the numbers its operands' elements are known by, and loads and stores that check them."""

    def __init__(self, machine: Machine, program: Program, constant: Constant, parameters: dict[str, int]) -> None:
        plan = machine.plan
        self.machine, self.program = machine, program
        self.planned = plan.operator[program.operator]
        self.part = self.planned.parts[program.part]
        self.nest = self.part.nest
        self.tally = Tally(self.nest, self.nest.reduction_dims - {"pass"})
        self.parameter_ids = parameters
        self.parameter_values: dict[str, Array] = {}
        self._constant = constant
        self._images = {
            t.operand: self._image(t.operand, plan.array[t.array]) for t in program.transfers if t.cause == "weight"
        }
        self._linear = {o.name: self._placed(plan, o) for o in self.nest.operands if o.name not in self._images}

    def _image(self, name: str, array: DramArray) -> WeightImage:
        operand = self.nest.operand(name)
        value = logical_weight(operand, self._constant(array.tensor), self.part)
        first = self.machine.ids.take(array.tensor, value.size)
        return WeightImage(operand, value, first, array.elements, self.machine.maps.numbering)

    def _placed(self, plan: Plan, operand: Operand) -> tuple[int, tuple[int, ...]]:
        place = plan.place[self.part.tensor(operand.name)]
        return self.machine.maps.first_id[place.array] + place.offset, operand_strides(place, operand)

    def identities(
        self, operand: str, starts: tuple[int, ...], counts: tuple[int, ...], steps: tuple[int, ...]
    ) -> Array:
        """The identities of a box of an operand, given in indices of its axes."""
        image = self._images.get(operand)
        if image is not None:
            return image.identities(starts, counts, steps)
        first, strides = self._linear[operand]
        first += sum(a * b for a, b in zip(starts, strides, strict=True))
        return self.machine.maps.numbering.of(first, counts, tuple(a * b for a, b in zip(steps, strides, strict=True)))

    def of_view(self, view: View) -> Array:
        return self.identities(view.operand, view.starts, view.counts, view.steps)

    def load(self, move: Move) -> None:
        """Bring a box on chip; it must lie in its array, have been written, and fit its buffer."""
        machine = self.machine
        what = f"{move.cause} of '{move.operand}'"
        room = machine.room(move.region, move.counts, what)
        if room is None:
            return
        if move.cause == "weight":
            self._load_weight(move, room, what)
        elif move.cause == "parameter":
            self._load_parameter(move, room, what)
        elif machine.in_dram(move):
            self._load_feature_map(move, room, what)

    def _load_feature_map(self, move: Move, room: Room, what: str) -> None:
        machine = self.machine
        written = machine.maps.written(move)
        if not written.all():
            machine.log.report(
                "dram unwritten", f"{what} reads {int((~written).sum())} elements of '{move.array}' never written"
            )
        tallies = machine.maps.tallies(move) if move.cause == "readback" else None
        machine.write(room, machine.maps.identities(move), machine.maps.values(move), tallies)

    def _load_weight(self, move: Move, room: Room, what: str) -> None:
        image = self._images[move.operand]
        if not image.contains(move):
            self.machine.log.report("dram out of range", f"{what} names indices that the weight does not have")
            return
        fault = image.fault(move)
        if fault is not None:
            self.machine.log.report("weight image", fault)
        self.machine.write(room, image.identities(move.starts, move.counts, move.steps), image.values(move))

    def _load_parameter(self, move: Move, room: Room, what: str) -> None:
        machine = self.machine
        array = machine.plan.array[move.array]
        ids = self.machine.maps.numbering.of(self.parameter_ids[array.name] + move.offset, move.counts, move.strides)
        low, high = (int(ids.min()), int(ids.max())) if ids.size else (0, 0)
        first = self.parameter_ids[array.name]
        if low < first or high >= first + array.elements:
            machine.log.report("dram out of range", f"{what} leaves array '{array.name}'")
            return
        machine.write(room, ids, self._constant(array.tensor).reshape(-1)[ids - first])

    def store(self, move: Move) -> None:
        """Take a box off chip: finished results to their tensor, unfinished ones to the array for partial sums."""
        machine, maps = self.machine, self.machine.maps
        what = f"{move.cause} of '{move.operand}'"
        room = machine.room(move.region, move.counts, what)
        if room is None or not machine.in_dram(move):
            return
        ids = self.identities(move.operand, move.starts, move.counts, move.steps)
        finished = move.cause == "store"
        if finished and (ids != maps.identities(move)).any():
            machine.log.report("wrong place", f"{what} puts elements where others of '{move.array}' belong")
        machine.demand(room, ids if finished else -ids, what)
        maps.values(move)[...] = machine.values(room, move.counts)
        maps.written(move)[...] = True
        if not finished:
            maps.identities(move)[...] = -ids
            maps.tallies(move)[...] = machine.tallies(room, move.counts)
