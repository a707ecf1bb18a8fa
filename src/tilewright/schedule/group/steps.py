"""What a step of a group takes: an operator's box, everything in the scratchpad (docs/model.md, sections 5, 6, 8)."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.accesses import Ledger, book_input, book_passes, book_results
from tilewright.mapping.arraywork import array_done
from tilewright.mapping.boundary import boundaries
from tilewright.mapping.cycles import Done, Side, tile_cycles
from tilewright.mapping.homes import accumulating_along
from tilewright.mapping.mapping import Keep, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.streams import stream_moves
from tilewright.mapping.tiling import IntArray, Tiling
from tilewright.mapping.work import vector_passes
from tilewright.schedule.group.intervals import Intervals, Loops
from tilewright.schedule.group.members import Member
from tilewright.workload.nest import Axis, LoopNest, Operand

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


NOTHING = StepCost()


def pad_keeps(problem: NestProblem) -> tuple[Keep, ...]:
    """The keeps of the scratchpad in a step: of all operands that it may hold."""
    pad = problem.arch.scratchpad
    vector = problem.nest.work is not None
    return tuple(Keep(o.name, pad.name) for o in problem.nest.operands if vector or pad.holds(o.role))


def adds_up(problem: NestProblem, array: tuple[Node, ...]) -> bool:
    """Whether results are added up in the scratchpad itself."""
    if problem.nest.work is not None:
        return False
    chain = boundaries(problem, Mapping((*pad_keeps(problem), *array)), problem.nest.output)
    return problem.arch.scratchpad.name in accumulating_along(chain)


def boxed(nest: LoopNest, ranges: Ranges) -> LoopNest:
    """A nest over some ranges alone, its indices moved so that boxes that count alike are the same nest."""
    extents = {dim: ranges[dim][1] if dim in ranges else extent for dim, extent in nest.dims}
    operands = tuple(
        replace(operand, axes=tuple(_moved(axis, ranges, extents) for axis in operand.axes))
        for operand in nest.operands
    )
    return replace(nest, dims=tuple(extents.items()), operands=operands)


def _moved(axis: Axis, ranges: Ranges, extents: Dict[str, int]) -> Axis:
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


@dataclass(frozen=True, eq=False)
class Classes:
    """Chunks of a loop in which an operator's box counts alike: the class of each chunk, and a chunk of each class."""

    of: IntArray
    examples: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Steps:
    """All steps of one operator. ``costs`` has one for every combination of classes, loops in order, the chunks of its
    own loop (channels) last; ``empty`` where its box is."""

    classes: tuple[Classes, ...]
    costs: np.ndarray  # of StepCost

    def table(self, name: str) -> IntArray:
        """A field of the cost over all passes (an axis per loop) and chunks."""
        values = np.array([getattr(cost, name) for cost in self.costs.reshape(-1)], dtype=np.int64)
        found: IntArray = values.reshape(self.costs.shape)[np.ix_(*(one.of for one in self.classes))]
        return found

    def times(self) -> IntArray:
        """How often each cost occurs."""
        total = np.ones(1, dtype=np.int64)
        for one in self.classes:
            total = np.multiply.outer(total, np.bincount(one.of, minlength=len(one.examples)))
        return total.reshape(self.costs.shape)


def steps(
    one: Member,
    ranges: Dict[str, tuple[int, Intervals]],
    loops: Loops,
    channels: tuple[str, IntArray, IntArray] | None,
    array: tuple[Node, ...],
    moved: bool,
) -> Steps:
    """The steps of an operator; ``channels`` are the dimension of its own loop and the bounds of its chunks."""
    classes = []
    spans: list[dict[str, tuple[IntArray, IntArray]]] = []
    for place, count in enumerate(loops.counts):
        mine = {dim: (known.new, known.high) for dim, (at, known) in ranges.items() if at == place}
        classes.append(_classes(one.nest, mine, count))
        spans.append(mine)
    if channels is not None:
        dim, start, end = channels
        classes.append(_classes(one.nest, {dim: (start, end)}, len(start)))
        spans.append({dim: (start, end)})
    costs = np.empty([len(c.examples) for c in classes], dtype=object)
    for index in product(*(range(len(c.examples)) for c in classes)):
        box: dict[str, tuple[int, int]] = {}
        for number, (place, mine) in enumerate(zip(index, spans, strict=True)):
            chunk = classes[number].examples[place]
            box |= {dim: (int(low[chunk]), int(high[chunk] - low[chunk])) for dim, (low, high) in mine.items()}
        if any(length <= 0 for _, length in box.values()):
            costs[index] = NOTHING
        else:
            problem = replace(one.problem, nest=boxed(one.nest, box), parameters=(), held_parameters=())
            costs[index] = step_cost(problem, array, moved)
    return Steps(tuple(classes), costs)


def _classes(nest: LoopNest, spans: Dict[str, tuple[IntArray, IntArray]], count: int) -> Classes:
    if not spans:
        return Classes(np.zeros(count, dtype=np.int64), (0,))
    rows = [high - low for low, high in spans.values()]
    for operand in nest.inputs:
        rows += [
            row for axis in operand.axes if any(dim in spans for dim in axis.dims) for row in _cut(axis, nest, spans)
        ]
    table = np.stack([np.broadcast_to(row, count) for row in rows])
    _, examples, of = np.unique(table, axis=1, return_index=True, return_inverse=True)
    return Classes(of.reshape(-1), tuple(int(k) for k in examples))


def _cut(axis: Axis, nest: LoopNest, spans: Dict[str, tuple[IntArray, IntArray]]) -> tuple[IntArray, ...]:
    """What of an axis' indices lies outside the array, before and behind."""
    first = last = np.asarray(axis.offset)
    for dim, coefficient in axis.terms:
        low, high = spans.get(dim, (np.asarray(0), np.asarray(nest.extents[dim])))
        first, last = first + coefficient * low, last + coefficient * (high - 1)
    if axis.divisor > 1 or axis.reach or axis.clamp:
        return first, last
    return np.minimum(first, 0), np.maximum(last - axis.size + 1, 0)


def largest_box(
    one: Member, ranges: Dict[str, tuple[int, Intervals]], channels: tuple[str, int] | None
) -> dict[str, int]:
    """The longest range of every dimension in any step."""
    found = dict(one.nest.extents)
    for dim, (_, known) in ranges.items():
        found[dim] = int((known.high - known.new).max())
    if channels is not None:
        found[channels[0]] = channels[1]
    return found


def footprint(operand: Operand, extents: Dict[str, int]) -> int:
    """Elements of an operand whose axes are not cut (weights) for some ranges."""
    return prod(prod(extents[dim] for dim in axis.dims) for axis in operand.axes)
