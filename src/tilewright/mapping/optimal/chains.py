"""Every way to split one dimension at its places in a structure (docs/model.md, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, Constraints
from tilewright.mapping.optimal.structure import Split

WALKED, LEFT_OUT = 1, 3  # modes of ``kernels.chain_counts``
IntTable = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@lru_cache(maxsize=4096)
def divisors(number: int) -> tuple[int, ...]:
    """Divisors, largest first.

    >>> divisors(12)
    (12, 6, 4, 3, 2, 1)
    """
    return tuple(d for d in range(number, 0, -1) if number % d == 0)


@lru_cache(maxsize=4096)
def quotients(number: int, most: int) -> tuple[int, ...]:
    """``ceil(number / n)`` for n from 1 to ``most``, largest first, each once.

    >>> quotients(10, 4)
    (10, 5, 4, 3)
    """
    return tuple(sorted({-(-number // n) for n in range(1, most + 1)}, reverse=True))


@lru_cache(maxsize=4096)
def every_tile(chunk: int, split: Split) -> tuple[int, ...]:
    """The tiles of the whole space at a place, the chunk itself (no split) first."""
    if split.axis >= 0:
        return quotients(chunk, split.positions)
    return tuple(range(chunk, 0, -1)) if split.any_tile else divisors(chunk)


@lru_cache(maxsize=4096)
def even_tiles(chunk: int, split: Split) -> tuple[int, ...]:
    """A part of the space that is quick to search and usually holds the optimum: tiles that divide their chunk, or
    that are the smallest to make as few chunks."""
    if split.axis >= 0:
        return quotients(chunk, split.positions)
    if not split.any_tile:
        return divisors(chunk)
    return tuple(sorted({*divisors(chunk), *quotients(chunk, 16)}, reverse=True))


@lru_cache(maxsize=4096)
def whole_tiles(chunk: int, split: Split) -> tuple[int, ...]:
    """Tiles that divide their chunk, where there are some: what bounds say of them is nearer to what they cost."""
    found = divisors(chunk)
    return found if split.axis < 0 and len(found) > 2 else even_tiles(chunk, split)


@lru_cache(maxsize=4096)
def few_tiles(chunk: int, split: Split) -> tuple[int, ...]:
    """Fewer still, for a first good mapping: tiles a ratio apart, and positions in even shares of an axis."""
    if split.axis >= 0:
        shares = {*divisors(split.positions), min(chunk, split.positions)}
        return tuple(sorted({-(-chunk // n) for n in shares}, reverse=True))
    options = even_tiles(chunk, split)
    if len(options) <= 5:
        return options
    ratio = chunk ** (1 / 4)
    return tuple(sorted({min(options, key=lambda t: abs(t - chunk / ratio**k)) for k in range(5)}, reverse=True))


@lru_cache(maxsize=4096)
def fewer_tiles(chunk: int, split: Split) -> tuple[int, ...]:
    """Still fewer, where components have many dimensions: short dimensions are split whole or not at all."""
    if split.axis >= 0:
        shares = {1, split.positions, min(chunk, split.positions)}
        return tuple(sorted({-(-chunk // n) for n in shares}, reverse=True))
    if chunk <= 8:
        return tuple(sorted({chunk, 1}, reverse=True))
    return few_tiles(chunk, split)[::2] if chunk > 16 else few_tiles(chunk, split)


@dataclass(frozen=True)
class Choice:
    """Which tiles are tried at a place, how many loops a dimension may have in all, and what chains have to be like."""

    name: str
    tiles: Callable[[int, Split], tuple[int, ...]]
    most_loops: int = 99
    constraints: Constraints = UNCONSTRAINED
    lean: bool = False  # leave out what ``undominated_chains`` leaves out, where only bytes and rooms count
    most_cycles: float = float("inf")  # leave out what takes longer to compute, whatever other dimensions do
    given: tuple[tuple[str, int, int], ...] = ()  # dimension, segment and tile of loops that are not to be chosen
    spread: tuple[tuple[str, int, int], ...] = ()  # dimension, axis and the positions that it takes

    def tiles_of(self, dim: str) -> Callable[[int, Split], tuple[int, ...]]:
        """The tiles that are tried of a dimension: those that are asked for as well."""
        wanted = self.constraints.tiles(dim)
        given = {segment: tile for name, segment, tile in self.given if name == dim}
        if given:
            return lambda chunk, split: (
                (given[split.segment],) if split.axis < 0 and split.segment in given else self.tiles(chunk, split)
            )

        def with_wanted(chunk: int, split: Split) -> tuple[int, ...]:
            options = set(self.tiles(chunk, split))
            options |= {t for t in wanted if t < chunk and t in every_tile(chunk, split)}
            return tuple(sorted(options, reverse=True))

        return with_wanted if wanted else self.tiles


def chains(
    extent: int, splits: tuple[Split, ...], tiles: Callable[[int, Split], tuple[int, ...]], most_loops: int = 99
) -> IntTable:
    """One row per chain, one column per place: the tile there, equal to the range above it where nothing is split.

    >>> chains(4, (Split(0, -1, 0, False), Split(1, 0, 2, False)), every_tile).tolist()
    [[4, 4], [4, 2], [2, 2], [2, 1], [1, 1]]
    """
    table = np.zeros((1, 0), dtype=np.int64)
    ranges = np.array([extent], dtype=np.int64)
    loops = np.zeros(1, dtype=np.int64)
    for split in splits:
        options = [tiles(int(chunk), split) for chunk in ranges]
        repeats = [len(option) for option in options]
        chosen = np.fromiter((tile for option in options for tile in option), dtype=np.int64, count=sum(repeats))
        table = np.hstack([np.repeat(table, repeats, axis=0), chosen[:, None]])
        loops = np.repeat(loops, repeats) + ((chosen < np.repeat(ranges, repeats)) if split.axis < 0 else 0)
        table, ranges, loops = table[loops <= most_loops], chosen[loops <= most_loops], loops[loops <= most_loops]
    return np.ascontiguousarray(table)


@lru_cache(maxsize=256)
def undominated_chains(
    extent: int, splits: tuple[Split, ...], tiles: Callable[[int, Split], tuple[int, ...]]
) -> IntTable:
    """The chains of loops that no other one equals or beats in everything that bytes and rooms depend on, for a
    dimension that is alone on every axis: how many chunks are walked down to every place, how long they are, and
    whether there is a loop at all.

    >>> splits = (Split(0, -1, 0, True),)
    >>> undominated_chains(10, splits, every_tile).tolist()     # one chunk, 2, 3, 4, 5 and 10 of them
    [[10], [5], [4], [3], [2], [1]]
    """
    from tilewright.mapping.optimal.branch_kernels import undominated
    from tilewright.mapping.optimal.kernels import chain_counts

    table = chains(extent, splits, tiles)
    full = np.ascontiguousarray(np.hstack([table, np.ones((len(table), 1), dtype=np.int64)]))
    above = np.hstack([np.full((len(table), 1), extent), table[:, :-1]])
    columns = [table.astype(np.float64), (table < above).astype(np.float64)]
    for place in range(len(splits)):
        walked = np.empty((len(table), 1))
        modes = np.array([[WALKED] * (place + 1) + [LEFT_OUT] * (len(splits) - place)])
        chain_counts(extent, full, modes, np.array([0]), walked)
        columns.append(walked)
    values = np.hstack(columns)
    order = np.argsort(values.sum(axis=1), kind="stable")
    return np.ascontiguousarray(table[np.sort(order[undominated(np.ascontiguousarray(values[order]))])])


@lru_cache(maxsize=4096)
def chain_number(
    extent: int, splits: tuple[tuple[int, bool], ...], tiles: Callable[[int, Split], tuple[int, ...]]
) -> int:
    """How many chains ``chains`` would list, without listing them (loops not limited). ``splits`` are the positions of
    every place (0: a loop), and whether it takes any tile: nothing else counts."""
    ranges = {extent: 1}
    for positions, any_tile in splits:
        place = Split(0, 0 if positions else -1, positions, any_tile)
        inner: dict[int, int] = {}
        for chunk, number in ranges.items():
            for tile in tiles(chunk, place):
                inner[tile] = inner.get(tile, 0) + number
        ranges = inner
    return sum(ranges.values())


FEW = Choice("few", few_tiles, 2)
FEWER = Choice("fewer", fewer_tiles, 2)
WHOLE = Choice("whole", whole_tiles)
EVEN = Choice("even", even_tiles)
EVERY = Choice("every", every_tile)
