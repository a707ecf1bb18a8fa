"""Closed-form costs of many tile vectors at once: what the search looks at before it evaluates exactly.

A grid is a list of tiles for each dimension that may be split; arrays have one axis per such dimension, of length 1
where nothing varies. Every dimension is split at most once, so the words an operand moves are a product over its axes
of sums over one- or two-dimensional tables (exact for ragged and clipped tiles) times the chunk counts of the loops it
does not use. Runs, array sharing and overlap in time are estimates.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from tilewright.mapping.footprint import footprint_table, fresh_table, progression, table_ranges
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import FloatArray, chunk_chain
from tilewright.workload.nest import Axis, Operand


@dataclass(frozen=True, eq=False)
class AxisTables:
    """Per combination of tiles of an axis' dimensions (index 0: not split): sum of counts over all chunks, the largest
    count, the step of the largest; sliding along a dimension, the sum of what moves and the largest increment."""

    total: FloatArray
    most: FloatArray
    step: FloatArray
    slid: dict[str, FloatArray]
    increment: dict[str, FloatArray]


def _exact(axis: Axis) -> bool:
    return axis.offset == 0 and not axis.is_window and not axis.clamp


@lru_cache(maxsize=20_000)
def _entry(axis: Axis, extents: tuple[int, ...], tiles: tuple[int, ...]) -> tuple[float, ...]:
    """(total, most, step, then per dimension slid and increment) of an axis for one tile of each dimension."""
    if axis.terms and axis.terms == ((axis.dims[0], 1),) and axis.size == extents[0] and _exact(axis):
        return (float(extents[0]), float(tiles[0]), 1.0)
    chunks = {dim: chunk_chain(e, (t,)) for dim, e, t in zip(axis.dims, extents, tiles, strict=True)}
    counts = footprint_table(axis, chunks).count
    ranges = progression(axis, table_ranges(tuple(chunks.values())))
    found = [float(counts.sum()), float(counts.max()), float(np.broadcast_to(ranges.step, counts.shape).reshape(-1)[0])]
    if axis.is_window:
        for place, dim in enumerate(axis.dims):
            fresh = fresh_table(axis, chunks, dim).count
            later = np.moveaxis(fresh, place, 0)[1:]
            found += [float(fresh.sum()), float(later.max()) if later.size else 0.0]
    return tuple(found)


class Grid:
    """A grid of tile vectors over a problem; ``tiles[dim][0]`` is the whole extent."""

    def __init__(self, problem: NestProblem, tiles: dict[str, tuple[int, ...]]) -> None:
        self.problem = problem
        self.dims = tuple(tiles)
        self.tiles = tiles
        self.shape = tuple(len(tiles[dim]) for dim in self.dims)
        extents = problem.nest.extents
        self.tile: dict[str, FloatArray] = {}
        self.chunks: dict[str, FloatArray] = {}
        for dim, extent in problem.nest.dims:
            sizes = np.array(tiles.get(dim, (extent,)), dtype=np.float64)
            self.tile[dim] = self.spread((dim,), sizes)
            self.chunks[dim] = np.ceil(extent / self.tile[dim])
        self.steps: FloatArray = np.ones((1,) * len(self.dims))
        for dim in self.dims:
            self.steps = self.steps * self.chunks[dim]
        self._extents = extents
        self._tables: dict[Axis, AxisTables] = {}

    def spread(self, dims: tuple[str, ...], table: FloatArray) -> FloatArray:
        """A table over tiles of some dimensions as an array over the grid."""
        order = [dim for dim in self.dims if dim in dims]
        kept = [place for place, dim in enumerate(dims) if dim in self.dims]
        flat = table.reshape([table.shape[place] for place in kept])
        names = [dims[place] for place in kept]
        flat = flat.transpose([names.index(dim) for dim in order])
        return flat.reshape([len(self.tiles[dim]) if dim in dims else 1 for dim in self.dims])

    def tables(self, axis: Axis) -> AxisTables:
        """The tables of an operand's axis over the grid's tiles."""
        if axis not in self._tables:
            dims = axis.dims
            extents = tuple(self._extents[dim] for dim in dims)
            lists = [self.tiles.get(dim, (self._extents[dim],)) for dim in dims]
            shape = tuple(len(one) for one in lists)
            entries = [
                _entry(axis, extents, tuple(one[i] for one, i in zip(lists, place, strict=True)))
                for place in np.ndindex(shape)
            ]
            table = np.array(entries).T
            columns = [self.spread(dims, column.reshape(shape)) for column in table]
            slid, increment = {}, {}
            if axis.is_window:
                for number, dim in enumerate(dims):
                    slid[dim], increment[dim] = columns[3 + 2 * number], columns[4 + 2 * number]
            self._tables[axis] = AxisTables(columns[0], columns[1], columns[2], slid, increment)
        return self._tables[axis]

    def below(self, array: FloatArray, above: frozenset[str]) -> FloatArray:
        """An array where dimensions outside ``above`` are not split: their first entry stands for all."""
        cut = tuple(
            slice(0, 1) if dim not in above and array.shape[place] > 1 else slice(None)
            for place, dim in enumerate(self.dims)
        )
        return array[cut]

    def product(self, dims: Iterable[str]) -> FloatArray:
        """Chunks of some dimensions together."""
        total: FloatArray = np.ones((1,) * len(self.dims))
        for dim in dims:
            total = total * self.chunks[dim]
        return total

    def words(self, operand: Operand, above: frozenset[str], last: str | None = None) -> FloatArray:
        """Elements moved into a keep below loops over ``above``, the innermost used one sliding along ``last``."""
        total = self.product(dim for dim in self.dims if dim in above and dim not in operand.dims)
        for axis in operand.axes:
            tables = self.tables(axis)
            total = total * self.below(tables.slid.get(last or "", tables.total), above)
        return total

    def footprint(self, operand: Operand, above: frozenset[str]) -> FloatArray:
        """Elements of the largest footprint at such a keep."""
        total: FloatArray = np.ones((1,) * len(self.dims))
        for axis in operand.axes:
            total = total * self.below(self.tables(axis).most, above)
        return total

    def ring(self, operand: Operand, above: frozenset[str], last: str) -> FloatArray:
        """Elements of the largest footprint and the largest increment of a window that slides along ``last``."""
        total: FloatArray = np.ones((1,) * len(self.dims))
        for axis in operand.axes:
            tables = self.tables(axis)
            extra = tables.increment.get(last, 0.0)
            total = total * self.below(np.asarray(tables.most + extra), above)
        return total

    def run(self, operand: Operand, above: frozenset[str]) -> FloatArray:
        """Elements in a run of the largest footprint's box (1 and more); whole tiles for packed weights."""
        binding = self.problem.binding[operand.name]
        if binding.packed:
            return self.footprint(operand, above)
        run: FloatArray = np.ones((1,) * len(self.dims))
        going = np.ones((1,) * len(self.dims), dtype=bool)
        for axis, stride in sorted(zip(operand.axes, binding.strides, strict=True), key=lambda pair: pair[1]):
            tables = self.tables(axis)
            count, step = self.below(tables.most, above), self.below(tables.step, above)
            going = going & ((count <= 1) | (run == stride * step))
            run = np.where(going, run * np.maximum(count, 1), run)
        return run

    def vector(self, place: int) -> dict[str, int]:
        """The tiles of one entry of the flattened grid."""
        index = np.unravel_index(place, self.shape)
        return {dim: self.tiles[dim][int(i)] for dim, i in zip(self.dims, index, strict=True)}

    @property
    def size(self) -> int:
        return prod(self.shape)
