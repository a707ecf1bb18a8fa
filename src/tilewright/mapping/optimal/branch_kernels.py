"""Compiled branch and bound over candidates of all components, and random moves. Imported lazily: it brings numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.bound_kernels import bound, take_turn
from tilewright.mapping.optimal.transfer_kernels import scratch_of


@njit(cache=True)
def grow(values):
    """A binary tree over rows: (left, right, first leaf rows in order, parents' order).

    Rows 0 .. n - 1 are leaves, n .. 2n - 2 inner nodes, the root last. A node is cut in two at the middle of the
    column in which its rows differ most."""
    n, columns = values.shape
    left, right = np.full(2 * n - 1, -1, np.int64), np.full(2 * n - 1, -1, np.int64)
    order = np.arange(n)
    low, high, up, side = (
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
    )
    low[0], high[0], up[0], side[0], waiting, made = 0, n, -1, 0, 1, 2 * n - 2
    while waiting:
        waiting -= 1
        a, b, parent, which = low[waiting], high[waiting], up[waiting], side[waiting]
        if b - a == 1:
            node = order[a]
        else:
            node = made
            made -= 1
        if parent >= 0:
            if which == 0:
                left[parent] = node
            else:
                right[parent] = node
        if b - a == 1:
            continue
        best, widest, cut = -1, -1.0, 0.0
        for k in range(columns):
            smallest = largest = values[order[a], k]
            for i in range(a + 1, b):
                v = values[order[i], k]
                smallest, largest = min(smallest, v), max(largest, v)
            if largest - smallest > widest:
                best, widest, cut = k, largest - smallest, (largest + smallest) / 2
        i, j = a, b - 1
        if widest > 0:
            while i <= j:
                if values[order[i], best] <= cut:
                    i += 1
                else:
                    order[i], order[j] = order[j], order[i]
                    j -= 1
        if i in (a, b):
            i = (a + b) // 2
        for x, y, z in ((a, i, 0), (i, b, 1)):
            low[waiting], high[waiting], up[waiting], side[waiting] = x, y, node, z
            waiting += 1
    return left, right


@njit(cache=True, nogil=True)
def search(roots, left, right, table, s, cost, limit, most, budget):
    """Combinations of single candidates with bounds below ``limit``, the least ones found: at most ``most``.

    ``roots`` are the tree roots of the components, ``left`` and ``right`` children of every row, -1 for candidates.
    Returns (combinations, bounds, number held, nodes, cut, bound for everything left out)."""
    n = len(roots)
    depth_limit = 4096
    scratch = scratch_of(s)
    stack = np.empty((depth_limit, n), np.int64)
    stack_value = np.empty(depth_limit)
    found = np.zeros((most, n), np.int64)
    values = np.full(most, np.inf)
    held, nodes, cut = 0, 1, 0
    rest = np.inf
    stack[0] = roots
    stack_value[0] = bound(roots, table, s, cost, scratch)[0]
    waiting = 1
    rows = roots.copy()
    while waiting:
        waiting -= 1
        value = stack_value[waiting]
        if not value < limit:
            cut += 1
            continue
        if held == most and value >= values.max():
            rest = min(rest, value)
            continue
        if nodes >= budget:
            rest = min(rest, value)
            continue
        rows[:] = stack[waiting]
        chosen, chosen_low, chosen_high = -1, -1.0, -1.0
        low_left = low_right = 0.0
        for c in range(n):
            row = rows[c]
            if left[row] < 0:
                continue
            rows[c] = left[row]
            one = bound(rows, table, s, cost, scratch)[0]
            rows[c] = right[row]
            two = bound(rows, table, s, cost, scratch)[0]
            rows[c] = row
            nodes += 2
            one, two = max(one, value), max(two, value)
            low, high = min(one, two), max(one, two)
            if chosen < 0 or low > chosen_low or (low == chosen_low and high > chosen_high):
                chosen, chosen_low, chosen_high, low_left, low_right = c, low, high, one, two
        if chosen < 0:
            if held < most:
                at = held
                held += 1
            else:
                at = int(values.argmax())
                rest = min(rest, values[at])
            values[at] = value
            found[at] = rows
            continue
        row = rows[chosen]
        first, second = (left[row], right[row]) if low_left <= low_right else (right[row], left[row])
        for child, child_value in ((second, chosen_high), (first, chosen_low)):
            if not child_value < limit:
                cut += 1
                continue
            stack[waiting] = rows
            stack[waiting, chosen] = child
            stack_value[waiting] = child_value
            waiting += 1
    return found, values, held, nodes, cut, rest


@njit(cache=True)
def fold(values, left, right, kinds):
    """Values of leaves carried to all rows of a tree: the least (kind 0), the most (1), or common bits (2)."""
    n, columns = values.shape
    out = np.empty((2 * n - 1, columns))
    out[:n] = values
    for row in range(n, 2 * n - 1):
        one, two = out[left[row]], out[right[row]]
        for k in range(columns):
            if kinds[k] == 0:
                out[row, k] = min(one[k], two[k])
            elif kinds[k] == 1:
                out[row, k] = max(one[k], two[k])
            else:
                out[row, k] = int(one[k]) & int(two[k])
    return out


@njit(cache=True, nogil=True)
def descend(rows, starts, counts, table, s, cost, befores):
    """Improve a combination one component at a time, in one of the orders ``befores`` in which items give way, until no
    other candidate of any one component is better, nor another order."""
    n = len(starts)
    rows = rows.copy()
    scratch = scratch_of(s)
    best, quiet, c, turn = np.inf, 0, 0, 0
    while quiet < n:
        for k in range(len(befores)):
            take_turn(s, befores, k)
            value = bound(rows, table, s, cost, scratch)[0]
            if value < best:
                best, quiet, turn = value, 0, k
        take_turn(s, befores, turn)
        here = rows[c]
        mine = here
        for k in range(starts[c], starts[c] + counts[c]):
            rows[c] = k
            value = bound(rows, table, s, cost, scratch)[0]
            if value < best:
                best, mine = value, k
        rows[c] = mine
        quiet = quiet + 1 if mine == here else 0
        c = (c + 1) % n
    return rows, best


@njit(cache=True, nogil=True)
def single_bounds(component, own, least, table, s, cost):
    """The bounds of some candidates of one component while nothing else is chosen."""
    rows = least.copy()
    scratch = scratch_of(s)
    out = np.empty(len(own))
    for k in range(len(own)):
        rows[component] = own[k]
        out[k] = bound(rows, table, s, cost, scratch)[0]
    return out


@njit(cache=True, nogil=True)
def anneal(rows, leaves, offsets, table, s, cost, befores, steps, seed, skew):
    """A good combination by random moves of one or two components, from ``rows`` on, and between the orders ``befores``
    in which items give way; ``leaves`` are the candidates of all components, alike ones next to each other; with a
    ``skew`` above 1 the first ones are tried more often."""
    np.random.seed(seed)
    n = len(rows)
    scratch = scratch_of(s)
    place = np.zeros(n, np.int64)
    for c in range(n):
        for k in range(offsets[c], offsets[c + 1]):
            if leaves[k] == rows[c]:
                place[c] = k
    now, turn = rows.copy(), 0
    take_turn(s, befores, turn)
    value = np.log(bound(now, table, s, cost, scratch)[0])
    best, best_value = now.copy(), value
    tried, tried_place = now.copy(), place.copy()
    for step in range(steps):
        heat = 0.5 * (1 - step / steps) ** 3 + 1e-4
        tried[:] = now
        tried_place[:] = place
        for _ in range(1 + (np.random.random() < 0.45)):
            c = np.random.randint(n)
            count = offsets[c + 1] - offsets[c]
            if np.random.random() < 0.5:
                k = offsets[c] + int(count * np.random.random() ** skew)
            else:
                reach = 2.0 ** (np.random.random() * 10) + 1
                k = place[c] + int((np.random.random() * 2 - 1) * reach)
                k = min(max(k, offsets[c]), offsets[c + 1] - 1)
            tried[c], tried_place[c] = leaves[k], k
        turned = turn
        if len(befores) > 1 and np.random.random() < 0.1:
            turned = np.random.randint(len(befores))
            take_turn(s, befores, turned)
        other = np.log(bound(tried, table, s, cost, scratch)[0])
        if other < value or np.random.random() < np.exp((value - other) / heat):
            now[:], place[:], value, turn = tried, tried_place, other, turned
            if value < best_value:
                best[:], best_value = now, value
        elif turned != turn:
            take_turn(s, befores, turn)
    return best, np.exp(best_value)


@njit(cache=True, nogil=True)
def leaders(values, groups, most=1 << 62):
    """For every row one of its group that is nowhere above it: the row itself where there is no other. Each is compared
    with at most so many of those that lead: where they are more, some may lead that another one is not above.

    Rows come in order of their groups, and within them of the sums of their values, so that only earlier rows lead."""
    n, columns = values.shape
    leader = np.arange(n)
    front = np.empty(n, np.int64)
    held = 0
    for i in range(n):
        if i > 0 and groups[i] != groups[i - 1]:
            held = 0
        for h in range(min(held, most)):
            j = front[h]
            below = True
            for k in range(columns):
                if values[j, k] > values[i, k]:
                    below = False
                    break
            if below:
                leader[i] = j
                while h > 0:  # what leads one row often leads the next: look there first
                    front[h] = front[h - 1]
                    h -= 1
                front[0] = j
                break
        if leader[i] == i:
            front[held] = i
            held += 1
    return leader


@njit(cache=True, nogil=True)
def undominated(values, most=1 << 62):
    """Which rows no other row goes below or equals in every column; of equal rows the first stays. Rows come in
    ascending order of their sums; ``most`` is that of ``leaders``."""
    n = len(values)
    return leaders(values, np.zeros(n, np.int64), most) == np.arange(n)
