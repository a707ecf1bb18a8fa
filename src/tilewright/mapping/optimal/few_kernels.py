"""Compiled search of a part of which few combinations can be of interest: each is looked at by itself.

The scores of a tangent bound every combination by their sum. Where few sums are below the limit, the products of these
combinations take less time than another tangent, and say more: a mixture of candidates may cost less than any of them.
Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.dual_kernels import sparse
from tilewright.mapping.optimal.forms import ROOM, TOTAL
from tilewright.mapping.optimal.leaf import leaf


@njit(cache=True, nogil=True)
def below(scores, starts, most, few, logs, groups, value, found):
    """How many combinations of one row per component have room and an objective below ``most`` (a logarithm); -1 if
    more than ``few`` have ``value`` and scores of less than that in all. ``found`` has their rows, numbered from the
    start of their component; ``groups`` are coefficients, constants, roles, slopes and shifts of ``dual_kernels.dual``,
    ``logs`` the features."""
    coefficients, constants, roles, slopes, shifts = groups
    n, features, terms = len(starts) - 1, logs.shape[1], sparse(coefficients)
    order, raised = np.empty(starts[n], np.int64), logs  # raised when they are needed
    rest = np.zeros(n + 1)  # the least of all later components
    for c in range(n - 1, -1, -1):
        own = np.argsort(scores[starts[c] : starts[c + 1]])
        order[starts[c] : starts[c + 1]] = own + starts[c]
        rest[c] = rest[c + 1] + scores[starts[c] + own[0]]
    sums, cursor, products = np.full(n + 1, value), np.zeros(n, np.int64), np.ones((n + 1, features))
    held, limit = 0, np.exp(most + 1e-9)
    for counting in (True, False):
        cursor[:] = starts[:-1]
        tried, depth = 0, 0
        if not counting:
            raised = np.exp(logs)
        while depth >= 0:
            at = cursor[depth]
            if at == starts[depth + 1] or sums[depth] + scores[order[at]] + rest[depth + 1] >= most:
                cursor[depth] = starts[depth]
                depth -= 1
                if depth >= 0:
                    cursor[depth] += 1
                continue
            sums[depth + 1] = sums[depth] + scores[order[at]]
            if not counting:
                for f in range(features):
                    products[depth + 1, f] = products[depth, f] * raised[order[at], f]
            if depth < n - 1:
                depth += 1
                continue
            if tried == few:
                return -1
            tried += 1
            if not counting and _cost(products[n], terms, constants, roles, slopes, shifts) < limit:
                for c in range(n):
                    found[held, c] = order[cursor[c]] - starts[c]
                held += 1
            cursor[depth] += 1
    return held


@leaf
def _cost(features, terms, constants, roles, slopes, shifts):
    """The objective of a combination with some features; infinite where it has no room."""
    first, columns, weights = terms
    value, longest = 1.0, -1.0
    for g in range(len(roles)):
        total = constants[g]
        for i in range(first[g], first[g + 1]):
            total += weights[i] * features[columns[i]]
        if roles[g] == ROOM:
            if total > 1.0 + 1e-9:
                return np.inf
            continue
        if slopes[g] != 1.0 or shifts[g] != 0.0:
            total = np.exp(slopes[g] * np.log(max(total, 1e-300)) + shifts[g])
        if roles[g] == TOTAL:
            value *= total
        else:
            longest = max(longest, total)
    return value * longest if longest >= 0.0 else value


@njit(cache=True, nogil=True)
def bounded_below(found, number, here, starts, led, ends, table, befores, s, cost, scratch, limit):
    """(how many combinations have a bound below ``limit``, bounds): these come first. Candidate k of component c is
    ``here[starts[c] + k]``; rows ``led[ends[h] : ends[h + 1]]`` of ``table`` follow a candidate h."""
    n, held, work = len(starts) - 1, 0, 0
    heads, rows = np.empty(n, np.int64), np.empty(n, np.int64)
    for k in range(number):
        for c in range(n):
            heads[c] = here[starts[c] + found[k, c]]
        left, own = _any_below(heads, led, ends, table, befores, s, cost, scratch, rows, limit)
        work += own
        if left:
            found[held] = found[k]
            held += 1
    return held, work


@njit(cache=True, nogil=True)
def _any_below(heads, led, ends, table, befores, s, cost, scratch, rows, limit):
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
