"""Compiled bound of a ``Relaxed`` case. Imported lazily: it brings numba.

In logarithms a mixture of candidates costs at least what the tangent at any point says, and a tangent is a sum of one
score per component: the least scores, added up, bound every combination. The best tangent is found by column
generation: the problem is solved over a few candidates of each component, all others are priced, and the cheapest join.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.forms import LONGEST, ROOM, TOTAL
from tilewright.mapping.optimal.leaf import leaf

# How soft the longest group and the rooms are at first, how fast that falls with every step, and how soft they stay.
HEAT, COOLING, LEAST_HEAT = 0.2, 0.7 ** (1 / 30), 0.05
MOST_LEAN = 5.0  # of a group to one side, in heats
MOST_COST = 1e4  # of a room: enough for what has none, and little enough for the last digits of a bound
CLOSE = 0.003  # to the best bound, or to what there is of a room
MOST_MIXED = 40  # candidates of a component that a mixture begins with


@njit(cache=True, nogil=True)
def sparse(coefficients):
    """(first, columns, weights): the coefficients of group g that are not zero from ``first[g]`` up to the next."""
    groups, features = coefficients.shape
    first, held = np.zeros(groups + 1, np.int64), 0
    columns, weights = np.empty(coefficients.size, np.int64), np.empty(coefficients.size)
    for g in range(groups):
        for f in range(features):
            if coefficients[g, f] != 0.0:
                columns[held], weights[held] = f, coefficients[g, f]
                held += 1
        first[g + 1] = held
    return first, columns[:held], weights[:held]


@leaf
def mixture(rounds):
    """How many candidates of a component are in a mixture at most, after so many rounds."""
    return rounds + 1 + MOST_MIXED


@leaf
def tangent(x, terms, constants, roles, slopes, shifts, heat, most, theta, scratch):
    """The weighted objective at ``x`` (logarithms of features) and its slope ``theta``; ``terms`` are the ``sparse``
    coefficients of all groups.

    A group with a negative constant counts as the chord ``slope * log(sum without it) + shift``. The longest group is
    a softer one the more ``heat`` there is; so is what a room costs that is taken too much of, up to ``most``.
    """
    first, columns, weigh = terms
    theta[:] = 0.0
    value, longest = 0.0, -np.inf
    raised, logs, sums = scratch[0], scratch[1], scratch[2]
    for f in range(len(x)):
        raised[f] = np.exp(x[f])
    for g in range(len(roles)):
        total = max(constants[g], 0.0)
        for k in range(first[g], first[g + 1]):
            total += weigh[k] * raised[columns[k]]
        total = max(total, 1e-300)  # a machine may give its energies as nothing
        sums[g] = total
        logs[g] = slopes[g] * np.log(total) + shifts[g]
        if roles[g] == LONGEST:
            longest = max(longest, logs[g] + most[1, g])
    weights = 0.0
    for g in range(len(roles)):
        if roles[g] == LONGEST:
            scratch[3, g] = np.exp((logs[g] + most[1, g] - longest) / heat)
            weights += scratch[3, g]
    for g in range(len(roles)):
        if roles[g] == TOTAL:
            share = 1.0
        elif roles[g] == LONGEST:
            share = scratch[3, g] / weights
        else:
            share = most[0, g] / (1.0 + np.exp(min(50.0, -(logs[g] + most[1, g]) / heat)))
        scratch[4, g] = share
        if share == 0.0 or (roles[g] == ROOM and share < 1e-9):
            continue
        value += share * logs[g]
        scale = share * slopes[g] / sums[g]
        for k in range(first[g], first[g + 1]):
            theta[columns[k]] += scale * weigh[k] * raised[columns[k]]
    return value


@njit(cache=True, nogil=True)
def dual(columns, offsets, coefficients, constants, roles, slopes, shifts, most, start, mix, rounds, steps, enough):
    """(bound, scores, slope): the logarithm of the objective of a combination of one row per component is at least
    ``bound``, and at least ``bound`` plus the scores of its rows; feature f of all rows is ``columns[f]``, those of
    component c from ``offsets[c]`` on. Ends early above ``enough``. ``most`` is what rooms may cost at most, raised in
    place where that is too little, and how far that leans to one side; ``start`` is the point to begin at, as found for
    a case that this one is a part of, or not a number, and becomes the point of the bound; ``mix`` are the weights of
    rows in a mixture, likewise.

    Moves weight between two candidates of a component at a time, from the dearest to the cheapest, as far as that
    lowers the objective (pairwise conditional gradients).
    """
    n = len(offsets) - 1
    features, total = columns.shape  # rows next to each other: so that they are priced several at a time
    groups, terms = len(roles), sparse(coefficients)
    theta, scratch = np.zeros(features), np.empty((5, max(features, groups)))
    scores, best_scores = np.zeros(total), np.zeros(total)
    best_theta = np.zeros(features)
    held_most = mixture(rounds)
    pool, pooled = np.zeros((n, held_most), np.int64), np.zeros((n, held_most, features))
    weights = np.zeros((n, held_most))
    held = np.zeros(n, np.int64)
    x, moved, way = np.zeros(features), np.zeros(features), np.zeros(features)
    if np.isnan(start[0]):  # in the middle of all candidates
        for c in range(n):
            for f in range(features):
                x[f] += columns[f, offsets[c] : offsets[c + 1]].mean()
    else:
        x[:] = start
    warm = True  # whether a mixture is known for all components
    for c in range(n):
        share = 0.0
        for row in range(offsets[c], offsets[c + 1]):
            if mix[row] > 0.0 and held[c] < MOST_MIXED:
                pool[c, held[c]], weights[c, held[c]] = row, mix[row]
                for f in range(features):
                    pooled[c, held[c], f] = columns[f, row]
                share += mix[row]
                held[c] += 1
        warm = warm and share > 0.0
        if share > 0.0:
            weights[c, : held[c]] /= share
    best, turn = -np.inf, 0
    ends = np.zeros(2, np.int64)
    for number in range(rounds):
        heat = LEAST_HEAT if warm else max(LEAST_HEAT, HEAT * COOLING ** (number * steps))
        value = tangent(x, terms, constants, roles, slopes, shifts, heat, most, theta, scratch)
        # Price every candidate.
        reached = value
        for f in range(features):
            reached -= theta[f] * x[f]
        scores[:] = 0.0
        for f in range(features):
            if theta[f] != 0.0:
                for row in range(total):
                    scores[row] += theta[f] * columns[f, row]
        for c in range(n):
            least, at = np.inf, -1
            for row in range(offsets[c], offsets[c + 1]):
                if scores[row] < least:
                    least, at = scores[row], row
            reached += least
            known = False
            for k in range(held[c]):
                known = known or pool[c, k] == at
            if not known and held[c] < held_most:
                pool[c, held[c]] = at
                for f in range(features):
                    pooled[c, held[c], f] = columns[f, at]
                held[c] += 1
        if reached > best:
            best = reached
            best_scores[:] = scores
            start[:] = x
            best_theta[:] = theta
        if best >= enough:
            break
        if _settled(most, roles, scratch, heat, best) and number > 0:
            break
        if number == 0:  # from the given point on to one in the midst of candidates
            x[:] = 0.0
            for c in range(n):
                if weights[c].sum() == 0.0:
                    weights[c, 0] = 1.0
                for k in range(held[c]):
                    for f in range(features):
                        x[f] += weights[c, k] * pooled[c, k, f]
        # Improve the mixture over the pool.
        still = 0
        for _ in range(steps):
            c = turn % n
            turn += 1
            tangent(x, terms, constants, roles, slopes, shifts, heat, most, theta, scratch)
            drop = _way(theta, pooled[c], held[c], weights[c], way, ends)
            if drop < 1e-4:
                still += 1
                if still >= n:
                    break
                continue
            still = 0
            share = _lowest(
                x, way, drop, weights[c, ends[1]], moved, terms, constants, roles, slopes, shifts, heat, most,
                theta, scratch,
            )  # fmt: skip
            weights[c, ends[0]] += share
            weights[c, ends[1]] -= share
            if weights[c, ends[1]] < 1e-9:
                weights[c, ends[1]] = 0.0
            for f in range(features):
                x[f] += share * way[f]
    mix[:] = 0.0
    for c in range(n):
        for k in range(held[c]):
            mix[pool[c, k]] += weights[c, k]
        least = np.inf
        for row in range(offsets[c], offsets[c + 1]):
            least = min(least, best_scores[row])
        for row in range(offsets[c], offsets[c + 1]):
            best_scores[row] -= least
    return best, best_scores, best_theta


@leaf
def _settled(most, roles, scratch, heat, best):
    """Whether what the last tangent touched fits and costs little more than the best bound. Otherwise groups lean to
    where they are needed: what is overfull to more, what is not the longest to less; and rooms that are overfull at
    the most that they may cost may cost more."""
    groups = len(roles)
    logs, shares = scratch[1], scratch[4]
    longest, cost, fits = -np.inf, 0.0, True
    for g in range(groups):
        if roles[g] == LONGEST:
            longest = max(longest, logs[g])
        elif roles[g] == TOTAL:
            cost += logs[g]
        else:
            fits = fits and logs[g] < CLOSE
    cost += longest if longest > -np.inf else 0.0
    if fits and cost - best < CLOSE:
        return True
    for g in range(groups):
        if roles[g] == ROOM:
            if logs[g] > CLOSE and shares[g] > 0.8 * most[0, g]:
                most[0, g] = min(2.0 * most[0, g], MOST_COST)
            most[1, g] = min(max(most[1, g] + logs[g], -MOST_LEAN * heat), MOST_LEAN * heat)
        elif roles[g] == LONGEST:
            most[1, g] = max(most[1, g] + logs[g] - longest, -MOST_LEAN * heat)
    return False


@leaf
def _way(theta, pooled, held, weights, way, ends):
    """How fast the objective falls along a ``way``: to the cheapest candidate from the dearest one in use, the
    ``ends``."""
    low, high = np.inf, -np.inf
    for k in range(held):
        price = 0.0
        for f in range(len(way)):
            price += theta[f] * pooled[k, f]
        if price < low:
            low, ends[0] = price, k
        if weights[k] > 0.0 and price > high:
            high, ends[1] = price, k
    for f in range(len(way)):
        way[f] = pooled[ends[0], f] - pooled[ends[1], f]
    return high - low


@leaf
def _lowest(
    x, way, drop, far, moved, terms, constants, roles, slopes, shifts, heat, most, theta, scratch
):  # fmt: skip
    """How far to go on a way, at most ``far``, to where the objective is about least: along it the slope, at first
    ``-drop``, grows."""
    near, near_slope, far_slope, share = 0.0, -drop, 0.0, far
    for number in range(5):
        for f in range(len(x)):
            moved[f] = x[f] + share * way[f]
        tangent(moved, terms, constants, roles, slopes, shifts, heat, most, theta, scratch)
        slope = 0.0
        for f in range(len(x)):
            slope += theta[f] * way[f]
        if (number == 0 and slope <= 0.0) or abs(slope) < 0.05 * drop:
            break
        if slope > 0.0:
            far, far_slope = share, slope
        else:
            near, near_slope = share, slope
        if number < 4:
            share = near + (far - near) * min(0.9, max(0.1, near_slope / (near_slope - far_slope)))
    return share
