"""The compiled bounded search for the optimum of dMazeRunner's model. Imported lazily: it brings numba.

A tiling is a scratchpad tile s, an array tile a that divides it, and a split of a into a spatial box and a register
tile. The splits of every a are listed before (``dmazerunner_splits_kernels``). ``search`` walks the tiles s with the
operands kept at DRAM (d) and at the scratchpad (k) in the order of a bound, and the a inside each. What makes this
fast is that for given d and k the cost is made of few numbers. With R register-file passes in all, n of them per
scratchpad pass, each of ``compute`` cycles, e the passes during which k stays, and c the longest transfer of the other
two operands:

    pass cycles  k = O: n max(compute, c) + (n/e) (max(0, size O - max(compute, c)) + compute + reduction)
                 else:  n (c + compute + reduction) + (n/e) max(0, size k - c)
    energy       constant(d, s) + R f + (R/e) h

with f the energy of moving the other operands for one pass, h that of k. DRAM energy and DMA cycles depend on d and s.
Where e = n and k = d the operand stays in the register files across passes (``resident``): a then equals s in the
dimensions that index k, it moves once per d-reuse, and its transfer is not part of the pass.
"""

from __future__ import annotations

from math import floor, log2

import numpy as np
from numba import njit

from tilewright.mapping.published.dmazerunner_kernels import (
    FloatArray,
    better,
    box_of,
    class_pairs,
    class_reuse,
    cost_of,
    runs_of,
    sizes_of,
    transfer,
)
from tilewright.mapping.tiling import IntArray

BUCKETS = 64
_PER_OCTAVE = 4
SLACK = 1e-9


@njit("boolean(int64[::1], int64, int64)", cache=True)
def _free(shape: IntArray, dim: int, operand: int) -> bool:
    """Whether a dimension does not index an operand."""
    if operand == 0:
        return dim == 5 or dim == 6 or (dim == 2 and shape[0] != 1)
    if operand == 1:
        return dim == 1
    return dim == 0 or dim == 3 or dim == 4


@njit("int64(int64, int64[::1], int64)", cache=True)
def _least_cycles(passing: int, dma: IntArray, outer: int) -> int:
    """Cycles of all scratchpad passes; ``dma`` is of every pass, of loading and of storing passes, and their number."""
    base = max(dma[0], passing)
    return int(base * outer + (max(0, dma[1] - base) + max(0, dma[2] - base)) * dma[3])


@njit("float64(float64)", cache=True)
def _rounded_down(energy: float) -> float:
    """The least whole pJ that an energy is rounded to, if sums of floats err by less than what is taken off."""
    return float(np.ceil(energy * (1 - 1e-13) - 0.5 - 1e-3))


@njit("boolean(int64, float64, float64, int64, int64)", cache=True)
def _hopeless(objective: int, cycles: float, energy: float, best_cycles: int, best_energy: int) -> bool:
    """Whether nothing with at least those cycles and that energy is better than the best."""
    if best_cycles < 0:
        return False
    least = _rounded_down(energy)
    if objective == 1:
        return bool(cycles > best_cycles or (cycles == best_cycles and least >= best_energy))
    if objective == 2:
        return bool(least > best_energy or (least == best_energy and cycles >= best_cycles))
    one, other = cycles * least, float(best_cycles) * float(best_energy)
    if abs(one - other) > 1e-12 * other:
        return bool(one > other)
    return not better(0, int(cycles), int(least), best_cycles, best_energy)


@njit(
    "UniTuple(float64[:,::1], 2)(int64[::1], int64[::1], int64[:,::1], int64[::1], int64[::1],"
    " int64[:,::1], float64[:,::1])",
    cache=True,
)
def _least_parts(
    shape: IntArray,
    limits: IntArray,
    divisors: IntArray,
    strides: IntArray,
    offsets: IntArray,
    ints: IntArray,
    floats: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Least f per MAC and least (h times the trips of k's loops) per MAC, by buckets of pass cycles per MAC."""
    least_f, least_h = np.full((3, BUCKETS), np.inf), np.full((3, BUCKETS), np.inf)
    index, array, moved = np.empty(7, np.int64), np.empty(7, np.int64), np.empty(3, np.int64)
    for box in range((len(offsets) - 1) // 3):
        if offsets[3 * box] == offsets[3 * box + 3]:
            continue
        box_of(box, divisors, strides, index, array)
        sizes_of(shape, array, moved)
        points = 1.0
        for dim in range(7):
            points *= array[dim]
        for k in range(3):
            own = class_reuse(shape, array, k)
            c = max(moved[1] if k == 0 else moved[0], moved[1] if k == 2 else moved[2])
            for row in range(offsets[3 * box + k], offsets[3 * box + k + 1]):
                cycles = max(c, ints[row, 1]) if k == 0 else c + ints[row, 1] + ints[row, 2]
                bucket = floor(_PER_OCTAVE * log2(cycles / points * limits[0]) + 1e-6)
                bucket = min(max(bucket, 0), BUCKETS - 1)
                least_f[k, bucket] = min(least_f[k, bucket], floats[row, 0] / points)
                least_h[k, bucket] = min(least_h[k, bucket], floats[row, 1] / points * own)
    return least_f, least_h


@njit(
    "Tuple((int64, int64, int64))(int64, int64[::1], int64[::1], int64[::1], float64[::1], int64[:,::1],"
    " int64[::1], int64[:,:,::1], int64[:,::1], int64[::1], int64[::1], int64[:,::1],"
    " float64[:,::1], boolean, boolean, int64, int64[::1])",
    cache=True,
)
def search(
    objective: int,
    shape: IntArray,
    bounds: IntArray,
    limits: IntArray,
    rates: FloatArray,
    divisors: IntArray,
    strides: IntArray,
    inside: IntArray,
    insides: IntArray,
    tiles: IntArray,
    offsets: IntArray,
    ints: IntArray,
    floats: FloatArray,
    cut_tiles: bool,
    cut_arrays: bool,
    most: int,
    best: IntArray,
) -> tuple[int, int, int]:
    """The best tiling with its scratchpad tile among ``tiles``; ``best`` as in ``generate_and_test``.

    ``cut_tiles`` leaves out scratchpad tiles, ``cut_arrays`` array tiles, whose bound is not below the best. Returns
    array tiles visited, splits costed, and 1 if the search was not stopped by ``most`` visits.
    """
    macs = 1
    for dim in range(7):
        macs *= bounds[dim]
    constant = macs * rates[8] + 4.0 * macs * rates[4]
    per_reduction = 3 * rates[4] + rates[5] + rates[8]
    least_f, least_h = _least_parts(shape, limits, divisors, strides, offsets, ints, floats)
    boxes = (len(offsets) - 1) // 3
    facts = np.empty((boxes, 7), np.int64)  # sizes of O, I, W; points; trips of the loops of O, I, W
    vectors = np.empty((4, 7), np.int64)
    index, tile, array, held = vectors[0], vectors[1], vectors[2], vectors[3]
    outside, rd, rs = np.empty(7, np.int64), np.ones(3, np.int64), np.ones(3, np.int64)
    for box in range(boxes):
        box_of(box, divisors, strides, index, array)
        sizes_of(shape, array, facts[box, :3])
        facts[box, 3] = 1
        for dim in range(7):
            facts[box, 3] *= array[dim]
        for k in range(3):
            facts[box, 4 + k] = class_reuse(shape, array, k)
    # What every (tile, operand kept at DRAM) costs outside the array, then a bound for every way to run inside.
    most_modes = len(tiles) * 12
    modes, keys = np.empty((most_modes, 9), np.int64), np.empty(most_modes, np.float64)
    fixed, unit = np.empty(most_modes, np.float64), np.empty(most_modes, np.float64)
    runs, raw = np.empty((3, 2), np.int64), np.empty(3, np.int64)
    dma, used = np.empty(4, np.int64), 0
    for row in range(len(tiles)):
        box_of(tiles[row], divisors, strides, index, tile)
        outer = 1
        for dim in range(7):
            outside[dim] = bounds[dim] // tile[dim]
            outer *= outside[dim]
        runs_of(shape, bounds, tile, runs)
        written = class_reuse(shape, outside, 0)
        for operand in range(3):
            raw[operand] = runs[operand, 0] * transfer(limits, rates, runs[operand, 1])
        for d in range(3):
            r, real = class_pairs(shape, outside, d)
            if not real:
                continue
            elements = 0
            dma[0] = 0
            for operand in range(3):
                own = r if operand == d else 1
                visits = outer // own
                if operand == 0 and own != outer:
                    visits += outer // own - outer // written
                elements += runs[operand, 0] * runs[operand, 1] * visits
                if own == 1:
                    dma[0] += raw[operand] * (2 if operand == 0 else 1)
            dma[1] = dma[0] + raw[d] if r > 1 else 0
            dma[2] = (dma[0] + raw[d] if d == 0 else dma[0]) if r > 1 else 0
            dma[3] = outer // r if r > 1 else 0
            for way in range(6):
                k, resident = way % 3, way // 3
                if resident and (k != d or r == 1):
                    continue
                base = constant + elements * rates[7]
                per_pass = macs / facts[tiles[row], 4 + k]
                crossing = rates[6] + rates[5]
                stays = float(outer // r) * facts[tiles[row], k] * crossing
                key = np.inf
                for bucket in range(BUCKETS):
                    if least_f[k, bucket] == np.inf:
                        continue
                    pace = 0.0 if bucket == 0 else 2.0 ** (bucket / _PER_OCTAVE) / limits[0]
                    pace = max(pace, 1.0 / limits[0])
                    passing = int(macs * pace / outer * (1 - SLACK))
                    cycles = _least_cycles(passing, dma, outer)
                    energy = base + macs * least_f[k, bucket]
                    energy = _rounded_down(
                        energy + (stays if resident else per_pass * least_h[k, bucket]) * (1 - SLACK)
                    )
                    value = cycles * energy if objective == 0 else float(cycles) if objective == 1 else energy
                    key = min(key, value)
                if key == np.inf:
                    continue
                modes[used, 0], modes[used, 1], modes[used, 2], modes[used, 3] = tiles[row], d, k, resident
                modes[used, 4:8], modes[used, 8] = dma, outer
                fixed[used], unit[used], keys[used] = base, r, key
                used += 1
    order = np.argsort(keys[:used], kind="mergesort")
    sub, trips = np.empty(7, np.int64), np.empty((4, 7), np.int64)
    visited, costed = 0, 0
    best[0] = best[1] = -1
    for place in range(used):
        mode = order[place]
        if cut_tiles and best[0] >= 0:
            known = float(best[0]) * float(best[1]) if objective == 0 else float(best[objective - 1])
            if keys[mode] * (1 - 1e-12) > known:
                break
        number, d, k, resident = modes[mode, 0], modes[mode, 1], modes[mode, 2], modes[mode, 3]
        dma[:], outer, r = modes[mode, 4:8], modes[mode, 8], int(unit[mode])
        box_of(number, divisors, strides, index, tile)
        points = facts[number, 3]
        sub[:] = 0
        if resident:
            for fixed_dim in range(7):
                if not _free(shape, fixed_dim, k):
                    sub[fixed_dim] = insides[fixed_dim, index[fixed_dim]] - 1
        while True:
            box = 0
            for dim in range(7):
                box += inside[dim, index[dim], sub[dim]] * strides[dim]
            visited += 1
            if visited > most:
                return visited, costed, 0
            begin, end = offsets[3 * box + k], offsets[3 * box + k + 1]
            if begin < end:
                inner = points // facts[box, 3]
                stay = facts[number, 4 + k] // facts[box, 4 + k]
                legal = True
                if not resident:
                    # Residence has its own mode, and the class of an operand without trips is another operand's.
                    kept = facts[number, 4 + d] // facts[box, 4 + d]
                    if r > 1 and kept == inner and (k == d or inner == 1):
                        legal = False
                    elif stay == 1:
                        for other in range(3):
                            if other != k and facts[number, 4 + other] > facts[box, 4 + other]:
                                legal = False
                        legal = legal and k == 2
                if legal:
                    own = facts[box, k]
                    c = max(facts[box, 1 if k == 0 else 0], facts[box, 1 if k == 2 else 2])
                    every = float(outer) * inner
                    times = float(outer // r) if resident else float(outer * inner // stay)
                    if cut_arrays and best[0] >= 0:
                        quick, low_f, low_h = ints[begin, 1], floats[begin, 0], floats[begin, 1]
                        for row in range(begin + 1, end):
                            quick = min(quick, ints[row, 1])
                            low_f, low_h = min(low_f, floats[row, 0]), min(low_h, floats[row, 1])
                        low = (max(quick, c) if k == 0 else c + quick) * inner
                        if resident:
                            low_h = own * (rates[6] + rates[5])
                        energy = fixed[mode] + every * low_f + times * low_h
                        cycles = _least_cycles(low, dma, outer)
                        if _hopeless(objective, cycles, energy, best[0], best[1]):
                            end = begin
                    for row in range(begin, end):
                        compute, both = ints[row, 1], ints[row, 1] + ints[row, 2]
                        h = floats[row, 1]
                        if k == 0:
                            current = max(compute, c)
                            passing = current * inner
                            if resident:
                                h = own * (rates[6] + rates[5]) + ints[row, 2] * per_reduction
                            else:
                                passing += max(0, own - current) * inner // stay + both * inner // stay
                        else:
                            passing = (c + both) * inner
                            if not resident and own > c:
                                passing += (own - c) * inner // stay
                        if resident:
                            base = max(dma[0], passing)
                            leave = max(dma[1], passing + (both if k == 0 else 0))
                            enter = max(dma[2], passing + max(0, own - c))
                            cycles = base * outer + (max(0, leave - base) + max(0, enter - base)) * dma[3]
                        else:
                            cycles = _least_cycles(passing, dma, outer)
                        costed += 1
                        energy = fixed[mode] + every * floats[row, 0] + times * h
                        if _hopeless(objective, cycles, energy, best[0], best[1]):
                            continue
                        box_of(box, divisors, strides, held, array)
                        trips[0], trips[1] = bounds // tile, tile // array
                        box_of(ints[row, 0], divisors, strides, held, trips[3])
                        trips[2] = array // trips[3]
                        rd[:], rs[:] = 1, 1
                        rd[d], rs[k] = r, stay
                        real, exact = cost_of(shape, bounds, limits, rates, trips, rd, rs)
                        if best[0] < 0 or better(objective, real, exact, best[0], best[1]):
                            best[0], best[1], best[2], best[3] = real, exact, number, box
                            best[4], best[5], best[6] = ints[row, 0], d, k
            dim = 6
            while dim >= 0:
                if not resident or _free(shape, dim, k):
                    sub[dim] += 1
                    if sub[dim] < insides[dim, index[dim]]:
                        break
                    sub[dim] = 0
                dim -= 1
            if dim < 0:
                break
    return visited, costed, 1
