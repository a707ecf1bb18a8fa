"""Compiled loops over the offers of groups. Imported lazily: it brings numba."""

from __future__ import annotations

import numpy as np
from numba import boolean, float64, int64, njit, types, void

CYCLES, LOOSE, IN_BYTES, OUT_BYTES = range(4)


@njit(int64(int64, int64[::1]), cache=True)
def _rate(size, rate):
    """Cycles of so many bytes at a rate (numerator, denominator); none where the numerator is 0, for unlimited."""
    if rate[0] == 0:
        return 0
    return -((-size * rate[1]) // rate[0])


@njit(types.UniTuple(int64, 2)(int64[:, ::1], int64[:, ::1], int64[::1], int64), cache=True)
def _moved(sizes, runs, rows, step):
    """Bytes and runs of some rows in one step; row 0 is empty."""
    size, number = 0, 0
    for row in rows:
        if row:
            size += sizes[row, step]
            number += runs[row, step]
    return size, number


@njit(
    void(
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, :, ::1], int64, int64[:, ::1], int64[::1], int64[::1],
        int64[::1], int64, int64[::1], int64[::1], boolean, int64[:, :, ::1],
    ),
    cache=True,
)  # fmt: skip
def timelines(
    tiles, sizes, runs, loads, flow, stores, into, out_of, tile_of, setup, read_rate, write_rate, overlaps, found
):
    """The time of a group for each choice of weights and residency (docs/model.md, sections 6 and 8).

    ``tiles[t]`` are the times of all steps, ``sizes`` and ``runs`` bytes and runs of transfers, one row each, the first
    empty. Rows ``loads[w, into[r]]`` come in before a step of choice w and residency r, row ``flow`` flows in during
    it, rows ``stores[out_of[r]]`` go out after it; ``tile_of[r]`` is its row of times. ``found[w, r]``: cycles, the
    same with the maximum outside the sum, bytes in without those that flow, bytes out.
    """
    steps = tiles.shape[1]
    load, before = np.empty(steps, np.int64), np.empty(steps, np.int64)
    beside, after = np.empty(steps, np.int64), np.empty((len(stores), steps), np.int64)
    outward, storing = np.zeros(len(stores), np.int64), np.zeros(len(stores), np.int64)
    flowing = 0
    for k in range(steps):
        beside[k] = setup * runs[flow, k] + _rate(sizes[flow, k], read_rate)
        flowing += beside[k]
    for s in range(len(stores)):
        for k in range(steps):
            size, number = _moved(sizes, runs, stores[s], k)
            after[s, k] = setup * number + _rate(size, write_rate)
            outward[s] += size
            storing[s] += after[s, k]
    computing = tiles.sum(axis=1)
    for w in range(loads.shape[0]):
        for e in range(loads.shape[1]):
            inward, loading = 0, 0
            for k in range(steps):
                size, number = _moved(sizes, runs, loads[w, e], k)
                load[k] = setup * number + _rate(size, read_rate)
                inward += size
                loading += load[k]
            if overlaps:  # what is loaded for the step after this one
                for k in range(steps - 1):
                    before[k] = beside[k] + load[k + 1]
                before[steps - 1] = beside[steps - 1]
            for r in range(len(into)):
                if into[r] != e:
                    continue
                mine, store = tiles[tile_of[r]], after[out_of[r]]
                first, last = load[0], store[steps - 1]
                if overlaps:
                    total = first + last + max(mine[0], before[0])
                    for k in range(1, steps):
                        total += max(mine[k], before[k] + store[k - 1])
                else:
                    total = loading + storing[out_of[r]]
                    for k in range(steps):
                        total += max(mine[k], beside[k])
                moving = loading + flowing + storing[out_of[r]]
                found[w, r, CYCLES] = total
                found[w, r, LOOSE] = first + max(moving - first - last, computing[tile_of[r]]) + last
                found[w, r, IN_BYTES] = inward
                found[w, r, OUT_BYTES] = outward[out_of[r]]


@njit(int64(int64[::1], float64[::1], int64[::1], int64[::1], int64[::1], int64[::1]), cache=True)
def front(room, energy, cycles, size, loose, kept):
    """The offers, in order of room, that no other equals or beats in everything; their numbers go to ``kept``."""
    found = 0
    for k in range(len(room)):
        good = True
        for j in range(found - 1, -1, -1):
            o = kept[j]
            if energy[o] <= energy[k] and cycles[o] <= cycles[k] and size[o] <= size[k] and loose[o] <= loose[k]:
                good = False
                break
        if good:
            kept[found] = k
            found += 1
    return found
