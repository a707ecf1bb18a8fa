"""Tallies: a number that tells whether every point of a reduction was added up exactly once.

Each index of a reduction dimension gets a random odd 64-bit number, a point the product of its indices' numbers, and
a set of points the sum over the set, modulo 2**64. For a box that is a product of differences of prefix sums. Boxes
that cover the whole range exactly once add up to the whole's tally; points that were missed or taken twice leave
another number (but for a chance of about 2**-60).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from tilewright.workload.nest import LoopNest

_WORD = 1 << 64


class Tally:
    """The tallies of a nest over some of its dimensions.

    >>> from tilewright.workload.nest import Axis, Operand
    >>> out = Operand("out", "output", (Axis((("M", 1),), 2, 0),))
    >>> tally = Tally(LoopNest((("M", 2), ("K", 5)), (out,)), {"K"})
    >>> parts = tally.of({"M": (0, 2), "K": (0, 3)}) + tally.of({"M": (0, 2), "K": (3, 2)})
    >>> wrap(parts) == tally.whole, wrap(2 * tally.of({"M": (0, 2), "K": (0, 3)})) == tally.whole
    (True, False)
    """

    def __init__(self, nest: LoopNest, over: Collection[str]) -> None:
        rng = np.random.default_rng(20)
        self._prefix: dict[str, list[int]] = {}
        for dim, extent in nest.dims:
            if dim in over:
                odd = rng.integers(0, 1 << 63, size=extent, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
                self._prefix[dim] = [0, *(int(v) for v in np.cumsum(odd, dtype=np.uint64))]
        self.whole = self.of({dim: (0, extent) for dim, extent in nest.dims})

    def of(self, ranges: dict[str, tuple[int, int]]) -> int:
        """The tally of the reduction points in a box of (start, count) ranges, as a signed 64-bit integer."""
        total = 1
        for dim, prefix in self._prefix.items():
            start, count = ranges[dim]
            total = total * (prefix[start + count] - prefix[start]) % _WORD
        return wrap(total)


def wrap(value: int) -> int:
    """A whole number as a signed 64-bit integer, which is how tallies are stored.

    >>> wrap(2**63), wrap(-1)
    (-9223372036854775808, -1)
    """
    value %= _WORD
    return value - _WORD if value >= _WORD // 2 else value
