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

MOST_PAIRS = 1000  # to sort them takes time
BLOCK = 512  # pairs that are priced at a time: their features stay in the cache


@njit(cache=True, nogil=True)
def below(scores, starts, most, few, logs, groups, value, found):
    """How many combinations of one row per component have room and an objective below ``most`` (a logarithm); -1 if
    more than ``few`` have ``value`` and scores of less than that in all. ``found`` has their rows, numbered from the
    start of their component; ``groups`` are coefficients, constants and roles of ``dual_kernels.dual``, ``logs[f]`` are
    feature f of all rows.

    Rows of the two components of most rows are paired, and many pairs priced at once beside rows of all others.
    """
    coefficients, constants, roles = groups
    n, features = len(starts) - 1, len(logs)
    turn = np.argsort(starts[1:] - starts[:-1], kind="mergesort")
    order, rest = np.empty(starts[n], np.int64), np.zeros(n + 1)  # the least of all components from one on
    for i in range(n - 1, -1, -1):
        start, end = starts[turn[i]], starts[turn[i] + 1]
        order[start:end] = np.argsort(scores[start:end]) + start
        rest[i] = rest[i + 1] + scores[order[start]]
    near, far, singles = turn[n - 1], turn[n - 1], n - 1
    if n > 1:
        slack = most - value - rest[0] + rest[n - 2]
        if _pair_number(scores, starts, order, turn[n - 2], far, slack) <= MOST_PAIRS:
            near, singles = turn[n - 2], n - 2
    pairs, tail = _pairs(scores, starts, order, near, far, most - value - rest[0] + rest[singles])
    if len(tail) == 0:
        return 0
    sums, cursor, products = np.full(n, value), np.zeros(n, np.int64), np.ones((n, features))
    terms, raised = sparse(coefficients), logs  # raised when they are needed
    columns, priced, limit = np.empty((features, BLOCK)), np.empty((3, BLOCK)), np.exp(most + 1e-9)
    tried, held, first = 0, 0, -BLOCK  # first everything is counted
    while first < len(tail):
        counting, begin, end = first < 0, max(first, 0), min(first + BLOCK, len(tail))
        if first == 0:
            raised = np.exp(logs)
        for f in range(features):
            for k in range(begin, end):
                columns[f, k - begin] = raised[f, pairs[k, 1]]
            if near != far:
                for k in range(begin, end):
                    columns[f, k - begin] *= raised[f, pairs[k, 0]]
        depth, cursor[0] = 0, starts[turn[0]]
        while depth >= 0:
            if depth == singles:
                number = np.searchsorted(tail, most - sums[depth])
                if counting:
                    tried += number
                    if tried > few:
                        return -1
                else:
                    number = min(number, end) - begin
                    _price(products[depth], terms, constants, roles, columns, number, priced)
                    for k in range(number):
                        if priced[0, k] < limit:
                            for i in range(singles):
                                found[held, turn[i]] = order[cursor[i]] - starts[turn[i]]
                            found[held, near] = pairs[begin + k, 0] - starts[near]
                            found[held, far] = pairs[begin + k, 1] - starts[far]
                            held += 1
            at = cursor[depth]
            over = depth == singles or at == starts[turn[depth] + 1]
            if not over:
                later = rest[depth + 1] - rest[singles] + tail[begin]
                over = sums[depth] + scores[order[at]] + later >= most
            if over:
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
        first += BLOCK
    return held


@leaf
def _pair_number(scores, starts, order, near, far, most):
    """How many pairs of rows of two components have scores of less than ``most`` in all."""
    number, end = 0, starts[far + 1]
    for i in range(starts[near], starts[near + 1]):
        while end > starts[far] and scores[order[i]] + scores[order[end - 1]] >= most:
            end -= 1
        number += end - starts[far]
    return number


@njit(cache=True, nogil=True)
def _pairs(scores, starts, order, near, far, most):
    """(pairs, sums): the rows of two components with scores of less than ``most`` in all, the least first, no more than
    ``MOST_PAIRS``; if they are one component, each row with itself."""
    if near == far:
        rows = order[starts[far] : starts[far + 1]]
        return np.stack((rows, rows), axis=1), scores[rows]
    pairs, sums, held = np.empty((MOST_PAIRS, 2), np.int64), np.empty(MOST_PAIRS), 0
    for i in range(starts[near], starts[near + 1]):
        for k in range(starts[far], starts[far + 1]):
            total = scores[order[i]] + scores[order[k]]
            if total >= most:
                break
            pairs[held, 0], pairs[held, 1], sums[held] = order[i], order[k], total
            held += 1
    ascending = np.argsort(sums[:held])
    return pairs[ascending], sums[ascending]


@leaf
def _price(products, terms, constants, roles, columns, number, priced):
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
            f = which[i]  # out of the loop, which is several at a time then
            share = weights[i] * products[f]
            for k in range(number):
                sums[k] += share * columns[f, k]
        if roles[g] == TOTAL:
            for k in range(number):
                values[k] *= max(sums[k], 0.0)
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
