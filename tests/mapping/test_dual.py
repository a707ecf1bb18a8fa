"""Tangents reach what mixtures of candidates cost at best, where that is known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.dual_kernels import dual
from tilewright.mapping.optimal.forms import LONGEST, ROOM, TOTAL

ROWS = np.array([[0.0, 2.0], [2.0, 0.0], [2.5, 2.5], [2.0, 1.9]])  # logarithms of two features


def bound(
    groups: list[list[float]],
    roles: list[int],
    start: Floats | None = None,
    rows: Floats = ROWS,
    ends: tuple[int, ...] = (0, 4),
    mix: Floats | None = None,
) -> tuple[float, Floats, Floats, Floats]:
    """The bound, its scores, the point where it touches, and the mixture there."""
    point = np.full(2, np.nan) if start is None else start.copy()
    weights = np.zeros(len(rows)) if mix is None else mix
    n = len(roles)
    found, scores, _ = dual(
        np.ascontiguousarray(rows.T), np.array(ends), np.array(groups), np.zeros(n), np.array(roles), np.ones(n),
        np.zeros(n), np.array([np.ones(n), np.zeros(n)]), point, weights, 60, 8, np.inf,
    )  # fmt: skip
    return found, scores, point, weights


@pytest.mark.parametrize(
    ("groups", "roles", "best"),
    [
        ([[1, 1]], [TOTAL], 1 + np.log(2)),  # half of each of the first two: e + e
        ([[1, 0], [0, 1]], [LONGEST, LONGEST], 1.0),  # where both are as long
        ([[1, 0], [0, 1]], [TOTAL, TOTAL], 2.0),  # a product of the two: on the whole line between them
        # The first feature has to stay below e^0.5: a quarter of the second row, three of the first.
        ([[1, 1], [np.exp(-0.5), 0]], [TOTAL, ROOM], np.log(np.exp(0.5) + np.exp(1.5))),
        ([[0, 1], [np.exp(-0.5), 0]], [LONGEST, ROOM], 1.5),
        ([[1, 1], [1, 0], [0, 2]], [TOTAL, LONGEST, LONGEST], None),
    ],
)
def test_the_best_mixture_is_reached(groups: list[list[float]], roles: list[int], best: float | None) -> None:
    found, scores, _, _ = bound(groups, roles)
    if best is None:  # by trying all mixtures of the first two
        shares = np.linspace(0, 1, 20001)[:, None]
        logs = np.log(np.exp(shares * ROWS[0] + (1 - shares) * ROWS[1]) @ np.array(groups).T)
        best = float((logs[:, 0] + logs[:, 1:].max(axis=1)).min())
    assert found <= best + 1e-9
    assert found >= best - 0.02
    assert (scores >= -1e-12).all()
    assert scores.min() == pytest.approx(0.0, abs=1e-12)


def test_what_has_no_room_has_no_bound_below_anything() -> None:
    found, _, _, _ = bound([[1, 1], [np.exp(1.0), 0], [0, np.exp(1.0)]], [TOTAL, ROOM, ROOM])
    assert found > 100


def test_components_share_a_room() -> None:
    # Two components of the same rows: together their first features may come to e^2, so half of each component.
    rows = np.concatenate([ROWS, ROWS])
    found, _, _, _ = bound([[0, 1], [np.exp(-2.0), 0]], [TOTAL, ROOM], rows=rows, ends=(0, 4, 8))
    assert found == pytest.approx(2.0, abs=0.02)


def test_a_part_goes_on_where_the_whole_stopped() -> None:
    groups, roles = [[1, 1], [np.exp(-0.5), 0]], [TOTAL, ROOM]
    whole, _, point, mix = bound(groups, roles)
    part, _, _, _ = bound(groups, roles, start=point, rows=ROWS[[0, 2, 3]], ends=(0, 3), mix=mix[[0, 2, 3]].copy())
    best = np.log(1 + np.exp(2.0))  # the first row alone: the others that are left have more of both together
    assert whole < part
    assert part == pytest.approx(best, abs=0.02)
    assert part <= best + 1e-9
