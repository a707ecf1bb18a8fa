"""Formulas against the exact model over every order, tiling and depth of small nests."""

from __future__ import annotations

import pytest

import tilewright as tw
from tilewright.mapping.nests import conv2d, gemm
from tilewright.mapping.published.stoutchinin_departures import (
    CAUSES,
    PADDING,
    RAGGED,
    WINDOW,
    Departure,
    every_keep,
)
from tilewright.workload.nest import LoopNest

FLAT = tw.load_arch("flat-64k")


def compared(nest: LoopNest, **tiles: tuple[int, ...]) -> list[Departure]:
    return list(every_keep(nest, FLAT, tiles))


@pytest.mark.parametrize(
    ("nest", "tiles"),
    [
        (conv2d(K=2, C=2, Y=1, X=6, S=3), {"K": (1,), "C": (1,), "X": (1, 2, 3), "S": (1, 3)}),
        (conv2d(K=1, C=2, Y=3, X=4, R=2, S=3), {"C": (1,), "Y": (1,), "X": (2,), "R": (1, 2)}),
        (conv2d(K=2, C=1, Y=1, X=4, S=3, N=2, G=2), {"K": (1,), "N": (1,), "G": (1,), "X": (2,)}),
        (conv2d(K=2, C=2, Y=1, X=6, S=1, stride=2), {"K": (1,), "C": (1,), "X": (1, 2)}),
        (gemm(M=4, N=3, K=6), {"M": (1, 2), "N": (1,), "K": (2, 3)}),
    ],
)
def test_without_a_cause_both_models_agree(nest: LoopNest, tiles: dict[str, tuple[int, ...]]) -> None:
    found = compared(nest, **tiles)
    assert len(found) > 50
    assert {one.causes for one in found} == {()}
    assert not [one for one in found if one.differs]


def test_every_difference_has_a_cause() -> None:
    nests = [
        (conv2d(K=2, C=1, Y=1, X=6, S=3, stride=2, pad=(0, 1)), {"K": (1,), "X": (1, 2, 4), "S": (1, 2, 3)}),
        (conv2d(K=2, C=2, Y=1, X=6, S=3, dilation=2), {"K": (1,), "C": (1,), "X": (1, 3), "S": (1, 3)}),
        (conv2d(K=2, C=1, Y=1, X=5, S=4, stride=3), {"K": (1,), "X": (1, 2, 5), "S": (1, 2)}),
    ]
    differing = [one for nest, tiles in nests for one in compared(nest, **tiles) if one.differs]
    assert all(one.causes for one in differing)
    assert {cause for one in differing for cause in one.causes} == set(CAUSES)


def test_padding_and_ragged_tiles_only_make_the_formulas_pessimistic() -> None:
    padded = compared(conv2d(K=2, C=1, Y=1, X=6, S=3, pad=(0, 1)), K=(1,), X=(1, 2, 3), S=(1, 3))
    ragged = compared(conv2d(K=3, C=1, Y=1, X=7, S=3), K=(2,), X=(2, 3), S=(2,))
    for found, cause in ((padded, PADDING), (ragged, RAGGED)):
        assert {one.causes for one in found} <= {(cause,), ()}
        assert any(one.differs for one in found)
        assert all(one.formula_buffer >= one.exact_buffer and one.formula_bytes >= one.exact_bytes for one in found)


def test_a_window_that_does_not_stay_only_makes_the_formulas_optimistic() -> None:
    strided = compared(conv2d(K=2, C=1, Y=1, X=6, S=3, stride=2), K=(1,), X=(1, 2, 3, 6), S=(1, 3))
    found = [one for one in strided if one.differs]
    assert found
    assert {(one.operand, one.causes) for one in found} == {("input", (WINDOW,))}
    assert all(one.formula_bytes < one.exact_bytes for one in found)
