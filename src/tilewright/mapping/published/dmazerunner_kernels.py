"""Compiled dMazeRunner model, and generate-and-test over tilings. Imported lazily: it brings numba.

Flat arrays stand for the frozen values of ``dmazerunner``: ``shape`` is kind (0 conv, 1 depthwise, 2 gemm), stride and
padded extent; ``limits`` are PEs, elements of a register file, banks, bytes of a bank and of an element; ``rates`` are
those of ``Machine`` from ``dma_init_cycles`` on. Boxes are vectors of divisors of the bounds, numbered by ``strides``.
The plain reference is ``dmazerunner_model``.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from numba import njit

from tilewright.mapping.tiling import IntArray

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@njit("void(int64[::1], int64[::1], int64[::1])", cache=True)
def sizes_of(shape: IntArray, tile: IntArray, out: IntArray) -> None:
    """Elements of O, I, W that a tile touches."""
    rows, columns = (tile[3] - 1) * shape[1] + tile[5], (tile[4] - 1) * shape[1] + tile[6]
    out[0] = tile[0] * (tile[2] if shape[0] == 1 else tile[1]) * tile[3] * tile[4]
    out[1] = tile[0] * tile[2] * rows * columns
    out[2] = tile[1] * tile[2] * tile[5] * tile[6]


@njit("int64(int64[::1], int64[::1], int64)", cache=True)
def class_reuse(shape: IntArray, trips: IntArray, operand: int) -> int:
    """Trips of all loops that leave an operand alone: its reuse where they are innermost."""
    if operand == 0:
        return int(trips[5] * trips[6] * (1 if shape[0] == 1 else trips[2]))
    return int(trips[1]) if operand == 1 else int(trips[0] * trips[3] * trips[4])


@njit("int64(int64[::1], int64[::1])", cache=True)
def banks_of(limits: IntArray, held: IntArray) -> int:
    """Banks of the scratchpad that O, I, W take, each its own."""
    banks = 0
    for operand in range(3):
        banks += -(-held[operand] * limits[4] // limits[3])
    return banks


@njit("void(int64[::1], int64[::1], int64[::1], int64[:,::1])", cache=True)
def runs_of(shape: IntArray, bounds: IntArray, tile: IntArray, out: IntArray) -> None:
    """Transfers (column 0) and the elements in each (column 1) of tiles of O, I, W."""
    side = np.empty(7, np.int64)
    side[:] = bounds
    extent = np.empty(7, np.int64)
    extent[:] = tile
    for operand in range(3):
        if operand == 1:
            extent[3], extent[4] = (tile[3] - 1) * shape[1] + tile[5], (tile[4] - 1) * shape[1] + tile[6]
            side[3] = side[4] = shape[2]
            if shape[0] == 2:
                extent[3] = extent[4] = side[3] = side[4] = 1
        count, length, whole = 1, 1, True
        for place in range(4):
            if operand == 0:
                axis = 4 if place == 0 else 3 if place == 1 else (2 if shape[0] == 1 else 1) if place == 2 else 0
            elif operand == 1:
                axis = 4 if place == 0 else 3 if place == 1 else 2 if place == 2 else 0
            elif shape[0] == 2:
                axis = 1 if place == 0 else 2 if place == 1 else 6
            else:
                axis = 6 if place == 0 else 5 if place == 1 else 2 if place == 2 else 1
            if whole:
                length *= extent[axis]
            else:
                count *= extent[axis]
            whole = whole and extent[axis] == side[axis]
        out[operand, 0], out[operand, 1] = count, length


@njit("int64(int64[::1], float64[::1], int64)", cache=True)
def transfer(limits: IntArray, rates: FloatArray, elements: int) -> int:
    """Array cycles of one contiguous transfer."""
    cycles: int = ceil((rates[0] + rates[1] * elements * limits[4]) * rates[3] / rates[2])
    return cycles


@njit(
    "UniTuple(int64, 2)(int64[::1], int64[::1], int64[::1], float64[::1], int64[:,::1], int64[::1], int64[::1])",
    cache=True,
)
def cost_of(
    shape: IntArray, bounds: IntArray, limits: IntArray, rates: FloatArray, trips: IntArray, rd: IntArray, rs: IntArray
) -> tuple[int, int]:
    """Cycles and energy in pJ of the tiling ``trips`` (DRAM, SPM, RF, spatial) with reuse ``rd`` and ``rs``."""
    array, tile = trips[2] * trips[3], trips[1] * trips[2] * trips[3]
    rf, moved, runs = np.empty(3, np.int64), np.empty(3, np.int64), np.empty((3, 2), np.int64)
    sizes_of(shape, trips[2], rf)
    sizes_of(shape, array, moved)
    runs_of(shape, bounds, tile, runs)
    outer, inner, pes, compute, macs, tiles = 1, 1, 1, 1, 1, 1
    gathered = 1
    for dim in range(7):
        outer *= trips[0, dim]
        inner *= trips[1, dim]
        compute *= trips[2, dim]
        pes *= trips[3, dim]
        macs *= bounds[dim]
        if dim < 2 or dim == 3 or dim == 4 or (dim == 2 and shape[0] == 1):
            gathered *= trips[3, dim]
            tiles *= trips[0, dim]
    reduction = rf[0] * (pes - gathered)
    skip = np.ones(3, np.int64)
    for operand in range(3):
        if rs[operand] == inner and rd[operand] > 1:
            skip[operand] = rd[operand]
    # One scratchpad pass: transfers in ascending order of the passes between two of them.
    current = 0 if skip[0] == 1 and rs[0] == 1 else compute
    passing, first, before = current * inner, 0, 0
    while True:
        every, longest = 0, 0
        for operand in range(3):
            if skip[operand] == 1 and rs[operand] > before:
                if every == 0 or rs[operand] < every:
                    every, longest = rs[operand], moved[operand]
                elif rs[operand] == every:
                    longest = max(longest, moved[operand])
        if every == 0:
            break
        before = every
        if every == 1:
            first = longest
        if longest > current:
            passing += (longest - current) * inner // every
            current = longest
        if skip[0] == 1 and rs[0] == every:
            passing += (compute + reduction) * inner // every
    # All passes, the DMA engine beside the array.
    raw = np.zeros(3, np.int64)
    always = 0
    for operand in range(3):
        raw[operand] = runs[operand, 0] * transfer(limits, rates, runs[operand, 1])
        if rd[operand] == 1:
            always += raw[operand] * (2 if operand == 0 else 1)
    base = max(always, passing)
    cycles = base * outer
    for operand in range(3):
        r = rd[operand]
        if r > 1:
            load, same = 0, 0
            for other in range(3):
                if rd[other] == 1:
                    load += raw[other] * (2 if other == 0 else 1)
                elif rd[other] <= r:
                    load += raw[other]
                same += raw[other] if rd[other] == r else 0
            store = load if operand == 0 else load - same
            leave, enter = passing, passing
            if skip[operand] > 1:
                enter += max(0, moved[operand] - first)
                leave += compute + reduction if operand == 0 else 0
            cycles += (max(0, max(load, leave) - base) + max(0, max(store, enter) - base)) * outer // r
    # Energy, summed in the order of the reference, so that the roundings are the same.
    rounds, crossed, visits = np.empty(3, np.int64), np.empty(3, np.int64), np.empty(3, np.int64)
    for operand in range(3):
        rounds[operand] = outer // rd[operand] if skip[operand] > 1 else outer * inner // rs[operand]
        crossed[operand] = rounds[operand] * (2 if operand == 0 and skip[0] == 1 else 1)
        visits[operand] = outer // rd[operand]
    if rd[0] != outer:
        visits[0] += outer // rd[0] - tiles
    reduced = rounds[0] * reduction
    delivered = rf[0] * gathered * crossed[0] + rf[1] * pes * crossed[1] + rf[2] * pes * crossed[2]
    in_spm, in_dram = 0, 0
    for operand in range(3):
        in_spm += moved[operand] * crossed[operand]
        in_dram += runs[operand, 0] * runs[operand, 1] * visits[operand]
    energy = (macs + reduced) * rates[8] + (4 * macs + 3 * reduced) * rates[4]
    energy = energy + (delivered + reduced) * rates[5] + in_spm * rates[6] + in_dram * rates[7]
    return cycles, int(np.rint(energy))


@njit("boolean(int64, int64, int64, int64, int64)", cache=True)
def better(objective: int, cycles: int, energy: int, than_cycles: int, than_energy: int) -> bool:
    """Whether a cost is strictly better: 0 by energy times cycles, 1 by cycles and then energy, 2 by energy first."""
    if objective == 1:
        return cycles < than_cycles or (cycles == than_cycles and energy < than_energy)
    if objective == 2:
        return energy < than_energy or (energy == than_energy and cycles < than_cycles)
    one, other = float(cycles) * float(energy), float(than_cycles) * float(than_energy)
    if abs(one - other) > 1e-12 * other:
        return one < other
    # Products of 64 bits wrap around, and their difference, which is small here, does not.
    return cycles * energy - than_cycles * than_energy < 0


@njit("void(int64, int64[:,::1], int64[::1], int64[::1], int64[::1])", cache=True)
def box_of(number: int, divisors: IntArray, strides: IntArray, index: IntArray, box: IntArray) -> None:
    """The indices and divisors of a box by its number."""
    for dim in range(7):
        index[dim] = number // strides[dim]
        number %= strides[dim]
        box[dim] = divisors[dim, index[dim]]


@njit("UniTuple(int64, 2)(int64[::1], int64[::1], int64)", cache=True)
def class_pairs(shape: IntArray, trips: IntArray, operand: int) -> tuple[int, int]:
    """Reuse of an operand with its loops innermost, and whether there is an order that is that class (1) or not (0).

    Without a trip its class is another's. Only if no operand has one, the class of W stands for orders without reuse.
    """
    own = class_reuse(shape, trips, operand)
    if own > 1:
        return own, 1
    if operand < 2:
        return 1, 0
    nobody = class_reuse(shape, trips, 0) == 1 and class_reuse(shape, trips, 1) == 1
    return 1, 1 if nobody else 0


@njit(
    "Tuple((int64, int64))(int64, int64[::1], int64[::1], int64[::1], float64[::1], int64[:,::1], int64[::1],"
    " int64[:,:,::1], int64[:,::1], int64[::1], int64[::1], int64[:,::1], int64, int64, int64[::1])",
    cache=True,
)
def generate_and_test(
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
    splits: IntArray,
    enough: int,
    most: int,
    best: IntArray,
) -> tuple[int, int]:
    """Cost every tiling made of a scratchpad tile, an array tile that divides it and one of its splits.

    Stops after ``enough`` tilings, uncosted, if that is above 0: counting is all that is wanted then. Stops after
    ``most``. ``best`` becomes cycles, energy, scratchpad tile, array tile, spatial box, operands kept at DRAM and at
    the scratchpad. Returns tilings seen and 1 if that is all there are.
    """
    rows = np.empty((6, 7), np.int64)
    index, tile, sub, array, spatial, unused = rows[0], rows[1], rows[2], rows[3], rows[4], rows[5]
    trips, rd, rs = np.empty((4, 7), np.int64), np.ones(3, np.int64), np.ones(3, np.int64)
    seen = 0
    best[0] = best[1] = -1
    for row in range(len(tiles)):
        box_of(tiles[row], divisors, strides, index, tile)
        sub[:] = 0
        while True:
            number = 0
            for dim in range(7):
                number += inside[dim, index[dim], sub[dim]] * strides[dim]
            for entry in range(offsets[3 * number], offsets[3 * number + 1]):
                seen += 1
                if seen == enough:
                    return seen, 0
                if seen > most:
                    return seen, 0
                if enough:
                    continue
                box_of(number, divisors, strides, unused, array)
                box_of(splits[entry, 0], divisors, strides, unused, spatial)
                trips[0], trips[1] = bounds // tile, tile // array
                trips[2], trips[3] = array // spatial, spatial
                for kept in range(3):
                    r, real = class_pairs(shape, trips[0], kept)
                    if not real:
                        continue
                    rd[:] = 1
                    rd[kept] = r
                    for held in range(3):
                        s, real = class_pairs(shape, trips[1], held)
                        if not real:
                            continue
                        rs[:] = 1
                        rs[held] = s
                        cycles, energy = cost_of(shape, bounds, limits, rates, trips, rd, rs)
                        if best[0] < 0 or better(objective, cycles, energy, best[0], best[1]):
                            best[0], best[1], best[2], best[3] = cycles, energy, tiles[row], number
                            best[4], best[5], best[6] = splits[entry, 0], kept, held
            dim = 6
            while dim >= 0:
                sub[dim] += 1
                if sub[dim] < insides[dim, index[dim]]:
                    break
                sub[dim] = 0
                dim -= 1
            if dim < 0:
                break
    return seen, 1
