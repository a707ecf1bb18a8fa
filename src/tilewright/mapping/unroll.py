"""The direct unrolling: which dimensions the axes of the array run in parallel, for one step tile.

The documented stand-in until unrollings are searched: every axis takes at most one dimension, one dimension may lie
on several axes, and the assignment with the fewest compute steps for the largest tile wins; then the one that uses
fewer positions; then the first in the order of axes and dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from functools import lru_cache
from itertools import product
from math import prod

from tilewright.arch.accelerator import Array
from tilewright.mapping.homes import PASS
from tilewright.mapping.mapping import Par
from tilewright.mapping.problem import NestProblem


def direct_unrolling(problem: NestProblem, tile: Dict[str, int]) -> tuple[Par, ...]:
    """The ``Par`` nodes for a step tile, in the order of the axes; none for operators of the vector unit.

    ``tile`` gives the largest range of every dimension in a step. A split over an axis of size n takes chunks of
    ``ceil(range / n)``.
    """
    nest = problem.nest
    if nest.work is not None:
        return ()
    dims = tuple((dim, tile[dim]) for dim, _ in nest.dims if dim not in nest.whole and dim != PASS)
    return _unroll(problem.arch.array, dims)


def assignments(array: Array, dims: tuple[str, ...]) -> tuple[tuple[str | None, ...], ...]:
    """Every choice of one dimension, or none, for each axis, in order of preference among equals."""
    choices = [
        (*(dim for dim in dims if array.may_unroll(axis, dim)), None) if size > 1 else (None,)
        for axis, size in array.axes
    ]
    return tuple(product(*choices))


@lru_cache(maxsize=4096)
def _unroll(array: Array, tile: tuple[tuple[str, int], ...]) -> tuple[Par, ...]:
    ranges = dict(tile)
    best: tuple[int, int] | None = None
    chosen: tuple[Par, ...] = ()
    for assignment in assignments(array, tuple(dim for dim, length in tile if length > 1)):
        pars = _pars(array, assignment, ranges)
        left = ranges | {par.dim: par.tile for par in pars}
        key = (prod(left.values()), positions(pars, ranges))
        if best is None or key < best:
            best, chosen = key, pars
    return chosen


def _pars(array: Array, assignment: tuple[str | None, ...], tile: Dict[str, int]) -> tuple[Par, ...]:
    ranges = dict(tile)
    found = []
    for (axis, size), dim in zip(array.axes, assignment, strict=True):
        if dim is None or ranges[dim] == 1:
            continue
        chunk = -(-ranges[dim] // size)
        found.append(Par(dim, chunk, axis))
        ranges[dim] = chunk
    return tuple(found)


def positions(pars: tuple[Par, ...], tile: Dict[str, int]) -> int:
    """Positions of the array that work on a tile.

    >>> positions((Par("K", 2, "rows"), Par("C", 3, "columns")), {"K": 7, "C": 6})
    8
    """
    ranges = dict(tile)
    total = 1
    for par in pars:
        total *= -(-ranges[par.dim] // par.tile)
        ranges[par.dim] = min(par.tile, ranges[par.dim])
    return total
