"""Compiled search of a part that has few combinations of interest left: each is bounded by itself.

The scores of a tangent bound every combination by their sum. Where few sums are below the limit there is nothing to cut
any more: to bound these combinations takes less than another tangent. Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.forms import ROOM, TOTAL


@njit(cache=True, nogil=True)
def below(scores, starts, slack, most, found):
    """How many combinations of one row per component have scores of less than ``slack`` in all; ``most`` + 1 if these
    are more than ``most``. ``found`` has their rows, numbered from the start of their component."""
    n = len(starts) - 1
    order = np.empty(starts[n], np.int64)
    rest = np.zeros(n + 1)  # the least of all later components
    for c in range(n - 1, -1, -1):
        own = np.argsort(scores[starts[c] : starts[c + 1]])
        order[starts[c] : starts[c + 1]] = own
        rest[c] = rest[c + 1] + scores[starts[c] + own[0]]
    sums, cursor = np.zeros(n + 1), np.zeros(n, np.int64)
    held, depth = 0, 0
    while depth >= 0:
        at = starts[depth] + cursor[depth]
        total = np.inf
        if at < starts[depth + 1]:
            total = sums[depth] + scores[starts[depth] + order[at]]
        if total + rest[depth + 1] >= slack:
            depth -= 1
            if depth >= 0:
                cursor[depth] += 1
            continue
        if depth < n - 1:
            sums[depth + 1] = total
            depth += 1
            cursor[depth] = 0
            continue
        if held == most:
            return most + 1
        for c in range(n):
            found[held, c] = order[starts[c] + cursor[c]]
        held += 1
        cursor[depth] += 1
    return held


@njit(cache=True, nogil=True)
def only_below(found, number, raised, starts, terms, constants, roles, slopes, shifts, most):
    """How many of the combinations in ``found`` have an objective below ``most`` (a logarithm) and room; these come
    first. ``raised`` are the features of all rows; the rest is that of ``dual_kernels.dual``."""
    first, columns, weights = terms
    held, n, features = 0, found.shape[1], np.empty(raised.shape[1])
    for k in range(number):
        for f in range(len(features)):
            features[f] = raised[found[k, 0], f]
            for c in range(1, n):
                features[f] *= raised[starts[c] + found[k, c], f]
        value, longest, fits = 0.0, -np.inf, True
        for g in range(len(roles)):
            total = constants[g]
            for i in range(first[g], first[g + 1]):
                total += weights[i] * features[columns[i]]
            if roles[g] == ROOM:
                fits = fits and total <= 1.0 + 1e-9
                continue
            log = slopes[g] * np.log(max(total, 1e-300)) + shifts[g]
            if roles[g] == TOTAL:
                value += log
            else:
                longest = max(longest, log)
        value += longest if longest > -np.inf else 0.0
        if fits and value - 1e-9 < most:
            found[held] = found[k]
            held += 1
    return held


@njit(cache=True, nogil=True)
def any_below(heads, led, ends, table, befores, s, cost, scratch, rows, limit):
    """(whether a combination of rows that follow some heads has a bound below ``limit``, in one of the orders
    ``befores`` in which items give way; bounds). Rows ``led[ends[h] : ends[h + 1]]`` follow head h."""
    n, work = len(heads), 0
    cursor = np.empty(n, np.int64)
    for c in range(n):
        cursor[c] = ends[heads[c]]
    while True:
        for c in range(n):
            rows[c] = led[cursor[c]]
        for k in range(len(befores)):
            s.before[:, :] = befores[k]
            work += 1
            if bound(rows, table, s, cost, scratch)[0] < limit:
                return True, work
        c = n - 1
        while c >= 0:
            cursor[c] += 1
            if cursor[c] < ends[heads[c] + 1]:
                break
            cursor[c] = ends[heads[c]]
            c -= 1
        if c < 0:
            return False, work
