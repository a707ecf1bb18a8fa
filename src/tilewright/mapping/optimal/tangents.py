"""The best tangent of a case: what every combination of its candidates costs at least, as a sum of one score each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.forms import LONGEST, ROOM, TINY, TOTAL, Relaxed

ROUNDS, STEPS = 60, 8
ALONE_ROUNDS = 8  # of a search for the least of one group
STEEP = 0.1  # the constant of a sum, as a share of the sum


@dataclass(frozen=True, eq=False)
class Tangent:
    """Every combination costs at least ``exp(bound)``, and at least ``exp(bound + its scores)``; ``scores`` has an
    entry per candidate of each component. The bound is infinite where nothing stays below
    the limit. ``chords`` are the slopes and shifts of the lines that stand for sums with a negative constant,
    ``point`` what rooms may cost and where the tangent touches; both serve for parts of the case as well."""

    bound: float
    scores: tuple[Floats, ...]
    chords: tuple[Floats, Floats] | None = None
    point: tuple[Floats, Floats] | None = None


def tangent(case: Relaxed, limit: float, rounds: int = ROUNDS, steps: int = STEPS) -> Tangent:
    """The best bound of a case that scores of single candidates give; of interest is what stays below ``limit``."""
    from tilewright.mapping.optimal.dual_kernels import dual

    logs = case.logs
    counts = [len(one) for one in logs]
    nothing = tuple(np.zeros(n) for n in counts)
    least = sum(one.min(axis=0) for one in logs)
    lows = case.coefficients @ np.exp(least) + case.constants
    if (lows[case.roles == ROOM] > 1 + 1e-9).any():
        return Tangent(np.inf, nothing)
    totals, longest = case.roles == TOTAL, case.roles == LONGEST
    low_total = float(np.prod(np.maximum(lows[totals], TINY)))
    low_longest = float(max(lows[longest].max(), TINY)) if longest.any() else 1.0
    if low_total * low_longest >= limit * (1 + 1e-9):
        return Tangent(np.inf, nothing)
    joined, offsets = np.ascontiguousarray(np.concatenate(logs).T), np.concatenate([[0], np.cumsum(counts)])
    # Below a sum with a negative constant stands a chord, over the range that the limit leaves.
    prices = np.array([np.ones(len(lows)), np.zeros(len(lows))])
    slopes, shifts, cold = np.ones(len(lows)), np.zeros(len(lows)), np.full(len(joined), np.nan)
    for g in np.flatnonzero((case.constants < 0) & (case.roles != ROOM)):
        high = limit / max(low_longest if totals[g] else low_total, TINY)
        low = max(lows[g], TINY)
        if -case.constants[g] > STEEP * low:
            # Near its lower end the curve is steep: find out how low the sum can be by itself.
            own = np.flatnonzero((case.roles == ROOM) | (np.arange(len(lows)) == g))
            alone, _, _ = dual(
                joined, offsets, case.coefficients[own], np.zeros(len(own)), np.where(own == g, TOTAL, ROOM),
                np.ones(len(own)), np.zeros(len(own)), np.ascontiguousarray(prices[:, own]), cold.copy(),
                np.zeros(joined.shape[1]), min(rounds, ALONE_ROUNDS), steps, np.inf,
            )  # fmt: skip
            low = max(low, float(np.exp(min(alone, 600.0) - 1e-9)) + case.constants[g])
            if low >= high * (1 + 1e-9):
                return Tangent(np.inf, nothing)
        high = max(low * (1 + 1e-6), min(high, low * 1e9))
        near, far = np.log(low - case.constants[g]), np.log(high - case.constants[g])
        slopes[g] = (np.log(high) - np.log(low)) / (far - near)
        shifts[g] = np.log(low) - slopes[g] * near
    point = cold.copy()
    bound, scores, _ = dual(
        joined, offsets, case.coefficients, case.constants, case.roles,
        slopes, shifts, prices, point, np.zeros(joined.shape[1]), rounds, steps, np.log(limit),
    )  # fmt: skip
    parts = tuple(np.split(scores, np.cumsum(counts)[:-1]))
    return Tangent(float(bound) - 1e-9, parts, (slopes, shifts), (prices, point))
