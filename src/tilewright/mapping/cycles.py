"""Time: transfers, tile steps, and their overlap (docs/model.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, in_all
from tilewright.mapping.traffic import Moves


@dataclass(frozen=True, eq=False)
class Side:
    """Bits that pass a memory's array side in each step (or one value for all)."""

    memory: Memory
    read_bits: IntArray
    write_bits: IntArray

    @property
    def whole_bytes(self) -> tuple[IntArray, IntArray]:
        """Bytes read and written, rounded up once per step; through a shared port all count as read, together."""
        if self.memory.shared_port:
            return -(-(self.read_bits + self.write_bits) // 8), np.zeros(1, dtype=np.int64)
        return -(-self.read_bits // 8), -(-self.write_bits // 8)


@dataclass(frozen=True, eq=False)
class Done:
    """One pass over each step: busy cycles (an entry per step, or one for all), and what it needs of memories."""

    busy: IntArray
    sides: tuple[Side, ...]


def rate_cycles(size_bytes: IntArray, bandwidth: Fraction | None) -> IntArray:
    """``ceil(bytes / bandwidth)`` exactly; nothing where bandwidth is unlimited.

    >>> rate_cycles(np.array([0, 26, 27, 267]), Fraction("26.7")).tolist()
    [0, 1, 2, 10]
    """
    if bandwidth is None:
        return np.zeros_like(size_bytes)
    return -(-size_bytes * bandwidth.denominator // bandwidth.numerator)


def port_cycles(memory: Memory, read_bytes: IntArray, write_bytes: IntArray) -> IntArray:
    """Cycles that a memory's port or ports are busy with some bytes."""
    if memory.shared_port:
        return rate_cycles(read_bytes + write_bytes, memory.read_bandwidth)
    return np.maximum(rate_cycles(read_bytes, memory.read_bandwidth), rate_cycles(write_bytes, memory.write_bandwidth))


def group_cycles(
    dram: Memory, moves: Iterable[Moves], steps: int, *, writing: bool, at_start: Iterable[int] = ()
) -> IntArray:
    """dma(): cycles of one group of transfers in each step, ``sum(setup * runs) + ceil(bytes / bandwidth)``.

    ``at_start`` are the bytes of vectors that the first step needs besides, one run each.
    """
    size_bytes, runs = np.zeros(steps, dtype=np.int64), np.zeros(steps, dtype=np.int64)
    for move in moves:
        size_bytes[move.step] += move.transfer_bytes
        runs[move.step] += move.runs
    for vector in at_start:
        size_bytes[0] += vector
        runs[0] += vector > 0
    bandwidth = dram.write_bandwidth if writing else dram.read_bandwidth
    return dram.setup_cycles * runs + rate_cycles(size_bytes, bandwidth)


@dataclass(frozen=True)
class Times:
    """Cycles of a nest: the whole, what computing alone takes, what all transfers alone take, and what the accesses
    of every on-chip memory alone take."""

    total: int
    compute: int
    dma: int
    ports: tuple[tuple[str, int], ...]


def _port_sums(done: Sequence[Done], steps: int) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for one in done:
        for side in one.sides:
            name = side.memory.name
            found[name] = found.get(name, 0) + in_all(port_cycles(side.memory, *side.whole_bytes), steps)
    return tuple(found.items())


def tile_cycles(done: Sequence[Done], steps: int) -> IntArray:
    """Time of each step's computation: per pass the longest of its work and every memory's accesses; passes add."""
    total = np.zeros(steps, dtype=np.int64)
    for one in done:
        longest = one.busy
        for side in one.sides:
            longest = np.maximum(longest, port_cycles(side.memory, *side.whole_bytes))
        total = total + longest
    return total


def beside(loads: IntArray, stores: IntArray) -> IntArray:
    """What moves beside each step's computing if loads run a step ahead and stores a step behind.

    >>> beside(np.array([5, 3, 1]), np.array([0, 2, 4])).tolist()
    [3, 1, 2]
    """
    found = np.zeros_like(loads)
    found[1:] += stores[:-1]
    found[:-1] += loads[1:]
    return found


def pipelined(
    problem: NestProblem, done: Sequence[Done], loads: IntArray, stores: IntArray, streams: IntArray
) -> Times:
    """Tile steps whose loads run a step ahead and whose stores a step behind, or one after the other.

    Double buffering: ``dma(L_1) + sum_i max(tile_i, dma(S_{i-1}) + dma(L_{i+1}) + dma(Q_i)) + dma(S_T)``. Single:
    loads, then computing with its streams, then stores, summed.
    """
    steps = len(loads)
    tiles = tile_cycles(done, steps)
    if problem.arch.buffering == "single":
        total = int(loads.sum() + np.maximum(tiles, streams).sum() + stores.sum())
    else:
        total = int(loads[0] + np.maximum(tiles, streams + beside(loads, stores)).sum() + stores[-1])
    dma = int(loads.sum() + stores.sum() + streams.sum())
    return Times(total, int(tiles.sum()), dma, _port_sums(done, steps))


def roofline(
    problem: NestProblem, done: Sequence[Done], steps: int, dram: tuple[int, int], scratchpad: tuple[int, int]
) -> Times:
    """Perfect overlap: the longest of computing and of all bytes through each memory.

    ``dram`` are the bytes read and written there in all transfers, ``scratchpad`` those that transfers read and write
    in the scratchpad.
    """
    arch = problem.arch
    busy = sum(in_all(one.busy, steps) for one in done)
    moved = _whole(arch.dram, *dram)
    through: dict[str, tuple[int, int]] = {arch.scratchpad.name: scratchpad}
    for one in done:
        for side in one.sides:
            read, written = (in_all(size, steps) for size in side.whole_bytes)
            before = through.get(side.memory.name, (0, 0))
            through[side.memory.name] = (before[0] + read, before[1] + written)
    ports = tuple((m.name, _whole(m, *through[m.name])) for m in arch.memories if m.name in through)
    return Times(max(moved, busy, *(cycles for _, cycles in ports)), busy, moved, ports)


def _whole(memory: Memory, read_bytes: int, write_bytes: int) -> int:
    return int(port_cycles(memory, np.array([read_bytes]), np.array([write_bytes]))[0])
