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
    loops, pars = segments(structure, chains)
    choices = [list(_orders(structure, k, row)) for k, row in enumerate(loops)]
    found = [Mapping(tuple(_nodes(structure, orders, pars))) for orders in islice(product(*choices), most + 1)]
    return found[:most], len(found) <= most


def _orders(structure: Structure, segment: int, loops: list[Loop]) -> Iterator[tuple[Loop, ...]]:
    if not loops:
        yield ()
        return
    later = structure.operands[segment + 1 :]
    operand = structure.operands[segment]
    windows = {dim for axis in operand.axes if axis.is_window for dim in axis.dims}

    def rank(loop: Loop) -> tuple[int, int]:
        return -sum(loop.dim in one.dims for one in later), loop.dim in windows

    yield from permutations(sorted(loops, key=rank))


def _nodes(structure: Structure, orders: tuple[tuple[Loop, ...], ...], pars: list[list[Par]]) -> Iterator[Node]:
    for place, item in enumerate(structure.items):
        yield from orders[place]
        yield from pars[place]
        yield Keep(item.operand, item.memory)
    yield from orders[len(structure.items)]
    yield from pars[len(structure.items)]
