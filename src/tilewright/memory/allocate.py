"""Addresses for buffers by any of the solvers: plain best fits, and the complete search that starts from them."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from tilewright.errors import InputError, LimitError, UsageError
from tilewright.memory import bestfit, exact
from tilewright.memory.buffer import Buffer, Packing, Problem, Status, most_live, round_up, too_much

EXACT = "exact"
METHODS = (EXACT, *bestfit.NAMED)
SCHEDULE_BUDGET = 200_000  # placements for the buffers of a schedule: seconds at most
LARGE = 16  # such a part of the capacity is large
FEW_PAIRS = 1_000_000  # of buffers that are live together: a best fit is quick


def allocate(
    buffers: Sequence[Buffer],
    capacity_bytes: int | None = None,
    *,
    sharing: Collection[tuple[int, int]] = frozenset(),
    method: str = EXACT,
    timeout: float | None = None,
    seed: int = 0,
    progress: exact.Progress | None = None,
) -> Packing:
    """Offsets (B) at which no two buffers that are live together share a byte: within a capacity (B), or without one as
    low as can be.

    ``sharing`` has pairs of numbers that may share bytes all the same. ``method`` is ``exact``, a complete search, or a
    plain best fit, largest ``size``, ``area`` or ``lifetime`` first. ``timeout`` in seconds ends a search, and
    so does Ctrl-C where the least height is asked for, with the lowest placement found so far; of what does not fit
    within a capacity no offsets are given. ``progress`` is told how many placements were tried. InputError for pairs
    that do not exist, UsageError for other methods, LimitError where a best fit has too many buffers to look at.

    >>> allocate([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3), Buffer("c", 5, 2, 4)]).offsets
    (0, 10, 0)
    """
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'; there are {', '.join(METHODS)}")
    pairs = frozenset((min(pair), max(pair)) for pair in sharing)
    wrong = sorted(pair for pair in pairs if pair[0] < 0 or pair[1] >= len(buffers) or pair[0] == pair[1])
    if wrong:
        raise InputError(f"sharing: {wrong[0]} is no pair of the {len(buffers)} buffers, numbered from 0")
    problem = Problem(tuple(buffers), capacity_bytes, pairs)
    deadline = None if timeout is None else time.monotonic() + timeout
    if method == EXACT:
        search = exact.least if capacity_bytes is None else exact.solve
        return search(problem, deadline=deadline, seed=seed, first=_known(problem), progress=progress)
    known = exact.solve(problem, budget=0) if capacity_bytes is not None else exact.least(problem, budget=0)
    if known.status == "infeasible":
        return known
    return _judged(problem, bestfit.best_fit(problem, method), known)


def packed(
    buffers: Sequence[Buffer], capacity_bytes: int, alignment: int = 1, *, budget: int = SCHEDULE_BUDGET
) -> Packing:
    """Offsets within a capacity, all of one alignment, to which sizes count rounded up: by a best fit, and by the
    complete search, with its ``budget``, where that finds none. That looks at large buffers first: where they do not
    fit, nothing does, and small ones would only multiply the work.

    The status depends on which lifetimes overlap only, neither on their lengths nor on names or order: who knows the
    sizes and the order of events knows what a plan will say.

    >>> packed([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3), Buffer("c", 5, 2, 4)], 24, alignment=8).offsets
    (0, 16, 0)
    """
    live, when = most_live(buffers, alignment)
    if live > capacity_bytes:
        return Packing("infeasible", (), live, live, too_much(buffers, when, live, capacity_bytes, alignment))
    order, events = _events(buffers, alignment)
    found = bestfit.pack(events, capacity_bytes, alignment)
    if found.status == "limit":
        large = tuple(b for b in events if b.size_bytes * LARGE >= capacity_bytes)
        found = exact.solve(Problem(large, capacity_bytes), budget=budget // 10)
        if found.status != "infeasible":
            found = exact.solve(Problem(events, capacity_bytes), budget=budget)
    if not found.offsets:
        return found
    offsets = dict(zip(order, found.offsets, strict=True))
    return replace(found, offsets=tuple(offsets[i] for i in range(len(buffers))))


def _events(buffers: Sequence[Buffer], alignment: int) -> tuple[list[int], tuple[Buffer, ...]]:
    """The buffers in an order of their own, by numbers, with their events counted instead of sub-steps."""
    times = sorted({time for b in buffers for time in (b.start, b.end)})
    number = {time: k for k, time in enumerate(times)}
    sizes = [round_up(b.size_bytes, alignment) for b in buffers]
    order = sorted(range(len(buffers)), key=lambda i: (buffers[i].start, buffers[i].end, -sizes[i]))
    return order, tuple(
        Buffer(buffers[i].name, sizes[i], number[buffers[i].start], number[buffers[i].end], alignment) for i in order
    )


def _known(problem: Problem) -> Packing | None:
    """A first placement by best fit, of the largest first, where that is quick."""
    try:
        return Packing("feasible", bestfit.best_fit(problem, "size", FEW_PAIRS), 0, 0)
    except LimitError:
        return None


def _judged(problem: Problem, offsets: tuple[int, ...], known: Packing) -> Packing:
    """A placement with the bounds that are known without a search."""
    ends = (offset + buffer.size_bytes for offset, buffer in zip(offsets, problem.buffers, strict=True))
    peak, capacity = max(ends, default=0), problem.capacity_bytes
    status: Status = "optimal" if peak <= known.bound_bytes else "limit"
    reason = f"the best fit needs {peak} B, none goes below {known.bound_bytes} B"
    if capacity is not None:
        status = "feasible" if peak <= capacity else "limit"
        reason = f"the best fit needs {peak} B, there are {capacity} B; the exact method may find more"
    return Packing(
        status,
        offsets if capacity is None or status == "feasible" else (),
        peak,
        known.live_bytes,
        "" if status != "limit" else reason,
        known.bound_bytes,
    )
