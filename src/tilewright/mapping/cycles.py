"""Time: transfers, tile steps, and their overlap (docs/model.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray
from tilewright.mapping.traffic import Moves
from tilewright.mapping.work import Pass


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


def pass_bytes(done: Pass) -> tuple[IntArray, IntArray]:
    """Bytes read and written at the scratchpad's array side in one pass, bits summed before they are rounded up."""
    read = sum((bits for _, bits in done.reads), np.zeros(1, dtype=np.int64))
    written = sum((bits for _, bits in done.writes), np.zeros(1, dtype=np.int64))
    return -(-read // 8), -(-written // 8)


def shared_bytes(done: Pass) -> IntArray:
    """Bytes through a shared port: reads and writes in bits together, rounded up once."""
    total = sum((bits for _, bits in (*done.reads, *done.writes)), np.zeros(1, dtype=np.int64))
    return -(-total // 8)


def tile_cycles(problem: NestProblem, done: tuple[Pass, ...], steps: int) -> IntArray:
    """Time of each step's computation: per pass the longer of its work and its scratchpad accesses; passes add."""
    pad = problem.arch.scratchpad
    total = np.zeros(steps, dtype=np.int64)
    for one in done:
        if pad.shared_port:
            port = rate_cycles(shared_bytes(one), pad.read_bandwidth)
        else:
            port = port_cycles(pad, *pass_bytes(one))
        total = total + np.maximum(one.busy, port)
    return total


@dataclass(frozen=True)
class Times:
    """Cycles of a nest: the whole, what computing alone takes, what all transfers alone take."""

    total: int
    compute: int
    dma: int


def pipelined(problem: NestProblem, tiles: IntArray, loads: IntArray, stores: IntArray, streams: IntArray) -> Times:
    """Tile steps whose loads run a step ahead and whose stores a step behind, or one after the other.

    Double buffering: ``dma(L_1) + sum_i max(tile_i, dma(S_{i-1}) + dma(L_{i+1}) + dma(Q_i)) + dma(S_T)``. Single:
    loads, then computing with its streams, then stores, summed.
    """
    if problem.arch.buffering == "single":
        total = int(loads.sum() + np.maximum(tiles, streams).sum() + stores.sum())
    else:
        behind = streams.copy()
        behind[1:] += stores[:-1]
        behind[:-1] += loads[1:]
        total = int(loads[0] + np.maximum(tiles, behind).sum() + stores[-1])
    return Times(total, int(tiles.sum()), int(loads.sum() + stores.sum() + streams.sum()))


def roofline(problem: NestProblem, dram: tuple[int, int], pad: tuple[int, int], busy: int) -> Times:
    """Perfect overlap: the longest of computing and of all bytes (read, written) through each memory."""
    arch = problem.arch
    moved = int(port_cycles(arch.dram, *(np.array([size]) for size in dram))[0])
    served = int(port_cycles(arch.scratchpad, *(np.array([size]) for size in pad))[0])
    return Times(max(moved, served, busy), busy, moved)
