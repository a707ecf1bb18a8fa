"""Cycles of one step on the array or the vector unit, and what it moves on chip (docs/model.md, 5 and 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.plan.step import Staying
from tilewright.simulate.arraycost import Passing
from tilewright.simulate.arraytime import ArrayTime
from tilewright.simulate.geometry import Ranges, in_bounds
from tilewright.workload.nest import LoopNest

Bits = tuple[tuple[tuple[str, str], tuple[int, int]], ...]


@dataclass(frozen=True)
class Moved:
    """Results that move within a memory, from where they are added up to where they stay: bits read and written."""

    memory: str
    operand: str
    read_bits: int
    write_bits: int

    def added(self, to: tuple[int, int]) -> tuple[int, int]:
        """Bits read and written with these."""
        return to[0] + self.read_bits, to[1] + self.write_bits


@dataclass
class Ports:
    """Bytes read and written at a memory; all of them count as read where both pass one port."""

    read_bytes: int = 0
    write_bytes: int = 0

    def add(self, other: Ports, times: int = 1) -> None:
        self.read_bytes += times * other.read_bytes
        self.write_bytes += times * other.write_bytes

    def cycles(self, memory: Memory) -> int:
        """Cycles that the bytes take through one shared port, or through the busier of two."""
        if memory.shared_port:
            rate = memory.read_bandwidth
            return 0 if rate is None else ceil((self.read_bytes + self.write_bytes) / rate)
        sides = ((self.read_bytes, memory.read_bandwidth), (self.write_bytes, memory.write_bandwidth))
        return max(0 if rate is None else ceil(size / rate) for size, rate in sides)


def ports_of(memory: Memory, read: int, write: int) -> Ports:
    """Bits as bytes: what passes one port is rounded up together, each of two ports by itself.

    >>> ports_of(Memory("m", None, ()), 12, 12)
    Ports(read_bytes=3, write_bytes=0)
    """
    if memory.shared_port:
        return Ports(-(-(read + write) // 8), 0)
    return Ports(-(-read // 8), -(-write // 8))


@dataclass(frozen=True)
class StepCost:
    """One step: its time, the part of it that is computing, bytes through the ports of each memory on chip, bits by
    (memory, operand) as (read, written), transfers past the scratchpad, and what is wrong with the array part."""

    cycles: int
    compute_cycles: int
    ports: tuple[tuple[str, Ports], ...]
    bits: Bits
    passing: tuple[Passing, ...] = ()
    faults: tuple[str, ...] = ()


class ArraySteps:
    """Times the steps of a nest of multiply-accumulates: computing, or the busiest port of any memory on chip."""

    def __init__(self, arch: Accelerator, time: ArrayTime) -> None:
        self._time = time
        self._memories = {memory.name: memory for memory in arch.memories[1:]}
        self._known: dict[tuple[int, Moved | None], StepCost] = {}

    def of(self, ranges: Ranges, stays: Sequence[Staying], *, first: bool, moved: Moved | None = None) -> StepCost:
        """The cost of a step; ``first`` if its outputs start from zero, ``moved`` what results move in the step."""
        cost = self._time.of(ranges, stays, first=first)
        key = id(cost), moved
        if key not in self._known:
            busiest, bits = dict(cost.busiest), dict(cost.bits)
            if moved is not None:
                pair = (moved.memory, moved.operand)
                busiest[moved.memory] = moved.added(busiest.get(moved.memory, (0, 0)))
                bits[pair] = moved.added(bits.get(pair, (0, 0)))
            ports = [(name, ports_of(self._memories[name], *sides)) for name, sides in busiest.items()]
            slowest = max((side.cycles(self._memories[name]) for name, side in ports), default=0)
            self._known[key] = StepCost(
                max(cost.compute_cycles, slowest),
                cost.compute_cycles,
                tuple(ports),
                tuple(bits.items()),
                cost.passing,
                cost.faults,
            )
        return self._known[key]


@dataclass(frozen=True)
class _Pass:
    """One pass of the vector unit: operations, and bits read and written by what they belong to."""

    operations: int
    reads: tuple[tuple[str, int], ...]
    writes: tuple[tuple[str, int], ...]


class VectorSteps:
    """Times the steps of a nest of the vector unit; ``operand_bits`` are the widths of its inputs."""

    def __init__(self, arch: Accelerator, nest: LoopNest, operand_bits: Mapping[str, int], output_bits: int) -> None:
        self._arch, self._nest, self._operand_bits, self._output_bits = arch, nest, operand_bits, output_bits
        self._known: dict[tuple[object, ...], StepCost] = {}

    def of(self, ranges: Ranges, *, first: bool) -> StepCost:
        """The cost of a step; ``first`` if its outputs start from zero. Nothing stays below the scratchpad."""
        work = self._nest.work
        counts = tuple(count for _, count in ranges.values())
        footprints = tuple(in_bounds(operand, ranges) for operand in self._nest.operands)
        if work is not None and work.kind == "normalise":
            first = all(ranges[d][0] == 0 for d in work.reduced)
        key = (counts, footprints, first, ranges.get("pass", (0, 0))[0])
        if key not in self._known:
            self._known[key] = self._cost(self._passes(ranges, footprints, first))
        return self._known[key]

    def _passes(self, ranges: Ranges, footprints: tuple[int, ...], first: bool) -> list[_Pass]:
        work = self._nest.work
        if work is None:
            raise ValueError("a nest of multiply-accumulates has no vector passes")
        inputs = tuple(
            (operand.name, footprint * self._operand_bits[operand.name])
            for operand, footprint in zip(self._nest.inputs, footprints, strict=False)
        )
        name, outputs = self._nest.output.name, footprints[-1]
        points = prod(count for dim, (_, count) in ranges.items() if dim != "pass")
        if work.kind == "map":
            return [_Pass(work.operations * outputs, inputs, ((name, outputs * self._arch.widths.output),))]
        if work.kind == "reduce":
            results = ((name, outputs * self._output_bits),)
            return [_Pass(points, inputs if first else (*inputs, *results), results)]
        rows = prod(count for dim, (_, count) in ranges.items() if dim not in (*work.reduced, "pass"))
        statistic = rows * self._arch.widths.accumulator
        exponentials = outputs * self._arch.widths.accumulator if work.exponentials else 0
        result = ((name, outputs * self._arch.widths.output),)
        return self._normalise(ranges["pass"], inputs, statistic, exponentials, result, points, first)

    @staticmethod
    def _normalise(
        at: tuple[int, int],
        inputs: tuple[tuple[str, int], ...],
        statistic: int,
        exponentials: int,
        result: tuple[tuple[str, int], ...],
        points: int,
        first: bool,
    ) -> list[_Pass]:
        """All three passes over whole rows, or one pass over a part of split rows."""
        one, two = (("statistics", statistic),), (("statistics", 2 * statistic),)
        start, passes = at
        if passes > 1:
            kept = (("exponentials", exponentials),) if exponentials else ()
            last = (*kept, *one) if kept else (*inputs, *two)
            return [
                _Pass(points, inputs, one),
                _Pass(points, (*inputs, *one), (*one, *kept)),
                _Pass(points, last, result),
            ]
        so_far = () if first else one
        if start == 0:
            return [_Pass(points, (*inputs, *so_far), one)]
        if start == 1:
            return [_Pass(points, (*inputs, *one, *so_far), one)]
        return [_Pass(points, (*inputs, *two), result)]

    def _cost(self, passes: Sequence[_Pass]) -> StepCost:
        """Each pass takes the longer of computing and its port."""
        pad = self._arch.scratchpad
        cycles = compute = 0
        total = Ports()
        reads: Counter[str] = Counter()
        writes: Counter[str] = Counter()
        for one in passes:
            busy = -(-one.operations // self._arch.vector.lanes)
            ports = ports_of(pad, sum(bits for _, bits in one.reads), sum(bits for _, bits in one.writes))
            cycles, compute = cycles + max(busy, ports.cycles(pad)), compute + busy
            total.add(ports)
            for name, bits in one.reads:
                reads[name] += bits
            for name, bits in one.writes:
                writes[name] += bits
        moved = tuple(((pad.name, name), (reads[name], writes[name])) for name in sorted({*reads, *writes}))
        return StepCost(cycles, compute, ((pad.name, total),), moved)
