"""Compiled loops of the search over chains of tiles. Imported lazily: it brings numba.

A chain splits one dimension at a row of places, loops and pars alike. Seen from one boundary of the hierarchy, a place
is walked ALL through (a loop that refills, a par whose positions count), or only its FIRST chunk matters (a loop
inside the last one used, a par whose positions share), or that in which it ENDS, or positions are taken TOGETHER as
one union.
"""

from __future__ import annotations

import numpy as np
from numba import float64, int64, njit, types, void

FIRST, ALL, TOGETHER, CUT, ENDS = range(5)
_MOST_LENGTHS = 64
_MOST_KNOWN = 1 << 16
WINDOW_COUNTS = 5  # of ``window_words``


@njit(int64(int64[::1], int64[::1], int64, int64, int64), cache=True)
def _add(lengths, numbers, used, length, number):
    for k in range(used):
        if lengths[k] == length:
            numbers[k] += number
            return used
    lengths[used], numbers[used] = length, number
    return used + 1


@njit(
    void(int64, int64[:, ::1], int64[:, ::1], int64[::1], float64[:, ::1]),
    cache=True,
)
def chain_counts(extent, tiles, modes, kinds, out):
    """Per chain and request: the chunks that are walked (kind 0), the sum of their lengths (1), the last one (2)."""
    lengths = np.empty(_MOST_LENGTHS, np.int64)
    numbers = np.empty(_MOST_LENGTHS, np.int64)
    new_lengths = np.empty(_MOST_LENGTHS, np.int64)
    new_numbers = np.empty(_MOST_LENGTHS, np.int64)
    for chain in range(tiles.shape[0]):
        for request in range(modes.shape[0]):
            lengths[0], numbers[0], used, last = extent, 1, 1, extent
            for place in range(tiles.shape[1]):
                tile, mode = tiles[chain, place], modes[request, place]
                if mode == 3:
                    continue
                fresh = 0
                for k in range(used):
                    length, number = lengths[k], numbers[k]
                    if mode == 1 and length > tile:
                        full = length // tile
                        fresh = _add(new_lengths, new_numbers, fresh, tile, number * full)
                        if length > full * tile:
                            fresh = _add(new_lengths, new_numbers, fresh, length - full * tile, number)
                    elif mode == 4:
                        fresh = _add(new_lengths, new_numbers, fresh, length - (-(-length // tile) - 1) * tile, number)
                    else:
                        fresh = _add(new_lengths, new_numbers, fresh, min(length, tile), number)
                last = last - (-(-last // tile) - 1) * tile if mode == 1 or mode == 4 else min(last, tile)
                used = fresh
                for k in range(used):
                    lengths[k], numbers[k] = new_lengths[k], new_numbers[k]
            total = 0
            if kinds[request] == 0:
                for k in range(used):
                    total += numbers[k]
            elif kinds[request] == 1:
                for k in range(used):
                    total += numbers[k] * lengths[k]
            else:
                total = last
            out[chain, request] = total


_MEMBERS = types.Tuple((int64[::1], int64[::1], int64[::1], int64[::1], int64[::1]))


@njit(_MEMBERS(int64, int64[::1], int64[::1], int64), cache=True)
def chain_members(extent, tiles, modes, sliding):
    """Every walked chunk of one chain as (group, start, length, start before, length before).

    Members of one group are positions TOGETHER. ``sliding`` is the place of the loop that moves a window (-1: none):
    ``before`` is then the chunk that the same position held one iteration earlier, of length 0 in the first.
    """
    group, start, length = np.zeros(1, np.int64), np.zeros(1, np.int64), np.full(1, extent, np.int64)
    before, before_length = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for place in range(len(tiles)):
        tile, mode = tiles[place], modes[place]
        if mode == 3:
            continue
        total = 0
        for k in range(len(group)):
            total += 1 if mode == 0 or mode == 4 else -(-length[k] // tile)
        g, s, n = np.empty(total, np.int64), np.empty(total, np.int64), np.empty(total, np.int64)
        b, bn = np.empty(total, np.int64), np.empty(total, np.int64)
        made, groups, k = 0, 0, 0
        while k < len(group):
            end = k
            while end < len(group) and group[end] == group[k]:
                end += 1
            chunks = 1 if mode == 0 else -(-length[k] // tile)
            for chunk in range(chunks - 1 if mode == 4 else 0, chunks if mode != 2 else 1):
                for member in range(k, end):
                    first, until = (0, chunks) if mode == 2 else (chunk, chunk + 1)
                    for number in range(first, until):
                        left = length[member] - number * tile
                        if left <= 0:
                            continue
                        g[made], s[made], n[made] = groups, start[member] + number * tile, min(tile, left)
                        left_before = before_length[member] - number * tile
                        b[made] = before[member] + number * tile
                        bn[made] = min(tile, left_before) if left_before > 0 else 0
                        if place == sliding:
                            b[made] = s[made] - tile
                            bn[made] = tile if number > 0 else 0
                        made += 1
                groups += 1
            k = end
        group, start, length, before, before_length = g[:made], s[:made], n[:made], b[:made], bn[:made]
    return group, start, length, before, before_length


@njit(cache=True)
def _new_indices(y, ny, py, pny, r, nr, pr, pnr, y_step, r_step, offset, size):
    """(first, last, step) of the in-bounds indices that a chunk of each dimension needs and the chunks before lacked
    (of length 0: there were none)."""
    first = y * y_step + r * r_step + offset
    last = (y + ny - 1) * y_step + (r + nr - 1) * r_step + offset
    step = 1 if ny > 1 and nr > 1 else (y_step if ny > 1 else (r_step if nr > 1 else 1))
    low = 0
    if pny > 0 or pnr > 0:
        if pny == 0:
            py, pny = y, ny
        if pnr == 0:
            pr, pnr = r, nr
        p_first = py * y_step + pr * r_step + offset
        p_last = (py + pny - 1) * y_step + (pr + pnr - 1) * r_step + offset
        p_step = 1 if pny > 1 and pnr > 1 else (y_step if pny > 1 else (r_step if pnr > 1 else 1))
        if (first - p_first) % p_step == 0:
            low = max(0, p_last + 1)
    if first < low:
        first += -(-(low - first) // step) * step
    return first, min(last, size - 1), step


@njit(void(_MEMBERS, _MEMBERS, int64, int64, int64, int64, int64[::1], int64[::1]), cache=True)
def window_words(ys, rs, y_step, r_step, offset, size, marks, out):
    """Distinct in-bounds indices on one axis that the members of each pair of groups need newly: their sum, the most
    of any pair, those of the first pair, the most of any pair that follows another one in a sweep, and how many pairs
    need any. ``marks`` has a cell per index and one more for the last stamp used."""
    total, most, first_pair, later, pairs, filled = 0, 0, 0, 0, 0, 0
    i = 0
    while i < len(ys[0]):
        i_end = i
        while i_end < len(ys[0]) and ys[0][i_end] == ys[0][i]:
            i_end += 1
        j = 0
        while j < len(rs[0]):
            j_end = j
            while j_end < len(rs[0]) and rs[0][j_end] == rs[0][j]:
                j_end += 1
            marks[size] += 1
            stamp, words = marks[size], 0
            single = i_end == i + 1 and j_end == j + 1
            for a in range(i, i_end):
                for b in range(j, j_end):
                    y, ny, r, nr = ys[1][a], ys[2][a], rs[1][b], rs[2][b]
                    first, last, step = _new_indices(
                        y, ny, ys[3][a], ys[4][a], r, nr, rs[3][b], rs[4][b], y_step, r_step, offset, size
                    )
                    if single:
                        words += max(0, (last - first) // step + 1)
                        continue
                    index = first
                    while index <= last:
                        if marks[index] != stamp:
                            marks[index] = stamp
                            words += 1
                        index += step
            total += words
            filled += words > 0
            most = max(most, words)
            if ys[4][i] > 0 or rs[4][j] > 0:
                later = max(later, words)
            if pairs == 0:
                first_pair = words
            pairs += 1
            j = j_end
        i = i_end
    out[0], out[1], out[2], out[3], out[4] = total, most, first_pair, later, filled


@njit(cache=True)
def _words_beside(y, ny, py, pny, rs, y_step, r_step, offset, size):
    """The words that one chunk needs newly with every chunk of the other dimension: their sum, the most, the most of
    those that follow another one in a sweep, and with how many it needs any."""
    total, most, later, filled = 0, 0, 0, 0
    for b in range(len(rs[0])):
        first, last, step = _new_indices(
            y, ny, py, pny, rs[1][b], rs[2][b], rs[3][b], rs[4][b], y_step, r_step, offset, size
        )
        words = max(0, (last - first) // step + 1)
        total, most, filled = total + words, max(most, words), filled + (words > 0)
        if pny > 0 or rs[4][b] > 0:
            later = max(later, words)
    return total, most, later, filled


@njit(
    void(
        int64, int64[:, ::1], int64[::1], int64[::1], int64, int64[:, ::1], int64[::1], int64[::1],
        int64, int64, int64, int64, float64[:, :, ::1],
    ),
    cache=True,
)  # fmt: skip
def window_table(
    y_extent, y_tiles, y_modes, y_slides, r_extent, r_tiles, r_modes, r_slides, y_step, r_step, offset, size, out
):
    """``window_words`` for every chain of one dimension with every chain of the other; ``slides`` gives for each chain
    the place of its sliding loop, -1 for none."""
    marks = np.zeros(size + 1, np.int64)
    words = np.zeros(WINDOW_COUNTS, np.int64)
    taps = [chain_members(r_extent, r_tiles[b], r_modes, r_slides[b]) for b in range(len(r_tiles))]
    apart = len(y_tiles) > 2 * y_extent and y_extent * y_extent <= _MOST_KNOWN
    for mode in y_modes:
        apart = apart and mode != 2
    for mode in r_modes:
        apart = apart and mode != 2
    # What a chunk by itself brings is the same in every chain: by its start and length, and by how long the chunk right
    # before it was (nothing, one, or more).
    sums = np.full((len(r_tiles), y_extent, y_extent + 1, 3) if apart else (0, 0, 0, 0), -1, np.int64)
    tops, laters, numbers = np.zeros_like(sums), np.zeros_like(sums), np.zeros_like(sums)
    for a in range(len(y_tiles)):
        ys = chain_members(y_extent, y_tiles[a], y_modes, y_slides[a])
        for b in range(len(r_tiles)):
            if not apart:
                window_words(ys, taps[b], y_step, r_step, offset, size, marks, words)
                for k in range(WINDOW_COUNTS):
                    out[a, b, k] = words[k]
                continue
            total, most, later, filled = 0, 0, 0, 0
            for i in range(len(ys[0])):
                y, ny, py, pny = ys[1][i], ys[2][i], ys[3][i], ys[4][i]
                kind = min(pny, 2)
                known = pny == 0 or py + pny == y
                if not known or sums[b, y, ny, kind] < 0:
                    one, top, after, number = _words_beside(y, ny, py, pny, taps[b], y_step, r_step, offset, size)
                    if known:
                        sums[b, y, ny, kind], tops[b, y, ny, kind] = one, top
                        laters[b, y, ny, kind], numbers[b, y, ny, kind] = after, number
                else:
                    one, top = sums[b, y, ny, kind], tops[b, y, ny, kind]
                    after, number = laters[b, y, ny, kind], numbers[b, y, ny, kind]
                total, most, later, filled = total + one, max(most, top), max(later, after), filled + number
            out[a, b, 0], out[a, b, 1], out[a, b, 3], out[a, b, 4] = total, most, later, filled
            first, last, step = _new_indices(
                ys[1][0], ys[2][0], ys[3][0], ys[4][0],
                taps[b][1][0], taps[b][2][0], taps[b][3][0], taps[b][4][0], y_step, r_step, offset, size,
            )  # fmt: skip
            out[a, b, 2] = max(0, (last - first) // step + 1)
