"""Cycles of an execution, counted from the moves and tiles that were executed (docs/model.md, section 6).

Nothing here is shared with ``mapping``, which predicts these numbers: that both agree is the point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.plan.plan import Program
from tilewright.plan.step import Move, Step
from tilewright.simulate.geometry import Ranges
from tilewright.simulate.tiletime import Ports, TileTime
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


def move_bits(move: Move, arch: Accelerator, role: str) -> int:
    """Bits per element that a transfer moves, by its cause and its operand's role."""
    if move.cause in ("parameter", "spill", "readback"):
        return arch.widths.accumulator
    if move.cause == "weight":
        return arch.widths.weight
    return arch.widths.output if role == "output" else arch.widths.input


def move_bytes(move: Move, arch: Accelerator, role: str) -> int:
    """Bytes of one transfer."""
    return -(-move.elements * move_bits(move, arch, role) // 8)


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

    def __init__(self, arch: Accelerator, program: Program, part: Part, parameter_tensors: dict[str, str]) -> None:
        self._arch, self._part = arch, part
        self._parameters = parameter_tensors
        constant = {t.operand for t in program.transfers if t.cause == "weight"}
        bits = {o.name: arch.widths.weight if o.name in constant else arch.widths.input for o in part.nest.inputs}
        self._tile = TileTime(arch, part.nest, program.pars, bits)
        self._roles = {operand.name: operand.role for operand in part.nest.operands}
        self._loads: list[int] = []
        self._stores: list[int] = []
        self._streams: list[int] = []
        self._tiles: list[int] = []
        self._compute = 0
        self._ports = Ports()
        self._dram = Ports()
        self.traffic: dict[tuple[str, str], int] = {}

    def add(self, step: Step, output_bits: int) -> None:
        """Count one step; ``output_bits`` is the width of the output's buffer on chip."""
        ranges: Ranges = {dim: (start, count) for dim, start, count in step.ranges}
        self._loads.append(self._group(step.loads, write=False, scratchpad=True))
        self._streams.append(self._group(step.streams, write=False, scratchpad=False))
        self._stores.append(self._group(step.stores, write=True, scratchpad=True))
        tile = self._tile.of(ranges, first=step.first, output_bits=output_bits)
        self._tiles.append(tile.cycles)
        self._compute += tile.compute_cycles
        self._ports.add(tile.ports)

    def _group(self, moves: Sequence[Move], *, write: bool, scratchpad: bool) -> int:
        group = DmaGroup()
        for move in moves:
            size = move_bytes(move, self._arch, self._roles.get(move.operand, "weight"))
            group.total_bytes += size
            dense = move.cause in ("weight", "parameter")
            group.total_runs += (1 if move.elements else 0) if dense else runs(move.counts, move.strides)
            self._count(move, size)
        if write:
            self._dram.write_bytes += group.total_bytes
            self._ports.read_bytes += group.total_bytes if scratchpad else 0
        else:
            self._dram.read_bytes += group.total_bytes
            self._ports.write_bytes += group.total_bytes if scratchpad else 0
        return group.cycles(self._arch.dram, write=write)

    def _count(self, move: Move, size: int) -> None:
        tensor = self._parameters.get(move.array) or self._part.tensor(move.operand)
        self.traffic[tensor, move.cause] = self.traffic.get((tensor, move.cause), 0) + size

    def accesses(self) -> tuple[Ports, Ports]:
        """Bytes read and written at DRAM and at the scratchpad so far."""
        return self._dram, self._ports

    def finish(self) -> PartTime:
        """The part's cycles by the machine's timing."""
        dma = sum(self._loads) + sum(self._stores) + sum(self._streams)
        busy = sum(self._tiles)
        vector = self._part.nest.work is not None
        if self._arch.timing == "roofline":
            total = max(self._dram.cycles(self._arch.dram), self._ports.cycles(self._arch.scratchpad), self._compute)
        elif self._arch.buffering == "single":
            total = sum(
                load + max(tile, stream) + store
                for load, tile, stream, store in zip(self._loads, self._tiles, self._streams, self._stores, strict=True)
            )
        else:
            total = self._overlapped()
        return PartTime(total, dma, 0 if vector else busy, busy if vector else 0)

    def _overlapped(self) -> int:
        if not self._tiles:
            return 0
        stores_before = [0, *self._stores[:-1]]
        loads_after = [*self._loads[1:], 0]
        steps = zip(self._tiles, stores_before, loads_after, self._streams, strict=True)
        return self._loads[0] + sum(max(t, s + b + q) for t, s, b, q in steps) + self._stores[-1]
