"""What a mapping costs: bytes, cycles and energy, exactly (docs/model.md, sections 3 to 6)."""

from __future__ import annotations

from tilewright.mapping.accesses import Ledger, book_dram, book_inside, book_passes, energy_pj, whole_bytes
from tilewright.mapping.buffers import operand_buffers, scratchpad_bytes
from tilewright.mapping.cycles import group_cycles, pass_bytes, pipelined, roofline, shared_bytes, tile_cycles
from tilewright.mapping.homes import streams
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestCost, NestProblem, Traffic
from tilewright.mapping.tiling import Tiling, without_single_loops
from tilewright.mapping.traffic import Moves, moves_in, visits
from tilewright.mapping.work import Pass, passes


def evaluate(problem: NestProblem, mapping: Mapping) -> NestCost:
    """The exact cost of a legal mapping (``legal.problems`` says whether it is one).

    Every refill and every tile step counts, edge tiles and padding included; the work grows with the number of steps,
    not of points. LimitError if there are more steps than can be listed.
    """
    nest = problem.nest
    mapping = without_single_loops(nest, mapping)
    tiling = Tiling(nest, mapping.loops)
    steps = tiling.steps
    incoming = [moves_in(problem, mapping, tiling, operand) for operand in nest.inputs]
    visited = visits(problem, mapping, tiling)
    incoming.append(visited.readbacks)
    outgoing = [visited.stores, visited.spills]
    vectors = [-(-size * problem.arch.widths.accumulator // 8) for size in problem.parameters]
    done = passes(problem, mapping, tiling)

    ledger = Ledger()
    book_dram(ledger, problem, [*incoming, *outgoing], vectors)
    book_passes(ledger, problem, done, steps)
    delivered = book_inside(ledger, problem, mapping, tiling, incoming)
    records = ledger.records(tuple(memory.name for memory in problem.arch.memories))
    traffic = _traffic([*incoming, *outgoing], vectors)

    if problem.arch.timing == "roofline":
        read = sum(t.bytes for t in traffic if t.cause not in ("store", "spill"))
        written = sum(t.bytes for t in traffic if t.cause in ("store", "spill"))
        busy = sum(int(one.busy.sum()) * (steps if len(one.busy) == 1 else 1) for one in done)
        times = roofline(problem, (read, written), _pad_bytes(problem, incoming, outgoing, vectors, done, steps), busy)
    else:
        dram = problem.arch.dram
        loads = [move for move in incoming if not streams(problem, move.operand)]
        flowing = [move for move in incoming if streams(problem, move.operand)]
        times = pipelined(
            problem,
            tile_cycles(problem, done, steps),
            group_cycles(dram, loads, steps, writing=False, at_start=vectors),
            group_cycles(dram, outgoing, steps, writing=True),
            group_cycles(dram, flowing, steps, writing=False),
        )
    operations = sum(int(one.operations.sum()) * (steps if len(one.operations) == 1 else 1) for one in done)
    return NestCost(
        cycles=times.total,
        energy_pj=energy_pj(problem, records, delivered, operations, times.total),
        macs=nest.points if nest.work is None else 0,
        steps=steps,
        compute_cycles=times.compute,
        dma_cycles=times.dma,
        scratchpad_bytes=scratchpad_bytes(problem, operand_buffers(problem, mapping)),
        traffic=traffic,
        accesses=records,
    )


def _traffic(moves: list[Moves], vectors: list[int]) -> tuple[Traffic, ...]:
    found = [Traffic(move.operand, move.cause, int(move.transfer_bytes.sum())) for move in moves]
    found.append(Traffic("parameters", "parameter", sum(vectors)))
    return tuple(entry for entry in found if entry.bytes)


def _pad_bytes(
    problem: NestProblem,
    incoming: list[Moves],
    outgoing: list[Moves],
    vectors: list[int],
    done: tuple[Pass, ...],
    steps: int,
) -> tuple[int, int]:
    """Bytes read and written at the scratchpad in the whole nest, transfers included."""
    written = sum(int(m.transfer_bytes.sum()) for m in incoming if not streams(problem, m.operand)) + sum(vectors)
    read = sum(int(m.transfer_bytes.sum()) for m in outgoing if not streams(problem, m.operand))
    for one in done:
        if problem.arch.scratchpad.shared_port:
            # One port: what matters is the sum, rounded up once per step and pass.
            read += whole_bytes(shared_bytes(one) * 8, steps)
        else:
            served, results = pass_bytes(one)
            read, written = read + whole_bytes(served * 8, steps), written + whole_bytes(results * 8, steps)
    return read, written


def steps_of(problem: NestProblem, mapping: Mapping) -> int:
    """T, the number of tile steps, without listing them."""
    return Tiling(problem.nest, without_single_loops(problem.nest, mapping).loops).steps
