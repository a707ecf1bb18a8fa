"""Words along one axis of an operand that a memory hands to positions, or gets from them (docs/model.md, 4 and 5).

Positions served together get the union of what each needs; positions served one by one, and instances of the memory
itself, get their own. All tables are sums within a tile step, indexed by the tile loops' chunks of the axis'
dimensions and then by the parent's instances.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod

import numpy as np

from tilewright.errors import LimitError
from tilewright.mapping.footprint import Progression, Span, clip, fresh, progression
from tilewright.mapping.lattice import APART, LOOPS, OWN, SHARED, Cuts, Lattice, each, group_starts, lattice, par_axes
from tilewright.mapping.tiling import MOST_CHUNKS, IntArray
from tilewright.workload.nest import Axis

TABLES_KEPT = 2048


@dataclass(frozen=True, eq=False)
class Served:
    """One factor of a count: words (of an axis) or turns (of a dimension that the operand does not use).

    The last axis of a table counts the parent's instances, those before it chunks of tile loops. ``parent`` counts
    what the parent reads or gets, ``child`` what all positions below it receive or give, ``busiest`` (without the last
    axis) the most that any one of them does.
    """

    parent: IntArray
    child: IntArray
    busiest: IntArray

    @cached_property
    def moved(self) -> int:
        """The parent's sum over the whole nest."""
        return int(self.parent.sum())

    @cached_property
    def received(self) -> int:
        """The positions' sum over the whole nest."""
        return int(self.child.sum())

    @cached_property
    def all_instances(self) -> IntArray:
        """The sum over the parent's instances."""
        found: IntArray = self.parent.sum(axis=-1)
        return found

    @cached_property
    def busiest_instance(self) -> IntArray:
        """The most of any of the parent's instances."""
        found: IntArray = self.parent.max(axis=-1)
        return found

    @cached_property
    def totals(self) -> tuple[int, int, int, int, int]:
        """Sums over the whole nest: of the parent, of all positions, the most of any of the parent's instances and of
        any position, the parent's first instance."""
        busiest = (self.busiest_instance, self.busiest, self.first_instance)
        return (self.moved, self.received, *(int(table.sum()) for table in busiest))  # type: ignore[return-value]

    @cached_property
    def first_instance(self) -> IntArray:
        """The parent's first instance alone."""
        return self.parent[..., 0]


@dataclass(frozen=True, eq=False)
class Unions:
    """Per refill, instance and position served by itself: indices that move, and stretches of consecutive ones."""

    count: IntArray
    stretches: IntArray


def axis_words(axis: Axis, extents: tuple[int, ...], cuts: tuple[Cuts, ...], slide: int | None = None) -> Served:
    """The words along an axis, its dimensions cut as ``cuts`` say; ``slide`` is the place of the dimension whose
    innermost loop moves a window, so that only what the chunk before lacked is new.

    Two positions in lockstep, each with two of four rows of an output, a 3-row filter: four of the six input rows are
    needed by both.

    >>> from tilewright.mapping.lattice import SUM
    >>> rows = Axis((("Y", 1), ("R", 1)), 6, 2)
    >>> words = axis_words(rows, (4, 3), (((SHARED, 2),), ()))
    >>> words.parent.tolist(), words.child.tolist()
    ([[[6]]], [[[8]]])
    """
    return _axis_words(axis, extents, cuts, slide)


@lru_cache(maxsize=TABLES_KEPT)
def _axis_words(axis: Axis, extents: tuple[int, ...], cuts: tuple[Cuts, ...], slide: int | None) -> Served:
    grids = [lattice(extent, cut) for extent, cut in zip(extents, cuts, strict=True)]
    span = _arranged(axis, grids, cuts, slide)
    return _served(_united(axis, span).count, span.count, grids, cuts)


def _served(joint: IntArray, single: IntArray, grids: list[Lattice], cuts: tuple[Cuts, ...]) -> Served:
    """Sums over a tile step of what is served at once (axes: chunks, instances, positions apart), and of what every
    position gets of it (one axis more, positions together)."""
    return Served(
        _in_steps(joint.sum(axis=-1), grids, cuts),
        _in_steps(single.sum(axis=(-1, -2)), grids, cuts),
        _in_steps(single, grids, cuts).max(axis=(-1, -2, -3)),
    )


@lru_cache(maxsize=TABLES_KEPT)
def axis_unions(axis: Axis, extents: tuple[int, ...], cuts: tuple[Cuts, ...], slide: int | None) -> Unions:
    """The sets of indices behind ``axis_words``: axes are chunks of every dimension's loops, instances, positions
    served by themselves."""
    grids = [lattice(extent, cut) for extent, cut in zip(extents, cuts, strict=True)]
    return _united(axis, _arranged(axis, grids, cuts, slide))


@lru_cache(maxsize=TABLES_KEPT)
def largest_footprint(axis: Axis, extents: tuple[int, ...], cuts: tuple[Cuts, ...]) -> int:
    """The most indices that any position needs along an axis at any time."""
    grids = [lattice(extent, cut) for extent, cut in zip(extents, cuts, strict=True)]
    return int(_arranged(axis, grids, cuts, None).count.max())


@lru_cache(maxsize=TABLES_KEPT)
def turns(extent: int, cuts: Cuts) -> Served:
    """How often a dimension that an operand does not use makes it move: iterations, times positions that take part.

    Positions served together take part as soon as the first of them does.
    """
    grid = lattice(extent, cuts)
    active = (grid.length > 0).astype(np.int64)
    arranged = _by_kind(active, [par_axes(cuts)])
    return _served(arranged[..., 0], arranged, [grid], (cuts,))


@lru_cache(maxsize=TABLES_KEPT)
def first_turns(extent: int, cuts: Cuts, free: int) -> IntArray:
    """Per tile chunk the iterations in which all loops but the outermost ``free`` ones stand at their first chunk."""
    grid = lattice(extent, cuts)
    loops = [k for k, (kind, _) in enumerate(cuts) if kind in LOOPS]
    outer = lattice(extent, cuts[: loops[free]]) if free < len(loops) else grid
    here, there = (g.start.reshape(len(g), -1)[:, 0] for g in (grid, outer))
    at_first = (here == there[grid.owner[free]]).astype(np.int64) if free < len(loops) else np.ones_like(here)
    return _in_steps(at_first[:, None], [grid], (cuts,))[..., 0]


@lru_cache(maxsize=TABLES_KEPT)
def counted_unions(
    axis: Axis, extents: tuple[int, ...], cuts: tuple[Cuts, ...], slide: int | None
) -> tuple[tuple[tuple[int, int], IntArray], ...]:
    """The different (count, stretches) of an axis' unions, each with how often it occurs per tile chunks."""
    grids = [lattice(extent, cut) for extent, cut in zip(extents, cuts, strict=True)]
    unions = axis_unions(axis, extents, cuts, slide)
    pairs = np.stack([unions.count.reshape(-1), unions.stretches.reshape(-1)])
    kinds, which = np.unique(pairs, axis=1, return_inverse=True)
    which = which.reshape(unions.count.shape)
    return tuple(
        ((count, stretches), _in_steps((which == k).sum(axis=-1), grids, cuts).sum(axis=-1))
        for k, (count, stretches) in enumerate(kinds.T.tolist())
        if count
    )


def _arranged(axis: Axis, grids: list[Lattice], cuts: tuple[Cuts, ...], slide: int | None) -> Span:
    """What every position needs (or newly needs) along an axis, idle ones nothing. Axes of the arrays: the chunks of
    every dimension, instances, positions apart, positions together."""
    dims = [grid.start.ndim for grid in grids]
    shapes = [[1] * sum(dims[:k]) + list(g.start.shape) + [1] * sum(dims[k + 1 :]) for k, g in enumerate(grids)]
    whole = tuple(size for grid in grids for size in grid.start.shape)
    if prod(whole) > MOST_CHUNKS:
        raise LimitError(
            f"an operand's axis has {prod(whole)} refills and positions; at most {MOST_CHUNKS} can be counted"
        )
    ranges = [(g.start.reshape(s), np.maximum(g.length, 1).reshape(s)) for g, s in zip(grids, shapes, strict=True)]
    now = progression(axis, ranges)
    span = clip(axis, now)
    if slide is not None:
        span = _fresh(axis, now, span, ranges, slide, grids[slide], sum(dims[:slide]))
    count = np.broadcast_to(span.count, whole)
    for grid, shape in zip(grids, shapes, strict=True):
        count = count * (grid.length > 0).reshape(shape)
    kinds = [par_axes(cut) for cut in cuts]

    def arranged(values: IntArray) -> IntArray:
        return _by_kind(np.broadcast_to(values, whole), kinds)

    return Span(arranged(span.start), arranged(count), arranged(span.step))


def _fresh(
    axis: Axis,
    now: Progression,
    held: Span,
    ranges: list[tuple[IntArray, IntArray]],
    slide: int,
    grid: Lattice,
    place: int,
) -> Span:
    """What a window along one dimension brings that the chunk before lacked; everything at the start of a sweep."""
    start, length = ranges[slide]
    shifted = list(ranges)
    shifted[slide] = (np.roll(start, 1, axis=place), np.roll(length, 1, axis=place))
    new = fresh(axis, now, progression(axis, shifted))
    begins = (grid.counter == 0).reshape([-1 if k == place else 1 for k in range(start.ndim)])
    return Span(np.where(begins, held.start, new.start), np.where(begins, held.count, new.count), held.step)


def _by_kind(values: IntArray, kinds: list[tuple[str, ...]]) -> IntArray:
    """An array over (chunks, pars...) of every dimension as one over (chunks of each, instances, apart, together)."""
    chunks, pars = [], []
    place = 0
    for mine in kinds:
        chunks.append(place)
        pars += [(kind, place + 1 + k) for k, kind in enumerate(mine)]
        place += 1 + len(mine)
    order = chunks + [at for kind in (OWN, APART, SHARED) for k, at in pars if k == kind]
    sizes = [values.shape[at] for at in chunks]
    sizes += [prod(values.shape[at] for k, at in pars if k == kind) for kind in (OWN, APART, SHARED)]
    return values.transpose(order).reshape(sizes)


def _in_steps(values: IntArray, grids: list[Lattice], cuts: tuple[Cuts, ...]) -> IntArray:
    """Sums over the chunks that lie in one chunk of the loops that stay apart."""
    for place, (grid, cut) in enumerate(zip(grids, cuts, strict=True)):
        apart = each(cut)
        if sum(kind in LOOPS for kind, _ in cut) > apart:
            values = np.add.reduceat(values, group_starts(grid.owner[apart]), axis=place)
    return values


def _united(axis: Axis, span: Span) -> Unions:
    """The union of spans along the last axis of the arrays: its size, and its stretches of consecutive indices."""
    if span.count.shape[-1] == 1:
        count = span.count[..., 0]
        return Unions(count, np.where((span.step[..., 0] > 1) & (count > 1), count, np.minimum(count, 1)))
    long = span.count > 1
    steps = np.unique(span.step[long])
    if len(steps) <= 1:
        step = int(steps[0]) if len(steps) else 1
        there = span.count > 0
        phase = np.where(there, span.start % step, -1)
        least = np.where(there, phase, step).min(axis=-1, keepdims=True)
        if step == 1 or bool((~there | (phase == least)).all()):
            union = _intervals(np.where(there, span.start // step, 0), span.count)
            if step == 1:
                return union
            return Unions(union.count, union.count)
    return _listed(axis.size, span)


def _intervals(start: IntArray, count: IntArray) -> Unions:
    """The union of runs of consecutive numbers; where a run has none its start does not matter.

    >>> union = _intervals(np.array([[0, 2, 6]]), np.array([[3, 3, 2]]))
    >>> union.count.tolist(), union.stretches.tolist()
    ([7], [2])
    """
    far = np.iinfo(np.int64).max // 4
    order = np.argsort(np.where(count > 0, start, far), axis=-1, kind="stable")
    begin, size = np.take_along_axis(start, order, -1), np.take_along_axis(count, order, -1)
    end = np.where(size > 0, begin + size, -far)
    before = np.full_like(end, -far)
    before[..., 1:] = np.maximum.accumulate(end, axis=-1)[..., :-1]
    new = np.where(size > 0, np.maximum(0, end - np.maximum(begin, before)), 0)
    return Unions(new.sum(axis=-1), ((size > 0) & (begin > before)).sum(axis=-1))


def _listed(size: int, span: Span) -> Unions:
    """Any union, by marking its indices; in slices of rows, so that the marks stay few."""
    rows = span.count.reshape(-1, span.count.shape[-1])
    start, step = span.start.reshape(rows.shape), span.step.reshape(rows.shape)
    count, stretches = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    most = max(1, MOST_CHUNKS // (size + 1))
    for begin in range(0, len(rows), most):
        part = slice(begin, begin + most)
        marks = np.zeros((len(rows[part]), size + 1), dtype=bool)
        left = rows[part]
        for k in range(int(left.max())):
            row, column = np.nonzero(left > k)
            marks[row, start[part][row, column] + k * step[part][row, column]] = True
        count[part] = marks.sum(axis=1)
        # The mark before index 0 and the one past the end are never set.
        stretches[part] = (marks[:, 1:] > marks[:, :-1]).sum(axis=1) + marks[:, 0]
    shape = span.count.shape[:-1]
    return Unions(count.reshape(shape), stretches.reshape(shape))
