"""Weights in DRAM: stored tile by tile, in an image that the transfers of a program define (docs/model.md, section 6).

No image is built: every transfer names the box of the weight that its tile holds, tiles are dense and either the same
or apart, so a tile's values can be cut from the model's weight when it is loaded.
"""

from __future__ import annotations

from bisect import bisect_left
from math import prod

import numpy as np

from tilewright.plan.step import Move
from tilewright.simulate.numbering import Numbering
from tilewright.simulate.regions import Array
from tilewright.workload.nest import Operand
from tilewright.workload.part import Part

Tile = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def logical_weight(operand: Operand, value: Array, part: Part) -> Array:
    """A view of a model's weight with one axis per axis of the operand; phases of a transposed convolution see the
    filter rows of their taps."""
    value = np.ascontiguousarray(value)
    offset, strides = 0, []
    spatial = value.ndim - len(part.taps)
    for axis in operand.axes:
        stride = value.strides[axis.tensor_axis] * axis.scale
        if part.taps and axis.tensor_axis >= spatial:
            first, step = part.taps[axis.tensor_axis - spatial]
            offset += first * stride
            stride *= step
        strides.append(stride)
    return np.ndarray(tuple(axis.size for axis in operand.axes), value.dtype, value, offset, tuple(strides))


class WeightImage:
    """One weight as one program loads it: the tiles seen so far, by where they start in the array."""

    def __init__(self, operand: Operand, value: Array, first_id: int, elements: int, numbering: Numbering) -> None:
        self._value, self._first_id, self._elements = value, first_id, elements
        self._strides = dense(tuple(axis.size for axis in operand.axes))
        self._numbering = numbering
        self._tiles: dict[int, Tile] = {}
        self._order: list[int] = []

    def fault(self, move: Move) -> str | None:
        """What is wrong with where a transfer finds its tile, given all tiles seen so far; None if nothing is."""
        tile = (move.starts, move.counts, move.steps)
        known = self._tiles.get(move.offset)
        if known is not None:
            return None if known == tile else f"two different tiles of '{move.operand}' stand at element {move.offset}"
        at, end = bisect_left(self._order, move.offset), move.offset + move.elements
        before = self._order[at - 1] if at else None
        if before is not None and before + prod(self._tiles[before][1]) > move.offset:
            return f"the tiles of '{move.operand}' at elements {before} and {move.offset} overlap"
        if at < len(self._order) and self._order[at] < end:
            return f"the tiles of '{move.operand}' at elements {move.offset} and {self._order[at]} overlap"
        if move.offset < 0 or end > self._elements:
            return f"the tile of '{move.operand}' at element {move.offset} leaves its array of {self._elements}"
        if not _is_dense(move):
            return f"the tile of '{move.operand}' at element {move.offset} is not stored without gaps"
        self._tiles[move.offset] = tile
        self._order.insert(at, move.offset)
        return None

    def identities(self, starts: tuple[int, ...], counts: tuple[int, ...], steps: tuple[int, ...]) -> Array:
        """The identities of a box of the weight."""
        first = self._first_id + sum(a * b for a, b in zip(starts, self._strides, strict=True))
        return self._numbering.of(first, counts, tuple(a * b for a, b in zip(steps, self._strides, strict=True)))

    def values(self, move: Move) -> Array:
        """What a transfer brings; its box must lie in the weight."""
        return self._value[_slices(move)]

    def contains(self, move: Move) -> bool:
        """Whether the box that a transfer names lies in the weight."""
        ends = (s + (c - 1) * t for s, c, t in zip(move.starts, move.counts, move.steps, strict=True))
        return min(move.starts, default=0) >= 0 and all(
            end < size for end, size in zip(ends, self._value.shape, strict=True)
        )


def dense(counts: tuple[int, ...]) -> tuple[int, ...]:
    """Row-major strides.

    >>> dense((2, 3, 4))
    (12, 4, 1)
    """
    strides: list[int] = []
    total = 1
    for count in reversed(counts):
        strides.insert(0, total)
        total *= count
    return tuple(strides)


def _is_dense(move: Move) -> bool:
    wanted = dense(move.counts)
    return all(c == 1 or a == b for c, a, b in zip(move.counts, move.strides, wanted, strict=True))


def _slices(move: Move) -> tuple[slice, ...]:
    return tuple(slice(s, s + (c - 1) * t + 1, t) for s, c, t in zip(move.starts, move.counts, move.steps, strict=True))
