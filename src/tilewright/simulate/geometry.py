"""From boxes on chip to the points of a tile: which indices a tile touches, and an operand as an array over dimensions.

A dimension stands on at most one axis of an operand, so an operand seen by a tile is an array with one axis per
dimension: a strided view of its box, padded where the window leaves the tensor. Kernels see nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tilewright.simulate.regions import Array
from tilewright.workload.nest import Axis, Operand

Ranges = dict[str, tuple[int, int]]


class MissingHaloError(Exception):
    """A tile touches an index that its box does not hold; the text says which."""


@dataclass(frozen=True)
class Grid:
    """Values over named dimensions, one array axis each."""

    values: Array
    dims: tuple[str, ...]

    def over(self, dims: tuple[str, ...]) -> Array:
        """The values over these dimensions in this order, extent 1 where the grid lacks one.

        >>> Grid(np.zeros((2, 3)), ("a", "b")).over(("b", "c", "a")).shape
        (3, 1, 2)
        """
        order = [self.dims.index(d) for d in dims if d in self.dims]
        index = tuple(slice(None) if d in self.dims else None for d in dims)
        return self.values.transpose(order)[index]


def touched(axis: Axis, ranges: Ranges) -> tuple[int, int, int]:
    """First index, count and step of what a tile needs along an axis, padding included (docs/model.md, section 3).

    >>> window = Axis((("Y", 2), ("R", 1)), 9, 0, offset=-1)
    >>> touched(window, {"Y": (1, 3), "R": (0, 3)}), touched(window, {"Y": (1, 3), "R": (0, 1)})
    ((1, 7, 1), (1, 3, 2))
    """
    low = high = axis.offset
    moving = []
    for dim, coefficient in axis.terms:
        start, count = ranges[dim]
        ends = (coefficient * start, coefficient * (start + count - 1))
        low, high = low + min(ends), high + max(ends)
        if count > 1:
            moving.append(abs(coefficient))
    if axis.divisor > 1 or axis.reach or axis.clamp:
        low, high = low // axis.divisor, high // axis.divisor + axis.reach
        if axis.clamp:
            low, high = (min(max(v, 0), axis.size - 1) for v in (low, high))
        return low, high - low + 1, 1
    step = moving[0] if len(moving) == 1 else 1
    return low, (high - low) // step + 1, step


def clipped(axis: Axis, ranges: Ranges) -> tuple[int, int, int]:
    """The same without padding: first index, count (0 if everything is padding) and step.

    >>> clipped(Axis((("Y", 2), ("R", 1)), 6, 0, offset=-1), {"Y": (0, 4), "R": (0, 3)})
    (0, 6, 1)
    """
    first, count, step = touched(axis, ranges)
    skip = max(0, -(first // step))
    last = min(first + (count - 1) * step, axis.size - 1)
    first += skip * step
    return first, max(0, (last - first) // step + 1), step


def in_bounds(operand: Operand, ranges: Ranges) -> int:
    """Elements of an operand that a tile needs, padding left out."""
    total = 1
    for axis in operand.axes:
        total *= clipped(axis, ranges)[1]
    return total


def expand(
    operand: Operand,
    box: Array,
    starts: tuple[int, ...],
    steps: tuple[int, ...],
    ranges: Ranges,
    fill: float = 0.0,
) -> Grid:
    """The operand over the dimensions that its axes use, in the order of the axes; ``fill`` stands in the padding.

    ``box`` holds the indices ``starts + steps * j`` of each axis. A resize axis gives its dimension and one more,
    ``<dimension>'``, for the neighbours that it reaches. Raises MissingHaloError if the tile needs more than the box.
    """
    names: list[str] = []
    pads, cuts = [], []
    views: list[tuple[int, int, int]] = []
    for k, axis in enumerate(operand.axes):
        if axis.divisor > 1 or axis.reach or axis.clamp:
            dim, positions = _gather(operand, axis, box.shape[k], starts[k], steps[k], ranges)
            box = np.take(box, positions, axis=k)
            names += [dim, f"{dim}'"]
            views += [(k, axis.reach + 1, ranges[dim][1]), (k, 1, axis.reach + 1)]
            pads.append((0, 0))
            cuts.append(0)
            continue
        low, high, position = _cover(operand, axis, box.shape[k], starts[k], steps[k], ranges)
        for dim, coefficient in axis.terms:
            count = ranges[dim][1]
            multiple = coefficient // steps[k]
            position += max(0, -multiple) * (count - 1)
            names.append(dim)
            views.append((k, multiple, count))
        pads.append((low, high))
        cuts.append(position)
    if any(low or high for low, high in pads):
        padded = np.full(tuple(n + a + b for n, (a, b) in zip(box.shape, pads, strict=True)), fill, box.dtype)
        padded[tuple(slice(a, a + n) for n, (a, _) in zip(box.shape, pads, strict=True))] = box
        box = padded
    corner = box[tuple(slice(cut, None) for cut in cuts)]
    strides = tuple(multiple * box.strides[k] for k, multiple, _ in views)
    values = np.lib.stride_tricks.as_strided(corner, tuple(count for _, _, count in views), strides)
    return Grid(values, tuple(names))


def _ends(axis: Axis, ranges: Ranges) -> tuple[int, int]:
    """Least and greatest index that the tile's points touch, padding included."""
    low = high = axis.offset
    for dim, coefficient in axis.terms:
        start, count = ranges[dim]
        ends = (coefficient * start, coefficient * (start + count - 1))
        low, high = low + min(ends), high + max(ends)
    return low, high


def _cover(operand: Operand, axis: Axis, extent: int, start: int, step: int, ranges: Ranges) -> tuple[int, int, int]:
    """Elements to pad before and after a box along an axis, and the position of the least index after that."""
    first, last = _ends(axis, ranges)
    end = start + (extent - 1) * step
    uneven = any(ranges[dim][1] > 1 and coefficient % step for dim, coefficient in axis.terms)
    if uneven or extent == 0 or first < start or last > end or (first - start) % step:
        indices = _indices(axis, ranges)
        indices = indices[(indices >= 0) & (indices < axis.size)]
        if indices.size == 0:
            # Everything is padding: put the tile behind the box, where there is nothing else.
            span = sum(abs(c) // step * (ranges[dim][1] - 1) for dim, c in axis.terms)
            return 0, span + 1, extent
        held = extent > 0 and indices.min() >= start and indices.max() <= end
        if uneven or not held or ((indices - start) % step).any():
            raise MissingHaloError(_missing(operand, axis, first, last, start, extent, step))
    low = max(0, (start - first) // step)
    high = max(0, -((end - last) // step))
    return low, high, low + (first - start) // step


def _indices(axis: Axis, ranges: Ranges) -> Array:
    """Every index that the tile's points touch along an axis, padding included."""
    found: Array = np.array([axis.offset])
    for dim, coefficient in axis.terms:
        start, count = ranges[dim]
        found = np.add.outer(found, coefficient * np.arange(start, start + count)).ravel()
    return found


def _gather(operand: Operand, axis: Axis, extent: int, start: int, step: int, ranges: Ranges) -> tuple[str, Array]:
    """For a resize axis: its dimension, and the positions in the box of every neighbour of every index."""
    ((dim, coefficient),) = axis.terms
    first, count = ranges[dim]
    source = (coefficient * np.arange(first, first + count) + axis.offset) // axis.divisor
    wanted = np.add.outer(source, np.arange(axis.reach + 1)).ravel()
    if axis.clamp:
        wanted = np.clip(wanted, 0, axis.size - 1)
    if ((wanted - start) % step).any() or wanted.min() < start or wanted.max() > start + (extent - 1) * step:
        raise MissingHaloError(_missing(operand, axis, int(wanted.min()), int(wanted.max()), start, extent, step))
    return dim, (wanted - start) // step


def _missing(operand: Operand, axis: Axis, first: int, last: int, start: int, extent: int, step: int) -> str:
    held = f"{extent} from {start} in steps of {step}" if extent else "none"
    return (
        f"operand '{operand.name}' is touched at indices {first} to {last} of axis {operand.axes.index(axis)} "
        f"(size {axis.size}), but its box holds {held}"
    )
