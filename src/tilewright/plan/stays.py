"""How long data stay in the memories below the scratchpad, step by step (docs/model.md, sections 2 and 4).

What happens within a step is the array part of a mapping, and travels in the plan as it is. A keep in it under a loop
that its operand uses is refilled by that loop, in every step. Any other keeps its content over several steps: from the
first to the last of an iteration of the innermost tile loop above it that the operand uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.tiling import without_single_chunks
from tilewright.plan.boxes import LoopLevel, LoopTree, Range, loop_tree, substitute
from tilewright.plan.expr import ONE, ZERO, Expr, at_most, equal
from tilewright.plan.plan import DimRange, Stay
from tilewright.workload.nest import LoopNest, Operand


def opening(levels: Sequence[LoopLevel]) -> Expr:
    """1 while all these loops are in their first chunk."""
    result: Expr = ONE
    for level in levels:
        result = result * equal(level.index, 0)
    return result


def closing(levels: Sequence[LoopLevel]) -> Expr:
    """1 while all these loops are in their last chunk."""
    result: Expr = ONE
    for level in levels:
        result = result * level.is_last
    return result


def array_nodes(nest: LoopNest, mapping: Mapping, scratchpad: str) -> tuple[Node, ...]:
    """The keeps of other memories above the innermost one of the scratchpad, then everything inside that; loops and
    pars of one chunk are left out."""
    place = mapping.array_place(scratchpad)
    between = [n for n in mapping.nodes[:place] if isinstance(n, Keep) and n.memory != scratchpad]
    ranges = dict(nest.dims)
    for loop in mapping.tile_loops(scratchpad):
        ranges[loop.dim] = min(loop.tile, ranges[loop.dim])
    return (*between, *without_single_chunks(mapping.nodes[place:], ranges))


def levels_above(nest: LoopNest, mapping: Mapping, keep: Keep, scratchpad: str) -> int:
    """How many tile loops stand above a keep."""
    above = mapping.nodes[: mapping.place(keep.operand, keep.memory)]
    inside = mapping.array_place(scratchpad)
    loops = [node for node in above[:inside] if isinstance(node, Loop)]
    return len(loop_tree(nest.dims, loops).levels)


def refilled_within(array: Sequence[Node], operand: Operand, memory: str) -> bool:
    """Whether a loop of the array part refills a keep in each step."""
    place = array.index(Keep(operand.name, memory))
    return any(isinstance(node, Loop) and node.dim in operand.dims for node in array[:place])


def refill_level(tree: LoopTree, operand: Operand, above: int) -> int:
    """How many of the tile loops above a keep reach down to the innermost that the operand uses; 0 if none is."""
    return max((k + 1 for k in range(above) if tree.levels[k].counter.dim in operand.dims), default=0)


def stays(nest: LoopNest, mapping: Mapping, tree: LoopTree, array: Sequence[Node], scratchpad: str) -> tuple[Stay, ...]:
    """One entry for every keep among the nodes of ``array_nodes``, in their order."""
    return tuple(
        _stay(nest, tree, array, node, levels_above(nest, mapping, node, scratchpad))
        for node in array
        if isinstance(node, Keep)
    )


def _stay(nest: LoopNest, tree: LoopTree, array: Sequence[Node], keep: Keep, above: int) -> Stay:
    operand = nest.operand(keep.operand)
    within = refilled_within(array, operand, keep.memory)
    level = above if within else refill_level(tree, operand, above)
    moving = tree.levels[level - 1] if level and not within and operand.role != "output" else None
    inside = {deeper.counter.name: ZERO for deeper in tree.levels[level:]}
    ranges = tree.ranges(above)
    slides: Expr = ZERO
    before: tuple[DimRange, ...] = ()
    if moving is not None and moving.counter.dim in _windows(operand):
        slides = at_most(1, moving.index)
        earlier = inside | {moving.counter.name: moving.index - 1}
        before = (_dim_range(moving.counter.dim, ranges[moving.counter.dim], earlier),)
    return Stay(
        operand=keep.operand,
        memory=keep.memory,
        level=level,
        begins=opening(tree.levels[level:]),
        ends=closing(tree.levels[level:]),
        zero=opening([loop for loop in tree.levels[:level] if loop.counter.dim in nest.reduction_dims]),
        ranges=tuple(_dim_range(dim, ranges[dim], inside) for dim, _ in nest.dims),
        slides=slides,
        before=before,
    )


def _windows(operand: Operand) -> frozenset[str]:
    return frozenset(dim for axis in operand.axes if axis.is_window for dim in axis.dims)


def _dim_range(dim: str, at: Range, values: dict[str, Expr]) -> DimRange:
    return DimRange(dim, substitute(at.start, values), substitute(at.count, values))


def every_step(array: Sequence[Node], ranges: tuple[DimRange, ...]) -> tuple[Stay, ...]:
    """The stays of an array part of which nothing stays from step to step."""
    keeps = [node for node in array if isinstance(node, Keep)]
    return tuple(Stay(k.operand, k.memory, 0, ONE, ONE, ONE, ranges, ZERO, ()) for k in keeps)


def adds_up_outside(arch: Accelerator, nest: LoopNest, array: Sequence[Node]) -> bool:
    """Whether a step's results are added up in the scratchpad: no memory further in holds them until they are complete
    (docs/model.md, sections 4 and 8). The vector unit has whole reductions in a step and writes what is complete."""
    if nest.work is not None:
        return False
    keeps = [k for k, node in enumerate(array) if isinstance(node, Keep) and node.operand == nest.output.name]
    if not keeps:
        return True
    above = array[: keeps[0]]
    refill = max((k for k, n in enumerate(above) if isinstance(n, Loop) and n.dim in nest.output.dims), default=-1)
    split = any(isinstance(n, Loop) and n.dim in nest.reduction_dims for n in above[: refill + 1])
    shares = any(isinstance(n, Par) and n.dim in nest.reduction_dims and n.axis not in arch.array.reduce for n in above)
    return split or shares


def largest_box(operand: Operand, tree: LoopTree, level: int) -> tuple[int, ...]:
    """Room for an operand's box below the first ``level`` tile loops, wherever it lies: indices along each axis."""
    ranges = tree.ranges(level)
    found = []
    for axis in operand.axes:
        long = [(abs(c), ranges[dim].most) for dim, c in axis.terms if ranges[dim].most > 1]
        reach = sum(c * (most - 1) for c, most in long) + 1
        # A ragged last chunk may be a single row, so that only the other dimension's holes are left out.
        found.append(min(axis.size, long[0][1] if len(long) == 1 else reach))
    return tuple(found)


def box_bytes(counts: tuple[int, ...], bits: int) -> int:
    """Bytes of a box.

    >>> box_bytes((3, 5), 4)
    8
    """
    return -(-prod(counts) * bits // 8)
