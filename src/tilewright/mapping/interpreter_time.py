"""Cycles of an interpreted mapping, added up plainly step by step (docs/model.md, section 6).

Nothing of the fast formulas is used here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from tilewright.arch.accelerator import Memory
from tilewright.mapping.interpreter_contents import READ, WRITE, Moved
from tilewright.mapping.interpreter_walk import Ranges
from tilewright.mapping.problem import NestProblem

TIMINGS = ("double", "single", "roofline")
Bits = dict[tuple[str, str, str], int]


@dataclass(frozen=True)
class Pass:
    """What computes in one go: its busy cycles, and by (memory, operand, direction) the bits on the array's side of
    the instance that moves most."""

    busy: int
    bits: Bits
    operations: int = 0


@dataclass
class StepSeen:
    """A tile step: its ranges, its transfers with DRAM one by one, and its passes (one, unless a normalisation)."""

    ranges: Ranges
    moves: list[Moved] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)

    def transfers(self) -> dict[tuple[str, str, str, str], tuple[int, int]]:
        """Bytes and runs by (kind, operand, cause, memory on the chip): what an operand moves in a step is one
        transfer for rounding."""
        found: dict[tuple[str, str, str, str], tuple[int, int]] = {}
        for move in self.moves:
            key = (move.kind, move.operand, move.cause, move.memory)
            bits, runs = found.get(key, (0, 0))
            found[key] = bits + move.elements * move.bits, runs + move.runs
        return {key: (ceil(bits / 8), runs) for key, (bits, runs) in found.items()}


def tile_cycles(problem: NestProblem, step: StepSeen) -> int:
    """Cycles of a step without its transfers: the longest of computing and of every memory's array side."""
    total = 0
    for one in step.passes:
        ports = [_port(memory, *_bytes(memory, one.bits)) for memory in problem.arch.memories[1:]]
        total += max(one.busy, *ports)
    return total


def total_cycles(problem: NestProblem, timing: str, steps: list[StepSeen]) -> int:
    """The nest's cycles under a timing of ``TIMINGS``, whatever the machine's own."""
    vectors = parameter_bytes(problem)
    if timing == "roofline":
        return max(limits(problem, steps).values())
    tiles = [tile_cycles(problem, step) for step in steps]
    loads = [dma(problem, step, "load", vectors if k == 0 else []) for k, step in enumerate(steps)]
    streams = [dma(problem, step, "stream", []) for step in steps]
    stores = [dma(problem, step, "store", []) for step in steps]
    if timing == "single":
        return sum(
            load + max(tile, stream) + store
            for load, tile, stream, store in zip(loads, tiles, streams, stores, strict=True)
        )
    total = loads[0] + stores[-1]
    for k, tile in enumerate(tiles):
        before = stores[k - 1] if k else 0
        after = loads[k + 1] if k + 1 < len(steps) else 0
        total += max(tile, before + after + streams[k])
    return total


def parameter_bytes(problem: NestProblem) -> list[int]:
    """Bytes of every vector of parameters that comes in the first step."""
    return [ceil(elements * problem.arch.widths.accumulator / 8) for elements in problem.parameters]


def dma(problem: NestProblem, step: StepSeen, kind: str, vectors: list[int]) -> int:
    """Cycles of the transfers of one kind in a step, which go together."""
    dram = problem.arch.dram
    rate = dram.write_bandwidth if kind == "store" else dram.read_bandwidth
    moved = [entry for key, entry in step.transfers().items() if key[0] == kind]
    size_bytes = sum(size for size, _ in moved) + sum(vectors)
    runs = sum(runs for _, runs in moved) + len(vectors)
    return dram.setup_cycles * runs + _cycles(size_bytes, rate)


def limits(problem: NestProblem, steps: list[StepSeen]) -> dict[str, int]:
    """Cycles that computing and every memory takes by itself in the whole nest: a roofline is the largest."""
    dram, pad = problem.arch.dram, problem.arch.scratchpad
    moved = [(key, size_bytes) for step in steps for key, (size_bytes, _) in step.transfers().items()]
    vectors = sum(parameter_bytes(problem))
    stored = sum(size_bytes for (kind, *_), size_bytes in moved if kind == "store")
    loaded = sum(size_bytes for (kind, *_), size_bytes in moved if kind != "store") + vectors
    found = {"compute": sum(one.busy for step in steps for one in step.passes)}
    found[dram.name] = _port(dram, loaded, stored)
    for memory in problem.arch.memories[1:]:
        sides = [_bytes(memory, one.bits) for step in steps for one in step.passes]
        read, written = sum(read for read, _ in sides), sum(written for _, written in sides)
        if memory is pad:
            own = [(kind, size_bytes) for (kind, _, _, inner), size_bytes in moved if inner == pad.name]
            read += sum(size_bytes for kind, size_bytes in own if kind == "store")
            written += sum(size_bytes for kind, size_bytes in own if kind != "store") + vectors
        found[memory.name] = _port(memory, read, written)
    return found


def _bytes(memory: Memory, bits: Bits) -> tuple[int, int]:
    """Bytes read and written at a memory in one pass; on a shared port rounded up together, as bytes read."""
    read = sum(count for (name, _, direction), count in bits.items() if name == memory.name and direction == READ)
    written = sum(count for (name, _, direction), count in bits.items() if name == memory.name and direction == WRITE)
    if memory.shared_port:
        return ceil((read + written) / 8), 0
    return ceil(read / 8), ceil(written / 8)


def _port(memory: Memory, read: int, written: int) -> int:
    """Cycles of some bytes through one port for both directions, or one for each."""
    if memory.shared_port:
        return _cycles(read + written, memory.read_bandwidth)
    return max(_cycles(read, memory.read_bandwidth), _cycles(written, memory.write_bandwidth))


def _cycles(size_bytes: int, rate: Fraction | None) -> int:
    return ceil(size_bytes / rate) if rate else 0
