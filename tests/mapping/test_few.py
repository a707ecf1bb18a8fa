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
    kept, stands, base, says, left, taken_off, least = fewer(columns(logs), STARTS, np.full(9, FIXED), *whole)
    assert len(kept) <= 6
    assert 5 not in says
    for rows in combinations():
        x = logs[STARTS[:-1] + rows].sum(axis=0)
        own = np.where(stands >= 0, x[kept][stands], 0.0) + base
        used = stands != -2
        assert own[used] == pytest.approx(x[used], abs=1e-9)
        assert objective(x[kept], left) == pytest.approx(objective(x, whole), abs=1e-9)
        assert objective(x, whole) >= least - 1e-9
    assert taken_off == pytest.approx(np.minimum(CONSTANTS[says], 0.0))


def test_groups_of_steps_in_which_something_moves_anyway_are_left_out() -> None:
    logs, coefficients = part(np.random.default_rng(1))
    coefficients[1], coefficients[2] = 0.0, 0.0
    coefficients[1, 8], coefficients[2, 0] = 5.0, 1.0
    logs[:4, 8] = -27.0
    kinds = np.full(9, FIXED)
    kinds[8] = BY_STEPS
    _, _, _, says, _, _, _ = fewer(columns(logs), STARTS, kinds, coefficients, CONSTANTS, ROLES, SLOPES, SHIFTS)
    assert 1 not in says
    assert 2 in says


SHAPES = {"three": (4, 2, 5), "one": (11,), "two": (3, 8), "blocks": (2, 28, 33), "no pairs": (2, 40, 41)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(10))
def test_few_combinations_are_those_of_all_below_a_limit(seed: int, shape: str) -> None:
    rng, sizes = np.random.default_rng(seed), SHAPES[shape]
    starts = np.concatenate([[0], np.cumsum(sizes)])
    logs = rng.integers(0, 4, (starts[-1], 9)) * 0.3
    _, coefficients = part(rng)
    coefficients[4] *= 0.3
    constants = np.where(np.arange(6) == 1, -1.0, np.maximum(CONSTANTS, 0.0))  # something is taken off
    every = np.array(list(product(*(range(size) for size in sizes))))
    raised = np.exp(sum(logs[begin + every[:, c]] for c, begin in enumerate(starts[:-1])))
    sums = raised @ coefficients.T + constants
    fits = (sums[:, ROLES == ROOM] <= 1 + 1e-9).all(axis=1)
    assert fits.any()
    products = sums[:, ROLES == TOTAL].prod(axis=1) * sums[:, ROLES == LONGEST].max(axis=1)
    costs = np.where(fits, np.log(np.maximum(products, 1e-300)), np.inf)
    most = np.sort(costs)[min(len(costs) - 1, int(fits.sum()) // 3)] + 1e-5
    # Scores that say less than the objective of every combination.
    scores = rng.random(starts[-1])
    total = sum(scores[begin + every[:, c]] for c, begin in enumerate(starts[:-1]))
    value = float((costs - total).min())
    likely = int((value + total < most).sum())
    wanted = {tuple(rows) for rows in every[costs < most - 1e-6].tolist()}
    possible = {tuple(rows) for rows in every[costs < most + 1e-6].tolist()}
    groups = coefficients, constants, ROLES
    found = np.empty((len(every), len(sizes)), np.int64)
    number = below(scores, starts, most, likely, columns(logs), groups, value, found)
    listed = {tuple(rows) for rows in found[:number].tolist()}
    assert len(listed) == number
    assert wanted <= listed <= possible
    assert below(scores, starts, most, likely - 1, columns(logs), groups, value, found) == -1
