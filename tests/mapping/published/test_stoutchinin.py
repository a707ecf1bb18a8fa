"""The formulas of Stoutchinin et al.: the paper's figures, and counting on the loops themselves."""

from __future__ import annotations

from fractions import Fraction
from itertools import permutations, product

import pytest

from tilewright.mapping.published.stoutchinin import (
    ARRAYS,
    Capacity,
    Widths,
    Window,
    Windows,
    best_levels,
    buffering,
    held_bits,
    levels,
    touched,
)
from tilewright.mapping.published.stoutchinin_departures import Count, count_buffers, needed, points

ROW = [("of", 64), ("if", 64), ("sy", 224), ("sx", 224), ("fy", 3), ("fx", 3)]


def at(array: str, dim: str) -> tuple[int, int, int]:
    """F, B and T of an array at a loop of the paper's row."""
    level = next(level for level in levels(array, ROW) if level.dim == dim)
    return level.footprint, level.buffer, level.traffic


def test_the_papers_row_has_the_papers_figures() -> None:
    assert at("I", "sx") == (678, 9, 622_067_712)
    assert at("I", "sy") == (51_076, 678, 209_207_296)
    assert at("I", "of")[1:] == (3_268_864, 3_268_864)
    assert at("W", "sy") == (9, 9, 36_864)
    assert at("O", "sy")[2] == 205_520_896
    assert at("O", "if")[1:] == (50_176, 3_211_264)


def test_reuse_distances_of_the_papers_row() -> None:
    by_array = {a: {level.dim: level.distance for level in levels(a, ROW)[1:]} for a in ARRAYS}
    assert by_array["W"] == {"fx": 1, "fy": 1, "sx": 224, "sy": 224, "if": 1, "of": 1}
    assert by_array["O"] == {"fx": 3, "fy": 3, "sx": 1, "sy": 1, "if": 64, "of": 1}
    window = Fraction(3 * 224, 226)
    assert by_array["I"] == {"fx": 1, "fy": 1, "sx": window, "sy": window, "if": 1, "of": 64}


def test_the_total_counts_partial_sums_in_both_directions() -> None:
    widths = Widths(8, 8, 8, 32)
    line = buffering(ROW, (4, 4, 4), widths, Windows())
    outputs = 64 * 224 * 224
    assert line.traffic.accumulated == 2 * 32 * (205_520_896 - outputs)
    assert line.traffic.final == 8 * outputs
    assert line.traffic.total == 8 * (209_207_296 + 36_864) + line.traffic.accumulated + line.traffic.final


@pytest.mark.parametrize(("stride", "dilation"), [*product((1, 2, 3, 4, 6), (1, 2, 3))])
def test_touched_is_the_number_of_distinct_indices(stride: int, dilation: int) -> None:
    for places, taps in product(range(1, 8), range(1, 6)):
        indices = {stride * place + dilation * tap for place in range(places) for tap in range(taps)}
        assert touched(places, taps, Window(stride, dilation)) == len(indices)


@pytest.mark.parametrize("windows", [Windows(), Windows(x=Window(2)), Windows(x=Window(1, 2))])
def test_footprints_and_traffic_are_those_of_the_loops(windows: Windows) -> None:
    for order in permutations({"of": 2, "if": 2, "sx": 3, "fx": 2}.items()):
        touches = list(points(order, windows))
        for array in ARRAYS:
            inside = 1
            for level in levels(array, order, windows)[1:]:
                inside *= level.trips
                parts = [touches[k : k + inside] for k in range(0, len(touches), inside)]
                distinct = [len({point[array] for point in part}) for part in parts]
                assert (level.footprint, level.traffic) == (distinct[0], sum(distinct))


def test_buffers_are_large_enough_without_stride() -> None:
    assert count_buffers({"of": 2, "if": 2, "sy": 2, "sx": 3, "fx": 2}) == Count(120 * 3 * 5, ())
    assert count_buffers({"of": 2, "sx": 5, "fx": 4}) == Count(6 * 3 * 3, ())


def test_the_buffer_is_too_small_only_where_a_filter_loop_stands_outside_its_strided_place_loop() -> None:
    found = count_buffers({"of": 2, "if": 2, "sx": 4, "fx": 3}, Windows(x=Window(stride=2)))
    assert found.levels == 24 * 3 * 4
    assert {(array, dim) for array, _, dim in found.too_small} == {("I", "fx")}
    for _, order, _ in found.too_small:
        assert order.index("fx") < order.index("sx")


def test_a_strided_row_waits_for_the_tap_after_the_next() -> None:
    windows = Windows(x=Window(stride=2))
    for order, wanted in (
        ([("fx", 3), ("sx", 4)], 4),  # three even elements wait while odd ones pass by one at a time
        ([("fx", 5), ("sx", 4)], 6),  # even and odd ones wait
        ([("fx", 3), ("of", 2), ("sx", 4)], 7),  # the odd ones are used twice while the even ones wait
    ):
        elements = [point["I"] for point in points(order, windows)]
        assert (levels("I", order, windows)[-1].buffer, needed(elements)) == (4, wanted)


def test_levels_are_chosen_by_least_traffic_under_separate_and_shared_limits() -> None:
    order, widths = [("of", 4), ("if", 2), ("sx", 6), ("fx", 3)], Widths(8, 8, 8, 32)
    seen = [levels(array, order) for array in ARRAYS]
    for shared, each in product((None, 300, 500, 900), (None, 100, 200)):
        capacity = Capacity(shared, each, each, each)
        options = []
        for chosen in product(range(5), repeat=3):
            one = buffering(order, chosen, widths, Windows())
            room = held_bits(tuple(s[k].buffer for s, k in zip(seen, chosen, strict=True)), widths)
            if sum(room) <= (shared or 10**9) and max(room) <= (each or 10**9):
                options.append(one.traffic.total)
        best = best_levels(order, capacity, widths)
        assert best is not None
        assert best.traffic.total == min(options)
    assert best_levels(order, Capacity(shared=47), widths) is None
