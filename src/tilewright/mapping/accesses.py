"""Bytes read and written at every memory, and the energy that follows (docs/model.md, section 5).

What DRAM and the scratchpad do is exact. Inside the scratchpad this is the documented first version: the outermost
memory that keeps a role is filled with every step's footprint, once for each position that needs a copy; the
innermost serves one access per point and operand (results: one read and one write at accumulator width).
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from tilewright.mapping.homes import home, memories_below, streams
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import Accesses, NestProblem
from tilewright.mapping.tiling import IntArray, Tiling
from tilewright.mapping.traffic import Moves, starts_from_zero
from tilewright.mapping.work import Pass, copies, outputs_in_all, ranges_product, step_footprint


class Ledger:
    """Bytes read and written, by memory and operand."""

    def __init__(self) -> None:
        self._bytes: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def read(self, memory: str, operand: str, size_bytes: int) -> None:
        self._bytes[memory, operand][0] += size_bytes

    def write(self, memory: str, operand: str, size_bytes: int) -> None:
        self._bytes[memory, operand][1] += size_bytes

    def records(self, order: tuple[str, ...]) -> tuple[Accesses, ...]:
        """Everything booked, memories outermost first."""
        rows = sorted(self._bytes.items(), key=lambda row: order.index(row[0][0]))
        return tuple(Accesses(memory, operand, *counts) for (memory, operand), counts in rows if any(counts))


def whole_bytes(bits: IntArray, steps: int) -> int:
    """Bits per step rounded up to bytes and summed over the steps; one value stands for all steps."""
    total = int((-(-bits // 8)).sum())
    return total * steps if len(bits) == 1 else total


def book_dram(ledger: Ledger, problem: NestProblem, moves: list[Moves], vectors: list[int]) -> None:
    """Every transfer is a read at one end and a write at the other."""
    dram, pad = problem.arch.dram.name, problem.arch.scratchpad.name
    for move in moves:
        size_bytes = int(move.transfer_bytes.sum())
        inner = home(problem, move.operand).name
        if move.cause in ("store", "spill"):
            ledger.read(inner, move.operand, size_bytes)
            ledger.write(dram, move.operand, size_bytes)
        else:
            ledger.read(dram, move.operand, size_bytes)
            if inner == pad:
                ledger.write(inner, move.operand, size_bytes)
    for size_bytes in vectors:
        ledger.read(dram, "parameters", size_bytes)
        ledger.write(pad, "parameters", size_bytes)


def book_passes(ledger: Ledger, problem: NestProblem, done: tuple[Pass, ...], steps: int) -> None:
    """The scratchpad's array side."""
    pad = problem.arch.scratchpad.name
    for one in done:
        for operand, bits in one.reads:
            ledger.read(pad, operand, whole_bytes(bits, steps))
        for operand, bits in one.writes:
            ledger.write(pad, operand, whole_bytes(bits, steps))


def book_inside(ledger: Ledger, problem: NestProblem, mapping: Mapping, tiling: Tiling, moves: list[Moves]) -> int:
    """Memories further in than the scratchpad; returns the bytes delivered to positions over the array's links."""
    nest, level, steps = problem.nest, tiling.levels[-1], tiling.steps
    if nest.work is not None:
        return 0
    points = ranges_product(level, tuple(level.chunks))
    delivered = 0
    for operand in nest.operands:
        name, below = operand.name, memories_below(problem, operand.name)
        is_output = operand.role == "output"
        bits = problem.arch.widths.accumulator if is_output else problem.bits(name)
        each = whole_bytes(points * bits, steps)
        if not below:
            delivered += 0 if is_output else each
            continue
        outermost, innermost = below[0], below[-1]
        shared = copies(operand, mapping.pars, level, outermost.per)
        footprint = step_footprint(operand, level)
        if streams(problem, name) and not is_output:
            for move in moves:
                if move.operand == name:
                    received = -(-move.elements * bits // 8) * np.broadcast_to(shared, tiling.steps)[move.step]
                    ledger.write(outermost.name, name, int(received.sum()))
                    delivered += int(received.sum())
        elif is_output:
            begun = 1 - starts_from_zero(nest, level)
            ledger.read(outermost.name, name, whole_bytes(footprint * bits, steps))
            ledger.write(outermost.name, name, whole_bytes(footprint * bits * begun, steps))
        else:
            received_bytes = whole_bytes(footprint * bits * shared, steps)
            ledger.write(outermost.name, name, received_bytes)
            delivered += received_bytes
        ledger.read(innermost.name, name, each)
        if is_output:
            ledger.write(innermost.name, name, each)
    return delivered


def energy_pj(
    problem: NestProblem, records: tuple[Accesses, ...], delivered: int, operations: int, cycles: int
) -> float:
    """Picojoules of a nest: accesses, links, multiply-accumulates, vector operations, leakage."""
    arch = problem.arch
    memories = {memory.name: memory for memory in arch.memories}
    total = sum(
        record.read_bytes * memories[record.memory].read_pj + record.write_bytes * memories[record.memory].write_pj
        for record in records
    )
    macs = problem.nest.points if problem.nest.work is None else 0
    operations += problem.activations * outputs_in_all(problem)
    return (
        total
        + delivered * arch.array.link_pj
        + macs * arch.array.mac_pj
        + operations * arch.vector.operation_pj
        + cycles * arch.leakage_pj_per_cycle
    )
