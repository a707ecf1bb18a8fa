"""Boxes of identities: whole numbers that advance evenly along every axis, remembered because boxes recur."""

from __future__ import annotations

import numpy as np

from tilewright.simulate.regions import Array

_ENTRIES = 64
_ELEMENTS = 1 << 22


def linear(first: int, counts: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Whole numbers ``first + sum(j * stride)`` for every element of a box.

    >>> linear(10, (2, 3), (100, 1)).tolist()
    [[10, 11, 12], [110, 111, 112]]
    """
    total: Array = np.array(first, dtype=np.int64)
    for count, stride in zip(reversed(counts), reversed(strides), strict=True):
        shape = (count,) + (1,) * total.ndim
        total = (np.arange(count, dtype=np.int64) * stride).reshape(shape) + total
    return total


class Numbering:
    """The last boxes asked for: an operand that stays on chip is checked in every step, what is loaded is used next.

    Arrays are read-only. At most ``_ENTRIES`` boxes with together ``_ELEMENTS`` elements are kept.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, tuple[int, ...], tuple[int, ...]], Array] = {}
        self._elements = 0

    def of(self, first: int, counts: tuple[int, ...], strides: tuple[int, ...]) -> Array:
        """The same as ``linear``."""
        key = (first, counts, strides)
        found = self._known.pop(key, None)
        if found is None:
            found = linear(first, counts, strides)
            found.flags.writeable = False
            self._elements += found.size
        self._known[key] = found
        while len(self._known) > _ENTRIES or self._elements > _ELEMENTS:
            self._elements -= self._known.pop(next(iter(self._known))).size
        return found
