"""The compiled list of all ways to run an array tile of dMazeRunner's model. Imported lazily: it brings numba.

A split of an array tile is a spatial box that divides it; what is left is each processing element's register tile. The
reference is the brute force of the tests.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.published.dmazerunner_kernels import FloatArray, banks_of, box_of, sizes_of
from tilewright.mapping.tiling import IntArray


@njit(
    "Tuple((int64[::1], int64[:,::1], float64[:,::1], int64))(int64[::1], int64[::1], float64[::1],"
    " int64[:,::1], int64[::1], int64[::1], int64[:,:,::1], int64[:,::1], int64[::1], int64, int64, boolean,"
    " int64)",
    cache=True,
)
def split_arrays(
    shape: IntArray,
    limits: IntArray,
    rates: FloatArray,
    divisors: IntArray,
    counts: IntArray,
    strides: IntArray,
    inside: IntArray,
    insides: IntArray,
    spread: IntArray,
    least_pes: int,
    least_rf: int,
    dominance: bool,
    most: int,
) -> tuple[IntArray, IntArray, FloatArray, int]:
    """All splits of every array tile, those for k = O, I, W behind one another.

    ``spread`` says of each dimension whether its spatial trip count must be 1 (0), may be more (1) or must be (2).
    Rows of tile t and operand k are ``offsets[3 t + k]`` to ``offsets[3 t + k + 1]``: integers are the spatial box,
    cycles to compute and to reduce; floats f and h in pJ. With ``dominance`` only splits remain that no other of the
    same tile equals or beats in every number the cost grows with. The last value is 0 if more than ``most`` were tried.
    """
    total = 1
    for dim in range(7):
        total *= counts[dim]
    offsets = np.zeros(3 * total + 1, np.int64)
    ints, floats = np.empty((4096, 3), np.int64), np.empty((4096, 2), np.float64)
    found, work = np.empty((1024, 3), np.int64), np.empty((1024, 6), np.float64)
    index, array, rf = np.empty(7, np.int64), np.empty(7, np.int64), np.empty(7, np.int64)
    held, moved = np.empty(3, np.int64), np.empty(3, np.int64)
    levels = np.ones((4, 8), np.int64)
    pick, number, product, gathered = levels[0], levels[1], levels[2], levels[3]
    number[0] = 0
    per_reduction = 3 * rates[4] + rates[5] + rates[8]
    used, tried = 0, 0
    for box in range(total):
        box_of(box, divisors, strides, index, array)
        sizes_of(shape, array, moved)
        rows = 0
        if banks_of(limits, moved) <= limits[2]:
            points = 1
            for dim in range(7):
                points *= array[dim]
            depth = 0
            pick[0] = 0
            while depth >= 0:
                if depth == 7:
                    depth -= 1
                    tried += 1
                    pes = product[7]
                    if pes < least_pes:
                        continue
                    sizes_of(shape, rf, held)
                    room = held[0] + held[1] + held[2]
                    if room > limits[1] or room < least_rf:
                        continue
                    if rows == len(found):
                        bigger, wider = np.empty((2 * rows, 3), np.int64), np.empty((2 * rows, 6), np.float64)
                        bigger[:rows], wider[:rows] = found, work
                        found, work = bigger, wider
                    reduction = held[0] * (pes - gathered[7])
                    found[rows, 0], found[rows, 1], found[rows, 2] = number[7], points // pes, reduction
                    # Energy per register-file pass of each operand; the output crosses twice.
                    out = 2 * moved[0] * (rates[6] + rates[5]) + reduction * per_reduction
                    into = moved[1] * rates[6] + held[1] * pes * rates[5]
                    weight = moved[2] * rates[6] + held[2] * pes * rates[5]
                    work[rows, 0], work[rows, 3] = into + weight, out
                    work[rows, 1], work[rows, 4] = out + weight, into
                    work[rows, 2], work[rows, 5] = out + into, weight
                    rows += 1
                    continue
                if pick[depth] == insides[depth, index[depth]]:
                    depth -= 1
                    continue
                place = inside[depth, index[depth], pick[depth]]
                trips = divisors[depth, place]
                pick[depth] += 1
                if product[depth] * trips > limits[0] or (spread[depth] == 0 and trips > 1):
                    pick[depth] = insides[depth, index[depth]]
                    continue
                if spread[depth] == 2 and trips == 1:
                    continue
                product[depth + 1] = product[depth] * trips
                number[depth + 1] = number[depth] + place * strides[depth]
                kept = depth < 2 or depth == 3 or depth == 4 or (depth == 2 and shape[0] == 1)
                gathered[depth + 1] = gathered[depth] * (trips if kept else 1)
                rf[depth] = array[depth] // trips
                depth += 1
                pick[depth] = 0
        for operand in range(3):
            begin = used
            for row in range(rows):
                compute, both = found[row, 1], found[row, 1] + found[row, 2]
                f, h = work[row, operand], work[row, 3 + operand]
                if dominance:
                    beaten = False
                    for other in range(begin, used):
                        if (
                            ints[other, 1] + ints[other, 2] <= both
                            and floats[other, 0] <= f
                            and floats[other, 1] <= h
                            and (operand or ints[other, 1] <= compute)
                        ):
                            beaten = True
                            break
                    if beaten:
                        continue
                    kept_rows = begin
                    for other in range(begin, used):
                        worse = (
                            ints[other, 1] + ints[other, 2] >= both
                            and floats[other, 0] >= f
                            and floats[other, 1] >= h
                            and (operand > 0 or ints[other, 1] >= compute)
                        )
                        if not worse:
                            ints[kept_rows], floats[kept_rows] = ints[other], floats[other]
                            kept_rows += 1
                    used = kept_rows
                if used == len(ints):
                    more, further = np.empty((2 * used, 3), np.int64), np.empty((2 * used, 2), np.float64)
                    more[:used], further[:used] = ints, floats
                    ints, floats = more, further
                ints[used] = found[row]
                floats[used, 0], floats[used, 1] = f, h
                used += 1
            offsets[3 * box + operand + 1] = used
        if tried > most:
            return offsets, ints[:used].copy(), floats[:used].copy(), 0
    return offsets, ints[:used].copy(), floats[:used].copy(), 1
