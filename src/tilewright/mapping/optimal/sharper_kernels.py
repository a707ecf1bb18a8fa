"""Compiled features of parts of a case (``forms.Sharper``). Imported lazily: it brings numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.forms import (
    BRIEF_LAST,
    BY_LOOPS,
    BY_REST,
    BY_SEGMENT,
    BY_SHARE,
    BY_STEPS,
    IF_ONCE,
    IF_SEVERAL,
    IF_STEPS,
    LATER,
    LONG_LAST,
    TINY,
)
from tilewright.mapping.optimal.leaf import leaf

MANY = 1 << 30
NOTHING = np.log(TINY)
EQUAL = 1e-9  # logarithms of whole numbers that differ by less are equal
LEAST_LEFT = 0.02  # the share of steps without transfers that makes a difference


@leaf
def _range(rows, starts, values, least, most):
    """Fill ``least`` (of every component) and ``most`` (of all) with the range of a number for every item, of a part's
    rows."""
    for j in range(values.shape[1]):
        most[j] = -1
    for c in range(len(starts) - 1):
        for j in range(values.shape[1]):
            least[c, j] = MANY
        for k in range(starts[c], starts[c + 1]):
            for j in range(values.shape[1]):
                value = values[rows[k], j]
                least[c, j], most[j] = min(least[c, j], value), max(most[j], value)


@leaf
def _beside(own, j, c, least):
    """The largest of a candidate's own number and of the least of all other components."""
    for other in range(len(least)):
        if other != c:
            own = max(own, least[other, j])
    return own


@leaf
def _innermost(own, j, c, inner):
    """Whether a candidate whose innermost loop stands in a segment may have that of all components."""
    return own == _beside(own, j, c, inner)


@njit(cache=True, nogil=True)
def sharpened(rows, starts, s, turn, along, out):
    """Fill ``out[f]`` with feature f of a part's rows, one component after the other from ``starts`` on: the least that
    they are beside any of the others. The part is that of one turn, and of windows along some components (-1: any)."""
    components, items, features = len(starts) - 1, s.segments.shape[1], len(s.kinds)
    segments, loops, inner = np.empty((3, components, items), np.int64)
    highest, known, enough = np.empty((3, items), np.int64)
    later, may_later = np.zeros((2, components, items), np.bool_)
    shift, columns = np.zeros(features), np.zeros((components, features, s.sources.shape[1]), np.int64)
    slopes, scratch = np.zeros(s.sources.shape), np.empty((2, s.sources.shape[1]))
    count = starts[components]
    own, kept, two = np.empty((3, items, count), np.int64)  # of every row: see ``_place``
    moves = np.empty((items, count), np.bool_)
    _range(rows, starts, s.loops, loops, highest)
    _range(rows, starts, s.inner, inner, highest)
    _range(rows, starts, s.segments, segments, highest)
    _given_way(s, turn, segments, highest, known, later, may_later)
    _place(rows, starts, s, along, later, segments, inner, loops, enough, own, kept, moves, two)
    _shift(rows, starts, s, segments, highest, later, may_later, own, moves, shift, slopes, columns, scratch)
    _fill(rows, starts, s, shift, slopes, columns, own, kept, moves, two, out)


@leaf
def _shift(rows, starts, s, segments, highest, later, may_later, own, moves, shift, slopes, columns, scratch):
    """What features are more by in the whole part, and of which of the ``columns`` what power they contain."""
    several, brief = _several(rows, starts, s), _brief(s.stored, rows, starts, s, highest, may_later)
    for f in range(len(s.kinds)):
        if s.kinds[f] in (IF_SEVERAL, IF_ONCE):
            holds = several and (s.kinds[f] == IF_SEVERAL or highest[s.items[f]] == -1)
            shift[f] = 0.0 if holds else NOTHING
        if s.less[f] >= 0 and _brief(s.less[f], rows, starts, s, highest, may_later):
            shift[f] = _without_one(s.less[f], rows, starts, s, own, moves)
        if s.kinds[f] == BY_SHARE:
            shift[f] = _without_started(f, rows, starts, s, highest, may_later, own)
        elif s.kinds[f] in (BY_STEPS, IF_STEPS, BY_REST):
            shift[f] = _without_moving(f, rows, starts, s, highest, may_later, slopes, columns, scratch)
            if s.kinds[f] == IF_STEPS:
                for i in range(s.sources.shape[1]):
                    slopes[f, i] = 0.0
                shift[f] = NOTHING if shift[f] == NOTHING else 0.0
        missing = s.when[f] == BRIEF_LAST and not brief
        missing = missing or (s.when[f] == LONG_LAST and brief) or (s.when[f] == LATER and not several)
        if missing:
            shift[f] = NOTHING
            for i in range(s.sources.shape[1]):
                slopes[f, i] = 0.0
        if s.widths[f] >= 0 and _wide(rows, starts, s, s.widths[f], segments, later):
            shift[f] += s.wider


@leaf
def _place(rows, starts, s, along, later, segments, inner, loops, enough, own, kept, moves, two):
    """For every item and row, ``kept`` and ``own``: the segment that refills the item, where it does not give way and
    as it does; whether the row ``moves`` its window and whether it needs ``two`` footprints."""
    components, items = segments.shape
    for j in range(items):
        enough[j] = 0  # loops that may go with a single footprint
        for row in rows[: starts[components]]:
            if s.slides[row, j]:
                enough[j] = 1
                break
    for c in range(components):
        for j in range(items):
            least, first, beside = -1, -1, 0
            for other in range(components):
                if other != c:
                    least, first = max(least, segments[other, j]), max(first, inner[other, j])
                    beside += loops[other, j]
            window = s.windows[c, j] and (along[j] == -1 or along[j] == c)
            for k in range(starts[c], starts[c + 1]):
                row = rows[k]
                segment = max(s.segments[row, j], least)
                kept[j, k], own[j, k] = _refilled_before(segment, j, False), _refilled_before(segment, j, later[c, j])
                moves[j, k] = window and s.inner[row, j] >= first
                two[j, k] = s.loops[row, j] + beside > enough[j]


@leaf
def _fill(rows, starts, s, shift, slopes, columns, own, kept, moves, two, out):
    """The features of rows, by where ``_place`` finds them."""
    for f in range(len(s.kinds)):
        kind, j = s.kinds[f], s.items[f]
        by_segment, by_loops = kind in (BY_SEGMENT, BY_SHARE), kind == BY_LOOPS
        for c in range(len(starts) - 1):
            more, begin, end = shift[f] if c == 0 else 0.0, starts[c], starts[c + 1]
            column, alike = s.columns[f, 0], True
            if by_segment or by_loops:
                place = two[j] if by_loops else (kept[j] if s.plain[f] else own[j])
                segment, moving = place[begin], by_segment and moves[j, begin]
                for k in range(begin + 1, end):
                    alike = alike and place[k] == segment and (by_loops or moves[j, k] == moving)
                column = s.columns[f, segment] if by_loops or moving else s.still[f, segment]
                if not alike:
                    for k in range(begin, end):
                        column = s.columns[f, place[k]] if by_loops or moves[j, k] else s.still[f, place[k]]
                        out[f, k] = s.logs[column, rows[k]] + more
            if alike:
                for k in range(begin, end):
                    out[f, k] = s.logs[column, rows[k]] + more
            if kind in (BY_STEPS, BY_REST):
                for i in range(s.sources.shape[1]):
                    slope = slopes[f, i]
                    if slope != 0.0:
                        column = columns[c, f, i]
                        for k in range(begin, end):
                            out[f, k] += slope * s.logs[column, rows[k]]
        if s.runs[f] >= 0:
            _in_runs(f, rows, starts, s, shift[f], own, moves, out)


@leaf
def _in_runs(f, rows, starts, s, shift, own, moves, out):
    """Turn an item's words, the f-th feature, into its runs, or less: along the components that a run may go on along
    only refills count. These are those of axes from the innermost on up to the first that tiles do not cover: that none
    of them covers, or not all, if it is taken for a longer run where tiles do. What is more of the two."""
    j = s.runs[f]
    near, far, last, rest = _stretched(j, rows, starts, s)
    if near != far:
        longer = _runs(f, far, -1, 0.0, rows, starts, s, shift, own, moves, out, False)
        if longer >= _runs(f, near, last, rest, rows, starts, s, shift, own, moves, out, False):
            near, last, rest = far, -1, 0.0
    _runs(f, near, last, rest, rows, starts, s, shift, own, moves, out, True)


@leaf
def _runs(f, stretched, last, rest, rows, starts, s, shift, own, moves, out, fill):
    """The least runs of a part, or the numbers of runs themselves instead of words (``fill``): those of components
    ``stretched`` are its refills, fewer by ``rest`` where they cover what there is along component ``last``."""
    j, total = s.runs[f], 0.0
    for c in range(len(starts) - 1):
        least, whole = np.inf, _extent(c, j, s) - EQUAL
        for k in range(starts[c], starts[c + 1]):
            value = out[f, k]
            if stretched >> c & 1:
                column = s.filled[f, own[j, k]] if moves[j, k] else s.still_filled[f, own[j, k]]
                value = s.logs[column, rows[k]] + (shift if c == 0 else 0.0)
            if c == last and s.logs[s.widest[j], rows[k]] >= whole:
                value -= rest
            if fill:
                out[f, k] = value
            least = min(least, value)
        total += least
    return total


@leaf
def _extent(c, j, s):
    """The logarithm of what there is of an item along a component."""
    for axis in range(s.axis_count[j]):
        if s.axis_component[j, axis] == c:
            return np.log(s.axis_size[j, axis])
    return 0.0


@leaf
def _stretched(j, rows, starts, s):
    """(near, far, last, rest): bits of the components along which refills of an item are single runs, up to the first
    axis that not every tile of a part covers and up to the first that none does; the component of the former, and how
    many times longer (a logarithm) runs may be where a tile covers it."""
    near, far, last, full, rest = 0, 0, -1, 1.0, 0.0
    for axis in range(s.axis_count[j]):
        if full != s.axis_stride[j, axis]:
            break
        c, extent = s.axis_component[j, axis], s.axis_size[j, axis]
        if c < 0:
            return -1, -1, -1, 0.0
        full *= extent
        far |= 1 << c
        least, most = np.inf, 0.0
        for k in range(starts[c], starts[c + 1]):
            tile = s.logs[s.widest[j], rows[k]]
            least, most = min(least, tile), max(most, tile)
        if last >= 0:
            rest += min(most, np.log(extent))
        elif least < np.log(extent) - EQUAL:
            near, last = far, c
        if most < np.log(extent) - EQUAL:
            break
    return (near, far, last, rest) if last >= 0 else (far, far, -1, 0.0)


@leaf
def _settled(segments, highest, found):
    """Fill ``found`` with the segments of the innermost loops of all items, -2 where that of a part is open."""
    for j in range(len(highest)):
        found[j], lowest = -2, segments[0, j]
        for c in range(1, len(segments)):
            lowest = max(lowest, segments[c, j])
        if lowest == highest[j]:
            found[j] = lowest


@leaf
def _may_meet(i, j, known, barrier):
    """Whether the innermost loops of an item and of one up to its barrier may stand in one segment."""
    if known[i] == -1 or known[j] == -1 or known[j] > barrier[j]:
        return False
    return known[i] == -2 or known[j] == -2 or known[i] == known[j] or known[i] > barrier[i]


@leaf
def _given_way(s, turn, segments, highest, known, later, may_later):
    """Note in ``later`` and ``may_later`` whether loops of other items stand before those of an item in its last
    segment, per component: surely, maybe. ``known`` are the segments of innermost loops."""
    components, items = segments.shape
    _settled(segments, highest, known)
    for j in range(items):
        for i in range(items):
            if i == j or not s.may_turn[turn, i, j] or not _may_meet(i, j, known, s.barrier):
                continue
            sure = s.turns[turn, i, j] and known[j] >= 0 and known[i] == known[j] and known[i] <= s.barrier[i]
            sure = sure and known[j] <= s.barrier[j]
            for c in range(components):
                later[c, j] = later[c, j] or (sure and s.turned_all[i, j, c])
                may_later[c, j] = may_later[c, j] or s.turned[i, j, c]


@leaf
def _refilled_before(segment, j, gives_way):
    """The segment before which loops refill an item with its innermost one in a segment, where it may give way."""
    if gives_way and segment >= 0:
        return min(segment + 1, j)
    return max(segment, 0)


@leaf
def _most_segment(c, j, highest, may_later):
    """The segment before which loops that an item does not use refill it, at most, with a candidate of a component."""
    return _refilled_before(highest[j], j, may_later[c, j])


@leaf
def _wide(rows, starts, s, j, segments, later):
    """Whether an item surely holds partial sums."""
    for c in range(len(starts) - 1):
        every = True
        for k in range(starts[c], starts[c + 1]):
            before = _refilled_before(_beside(s.segments[rows[k], j], j, c, segments), j, later[c, j])
            every = every and s.beside[rows[k], j] & ((1 << before) - 1) != 0
        if every:
            return True
    return False


@leaf
def _brief(j, rows, starts, s, highest, may_later):
    """Whether the first visit of an item, or the last one of what is stored, may be one of a single step."""
    if j < 0 or s.lasting[j, 0] < 0:
        return True
    for c in range(len(starts) - 1):
        least, column = np.inf, s.lasting[j, _most_segment(c, j, highest, may_later)]
        for k in range(starts[c], starts[c + 1]):
            least = min(least, s.logs[column, rows[k]])
        if least > EQUAL:
            return False
    return True


@leaf
def _several(rows, starts, s):
    """Whether all combinations of a part have several steps of tiles."""
    for c in range(len(starts) - 1):
        every = True
        for k in range(starts[c], starts[c + 1]):
            every = every and s.several[rows[k]]
        if every:
            return True
    return False


@leaf
def _without_one(j, rows, starts, s, own, moves):
    """The logarithm of the least share of an item's words that are not in one of its refills."""
    share = 0.0
    for c in range(len(starts) - 1):
        most = -np.inf
        for k in range(starts[c], starts[c + 1]):
            column = s.words[j, own[j, k]] if moves[j, k] else s.still_words[j, own[j, k]]
            most = max(most, s.logs[s.widest[j], rows[k]] - s.logs[column, rows[k]])
        share += most
    return np.log(max(1.0 - np.exp(min(share, 0.0)), TINY))


@leaf
def _without_started(f, rows, starts, s, highest, may_later, own):
    """The logarithm of the least share of words that do not start from zero."""
    j, k = s.items[f], s.sources[f, 0]
    share = 0.0
    for c in range(len(starts) - 1):
        started, most = s.apart[f, 0, _most_segment(c, k, highest, may_later)], -np.inf
        for at in range(starts[c], starts[c + 1]):
            row = rows[at]
            most = max(most, s.logs[started, row] - s.logs[s.still[f, own[j, at]], row])
        share += most
    return np.log(max(1.0 - np.exp(min(share, 0.0)), TINY))


@leaf
def _without_moving(f, rows, starts, s, highest, may_later, slopes, columns, scratch):
    """A chord below the share of steps in which none of the sources moves: a constant, and powers of how many times as
    many steps there are.

    In logarithms that share is concave, and the slope along one of them falls with the others: so it is least where
    these are highest.
    """
    sources, low, high = s.sources.shape[1], scratch[0], scratch[1]
    taken, least = 0.0, 0.0
    for i in range(sources):
        slopes[f, i], low[i], high[i] = 0.0, 0.0, 0.0
    for i in range(sources):
        j = s.sources[f, i]
        if j < 0:
            continue
        if s.passing[j] and highest[j] >= s.tile_items:
            return NOTHING
        for c in range(len(starts) - 1):
            columns[c, f, i] = s.apart[f, i, _most_segment(c, j, highest, may_later)]
            few, many = np.inf, -np.inf
            for at in range(starts[c], starts[c + 1]):
                value = s.logs[columns[c, f, i], rows[at]]
                few, many = min(few, value), max(many, value)
            low[i] += few
            high[i] += many
        taken += np.exp(-low[i])
        least += np.exp(-high[i])
    if taken > 1.0 - LEAST_LEFT:
        return NOTHING
    shift = np.log(1.0 - taken)
    for i in range(sources):
        if s.sources[f, i] >= 0 and high[i] > low[i] + 1e-9:
            beside = 1.0 - least + np.exp(-high[i])
            rise = np.log(beside - np.exp(-high[i])) - np.log(beside - np.exp(-low[i]))
            slopes[f, i] = rise / (high[i] - low[i])
            shift -= slopes[f, i] * low[i]
    return shift


@njit(cache=True, nogil=True)
def turns_apart(rows, starts, s):
    """The turns that differ for a part: none where segments are open."""
    items = s.segments.shape[1]
    segments, (highest, known) = np.empty((len(starts) - 1, items), np.int64), np.empty((2, items), np.int64)
    _range(rows, starts, s.segments, segments, highest)
    _settled(segments, highest, known)
    found, held = np.zeros(len(s.turns) - 1, np.int64), 0
    for t in range(len(s.turns) - 1):
        new = True
        for k in range(held):
            same = True
            for i in range(items):
                for j in range(items):
                    same = same and (
                        not _may_meet(i, j, known, s.barrier) or s.turns[t, i, j] == s.turns[found[k], i, j]
                    )
            new = new and not same
        if new:
            found[held] = t
            held += 1
    return found[:held]


@njit(cache=True, nogil=True)
def windows_apart(rows, starts, s, along):
    """(item, components): an item whose windows may slide along several components; -1 if there is none."""
    components, items = len(starts) - 1, s.segments.shape[1]
    found, inner = np.zeros(components, np.int64), np.empty((components, items), np.int64)
    _range(rows, starts, s.inner, inner, np.empty(items, np.int64))
    for j in range(items):
        if along[j] >= 0:
            continue
        held = 0
        for c in range(components):
            might = False
            for k in range(starts[c], starts[c + 1]):
                innermost = s.windows[c, j] and _innermost(s.inner[rows[k], j], j, c, inner)
                might = might or (innermost and _moves_less(rows[k], j, s))
            if might:
                found[held] = c
                held += 1
        if held > 1:
            return j, found[:held]
    return -1, found[:0]


@leaf
def _moves_less(row, j, s):
    """Whether less of an item moves with a row's window."""
    for f in range(len(s.kinds)):
        if s.kinds[f] == BY_SEGMENT and s.items[f] == j:
            for segment in range(s.columns.shape[1]):
                if s.logs[s.columns[f, segment], row] < s.logs[s.still[f, segment], row] - 1e-12:
                    return True
    return False
