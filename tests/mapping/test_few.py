"""Parts without what says nothing of its own in them, and their few combinations of interest: as by trying all."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest

from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.few_kernels import below
from tilewright.mapping.optimal.fewer_kernels import fewer
from tilewright.mapping.optimal.forms import BY_STEPS, FIXED, LONGEST, ROOM, TOTAL

SLOPES, SHIFTS = np.array([0.9, 1.0, 1.0, 1.0, 1.0, 1.0]), np.array([0.1, 0.0, 0.0, 0.0, 0.0, 0.0])
ROLES = np.array([TOTAL, LONGEST, LONGEST, LONGEST, ROOM, ROOM])
CONSTANTS = np.array([-2.0, 1.0, 0.0, 0.0, 0.1, 0.0])
STARTS = np.array([0, 4, 6, 11])


def part(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Features of eleven candidates of three components, and coefficients: some features are alike, or the same for
    all, or differ by a constant."""
    logs = rng.integers(0, 4, (11, 9)) * 0.3
    logs[:, 3] = logs[:, 0]
    logs[:, 4] = logs[:, 1] + np.repeat([0.2, -0.5, 0.0], [4, 2, 5])
    logs[:, 5] = np.repeat([0.7, 0.1, -1.0], [4, 2, 5])
    coefficients = rng.integers(0, 3, (6, 9)) * rng.random((6, 9))
    coefficients[3] *= 0.01  # never the longest
    coefficients[4] *= 0.03
    coefficients[5] *= 1e-4  # room for everything
    return logs, coefficients


def objective(x: Floats, groups: tuple[Floats, Floats, Floats, Floats, Floats]) -> float:
    """The logarithm of what a combination with some features costs; infinite without room."""
    coefficients, constants, roles, slopes, shifts = groups
    sums = coefficients @ np.exp(x) + np.maximum(constants, 0.0)
    if (sums[roles == ROOM] > 1 + 1e-9).any():
        return np.inf
    values = slopes * np.log(sums) + shifts
    return float(values[roles == TOTAL].sum() + values[roles == LONGEST].max())


def columns(logs: Floats) -> Floats:
    """One feature after the other."""
    return np.ascontiguousarray(logs.T)


def combinations() -> list[tuple[int, ...]]:
    return list(product(*(range(end - begin) for begin, end in pairwise(STARTS))))


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_out_says_nothing(seed: int) -> None:
    logs, coefficients = part(np.random.default_rng(seed))
    whole = coefficients, CONSTANTS, ROLES, SLOPES, SHIFTS
    kept, stands, base, says, left, least = fewer(columns(logs), STARTS, np.full(9, FIXED), *whole)
    assert len(kept) <= 6
    assert 5 not in says
    for rows in combinations():
        x = logs[STARTS[:-1] + rows].sum(axis=0)
        own = np.where(stands >= 0, x[kept][stands], 0.0) + base
        used = stands != -2
        assert own[used] == pytest.approx(x[used], abs=1e-9)
        assert objective(x[kept], left) == pytest.approx(objective(x, whole), abs=1e-9)
        assert objective(x, whole) >= least - 1e-9


def test_groups_of_steps_in_which_something_moves_anyway_are_left_out() -> None:
    logs, coefficients = part(np.random.default_rng(1))
    coefficients[1], coefficients[2] = 0.0, 0.0
    coefficients[1, 8], coefficients[2, 0] = 5.0, 1.0
    logs[:4, 8] = -27.0
    kinds = np.full(9, FIXED)
    kinds[8] = BY_STEPS
    _, _, _, says, _, _ = fewer(columns(logs), STARTS, kinds, coefficients, CONSTANTS, ROLES, SLOPES, SHIFTS)
    assert 1 not in says
    assert 2 in says


@pytest.mark.parametrize("seed", range(20))
def test_few_combinations_are_those_of_all_below_a_limit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logs, coefficients = part(rng)
    groups = coefficients, np.maximum(CONSTANTS, 0.0), ROLES, SLOPES, SHIFTS
    costs = {rows: objective(logs[STARTS[:-1] + rows].sum(axis=0), groups) for rows in combinations()}
    finite = sorted(cost for cost in costs.values() if np.isfinite(cost))
    most = finite[len(finite) // 3] + 1e-5
    # Scores that say less than the objective of every combination.
    scores = rng.random(11)
    value = min(cost - scores[STARTS[:-1] + rows].sum() for rows, cost in costs.items())
    likely = [rows for rows in costs if value + scores[STARTS[:-1] + rows].sum() < most]
    wanted = {rows for rows, cost in costs.items() if cost < most - 1e-6}
    found = np.empty((100, 3), np.int64)
    number = below(scores, STARTS, most, len(likely), columns(logs), groups, value, found)
    listed = {(int(a), int(b), int(c)) for a, b, c in found[:number]}
    assert len(listed) == number
    assert wanted <= listed
    assert all(costs[rows] < most + 1e-6 for rows in listed)
    assert below(scores, STARTS, most, len(likely) - 1, columns(logs), groups, value, found) == -1
