"""Schedules of one fixed idea, each at its best tiling, to compare the selection with.

All hold a tile of every array and differ in what stays while the loops just outside the tile run. They are points of
the same space (``stoutchinin_space``), costed by the same formulas, so that only the freedom to buffer each array at
its own level is compared. ``untiled`` is the paper's row: one order, no tiling, and every array at its best level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from math import gcd, prod

import numpy as np

from tilewright.mapping.published.stoutchinin import DIMS, USES, Buffering, Capacity, Widths, Window, best_levels
from tilewright.mapping.published.stoutchinin_search import Found
from tilewright.mapping.published.stoutchinin_space import Combination, Shape, Store, divisors, rooms_of, traffic_of
from tilewright.mapping.tiling import IntArray

PLACES = ("b", "sy", "sx")
TAPS = ("if", "fy", "fx")
WINDOWS = ("sy", "sx", "fy", "fx")
# Boxes of I, the end of its slide, W and O; a row of each per tile.
Boxes = tuple[IntArray, IntArray, IntArray, IntArray]


def weight_stationary(shape: Shape, tile: IntArray) -> Iterator[Boxes]:
    """Weights stay while all places pass: loops over ``b, sy, sx`` just outside the tile, one of ``sy, sx`` sliding."""
    for dim in ("sy", "sx"):
        yield tile, _full(shape, tile, dim), _full(shape, tile, *PLACES), tile


def output_stationary(shape: Shape, tile: IntArray) -> Iterator[Boxes]:
    """Sums stay until they are complete: loops over ``if, fy, fx`` just outside the tile, one of ``fy, fx`` sliding."""
    for dim in ("fy", "fx"):
        yield tile, _full(shape, tile, dim), tile, _full(shape, tile, *TAPS)


def input_stationary(shape: Shape, tile: IntArray) -> Iterator[Boxes]:
    """The input stays for all filters: the loop over ``of`` just outside the tile, then one of ``sy, sx`` sliding."""
    stays = _full(shape, tile, "of")
    for dim in ("sy", "sx"):
        yield stays, _full(shape, stays, dim), tile, tile


def equal_depth(shape: Shape, tile: IntArray) -> Iterator[Boxes]:
    """All arrays are buffered at one level: whichever loop runs just outside the tile serves those that it can."""
    stays = _full(shape, tile, "of")
    yield stays, stays, tile, tile
    for dim in (*PLACES, *TAPS):
        covered = _full(shape, tile, dim)
        slid = covered if dim in WINDOWS else tile
        yield tile, slid, covered if dim in PLACES else tile, covered if dim in TAPS else tile


SCHEDULES: dict[str, Callable[[Shape, IntArray], Iterator[Boxes]]] = {
    "weight stationary": weight_stationary,
    "output stationary": output_stationary,
    "input stationary": input_stationary,
    "equal depth": equal_depth,
}


def best_fixed(shape: Shape, store: Store, schedule: str) -> Found | None:
    """The best tiling, by divisors, of one of ``SCHEDULES``; None if not even single elements fit.

    Where buffers are doubled a sliding window is counted twice in full.

    >>> from tilewright.mapping.published.stoutchinin_space import box
    >>> shape, store = Shape(box(of=16, if_=16, sy=14, sx=14, fy=3, fx=3)), Store(4096)
    >>> [best_fixed(shape, store, name).traffic.total // 8 for name in SCHEDULES]
    [9536, 16960, 11840, 9536]
    """
    bits, sizes, boxes = _costs(shape, store.widths, store.granule_bytes, store.doubled, schedule)
    limits = (store.input_bytes, store.weight_bytes, store.output_bytes, store.shared_bytes)
    fits = np.ones(len(bits), dtype=bool)
    for size, limit in zip((*sizes, sum(sizes)), limits, strict=True):
        fits &= size <= (np.inf if limit is None else limit)
    if not fits.any():
        return None
    room = np.asarray(sum(sizes))
    place = int(np.lexsort((np.arange(len(bits)), room, np.where(fits, bits, np.iinfo(np.int64).max)))[0])
    chosen = Combination(*(tuple(int(n) for n in part[place]) for part in boxes))
    return Found(chosen, traffic_of(shape, chosen, store.widths), rooms_of(shape, chosen, store))


def untiled(shape: Shape, store: Store) -> Buffering | None:
    """The order ``g, b, of, if, sy, sx, fy, fx`` as it stands, every array at its best level; None if none fits."""
    limits = (store.shared_bytes, store.input_bytes, store.weight_bytes, store.output_bytes)
    capacity = Capacity(*(None if limit is None else 8 * limit for limit in limits))
    order = [(dim, extent) for dim, extent in zip(DIMS, shape.extents, strict=True) if extent > 1]
    return best_levels(order, capacity, store.widths, shape.windows)


@lru_cache(maxsize=16)
def _costs(
    shape: Shape, widths: Widths, granule: int, doubled: bool, schedule: str
) -> tuple[IntArray, tuple[IntArray, ...], Boxes]:
    """Traffic in bits, bytes of the buffers of I, W and O, and the boxes, of every tile under a schedule."""
    variants = list(SCHEDULES[schedule](shape, every_tile(shape)))
    inputs, ends, weights, outputs = (np.concatenate([boxes[k] for boxes in variants]) for k in range(4))
    sizes = []
    for array, boxes in (("I", inputs), ("W", weights), ("O", outputs)):
        elements = held_of(shape, array, boxes)
        again = (boxes < shape.extents) & np.array([dim in USES[array] for dim in DIMS])
        size = -(-elements * np.where(doubled & again.any(axis=1), 2, 1) * widths.held(array) // 8)
        sizes.append(-(-size // granule) * granule)
    once = shape.elements["O"]
    total = (
        _moved(shape, "I", ends) * widths.input
        + _moved(shape, "W", weights) * widths.weight
        + (_moved(shape, "O", outputs) - once) * 2 * widths.accumulator
        + once * widths.output
    )
    return total, tuple(sizes), (inputs, ends, weights, outputs)


def held_of(shape: Shape, array: str, boxes: IntArray) -> IntArray:
    """``stoutchinin_space.held`` for a row of extents per box."""
    of = dict(zip(DIMS, boxes.T, strict=True))
    if array != "I":
        return np.asarray(prod(of[dim] for dim in USES[array]))
    rows = _touched(of["sy"], of["fy"], shape.windows.y)
    return np.asarray(of["g"] * of["b"] * of["if"] * rows * _touched(of["sx"], of["fx"], shape.windows.x))


def _touched(places: IntArray, taps: IntArray, window: Window) -> IntArray:
    g = gcd(window.stride, window.dilation)
    repeated = np.maximum(0, places - window.dilation // g) * np.maximum(0, taps - window.stride // g)
    return np.asarray(places * taps - repeated)


def _moved(shape: Shape, array: str, boxes: IntArray) -> IntArray:
    return np.asarray(held_of(shape, array, boxes) * (prod(shape.extents) // boxes.prod(axis=1)))


def every_tile(shape: Shape) -> IntArray:
    """Every tile by divisors; groups one by one."""
    lists = [np.array((1,) if dim == "g" else divisors(n)) for dim, n in zip(DIMS, shape.extents, strict=True)]
    return np.stack([axis.reshape(-1) for axis in np.meshgrid(*lists, indexing="ij")], axis=1)


def _full(shape: Shape, boxes: IntArray, *dims: str) -> IntArray:
    """The boxes with some dimensions covered whole."""
    found = boxes.copy()
    for dim in dims:
        found[:, DIMS.index(dim)] = shape.extents[DIMS.index(dim)]
    return found
