"""What a mapping costs: bytes, cycles and energy, exactly (docs/model.md, sections 3 to 6)."""

from __future__ import annotations

import numpy as np

from tilewright.mapping.accesses import (
    Ledger,
    book_input,
    book_passes,
    book_results,
    book_transfers,
    energy_pj,
)
from tilewright.mapping.arraywork import array_done
from tilewright.mapping.boundary import Boundary, boundaries
from tilewright.mapping.buffers import operand_buffers, scratchpad_bytes
from tilewright.mapping.cycles import Done, Side, Times, group_cycles, pipelined, roofline
from tilewright.mapping.homes import bypasses
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestCost, NestProblem, Traffic
from tilewright.mapping.streams import stream_moves
from tilewright.mapping.sums import SummedTiling, only_sums, summed_moves
from tilewright.mapping.tiling import Tiling, in_all, without_single_loops
from tilewright.mapping.traffic import Moves, moves_in, visits
from tilewright.mapping.work import Pass, outputs_in_all, vector_passes


def evaluate(problem: NestProblem, mapping: Mapping) -> NestCost:
    """The exact cost of a legal mapping (``legal.problems`` says whether it is one).

    Every refill and every tile step counts, edge tiles and padding included; the work grows with the number of steps,
    not of points, and where nothing but sums over them counts, with the number of chunks of a dimension alone.
    LimitError if there are more steps, or chunks of a dimension, than have to be listed and can be.
    """
    nest = problem.nest
    mapping = without_single_loops(nest, mapping)
    tiling = Tiling(nest, mapping.tile_loops(problem.arch.scratchpad.name))
    steps = tiling.steps
    chains = tuple(boundaries(problem, mapping, operand) for operand in nest.operands)
    passing = frozenset(o.name for o in nest.operands if bypasses(problem, mapping, o.name))
    listed, counted = tiling, steps
    if only_sums(problem, passing):
        listed, counted = SummedTiling(nest, tiling.loops), 1
        moves = summed_moves(problem, chains)
    else:
        moves = listed_moves(problem, mapping, tiling, chains, passing)
    vectors = problem.parameter_bytes
    passes = vector_passes(problem, mapping, tiling) if nest.work is not None else ()

    ledger = Ledger()
    book_transfers(ledger, problem, moves, passing, vectors)
    delivered_bytes = 0
    if nest.work is None:
        for chain in chains[:-1]:
            delivered_bytes += -(-book_input(ledger, problem, chain) // 8)
        delivered_bytes += -(-book_results(ledger, problem, chains[-1]) // 8)
    else:
        book_passes(ledger, problem, passes, steps)
    done = steps_done(problem, mapping, listed, chains, passes)
    records = ledger.records(tuple(memory.name for memory in problem.arch.memories))
    traffic = _traffic(moves, vectors)
    times = _times(problem, moves, passing, vectors, done, counted)
    operations = sum(in_all(one.operations, steps) for one in passes)
    return NestCost(
        cycles=times.total,
        energy_pj=energy_pj(problem, records, delivered_bytes, operations, times.total),
        macs=nest.points if nest.work is None else 0,
        steps=steps,
        compute_cycles=times.compute,
        dma_cycles=times.dma,
        scratchpad_bytes=scratchpad_bytes(problem, operand_buffers(problem, mapping)),
        traffic=traffic,
        accesses=records,
        delivered_bytes=delivered_bytes,
        vector_operations=operations + problem.activations * outputs_in_all(problem),
        ports=times.ports,
    )


def listed_moves(
    problem: NestProblem,
    mapping: Mapping,
    tiling: Tiling,
    chains: tuple[tuple[Boundary, ...], ...],
    passing: frozenset[str],
) -> tuple[Moves, ...]:
    """All transfers from and to DRAM but those of parameters."""
    nest = problem.nest
    found = []
    for operand, chain in zip(nest.operands, chains, strict=True):
        if operand.name in passing:
            found.append(stream_moves(chain[0], tiling))
        elif operand is not nest.output:
            found.append(moves_in(problem, mapping, tiling, operand))
        else:
            visited = visits(problem, mapping, tiling)
            found += [visited.readbacks, visited.stores, visited.spills]
    return tuple(found)


def is_out(move: Moves) -> bool:
    """Whether something goes from the chip to DRAM."""
    return move.cause in ("store", "spill")


def _traffic(moves: tuple[Moves, ...], vectors: tuple[int, ...]) -> tuple[Traffic, ...]:
    found = [Traffic(move.operand, move.cause, int(move.transfer_bytes.sum())) for move in moves]
    found.append(Traffic("parameters", "parameter", sum(vectors)))
    return tuple(entry for entry in found if entry.bytes)


def steps_done(
    problem: NestProblem,
    mapping: Mapping,
    tiling: Tiling,
    chains: tuple[tuple[Boundary, ...], ...],
    passes: tuple[Pass, ...],
) -> tuple[Done, ...]:
    """What each step computes: in one pass on the array, or in those of the vector unit."""
    if problem.nest.work is None:
        return (array_done(problem, mapping, tiling, chains),)
    return tuple(_vector_done(problem, one) for one in passes)


def _vector_done(problem: NestProblem, one: Pass) -> Done:
    """A pass of the vector unit, its bits at the scratchpad summed over operands."""
    nothing = np.zeros(1, dtype=np.int64)
    read = sum((bits for _, bits in one.reads), nothing)
    written = sum((bits for _, bits in one.writes), nothing)
    return Done(one.busy, (Side(problem.arch.scratchpad, read, written),))


def _times(
    problem: NestProblem,
    moves: tuple[Moves, ...],
    passing: frozenset[str],
    vectors: tuple[int, ...],
    done: tuple[Done, ...],
    steps: int,
) -> Times:
    incoming = [move for move in moves if not is_out(move)]
    outgoing = [move for move in moves if is_out(move)]
    if problem.arch.timing == "roofline":
        whole = {
            (out, inside): sum(
                int(m.transfer_bytes.sum()) for m in moves if is_out(m) == out and (inside or m.operand not in passing)
            )
            for out in (False, True)
            for inside in (False, True)
        }
        loaded = sum(vectors)
        dram = (whole[False, True] + loaded, whole[True, True])
        # What DRAM gives the scratchpad writes, what DRAM takes it reads.
        return roofline(problem, done, steps, dram, (whole[True, False], whole[False, False] + loaded))
    dram_memory = problem.arch.dram
    loads = [move for move in incoming if move.operand not in passing]
    flowing = [move for move in incoming if move.operand in passing]
    return pipelined(
        problem,
        done,
        group_cycles(dram_memory, loads, steps, writing=False, at_start=vectors),
        group_cycles(dram_memory, outgoing, steps, writing=True),
        group_cycles(dram_memory, flowing, steps, writing=False),
    )


def steps_of(problem: NestProblem, mapping: Mapping) -> int:
    """T, the number of tile steps, without listing them."""
    clean = without_single_loops(problem.nest, mapping)
    return Tiling(problem.nest, clean.tile_loops(problem.arch.scratchpad.name)).steps
