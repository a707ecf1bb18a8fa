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
from tilewright.simulate.tiletime import ArraySteps, Ports, StepCost, VectorSteps
from tilewright.workload.part import Part

WRITES = ("store", "spill")


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
class PartTime:
    """Cycles of a part, in all and those each engine was busy."""

    cycles: int
    dma_cycles: int
    array_cycles: int
    vector_cycles: int


class Clock:
    """Collects the steps of one program; ``finish`` gives its cycles, ``traffic`` its bytes by (tensor, cause)."""

    def __init__(
        self,
        arch: Accelerator,
        program: Program,
        part: Part,
        buffers: Mapping[str, Buffer],
        parameter_tensors: dict[str, str],
    ) -> None:
        self._arch, self._part = arch, part
        self._parameters = parameter_tensors
        self._steps = _steps(arch, program, part, buffers)
        self._roles = {operand.name: operand.role for operand in part.nest.operands}
        self._pad = {t.operand for t in program.transfers if buffers[t.buffer].memory == arch.scratchpad.name}
        self._loads: list[int] = []
        self._stores: list[int] = []
        self._streams: list[int] = []
        self._tiles: list[int] = []
        self._costs: dict[int, tuple[StepCost, int]] = {}
        self._moved: Counter[tuple[str, bool]] = Counter()
        self._dram = Ports()
        self.traffic: dict[tuple[str, str], int] = {}

    def add(self, step: Step) -> tuple[str, ...]:
        """Count one step; gives what is wrong with its array part, the first time that it is seen."""
        ranges: Ranges = {dim: (start, count) for dim, start, count in step.ranges}
        cost = self._steps.of(ranges, step.stays, first=step.first)
        passing = {one.operand: one for one in cost.passing}
        self._loads.append(self._group(step.loads, passing, write=False))
        self._streams.append(self._group(step.streams, passing, write=False))
        self._stores.append(self._group(step.stores, passing, write=True))
        self._tiles.append(cost.cycles)
        _, times = self._costs.get(id(cost), (cost, 0))
        self._costs[id(cost)] = cost, times + 1
        return () if times else cost.faults

    def _group(self, moves: Sequence[Move], passing: Mapping[str, Passing], *, write: bool) -> int:
        group = DmaGroup()
        for move in moves:
            past = passing.get(move.operand)
            size = move_bytes(move, self._arch, self._roles.get(move.operand, "weight"), past)
            group.total_bytes += size
            if past is not None:
                group.total_runs += passing_runs(move, past)
            elif move.cause in ("weight", "parameter"):
                group.total_runs += 1 if move.elements else 0
            else:
                group.total_runs += runs(move.counts, move.strides)
            self._count(move, size, write)
        if write:
            self._dram.write_bytes += group.total_bytes
        else:
            self._dram.read_bytes += group.total_bytes
        return group.cycles(self._arch.dram, write=write)

    def _count(self, move: Move, size: int, write: bool) -> None:
        tensor = self._parameters.get(move.array) or self._part.tensor(move.operand)
        self.traffic[tensor, move.cause] = self.traffic.get((tensor, move.cause), 0) + size
        if move.operand in self._pad:
            self._moved[self._arch.scratchpad.name, write] += size

    def accesses(self) -> dict[str, Ports]:
        """Bytes read and written at every memory so far: bits of one operand add up before they are rounded."""
        bits: Counter[tuple[str, str, bool]] = Counter()
        for cost, times in self._costs.values():
            for (memory, operand), (read, written) in cost.bits:
                bits[memory, operand, False] += times * read
                bits[memory, operand, True] += times * written
        found = {memory.name: Ports() for memory in self._arch.memories}
        found[self._arch.dram.name].add(self._dram)
        for (memory, _, writing), number in bits.items():
            size = -(-number // 8)
            found[memory].add(Ports(0, size) if writing else Ports(size, 0))
        for (memory, storing), size in self._moved.items():
            found[memory].add(Ports(size, 0) if storing else Ports(0, size))
        return found

    def finish(self) -> PartTime:
        """The part's cycles by the machine's timing."""
        dma = sum(self._loads) + sum(self._stores) + sum(self._streams)
        busy = sum(self._tiles)
        vector = self._part.nest.work is not None
        if self._arch.timing == "roofline":
            total = self._roofline()
        elif self._arch.buffering == "single":
            total = sum(
                load + max(tile, stream) + store
                for load, tile, stream, store in zip(self._loads, self._tiles, self._streams, self._stores, strict=True)
            )
        else:
            total = self._overlapped()
        return PartTime(total, dma, 0 if vector else busy, busy if vector else 0)

    def _roofline(self) -> int:
        """The longest of all computing and of all bytes through each memory."""
        through = {memory.name: Ports() for memory in self._arch.memories}
        through[self._arch.dram.name].add(self._dram)
        for (memory, storing), size in self._moved.items():
            through[memory].add(Ports(size, 0) if storing else Ports(0, size))
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
        loads_after = [*self._loads[1:], 0]
        steps = zip(self._tiles, stores_before, loads_after, self._streams, strict=True)
        return self._loads[0] + sum(max(t, s + b + q) for t, s, b, q in steps) + self._stores[-1]


def _steps(arch: Accelerator, program: Program, part: Part, buffers: Mapping[str, Buffer]) -> ArraySteps | VectorSteps:
    """What times the steps of a program."""
    nest = part.nest
    constant = {t.operand for t in program.transfers if t.cause == "weight"}
    bits = {o.name: arch.widths.weight if o.name in constant else arch.widths.input for o in nest.inputs}
    held = {access.operand: buffers[access.buffer] for access in program.compute.accesses}
    output = held[nest.output.name].bits
    if nest.work is not None:
        return VectorSteps(arch, nest, bits, output)
    kept = [name for name, buffer in held.items() if buffer.memory == arch.scratchpad.name]
    levels = [stay.level for stay in program.stays]
    held_bits = bits | {nest.output.name: output}
    time = ArrayTime(arch, nest, program.array, levels, program.counters, kept, constant, held_bits)
    return ArraySteps(arch, time)
