"""Recipes for array parts: which dimensions each axis unrolls, and in which order operands are kept.

A recipe holds for step tiles of any size. Every axis takes whole dimensions first and as much as fits of a last one;
before each keep stand the loops that make it fit, and no others: what is left runs innermost, in any order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import combinations, permutations, product
from math import prod

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.arraypart import inner_memories, kept_bytes, memory_stages
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.workload.nest import Axis, LoopNest

MOST_WHOLE = 3  # dimensions that one axis unrolls as a whole
CAPS = (2, 4, 8)  # positions of a dimension beside another one that is unrolled in part

Share = tuple[str, int]  # a dimension, and how many positions it gets at most
Unrolling = tuple[tuple[str, tuple[Share, ...]], ...]  # of every axis its dimensions
Positions = tuple[tuple[str, str, int], ...]  # axes, dimensions, and how many positions they get
WIDER = 3
_ALL = 1 << 30


@dataclass(frozen=True)
class Recipe:
    """``unrolling`` has the dimensions of every axis; ``order`` the operands as they are kept where memories of equal
    positions do not decide; ``weights_first``: loops over dimensions of weights are the first to make results fit;
    ``adjacent``: positions that read windows beside each other work on neighbours."""

    unrolling: Unrolling
    order: tuple[str, ...]
    weights_first: bool = False
    adjacent: bool = False


Ranking = Callable[[Sequence[Recipe]], Sequence[Recipe]]  # best first


def unrollings(nest: LoopNest, arch: Accelerator, tile: Dict[str, int], most: int) -> list[Unrolling]:
    """What the axes can unroll of a tile: the most promising by a guess, best first. Axes are added one by one, and a
    few times as many are looked at on the way."""
    above = {axis for memory in inner_memories(arch, nest.output) for axis in memory.per}
    dims = tuple(dim for dim, _ in nest.dims if tile[dim] > 1 and dim not in nest.whole)
    found: dict[Positions, Unrolling] = {(): ()}
    for axis, _ in arch.array.axes:
        mine = [dim for dim in dims if arch.array.may_unroll(axis, dim)]
        if axis in above and axis not in arch.array.reduce:
            mine = [dim for dim in mine if dim not in nest.reduction_dims]
        grown: dict[Positions, Unrolling] = {}
        for some in _shares(nest, mine):
            for before in found.values():
                unrolling = (*before, (axis, some))
                positions = assigned(arch, unrolling, tile)
                if positions is not None:  # the order along an axis makes no difference
                    grown.setdefault(tuple(sorted(positions)), unrolling)
        ranked = sorted(grown, key=lambda positions: (_guess(nest, arch, tile, positions), positions))
        found = {positions: grown[positions] for positions in ranked[: WIDER * most]}
    return list(found.values())[:most]


def _shares(nest: LoopNest, dims: list[str]) -> list[tuple[Share, ...]]:
    """What an axis may unroll: some dimensions as a whole, then one as far as it goes, or two of a window's."""
    some = [whole for n in range(min(MOST_WHOLE, len(dims)) + 1) for whole in combinations(dims, n)]
    sliding = windows(nest)
    slid = [dim for dim in dims if dim in sliding and dim in nest.output.dims]
    ends: list[tuple[Share, ...]] = [(), *(((dim, _ALL),) for dim in dims)]
    ends += [((a, cap), (b, _ALL)) for a, b in permutations(slid, 2) for cap in CAPS]
    mixed = [(whole, end) for whole in some for end in ends if not {dim for dim, _ in end} & set(whole)]
    return [(*((dim, _ALL) for dim in whole), *end) for whole, end in mixed]


def _guess(nest: LoopNest, arch: Accelerator, tile: Dict[str, int], positions: Positions) -> float:
    """Compute steps of the busiest position, times operations and words that move: in a step every different one once,
    those of operands without a memory of their own from further away."""
    left, used_by = dict(tile), dict.fromkeys(tile, 1)
    for _, dim, used in positions:
        left[dim] = -(-left[dim] // used)
        used_by[dim] *= used
    steps, points = prod(left.values()), prod(tile.values())
    words = points
    for operand in nest.operands:
        often = 1 if inner_memories(arch, operand) else 10
        words += often * steps * prod(_different(axis, used_by) for axis in operand.axes)
    return float(steps) * words


def _different(axis: Axis, used_by: Dict[str, int]) -> int:
    """Indices along an axis that positions read in a step, where those beside each other work on neighbours."""
    span = 1 + sum(coefficient * (used_by[dim] - 1) for dim, coefficient in axis.terms)
    return min(span, prod(used_by[dim] for dim in axis.dims))


def assigned(arch: Accelerator, unrolling: Unrolling, tile: Dict[str, int], *, strict: bool = True) -> Positions | None:
    """(axis, dimension, positions) of an unrolling for a tile; None, if ``strict``, where one that should be whole is
    not or where one adds nothing."""
    left, found = dict(tile), []
    for axis, some in unrolling:
        room = next(size for name, size in arch.array.axes if name == axis)
        for number, (dim, most) in enumerate(some):
            used = min(room, left[dim], most)
            if used > 1:  # as few positions as give the same chunks
                used = -(-left[dim] // -(-left[dim] // used))
            if strict and (used < 2 or (number + 1 < len(some) and used < min(left[dim], most))):
                return None
            if used > 1:
                found.append((axis, dim, used))
                left[dim], room = -(-left[dim] // used), room // used
    return tuple(found)


@lru_cache(maxsize=1 << 12)
def forms(nest: LoopNest, arch: Accelerator) -> tuple[tuple[tuple[str, ...], bool, bool], ...]:
    """All that a recipe says but for its unrolling."""
    kept = [o.name for o in nest.operands if inner_memories(arch, o)]
    return tuple(product(permutations(kept), (False, True), (False, True) if windows(nest) else (False,)))


def shortlist(
    nest: LoopNest, arch: Accelerator, tile: Dict[str, int], many: int, few: int, best: Ranking
) -> Sequence[Recipe]:
    """The recipes that do best for a tile, by a ranking that leaves out what is of no use: ``many`` unrollings in a
    form or two, then the best ``few`` of these in all."""
    every = forms(nest, arch)
    some = [form for form in every if form[:2] == every[0][:2]]
    first = best([Recipe(one, *form) for one in unrollings(nest, arch, tile, many) for form in some])[:few]
    return best([Recipe(one.unrolling, *form) for one in first for form in every])


def windows(nest: LoopNest) -> frozenset[str]:
    """The dimensions that move a window along an axis of an input, and those within it."""
    return frozenset(dim for o in nest.inputs for axis in o.axes for dim in axis.dims if len(axis.dims) > 1)


def made(recipe: Recipe, nest: LoopNest, arch: Accelerator, tile: Dict[str, int]) -> tuple[Node, ...] | None:
    """The array part for a tile; None where some keep does not fit or may not stand."""
    positions = assigned(arch, recipe.unrolling, tile, strict=False)
    assert positions is not None
    ranges, nodes = dict(tile), list[Node]()
    if recipe.adjacent:
        for dim in sorted(windows(nest) & {dim for _, dim, _ in positions}):
            chunk = prod(used for _, d, used in positions if d == dim)
            if chunk < ranges[dim]:
                nodes.append(Loop(dim, chunk))
                ranges[dim] = chunk
    taken: dict[str, int] = {}
    done: set[str] = set()
    barred: set[str] = set()
    for stage in memory_stages(nest, arch):
        axes = set(stage[0].per)
        if barred - axes:  # memories per position of either of two axes
            return None
        barred |= axes
        _pars(nodes, ranges, positions, axes - done)
        done |= axes
        for memory, operand_name in _keeps(recipe, nest, stage):
            later = tuple((axis, dim, used) for axis, dim, used in positions if axis not in done)
            free = (1 << 60 if memory.size_bytes is None else memory.size_bytes) - taken.get(memory.name, 0)
            loops = _fitting(recipe, nest, arch, memory, operand_name, ranges, free, later)
            if loops is None:
                return None
            for dim, chunk in loops:
                nodes.append(Loop(dim, chunk))
                ranges[dim] = chunk
            taken[memory.name] = taken.get(memory.name, 0) + kept_bytes(nest, arch, memory, operand_name, ranges)
            nodes.append(Keep(operand_name, memory.name))
    _pars(nodes, ranges, positions, {axis for axis, _ in arch.array.axes} - done)
    return tuple(nodes)


def _keeps(recipe: Recipe, nest: LoopNest, stage: list[Memory]) -> Iterator[tuple[Memory, str]]:
    """The keeps of a stage: by operand, outer memories of each first."""
    for name in recipe.order:
        for memory in stage:
            if nest.operand(name).role in memory.keeps:
                yield memory, name


def _pars(nodes: list[Node], ranges: dict[str, int], positions: Positions, axes: set[str]) -> None:
    for axis, dim, used in positions:
        if axis in axes:
            chunk = -(-ranges[dim] // used)
            if chunk < ranges[dim]:
                nodes.append(Par(dim, chunk, axis))
                ranges[dim] = chunk


def _fitting(
    recipe: Recipe,
    nest: LoopNest,
    arch: Accelerator,
    memory: Memory,
    operand_name: str,
    ranges: Dict[str, int],
    free: int,
    later: Positions,
) -> list[tuple[str, int]] | None:
    """The loops that make a keep fit into so many bytes: one dimension after the other, each as little as suffices, and
    down to an index for each position still to come at most."""
    operand = nest.operand(operand_name)
    weights = {dim for one in nest.inputs if one.role == "weight" for dim in one.dims}
    dims = [dim for dim, _ in nest.dims if dim in operand.dims]  # in one order, whatever the order of a set
    if operand is nest.output:
        dims.sort(key=lambda dim: (dim in weights) != recipe.weights_first)
    else:
        dims.sort(key=lambda dim: dim not in nest.reduction_dims)
    now, found = dict(ranges), list[tuple[str, int]]()

    def fits() -> bool:
        return kept_bytes(nest, arch, memory, operand_name, now) <= free

    def cut(dim: str, whole: int, least: int, number: int) -> bool:
        now[dim] = max(least, -(-whole // number))
        return fits()

    for dim in dims:
        if fits():
            return found
        least = prod(used for _, d, used in later if d == dim)
        if least >= now[dim]:
            continue
        into = partial(cut, dim, now[dim], least)  # so many chunks
        into(2 + bisect_left(range(2, -(-now[dim] // least)), True, key=into))
        found.append((dim, now[dim]))
    return found if fits() else None
