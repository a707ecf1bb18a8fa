"""Fixed schedules are points of the selection's space, costed alike, and never better than it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tilewright.mapping.published.stoutchinin import Widths, Window, Windows
from tilewright.mapping.published.stoutchinin_fixed import SCHEDULES, best_fixed, every_tile, held_of, untiled
from tilewright.mapping.published.stoutchinin_search import least_traffic
from tilewright.mapping.published.stoutchinin_space import (
    Combination,
    Shape,
    Store,
    box,
    held,
    on_one_chain,
    rooms_of,
    traffic_of,
)

SHAPES = [
    Shape(box(of=8, if_=6, sy=4, sx=6, fy=3, fx=3)),
    Shape(box(of=4, if_=4, sy=4, sx=4, fy=3, fx=3), Windows(Window(2), Window(2))),
    Shape(box(g=6, sy=6, sx=6, fy=3, fx=3)),
    Shape(box(b=4, of=6, if_=8)),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_fixed_schedule_is_the_best_of_its_tiles_and_no_better_than_the_selection(
    shape: Shape, schedule: str
) -> None:
    tiles = every_tile(shape)
    rows = [part for boxes in SCHEDULES[schedule](shape, tiles) for part in zip(*boxes, strict=True)]
    combinations = {Combination(*(tuple(map(int, one)) for one in row)) for row in rows}
    assert all(on_one_chain(one) for one in combinations)
    for size, doubled in product((3, 12, 40, 130, 400, 2000), (False, True)):
        store = Store(size, granule_bytes=2, doubled=doubled, widths=Widths(8, 8, 8, 16))
        costs = [
            traffic_of(shape, one, store.widths).total
            for one in combinations
            if store.takes(rooms_of(shape, one, store))
        ]
        found, free = best_fixed(shape, store, schedule), least_traffic(shape, store)
        if found is None:
            assert doubled or not costs
            continue
        assert free is not None
        assert store.takes(found.rooms)
        # Two buffers of a sliding window are counted in full here; the selection knows when less will do.
        assert found.traffic.total >= min(costs) if doubled else found.traffic.total == min(costs)
        assert free.traffic.total <= found.traffic.total


def test_footprints_of_many_boxes_are_those_of_each() -> None:
    shape = SHAPES[1]
    tiles = every_tile(shape)
    for array in "IWO":
        one_by_one = [held(shape, array, tuple(map(int, tile))) for tile in tiles]
        assert np.array_equal(held_of(shape, array, tiles), one_by_one)


def test_the_untiled_row_needs_many_times_the_traffic() -> None:
    shape, store = Shape(box(of=64, if_=64, sy=224, sx=224, fy=3, fx=3)), Store(64 * 1024)
    row, free = untiled(shape, store), least_traffic(shape, store)
    assert row is not None
    assert free is not None
    assert row.traffic.total > 14 * free.traffic.total
