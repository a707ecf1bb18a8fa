"""Which tile sizes of a dimension are worth trying."""

from __future__ import annotations

from bisect import bisect_left
from functools import lru_cache
from operator import neg

from tilewright.mapping.problem import NestProblem

CLOSE = 4


@lru_cache(maxsize=4096)
def balanced_tiles(extent: int) -> tuple[int, ...]:
    """The least tile for each number of chunks, largest first: any other tile makes as many chunks with more room.

    >>> balanced_tiles(10)
    (10, 5, 4, 3, 2, 1)
    """
    found = []
    tile = extent
    while tile >= 1:
        found.append(tile)
        chunks = -(-extent // tile)
        # The next tile must make more chunks; with tile - 1 it makes ceil(extent / (tile - 1)) of them.
        if tile == 1:
            break
        chunks = -(-extent // (tile - 1))
        tile = -(-extent // chunks)
    return tuple(found)


def array_multiples(problem: NestProblem, dim: str) -> tuple[int, ...]:
    """Sizes of array axes, and their products, that may unroll a dimension."""
    sizes = [size for axis, size in problem.arch.array.axes if problem.arch.array.may_unroll(axis, dim) and size > 1]
    products = {1}
    for size in sizes:
        products |= {one * size for one in products}
    return tuple(sorted(products - {1}))


def all_tiles(problem: NestProblem, dim: str) -> tuple[int, ...]:
    """Balanced tiles and multiples of the array's axes, largest first."""
    extent = problem.nest.extents[dim]
    return _with_multiples(extent, array_multiples(problem, dim) if problem.nest.work is None else ())


@lru_cache(maxsize=256)
def _with_multiples(extent: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    tiles = set(balanced_tiles(extent))
    for size in sizes:
        tiles |= {-(-tile // size) * size for tile in balanced_tiles(extent)}
    return tuple(sorted((tile for tile in tiles if tile <= extent), reverse=True))


def coarse_tiles(problem: NestProblem, dim: str, most: int) -> tuple[int, ...]:
    """At most ``most`` tiles of a dimension, evenly spread by ratio; the whole extent first, 1 among them."""
    tiles = all_tiles(problem, dim)
    if len(tiles) <= most:
        return tiles
    ratio = tiles[0] ** (1 / (most - 1))
    chosen = {tiles[0], 1}
    preferred = array_multiples(problem, dim) if problem.nest.work is None else ()
    for k in range(1, most - 1):
        wanted = tiles[0] / ratio**k
        place = bisect_left(tiles, -wanted, key=neg)
        around = tiles[max(0, place - CLOSE) : place + CLOSE]
        near = sorted(around, key=lambda tile: abs(tile / wanted - 1) if tile > wanted else wanted / tile - 1)
        # Among close ones prefer a multiple of the array's axes.
        close = [tile for tile in near[:CLOSE] if 0.8 < tile / wanted < 1.25]
        chosen.add(next((tile for size in reversed(preferred) for tile in close if tile % size == 0), near[0]))
    return tuple(sorted(chosen, reverse=True))


def near_tiles(problem: NestProblem, dim: str, tile: int, reach: int) -> tuple[int, ...]:
    """The tiles next to one, ``reach`` on either side; the whole extent first."""
    tiles = all_tiles(problem, dim)
    after = bisect_left(tiles, -tile, key=neg)
    place = min(range(max(0, after - 1), min(after + 1, len(tiles))), key=lambda k: abs(tiles[k] - tile))
    near = set(tiles[max(0, place - reach) : place + reach + 1]) | {tile, tiles[0]}
    return tuple(sorted(near, reverse=True))
