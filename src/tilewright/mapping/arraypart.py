"""A plain array part for a step tile: legal whenever one fits, not searched for (docs/model.md, section 2).

Every axis of the array unrolls at most one dimension; the assignment with the fewest compute steps whose keeps fit
into their memories is taken, as in ``unroll``. Results stay in their innermost memory while their reductions run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.unroll import assignments, direct_unrolling
from tilewright.workload.nest import LoopNest, Operand

Assignment = tuple[tuple[str, str, int], ...]


def default_array_part(problem: NestProblem, tile: Dict[str, int]) -> tuple[Node, ...]:
    """What happens within a step whose dimensions range over ``tile``, for nests of the array; nothing for others.

    Keeps every operand in each memory below the scratchpad that always keeps its role. Two forms are tried. In the
    first, results stay while reductions run outside the loops over rows and columns, so that weights stay as well. In
    the second all loops stand outermost and every keep holds as little as it can.
    """
    if problem.nest.work is not None:
        return ()
    if not any(inner_memories(problem.arch, operand) for operand in problem.nest.operands):
        return direct_unrolling(problem, tile)
    return _array_part(problem.nest, problem.arch, tuple((dim, tile[dim]) for dim, _ in problem.nest.dims))


def inner_memories(arch: Accelerator, operand: Operand) -> tuple[Memory, ...]:
    """The memories below the scratchpad that always keep an operand, outermost first."""
    return tuple(memory for memory in arch.below(arch.scratchpad) if operand.role in memory.keeps)


@lru_cache(maxsize=4096)
def _array_part(nest: LoopNest, arch: Accelerator, tile: tuple[tuple[str, int], ...]) -> tuple[Node, ...]:
    ranges = dict(tile)
    split = tuple(dim for dim, length in tile if length > 1 and dim not in nest.whole)
    found = [_assignment(arch, ranges, choice) for choice in assignments(arch.array, split)]
    found = [choice for choice in dict.fromkeys(found) if _reducible(nest, arch, choice)]
    nodes: tuple[Node, ...] = ()
    for choice in sorted(found, key=lambda choice: _preference(ranges, choice)):
        stationary = _stationary(nest, arch, ranges, choice)
        if stationary is not None:
            return stationary
        nodes = _outermost_loops(nest, arch, ranges, choice)
        if fits(nest, arch, ranges, nodes):
            break
    return nodes


def _assignment(arch: Accelerator, tile: Dict[str, int], choice: tuple[str | None, ...]) -> Assignment:
    """(axis, dimension, positions) of every axis that is used."""
    left, found = dict(tile), []
    for (axis, size), dim in zip(arch.array.axes, choice, strict=True):
        if dim is not None and left[dim] > 1:
            used = min(size, left[dim])
            found.append((axis, dim, used))
            left[dim] = -(-left[dim] // used)
    return tuple(found)


def _preference(tile: Dict[str, int], choice: Assignment) -> tuple[int, int]:
    """Compute steps of the largest tile, then positions."""
    used = {dim: prod(n for _, d, n in choice if d == dim) for dim in tile}
    return prod(-(-length // used[dim]) for dim, length in tile.items()), prod(used.values())


def _reducible(nest: LoopNest, arch: Accelerator, choice: Assignment) -> bool:
    """Whether results are added up on the way out of their memories: then what lies above needs no partial sums."""
    above = {axis for memory in inner_memories(arch, nest.output) for axis in memory.per}
    return all(axis in arch.array.reduce or dim not in nest.reduction_dims for axis, dim, _ in choice if axis in above)


@dataclass
class _Writer:
    """Writes nodes from the outside in and knows what is left of every range and of every dimension's positions."""

    ranges: dict[str, int]
    choice: Assignment
    nodes: list[Node] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def inside(self, dim: str) -> int:
        """Positions that pars still to come will give to a dimension."""
        return prod(used for axis, d, used in self.choice if d == dim and axis not in self.done)

    def loops(self, dims: Iterable[str], tiles: Dict[str, int] | None = None) -> None:
        """A loop over each dimension down to a tile, or to one index for each position still to come."""
        for dim in dims:
            tile = self.inside(dim) if tiles is None else tiles[dim]
            if tile < self.ranges[dim]:
                self.nodes.append(Loop(dim, tile))
                self.ranges[dim] = tile

    def pars(self, axes: Sequence[str]) -> None:
        for axis, dim, used in self.choice:
            if axis in axes and axis not in self.done:
                self.done.append(axis)
                chunk = -(-self.ranges[dim] // used)
                if chunk < self.ranges[dim]:
                    self.nodes.append(Par(dim, chunk, axis))
                    self.ranges[dim] = chunk

    def keeps(self, operands: Iterable[Operand], memories: Iterable[Memory]) -> None:
        held = [(memory, operand) for memory in memories for operand in operands if operand.role in memory.keeps]
        self.nodes += [Keep(operand.name, memory.name) for memory, operand in held]


def memory_stages(nest: LoopNest, arch: Accelerator) -> list[list[Memory]]:
    """The memories below the scratchpad that are used, those that exist once per position of fewer axes first."""
    used = [m for m in arch.below(arch.scratchpad) if any(o.role in m.keeps for o in nest.operands)]
    sets = sorted({frozenset(m.per) for m in used}, key=lambda axes: (len(axes), sorted(axes)))
    return [[m for m in used if frozenset(m.per) == axes] for axes in sets]


def _crossing(nest: LoopNest, arch: Accelerator, choice: Assignment) -> Assignment:
    """The assignment without axes that no order of pars and keeps allows: memories per position of either of two."""
    barred: set[str] = set()
    before: set[str] = set()
    for stage in memory_stages(nest, arch):
        barred |= before - set(stage[0].per)
        before |= set(stage[0].per)
    return tuple(entry for entry in choice if entry[0] not in barred)


def _outermost_loops(nest: LoopNest, arch: Accelerator, tile: Dict[str, int], choice: Assignment) -> tuple[Node, ...]:
    """All loops, those over reductions innermost; then pars, and every keep as soon as it may stand."""
    writer = _Writer(dict(tile), _crossing(nest, arch, choice))
    writer.loops(dim for dim, _ in nest.dims if dim in nest.output.dims)
    writer.loops(dim for dim, _ in nest.dims if dim in nest.reduction_dims)
    for stage in memory_stages(nest, arch):
        writer.pars(stage[0].per)
        writer.keeps(nest.operands, stage)
    writer.pars([axis for axis, _ in arch.array.axes])
    return tuple(writer.nodes)


def _stationary(nest: LoopNest, arch: Accelerator, tile: Dict[str, int], choice: Assignment) -> tuple[Node, ...] | None:
    """The form in which results and weights stay, with as large a part of the results as fits; None if none does."""
    choice = _crossing(nest, arch, choice)
    least = _Writer(dict(tile), choice)
    outputs = [dim for dim, _ in nest.dims if dim in nest.output.dims]
    tiles = {dim: tile[dim] for dim in outputs}
    while True:
        nodes = _with_results_of(nest, arch, tile, choice, tiles)
        if nodes is None or fits(nest, arch, tile, nodes):
            return nodes
        # Loops over dimensions that weights use cost no more when they are split; those go first.
        weights = {dim for o in nest.inputs if o.role == "weight" for dim in o.dims}
        room = [dim for dim in outputs if tiles[dim] > least.inside(dim)]
        if not room:
            return None
        widest = max(room, key=lambda dim: (dim in weights, tiles[dim], dim))
        tiles[widest] = max(least.inside(widest), -(-tiles[widest] // 2))


def _with_results_of(
    nest: LoopNest, arch: Accelerator, tile: Dict[str, int], choice: Assignment, tiles: Dict[str, int]
) -> tuple[Node, ...] | None:
    """Loops down to ``tiles`` of results, their keep, reductions, the keep of weights, the rest, the keep of inputs."""
    stages = memory_stages(nest, arch)
    where = {role: [k for k, s in enumerate(stages) if any(role in m.keeps for m in s)] for role in nest_roles(nest)}
    results = where["output"][-1] if where["output"] else 0
    if any(k < results for role in ("input", "weight") for k in where.get(role, ())):
        return None
    writer = _Writer(dict(tile), choice)
    outputs = [dim for dim, _ in nest.dims if dim in nest.output.dims]
    writer.loops(outputs, tiles)
    for number, stage in enumerate(stages):
        writer.pars(stage[0].per)
        writer.keeps([nest.output], stage)
        if number == results:
            writer.loops(dim for dim, _ in nest.dims if dim in nest.reduction_dims)
        writer.keeps([o for o in nest.inputs if o.role == "weight"], stage)
        if number == len(stages) - 1:
            writer.loops(outputs)
        writer.keeps([o for o in nest.inputs if o.role == "input"], stage)
    writer.pars([axis for axis, _ in arch.array.axes])
    return tuple(writer.nodes)


def nest_roles(nest: LoopNest) -> frozenset[str]:
    """The roles that a nest's operands have."""
    return frozenset(operand.role for operand in nest.operands)


def fits(nest: LoopNest, arch: Accelerator, tile: Dict[str, int], nodes: Sequence[Node]) -> bool:
    """Whether the keeps of an array part fit, judged by what any place of the step could need.

    Padding is not cut off and results count at accumulator width, so that what fits here fits.
    """
    ranges = dict(tile)
    taken: dict[str, int] = {}
    for node in nodes:
        if isinstance(node, Keep):
            memory = next(m for m in arch.memories if m.name == node.memory)
            size = kept_bytes(nest, arch, memory, node.operand, ranges)
            taken[node.memory] = taken.get(node.memory, 0) + size
        else:
            ranges[node.dim] = min(node.tile, ranges[node.dim])
    return all(m.size_bytes is None or taken.get(m.name, 0) <= m.size_bytes for m in arch.memories)


def kept_bytes(nest: LoopNest, arch: Accelerator, memory: Memory, operand_name: str, ranges: Dict[str, int]) -> int:
    """What a keep takes at most where dimensions range over so much, wherever."""
    operand = nest.operand(operand_name)
    width = max(arch.widths.of(operand.role), arch.widths.accumulator if operand is nest.output else 0)
    if operand.role == "weight":
        width = max(width, arch.widths.input)
    size = -(-prod(_span(operand, k, ranges) for k in range(len(operand.axes))) * width // 8)
    return size * (2 if memory.double_buffered else 1)


def _span(operand: Operand, place: int, ranges: Dict[str, int]) -> int:
    """Indices of an axis that ranges of those lengths need, wherever they stand."""
    axis = operand.axes[place]
    long = [(coefficient, ranges[dim]) for dim, coefficient in axis.terms if ranges[dim] > 1]
    if axis.divisor == 1 and not axis.reach and len(long) <= 1:
        return min(axis.size, long[0][1] if long else 1)
    reach = sum(abs(coefficient) * (length - 1) for coefficient, length in long)
    return min(axis.size, -(-reach // axis.divisor) + axis.reach + 1)
