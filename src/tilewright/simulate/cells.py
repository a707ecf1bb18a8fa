"""An on-chip memory during an execution: what every cell holds, down to which element of which tensor.

Every element of every array has an *identity*, a positive integer of its own; 0 is a cell that nothing has written.
Cells of an unfinished output hold minus the identity of the finished one, and a *tally* of what has been added up in
them so far (see ``tally``). Values are kept in an element's first cell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.simulate.regions import Array, Segment


class Cells:
    """``size`` cells, all unwritten; values of type ``dtype``."""

    def __init__(self, size: int, dtype: np.dtype[Any]) -> None:
        self.size = size
        self.ids: Array = np.zeros(size, dtype=np.int64)
        self.values: Array = np.zeros(size, dtype=dtype)
        self.tallies: Array = np.zeros(size, dtype=np.int64)

    def read_ids(self, segment: Segment, width: int) -> Array:
        """A view of the identities of a segment, shape (*counts, cells per element)."""
        return np.ndarray(
            (*segment.counts, width), np.int64, self.ids, 8 * segment.first, (*(8 * s for s in segment.strides), 8)
        )

    def read(self, segment: Segment) -> Array:
        """A view of the values of a segment, shape counts."""
        return _view(self.values, segment)

    def read_tallies(self, segment: Segment) -> Array:
        """A view of the tallies of a segment, shape counts."""
        return _view(self.tallies, segment)

    def write(self, segment: Segment, width: int, ids: Array, values: Array) -> None:
        """Put elements with their identities into a segment; arrays have its shape."""
        self.read_ids(segment, width)[...] = ids[..., None]
        self.read(segment)[...] = values


def _view(array: Array, segment: Segment) -> Array:
    size = array.itemsize
    return np.ndarray(
        segment.counts, array.dtype, array, size * segment.first, tuple(size * s for s in segment.strides)
    )
