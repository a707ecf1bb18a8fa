"""Placing buffers one after another into the gap that fits best, in several orders, with repairs where all fail.

A heuristic in the manner of the greedy planners of inference runtimes: quick, deterministic, and close to the live
bytes on schedules, where lifetimes are few and nested. It never claims that nothing fits unless the live bytes say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from types import MappingProxyType

from tilewright.errors import LimitError
from tilewright.memory.buffer import Buffer, Packing, Problem, most_live, round_up, too_much

_REPAIRS = 64
MOST_PAIRS = 10_000_000
NOWHERE: Mapping[int, int] = MappingProxyType({})

Key = Callable[[Buffer], tuple[int, ...]]

# What is placed first; ties fall to the order given. Large buffers first serves most problems, the others the rest.
NAMED: dict[str, Key] = {
    "size": lambda b: (-b.size_bytes, b.start),
    "area": lambda b: (-b.size_bytes * (b.end - b.start), b.start),
    "lifetime": lambda b: (b.start - b.end, -b.size_bytes),
}
ORDERS: tuple[Key, ...] = (
    *NAMED.values(),
    lambda b: (b.start, -b.size_bytes),
    lambda b: (-b.end, -b.size_bytes),
    lambda b: (b.start - b.end, b.start),
)


def pack(buffers: Sequence[Buffer], capacity_bytes: int, alignment: int = 1) -> Packing:
    """Offsets, multiples of the alignment, such that no two buffers share a byte in a sub-step.

    Sizes count rounded up to the alignment. The lowest of all placements tried is returned (docs/model.md, section 10).

    >>> pack([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3), Buffer("c", 5, 2, 4)], capacity_bytes=16).offsets
    (0, 10, 0)
    >>> pack([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3)], capacity_bytes=15).reason
    'in sub-step 1 16 B are live, 1 B more than the 15 B there are: a 10 B, b 6 B'
    """
    if alignment < 1:
        raise ValueError(f"an alignment is at least 1 B, this is {alignment}")
    live, when = most_live(buffers, alignment)
    if live > capacity_bytes:
        return Packing("infeasible", (), live, live, too_much(buffers, when, live, capacity_bytes, alignment))
    sizes = [round_up(buffer.size_bytes, alignment) for buffer in buffers]
    rivals, ends, units = _rivals(buffers), [buffer.end for buffer in buffers], [1] * len(buffers)
    order: list[int] = []
    best: list[int] = []
    lowest, ceiling = -1, 0
    for key, top in product(ORDERS, (0, live)):
        attempt = sorted(range(len(buffers)), key=[key(buffer) for buffer in buffers].__getitem__)
        offsets, peak = _place(attempt, sizes, ends, rivals, top, units)
        if lowest < 0 or peak < lowest:
            order, best, lowest, ceiling = attempt, offsets, peak, top
        if lowest == live:
            break
    tried = best
    for _ in range(_REPAIRS if lowest > capacity_bytes else 0):
        # Whatever stuck out over the top chooses first in the next round.
        out = {i for i in order if tried[i] + sizes[i] > capacity_bytes}
        order = [i for i in order if i in out] + [i for i in order if i not in out]
        tried, peak = _place(order, sizes, ends, rivals, ceiling, units)
        if peak < lowest:
            best, lowest = tried, peak
        if peak <= capacity_bytes:
            break
    if lowest > capacity_bytes:
        reason = (
            f"no placement was found within {capacity_bytes} B; the lowest needs {lowest} B, "
            f"and {live} B are live in sub-step {when}"
        )
        return Packing("limit", (), lowest, live, reason)
    return Packing("feasible", tuple(best), lowest, live)


def best_fit(problem: Problem, first: str, most_pairs: int = MOST_PAIRS) -> tuple[int, ...]:
    """Offsets of one pass: fixed addresses, then the largest ``first`` (``size``, ``area``, ``lifetime``), each in the
    smallest gap that holds it. LimitError where more pairs are live together than are looked at.

    >>> best_fit(Problem((Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3, alignment=4), Buffer("c", 5, 2, 4))), "size")
    (0, 12, 0)
    """
    buffers = problem.buffers
    pairs = _pairs(buffers)
    if pairs > most_pairs:
        raise LimitError(
            f"{pairs:,} pairs of buffers are live together, a best fit looks at {most_pairs:,} at most; "
            "the exact method sweeps over as many as there are"
        )
    rivals = _rivals(buffers)
    for i, j in problem.sharing:
        if j in rivals[i]:
            rivals[i].remove(j)
            rivals[j].remove(i)
    fixed = [i for i, buffer in enumerate(buffers) if buffer.address is not None]
    free = [i for i, buffer in enumerate(buffers) if buffer.address is None]
    keys = [NAMED[first](buffer) for buffer in buffers]
    order = [*fixed, *sorted(free, key=keys.__getitem__)]
    sizes, ends = [buffer.size_bytes for buffer in buffers], [buffer.end for buffer in buffers]
    addresses = {i: buffers[i].address or 0 for i in fixed}
    offsets, _ = _place(order, sizes, ends, rivals, 0, [buffer.alignment for buffer in buffers], addresses)
    return tuple(offsets)


def _pairs(buffers: Sequence[Buffer]) -> int:
    """How many pairs of buffers are live together."""
    starts, ends = sorted(b.start for b in buffers), sorted(b.end for b in buffers)
    gone = pairs = 0
    for number, start in enumerate(starts):
        while ends[gone] <= start:
            gone += 1
        pairs += number - gone
    return pairs


def _rivals(buffers: Sequence[Buffer]) -> list[list[int]]:
    """For each buffer the others that are live in one of its sub-steps."""
    rivals: list[list[int]] = [[] for _ in buffers]
    by_start = sorted(range(len(buffers)), key=lambda i: buffers[i].start)
    alive: list[int] = []
    for i in by_start:
        alive = [j for j in alive if buffers[j].end > buffers[i].start]
        for j in alive:
            rivals[i].append(j)
            rivals[j].append(i)
        alive.append(i)
    return rivals


def _place(
    order: Sequence[int],
    sizes: Sequence[int],
    ends: Sequence[int],
    rivals: Sequence[Sequence[int]],
    ceiling: int,
    units: Sequence[int],
    addresses: Mapping[int, int] = NOWHERE,
) -> tuple[list[int], int]:
    """Offsets and peak of placing in that order, each buffer in the smallest gap that holds it, lowest among equals.

    Offsets are multiples of ``units``; those of ``addresses`` are given. Below a ceiling, a buffer takes the end of its
    gap where the neighbour lives longer: what dies early then leaves one large hole and not two. With the ceiling 0 all
    are put at the low end.
    """
    offsets = [-1] * len(sizes)
    peak = 0
    forever = max(ends, default=0)
    for i in order:
        floor, below, slack, chosen = 0, forever, -1, -1
        taken = sorted((offsets[j], offsets[j] + sizes[j], ends[j]) for j in rivals[i] if offsets[j] >= 0)
        for low, high, above in [*taken, (ceiling, ceiling, forever)] if i not in addresses else ():
            left = low - round_up(floor, units[i]) - sizes[i]
            if left >= 0 and (slack < 0 or left < slack):
                end = (low - sizes[i]) // units[i] * units[i]
                slack, chosen = left, end if ceiling and below < above else round_up(floor, units[i])
            if high > floor:
                floor, below = high, above
        offsets[i] = addresses.get(i, round_up(floor, units[i]) if chosen < 0 else chosen)
        peak = max(peak, offsets[i] + sizes[i])
    return offsets, peak
