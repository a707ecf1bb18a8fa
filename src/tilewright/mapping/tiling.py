"""The tile steps of a mapping: what chunk of each dimension every iteration of its loops works on.

Dimensions are independent: the chunks of one dimension at some depth do not depend on the loops over the others. So
chunks are kept in one-dimensional tables, and an iteration is a tuple of indices into them.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from tilewright.errors import LimitError
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.workload.nest import LoopNest

IntArray = np.ndarray[Any, np.dtype[np.int64]]
BoolArray = np.ndarray[Any, np.dtype[np.bool_]]
FloatArray = np.ndarray[Any, np.dtype[np.float64]]
MOST_STEPS = 5_000_000
MOST_CHUNKS = 2**24
_ZERO = np.zeros(1, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Chunks:
    """All chunks of a dimension at some depth of its loops, in order.

    ``counter`` is the number of a chunk within its enclosing chunk. ``trips`` and ``first`` belong to the enclosing
    chunks: how many chunks each has, and the index of the first.
    """

    start: IntArray
    length: IntArray
    counter: IntArray
    trips: IntArray
    first: IntArray

    def __len__(self) -> int:
        return len(self.start)


def whole(extent: int) -> Chunks:
    """A dimension that no loop has split yet."""
    return Chunks(_ZERO, np.array([extent]), _ZERO, np.ones(1, dtype=np.int64), _ZERO)


def split(chunks: Chunks, tile: int) -> Chunks:
    """Every chunk cut into pieces of ``tile``, the last of each possibly shorter; LimitError if they are too many.

    >>> halves = split(whole(10), 6)
    >>> quarters = split(halves, 4)
    >>> quarters.start.tolist(), quarters.length.tolist(), quarters.trips.tolist()
    ([0, 4, 6], [4, 2, 4], [2, 1])
    """
    trips = -(-chunks.length // tile)
    if (total := int(trips.sum())) > MOST_CHUNKS:
        raise LimitError(f"tiles of {tile} cut a dimension into {total} chunks; at most {MOST_CHUNKS} can be evaluated")
    first = np.cumsum(trips) - trips
    parent = np.repeat(np.arange(len(chunks)), trips)
    counter = np.arange(len(parent)) - first[parent]
    length = np.minimum(tile, chunks.length[parent] - counter * tile)
    return Chunks(chunks.start[parent] + counter * tile, length, counter, trips, first)


@lru_cache(maxsize=4096)
def chunk_chain(extent: int, tiles: tuple[int, ...]) -> Chunks:
    """The chunks of a dimension below nested loops of those tiles; equal arguments give the same object."""
    return split(chunk_chain(extent, tiles[:-1]), tiles[-1]) if tiles else whole(extent)


def chunk_levels(nest: LoopNest, loops: tuple[Loop, ...]) -> tuple[dict[str, Chunks], ...]:
    """The chunks of every dimension below the first k loops, for k = 0 .. number of loops."""
    levels = [{dim: chunk_chain(extent, ()) for dim, extent in nest.dims}]
    tiles: dict[str, tuple[int, ...]] = {}
    for loop in loops:
        tiles[loop.dim] = (*tiles.get(loop.dim, ()), loop.tile)
        levels.append({**levels[-1], loop.dim: chunk_chain(nest.extents[loop.dim], tiles[loop.dim])})
    return tuple(levels)


def without_single_loops(nest: LoopNest, mapping: Mapping) -> Mapping:
    """The mapping less its loops and pars of one chunk, judged on the largest range that the dimension has there.

    >>> from tilewright.mapping.mapping import Par
    >>> nest = LoopNest((("X", 10),), ())
    >>> without_single_loops(nest, Mapping((Loop("X", 4), Par("X", 4, "k"), Loop("X", 3)))).nodes
    (Loop(dim='X', tile=4), Loop(dim='X', tile=3))
    """
    return Mapping(without_single_chunks(mapping.nodes, nest.extents))


def without_single_chunks(nodes: Sequence[Node], largest: Dict[str, int]) -> tuple[Node, ...]:
    """The same of nodes inside something whose largest ranges are known."""
    ranges = dict(largest)
    found: list[Node] = []
    for node in nodes:
        if isinstance(node, Keep):
            found.append(node)
        elif node.tile < ranges[node.dim]:
            found.append(node)
            ranges[node.dim] = node.tile
    return tuple(found)


def step_tile(nest: LoopNest, loops: tuple[Loop, ...]) -> dict[str, int]:
    """The largest range of every dimension in one tile step."""
    ranges = dict(nest.extents)
    for loop in loops:
        ranges[loop.dim] = min(ranges[loop.dim], loop.tile)
    return ranges


@dataclass(frozen=True, eq=False)
class Level:
    """The iterations of the outermost k loops, in the order in which they run.

    ``index[dim]`` is the chunk of a split dimension in each iteration; ``first_step`` and ``last_step`` are the tile
    steps (from 0) that an iteration spans.
    """

    chunks: Dict[str, Chunks]
    index: Dict[str, IntArray]
    first_step: IntArray
    last_step: IntArray

    def __len__(self) -> int:
        return len(self.first_step)

    def gather(self, dims: tuple[str, ...], table: IntArray) -> IntArray:
        """The value of each iteration in a table over the chunks of some dimensions; one value if none varies."""
        split_dims = [dim for dim in dims if dim in self.index]
        if not split_dims or table.size == 1:
            return table.reshape(-1)[:1]
        return table.reshape([len(self.chunks[dim]) for dim in split_dims])[tuple(self.index[d] for d in split_dims)]

    def product(self, tables: Dict[str, IntArray]) -> IntArray:
        """The product over dimensions of a table of each, per iteration; one value if none varies."""
        total = np.ones(1, dtype=np.int64)
        for dim, table in tables.items():
            total = total * self.gather((dim,), table)
        return total


@dataclass(frozen=True)
class Tiling:
    """A nest and the loops over it: every iteration at every depth."""

    nest: LoopNest
    loops: tuple[Loop, ...]

    @cached_property
    def chunks(self) -> tuple[dict[str, Chunks], ...]:
        return chunk_levels(self.nest, self.loops)

    @cached_property
    def steps(self) -> int:
        """T, the number of tile steps.

        >>> from tilewright.workload.nest import Axis, Operand
        >>> nest = LoopNest((("X", 10),), (Operand("output", "output", (Axis((("X", 1),), 10, 0),)),))
        >>> Tiling(nest, (Loop("X", 6), Loop("X", 4))).steps
        3
        """
        total = 1
        for chunks in self.chunks[-1].values():
            total *= len(chunks)
        return total

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The iterations below the first k loops, for k = 0 .. number of loops; LimitError if there are too many."""
        if self.steps > MOST_STEPS:
            raise LimitError(f"the mapping has {self.steps} tile steps; at most {MOST_STEPS} can be evaluated")
        index: dict[str, IntArray] = {}
        indices: list[dict[str, IntArray]] = [index]
        children: list[tuple[IntArray, IntArray]] = []
        count = 1
        for loop, chunks in zip(self.loops, self.chunks[1:], strict=True):
            table = chunks[loop.dim]
            parent = index.get(loop.dim, _ZERO if count == 1 else np.zeros(count, dtype=np.int64))
            trips = table.trips[parent]
            first = np.cumsum(trips) - trips
            count = int(trips.sum())
            outer = np.repeat(np.arange(len(trips)), trips)
            mine = table.first[parent][outer] + np.arange(count) - first[outer]
            index = {dim: values[outer] for dim, values in index.items()} | {loop.dim: mine}
            indices.append(index)
            children.append((first, trips))
        first_step = last_step = np.arange(count)
        levels = [Level(self.chunks[-1], index, first_step, last_step)]
        for k in range(len(self.loops) - 1, -1, -1):
            first, trips = children[k]
            first_step, last_step = first_step[first], last_step[first + trips - 1]
            levels.append(Level(self.chunks[k], indices[k], first_step, last_step))
        return tuple(reversed(levels))

    def last_used(self, depth: int, dims: frozenset[str]) -> int:
        """p: how many of the first ``depth`` loops stand above or are the innermost one over any of ``dims``."""
        return max((k + 1 for k in range(depth) if self.loops[k].dim in dims), default=0)


def in_all(values: IntArray, steps: int) -> int:
    """The sum over all steps; one value stands for each of them.

    >>> in_all(np.array([3]), 4), in_all(np.array([3, 5]), 2)
    (12, 8)
    """
    return int(values.sum()) * (steps if len(values) == 1 else 1)
