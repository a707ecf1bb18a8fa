"""The selection against every order, every tiling and every choice of levels, one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, product

import pytest

from tilewright.errors import UsageError
from tilewright.mapping.nests import conv2d, gemm
from tilewright.mapping.published.stoutchinin import (
    ARRAYS,
    DIMS,
    Capacity,
    Trip,
    Widths,
    Window,
    Windows,
    best_levels,
    levels,
)
from tilewright.mapping.published.stoutchinin_search import in_order, least_traffic, number_below
from tilewright.mapping.published.stoutchinin_space import (
    Combination,
    Shape,
    Store,
    box,
    divisors,
    faithful,
    on_one_chain,
    rooms_of,
    shape_of,
    traffic_of,
)

WIDTHS = Widths(8, 8, 8, 32)
SHAPES = {
    "3x3": Shape(box(of=2, if_=2, sy=2, sx=2, fy=3, fx=2)),
    "tiled": Shape(box(of=4, if_=2, sx=6, fx=3)),
    "stride": Shape(box(of=2, if_=4, sx=4, fx=3), Windows(x=Window(2))),
    "stride over taps": Shape(box(of=2, sx=4, fx=4), Windows(x=Window(3))),
    "dilation": Shape(box(if_=2, of=3, sy=4, fy=3), Windows(y=Window(1, 2))),
    "batch": Shape(box(b=4, of=2, if_=3, sx=4)),
    "groups": Shape(box(g=3, sx=4, sy=2, fx=3)),
}


def orders(extents: dict[str, int]) -> Iterator[list[Trip]]:
    """Every sequence of loops, outermost first, whose trip counts multiply to the extents."""
    if all(extent == 1 for extent in extents.values()):
        yield []
    for dim, extent in extents.items():
        for trips in divisors(extent)[1:]:
            for rest in orders({**extents, dim: extent // trips}):
                yield [(dim, trips), *rest]


def least(shape: Shape, capacities: list[Capacity]) -> list[int | None]:
    """Least traffic for each capacity, by the formulas alone; levels of an array that others beat are left out."""
    options: set[tuple[tuple[int, int, int], int]] = set()
    for order in orders(dict(zip(DIMS, shape.extents, strict=True))):
        seen = []
        for array in ARRAYS:
            traffic: dict[int, int] = {}
            for level in levels(array, order, shape.windows):
                traffic[level.buffer] = min(level.traffic, traffic.get(level.buffer, level.traffic))
            seen.append(tuple(traffic.items()))
        for i, w, o in product(*seen):
            outputs = shape.elements["O"]
            total = 8 * (i[1] + w[1] + outputs) + 2 * 32 * (o[1] - outputs)
            options.add(((8 * i[0], 8 * w[0], 32 * o[0]), total))
    return [min((total for rooms, total in options if capacity.takes(rooms)), default=None) for capacity in capacities]


@pytest.mark.parametrize("name", SHAPES)
def test_no_order_tiling_and_levels_move_less_than_the_selection(name: str) -> None:
    shape = SHAPES[name]
    shared = (5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 33, 40, 50, 60, 80, 100, 150, None)
    stores = [Store(size, widths=WIDTHS) for size in shared]
    stores += [Store(None, i, w, 4 * o, WIDTHS) for i, w, o in product((1, 3, 6), (1, 4), (1, 2, 4))]
    bits = [
        [
            None if limit is None else 8 * limit
            for limit in (s.shared_bytes, s.input_bytes, s.weight_bytes, s.output_bytes)
        ]
        for s in stores
    ]
    for store, expected in zip(stores, least(shape, [Capacity(*limits) for limits in bits]), strict=True):
        found = least_traffic(shape, store)
        assert (None if found is None else found.traffic.total) == expected, store


def test_the_selection_is_no_worse_than_the_best_levels_of_the_papers_row() -> None:
    row = [("of", 64), ("if", 64), ("sy", 224), ("sx", 224), ("fy", 3), ("fx", 3)]
    shape = Shape(box(of=64, if_=64, sy=224, sx=224, fy=3, fx=3))
    for size in (1024, 16 * 1024, 512 * 1024):
        fixed, free = best_levels(row, Capacity(shared=8 * size)), least_traffic(shape, Store(size))
        assert fixed is not None
        assert free is not None
        assert free.traffic.total < fixed.traffic.total


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_combinations_come_in_order_and_are_what_the_formulas_say(name: str, doubled: bool) -> None:
    shape, store = SHAPES[name], Store(60, widths=WIDTHS, granule_bytes=4, doubled=doubled)
    some = list(islice(in_order(shape, store), 200))
    keys = [(one.traffic.total, sum(one.rooms)) for one in some]
    assert keys == sorted(keys)
    assert len(some) > 1
    for one in some:
        assert on_one_chain(one.combination)
        assert store.takes(one.rooms)
        assert one.traffic == traffic_of(shape, one.combination, WIDTHS)
        assert one.rooms == rooms_of(shape, one.combination, store)


def test_the_number_of_better_combinations_is_that_of_the_list() -> None:
    shape, store = SHAPES["stride"], Store(30, widths=WIDTHS)
    some = list(in_order(shape, store))
    for bound in {one.traffic.total for one in some}:
        assert number_below(shape, store, bound) == sum(one.traffic.total < bound for one in some)


def test_windows_that_stay_are_those_that_are_left_when_asked_for() -> None:
    for name, shape in SHAPES.items():
        store = Store(40, widths=WIDTHS)
        every = {one.combination for one in in_order(shape, store)}
        staying = {one.combination for one in in_order(shape, store, staying=True)}
        assert staying == {one for one in every if faithful(shape, one)}
        assert (staying < every) == (name in {"stride", "stride over taps", "dilation"})


def test_two_buffers_where_an_array_comes_in_parts() -> None:
    shape = Shape(box(of=4, if_=3, sx=8, fx=3))
    slide = Combination(box(of=4, sx=2, fx=3), box(of=4, sx=8, fx=3), box(of=4, if_=3, sx=8, fx=3), box(of=2, sx=2))
    single, double = Store(None), Store(None, doubled=True)
    assert rooms_of(shape, slide, single) == (4, 36, 4 * 4)
    # One channel of three slides, so two windows; weights come once; two tiles of partial sums.
    assert rooms_of(shape, slide, double) == (2 * 4, 36, 2 * 4 * 4)
    once = replace(slide, input=box(of=4, if_=3, sx=2, fx=3), after=box(of=4, if_=3, sx=8, fx=3))
    assert rooms_of(shape, once, double)[0] == 3 * (4 + 2)
    for size in range(20, 120, 7):
        found = [least_traffic(shape, Store(size, doubled=doubled)) for doubled in (False, True)]
        least = [10**9 if one is None else one.traffic.total for one in found]
        assert least[0] <= least[1]


def test_nests_are_read_as_the_papers_loops() -> None:
    one_row = shape_of(conv2d(K=4, C=3, Y=1, X=5, R=3, S=1, N=2, G=7, stride=(2, 3)))
    assert one_row.extents == (7, 2, 4, 3, 1, 5, 3, 1)
    assert one_row.windows == Windows(Window(2), Window(3))
    assert shape_of(gemm(M=3, N=4, K=5, B=2)).extents == (2, 3, 4, 5, 1, 1, 1, 1)


def test_a_nest_that_is_no_convolution_is_refused_in_a_sentence() -> None:
    from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork

    axis = Axis((("A", 1),), 4, 0)
    operands = (Operand("input", "input", (axis,)), Operand("output", "output", (axis,)))
    with pytest.raises(UsageError, match="convolutions and matrix products"):
        shape_of(LoopNest((("A", 4),), operands, work=VectorWork("map")))
