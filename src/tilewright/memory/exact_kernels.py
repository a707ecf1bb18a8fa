"""Compiled depth-first search over placements of buffers, lowest offset first. Imported lazily: it brings numba.

A search state is a ``Search`` of flat arrays that outlives a call of ``run``, so that a caller can run it in slices.
Heights are counted in units that divide every alignment; times are numbers of maximal sections (see exact.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

# What ends a branch, as columns of ``Search.pruned``; all but the last two are also the switches in ``Part.rules``.
FLOOR, DOMINATED, EQUAL, FREE, STRANDED, SPLIT, SEEN, ALONE, TALL, ORDER = range(10)
OUT_OF_BUDGET, FITS, RULED_OUT = 0, 1, 2
FAR = 1 << 62

# Registers of a search that has been interrupted.
_DEPTH, _AGENDA, _ARENA, _TRAIL, NODES, _BACK = range(6)


class Part(NamedTuple):
    """What does not change in a search: one row per buffer, and the rivals of each in compressed rows."""

    size: np.ndarray
    unit: np.ndarray  # alignment
    latest: np.ndarray  # highest offset that ends within the capacity
    address: np.ndarray  # fixed offset, -1 where there is none
    low: np.ndarray  # first section in which it is live
    high: np.ndarray  # first section after that in which it is not
    rank: np.ndarray  # place in the branching order
    twin: np.ndarray  # the equal buffer that goes below this one, -1 where there is none
    rival_at: np.ndarray
    rivals: np.ndarray
    light_at: np.ndarray  # row of ``light`` for its first section, -1 where it counts in all of them
    light: np.ndarray  # 1 where a buffer does not count in a section, since it may share with one that does
    total: np.ndarray  # bytes of a section that cannot share
    capacity: np.ndarray  # of one element
    rules: np.ndarray  # switches


class Search(NamedTuple):
    """What changes: lowest offsets, placements, the trail to undo them, the frames and the parts still to do."""

    minimum: np.ndarray
    offset: np.ndarray
    rest: np.ndarray
    cross: np.ndarray
    estimate: np.ndarray
    todo: np.ndarray
    highest: np.ndarray
    first: np.ndarray
    second: np.ndarray
    lowest: np.ndarray
    trail: np.ndarray  # columns: buffer (or n + buffer where it was placed), value before
    frames: np.ndarray
    keys: np.ndarray
    agenda: np.ndarray  # columns: first section, end, frame, last offset, last rank, next, buffers
    candidates: np.ndarray
    registers: np.ndarray
    pruned: np.ndarray
    table: np.ndarray


# Columns of frames.
_LOW, _HIGH, _PARENT, _BEGIN, _END, _AT, _UNDO, _TASKS, _ITEMS = range(9)


@njit(cache=True, nogil=True)
def start(part, search):
    """Set a search to its beginning: nothing placed, one part that spans all sections."""
    n, sections = len(part.size), len(part.total)
    search.minimum[:] = 0
    search.offset[:] = -1
    search.rest[:] = part.total
    search.cross[:] = 0
    for i in range(n):
        for s in range(part.low[i] + 1, part.high[i]):
            search.cross[s] += 1
    search.registers[:] = 0
    search.registers[_AGENDA] = -1
    if _settle(part, search, 0, sections, 0, -1):
        _divide(part, search, 0, sections, -1, 0, -1)
    else:
        search.registers[_BACK] = 1


@njit(cache=True, nogil=True)
def _round_up(value, unit):
    return value if unit == 1 else -(-value // unit) * unit


@njit(cache=True, nogil=True)
def _place(part, search, i, offset):
    """Put a buffer at an offset: its rivals go above it, its bytes are no longer to come in its sections."""
    registers, trail = search.registers, search.trail
    at = registers[_TRAIL]
    top = offset + part.size[i]
    search.offset[i] = offset
    trail[at, 0] = len(part.size) + i
    at += 1
    for e in range(part.rival_at[i], part.rival_at[i + 1]):
        j = part.rivals[e]
        if search.offset[j] < 0 and search.minimum[j] < top:
            trail[at, 0] = j
            trail[at, 1] = search.minimum[j]
            at += 1
            search.minimum[j] = _round_up(top, part.unit[j])
    registers[_TRAIL] = at
    _count(part, search, i, -1)


@njit(cache=True, nogil=True)
def _count(part, search, i, sign):
    low, high, light_at = part.low[i], part.high[i], part.light_at[i]
    change = sign * part.size[i]
    if light_at < 0:
        for s in range(low, high):
            search.rest[s] += change
    else:
        for s in range(low, high):
            if part.light[light_at + s - low] == 0:
                search.rest[s] += change
    for s in range(low + 1, high):
        search.cross[s] += sign


@njit(cache=True, nogil=True)
def _undo(part, search, until):
    n = len(part.size)
    at = search.registers[_TRAIL]
    while at > until:
        at -= 1
        i = search.trail[at, 0]
        if i >= n:
            search.offset[i - n] = -1
            _count(part, search, i - n, 1)
        else:
            search.minimum[i] = search.trail[at, 1]
    search.registers[_TRAIL] = at


@njit(cache=True, nogil=True)
def _settle(part, search, low, high, last, last_rank):
    """Whether what is unplaced in sections low .. high - 1 may still fit, if all of it goes at ``last`` or above.

    Places what can be placed without loss."""
    n = len(part.size)
    estimate, todo, rules, capacity = search.estimate, search.todo, part.rules, part.capacity[0]
    first, second, lowest = search.first, search.second, search.lowest
    while True:
        count = 0
        for i in range(n):
            if search.offset[i] >= 0 or part.low[i] < low or part.high[i] > high:
                continue
            value, address = search.minimum[i], part.address[i]
            if address >= 0:
                if value > address:
                    search.pruned[TALL] += 1
                    return False
                if address < last or (address == last and part.rank[i] < last_rank):
                    search.pruned[ORDER] += 1
                    return False
                estimate[i] = address
            else:
                estimate[i] = value if value >= last else _round_up(last, part.unit[i])
            todo[count] = i
            count += 1
        if rules[STRANDED]:
            for e in range(count):
                i = todo[e]
                value = search.minimum[i]
                if part.address[i] >= 0 or value > last or (value == last and part.rank[i] > last_rank):
                    continue
                support = FAR
                for r in range(part.rival_at[i], part.rival_at[i + 1]):
                    j = part.rivals[r]
                    if search.offset[j] < 0:
                        support = min(support, estimate[j] + part.size[j])
                if support == FAR:
                    search.pruned[STRANDED] += 1
                    return False
                estimate[i] = max(estimate[i], _round_up(support, part.unit[i]))
                if estimate[i] > part.latest[i]:
                    search.pruned[STRANDED] += 1
                    return False
        while True:
            first[low:high] = FAR
            second[low:high] = FAR
            lowest[low:high] = -1
            for e in range(count):
                i = todo[e]
                value = estimate[i]
                if value > part.latest[i]:
                    search.pruned[TALL] += 1
                    return False
                light_at = part.light_at[i]
                for s in range(part.low[i], part.high[i]):
                    if light_at >= 0 and part.light[light_at + s - part.low[i]]:
                        continue
                    if value < first[s]:
                        second[s] = first[s]
                        first[s] = value
                        lowest[s] = i
                    elif value < second[s]:
                        second[s] = value
            if rules[FLOOR]:
                for s in range(low, high):
                    if lowest[s] >= 0 and first[s] + search.rest[s] > capacity:
                        search.pruned[FLOOR] += 1
                        return False
            if not rules[ALONE] or not _raise_others(part, search, count):
                break
            search.pruned[ALONE] += 1
        if not rules[FREE]:
            return True
        changed = False
        for e in range(count):
            i = todo[e]
            value = search.minimum[i]
            if part.address[i] >= 0:
                value = part.address[i]
            elif value < last or (value == last and part.rank[i] < last_rank):
                continue
            if part.twin[i] >= 0 and search.offset[part.twin[i]] < 0:
                continue
            top, free = value + part.size[i], True
            if len(part.light):
                # Sections leave out what does not count in them.
                for r in range(part.rival_at[i], part.rival_at[i + 1]):
                    j = part.rivals[r]
                    if search.offset[j] < 0 and estimate[j] < top:
                        free = False
                        break
            else:
                for s in range(part.low[i], part.high[i]):
                    if (second[s] if lowest[s] == i else first[s]) < top:
                        free = False
                        break
            if free:
                _place(part, search, i, value)
                search.pruned[FREE] += 1
                changed = True
        if not changed:
            return True


@njit(cache=True, nogil=True)
def _raise_others(part, search, count):
    """Raise rivals that do not fit below a buffer, where that must be the lowest of a section: whether one rose."""
    estimate, rest, capacity, highest = search.estimate, search.rest, part.capacity[0], search.highest
    rose = False
    for e in range(count):
        i = search.todo[e]
        # The highest that it can lie, from the sections of which it is the lowest.
        highest[i] = FAR
        for s in range(part.low[i], part.high[i]):
            if search.lowest[s] == i and search.second[s] + rest[s] > capacity:
                highest[i] = min(highest[i], capacity - rest[s])
    for e in range(count):
        i = search.todo[e]
        if highest[i] == FAR:
            continue
        top = estimate[i] + part.size[i]
        for r in range(part.rival_at[i], part.rival_at[i + 1]):
            j = part.rivals[r]
            if search.offset[j] < 0 and estimate[j] < top and estimate[j] + part.size[j] > highest[i]:
                estimate[j] = _round_up(top, part.unit[j])
                rose = True
    return rose


@njit(cache=True, nogil=True)
def _divide(part, search, low, high, frame, last, last_rank):
    """Put what is unplaced in sections low .. high - 1 on the agenda, in pieces that no buffer connects."""
    registers, agenda = search.registers, search.agenda
    begin = low
    made = 0
    for s in range(low + 1, high + 1):
        if s < high and (search.cross[s] > 0 or not part.rules[SPLIT]):
            continue
        count = 0
        for i in range(len(part.size)):
            if search.offset[i] < 0 and part.low[i] >= begin and part.high[i] <= s:
                count += 1
        if count:
            item = registers[_ARENA]
            registers[_ARENA] += 1
            made += 1
            agenda[item, 0], agenda[item, 1], agenda[item, 2] = begin, s, frame
            agenda[item, 3], agenda[item, 4], agenda[item, 6] = last, last_rank, count
            # Fewest buffers first: what is decided soon should fail first.
            before, after = -1, registers[_AGENDA]
            for _ in range(made - 1):
                if agenda[after, 6] >= count:
                    break
                before, after = after, agenda[after, 5]
            agenda[item, 5] = after
            if before < 0:
                registers[_AGENDA] = item
            else:
                agenda[before, 5] = item
        begin = s
    if made > 1:
        search.pruned[SPLIT] += 1


@njit(cache=True, nogil=True)
def _mix(value, factor):
    value *= factor
    value ^= value >> 29
    value *= -4658895280553007687
    value ^= value >> 32
    return value * -7723592293110705685


@njit(cache=True, nogil=True)
def _open(part, search, item):
    """A frame for an item of the agenda: its candidates, sorted. False where it is known that it fails."""
    registers, frames, agenda, todo = search.registers, search.frames, search.agenda, search.todo
    rules, rank, candidates = part.rules, part.rank, search.candidates
    low, high, last, last_rank = agenda[item, 0], agenda[item, 1], agenda[item, 3], agenda[item, 4]
    depth = registers[_DEPTH]
    begin = 0 if depth == 0 else frames[depth - 1, _END]
    count = 0
    ceiling = FAR
    barrier, barrier_rank = FAR, 0
    key, check = 0, 0
    for i in range(len(part.size)):
        if search.offset[i] >= 0 or part.low[i] < low or part.high[i] > high:
            continue
        value = search.minimum[i]
        if part.address[i] >= 0:
            address = part.address[i]
            if address < barrier or (address == barrier and rank[i] < barrier_rank):
                barrier, barrier_rank = address, rank[i]
            ready = True
        else:
            ceiling = min(ceiling, value + part.size[i])
            ready = value > last or (value == last and rank[i] > last_rank)
        code = 2 * value + (1 if ready else 0)
        key += _mix(code * 1048583 + i, -7046029254386353131)
        check += _mix(code * 2097169 + i, 1181783497276652981)
        if ready and not (rules[EQUAL] and part.twin[i] >= 0 and search.offset[part.twin[i]] < 0):
            todo[count] = i
            count += 1
    if rules[SEEN]:
        slot = key & (len(search.table) - 1)
        if search.table[slot, 0] == key and search.table[slot, 1] == check:
            search.pruned[SEEN] += 1
            return False
    end = begin
    for e in range(count):
        i = todo[e]
        value = part.address[i] if part.address[i] >= 0 else search.minimum[i]
        if value > barrier or (value == barrier and rank[i] > barrier_rank):
            search.pruned[ORDER] += 1
            continue
        if rules[DOMINATED] and value >= ceiling:
            search.pruned[DOMINATED] += 1
            continue
        at = end
        while at > begin:
            j = candidates[at - 1]
            other = part.address[j] if part.address[j] >= 0 else search.minimum[j]
            if other < value or (other == value and rank[j] < rank[i]):
                break
            candidates[at] = j
            at -= 1
        candidates[at] = i
        end += 1
    frames[depth, _LOW], frames[depth, _HIGH], frames[depth, _PARENT] = low, high, agenda[item, 2]
    frames[depth, _BEGIN], frames[depth, _END], frames[depth, _AT] = begin, end, begin - 1
    frames[depth, _UNDO], frames[depth, _TASKS] = registers[_TRAIL], registers[_AGENDA]
    frames[depth, _ITEMS] = registers[_ARENA]
    search.keys[depth, 0], search.keys[depth, 1] = key, check
    registers[_DEPTH] += 1
    return True


@njit(cache=True, nogil=True)
def run(part, search, budget):
    """Go on with a search for at most ``budget`` placements: FITS, RULED_OUT or OUT_OF_BUDGET."""
    registers, frames = search.registers, search.frames
    left = budget
    back, frame = registers[_BACK] == 1, registers[_DEPTH] - 1
    while True:
        if not back:
            item = registers[_AGENDA]
            if item < 0:
                return FITS
            registers[_AGENDA] = search.agenda[item, 5]
            frame = search.agenda[item, 2]
            if _open(part, search, item):
                frame = registers[_DEPTH] - 1
            back = True
        # The next candidate of this frame, or of the frame that made its part where there is none.
        if frame < 0:
            return RULED_OUT
        if left <= 0:
            registers[_DEPTH] = frame + 1
            registers[_BACK] = 1
            return OUT_OF_BUDGET
        registers[_DEPTH] = frame + 1
        _undo(part, search, frames[frame, _UNDO])
        registers[_AGENDA], registers[_ARENA] = frames[frame, _TASKS], frames[frame, _ITEMS]
        frames[frame, _AT] += 1
        if frames[frame, _AT] >= frames[frame, _END]:
            if part.rules[SEEN]:
                slot = search.keys[frame, 0] & (len(search.table) - 1)
                search.table[slot, 0], search.table[slot, 1] = search.keys[frame, 0], search.keys[frame, 1]
            frame = frames[frame, _PARENT]
            continue
        i = search.candidates[frames[frame, _AT]]
        offset = part.address[i] if part.address[i] >= 0 else search.minimum[i]
        left -= 1
        registers[NODES] += 1
        if offset > part.latest[i] or search.minimum[i] > offset:
            search.pruned[TALL] += 1
            continue
        _place(part, search, i, offset)
        low, high = frames[frame, _LOW], frames[frame, _HIGH]
        if _settle(part, search, low, high, offset, part.rank[i]):
            _divide(part, search, low, high, frame, offset, part.rank[i])
            back = False


@njit(cache=True, nogil=True)
def rivals_of(low, high, partner_at, partners):
    """Compressed rows of the buffers that are live together with each one and may not share bytes with it."""
    n = len(low)
    at, mark = np.zeros(n + 1, np.int64), np.full(n, -1, np.int64)
    rivals = np.empty(0, np.int32)
    for turn in range(2):
        filled = 0
        for i in range(n):
            for e in range(partner_at[i], partner_at[i + 1]):
                mark[partners[e]] = i + turn * n
            for j in range(n):
                if j != i and low[i] < high[j] and low[j] < high[i] and mark[j] != i + turn * n:
                    if turn:
                        rivals[filled] = j
                    filled += 1
            at[i + 1] = filled
        if turn == 0:
            rivals = np.empty(filled, np.int32)
    return at, rivals


@njit(cache=True, nogil=True)
def lowest_fit(order, size, unit, address, rival_at, rivals):
    """Offsets where each buffer in turn goes into the lowest gap that holds it; fixed addresses come first."""
    offset = np.full(len(size), -1, np.int64)
    for i in order:
        if address[i] >= 0:
            offset[i] = address[i]
    below = np.empty(len(size), np.int64)
    for i in order:
        if address[i] >= 0:
            continue
        count = 0
        for e in range(rival_at[i], rival_at[i + 1]):
            if offset[rivals[e]] >= 0:
                below[count] = rivals[e]
                count += 1
        taken = below[:count]
        sequence = np.argsort(offset[taken])
        floor = 0
        for k in sequence:
            j = taken[k]
            if offset[j] - floor >= size[i]:
                break
            floor = max(floor, _round_up(offset[j] + size[j], unit[i]))
        offset[i] = floor
    return offset


@njit(cache=True, nogil=True)
def sweep(size, unit, address, low, high, partner_at, partners, most):
    """As lowest_fit in the order of starts, without rows of rivals: what is live is kept sorted by offset.

    Nothing (an empty array) after ``most`` steps."""
    n = len(size)
    offset = address.copy()
    fixed = np.flatnonzero(address >= 0)
    alive, held, steps = np.empty(n, np.int64), len(fixed), 0
    alive[:held] = fixed[np.argsort(address[fixed])]
    mark = np.full(n, -1, np.int64)
    for i in np.argsort(low * (n + 1) - np.argsort(np.argsort(size))):
        if address[i] >= 0:
            continue
        for e in range(partner_at[i], partner_at[i + 1]):
            mark[partners[e]] = i
        floor, kept, searching = 0, 0, True
        for k in range(held):
            j = alive[k]
            if high[j] <= low[i]:
                continue
            alive[kept] = j
            kept += 1
            if searching and low[j] < high[i] and mark[j] != i:
                if offset[j] - floor >= size[i]:
                    searching = False
                else:
                    floor = max(floor, _round_up(offset[j] + size[j], unit[i]))
        steps += held
        if steps > most:
            return offset[:0]
        offset[i] = floor
        at = kept
        while at > 0 and offset[alive[at - 1]] > floor:
            alive[at] = alive[at - 1]
            at -= 1
        alive[at] = i
        held = kept + 1
    return offset


@njit(cache=True, nogil=True)
def stack_up(size, unit, address, low, high, sections):
    """Offsets on top of everything below, in the order of starts; above all fixed addresses. Quick, and high."""
    floor = 0
    for i in range(len(size)):
        if address[i] >= 0:
            floor = max(floor, address[i] + size[i])
    skyline = np.full(sections, floor, np.int64)
    offset = address.copy()
    for i in np.argsort(low):
        if address[i] < 0:
            offset[i] = _round_up(skyline[low[i] : high[i]].max(), unit[i])
            skyline[low[i] : high[i]] = offset[i] + size[i]
    return offset


@njit(cache=True, nogil=True)
def apart(offset, size, low, high, partner_at, partners):
    """Whether no two buffers that are live together share a byte, but for partners."""
    n = len(size)
    alive, held = np.empty(n, np.int64), 0
    mark = np.full(n, -1, np.int64)
    for i in np.argsort(low):
        for e in range(partner_at[i], partner_at[i + 1]):
            mark[partners[e]] = i
        kept = 0
        for k in range(held):
            j = alive[k]
            if high[j] <= low[i]:
                continue
            alive[kept] = j
            kept += 1
            if mark[j] != i and offset[i] < offset[j] + size[j] and offset[j] < offset[i] + size[i]:
                return False
        alive[kept] = i
        held = kept + 1
    return True


def twins(columns, alone):
    """For each buffer the one before it that has the same columns, -1 where there is none or it is not ``alone``."""
    twin = np.full(len(alone), -1, np.int64)
    last: dict[tuple[int, ...], int] = {}
    for i, row in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if alone[i]:
            twin[i] = last.get(row, -1)
            last[row] = i
    return twin


def ranks(order, twin):
    """Places in an order, where equal buffers trade theirs such that the one that goes below comes first."""
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    head: list[int] = []
    groups: dict[int, list[int]] = {}
    for i, before in enumerate(twin.tolist()):
        head.append(i if before < 0 else head[before])
        groups.setdefault(head[i], []).append(i)
    for members in groups.values():
        rank[members] = np.sort(rank[members])
    return rank


def state(part, table):
    """Room for one search, to which ``start`` gives its values; nothing of it grows later."""
    n, sections = len(part.size), len(part.total)
    filled = (n, n, sections, sections + 1, n, n, n, sections, sections, sections)
    tables = ((len(part.rivals) // 2 + 2 * n, 2), (n + 1, 9), (n + 1, 2), (2 * n + 2, 7))
    arrays = [np.zeros(length, np.int64) for length in filled] + [np.empty(shape, np.int64) for shape in tables]
    candidates = np.empty(n * (n + 1) // 2 + 1, np.int32)
    return Search._make([*arrays, candidates, np.zeros(6, np.int64), np.zeros(10, np.int64), table])
