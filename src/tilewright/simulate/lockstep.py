"""Positions of the array in lockstep: what of one dimension each works on at every moment of a step (docs/model.md, 2).

Dimensions do not depend on each other, so a step is a table for each of them: a row for every iteration of the
dimension's loops, a column for every position along its unrollings. The first position, which has the longest range,
decides which iterations there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.simulate.regions import Array

EVERYTHING = 1 << 30  # a place further in than any node


@dataclass(frozen=True)
class Split:
    """A loop (``positions`` 1, no axis) or an unrolling of a dimension; ``place`` is its place among the nodes."""

    place: int
    tile: int
    axis: str
    positions: int


@dataclass(frozen=True, eq=False)
class Table:
    """Ranges of a dimension, relative to the step's: ``start`` and ``length`` have one array axis for iterations and
    one for each of ``pars``. ``index`` gives for each loop listed, by its place, its counter in every iteration."""

    start: Array
    length: Array
    pars: tuple[Split, ...]
    index: dict[int, Array]

    @property
    def iterations(self) -> int:
        return int(self.start.shape[0])


def splits_of(array: Sequence[Node], largest: dict[str, int], axes: dict[str, int]) -> dict[str, tuple[Split, ...]]:
    """The loops and unrollings of each dimension, outermost first; ``largest`` are the dimensions' ranges in a step.

    No more positions are taken than an axis has: what would need more is left undone, which ``covers`` finds.
    """
    most = dict(largest)
    found: dict[str, list[Split]] = {dim: [] for dim in largest}
    for place, node in enumerate(array):
        if isinstance(node, Keep):
            continue
        if isinstance(node, Loop):
            found[node.dim].append(Split(place, node.tile, "", 1))
        elif isinstance(node, Par):
            positions = min(axes.get(node.axis, 1), -(-most[node.dim] // node.tile))
            found[node.dim].append(Split(place, node.tile, node.axis, positions))
        most[node.dim] = min(most[node.dim], node.tile)
    return {dim: tuple(splits) for dim, splits in found.items()}


def table(splits: Sequence[Split], count: int, *, below: int = EVERYTHING, upto: int = EVERYTHING) -> Table:
    """The ranges under all splits that stand above place ``below``; loops after ``upto`` are at their first chunk.

    Without ``below`` everything counts, down to single points: what is left of a range is a loop as well.

    >>> rows = table((Split(0, 2, "", 1), Split(1, 1, "x", 2)), 3)
    >>> rows.start.tolist(), rows.length.tolist()
    ([[0, 1], [2, 3]], [[1, 1], [1, 0]])
    """
    start = np.zeros(1, dtype=np.int64)
    length = np.full(1, count, dtype=np.int64)
    index: dict[int, Array] = {}
    pars: list[Split] = []
    inside = [split for split in splits if split.place < below]
    if below == EVERYTHING:
        inside.append(Split(EVERYTHING, 1, "", 1))
    for split in inside:
        if split.axis:
            chunk = np.arange(split.positions, dtype=np.int64) * split.tile
            start = start[..., None] + chunk
            length = np.clip(length[..., None] - chunk, 0, split.tile)
            pars.append(split)
        elif split.place > upto:
            length = np.minimum(length, split.tile)
        else:
            trips = -(-length.reshape(len(length), -1)[:, 0] // split.tile)
            outer = np.repeat(np.arange(len(trips)), trips)
            mine = np.arange(len(outer)) - np.repeat(np.cumsum(trips) - trips, trips)
            index = {place: values[outer] for place, values in index.items()} | {split.place: mine}
            by = (mine * split.tile).reshape(-1, *[1] * len(pars))
            start, length = start[outer] + by, np.clip(length[outer] - by, 0, split.tile)
    return Table(start, length, tuple(pars), index)


def covers(splits: Sequence[Split], count: int) -> bool:
    """Whether all positions together work on every one of so many indices exactly once."""
    points = table(splits, count)
    reached = points.start[points.length > 0]
    return len(reached) == count and len(np.unique(reached)) == count


def positions_used(splits: dict[str, tuple[Split, ...]]) -> dict[str, int]:
    """How many positions along each axis the unrollings need at most."""
    found: dict[str, int] = {}
    for split in (split for mine in splits.values() for split in mine if split.axis):
        found[split.axis] = found.get(split.axis, 1) * split.positions
    return found
