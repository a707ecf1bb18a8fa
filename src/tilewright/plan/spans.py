"""Intervals along axes, as numbers for every chunk of a loop (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tilewright.errors import InfeasibleError
from tilewright.plan.boxes import Range, axis_box
from tilewright.plan.expr import Expr, const, counter, evaluate
from tilewright.plan.sequence import sequence
from tilewright.workload.nest import Axis


@dataclass(frozen=True)
class Span:
    """Indices ``starts, starts + steps, ...``, so many as ``counts`` says, for every chunk of a loop, which is known by
    its number; without a loop there is one entry, for all steps."""

    loop: int | None
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    steps: tuple[int, ...]

    def ends(self) -> tuple[int, ...]:
        """One more than the last index; the start where there is none."""
        every = zip(self.starts, self.counts, self.steps, strict=True)
        return tuple(s + (c - 1) * t + 1 if c else s for s, c, t in every)

    @property
    def most(self) -> int:
        return max(self.counts)


Names = Sequence[str]


@dataclass(frozen=True)
class Box:
    """A span for every axis, as expressions of the counters of these names."""

    starts: tuple[Expr, ...]
    counts: tuple[Expr, ...]
    steps: tuple[Expr, ...]


def whole(size: int) -> Span:
    """All indices of an axis, in every step."""
    return Span(None, (0,), (size,), (1,))


def intervals(loop: int | None, pairs: Iterable[tuple[int, int]]) -> Span:
    """Half-open intervals, one for each chunk.

    >>> intervals(0, [(0, 3), (3, 3)])
    Span(loop=0, starts=(0, 3), counts=(3, 0), steps=(1, 1))
    """
    found = tuple(pairs)
    return Span(loop, tuple(a for a, _ in found), tuple(max(0, b - a) for a, b in found), (1,) * len(found))


def said(values: Sequence[int], loop: int | None, names: Names) -> Expr:
    """Numbers, one for each chunk of a loop, as an expression."""
    return const(values[0]) if loop is None else sequence(values, names[loop])


def box_of(spans: Iterable[Span], names: Names) -> Box:
    """Spans as expressions."""
    found = tuple(spans)
    return Box(
        tuple(said(s.starts, s.loop, names) for s in found),
        tuple(said(s.counts, s.loop, names) for s in found),
        tuple(said(s.steps, s.loop, names) for s in found),
    )


def footprint(axis: Axis, dims: Mapping[str, Span], extents: Mapping[str, int]) -> Span:
    """What a step needs along an axis of an operand, given the ranges of its dimensions (docs/model.md, section 3).

    >>> rows = intervals(0, [(0, 2), (2, 4), (4, 5)])
    >>> axis = Axis((("Y", 1), ("R", 1)), 5, 0, offset=-1)
    >>> footprint(axis, {"Y": rows, "R": whole(3)}, {"Y": 5, "R": 3})
    Span(loop=0, starts=(0, 1, 3), counts=(3, 4, 2), steps=(1, 1, 1))
    """
    moving = [dims[dim] for dim in axis.dims if dims[dim].loop is not None]
    loop, chunks = _loop_of(moving)
    ranges: dict[str, Range] = {}
    numbers: dict[str, np.ndarray[tuple[int], np.dtype[np.int64]] | int] = {}
    for dim in axis.dims:
        span = dims[dim]
        if span.loop is None:
            ranges[dim] = Range(const(span.starts[0]), const(span.counts[0]), span.most)
            continue
        start, count = f"{dim}.start", f"{dim}.count"
        ranges[dim] = Range(counter(start), counter(count), span.most)
        numbers |= {start: np.array(span.starts), count: np.array(span.counts)}
    everything = {dim: Range(const(0), const(extents[dim]), extents[dim]) for dim in axis.dims}
    found = [
        np.broadcast_to(np.asarray(evaluate(e, numbers)), (chunks,)).tolist()
        for e in axis_box(axis, ranges, everything)
    ]
    gone = [any(span.counts[k] == 0 for span in moving) for k in range(chunks)]
    starts, counts, steps = found
    return Span(
        loop,
        tuple(0 if g else int(v) for g, v in zip(gone, starts, strict=True)),
        tuple(0 if g else int(v) for g, v in zip(gone, counts, strict=True)),
        tuple(1 if g or c == 0 else int(v) for g, c, v in zip(gone, counts, steps, strict=True)),
    )


def _loop_of(spans: Sequence[Span]) -> tuple[int | None, int]:
    """The one loop that spans depend on, and its number of chunks; InfeasibleError if there are two."""
    loops = {span.loop for span in spans if span.loop is not None}
    if len(loops) > 1:
        raise InfeasibleError("an axis that depends on two shared loops cannot be tiled")
    return next(iter(loops), None), max((len(span.starts) for span in spans), default=1)


def hull(axis: Axis, dims: Mapping[str, Span]) -> Span:
    """The indices of an axis from the first to the last that a step touches, padding and holes included, cut at the
    borders: what a map must hold for it (docs/model.md, section 8).

    >>> columns = intervals(0, [(0, 1), (1, 2), (2, 3)])
    >>> hull(Axis((("X", 1), ("S", 2)), 6, 0, offset=-1), {"X": columns, "S": whole(4)}).starts
    (0, 0, 1)
    """
    spans = [dims[dim] for dim in axis.dims]
    loop, chunks = _loop_of(spans)
    found = []
    for k in range(chunks):
        low = high = axis.offset
        some = True
        for (_, coefficient), span in zip(axis.terms, spans, strict=True):
            i = k if span.loop is not None else 0
            ends = (coefficient * span.starts[i], coefficient * (span.starts[i] + span.counts[i] - 1))
            low, high, some = low + min(ends), high + max(ends), some and span.counts[i] > 0
        low, high = low // axis.divisor, high // axis.divisor + axis.reach
        if axis.clamp:
            low, high = (min(max(v, 0), axis.size - 1) for v in (low, high))
        low, high = max(low, 0), min(high, axis.size - 1)
        found.append((low, high + 1) if some and low <= high else (0, 0))
    return intervals(loop, found)


def joined(parts: Sequence[tuple[Span, int]]) -> Span:
    """The hull of a tensor's axis that several axes of an operand add up to, given as (span, scale).

    >>> joined([(intervals(None, [(1, 3)]), 4), (whole(4), 1)])
    Span(loop=None, starts=(4,), counts=(8,), steps=(1,))
    """
    loop, chunks = _loop_of([span for span, _ in parts])
    at: Callable[[tuple[int, ...], int], int] = lambda values, k: values[k if len(values) > 1 else 0]  # noqa: E731
    found = []
    for k in range(chunks):
        if any(at(span.counts, k) == 0 for span, _ in parts):
            found.append((0, 0))
            continue
        low = sum(scale * at(span.starts, k) for span, scale in parts)
        high = sum(scale * (at(span.ends(), k) - 1) for span, scale in parts) + 1
        found.append((low, high))
    return intervals(loop, found)
