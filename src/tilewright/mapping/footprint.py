"""What an operand needs of its array: per axis a strided run of in-bounds indices (docs/model.md, section 3).

For an index ``s*y + d*r + offset`` over consecutive y and r: if only one of them has more than one value, its own
progression (step s or d); if both have, every index from the first to the last, holes included. A resize axis needs
every index from its first to its last. Indices outside the array are padding and are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from tilewright.mapping.tiling import Chunks, IntArray, chunk_chain
from tilewright.workload.nest import Axis, LoopNest, Operand

# Tables of recent mappings: a search changes one loop at a time and finds most of them again.
TABLES_KEPT = 512


@dataclass(frozen=True, eq=False)
class Progression:
    """Indices ``first, first + step .. last`` along one axis, as arrays; padding included."""

    first: IntArray
    last: IntArray
    step: IntArray


@dataclass(frozen=True, eq=False)
class Span:
    """In-bounds indices ``start + step * j`` for j in ``0 .. count - 1``, as arrays."""

    start: IntArray
    count: IntArray
    step: IntArray


def progression(axis: Axis, ranges: list[tuple[IntArray, IntArray]]) -> Progression:
    """The indices of an axis before clipping; ``ranges`` are (start, length) of its dimensions, broadcastable.

    >>> from tilewright.workload.nest import Axis
    >>> rows = Axis((("Y", 2), ("R", 1)), 56, 2, offset=-1)
    >>> one = np.array(1)
    >>> p = progression(rows, [(4 * one, 4 * one), (0 * one, 3 * one)])
    >>> int(p.first), int(p.last), int(p.step)
    (7, 15, 1)
    """
    first = np.asarray(axis.offset)
    last = np.asarray(axis.offset)
    step = np.asarray(1)
    long = np.asarray(0)
    for (_, coefficient), (start, length) in zip(axis.terms, ranges, strict=True):
        first = first + coefficient * start
        last = last + coefficient * (start + length - 1)
        step = np.where(length > 1, coefficient, step)
        long = long + (length > 1)
    if axis.divisor > 1 or axis.reach > 0 or axis.clamp:
        first, last, step = first // axis.divisor, last // axis.divisor + axis.reach, np.ones_like(step)
        if axis.clamp:
            first, last = np.clip(first, 0, axis.size - 1), np.clip(last, 0, axis.size - 1)
    return Progression(first, last, np.where(long > 1, 1, step))


def clip(axis: Axis, indices: Progression, after: IntArray | None = None) -> Span:
    """The members of a progression inside the array, and beyond ``after`` where that is given."""
    first, last, step = indices.first, indices.last, indices.step
    low = np.zeros_like(first) if after is None else np.maximum(after + 1, 0)
    skipped = np.maximum(0, -((first - low) // step))
    until = np.minimum((last - first) // step, (axis.size - 1 - first) // step)
    return Span(first + skipped * step, np.maximum(0, until - skipped + 1), step)


def fresh(axis: Axis, now: Progression, before: Progression) -> Span:
    """What a window needs that its predecessor lacked: the sliding rule of docs/model.md, section 4.

    If the two progressions are aligned these are the indices beyond the predecessor's last, otherwise all of them.

    >>> from tilewright.workload.nest import Axis
    >>> rows, one = Axis((("Y", 1), ("R", 1)), 56, 2, offset=-1), np.array(1)
    >>> before, now = (progression(rows, [(y * one, 4 * one), (0 * one, 3 * one)]) for y in (0, 4))
    >>> span = fresh(rows, now, before)
    >>> int(span.start), int(span.count)
    (5, 4)
    """
    aligned = (now.first - before.first) % before.step == 0
    return clip(axis, now, after=np.where(aligned, before.last, -1))


def table_ranges(chunks: tuple[Chunks, ...]) -> list[tuple[IntArray, IntArray]]:
    """Starts and lengths of an axis' dimensions, shaped so that they broadcast to a table over all their chunks."""
    found = []
    for place, one in enumerate(chunks):
        shape = [1] * len(chunks)
        shape[place] = -1
        found.append((one.start.reshape(shape), one.length.reshape(shape)))
    return found


def footprint_table(axis: Axis, chunks: Dict[str, Chunks]) -> Span:
    """The footprint along an axis for every combination of chunks of its dimensions."""
    return _footprints(axis, tuple(chunks[dim] for dim in axis.dims))


@lru_cache(maxsize=TABLES_KEPT)
def _footprints(axis: Axis, chunks: tuple[Chunks, ...]) -> Span:
    return clip(axis, progression(axis, table_ranges(chunks)))


def fresh_table(axis: Axis, chunks: Dict[str, Chunks], dim: str) -> Span:
    """The same while the innermost loop slides along ``dim``: the whole footprint in the first chunk of a sweep,
    afterwards only what the chunk before lacked."""
    return _fresh(axis, tuple(chunks[d] for d in axis.dims), axis.dims.index(dim))


@lru_cache(maxsize=TABLES_KEPT)
def _fresh(axis: Axis, chunks: tuple[Chunks, ...], place: int) -> Span:
    ranges = table_ranges(chunks)
    now = progression(axis, ranges)
    start, length = ranges[place]
    shifted = list(ranges)
    shifted[place] = (np.roll(start, 1, axis=place), np.roll(length, 1, axis=place))
    new, all_of_it = fresh(axis, now, progression(axis, shifted)), clip(axis, now)
    begins = np.broadcast_to(chunks[place].counter.reshape(start.shape) == 0, new.count.shape)
    return Span(
        np.where(begins, all_of_it.start, new.start),
        np.where(begins, all_of_it.count, new.count),
        np.broadcast_to(now.step, new.count.shape),
    )


def touched_box(nest: LoopNest, operand: Operand) -> int:
    """Elements in the footprint of a whole nest; of an output these are its results.

    >>> from tilewright.mapping.nests import conv2d
    >>> nest = conv2d(K=2, C=1, Y=4, X=4, R=3, S=3, pad=1)
    >>> touched_box(nest, nest.output), touched_box(nest, nest.operand("input"))
    (32, 16)
    """
    whole = {dim: chunk_chain(extent, ()) for dim, extent in nest.dims}
    return prod(int(footprint_table(axis, whole).count.sum()) for axis in operand.axes)
