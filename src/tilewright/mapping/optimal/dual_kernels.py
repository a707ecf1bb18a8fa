"""Compiled bound of a ``Relaxed`` case. Imported lazily: it brings numba.

In logarithms a mixture of candidates costs at least what the tangent at any point says, and a tangent is a sum of one
score per component: the least scores, added up, bound every combination. The best tangent is found by column
generation: the problem is solved over a few candidates of each component, all others are priced, and the cheapest join.
"""

from __future__ import annotations

import numpy as np
from numba import njit

TOTAL, LONGEST, ROOM = 0, 1, 2


@njit(cache=True)
def tangent(x, coefficients, constants, roles, slopes, shifts, heat, multipliers, theta, excess):
    """The weighted objective at ``x`` (logarithms of features), its slope ``theta``, and ``excess`` of rooms.

    A group with a negative constant counts as the chord ``slope * log(sum without it) + shift``.
    """
    groups, features = coefficients.shape
    theta[:] = 0.0
    value, most = 0.0, -np.inf
    raised = np.exp(x)
    logs = np.empty(groups)
    sums = np.empty(groups)
    for g in range(groups):
        total = max(constants[g], 0.0)
        for f in range(features):
            if coefficients[g, f] != 0.0:
                total += coefficients[g, f] * raised[f]
        total = max(total, 1e-300)  # a machine may give its energies as nothing
        sums[g] = total
        logs[g] = slopes[g] * np.log(total) + shifts[g]
        if roles[g] == LONGEST:
            most = max(most, logs[g])
    weights = 0.0
    for g in range(groups):
        if roles[g] == LONGEST:
            weights += np.exp((logs[g] - most) / heat)
    for g in range(groups):
        if roles[g] == TOTAL:
            share = 1.0
        elif roles[g] == LONGEST:
            share = np.exp((logs[g] - most) / heat) / weights
        else:
            share = multipliers[g]
            excess[g] = logs[g]
        if share == 0.0:
            continue
        value += share * logs[g]
        scale = share * slopes[g] / sums[g]
        for f in range(features):
            if coefficients[g, f] != 0.0:
                theta[f] += scale * coefficients[g, f] * raised[f]
    return value


@njit(cache=True)
def dual(logs, offsets, coefficients, constants, roles, slopes, shifts, multipliers, rounds, steps, enough):
    """(bound, scores, slope): the logarithm of the objective of a combination of one row per component is at least
    ``bound``, and at least ``bound`` plus the scores of its rows; those of component c are ``logs`` from ``offsets[c]``
    on. ``multipliers`` of the rooms are improved in place. Ends early above ``enough``.
    """
    n = len(offsets) - 1
    total, features = logs.shape
    groups = len(roles)
    theta, excess = np.zeros(features), np.zeros(groups)
    scores, best_scores = np.zeros(total), np.zeros(total)
    best_multipliers, best_theta = multipliers.copy(), np.zeros(features)
    most = 6 * rounds + 8
    pool = np.zeros((n, most), np.int64)
    held = np.zeros(n, np.int64)
    x = np.zeros(features)
    # Start in the middle of all candidates.
    for c in range(n):
        count = offsets[c + 1] - offsets[c]
        for f in range(features):
            mean = 0.0
            for row in range(offsets[c], offsets[c + 1]):
                mean += logs[row, f]
            x[f] += mean / count
    best = -np.inf
    clock = 0
    quiet = 0
    for number in range(rounds):
        heat = max(0.01, 0.2 * 0.6**number)
        value = tangent(x, coefficients, constants, roles, slopes, shifts, heat, multipliers, theta, excess)
        # Price every candidate.
        reached = value
        for f in range(features):
            reached -= theta[f] * x[f]
        for c in range(n):
            least, at = np.inf, -1
            for row in range(offsets[c], offsets[c + 1]):
                score = 0.0
                for f in range(features):
                    score += theta[f] * logs[row, f]
                scores[row] = score
                if score < least:
                    least, at = score, row
            reached += least
            # The cheapest joins, and the cheapest of five stretches of the rest.
            count = offsets[c + 1] - offsets[c]
            for part in range(6):
                if part == 0:
                    low, high = at, at + 1
                else:
                    low = offsets[c] + (part - 1) * count // 5
                    high = offsets[c] + part * count // 5
                cheapest, chosen = np.inf, -1
                for row in range(low, high):
                    if scores[row] < cheapest:
                        cheapest, chosen = scores[row], row
                if chosen < 0:
                    continue
                known = False
                for k in range(held[c]):
                    known = known or pool[c, k] == chosen
                if not known and held[c] < most:
                    pool[c, held[c]] = chosen
                    held[c] += 1
        if reached > best + 1e-3:
            quiet = 0
        else:
            quiet += 1
        if reached > best:
            best = reached
            best_scores[:] = scores
            best_multipliers[:] = multipliers
            best_theta[:] = theta
        if best >= enough or quiet >= 5:
            break
        # Improve the mixture over the pool.
        for step in range(steps):
            clock += 1
            if step > 0:
                tangent(x, coefficients, constants, roles, slopes, shifts, heat, multipliers, theta, excess)
            share = 2.0 / (step + 4.0) if number == 0 else 1.0 / (step / 2.0 + 4.0 + number)
            for f in range(features):
                x[f] *= 1 - share
            for c in range(n):
                least, at = np.inf, -1
                for k in range(held[c]):
                    row = pool[c, k]
                    score = 0.0
                    for f in range(features):
                        score += theta[f] * logs[row, f]
                    if score < least:
                        least, at = score, row
                for f in range(features):
                    x[f] += share * logs[at, f]
            pace = 0.1 / (1.0 + clock / 100.0)
            for g in range(groups):
                if roles[g] == ROOM:
                    multipliers[g] = max(0.0, multipliers[g] + pace * min(max(excess[g], -1.0), 1.0))
    multipliers[:] = best_multipliers
    for c in range(n):
        least = np.inf
        for row in range(offsets[c], offsets[c + 1]):
            least = min(least, best_scores[row])
        for row in range(offsets[c], offsets[c + 1]):
            best_scores[row] -= least
    return best, best_scores, best_theta
