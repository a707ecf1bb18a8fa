"""Where an element of a tensor lies in storage, and how moves that are views map it (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Layout = Literal["nhwc", "nchw"]


@dataclass(frozen=True)
class Storage:
    """A tensor's place: element (i0, i1, ...) is element ``offset + sum(i * stride)`` of the base's storage."""

    tensor: str
    base: str
    offset: int
    strides: tuple[int, ...]


def own_strides(shape: Sequence[int], layout: Layout) -> tuple[int, ...]:
    """Strides, in elements, of a tensor that owns its storage: row-major, channels innermost for rank 4 in nhwc.

    >>> own_strides((1, 3, 4, 5), "nchw"), own_strides((1, 3, 4, 5), "nhwc")
    ((60, 20, 5, 1), (60, 1, 15, 3))
    """
    order = (0, 2, 3, 1) if layout == "nhwc" and len(shape) == 4 else tuple(range(len(shape)))
    strides = [1] * len(shape)
    step = 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def reshaped(shape: Sequence[int], strides: Sequence[int], out: Sequence[int]) -> tuple[int, ...] | None:
    """Strides of a tensor seen in another shape without moving an element, or None where that is impossible.

    Axes of extent 1 do not matter. The others fall into the shortest stretches, of both shapes, with equal products;
    one that merges axes must find them laid out densely one in the other.

    >>> reshaped((2, 6, 5), (60, 5, 1), (2, 2, 3, 5))
    (60, 15, 5, 1)
    >>> reshaped((2, 6, 5), (1, 10, 2), (2, 30))
    (1, 2)
    >>> reshaped((2, 6, 5), (60, 5, 1), (12, 5)) is None     # the rows of the two matrices are not neighbours
    True
    """
    have = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size > 1]
    want = [axis for axis, size in enumerate(out) if size > 1]
    found = [0] * len(out)
    h = w = 0
    while h < len(have):
        h_end, w_end = h + 1, w + 1
        merged, asked = have[h][0], out[want[w]]
        while merged != asked:
            if merged < asked:
                merged *= have[h_end][0]
                h_end += 1
            else:
                asked *= out[want[w_end]]
                w_end += 1
        if any(outer[1] != inner[0] * inner[1] for outer, inner in pairwise(have[h:h_end])):
            return None
        step = have[h_end - 1][1]
        for axis in reversed(want[w:w_end]):
            found[axis] = step
            step *= out[axis]
        h, w = h_end, w_end
    return _with_unit_axes(out, found)


def _with_unit_axes(shape: Sequence[int], strides: list[int]) -> tuple[int, ...]:
    """Give axes of extent 1, whose stride is never used, the stride that a dense neighbour would have."""
    step = 1
    for axis in reversed(range(len(shape))):
        if shape[axis] == 1:
            strides[axis] = step
        step = strides[axis] * shape[axis]
    return tuple(strides)


def permuted(strides: Sequence[int], perm: Sequence[int]) -> tuple[int, ...]:
    """Strides of the transposed tensor, output axis i being input axis ``perm[i]``.

    >>> permuted((12, 4, 1), (2, 0, 1))
    (1, 12, 4)
    """
    return tuple(strides[axis] for axis in perm)


def unpermuted(strides: Sequence[int], perm: Sequence[int]) -> tuple[int, ...]:
    """Strides of the tensor before the transposition that gave these.

    >>> unpermuted((1, 12, 4), (2, 0, 1))
    (12, 4, 1)
    """
    found = [0] * len(perm)
    for axis, source in enumerate(perm):
        found[source] = strides[axis]
    return tuple(found)


def keeps_order(shape: Sequence[int], perm: Sequence[int]) -> bool:
    """Whether a transposition only moves axes of extent 1 about.

    >>> keeps_order((1, 8, 1, 5), (0, 2, 1, 3)), keeps_order((1, 8, 2, 5), (0, 2, 1, 3))
    (True, False)
    """
    return all(a < b for a, b in pairwise(axis for axis in perm if shape[axis] > 1))


def same_addresses(shape: Sequence[int], strides: Sequence[int], others: Sequence[int]) -> bool:
    """Whether two sets of strides place every element alike; axes of extent 1 do not matter.

    >>> same_addresses((1, 4), (7, 1), (4, 1))
    True
    """
    return all(size == 1 or a == b for size, a, b in zip(shape, strides, others, strict=True))


def sliced(source: Storage, tensor: str, starts: Sequence[int], steps: Sequence[int]) -> Storage:
    """The storage of a slice: the same base, every ``step``-th element from ``start`` on along each axis.

    >>> sliced(Storage("x", "x", 0, (12, 1)), "y", (1, 2), (1, 3))
    Storage(tensor='y', base='x', offset=14, strides=(12, 3))
    """
    offset = source.offset + sum(start * stride for start, stride in zip(starts, source.strides, strict=True))
    return Storage(
        tensor, source.base, offset, tuple(step * stride for step, stride in zip(steps, source.strides, strict=True))
    )
