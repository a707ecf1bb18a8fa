"""Compiled features and groups of a part of a case without those that say nothing of their own in it.

The candidates of a part have many features in common: what is the same for all of them is a constant, and features that
differ between them in the same way are one. Rooms in which everything fits, and times that are never the longest, go.
Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.forms import BY_STEPS, LONGEST, ROOM, TOTAL
from tilewright.mapping.optimal.leaf import leaf

NOTHING = -20.0  # the logarithm of what is nothing
SAME = 1e-12  # a difference of logarithms that is none


@njit(cache=True, nogil=True)
def _spreads(local, starts, differs):
    """Fill ``differs`` with what the first row of its component leaves of every feature of a row, one feature after the
    other; the features of all first rows, added up."""
    base = np.zeros(len(local))
    for f in range(len(local)):
        for c in range(len(starts) - 1):
            first = local[f, starts[c]]
            base[f] += first
            for row in range(starts[c], starts[c + 1]):
                differs[f, row] = local[f, row] - first
    return base


@leaf
def _stand_in(f, differs, kept):
    """The kept feature that a feature differs like: -1 if it is the same for all, -2 if there is none."""
    alike = True
    for row in range(differs.shape[1]):
        alike = alike and abs(differs[f, row]) < SAME
        if not alike:
            break
    if alike:
        return -1
    for k in range(len(kept)):
        alike = True
        for row in range(differs.shape[1]):
            if abs(differs[f, row] - differs[kept[k], row]) >= SAME:
                alike = False
                break
        if alike:
            return k
    return -2


@njit(cache=True, nogil=True)
def fewer(local, starts, kinds, coefficients, constants, roles, slopes, shifts):
    """(features kept, what each feature is of them, shifts of it, groups kept, their coefficients, constants, roles,
    slopes and shifts, what is taken off where no chord stands for it, least).

    Feature f of a part, ``local[f]``, is, in all rows of a part together, that of ``kept[stands[f]]`` and ``base[f]``
    (logarithms); just ``base[f]`` where it stands for none (-1), and it is in no group where that is -2. No combination
    has an objective below ``least``.
    """
    groups, features = coefficients.shape
    differs = np.empty(local.shape)
    base = _spreads(local, starts, differs)
    says, stands = np.ones(groups, np.bool_), np.full(features, -2)
    for g in range(groups):
        for f in range(features):  # a group of steps in which something moves anyway
            if coefficients[g, f] != 0.0 and kinds[f] == BY_STEPS and local[f, 0] <= NOTHING:
                says[g] = False
    kept, held = np.empty(features, np.int64), 0
    for f in range(features):
        used = False
        for g in range(groups):
            used = used or (says[g] and coefficients[g, f] != 0.0)
        if not used:
            continue
        stands[f] = _stand_in(f, differs, kept[:held])
        if stands[f] == -2:
            kept[held], stands[f] = f, held
            held += 1
    kept = kept[:held]
    first = base.copy()
    for f in range(features):
        if stands[f] >= 0:
            base[f] -= first[kept[stands[f]]]
    weights, sums = np.zeros((groups, held)), np.zeros(groups)
    lows, highs = first[kept], first[kept]
    for k in range(held):
        for c in range(len(starts) - 1):
            low, high = 0.0, 0.0  # of the first row
            for row in range(starts[c] + 1, starts[c + 1]):
                low, high = min(low, differs[kept[k], row]), max(high, differs[kept[k], row])
            lows[k] += low
            highs[k] += high
    least, longest, at = 0.0, -np.inf, -1
    bottom, top = np.empty(groups), np.empty(groups)
    for g in range(groups):
        if not says[g]:
            continue
        sums[g] = max(constants[g], 0.0)
        for f in range(features):
            if coefficients[g, f] != 0.0:
                if stands[f] >= 0:
                    weights[g, stands[f]] += coefficients[g, f] * np.exp(base[f])
                else:
                    sums[g] += coefficients[g, f] * np.exp(base[f])
        bottom[g], top[g] = sums[g], sums[g]
        for k in range(held):
            bottom[g] += weights[g, k] * np.exp(lows[k])
            top[g] += weights[g, k] * np.exp(highs[k])
        bottom[g] = slopes[g] * np.log(max(bottom[g], 1e-300)) + shifts[g]
        top[g] = slopes[g] * np.log(max(top[g], 1e-300)) + shifts[g]
        if roles[g] == TOTAL:
            least += bottom[g]
        elif roles[g] == ROOM:
            says[g] = top[g] > 0.0
            least = np.inf if bottom[g] > 1e-9 else least
        elif bottom[g] > longest:
            longest, at = bottom[g], g
    for g in range(groups):
        says[g] = says[g] and (roles[g] != LONGEST or g == at or top[g] > longest)
    left = np.flatnonzero(says)
    own = weights[left], sums[left], roles[left], slopes[left], shifts[left]
    taken_off = np.minimum(constants[left], 0.0)
    return kept, stands, base, left, own, taken_off, least + longest if at >= 0 else least
