"""Bytes read and written at every memory, and the energy that follows (docs/model.md, section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tilewright.mapping.boundary import Boundary
from tilewright.mapping.footprint import touched_box
from tilewright.mapping.homes import accumulating_along
from tilewright.mapping.problem import Accesses, NestProblem
from tilewright.mapping.tiling import in_all
from tilewright.mapping.traffic import Moves
from tilewright.mapping.work import Pass, outputs_in_all


class Ledger:
    """What is read and written, by memory and operand: transfers in bytes, everything else in bits."""

    def __init__(self) -> None:
        self._bytes: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
        self._bits: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])

    def transfer(self, source: str, target: str, operand: str, size_bytes: int) -> None:
        """Whole bytes, the same at both ends."""
        self._bytes[source, operand][0] += size_bytes
        self._bytes[target, operand][1] += size_bytes

    def transfer_end(self, memory: str, operand: str, read_bytes: int, write_bytes: int) -> None:
        """One end of transfers whose other end books what its positions receive or give."""
        self._bytes[memory, operand][0] += read_bytes
        self._bytes[memory, operand][1] += write_bytes

    def read(self, memory: str, operand: str, bits: int) -> None:
        self._bits[memory, operand][0] += bits

    def write(self, memory: str, operand: str, bits: int) -> None:
        self._bits[memory, operand][1] += bits

    @property
    def bits(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Bits read and written by (memory, operand), transfers aside."""
        return {key: (read, written) for key, (read, written) in self._bits.items() if read or written}

    def records(self, order: tuple[str, ...]) -> tuple[Accesses, ...]:
        """Everything booked, memories outermost first; bits are rounded up to bytes once per operand and direction."""
        keys = dict.fromkeys((*self._bytes, *self._bits))
        rows = []
        for memory, operand in sorted(keys, key=lambda key: order.index(key[0])):
            whole, bits = self._bytes[memory, operand], self._bits[memory, operand]
            counts = [size + -(-more // 8) for size, more in zip(whole, bits, strict=True)]
            if any(counts):
                rows.append(Accesses(memory, operand, *counts))
        return tuple(rows)


def book_transfers(
    ledger: Ledger, problem: NestProblem, moves: Iterable[Moves], passing: frozenset[str], vectors: Iterable[int]
) -> None:
    """Transfers between DRAM and the scratchpad, and DRAM's end of those of operands that bypass it."""
    dram, pad = problem.arch.dram.name, problem.arch.scratchpad.name
    for move in moves:
        size_bytes = int(move.transfer_bytes.sum())
        out = move.cause in ("store", "spill")
        if move.operand in passing:
            ledger.transfer_end(dram, move.operand, 0 if out else size_bytes, size_bytes if out else 0)
        elif out:
            ledger.transfer(pad, dram, move.operand, size_bytes)
        else:
            ledger.transfer(dram, pad, move.operand, size_bytes)
    for size_bytes in vectors:
        ledger.transfer(dram, pad, "parameters", size_bytes)


def book_passes(ledger: Ledger, problem: NestProblem, done: tuple[Pass, ...], steps: int) -> None:
    """What the vector unit reads and writes at the scratchpad."""
    pad = problem.arch.scratchpad.name
    for one in done:
        for operand, bits in one.reads:
            ledger.read(pad, operand, in_all(bits, steps))
        for operand, bits in one.writes:
            ledger.write(pad, operand, in_all(bits, steps))


def book_input(ledger: Ledger, problem: NestProblem, chain: tuple[Boundary, ...]) -> int:
    """An input or weight from its outermost keep inward; returns the bits delivered to positions."""
    delivered = 0
    for boundary in chain:
        name = boundary.operand.name
        bits = problem.bits(name)
        from_dram = boundary.parent == problem.arch.dram.name
        if not from_dram:
            ledger.read(boundary.parent, name, boundary.moved * bits)
        if boundary.child is not None and not (from_dram and boundary.child == problem.arch.scratchpad.name):
            ledger.write(boundary.child, name, boundary.received * bits)
        if boundary.pars:
            delivered += boundary.received * bits
    return delivered


@dataclass(frozen=True)
class Exchange:
    """Results between a memory and its child: arrivals (A), read-backs or additions at the memory, words that the
    child gives (W), and those that come back to it."""

    arrivals: int
    found: int
    given: int
    back: int


def exchanges(problem: NestProblem, chain: tuple[Boundary, ...]) -> tuple[Exchange, ...]:
    """The exchange of results at every boundary of the output, DRAM first.

    With S' elements that start from zero at the parent, A arrivals find A - S' there; the child starts W - (A - S')
    from zero, or all W where the parent adds.
    """
    found = []
    zero = touched_box(problem.nest, problem.nest.output)
    for boundary in chain:
        arrivals, given = boundary.moved, boundary.received
        begun = arrivals - zero
        back = 0 if boundary.adds or boundary.child is None else begun
        found.append(Exchange(arrivals, begun, given, back))
        zero = given - back
    return tuple(found)


def book_results(ledger: Ledger, problem: NestProblem, chain: tuple[Boundary, ...]) -> int:
    """The output; returns the bits delivered to positions: those of read-backs where a par stands between."""
    name, widths = problem.nest.output.name, problem.arch.widths
    wide = frozenset(accumulating_along(chain))
    delivered = 0
    for boundary, flow in zip(chain, exchanges(problem, chain), strict=True):
        outer = widths.accumulator if boundary.parent in wide else widths.output
        inner = widths.accumulator if boundary.child in wide else widths.output
        if boundary.parent == problem.arch.dram.name:
            if boundary.child is not None and boundary.child != problem.arch.scratchpad.name:
                ledger.read(boundary.child, name, flow.given * widths.output)
            continue
        ledger.write(boundary.parent, name, flow.arrivals * outer)
        ledger.read(boundary.parent, name, flow.found * outer)
        if boundary.child is not None:
            ledger.read(boundary.child, name, flow.given * inner)
            ledger.write(boundary.child, name, flow.back * inner)
            if boundary.pars:
                delivered += flow.back * widths.accumulator
    return delivered


def energy_pj(
    problem: NestProblem, records: tuple[Accesses, ...], delivered_bytes: int, operations: int, cycles: int
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
        + delivered_bytes * arch.array.link_pj
        + macs * arch.array.mac_pj
        + operations * arch.vector.operation_pj
        + cycles * arch.leakage_pj_per_cycle
    )
