"""Boxes as arrays over dimensions, against indices worked out point by point."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tilewright.plan.step import Region
from tilewright.simulate.geometry import MissingHaloError, clipped, expand, touched
from tilewright.simulate.regions import Segment, locate, overlap
from tilewright.workload.nest import Axis, Operand

RangeTable = dict[str, tuple[int, int]]


@st.composite
def windows(draw: st.DrawFn) -> tuple[Axis, RangeTable]:
    terms = [("Y", draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        terms.append(("R", draw(st.integers(1, 3))))
    axis = Axis(tuple(terms), draw(st.integers(1, 12)), 0, offset=draw(st.integers(-4, 4)))
    return axis, {dim: (draw(st.integers(0, 3)), draw(st.integers(1, 4))) for dim, _ in terms}


def indices(axis: Axis, ranges: RangeTable) -> dict[tuple[int, ...], int]:
    """The index that each point touches."""
    spans = [range(start, start + count) for start, count in (ranges[d] for d in axis.dims)]
    return {
        point: axis.offset + sum(c * i for (_, c), i in zip(axis.terms, point, strict=True))
        for point in product(*spans)
    }


@given(windows())
def test_what_a_tile_touches_is_a_progression_that_holds_every_index(case: tuple[Axis, RangeTable]) -> None:
    axis, ranges = case
    wanted = set(indices(axis, ranges).values())
    first, count, step = touched(axis, ranges)
    found = {first + step * j for j in range(count)}
    assert wanted <= found
    assert (min(found), max(found)) == (min(wanted), max(wanted))
    first, count, step = clipped(axis, ranges)
    assert {first + step * j for j in range(count)} == {i for i in found if 0 <= i < axis.size}


@given(windows(), st.data())
def test_an_operand_over_its_dimensions_reads_the_element_of_each_point(
    case: tuple[Axis, RangeTable], data: st.DataObject
) -> None:
    axis, ranges = case
    first, count, step = clipped(axis, ranges)
    if step == 1 and count:  # a box may hold more than the tile needs
        below = data.draw(st.integers(0, first))
        first, count = first - below, count + below
        count += data.draw(st.integers(0, axis.size - first - count))
    operand = Operand("x", "input", (axis, Axis((), 1, 1)))
    box = 100.0 + first + step * np.arange(count).reshape(count, 1)
    grid = expand(operand, box, (first, 0), (step, 1), ranges, fill=-1.0)
    assert grid.dims == axis.dims
    starts = [ranges[d][0] for d in axis.dims]
    for point, index in indices(axis, ranges).items():
        place = tuple(i - s for i, s in zip(point, starts, strict=True))
        assert grid.values[place] == (100.0 + index if 0 <= index < axis.size else -1.0)


@given(windows(), st.booleans())
def test_a_box_that_lacks_an_index_is_refused(case: tuple[Axis, RangeTable], at_the_end: bool) -> None:
    axis, ranges = case
    first, count, step = clipped(axis, ranges)
    assume(count > 0)
    gone = first + (count - 1) * step if at_the_end else first
    assume(gone in indices(axis, ranges).values())
    start = first if at_the_end else first + step
    with pytest.raises(MissingHaloError, match="operand 'x' is touched at"):
        expand(Operand("x", "input", (axis,)), np.zeros(count - 1), (start,), (step,), ranges)


@st.composite
def regions(draw: st.DrawFn) -> tuple[Region, tuple[int, ...]]:
    counts = (draw(st.integers(1, 4)), draw(st.integers(1, 3)))
    if draw(st.booleans()):
        return Region("b", draw(st.integers(0, 5)), (counts[1] + draw(st.integers(0, 2)), 1)), counts
    length, step = draw(st.integers(4, 7)), draw(st.integers(1, 2))
    ring = Region("b", 0, (counts[1], 1), 0, draw(st.integers(0, length - 1)), length, step)
    return ring, counts


def cells(region: Region, counts: tuple[int, ...], width: int) -> dict[tuple[int, ...], set[int]]:
    """The cells of each element of a box, from the definition of a region."""
    found = {}
    for place in product(*(range(c) for c in counts)):
        at = region.base
        for axis, j in enumerate(place):
            if axis == region.ring_axis:
                j = (region.ring_start + region.ring_step * j) % region.ring_length
            at += j * region.strides[axis]
        found[place] = set(range(7 + at * width, 7 + (at + 1) * width))
    return found


def listed(segment: Segment, width: int) -> dict[tuple[int, ...], set[int]]:
    found = {}
    for place in product(*(range(c) for c in segment.counts)):
        at = segment.first + sum(j * s for j, s in zip(place, segment.strides, strict=True))
        inside = tuple(j + (segment.start if k == segment.axis else 0) for k, j in enumerate(place))
        found[inside] = set(range(at, at + width))
    return found


@given(regions(), st.sampled_from([1, 4]))
def test_segments_are_the_cells_of_their_region(case: tuple[Region, tuple[int, ...]], width: int) -> None:
    region, counts = case
    found: dict[tuple[int, ...], set[int]] = {}
    for segment in locate(region, counts, 8 * width, 8, 7):
        part = listed(segment, width)
        assert segment.first == min(map(min, part.values()))
        assert segment.end == max(map(max, part.values())) + 1
        found |= part
    assert found == cells(region, counts, width)


@given(regions(), regions())
def test_boxes_overlap_exactly_if_they_have_a_cell_in_common(
    left: tuple[Region, tuple[int, ...]], right: tuple[Region, tuple[int, ...]]
) -> None:
    a, b = (set().union(*cells(*case, width).values()) for case, width in ((left, 1), (right, 4)))
    pieces = locate(*left, 8, 8, 7), locate(*right, 32, 8, 7)
    assert overlap(*pieces, 1, 4) == bool(a & b)
