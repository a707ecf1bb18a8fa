"""Compiled bounds of cycles, step by step, from the profiles of tiles (``profiles.Profile``). Imported lazily: it
brings numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.transfer_kernels import INNER, ITEM, runs_of

NUMBER, WORK, MOVED, PORT, FLOWS = range(5)  # the columns of the kinds of steps


@leaf
def _flowing(rows, table, s, cost, every, average):
    """What passes the scratchpad by: whether it is refilled in every step; then its cycles at least, for a step of the
    mean. Not of what slides or lies in padding: there the largest tiles are not those that take most."""
    at, steps, items = 0, 1.0, len(s.parent)
    for c in range(len(rows)):
        steps *= table[rows[c], s.at_points + 4]
    for i in range(items):
        if s.parent[i] >= 0 or s.output[i] or s.memory[i] == s.pad:
            continue
        every[at], average[at] = False, 0.0
        even, inner, words = not s.padded[i], 0, 1.0
        for c in range(len(rows)):
            inner = max(inner, int(table[rows[c], s.at_item[i] + INNER]))
            even = even and not s.window[c, i]
        every[at] = inner >= s.tile_items
        if every[at] and even:
            for c in range(len(rows)):
                words *= table[rows[c], s.at_item[i] + ITEM + inner]
            flow = words * s.bits[i] / 8 / cost.dram_read_rate
            if cost.setup > 0:
                flow += cost.setup * runs_of(rows, table, s, i, words, inner, -1, 0)
            average[at] = np.floor(flow / steps - 1e-6)
        at += 1


@njit(cache=True, nogil=True)
def passing(cuts):
    """Room for what ``by_steps`` knows of the items that pass the scratchpad by."""
    number = (cuts.kinds.shape[1] - FLOWS) // 2
    return np.zeros(number, np.bool_), np.zeros(number)


@leaf
def by_steps(rows, table, least_step, positions, known, s, cost, cuts, every, average):
    """The cycles that no mapping with tiles of some profiles (``cuts.first[known]`` and following) goes below.

    ``rows`` have the least factors of what is left, their compute steps of a tile at most; those of the largest tile
    are at least ``least_step`` (infinite: the same, for a single combination). ``every`` and ``average`` serve what
    passes the scratchpad by, as ``passing`` makes them.
    """
    first, edges, ends, kinds = cuts.first, cuts.edges, cuts.ends, cuts.kinds
    if first[known] == first[known + 1]:
        return 0.0
    points, most_step = 1.0, 1.0
    for c in range(len(rows)):
        points *= table[rows[c], s.at_points]
        most_step *= table[rows[c], s.at_points + 2]
    if len(every):
        _flowing(rows, table, s, cost, every, average)
    best = np.inf
    for p in range(first[known], first[known + 1]):
        largest = 0.0
        for k in range(ends[p], ends[p + 1]):
            largest = max(largest, kinds[k, WORK])
        total, hidden = edges[p], 0.0
        for k in range(ends[p], ends[p + 1]):
            least, moved = np.ceil(kinds[k, WORK] / positions), kinds[k, MOVED]
            if kinds[k, WORK] == largest:
                least = max(least, least_step)
            least = min(least, most_step)
            for i in range(len(every)):
                flow = kinds[k, FLOWS + 2 * i + (1 if every[i] else 0)]
                moved += max(flow, average[i]) if kinds[k, WORK] == largest else flow
            moved = max(moved, kinds[k, PORT])
            total += kinds[k, NUMBER] * max(least, moved)
            # What computes longer than at least hides behind transfers as far as these are longer.
            hidden += kinds[k, NUMBER] * max(least, min(most_step, moved))
        best = min(best, total + max(0.0, points - hidden))
    return best


@leaf
def most_positions(table, offsets, s):
    """The most positions of the array that any combination takes."""
    total = 1.0
    for axis in range(len(s.positions)):
        taken = 1.0
        for c in range(len(offsets) - 1):
            most = 1.0
            for row in range(offsets[c], offsets[c + 1]):
                most = max(most, table[row, s.at_used + axis])
            taken *= most
        total *= min(taken, s.positions[axis])
    return total


@leaf
def taken_positions(rows, table, s):
    """The positions of the array that a combination takes."""
    total = 1.0
    for axis in range(len(s.positions)):
        for row in rows:
            total *= table[row, s.at_used + axis]
    return total


@njit(cache=True, nogil=True)
def least_cycles(table, cuts, known, s, cost):
    """The cycles that no mapping of a combination goes below, with what is known of its tiles."""
    rows = np.arange(len(table))
    positions = taken_positions(rows, table, s)
    every, average = passing(cuts)
    return by_steps(rows, table, np.inf, positions, known, s, cost, cuts, every, average)
