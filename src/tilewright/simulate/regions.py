"""Where the boxes of a step lie in a memory: regions of buffers cut into strided segments of cells.

A memory is a row of cells, each ``cell_bits`` wide; an element occupies ``bits / cell_bits`` consecutive cells. A
region that wraps around a ring becomes two segments.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.plan.plan import Buffer, Plan
from tilewright.plan.step import Region

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Segment:
    """Part of a box in one piece: ``counts`` elements whose first cell is ``first``, ``strides`` cells apart.

    ``axis`` and ``start`` say which part of the box it is (indices ``start ..`` along ``axis``, all of the others).
    All its cells lie in ``[first, end)``.
    """

    first: int
    end: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    axis: int = 0
    start: int = 0

    def of(self, rank: int) -> tuple[slice, ...]:
        """The part of a box of that rank which lies here."""
        index = [slice(None)] * rank
        if rank:
            index[self.axis] = slice(self.start, self.start + self.counts[self.axis])
        return tuple(index)


def cell_bits(plan: Plan) -> int:
    """The widest cell of which every element, address and size of a plan is a multiple, in bits.

    >>> math.gcd(8, 24, 32)
    8
    """
    bits = 0
    for buffer in plan.buffers:
        bits = math.gcd(bits, buffer.bits, 8 * buffer.size_bytes, 8 * (buffer.address_bytes or 0))
    return bits or 8


def locate(region: Region, counts: tuple[int, ...], bits: int, cell: int, origin: int) -> tuple[Segment, ...]:
    """The segments of a box of ``counts`` elements in a buffer that starts at cell ``origin``.

    A box with no elements has no segments.

    >>> ring = Region("b", 0, (4, 1), ring_axis=0, ring_start=5, ring_length=6)
    >>> [(s.first, s.counts, s.start) for s in locate(ring, (3, 4), 8, 8, 100)]
    [(120, (1, 4), 0), (100, (2, 4), 1)]
    """
    if 0 in counts:
        return ()
    width = bits // cell
    strides = tuple(stride * width for stride in region.strides)
    base = origin + region.base * width
    axis = region.ring_axis
    if axis is None:
        return (_segment(base, counts, strides, width, 0, 0),)
    found = []
    done, total = 0, counts[axis]
    apart = (*strides[:axis], strides[axis] * region.ring_step, *strides[axis + 1 :])
    while done < total:
        at = (region.ring_start + region.ring_step * done) % region.ring_length
        piece = min(total - done, -((at - region.ring_length) // region.ring_step))
        some = (*counts[:axis], piece, *counts[axis + 1 :])
        found.append(_segment(base + at * strides[axis], some, apart, width, axis, done))
        done += piece
    return tuple(found)


def _segment(
    first: int, counts: tuple[int, ...], strides: tuple[int, ...], width: int, axis: int, start: int
) -> Segment:
    last = low = first
    for count, stride in zip(counts, strides, strict=True):
        if stride >= 0:
            last += (count - 1) * stride
        else:
            low += (count - 1) * stride
    if low < first:
        # Negative strides do not occur in plans; a mutated one is reported as leaving its buffer.
        return Segment(low, -1, counts, strides, axis, start)
    return Segment(first, last + width, counts, strides, axis, start)


def inside(segments: Iterable[Segment], buffer: Buffer, cell: int, origin: int) -> bool:
    """Whether every cell of the segments belongs to the buffer at that origin."""
    end = origin + buffer.size_bytes * 8 // cell
    return all(origin <= segment.first < segment.end <= end for segment in segments)


def overlap(left: Iterable[Segment], right: Iterable[Segment], width_left: int, width_right: int) -> bool:
    """Whether two sets of segments of one memory share a cell; widths are cells per element.

    >>> a = (Segment(0, 7, (2, 3), (4, 1)),)
    >>> overlap(a, (Segment(3, 4, (1,), (1,)),), 1, 1), overlap(a, (Segment(3, 5, (2,), (1,)),), 1, 1)
    (False, True)
    """
    right = tuple(right)
    for a in left:
        for b in right:
            if a.first < b.end and b.first < a.end and _share(a, b, width_left, width_right):
                return True
    return False


def _share(a: Segment, b: Segment, width_a: int, width_b: int) -> bool:
    """Exact test for two segments whose ranges of cells meet."""
    low = min(a.first, b.first)
    marks = np.zeros(max(a.end, b.end) - low, dtype=np.bool_)
    _strided(marks, a, width_a, low)[...] = True
    return bool(_strided(marks, b, width_b, low).any())


def _strided(marks: Array, segment: Segment, width: int, low: int) -> Array:
    return np.ndarray((*segment.counts, width), np.bool_, marks, segment.first - low, (*segment.strides, 1))
