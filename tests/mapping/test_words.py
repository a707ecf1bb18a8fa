"""Tables of one axis or dimension count what sets of indices hold, position by position."""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.errors import LimitError
from tilewright.mapping.footprint import Span
from tilewright.mapping.lattice import APART, EACH, FIRST, OWN, PARS, SHARED, SUM, Cuts, lattice
from tilewright.mapping.words import (
    _listed,
    _united,
    axis_unions,
    axis_words,
    counted_unions,
    first_turns,
    largest_footprint,
    turns,
)
from tilewright.workload.nest import Axis

Draw = st.DrawFn
Moment = tuple[tuple[int, ...], tuple[int, ...]]


@st.composite
def cuts_of(draw: Draw, extent: int) -> Cuts:
    """Loops that stay apart, then loops and pars in any order, then first chunks among pars."""
    tiles = st.integers(1, max(1, extent))
    outer = [(EACH, draw(tiles)) for _ in range(draw(st.integers(0, 2)))]
    middle = [(draw(st.sampled_from((SUM, OWN, SHARED, APART))), draw(tiles)) for _ in range(draw(st.integers(0, 3)))]
    inner = [(draw(st.sampled_from((FIRST, SHARED, APART))), draw(tiles)) for _ in range(draw(st.integers(0, 2)))]
    return (*outer, *middle, *inner)


def ranges_by_moment(extent: int, cuts: Cuts) -> dict[Moment, range]:
    """The range of every position that has one at every moment: keys are (chunk numbers, position numbers)."""
    found: dict[Moment, range] = {((), ()): range(extent)}
    for kind, tile in cuts:
        pieces = {
            key: [range(a, min(a + tile, whole.stop)) for a in range(whole.start, whole.stop, tile)]
            for key, whole in found.items()
        }
        if kind == FIRST:
            found = {key: mine[0] for key, mine in pieces.items()}
        elif kind in PARS:
            found = {(t, (*p, n)): piece for (t, p), mine in pieces.items() for n, piece in enumerate(mine)}
        else:
            found = {((*t, n), p): piece for (t, p), mine in pieces.items() for n, piece in enumerate(mine)}
    return found


def split_positions(cuts: Cuts, place: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Position numbers by the kind of their par: own, apart, shared."""
    kinds = [kind for kind, _ in cuts if kind in PARS]
    own, apart, shared = (tuple(n for k, n in zip(kinds, place, strict=True) if k == w) for w in (OWN, APART, SHARED))
    return own, apart, shared


@given(st.data())
def test_a_lattice_holds_the_range_of_every_position_at_every_moment(data: st.DataObject) -> None:
    extent = data.draw(st.integers(1, 12))
    cuts = data.draw(cuts_of(extent))
    moments = ranges_by_moment(extent, cuts)
    grid = lattice(extent, cuts)
    order = sorted({times for times, _ in moments})
    assert len(grid) == len(order)
    seen = {
        (order[index[0]], index[1:]): range(start, start + length)
        for index, start, length in (
            (index, int(grid.start[index]), int(grid.length[index])) for index in np.ndindex(*grid.start.shape)
        )
        if length
    }
    assert seen == moments
    for k, owner in enumerate(grid.owner):
        outer = sorted({times[:k] for times in order})
        assert [outer[index] for index in owner] == [times[:k] for times in order]


def windows(draw: Draw) -> tuple[Axis, tuple[int, int]]:
    stride, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    extents = (draw(st.integers(1, 7)), draw(st.integers(1, 4)))
    return Axis((("Y", stride), ("R", dilation)), draw(st.integers(1, 16)), 0, draw(st.integers(-4, 1))), extents


def needed(axis: Axis, ranges: list[range]) -> set[int]:
    """In-bounds indices, with holes where both dimensions are longer than one (docs/model.md, section 3)."""
    hit = [axis.offset + sum(c * v for (_, c), v in zip(axis.terms, vs, strict=True)) for vs in product(*ranges)]
    if sum(len(values) > 1 for values in ranges) > 1:
        hit = list(range(min(hit), max(hit) + 1))
    return {index for index in hit if 0 <= index < axis.size}


def stretches(indices: set[int]) -> int:
    return sum(index - 1 not in indices for index in indices)


@settings(max_examples=200)
@given(st.data())
def test_words_of_an_axis_are_unions_over_positions_served_together(data: st.DataObject) -> None:
    axis, extents = data.draw(st.composite(windows)())
    cuts = tuple(data.draw(cuts_of(extent)) for extent in extents)
    moments = [ranges_by_moment(extent, cut) for extent, cut in zip(extents, cuts, strict=True)]
    together: dict[object, set[int]] = {}
    alone: dict[object, int] = {}
    largest = 0
    for chosen in product(*(list(mine.items()) for mine in moments)):
        times = tuple(key[0] for key, _ in chosen)
        steps = tuple(t[: sum(k == EACH for k, _ in cut)] for t, cut in zip(times, cuts, strict=True))
        places = [split_positions(cut, key[1]) for cut, (key, _) in zip(cuts, chosen, strict=True)]
        own, apart = tuple(p[0] for p in places), tuple(p[1] for p in places)
        words = needed(axis, [values for _, values in chosen])
        together.setdefault((steps, own, times, apart), set()).update(words)
        alone[steps, own] = alone.get((steps, own), 0) + len(words)
        largest = max(largest, len(words))
    parent = dict.fromkeys(alone, 0)
    for (steps, own, *_), union in together.items():  # type: ignore[misc]
        parent[steps, own] += len(union)
    found = axis_words(axis, extents, cuts)
    # Tables are in the order of chunks and positions; idle instances have nothing.
    assert sorted(found.parent[found.parent > 0].tolist()) == sorted(n for n in parent.values() if n)
    assert sorted(found.child[found.child > 0].tolist()) == sorted(n for n in alone.values() if n)
    assert int(found.parent.sum()) == sum(parent.values())
    assert largest_footprint(axis, extents, cuts) == largest
    kinds = sorted((len(union), stretches(union)) for union in together.values() if union)
    counted = counted_unions(axis, extents, cuts, None)
    assert sorted(kind for kind, times in counted for _ in range(int(times.sum()))) == kinds
    unions = axis_unions(axis, extents, cuts, None)
    assert int(unions.count.sum()) == sum(parent.values())


@given(st.data())
def test_unions_by_intervals_equal_unions_by_marks(data: st.DataObject) -> None:
    rows, places = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    size = 20

    def draw_array(least: int, most: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        values = data.draw(st.lists(st.integers(least, most), min_size=rows * places, max_size=rows * places))
        return np.array(values).reshape(rows, places)

    start, count = draw_array(0, size - 1), draw_array(0, 6)
    step = draw_array(1, 3) if data.draw(st.booleans()) else np.full_like(start, data.draw(st.integers(1, 3)))
    count = np.minimum(count, (size - 1 - start) // step + 1)
    span = Span(start, count, step)
    axis = Axis((("Y", 1),), size, 0)
    found, marked = _united(axis, span), _listed(size, span)
    expected = [
        {s + k * d for s, c, d in zip(*row, strict=True) for k in range(c)}
        for row in zip(start.tolist(), count.tolist(), step.tolist(), strict=True)
    ]
    for union in (found, marked):
        assert union.count.tolist() == [len(indices) for indices in expected]
        assert union.stretches.tolist() == [stretches(indices) for indices in expected]


@given(st.data())
def test_turns_count_iterations_and_the_positions_that_take_part(data: st.DataObject) -> None:
    extent = data.draw(st.integers(1, 12))
    cuts = data.draw(cuts_of(extent))
    moments = ranges_by_moment(extent, cuts)
    served = {(t, *split_positions(cuts, p)[:2]) for t, p in moments}
    found = turns(extent, cuts)
    assert int(found.parent.sum()) == len(served)
    assert int(found.child.sum()) == len(moments)
    loops = [kind for kind, _ in cuts if kind in (EACH, SUM)]
    steps = sum(kind == EACH for kind in loops)
    for free in range(len(loops) + 1):
        begun = [t for t in {times for times, _ in moments} if not any(t[free:])]
        per_step = first_turns(extent, cuts, free)
        assert int(per_step.sum()) == len(begun)
        assert len(per_step) == len({times[:steps] for times, _ in moments})


def test_chunks_that_cannot_be_listed_are_refused() -> None:
    with pytest.raises(LimitError, match="chunks of a dimension"):
        lattice(10**9, ((SUM, 1),))
    rows = Axis((("Y", 1), ("R", 1)), 10**4, 0)
    with pytest.raises(LimitError, match="refills and positions"):
        axis_words(rows, (10**4, 10**4), (((SUM, 1),), ((SUM, 1),)))
    assert prod(lattice(8, ((SUM, 2), (OWN, 1))).start.shape) == 8
