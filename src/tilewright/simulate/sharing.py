"""How many words of one operand axis cross a boundary between memories in a step (docs/model.md, sections 3 to 5).

An operand's words are a product over its axes and, as often as they come again, over the dimensions it does not use;
so each axis and each of those dimensions is counted by itself, on tables of positions in lockstep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.simulate.lockstep import Table
from tilewright.simulate.regions import Array
from tilewright.workload.nest import Axis

_CELLS = 1 << 22


@dataclass(frozen=True)
class Boundary:
    """Who shares: unrollings above place ``parent`` tell the parent's instances apart, those of the others that lie on
    ``shared`` axes fetch (or deliver) together, the rest each by itself."""

    parent: int
    shared: frozenset[str]

    def kind(self, place: int, axis: str) -> str:
        return "instance" if place < self.parent else "together" if axis in self.shared else "apart"


@dataclass(frozen=True)
class Words:
    """Counts of one axis in a step: words at all children and at the busiest one, at the parent in all its instances
    and at the busiest, the largest single footprint of a child, and how many refills of positions served apart move
    anything.

    Of a dimension that the operand does not use: how often, in the same sense.
    """

    child: int
    child_most: int
    parent: int
    parent_most: int
    held: int
    transfers: int


@dataclass(frozen=True)
class Before:
    """Where a window stood: the ranges, absolute, of its moving dimension (the axis' term ``term``), and in which
    iterations there was such a window."""

    term: int
    start: Array
    length: Array
    there: Array


def _spread(tables: Sequence[Table], arrays: Sequence[Array]) -> list[Array]:
    """Arrays over the tables' rows and columns, shaped to broadcast against each other: table after table."""
    rank = sum(table.start.ndim for table in tables)
    found, done = [], 0
    for table, array in zip(tables, arrays, strict=True):
        found.append(array.reshape((1,) * done + array.shape + (1,) * (rank - done - array.ndim)))
        done += table.start.ndim
    return found


def _progression(axis: Axis, starts: Sequence[Array], lengths: Sequence[Array]) -> tuple[Array, Array, Array, Array]:
    """First and last index and step of a footprint, padding included, and whether there is any."""
    first: Array = np.array(axis.offset, dtype=np.int64)
    last, step, long, alive = first, np.array(1), np.array(0), np.array(True)
    for (_, coefficient), start, length in zip(axis.terms, starts, lengths, strict=True):
        first = first + coefficient * start
        last = last + coefficient * (start + length - 1)
        step = np.where(length > 1, coefficient, step)
        long = long + (length > 1)
        alive = alive & (length > 0)
    return first, last, np.where(long > 1, 1, step), alive


def members(
    axis: Axis, tables: Sequence[Table], begins: Sequence[int], before: Before | None
) -> tuple[Array, Array, Array, Array]:
    """First member, number and step of what every position newly needs, and the number of all that it needs.

    ``begins`` are the starts of the step's ranges. New is what lies past the last index of the window before, if both
    have the same phase; otherwise everything.
    """
    starts = _spread(tables, [table.start + begin for table, begin in zip(tables, begins, strict=True)])
    lengths = _spread(tables, [table.length for table in tables])
    first, last, step, alive = _progression(axis, starts, lengths)
    skip = np.maximum(-(first // step), 0)
    until = (np.minimum(last, axis.size - 1) - first) // step
    whole = np.where(alive, np.maximum(until - skip + 1, 0), 0)
    if before is None:
        return first + skip * step, whole, step, whole
    moved = [table.start for table in tables]
    moved[before.term] = before.start
    shaped = _spread(tables, moved)
    starts[before.term] = shaped[before.term]
    moved[before.term] = before.length
    lengths[before.term] = _spread(tables, moved)[before.term]
    old_first, old_last, old_step, old_alive = _progression(axis, starts, lengths)
    moved[before.term] = np.broadcast_to(before.there.reshape(-1, *[1] * (before.start.ndim - 1)), before.start.shape)
    there = _spread(tables, moved)[before.term].astype(bool)
    goes_on = there & old_alive & ((first - old_first) % old_step == 0)
    skip = np.maximum(skip, np.where(goes_on, (old_last - first) // step + 1, 0))
    new = np.where(alive, np.maximum(until - skip + 1, 0), 0)
    return first + skip * step, new, step, whole


def _kinds(tables: Sequence[Table], boundary: Boundary) -> list[str]:
    found = []
    for table in tables:
        found += ["iteration", *(boundary.kind(par.place, par.axis) for par in table.pars)]
    return found


def _rows(array: Array, kinds: Sequence[str]) -> tuple[Array, tuple[int, ...], list[str]]:
    """The array with those that share in its last axis, all else in its first; the shape and kinds of the first."""
    apart = [k for k, kind in enumerate(kinds) if kind != "together"]
    together = [k for k, kind in enumerate(kinds) if kind == "together"]
    shape = tuple(array.shape[k] for k in apart)
    rows: Array = array.transpose(*apart, *together).reshape(int(np.prod(shape, dtype=np.int64)), -1)
    return rows, shape, [kinds[k] for k in apart]


def _busiest(array: Array, kinds: Sequence[str], instances: Collection[str]) -> int:
    """The largest sum over everything but the axes that tell instances apart."""
    others = tuple(k for k, kind in enumerate(kinds) if kind not in instances)
    return int(array.sum(axis=others).max(initial=0))


def axis_words(
    axis: Axis, tables: Sequence[Table], begins: Sequence[int], boundary: Boundary, before: Before | None = None
) -> Words:
    """The counts of one axis of an operand."""
    first, count, step, whole = members(axis, tables, begins, before)
    kinds = _kinds(tables, boundary)
    shape = np.broadcast_shapes(count.shape, *(array.shape for array in _spread(tables, [t.start for t in tables])))
    first, count, step, whole = (np.broadcast_to(array, shape) for array in (first, count, step, whole))
    rows, outer, kept = _rows(count, kinds)
    if rows.shape[1] == 1 or len(tables) <= 1:
        # Ranges of one dimension lie apart, so that nothing of them is shared.
        union = rows.sum(axis=1)
    else:
        marks = _marks(axis, _rows(first, kinds)[0], rows, _rows(step, kinds)[0])
        union = np.concatenate([mark.sum(axis=1) for mark in marks])
    return Words(
        child=int(count.sum()),
        child_most=_busiest(count, kinds, ("instance", "together", "apart")),
        parent=int(union.sum()),
        parent_most=_busiest(union.reshape(outer), kept, ("instance",)),
        held=int(whole.max(initial=0)),
        transfers=int((union > 0).sum()),
    )


def _marks(axis: Axis, first: Array, count: Array, step: Array) -> list[Array]:
    """For rows of progressions, which indices of the axis any of a row's has; some rows at a time."""
    at_once = max(1, _CELLS // axis.size)
    found = []
    for begin in range(0, len(count), at_once):
        some = count[begin : begin + at_once].ravel()
        row = np.repeat(np.arange(len(some)), some)
        within = np.arange(len(row)) - np.repeat(np.cumsum(some) - some, some)
        index = first[begin : begin + at_once].ravel()[row] + step[begin : begin + at_once].ravel()[row] * within
        mark = np.zeros((len(count[begin : begin + at_once]), axis.size), dtype=np.bool_)
        mark[row // count.shape[1], index] = True
        found.append(mark)
    return found


def repeat_words(table: Table, boundary: Boundary) -> Words:
    """How often a dimension that the operand does not use makes its words come again."""
    alive = (table.length > 0).astype(np.int64)
    kinds = _kinds([table], boundary)
    rows, outer, kept = _rows(alive, kinds)
    union = rows.max(axis=1)
    return Words(
        child=int(alive.sum()),
        child_most=_busiest(alive, kinds, ("instance", "together", "apart")),
        parent=int(union.sum()),
        parent_most=_busiest(union.reshape(outer), kept, ("instance",)),
        held=1,
        transfers=int(union.sum()),
    )


@dataclass(frozen=True, order=True)
class Stretch:
    """What one transfer has of an axis: how many indices, how far apart (0: unevenly), and how many stretches of
    indices that follow on each other."""

    count: int
    step: int
    stretches: int


def stretches(
    axis: Axis, tables: Sequence[Table], begins: Sequence[int], boundary: Boundary, before: Before | None = None
) -> Counter[Stretch]:
    """What every refill brings along an axis, for each position that is served apart; nothing is left out.

    >>> from tilewright.simulate.lockstep import Split, table
    >>> y = table((Split(0, 4, "x", 2), Split(1, 1, "", 1)), 8, below=2)
    >>> dict(stretches(Axis((("Y", 1),), 8, 0), [y], [0], Boundary(-1, frozenset("x"))))
    {Stretch(count=2, step=4, stretches=2): 4}
    """
    first, count, step, _ = members(axis, tables, begins, before)
    kinds = _kinds(tables, boundary)
    shape = np.broadcast_shapes(count.shape, *(array.shape for array in _spread(tables, [t.start for t in tables])))
    rows = [_rows(np.broadcast_to(array, shape), kinds)[0] for array in (first, count, step)]
    found: Counter[Stretch] = Counter()
    for mark in _marks(axis, *rows):
        for row in mark:
            indices = np.flatnonzero(row)
            if len(indices):
                found[_stretch(indices)] += 1
    return found


def _stretch(indices: Array) -> Stretch:
    apart = np.diff(indices)
    number = 1 + int((apart != 1).sum())
    even = len(apart) == 0 or bool((apart == apart[0]).all())
    return Stretch(len(indices), int(apart[0]) if len(apart) and even else int(even), number)
