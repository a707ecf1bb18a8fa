"""The paper's selection: of all loop orders, tilings and levels those of least traffic whose buffers fit.

Complete: loops may come in any order, any dimension may be cut into any number of loops by divisors of its extent,
and every array is buffered at the level that suits it. ``stoutchinin_space`` says why few boxes stand for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np

from tilewright.mapping.published.stoutchinin import DIMS, Traffic
from tilewright.mapping.published.stoutchinin_space import (
    Box,
    Combination,
    Shape,
    Store,
    divisors,
    faithful,
    held,
    moved,
    rooms_of,
    traffic_of,
)
from tilewright.mapping.tiling import IntArray

NO_LIMIT = 2**62
AT_ONCE = 32


@dataclass(frozen=True)
class Found:
    """A combination, what it moves, and the bytes of the buffers of I, W and O."""

    combination: Combination
    traffic: Traffic
    rooms: tuple[int, int, int]


def least_traffic(shape: Shape, store: Store, *, staying: bool = False) -> Found | None:
    """The paper's choice: least traffic, then least room. None if not even single elements fit.

    ``staying`` leaves out combinations whose window does not stay (``stoutchinin_space.faithful``).

    >>> from tilewright.mapping.published.stoutchinin_space import box
    >>> row = Shape(box(of=64, if_=64, sy=224, sx=224, fy=3, fx=3))
    >>> least_traffic(row, Store(64 * 1024)).traffic.total // 8
    6545920
    """
    return next(in_order(shape, store, staying=staying), None)


def in_order(shape: Shape, store: Store, *, staying: bool = False) -> Iterator[Found]:
    """Combinations that fit, best first. Those are listed of which no box can be smaller at the same traffic; one may
    come more than once."""
    slides = _slides(shape, store, staying=staying)
    key = np.array([-1, -1, -1], dtype=np.int64)
    at_once = 1
    while True:
        rows, _ = _combine(shape, store, slides, key, 0, at_once)
        for row in rows:
            boxes = [(1, *(int(n) for n in row[k : k + 7])) for k in (3, 10, 17, 24)]
            one = Combination(*boxes)
            yield Found(one, traffic_of(shape, one, store.widths), rooms_of(shape, one, store))
        if len(rows) < at_once:
            return
        key, at_once = rows[-1][:3].copy(), AT_ONCE


def number_below(shape: Shape, store: Store, traffic_bits: int, *, staying: bool = False) -> int:
    """How many combinations that fit move less than so many bits."""
    slides = _slides(shape, store, staying=staying)
    return _combine(shape, store, slides, np.array([-1, -1, -1], dtype=np.int64), traffic_bits, 1)[1]


@lru_cache(maxsize=4)
def _slides(shape: Shape, store: Store, *, staying: bool) -> IntArray:
    """Every box of the input that fits, without ``of``, alone and with every slide that carries reuse."""
    n = shape.extents
    limit = _limit(store.input_bytes, store.shared_bytes)
    whole = dict(zip(DIMS, n, strict=True))
    found = []
    one: Box
    for b, channels, sy, sx, fy, fx in product(*(divisors(whole[dim]) for dim in ("b", "if", "sy", "sx", "fy", "fx"))):
        one = (1, b, 1, channels, sy, sx, fy, fx)
        if held(shape, "I", one) * store.widths.input > limit * 8:
            continue
        for end in (one, *_ends(shape, one)):
            combination = Combination(one, end, one, one)
            if staying and not faithful(shape, combination):
                continue
            room = rooms_of(shape, combination, store)[0]
            if room <= limit:
                elements = moved(shape, "I", end) // (n[0] * n[2])
                found.append((*one[1:], *end[1:], room, elements))
    # Those that move little come first, so that others can be left out by what they move alone.
    found.sort(key=lambda row: (row[15], row))
    return np.array(found, dtype=np.int64).reshape(-1, 16)


def _ends(shape: Shape, inside: Box) -> Iterator[Box]:
    """The boxes that a window may cover by sliding from one; only those of which neighbours share elements."""
    for place in range(DIMS.index("sy"), len(DIMS)):
        for extent in divisors(shape.extents[place]):
            if extent > inside[place] and extent % inside[place] == 0:
                end = (*inside[:place], extent, *inside[place + 1 :])
                if held(shape, "I", end) * inside[place] < held(shape, "I", inside) * extent:
                    yield end


def _limit(*limits: int | None) -> int:
    return min((limit for limit in limits if limit is not None), default=NO_LIMIT)


def _combine(
    shape: Shape, store: Store, slides: IntArray, after: IntArray, below: int, most: int
) -> tuple[IntArray, int]:
    """One run of the compiled enumeration: the best rows beyond a key, and the count below a traffic."""
    from tilewright.mapping.published import stoutchinin_kernels as kernels

    extents = shape.extents[1:]
    lists = [divisors(extent) for extent in extents]
    table = np.zeros((7, max(map(len, lists)) + 1), dtype=np.int64)
    for place, numbers in enumerate(lists):
        table[place, : len(numbers)] = numbers
    widths = store.widths
    bits = np.array([widths.input, widths.weight, widths.output, widths.accumulator], dtype=np.int64)
    caps = [_limit(limit) for limit in (store.input_bytes, store.weight_bytes, store.output_bytes, store.shared_bytes)]
    limits = np.array([*caps, store.granule_bytes, store.doubled], dtype=np.int64)
    best = np.zeros((most, 31), dtype=np.int64)
    used, under = kernels.combine(
        slides, table, np.array(extents, dtype=np.int64), shape.extents[0], bits, limits, after, below, best
    )
    return best[:used], int(under)
