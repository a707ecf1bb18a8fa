"""Tiles worth trying: nearest ones by definition, and quickly where a dimension is huge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tilewright
from tilewright.errors import LimitError
from tilewright.mapping.floor import touched_indices
from tilewright.mapping.nests import default_problem
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiles import all_tiles, coarse_tiles, near_tiles
from tilewright.mapping.tiling import chunk_chain
from tilewright.workload.nest import Axis


def product(rows: int) -> NestProblem:
    arch = tilewright.load_arch("mobile-npu")
    return default_problem(tilewright.gemm(M=rows, N=2, K=2), arch, arch.layout)


@given(st.integers(1, 3000), st.data())
def test_near_tiles_stand_around_the_closest_one(rows: int, data: st.DataObject) -> None:
    problem = product(rows)
    tiles = all_tiles(problem, "M")
    tile, reach = data.draw(st.integers(1, rows)), data.draw(st.integers(0, 3))
    place = min(range(len(tiles)), key=lambda k: abs(tiles[k] - tile))
    expected = {tile, rows, *tiles[max(0, place - reach) : place + reach + 1]}
    assert near_tiles(problem, "M", tile, reach) == tuple(sorted(expected, reverse=True))


@given(st.integers(1, 3000), st.integers(2, 9))
def test_coarse_tiles_are_few_tiles_from_1_to_the_whole(rows: int, most: int) -> None:
    problem = product(rows)
    found = coarse_tiles(problem, "M", most)
    assert set(found) <= set(all_tiles(problem, "M"))
    assert found[0] == rows
    assert found[-1] == 1
    assert len(found) <= max(most, 2)


def test_tiles_of_a_huge_dimension_are_found_without_listing_them_all() -> None:
    problem = product(10**9 + 7)
    assert len(coarse_tiles(problem, "M", 2000)) > 100


@pytest.mark.parametrize("coefficient", [1, 2, 3])
def test_touched_indices_of_one_dimension_are_counted_without_listing_them(coefficient: int) -> None:
    for offset in range(-7, 8):
        for size in range(1, 8):
            for extent in range(1, 8):
                listed = offset + coefficient * np.arange(extent)
                axis = Axis((("Y", coefficient),), size, 0, offset=offset)
                assert touched_indices(axis, {"Y": extent}) == ((listed >= 0) & (listed < size)).sum()


def test_windows_too_many_to_be_listed_are_counted_too_low() -> None:
    axis = Axis((("Y", 2), ("R", 1)), 2 * 10**12, 0, offset=-1)
    assert 10**12 - 1 <= touched_indices(axis, {"Y": 10**12, "R": 3}) <= 2 * 10**12


def test_a_dimension_is_not_cut_into_more_chunks_than_memory_holds() -> None:
    with pytest.raises(LimitError, match="10000000000 chunks"):
        chunk_chain(10**10, (1,))
