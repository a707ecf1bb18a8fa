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
        int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[:, ::1], int64[::1],
        int64, int64[::1], int64[::1], boolean, int64[:, ::1],
    ),
    cache=True,
)  # fmt: skip
def timelines(tiles, sizes, runs, loads, beside, stores, tile_of, setup, read_rate, write_rate, overlaps, out):
    """The time of a group for each way to place its maps (docs/model.md, sections 6 and 8).

    ``tiles[t]`` are the times of all steps, ``sizes`` and ``runs`` bytes and runs of transfers, one row each, the first
    empty. For each choice c: rows ``loads[c]`` come in before a step, ``beside[c]`` flow in during it, rows
    ``stores[c]`` go out after it; ``tile_of[c]`` is its row of times. ``out[c]``: cycles, the same with the
    maximum outside the sum, bytes in, bytes out.
    """
    steps = tiles.shape[1]
    load = np.empty(steps, np.int64)
    flow = np.empty(steps, np.int64)
    store = np.empty(steps, np.int64)
    for c in range(out.shape[0]):
        into = 0
        outward = 0
        for k in range(steps):
            size, number = _moved(sizes, runs, loads[c], k)
            load[k] = setup * number + _rate(size, read_rate)
            into += size
            size, number = _moved(sizes, runs, beside[c], k)
            flow[k] = setup * number + _rate(size, read_rate)
            into += size
            size, number = _moved(sizes, runs, stores[c], k)
            store[k] = setup * number + _rate(size, write_rate)
            outward += size
        mine = tiles[tile_of[c]]
        total, moving, computing = 0, 0, 0
        for k in range(steps):
            computing += mine[k]
            if overlaps:
                at_once = flow[k]
                if k > 0:
                    at_once += store[k - 1]
                if k + 1 < steps:
                    at_once += load[k + 1]
                total += max(mine[k], at_once)
            else:
                total += load[k] + max(mine[k], flow[k]) + store[k]
            moving += load[k] + flow[k] + store[k]
        first, last = load[0], store[steps - 1]
        if overlaps:
            total += first + last
        out[c, CYCLES] = total
        out[c, LOOSE] = first + max(moving - first - last, computing) + last
        out[c, IN_BYTES] = into
        out[c, OUT_BYTES] = outward


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
