"""What a step of a group takes: an operator's box, everything in the scratchpad (docs/model.md, sections 5, 6, 8)."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.accesses import Ledger, book_input, book_passes, book_results
from tilewright.mapping.arraywork import array_done
from tilewright.mapping.boundary import boundaries
from tilewright.mapping.cycles import Done, Side, tile_cycles
from tilewright.mapping.mapping import Keep, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.streams import stream_moves
from tilewright.mapping.tiling import IntArray, Tiling
from tilewright.mapping.work import vector_passes
from tilewright.workload.nest import Axis, LoopNest

Ranges = Dict[str, tuple[int, int]]  # (start, length) of each dimension
Bits = tuple[tuple[tuple[str, str], tuple[int, int]], ...]


@dataclass(frozen=True)
class StepCost:
    """One step: its time, and what of it is computing; bytes through the port of each memory on chip as (read,
    written); bits by (memory, operand) likewise, transfers with DRAM aside; bits that each operand delivers to
    positions; points, operations of the vector unit and elements of its result; what flows past the scratchpad."""

    cycles: int = 0
    busy: int = 0
    ports: tuple[tuple[str, tuple[int, int]], ...] = ()
    bits: Bits = ()
    delivered: tuple[tuple[str, int], ...] = ()
    points: int = 0
    operations: int = 0
    results: int = 0
    stream_bytes: int = 0
    stream_runs: int = 0

    def energy_pj(self, arch: Accelerator, activations: int) -> float:
        """Dynamic energy, transfers with DRAM and leakage aside; bits count exactly."""
        operations = self.operations + activations * self.results
        total = self.points * arch.array.mac_pj + operations * arch.vector.operation_pj
        total += sum(number for _, number in self.delivered) / 8 * arch.array.link_pj
        for memory in arch.memories:
            for (name, _), (read, written) in self.bits:
                if name == memory.name:
                    total += read / 8 * memory.read_pj + written / 8 * memory.write_pj
        return total


NOTHING = StepCost()


def pad_keeps(problem: NestProblem) -> tuple[Keep, ...]:
    """The keeps of the scratchpad in a step: of all operands that it may hold."""
    pad = problem.arch.scratchpad
    vector = problem.nest.work is not None
    return tuple(Keep(o.name, pad.name) for o in problem.nest.operands if vector or pad.holds(o.role))


def boxed(nest: LoopNest, ranges: Ranges) -> LoopNest:
    """A nest over some ranges alone, its indices moved so that boxes that count alike are the same nest."""
    extents = {dim: ranges[dim][1] if dim in ranges else extent for dim, extent in nest.dims}
    operands = tuple(
        replace(operand, axes=tuple(moved_axis(axis, ranges, extents) for axis in operand.axes))
        for operand in nest.operands
    )
    return replace(nest, dims=tuple(extents.items()), operands=operands)


def moved_axis(axis: Axis, ranges: Ranges, extents: Dict[str, int]) -> Axis:
    """An axis over some ranges alone; where nothing of it is cut off its indices begin at 0."""
    if not any(dim in ranges for dim in axis.dims):
        return axis
    first = axis.offset + sum(c * ranges[dim][0] for dim, c in axis.terms if dim in ranges)
    last = first + sum(c * (extents[dim] - 1) for dim, c in axis.terms)
    if axis.divisor == 1 and not axis.reach and not axis.clamp:
        if first >= 0 and last < axis.size:
            first = 0
        elif first >= 0:
            return replace(axis, offset=0, size=axis.size - first)
    return replace(axis, offset=first)


@lru_cache(maxsize=1 << 16)
def step_cost(problem: NestProblem, array: tuple[Node, ...], moved: bool) -> StepCost:
    """The cost of a nest that is one step. ``moved``: results are added up in the scratchpad and moved from there."""
    nest, arch = problem.nest, problem.arch
    mapping = Mapping((*pad_keeps(problem), *array))
    tiling = Tiling(nest, ())
    ledger = Ledger()
    results = prod(nest.extents[dim] for dim in nest.output.dims)
    if nest.work is not None:
        passes = vector_passes(problem, mapping, tiling)
        book_passes(ledger, problem, passes, 1)
        done = tuple(Done(one.busy, (Side(arch.scratchpad, _all(one.reads), _all(one.writes)),)) for one in passes)
        operations = sum(int(one.operations.sum()) for one in passes)
        return StepCost(
            cycles=int(tile_cycles(done, 1).sum()),
            busy=sum(int(one.busy.sum()) for one in done),
            ports=_ports(done),
            bits=tuple(ledger.bits.items()),
            operations=operations,
            results=results,
        )
    chains = tuple(boundaries(problem, mapping, operand) for operand in nest.operands)
    delivered = [(chain[0].operand.name, book_input(ledger, problem, chain)) for chain in chains[:-1]]
    delivered.append((nest.output.name, book_results(ledger, problem, chains[-1])))
    work = array_done(problem, mapping, tiling, chains)
    if moved:
        out, into = results * arch.widths.accumulator, results * arch.widths.output
        ledger.read(arch.scratchpad.name, nest.output.name, out)
        ledger.write(arch.scratchpad.name, nest.output.name, into)
        work = replace(work, sides=_with_move(work.sides, arch, out, into))
    kept = {keep.operand for keep in pad_keeps(problem)}
    flows = [stream_moves(chain[0], tiling) for chain in chains if chain[0].operand.name not in kept]
    return StepCost(
        cycles=int(tile_cycles((work,), 1).sum()),
        busy=int(work.busy.sum()),
        ports=_ports((work,)),
        bits=tuple(ledger.bits.items()),
        delivered=tuple(delivered),
        points=nest.points,
        results=results,
        stream_bytes=sum(int(move.transfer_bytes.sum()) for move in flows),
        stream_runs=sum(int(move.runs.sum()) for move in flows),
    )


def _ports(done: tuple[Done, ...]) -> tuple[tuple[str, tuple[int, int]], ...]:
    found: dict[str, tuple[int, int]] = {}
    for one in done:
        for side in one.sides:
            read, written = found.get(side.memory.name, (0, 0))
            out, into = side.whole_bytes
            found[side.memory.name] = (read + int(out.sum()), written + int(into.sum()))
    return tuple(found.items())


def _all(parts: tuple[tuple[str, IntArray], ...]) -> IntArray:
    return sum((bits for _, bits in parts), np.zeros(1, dtype=np.int64))


def _with_move(sides: tuple[Side, ...], arch: Accelerator, read_bits: int, write_bits: int) -> tuple[Side, ...]:
    return tuple(
        Side(side.memory, side.read_bits + read_bits, side.write_bits + write_bits)
        if side.memory == arch.scratchpad
        else side
        for side in sides
    )
