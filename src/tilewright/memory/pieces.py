"""A problem cut into pieces that are independent in time, as the complete search takes them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import numpy as np
from numpy.typing import NDArray

from tilewright.memory.buffer import Buffer, Problem

Ints = NDArray[np.int64]
Light = dict[int, Ints]  # sections in which a row does not count
Rows = dict[int, list[int]]
_SHARED_CELLS = 2_000_000  # of sharing buffers times sections that are looked at one by one


@dataclass(frozen=True)
class Piece:
    """Buffers that sections connect, in units of ``grain`` bytes; ``numbers`` are their places in the problem."""

    numbers: Ints
    grain: int
    sizes_bytes: Ints
    size: Ints
    unit: Ints
    address: Ints
    low: Ints
    high: Ints
    total: Ints
    light_at: Ints
    light: Ints
    partner_at: Ints
    partners: Ints
    bound_bytes: int

    def peak(self, offset: Ints) -> int:
        """The end of the highest buffer, B, from offsets in units."""
        return int((offset * self.grain + self.sizes_bytes).max())


def pieces_of(problem: Problem) -> tuple[list[Piece], int, int]:
    """The pieces, the most bytes live at once that cannot share, and the sub-step of which it is true."""
    buffers = problem.buffers
    numbers = np.array([i for i, b in enumerate(buffers) if b.size_bytes], np.int64)
    if not len(numbers):
        return [], 0, 0
    low, high, begins = _sections(buffers, numbers)
    sizes = np.array([buffers[i].size_bytes for i in numbers], np.int64)
    place = {int(i): k for k, i in enumerate(numbers)}
    pairs = [(place[i], place[j]) for i, j in sorted(problem.sharing) if i in place and j in place]
    pairs = [(i, j) for i, j in pairs if low[i] < high[j] and low[j] < high[i]]
    light = _light(pairs, sizes, low, high)
    live = _sums(sizes, low, high, len(begins))
    for i, sections in light.items():
        live[sections] -= sizes[i]
    bridged = np.zeros(len(begins) + 1, np.int64)
    np.add.at(bridged, low + 1, 1)
    np.add.at(bridged, high, -1)
    cuts = np.flatnonzero(np.cumsum(bridged)[:-1] == 0)
    group = np.searchsorted(cuts, low, side="right") - 1
    partners: dict[int, list[int]] = defaultdict(list)
    for i, j in pairs:
        partners[i].append(j)
        partners[j].append(i)
    by_group = np.argsort(group, kind="stable")
    at = np.searchsorted(group[by_group], np.arange(len(cuts) + 1))
    cut = [by_group[a:b] for a, b in pairwise(at.tolist())]
    pieces = [_piece(problem, numbers, rows, (low, high), light, partners) for rows in cut]
    when = int(live.argmax())
    return pieces, int(live[when]), int(begins[when])


def _piece(
    problem: Problem, numbers: Ints, rows: Ints, spans: tuple[Ints, Ints], light: Light, partners: Rows
) -> Piece:
    """The buffers of some rows of ``numbers``; ``spans`` are first and end sections of all."""
    own = [problem.buffers[i] for i in numbers[rows]]
    grain = gcd(*(b.alignment for b in own))
    sizes = np.array([b.size_bytes for b in own], np.int64)
    size = -(-sizes // grain)
    low, high = spans
    begin, end = int(low[rows].min()), int(high[rows].max())
    total = _sums(size, low[rows] - begin, high[rows] - begin, end - begin)
    light_at = np.full(len(rows), -1, np.int64)
    masks: list[Ints] = []
    filled = 0
    partner_at, flat = np.zeros(len(rows) + 1, np.int64), []
    local = {int(row): k for k, row in enumerate(rows)} if partners else {}
    for k, row in enumerate(rows.tolist()):
        if row in light:
            mask = np.zeros(high[row] - low[row], np.int64)
            mask[light[row] - low[row]] = 1
            total[light[row] - begin] -= size[k]
            light_at[k] = filled
            filled += len(mask)
            masks.append(mask)
        flat += [local[j] for j in partners.get(row, ())]
        partner_at[k + 1] = len(flat)
    fixed = max((b.address + b.size_bytes for b in own if b.address is not None), default=0)
    slack = int((size * grain - sizes).max())
    return Piece(
        numbers[rows],
        grain,
        sizes,
        size,
        np.array([b.alignment // grain for b in own], np.int64),
        np.array([-1 if b.address is None else b.address // grain for b in own], np.int64),
        low[rows] - begin,
        high[rows] - begin,
        total,
        light_at,
        np.concatenate(masks) if masks else np.zeros(0, np.int64),
        partner_at,
        np.array(flat, np.int64),
        max(fixed, int(total.max()) * grain - slack, int(sizes.max())),
    )


def _sections(buffers: Sequence[Buffer], numbers: Ints) -> tuple[Ints, Ints, Ints]:
    """First and end section of each buffer, and the sub-step with which each section begins; maximal sections only."""
    starts = np.array([buffers[i].start for i in numbers], np.int64)
    ends = np.array([buffers[i].end for i in numbers], np.int64)
    times = np.unique(np.concatenate((starts, ends)))
    first, last = np.searchsorted(times, starts), np.searchsorted(times, ends)
    # A section is maximal where a buffer starts with it and one ends with it: no other section has both of them.
    opens, closes = np.zeros(len(times), bool), np.zeros(len(times), bool)
    opens[first] = True
    closes[last - 1] = True
    maximal = opens & closes
    before = np.concatenate(([0], np.cumsum(maximal)))
    return before[first], before[last], times[maximal]


def _sums(weights: Ints, low: Ints, high: Ints, sections: int) -> Ints:
    change = np.zeros(sections + 1, np.int64)
    np.add.at(change, low, weights)
    np.add.at(change, high, -weights)
    return np.cumsum(change)[:-1]


def _light(pairs: Sequence[tuple[int, int]], sizes: Ints, low: Ints, high: Ints) -> dict[int, Ints]:
    """Sections in which a buffer does not count, since it may share bytes with one that does.

    What counts are rivals of each other, so that the sum of a section is a bound. Larger buffers count first."""
    cells = sum(int(min(high[i], high[j]) - max(low[i], low[j])) for i, j in pairs)
    partners: dict[int, set[int]] = defaultdict(set)
    for i, j in pairs:
        partners[i].add(j)
        partners[j].add(i)
    order = sorted(partners, key=lambda i: (-int(sizes[i]), i))
    if cells > _SHARED_CELLS:
        kept: set[int] = set()
        for i in order:
            if not partners[i] & kept:
                kept.add(i)
        return {i: np.arange(low[i], high[i]) for i in order if i not in kept}
    place = {i: k for k, i in enumerate(order)}
    at: dict[int, set[int]] = defaultdict(set)
    for i, j in pairs:
        for s in range(int(max(low[i], low[j])), int(min(high[i], high[j]))):
            at[s].update((place[i], place[j]))
    found: dict[int, list[int]] = defaultdict(list)
    for s in sorted(at):
        counted: set[int] = set()
        for k in sorted(at[s]):
            i = order[k]
            if partners[i] & counted:
                found[i].append(s)
            else:
                counted.add(i)
    return {i: np.array(sections, np.int64) for i, sections in found.items()}
