"""The compiled enumeration of ``stoutchinin_space``: imported lazily, since it brings numba.

Of three boxes on a chain few numbers are free. The innermost array needs one element and takes its idle loops from
the box outside it; the outermost holds what the boxes inside it touch and is moved once. What is left are the input's
box and slide, and up to three extents of one other array (``x0, x1, x2``):

    case 0  O in W in I    if, fy, fx of W        case 1  W in O in I    b, sy, sx of O
    case 2  O in I in W    none                   case 3  W in I in O    none
    case 4  I in W in O    b, sy, sx of W         case 5  I in O in W    if, fy, fx of O

Where the input is outermost it covers all of ``of`` and slides to the end of its axis. Boxes here are without ``g``:
every array uses it, so its loop stands outside all others and only multiplies traffic. The reference is brute force
over chains of loops with the formulas of ``stoutchinin``, in the tests.
"""

from __future__ import annotations

import numpy as np
from numba import boolean, int64, njit, void

from tilewright.mapping.tiling import IntArray

B, OF, IF, SY, SX, FY, FX = range(7)
CASES = 6


@njit(void(int64[::1], int64, int64, int64), cache=True)
def _places(box: IntArray, b: int, sy: int, sx: int) -> None:
    box[B], box[SY], box[SX] = b, sy, sx


@njit(void(int64[::1], int64, int64, int64), cache=True)
def _taps(box: IntArray, channels: int, fy: int, fx: int) -> None:
    box[IF], box[FY], box[FX] = channels, fy, fx


@njit(boolean(int64, int64[::1], int64[::1], int64[::1], int64[::1], int64[::1], int64[::1]), cache=True)
def _boxes(case: int, x: IntArray, n: IntArray, e: IntArray, v: IntArray, w: IntArray, o: IntArray) -> bool:
    """The boxes of W and O for the input's box ``e``, the end ``v`` of its slide, and free extents ``x``; whether
    they lie on one chain."""
    w[:], o[:] = 1, 1
    if case == 0:
        _places(w, e[B], e[SY], e[SX])
        _taps(w, x[0], x[1], x[2])
        _taps(o, x[0], x[1], x[2])
        return bool(e[IF] % x[0] == 0 and e[FY] % x[1] == 0 and e[FX] % x[2] == 0)
    if case == 1:
        _places(w, x[0], x[1], x[2])
        _places(o, x[0], x[1], x[2])
        _taps(o, e[IF], e[FY], e[FX])
        return bool(e[B] % x[0] == 0 and e[SY] % x[1] == 0 and e[SX] % x[2] == 0)
    if case == 2:
        _taps(o, e[IF], e[FY], e[FX])
        w[:] = v
        _places(w, n[B], n[SY], n[SX])
        return True
    if case == 3:
        _places(w, e[B], e[SY], e[SX])
        o[:] = v
        _taps(o, n[IF], n[FY], n[FX])
        return True
    w[:], o[:] = v, v
    if case == 4:
        _places(w, x[0], x[1], x[2])
        _places(o, x[0], x[1], x[2])
        _taps(o, n[IF], n[FY], n[FX])
        return bool(x[0] % v[B] == 0 and x[1] % v[SY] == 0 and x[2] % v[SX] == 0)
    _taps(w, x[0], x[1], x[2])
    _taps(o, x[0], x[1], x[2])
    _places(w, n[B], n[SY], n[SX])
    return bool(x[0] % v[IF] == 0 and x[1] % v[FY] == 0 and x[2] % v[FX] == 0)


@njit(int64(int64, int64, int64, int64, int64), cache=True)
def _room(elements: int, whole: int, bits: int, granule: int, doubled: int) -> int:
    """Bytes of a buffer; two of them where the array comes in parts."""
    size = elements * 2 if doubled and elements < whole else elements
    size = (size * bits + 7) // 8
    return -(-size // granule) * granule


@njit(boolean(int64[::1], int64[::1]), cache=True)
def _before(one: IntArray, other: IntArray) -> bool:
    """Order by traffic, then room, then number."""
    for k in range(3):
        if one[k] != other[k]:
            return bool(one[k] < other[k])
    return False


@njit(int64(int64[:, ::1], int64, int64[::1]), cache=True)
def _insert(best: IntArray, used: int, row: IntArray) -> int:
    """Put a row where it belongs in a sorted table, if it does; how many rows are in use afterwards."""
    place = used
    while place > 0 and _before(row, best[place - 1]):
        place -= 1
    if place == len(best):
        return used
    for k in range(min(used, len(best) - 1), place, -1):
        best[k] = best[k - 1]
    best[place] = row
    return min(used + 1, len(best))


@njit(
    "Tuple((int64, int64))(int64[:,::1], int64[:,::1], int64[::1], int64, int64[::1], int64[::1], int64[::1], int64,"
    " int64[:,::1])",
    cache=True,
)
def combine(
    slides: IntArray,
    divisors: IntArray,
    n: IntArray,
    groups: int,
    bits: IntArray,
    limits: IntArray,
    after: IntArray,
    below: int,
    best: IntArray,
) -> tuple[int, int]:
    """Fill ``best`` with the combinations of least (traffic bits, room bytes, number) beyond the key ``after``.

    A row of ``slides`` is the input's box (7) with ``of`` 1, the end of its slide (7), its buffer in bytes and the
    elements that move if ``of`` is all inside. ``divisors`` has a row per dimension, ended by 0. ``bits`` are input,
    weight, output, accumulator; ``limits`` bytes of I, W, O and all, the granule, and whether buffers are doubled. A
    row of ``best`` is its key and the boxes of I, its end, W and O. Returns the rows filled, and how many
    combinations that fit have traffic less than ``below``.
    """
    weights, outputs = n[OF] * n[IF] * n[FY] * n[FX], n[B] * n[OF] * n[SY] * n[SX]
    row, x = np.empty(31, np.int64), np.empty(3, np.int64)
    w, o, e, v = np.empty(7, np.int64), np.empty(7, np.int64), np.empty(7, np.int64), np.empty(7, np.int64)
    free, most = np.empty(3, np.int64), divisors.shape[1]
    used, under = 0, 0
    for slide in range(len(slides)):
        e[:], v[:] = slides[slide, :7], slides[slide, 7:14]
        room_i, moved = slides[slide, 14], slides[slide, 15]
        to_end = True
        for k in range(7):
            to_end &= e[k] == v[k] or v[k] == n[k]
        for place in range(most):
            e[OF] = divisors[OF, place]
            v[OF] = e[OF]
            if e[OF] == 0:
                break
            least = groups * (moved * (n[OF] // e[OF]) * bits[0] + weights * bits[1] + outputs * bits[2])
            if used == len(best) and least > best[used - 1, 0] and least >= below:
                continue
            for case in range(CASES):
                if case < 2 and not (to_end and e[OF] == n[OF]):
                    continue
                choices = most**3
                if case == 0 or case == 5:
                    free[0], free[1], free[2] = IF, FY, FX
                elif case == 1 or case == 4:
                    free[0], free[1], free[2] = B, SY, SX
                else:
                    choices = 1
                choice = 0
                while choice < choices:
                    this, choice = choice, choice + 1
                    if choices > 1:
                        first, second, third = this // most**2, this // most % most, this % most
                        x[0], x[1], x[2] = divisors[free[0], first], divisors[free[1], second], divisors[free[2], third]
                        # Lists end with 0: go on with the next of the one before.
                        if x[0] == 0:
                            break
                        if x[1] == 0:
                            choice = (first + 1) * most**2
                            continue
                        if x[2] == 0:
                            choice = (this // most + 1) * most
                            continue
                    if not _boxes(case, x, n, e, v, w, o):
                        continue
                    held_w, held_o = w[OF] * w[IF] * w[FY] * w[FX], o[B] * o[OF] * o[SY] * o[SX]
                    room_w = _room(held_w, groups * weights, bits[1], limits[4], limits[5])
                    room_o = _room(held_o, groups * outputs, bits[3], limits[4], limits[5])
                    room = room_i + room_w + room_o
                    if room_w > limits[1] or room_o > limits[2] or room > limits[3]:
                        continue
                    again_w = (n[B] // w[B]) * (n[SY] // w[SY]) * (n[SX] // w[SX])
                    visits = (n[IF] // o[IF]) * (n[FY] // o[FY]) * (n[FX] // o[FX])
                    traffic = moved * (n[OF] // e[OF]) * bits[0] + weights * again_w * bits[1]
                    traffic = groups * (traffic + outputs * (bits[2] + 2 * bits[3] * (visits - 1)))
                    under += traffic < below
                    row[0], row[1] = traffic, room
                    row[2] = ((slide * most + place) * CASES + case) * most**3 + this
                    if _before(after, row):
                        row[3:10], row[10:17], row[17:24], row[24:31] = e, v, w, o
                        used = _insert(best, used, row)
    return used, under
