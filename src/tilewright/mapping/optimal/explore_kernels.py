"""Compiled search of the parts of a case: cut it, bound the parts, drop what is of no interest, and again.

Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.dual_kernels import dual, mixture
from tilewright.mapping.optimal.few_kernels import below, bounded_below
from tilewright.mapping.optimal.fewer_kernels import fewer
from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.node_kernels import nodes_of
from tilewright.mapping.optimal.sharper_kernels import sharpened, turns_apart, windows_apart
from tilewright.mapping.optimal.transfer_kernels import scratch_of

MORE = 30  # combinations that are looked at one by one for every row of a part: a tangent takes longer with it
ROWS = 100  # that take as long to price as another tangent of few
# What is told apart, and what first: all columns as they differ most; positions after those before ``segments``; these
# and windows before positions; positions; or these alone.
TOGETHER, SEGMENTS_FIRST, WINDOWS_FIRST, POSITIONS_FIRST, POSITIONS = range(5)


@njit(cache=True, nogil=True)
def _widest(local, starts, scores, theta):
    """(component, feature, middle): where good candidates differ most, weighed as the bound does; -1 if nowhere."""
    best, chosen, feature, middle = 0.0, -1, -1, 0.0
    features, weigh = len(local), np.empty(starts[-1])
    for c in range(len(starts) - 1):
        a, b = starts[c], starts[c + 1]
        if b - a < 2:
            continue
        least, most = scores[a], scores[a]
        for k in range(a, b):
            least, most = min(least, scores[k]), max(most, scores[k])
        scale = max(1e-6, 0.3 * (most - least))
        weights = 0.0
        for k in range(a, b):
            weigh[k] = np.exp((least - scores[k]) / scale)
            weights += weigh[k]
        for f in range(features):
            if theta[f] == 0.0:
                continue
            first, second = 0.0, 0.0
            shift = local[f, a]
            for k in range(a, b):
                value = local[f, k] - shift
                first += weigh[k] * value
                second += weigh[k] * value * value
            first /= weights
            spread = abs(theta[f]) * np.sqrt(max(0.0, second / weights - first * first))
            if spread > best + 1e-12:
                best, chosen, feature, middle = spread, c, f, first + shift
    return chosen, feature, middle


@leaf
def _states(order, first, last, node, numbers, stamps, stamp):
    """How many vectors of tiles there are at all keeps together."""
    components, layers = numbers.shape
    total = 0.0
    for j in range(layers):
        states = 1.0
        for c in range(components):
            stamp[0] += 1
            seen = 0
            for k in range(first[c], last[c]):
                here = node[order[k], j]
                if stamps[here] != stamp[0]:
                    stamps[here] = stamp[0]
                    seen += 1
            states *= seen
        total += states
    return total


@leaf
def _opened(order, first, last, used, near, far):
    """(component, column, middle): where candidates differ most in some columns; -1 if nowhere."""
    chosen, column, widest, middle = -1, -1, 1e-9, 0.0
    for c in range(len(first)):
        for a in range(near, far):
            low = high = used[order[first[c]], a]
            for k in range(first[c] + 1, last[c]):
                value = used[order[k], a]
                low, high = min(low, value), max(high, value)
            if high - low > widest:
                chosen, column, widest, middle = c, a, high - low, (high + low) / 2
    return chosen, column, middle


@leaf
def _said_elsewhere(order, first, last, apart):
    """Whether for some p no candidate of a part is ``apart[:, p]``."""
    for p in range(apart.shape[1]):
        some = False
        for c in range(len(first)):
            for k in range(first[c], last[c]):
                some = some or apart[order[k], p]
                if some:
                    break
            if some:
                break
        if not some:
            return True
    return False


@leaf
def _mirrored(order, first, last, offsets, twins, stamps):
    """Whether both of two components that are alike have the same candidates left."""
    a, b = twins
    if a < 0 or last[a] - first[a] != last[b] - first[b] or last[a] - first[a] < 2:
        return False
    stamps[:] = False
    for k in range(first[a], last[a]):
        stamps[order[k] - offsets[a]] = True
    same = 0
    for k in range(first[b], last[b]):
        same += stamps[order[k] - offsets[b]]
    return same == last[b] - first[b]


@leaf
def _cut(order, first, last, values, middle):
    """Where rows above the middle begin, once they come after the others."""
    end = first
    for k in range(first, last):
        if values[order[k]] <= middle:
            order[k], order[end] = order[end], order[k]
            end += 1
    return end


@leaf
def _gathered(order, first, last, here, starts):
    """The rows of a part, one component after the other."""
    at = 0
    for c in range(len(first)):
        starts[c] = at
        for k in range(first[c], last[c]):
            here[at] = order[k]
            at += 1
    starts[len(first)] = at
    return at


@leaf
def _only(combinations, order, first, last, scores, marked):
    """How many rows stand in some combinations; these and their scores come first of each component."""
    kept, at = 0, 0
    for c in range(len(first)):
        marked[: last[c] - first[c]] = False
        for k in range(len(combinations)):
            marked[combinations[k, c]] = True
        end = first[c]
        for k in range(first[c], last[c]):
            if marked[k - first[c]]:
                order[k], order[end] = order[end], order[k]
                scores[kept] = scores[at]
                end += 1
                kept += 1
            at += 1
        last[c] = end
    return kept


@leaf
def _spread_out(rows, shares, number, here, count, places, mix):
    """Fill ``mix`` with the shares that the rows ``here`` have of a mixture, 0 for all but a number of rows."""
    for k in range(count):
        places[here[k]], mix[k] = k, 0.0
    for i in range(number):
        k = places[rows[i]]
        if k < count and here[k] == rows[i]:  # rows that are not here have a place of another time
            mix[k] = shares[i]


@leaf
def _collected(mix, here, count, rows, shares):
    """How many rows have a share of a mixture; which, and how much."""
    number = 0
    for k in range(count):
        if mix[k] > 0.0:
            rows[number], shares[number] = here[k], mix[k]
            number += 1
    return number


@njit(cache=True, nogil=True)
def _bounded(
    local, starts, kinds, coefficients, constants, roles, slopes, shifts, prices, point, mix, theta, rounds, steps,
    most,
):  # fmt: skip
    """(bound, scores, features, groups) of a part: ``dual`` without what says nothing of its own (``fewer_kernels``);
    groups are coefficients, constants and roles, without chords."""
    kept, stands, base, says, groups, taken_off, least = fewer(
        local, starts, kinds, coefficients, constants, roles, slopes, shifts
    )
    weights, sums, own_roles, own_slopes, own_shifts = groups
    values, start, own = local[kept], point[kept], np.ascontiguousarray(prices[:, says])
    exactly = weights, sums + taken_off, own_roles
    if least >= most or len(kept) == 0:
        return least, np.zeros(local.shape[1]), values, exactly
    value, scores, slope = dual(
        values, starts, weights, sums, own_roles, own_slopes, own_shifts, own, start, mix, rounds, steps, most
    )
    theta[:] = 0.0
    for f in range(len(point)):
        if stands[f] != -2:
            point[f] = base[f] + (start[stands[f]] if stands[f] >= 0 else 0.0)
    for k in range(len(kept)):
        theta[kept[k]] = slope[k]
    for i in range(len(says)):
        prices[0, says[i]], prices[1, says[i]] = own[0, i], own[1, i]
    return value, scores, values, exactly


@njit(cache=True, nogil=True)
def explore(
    sharp, offsets, coefficients, constants, roles, slopes, shifts, prices, point, twins, used, codes, most,
    segments, wanted, small, states, budget, rounds, steps, few, alone, led, ends, table, s, cost, apart,
):  # fmt: skip
    """Cut a case, bound the parts, drop what cannot stay below ``most``, and again, depth first.

    ``sharp`` has the features of every part (``forms.Sharper``). Candidates are told apart by the columns of ``used``:
    those before ``segments``, of footprints, items' innermost loops and tiles, and the positions that they take on
    every axis (logarithms), as ``wanted``; a part by its turns, once the segments are the same, and by what windows
    slide along. ``twins`` are two components whose candidates can change places without any difference: of two
    mirrored parts one is left out.

    Where about ``few`` combinations have scores below ``most``, they are looked at one by one, and if no more than
    ``alone`` are left, bounded (``few_kernels``: ``led`` and ``ends`` say which rows of ``table`` follow a candidate,
    ``s`` and ``cost`` serve the bound).

    A part without any candidate that is ``apart[:, p]`` is left out, whatever p: another order of keeps has it as well.

    Returns (rows, scores, sizes, bounds, turns, alongs, dropped, tangents, priced, done, bounded): parts with at most
    ``small`` combinations, or settled columns and at most ``states`` vectors of tiles (``codes`` number those of the
    rows at every keep), and those not looked at within ``budget`` tangents of few rows (without scores: their bound is
    that of the part they come from). Part p has ``sizes[p, c]`` of the rows of component c, numbered within the
    component, one component after the other. ``priced`` are the rows of all tangents, ``done`` the share of the case
    that is looked into, a half of a part for each half of it.
    """
    n, total, features, items = len(offsets) - 1, len(sharp.loops), len(sharp.kinds), sharp.segments.shape[1]
    depth, columns = 256, used.shape[1]
    order = np.arange(total)
    low, high = np.empty((depth, n), np.int64), np.empty((depth, n), np.int64)
    above, pull = np.empty(depth), np.empty((depth, 2, len(roles)))
    starting, mix = np.full((depth, features), np.nan), np.zeros(total)
    # Few candidates are in a mixture: which, and how much of it they are. ``mixed`` says how many these are.
    most_mixed, mixed = n * mixture(rounds), np.zeros(depth, np.int64)
    mix_rows, mix_shares = np.empty((depth, most_mixed), np.int64), np.empty((depth, most_mixed))
    turns, alongs = np.full(depth, -1), np.full((depth, items), -1)
    weights, done = np.ones(depth), 0.0
    low[0], high[0], above[0], pull[0], starting[0] = offsets[:-1], offsets[1:], -np.inf, prices, point
    waiting = 1
    out_rows, out_scores, out_sizes = np.empty(1024, np.int64), np.empty(1024), np.empty((64, n), np.int64)
    out_bounds, out_turns, out_alongs = np.empty(64), np.full(64, -1), np.full((64, items), -1)
    held, parts, dropped, tangents, priced = 0, 0, 0, 0, 0
    starts = np.zeros(n + 1, np.int64)
    buffer, scores, source = np.empty(features * total), np.zeros(total), np.zeros(total, np.int64)
    here, values, places = np.empty(total, np.int64), np.empty(total), np.zeros(total, np.int64)
    numbers, node = nodes_of(codes, offsets)
    stamps, stamp = np.zeros(numbers.max(), np.int64), np.zeros(1, np.int64)
    stamped = np.zeros(total, np.bool_)
    combinations, marked = np.empty((few + MORE * total, n), np.int64), np.empty(total, np.bool_)
    scratch, bounded = scratch_of(s), 0
    while waiting:
        waiting -= 1
        first, last, turn, along = low[waiting].copy(), high[waiting].copy(), turns[waiting], alongs[waiting].copy()
        own, point, in_mix = pull[waiting].copy(), starting[waiting].copy(), mixed[waiting]
        own_rows, own_shares = mix_rows[waiting].copy(), mix_shares[waiting].copy()
        bound, weight = above[waiting], weights[waiting]
        if (first == last).any() or _said_elsewhere(
            order, first, last, apart
        ):  # or a mirror image of what is elsewhere
            done += weight
            continue
        alive, scored = True, False
        theta = np.zeros(features)
        for _ in range(3):
            if tangents + priced // ROWS >= budget or waiting + n + len(sharp.turns) > depth:
                break
            count = _gathered(order, first, last, here, starts)
            _spread_out(own_rows, own_shares, in_mix, here, count, places, mix)
            local = buffer[: features * count].reshape(features, count)
            sharpened(here, starts, sharp, turn, along, local)
            value, found, features_of, groups = _bounded(
                local, starts, sharp.kinds, coefficients, constants, roles, slopes, shifts, own, point,
                mix[:count], theta, rounds, steps, most,
            )  # fmt: skip
            in_mix = _collected(mix, here, count, own_rows, own_shares)
            value -= 1e-9
            tangents += 1
            priced += count
            scored = True
            bound = max(bound, value)
            if bound >= most:
                alive = False
                dropped += count
                break
            kept = 0
            for c in range(n):
                end = first[c]
                for k in range(first[c], last[c]):
                    score = found[starts[c] + k - first[c]]
                    if value + score < most:
                        order[k], order[end] = order[end], order[k]
                        scores[kept], source[kept] = score - (bound - value) / n, starts[c] + k - first[c]
                        end += 1
                        kept += 1
                last[c] = end
                if end == first[c]:
                    alive = False
            dropped += count - kept
            if not alive:
                dropped += kept
                break
            if kept > 0.5 * count:
                break
        if not alive:
            done += weight
            continue
        count, number = _gathered(order, first, last, here, starts), -1
        if scored:
            logs = features_of[:, source[:count]]
            number = below(scores, starts, most, few + MORE * count, logs, groups, bound, combinations)
        if 0 <= number <= alone:
            befores = sharp.turns[:-1] if turn < 0 else sharp.turns[turn : turn + 1]
            number, work = bounded_below(
                combinations, number, here, starts, led, ends, table, befores, s, cost, scratch, np.exp(most)
            )
            bounded += work
        if number >= 0:  # what is in no combination of interest goes
            kept = _only(combinations[:number], order, first, last, scores, marked)
            dropped += count - kept
            count = _gathered(order, first, last, here, starts)
        if count == 0 or _said_elsewhere(order, first, last, apart):
            done += weight
            continue
        # Where to cut: candidates, turns, windows.
        size = 1.0
        for c in range(n):
            size *= last[c] - first[c]
        c, f, middle = -1, -1, 0.0
        if wanted != POSITIONS:
            c, f, middle = _opened(order, first, last, used, 0, columns if wanted == TOGETHER else segments)
        different, sliding = 1, -1
        if c < 0 and turn < 0 and wanted != POSITIONS:
            ways_to_turn = turns_apart(here, starts, sharp)
            different = len(ways_to_turn)
            if different == 1:
                turn = ways_to_turn[0]
        slid = c < 0 and different == 1 and segments > 0
        if slid and wanted == WINDOWS_FIRST:
            sliding, ways = windows_apart(here, starts, sharp, along)
        if sliding < 0 and (wanted >= POSITIONS_FIRST or c < 0):
            other, column, half = _opened(order, first, last, used, segments, columns)
            if other >= 0:
                c, f, middle = other, column, half
        if slid and c < 0 and wanted in (TOGETHER, SEGMENTS_FIRST, POSITIONS_FIRST):
            sliding, ways = windows_apart(here, starts, sharp, along)
        settled = c < 0 and different == 1 and sliding < 0
        ready = settled and (wanted == POSITIONS or _states(order, first, last, node, numbers, stamps, stamp) <= states)
        if not scored or size <= small or ready:
            while held + count > len(out_rows):
                out_rows, out_scores = np.append(out_rows, out_rows), np.append(out_scores, out_scores)
            if parts == len(out_bounds):
                out_sizes = np.concatenate((out_sizes, out_sizes))
                out_bounds, out_turns = np.append(out_bounds, out_bounds), np.append(out_turns, out_turns)
                out_alongs = np.concatenate((out_alongs, out_alongs))
            for k in range(count):
                out_scores[held + k] = scores[k] if scored else np.nan
            for c in range(n):
                out_sizes[parts, c] = last[c] - first[c]
                for k in range(starts[c], starts[c + 1]):
                    out_rows[held + k] = here[k] - offsets[c]
            held += count
            out_bounds[parts], out_turns[parts], out_alongs[parts] = bound, turn, along
            parts += 1
            done += weight if scored else 0.0
            continue
        by_turns, by_windows = different > 1 and (c < 0 or wanted < POSITIONS_FIRST), sliding >= 0
        if by_turns or by_windows:
            number = different if by_turns else len(ways)
            for k in range(number):
                low[waiting], high[waiting], above[waiting], pull[waiting] = first, last, bound, own
                starting[waiting], turns[waiting], alongs[waiting] = point, turn, along
                mixed[waiting], mix_rows[waiting], mix_shares[waiting] = in_mix, own_rows, own_shares
                weights[waiting] = weight / number
                if by_turns:
                    turns[waiting] = ways_to_turn[k]
                else:
                    alongs[waiting, sliding] = ways[k]
                waiting += 1
            continue
        mirrored = False
        if settled:
            local = buffer[: features * count].reshape(features, count)
            sharpened(here, starts, sharp, turn, along, local)
            c, f, middle = _widest(local, starts, scores, theta)
        if c < 0:
            c = 0
            for k in range(n):
                if last[k] - first[k] > last[c] - first[c]:
                    c = k
            end = (first[c] + last[c]) // 2
        else:
            for k in range(starts[c], starts[c + 1]):
                values[here[k]] = local[f, k] if settled else used[here[k], f]
            alike = c in (twins[0], twins[1])
            for j in range(items):
                alike = alike and along[j] not in (twins[0], twins[1])
            mirrored = alike and _mirrored(order, first, last, offsets, twins, stamped)
            if mirrored:
                other = twins[0] + twins[1] - c  # cut where the same candidates of this one are
                for k in range(starts[c], starts[c + 1]):
                    values[offsets[other] + here[k] - offsets[c]] = values[here[k]]
            end = _cut(order, first[c], last[c], values, middle)
            if end == first[c] or end == last[c]:
                end, mirrored = (first[c] + last[c]) // 2, False
        for side in range(2):  # the last one is looked into first: that of more positions
            low[waiting], high[waiting], above[waiting], pull[waiting] = first, last, bound, own
            starting[waiting], turns[waiting], alongs[waiting] = point, turn, along
            mixed[waiting], mix_rows[waiting], mix_shares[waiting] = in_mix, own_rows, own_shares
            weights[waiting] = weight / 2
            if not (side if mirrored else settled == (side == 0)):
                high[waiting, c] = end
            else:
                low[waiting, c] = end
                if mirrored:
                    # Low candidates of the other one make mirror images of what is on the other side. This side comes
                    # first, since what it moves about stays where the other side has it.
                    low[waiting, other] = _cut(order, first[other], last[other], values, middle)
            waiting += 1
    return (
        out_rows[:held], out_scores[:held], out_sizes[:parts], out_bounds[:parts], out_turns[:parts],
        out_alongs[:parts], dropped, tangents, priced, done, bounded,
    )  # fmt: skip
