"""Cycles of an execution, counted from the moves and tiles that were executed (docs/model.md, section 6).

Nothing here is shared with ``mapping``, which predicts these numbers: that both agree is the point.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.plan.plan import Buffer, Program
from tilewright.plan.step import Move, Step
from tilewright.simulate.arraycost import Passing
from tilewright.simulate.arraytime import ArrayTime
from tilewright.simulate.geometry import Ranges
from tilewright.simulate.sharing import Stretch
from tilewright.simulate.tiletime import ArraySteps, Moved, Ports, StepCost, VectorSteps
from tilewright.workload.part import Part

NOTHING = StepCost(0, 0, (), ())  # what an empty step takes


def ceil_div(total: int | Fraction, by: Fraction | int | None) -> int:
    """Cycles that ``total`` bytes take at a bandwidth; none where it is unlimited.

    >>> ceil_div(10, Fraction(3)), ceil_div(10, None)
    (4, 0)
    """
    return 0 if by is None else -(-total // by)


def runs(counts: Sequence[int], strides: Sequence[int]) -> int:
    """Maximal stretches of consecutive addresses in a strided box.

    >>> runs((2, 3, 4), (100, 4, 1)), runs((2, 3, 4), (12, 4, 1)), runs((3,), (2,))
    (2, 1, 3)
    """
    axes = sorted((abs(stride), count) for count, stride in zip(counts, strides, strict=True) if count > 1)
    run, total = 1, prod(counts)
    for stride, count in axes:
        if stride != run:
            break
        run *= count
    return total // run


def stretch_runs(box: Sequence[Stretch], strides: Sequence[int]) -> int:
    """The same for a box whose indices may lie unevenly along an axis; ``strides`` are those of single indices.

    >>> stretch_runs((Stretch(2, 1, 1), Stretch(4, 1, 1)), (4, 1))
    1
    >>> stretch_runs((Stretch(2, 1, 1), Stretch(3, 0, 2)), (4, 1))
    4
    """
    apart = [stride * (one.step or 1) for one, stride in zip(box, strides, strict=True)]
    run, total = 1, prod(one.count for one in box)
    for stride, one in sorted(zip(apart, box, strict=True)):
        if one.count == 1:
            continue
        if stride != run:
            break
        if not one.step:
            return total // (run * one.count) * one.stretches
        run *= one.count
    return total // run


def passing_runs(move: Move, passing: Passing) -> int:
    """Runs of an operand that bypasses the scratchpad: those of every refill, for each position served apart."""
    if move.cause == "weight":
        return passing.transfers
    strides = [stride // step for stride, step in zip(move.strides, move.steps, strict=True)]
    total = 0
    for combination in product(*passing.stretches):
        times = prod(number for _, number in combination)
        total += times * stretch_runs([one for one, _ in combination], strides)
    return total * passing.copies


def move_bits(move: Move, arch: Accelerator, role: str) -> int:
    """Bits per element that a transfer moves, by its cause and its operand's role."""
    if move.cause in ("parameter", "spill", "readback"):
        return arch.widths.accumulator
    if move.cause == "weight":
        return arch.widths.weight
    return arch.widths.output if role == "output" else arch.widths.input


def move_bytes(move: Move, arch: Accelerator, role: str, passing: Passing | None = None) -> int:
    """Bytes of one transfer; all that an operand moves past the scratchpad in a step counts as one."""
    elements = move.elements if passing is None else passing.elements
    return -(-elements * move_bits(move, arch, role) // 8)


@dataclass
class DmaGroup:
    """Transfers that run one after the other: their bytes and runs."""

    total_bytes: int = 0
    total_runs: int = 0

    def cycles(self, dram: Memory, *, write: bool = False) -> int:
        """``setup * runs + ceil(bytes / bandwidth)``."""
        if not self.total_bytes:
            return 0
        rate = dram.write_bandwidth if write else dram.read_bandwidth
        return dram.setup_cycles * self.total_runs + ceil_div(self.total_bytes, rate)


@dataclass(frozen=True)
class SectionTime:
    """Cycles of a section, in all and those each engine was busy."""

    cycles: int
    dma_cycles: int
    array_cycles: int
    vector_cycles: int


class Meter:
    """What the steps of one program take on the array or the vector unit.

    ``shared`` of its counters are those of its section, over dimensions that need not be its own.
    """

    def __init__(
        self, arch: Accelerator, program: Program, part: Part, buffers: Mapping[str, Buffer], shared: int = 0
    ) -> None:
        self.part, self.operator = part, program.operator
        self._arch = arch
        self._steps = _steps(arch, program, part, buffers, shared)
        self._roles = {operand.name: operand.role for operand in part.nest.operands}
        self._sums = None if program.compute.through is None else buffers[program.compute.through.buffer]

    def of(self, step: Step) -> StepCost:
        """The cost of a step: nothing if it is empty."""
        if step.empty:
            return NOTHING
        ranges: Ranges = {dim: (start, count) for dim, start, count in step.ranges}
        if isinstance(self._steps, VectorSteps):
            return self._steps.of(ranges, first=step.first)
        return self._steps.of(ranges, step.stays, first=step.first, moved=self._moved(step))

    def _moved(self, step: Step) -> Moved | None:
        if step.through is None or self._sums is None:
            return None
        elements = prod(step.through.counts)
        output = self._arch.widths.output
        return Moved(self._sums.memory, step.through.operand, elements * self._sums.bits, elements * output)

    def role(self, move: Move) -> str:
        """The role of what a transfer moves."""
        return self._roles.get(move.operand, "weight")

    def tensor(self, move: Move) -> str:
        """The tensor that a transfer moves: that of an operand, or a whole base by its name."""
        return self.part.tensor(move.operand) if move.operand in self._roles else move.operand


class Clock:
    """Collects the steps of one section; ``finish`` gives its cycles, ``traffic`` its bytes by (tensor, cause)."""

    def __init__(
        self,
        arch: Accelerator,
        meters: Sequence[Meter],
        buffers: Mapping[str, Buffer],
        parameter_tensors: Mapping[str, str],
    ) -> None:
        self._arch, self._meters, self._buffers = arch, meters, buffers
        self._parameters = parameter_tensors
        self._loads: list[int] = []
        self._stores: list[int] = []
        self._streams: list[int] = []
        self._tiles: list[int] = []
        self._early = 0
        self._costs: dict[tuple[int, int], tuple[StepCost, int]] = {}
        self._busy: Counter[bool] = Counter()
        self._moved: Counter[bool] = Counter()
        self._dram = Ports()
        self.traffic: dict[tuple[str, str], int] = {}

    def add(self, step: Step, number: int = 0) -> tuple[str, ...]:
        """Count one step of a program; gives what is wrong with its array part, the first time that it is seen."""
        meter = self._meters[number]
        cost = meter.of(step)
        passing = {one.operand: one for one in cost.passing}
        self._loads.append(self._group(meter, step.loads, passing, write=False))
        self._streams.append(self._group(meter, step.streams, passing, write=False))
        self._stores.append(self._group(meter, step.stores, passing, write=True))
        self._tiles.append(cost.cycles)
        self._busy[meter.part.nest.work is not None] += cost.cycles
        key = number, id(cost)
        _, times = self._costs.get(key, (cost, 0))
        self._costs[key] = cost, times + 1
        return () if times else cost.faults

    def add_early(self, moves: Sequence[Move], meter: Meter) -> None:
        """Count loads of the section that follows, timed by its meter, which run beside the last step."""
        self._early += self._group(meter, moves, {}, write=False)

    def _group(self, meter: Meter, moves: Sequence[Move], passing: Mapping[str, Passing], *, write: bool) -> int:
        group = DmaGroup()
        for move in moves:
            past = passing.get(move.operand)
            size = move_bytes(move, self._arch, meter.role(move), past)
            group.total_bytes += size
            if past is not None:
                group.total_runs += passing_runs(move, past)
            elif move.cause in ("weight", "parameter"):
                group.total_runs += 1 if move.elements else 0
            else:
                group.total_runs += runs(move.counts, move.strides)
            self._count(meter, move, size, write)
        if write:
            self._dram.write_bytes += group.total_bytes
        else:
            self._dram.read_bytes += group.total_bytes
        return group.cycles(self._arch.dram, write=write)

    def _count(self, meter: Meter, move: Move, size: int, write: bool) -> None:
        tensor = self._parameters.get(move.array) or meter.tensor(move)
        self.traffic[tensor, move.cause] = self.traffic.get((tensor, move.cause), 0) + size
        if self._buffers[move.region.buffer].memory == self._arch.scratchpad.name:
            self._moved[write] += size

    def accesses(self) -> dict[str, Ports]:
        """Bytes read and written at every memory so far: bits of one operand add up before they are rounded."""
        bits: Counter[tuple[int, str, str, bool]] = Counter()
        for (number, _), (cost, times) in self._costs.items():
            for (memory, operand), (read, written) in cost.bits:
                bits[number, memory, operand, False] += times * read
                bits[number, memory, operand, True] += times * written
        found = {memory.name: Ports() for memory in self._arch.memories}
        found[self._arch.dram.name].add(self._dram)
        for (_, memory, _, writing), total in bits.items():
            size = -(-total // 8)
            found[memory].add(Ports(0, size) if writing else Ports(size, 0))
        found[self._arch.scratchpad.name].add(self._passed())
        return found

    def _passed(self) -> Ports:
        """What transfers between DRAM and the scratchpad read and write there."""
        return Ports(self._moved[True], self._moved[False])

    def finish(self) -> SectionTime:
        """The section's cycles by the machine's timing."""
        dma = sum(self._loads) + sum(self._stores) + sum(self._streams) + self._early
        if self._arch.timing == "roofline":
            total = self._roofline()
        elif self._arch.buffering == "single":
            total = sum(
                load + max(tile, stream) + store
                for load, tile, stream, store in zip(self._loads, self._tiles, self._streams, self._stores, strict=True)
            )
        else:
            total = self._overlapped()
        return SectionTime(total, dma, self._busy[False], self._busy[True])

    def _roofline(self) -> int:
        """The longest of all computing and of all bytes through each memory."""
        through = {memory.name: Ports() for memory in self._arch.memories}
        through[self._arch.dram.name].add(self._dram)
        through[self._arch.scratchpad.name].add(self._passed())
        compute = 0
        for cost, times in self._costs.values():
            compute += times * cost.compute_cycles
            for memory, ports in cost.ports:
                through[memory].add(ports, times)
        return max(compute, *(through[memory.name].cycles(memory) for memory in self._arch.memories))

    def _overlapped(self) -> int:
        if not self._tiles:
            return 0
        stores_before = [0, *self._stores[:-1]]
        loads_after = [*self._loads[1:], self._early]
        steps = zip(self._tiles, stores_before, loads_after, self._streams, strict=True)
        return self._loads[0] + sum(max(t, s + b + q) for t, s, b, q in steps) + self._stores[-1]


def _steps(
    arch: Accelerator, program: Program, part: Part, buffers: Mapping[str, Buffer], shared: int
) -> ArraySteps | VectorSteps:
    """What times the steps of a program."""
    nest = part.nest
    constant = {t.operand for t in program.transfers if t.cause == "weight"}
    bits = {o.name: arch.widths.weight if o.name in constant else arch.widths.input for o in nest.inputs}
    held = {access.operand: buffers[access.buffer] for access in program.compute.accesses}
    sums = program.compute.through
    output = held[nest.output.name].bits if sums is None else buffers[sums.buffer].bits
    if nest.work is not None:
        return VectorSteps(arch, nest, bits, output)
    kept = [name for name, buffer in held.items() if buffer.memory == arch.scratchpad.name]
    levels = [stay.level for stay in program.stays]
    held_bits = bits | {nest.output.name: output}
    counters = program.counters[shared:]
    time = ArrayTime(
        arch, nest, program.array, levels, counters, kept, constant, held_bits, largest=dict(program.largest)
    )
    return ArraySteps(arch, time)
