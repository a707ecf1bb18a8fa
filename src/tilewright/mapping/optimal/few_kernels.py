"""Compiled search of a part of which few combinations can be of interest: each is looked at by itself.

The scores of a tangent bound every combination by their sum. Where few sums are below the limit, the products of these
combinations take less time than another tangent, and say more: a mixture of candidates may cost less than any of them.
Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.bound_kernels import bound, take_turn
from tilewright.mapping.optimal.dual_kernels import sparse
from tilewright.mapping.optimal.forms import ROOM, TOTAL
from tilewright.mapping.optimal.leaf import leaf


@njit(cache=True, nogil=True)
def below(scores, starts, most, few, logs, groups, value, found):
    """How many combinations of one row per component have room and an objective below ``most`` (a logarithm); -1 if
    more than ``few`` have ``value`` and scores of less than that in all. ``found`` has their rows, numbered from the
    start of their component; ``groups`` are coefficients, constants, roles, slopes and shifts of ``dual_kernels.dual``,
    ``logs[f]`` are feature f of all rows."""
    coefficients, constants, roles, slopes, shifts = groups
    n, features, terms = len(starts) - 1, len(logs), sparse(coefficients)
    turn = np.argsort(starts[1:] - starts[:-1], kind="mergesort")  # the component of most rows is priced at once
    order, rest = np.empty(starts[n], np.int64), np.zeros(n + 1)  # the least of all later components
    for i in range(n - 1, -1, -1):
        start, end = starts[turn[i]], starts[turn[i] + 1]
        order[start:end] = np.argsort(scores[start:end]) + start
        rest[i] = rest[i + 1] + scores[order[start]]
    start, end = starts[turn[n - 1]], starts[turn[n - 1] + 1]
    tail = scores[order[start:end]]
    sums, cursor, products = np.full(n, value), np.zeros(n, np.int64), np.ones((n, features))
    columns, priced, limit = np.empty((features, end - start)), np.empty((3, end - start)), np.exp(most + 1e-9)
    raised, held = logs, 0  # raised when they are needed
    for counting in (True, False):
        tried, depth = 0, 0
        cursor[0] = starts[turn[0]]
        while depth >= 0:
            if depth == n - 1:
                number = np.searchsorted(tail, most - sums[depth])
                tried += number
                if tried > few:
                    return -1
                if not counting:
                    _price(products[depth], terms, constants, roles, slopes, shifts, columns, number, priced)
                    for k in range(number):
                        if priced[0, k] < limit:
                            for i in range(n - 1):
                                found[held, turn[i]] = order[cursor[i]] - starts[turn[i]]
                            found[held, turn[n - 1]] = order[start + k] - start
                            held += 1
            at = cursor[depth]
            over = depth == n - 1 or at == starts[turn[depth] + 1]
            if over or sums[depth] + scores[order[at]] + rest[depth + 1] >= most:
                depth -= 1
                if depth >= 0:
                    cursor[depth] += 1
                continue
            sums[depth + 1] = sums[depth] + scores[order[at]]
            if not counting:
                for f in range(features):
                    products[depth + 1, f] = products[depth, f] * raised[f, order[at]]
            depth += 1
            cursor[depth] = starts[turn[depth]]
        if counting:
            raised = np.exp(logs)
            for k in range(end - start):
                for f in range(features):
                    columns[f, k] = raised[f, order[start + k]]
    return held


@leaf
def _price(products, terms, constants, roles, slopes, shifts, columns, number, priced):
    """Fill ``priced[0]`` with the objective of combinations: some features are those of a number of rows (``columns``),
    times ``products`` of others; infinite where there is no room."""
    first, which, weights = terms
    values, longest, sums = priced[0], priced[1], priced[2]
    for k in range(number):
        values[k], longest[k] = 1.0, -1.0
    for g in range(len(roles)):
        for k in range(number):
            sums[k] = constants[g]
        for i in range(first[g], first[g + 1]):
            share = weights[i] * products[which[i]]
            for k in range(number):
                sums[k] += share * columns[which[i], k]
        if slopes[g] != 1.0 or shifts[g] != 0.0:
            for k in range(number):
                sums[k] = np.exp(slopes[g] * np.log(max(sums[k], 1e-300)) + shifts[g])
        if roles[g] == TOTAL:
            for k in range(number):
                values[k] *= sums[k]
        elif roles[g] == ROOM:
            for k in range(number):
                values[k] = np.inf if sums[k] > 1.0 + 1e-9 else values[k]
        else:
            for k in range(number):
                longest[k] = max(longest[k], sums[k])
    for k in range(number):
        values[k] *= longest[k] if longest[k] >= 0.0 else 1.0


@njit(cache=True, nogil=True)
def bounded_below(found, number, here, starts, led, ends, table, befores, s, cost, scratch, limit):
    """(how many combinations have a bound below ``limit``, bounds): these come first. Candidate k of component c is
    ``here[starts[c] + k]``; rows ``led[ends[h] : ends[h + 1]]`` of ``table`` follow a candidate h."""
    n, held, work = len(starts) - 1, 0, 0
    heads, rows, cursor = np.empty((3, n), np.int64)
    for k in range(number):
        for c in range(n):
            heads[c] = here[starts[c] + found[k, c]]
        left, own = _any_below(heads, led, ends, table, befores, s, cost, scratch, rows, cursor, limit)
        work += own
        if left:
            found[held] = found[k]
            held += 1
    return held, work


@leaf
def _any_below(heads, led, ends, table, befores, s, cost, scratch, rows, cursor, limit):
    """(whether a combination of rows that follow some heads has a bound below ``limit``, in one of the orders
    ``befores`` in which items give way; bounds). Rows ``led[ends[h] : ends[h + 1]]`` follow head h."""
    n, work = len(heads), 0
    for c in range(n):
        cursor[c] = ends[heads[c]]
    while True:
        for c in range(n):
            rows[c] = led[cursor[c]]
        for k in range(len(befores)):
            take_turn(s, befores, k)
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
