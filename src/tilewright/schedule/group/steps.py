"""What a step of a group takes: an operator's box, everything in the scratchpad (docs/model.md, sections 5, 6, 8)."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from math import prod
from typing import Any

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
from tilewright.schedule.group.intervals import Intervals
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
    """Chunks of a loop in which an operator's box counts alike: the class of each chunk, how many chunks each class
    has, what tells it from others, and the ranges (start, length) of one of its chunks."""

    of: IntArray
    number: IntArray
    keys: tuple[tuple[int, ...], ...]
    examples: tuple[dict[str, tuple[int, int]], ...]


Bounds = Dict[str, tuple[IntArray, IntArray]]  # first index and one past the last of each dimension, per chunk


def classes(nest: LoopNest, spans: Bounds, count: int) -> Classes:
    """The classes of the chunks of a loop; ``spans`` bound what an operator computes along the dimensions it moves."""
    rows = [high - low for low, high in spans.values()]
    for operand in nest.inputs:
        rows += [r for axis in operand.axes if any(dim in spans for dim in axis.dims) for r in _cut(axis, nest, spans)]
    table = np.array([np.broadcast_to(row, count) for row in rows]).T.reshape(count, -1).tolist()
    known: dict[tuple[int, ...], int] = {}
    of = np.array([known.setdefault(tuple(row), len(known)) for row in table], dtype=np.int64)
    examples: list[dict[str, tuple[int, int]]] = []
    for kind in range(len(known)):
        chunk = int(np.argmax(of == kind))
        examples.append({dim: (int(low[chunk]), int(high[chunk] - low[chunk])) for dim, (low, high) in spans.items()})
    return Classes(of, np.bincount(of, minlength=len(known)), tuple(known), tuple(examples))


def _cut(axis: Axis, nest: LoopNest, spans: Bounds) -> tuple[IntArray, ...]:
    """What of an axis' indices lies outside the array, before and behind."""
    first = last = np.asarray(axis.offset)
    for dim, coefficient in axis.terms:
        low, high = spans.get(dim, (np.asarray(0), np.asarray(nest.extents[dim])))
        first, last = first + coefficient * low, last + coefficient * (high - 1)
    if axis.divisor > 1 or axis.reach or axis.clamp:
        return first, last
    return np.minimum(first, 0), np.maximum(last - axis.size + 1, 0)


@dataclass(frozen=True, eq=False)
class Steps:
    """All steps of one operator. ``costs`` has one for every combination of classes: an axis for each shared loop, then
    one for the chunks of its own loop (channels) if it has any."""

    classes: tuple[Classes, ...]
    costs: np.ndarray[Any, np.dtype[np.object_]]

    def table(self, name: str) -> IntArray:
        """A field of the cost over all passes (an axis per loop) and chunks."""
        values = np.array([getattr(cost, name) for cost in self.costs.flat], dtype=np.int64).reshape(self.costs.shape)
        for axis, one in enumerate(self.classes):
            values = values.take(one.of, axis=axis)
        return values

    @cached_property
    def times(self) -> tuple[tuple[StepCost, int], ...]:
        """Every cost and how often it occurs."""
        total = np.ones((), dtype=np.int64)
        for one in self.classes:
            total = np.multiply.outer(total, one.number)
        return tuple(zip(self.costs.reshape(-1).tolist(), total.reshape(-1).tolist(), strict=True))


class StepBook:
    """The steps of one operator, each box evaluated once."""

    def __init__(self, one: Member) -> None:
        self._one = one
        self._bare = replace(one.problem, parameters=(), held_parameters=())
        self._known: dict[tuple[object, ...], StepCost] = {}
        self._adding: dict[tuple[Node, ...], bool] = {}

    def adds_up(self, array: tuple[Node, ...]) -> bool:
        """Whether results are added up in the scratchpad itself."""
        if array not in self._adding:
            self._adding[array] = adds_up(self._bare, array)
        return self._adding[array]

    def steps(self, kinds: tuple[Classes, ...], array: tuple[Node, ...], *, moved: bool) -> Steps:
        """The steps of boxes that are products of classes."""
        costs = np.empty([len(c.keys) for c in kinds], dtype=object)
        for index in product(*(range(len(c.keys)) for c in kinds)):
            costs[index] = self.cost(
                tuple(c.keys[k] for c, k in zip(kinds, index, strict=True)), kinds, index, array, moved
            )
        return Steps(kinds, costs)

    def cost(
        self,
        key: tuple[tuple[int, ...], ...],
        kinds: tuple[Classes, ...],
        index: tuple[int, ...],
        array: tuple[Node, ...],
        moved: bool,
    ) -> StepCost:
        """The cost of one combination of classes."""
        dims = tuple(tuple(c.examples[k]) for c, k in zip(kinds, index, strict=True))
        known = self._known.get((key, dims, array, moved))
        if known is None:
            box: dict[str, tuple[int, int]] = {}
            for kind, place in zip(kinds, index, strict=True):
                box |= kind.examples[place]
            if any(length <= 0 for _, length in box.values()):
                known = NOTHING
            else:
                known = step_cost(replace(self._bare, nest=boxed(self._one.nest, box)), array, moved)
            self._known[key, dims, array, moved] = known
        return known


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
