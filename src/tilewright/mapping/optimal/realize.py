"""From a combination of chains to mappings: the loops of every segment in every order (docs/model.md, section 7)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, permutations, product

from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.optimal.structure import Structure


def segments(structure: Structure, chains: dict[str, tuple[int, ...]]) -> tuple[list[list[Loop]], list[list[Par]]]:
    """The loops in front of every item and the pars after them, one list more than there are items."""
    nest = structure.problem.nest
    loops: list[list[Loop]] = [[] for _ in range(len(structure.items) + 1)]
    pars: list[list[tuple[int, Par]]] = [[] for _ in range(len(structure.items) + 1)]
    axes = structure.problem.arch.array.axes
    for dim, extent in nest.dims:
        within = extent
        for split, tile in zip(structure.splits(dim), chains.get(dim, ()), strict=False):
            if tile < within:
                if split.axis < 0:
                    loops[split.segment].append(Loop(dim, tile))
                else:
                    pars[split.segment].append((split.axis, Par(dim, tile, axes[split.axis][0])))
            within = tile
    return loops, [[par for _, par in sorted(row, key=lambda one: one[0])] for row in pars]


def mappings(structure: Structure, chains: dict[str, tuple[int, ...]], most: int) -> tuple[list[Mapping], bool]:
    """Every mapping of a combination, at most ``most`` of them, and whether these are all.

    Mappings differ in the order of the loops of a segment. Orders that put loops used by fewer operands innermost come
    first, since they leave most in place.
    """
    found = list(islice(every_mapping(structure, chains), most + 1))
    return found[:most], len(found) <= most


def every_mapping(structure: Structure, chains: dict[str, tuple[int, ...]]) -> Iterator[Mapping]:
    """All of them, one by one."""
    loops, pars = segments(structure, chains)
    choices = [_orders(structure, k, loops) for k in range(len(loops))]
    for orders in product(*choices):
        yield Mapping(tuple(_nodes(structure, orders, pars)))


def _orders(structure: Structure, segment: int, loops: list[list[Loop]]) -> list[tuple[Loop, ...]]:
    """The orders of a segment's loops that may differ in anything."""
    own = loops[segment]
    if segment >= len(structure.items):
        return [tuple(own)]
    later = structure.operands[segment + 1 :]
    windows = {dim for axis in structure.operands[segment].axes if axis.is_window for dim in axis.dims}

    def rank(loop: Loop) -> tuple[int, int]:
        return -sum(loop.dim in one.dims for one in later), loop.dim in windows

    orders = permutations(sorted(own, key=rank))
    if segment < structure.tile_items:  # which transfers come together is decided here
        return list(orders)
    # Further in all that counts is what stands outside of the innermost loop of an operand, and which loop that is.
    left = [
        operand
        for k, operand in enumerate(structure.operands)
        if k >= segment and not any(loop.dim in operand.dims for row in loops[segment + 1 : k + 1] for loop in row)
    ]
    seen: dict[tuple[tuple[Loop, ...], ...], tuple[Loop, ...]] = {}
    for order in orders:
        seen.setdefault(tuple(_outside(order, operand.dims) for operand in left), order)
    return list(seen.values())


def _outside(order: tuple[Loop, ...], dims: frozenset[str]) -> tuple[Loop, ...]:
    """The innermost loop over some dimensions, and those outside of it in a fixed order."""
    last = max((k for k, loop in enumerate(order) if loop.dim in dims), default=-1)
    return order[last : last + 1] + tuple(sorted(order[: max(last, 0)], key=lambda loop: (loop.dim, loop.tile)))


def _nodes(structure: Structure, orders: tuple[tuple[Loop, ...], ...], pars: list[list[Par]]) -> Iterator[Node]:
    for place, item in enumerate(structure.items):
        yield from orders[place]
        yield from pars[place]
        yield Keep(item.operand, item.memory)
    yield from orders[len(structure.items)]
    yield from pars[len(structure.items)]
