"""Cycles of one tile on the array or the vector unit, and its bytes at the scratchpad (docs/model.md, 5 and 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.mapping import Par
from tilewright.simulate.geometry import Ranges, in_bounds
from tilewright.workload.nest import LoopNest, Operand


@dataclass
class Ports:
    """Bytes read and written at a memory."""

    read_bytes: int = 0
    write_bytes: int = 0

    def add(self, other: Ports) -> None:
        self.read_bytes += other.read_bytes
        self.write_bytes += other.write_bytes

    def cycles(self, memory: Memory) -> int:
        """Cycles that the bytes take through one shared port, or through the busier of two."""
        if memory.shared_port:
            rate = memory.read_bandwidth
            return 0 if rate is None else ceil((self.read_bytes + self.write_bytes) / rate)
        sides = ((self.read_bytes, memory.read_bandwidth), (self.write_bytes, memory.write_bandwidth))
        return max(0 if rate is None else ceil(size / rate) for size, rate in sides)


@dataclass(frozen=True)
class TileCost:
    """One tile: its time, the part of it that is computing, and what it reads and writes in the scratchpad."""

    cycles: int
    compute_cycles: int
    ports: Ports


class TileTime:
    """Times the tiles of one nest on one machine."""

    def __init__(self, arch: Accelerator, nest: LoopNest, pars: Sequence[Par], operand_bits: Mapping[str, int]) -> None:
        self._arch, self._nest, self._pars, self._operand_bits = arch, nest, tuple(pars), operand_bits
        self._known: dict[tuple[object, ...], TileCost] = {}

    def of(self, ranges: Ranges, *, first: bool, output_bits: int) -> TileCost:
        """The cost of a tile; ``first`` if its outputs start from zero."""
        counts = tuple(count for _, count in ranges.values())
        footprints = tuple(in_bounds(operand, ranges) for operand in self._nest.operands)
        opening = first if self._nest.work is None or self._nest.work.kind != "normalise" else self._opens(ranges)
        at_pass = ranges.get("pass", (0, 0))[0]
        key = (counts, footprints, opening, at_pass, output_bits)
        if key not in self._known:
            self._known[key] = (
                self._mac(ranges, footprints, opening, output_bits)
                if self._nest.work is None
                else self._vector(ranges, footprints, opening, output_bits)
            )
        return self._known[key]

    def _opens(self, ranges: Ranges) -> bool:
        """Whether a row of a normalisation starts here."""
        work = self._nest.work
        return work is not None and all(ranges[d][0] == 0 for d in work.reduced)

    def _mac(self, ranges: Ranges, footprints: tuple[int, ...], first: bool, output_bits: int) -> TileCost:
        chunk = {par.dim: par.tile for par in self._pars}
        compute = prod(min(chunk.get(dim, count), count) for dim, (_, count) in ranges.items())
        read = write = 0
        for operand, footprint in zip(self._nest.operands, footprints, strict=True):
            if self._arch.home(operand.role) is not self._arch.scratchpad:
                continue
            inner = any(operand.role in memory.keeps for memory in self._arch.below(self._arch.scratchpad))
            if operand is not self._nest.output:
                words = footprint if inner else self._shared(operand, ranges, self._arch.array.multicast)
                read += words * self._operand_bits[operand.name]
                continue
            words = footprint if inner else self._shared(operand, ranges, self._arch.array.reduce)
            write += words * output_bits
            fresh = footprint if first else 0
            read += (words - fresh) * output_bits
        return self._cost(compute, [(compute, read, write)])

    def _shared(self, operand: Operand, ranges: Ranges, axes: Sequence[str]) -> int:
        """Words that cross the array's edge when positions along some axes share what they need."""
        left = {dim: count for dim, (_, count) in ranges.items()}
        points, together = prod(left.values()), 1
        for par in self._pars:
            if par.axis in axes and par.dim not in operand.dims:
                together *= -(-left[par.dim] // par.tile)
            left[par.dim] = min(par.tile, left[par.dim])
        return -(-points // together)

    def _vector(self, ranges: Ranges, footprints: tuple[int, ...], first: bool, output_bits: int) -> TileCost:
        work = self._nest.work
        if work is None:
            raise ValueError("a nest of multiply-accumulates has no vector passes")
        widths = self._arch.widths
        inputs = sum(
            footprint * self._operand_bits[operand.name]
            for operand, footprint in zip(self._nest.inputs, footprints, strict=False)
        )
        outputs = footprints[-1]
        points = prod(count for dim, (_, count) in ranges.items() if dim != "pass")
        if work.kind == "map":
            passes = [(work.operations * outputs, inputs, outputs * widths.output)]
        elif work.kind == "reduce":
            results = outputs * output_bits
            passes = [(points, inputs + (0 if first else results), results)]
        else:
            rows = prod(count for dim, (_, count) in ranges.items() if dim not in (*work.reduced, "pass"))
            passes = self._normalise(ranges["pass"], inputs, outputs, rows * widths.accumulator, points, first)
        timed = [(-(-operations // self._arch.vector.lanes), read, write) for operations, read, write in passes]
        return self._cost(sum(busy for busy, _, _ in timed), timed)

    def _normalise(
        self, at: tuple[int, int], inputs: int, outputs: int, rows: int, points: int, first: bool
    ) -> list[tuple[int, int, int]]:
        """Passes as (operations, bits read, bits written); ``rows`` are the bits of one statistic of every row."""
        result = outputs * self._arch.widths.output
        start, passes = at
        if passes > 1:
            kept = outputs * self._arch.widths.accumulator if self._has_exponentials() else 0
            last = kept + rows if kept else inputs + 2 * rows
            return [(points, inputs, rows), (points, inputs + rows, rows + kept), (points, last, result)]
        so_far = 0 if first else rows
        if start == 0:
            return [(points, inputs + so_far, rows)]
        if start == 1:
            return [(points, inputs + rows + so_far, rows)]
        return [(points, inputs + 2 * rows, result)]

    def _has_exponentials(self) -> bool:
        return self._nest.work is not None and self._nest.work.exponentials

    def _cost(self, compute: int, passes: Sequence[tuple[int, int, int]]) -> TileCost:
        """Passes are (cycles, bits read, bits written); each takes the longer of computing and its port."""
        cycles, total = 0, Ports()
        for busy, read, write in passes:
            # Bits that pass one port are rounded up to bytes together, those of two ports each by itself.
            written = write // 8 if self._arch.scratchpad.shared_port else -(-write // 8)
            read_bytes = -(-(read + write) // 8) - written if self._arch.scratchpad.shared_port else -(-read // 8)
            ports = Ports(read_bytes, written)
            cycles += max(busy, ports.cycles(self._arch.scratchpad))
            total.add(ports)
        return TileCost(cycles, compute, total)
