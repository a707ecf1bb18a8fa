"""Compiled bound of a ``Relaxed`` case. Imported lazily: it brings numba.

In logarithms a mixture of candidates costs at least what the tangent at any point says, and a tangent is a sum of one
score per component: the least scores, added up, bound every combination. The best tangent is found by column
generation: the problem is solved over a few candidates of each component, all others are priced, and the cheapest join.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.node_kernels import nodes_of
from tilewright.mapping.optimal.sharper_kernels import sharpened, turns_apart, windows_apart

TOTAL, LONGEST, ROOM = 0, 1, 2
# How soft the longest group and the rooms are at first, how fast that falls with every step, and how soft they stay.
HEAT, COOLING, LEAST_HEAT = 0.2, 0.7 ** (1 / 30), 0.05
MOST_LEAN = 5.0  # of a group to one side, in heats
MOST_COST = 1e4  # of a room: enough for what has none, and little enough for the last digits of a bound
CLOSE = 0.003  # to the best bound, or to what there is of a room
MOST_MIXED = 40  # candidates of a component that a mixture begins with


@njit(cache=True, nogil=True)
def tangent(x, coefficients, constants, roles, slopes, shifts, heat, most, theta, scratch):
    """The weighted objective at ``x`` (logarithms of features) and its slope ``theta``.

    A group with a negative constant counts as the chord ``slope * log(sum without it) + shift``. The longest group is
    a softer one the more ``heat`` there is; so is what a room costs that is taken too much of, up to ``most``.
    """
    groups, features = coefficients.shape
    theta[:] = 0.0
    value, longest = 0.0, -np.inf
    raised, logs, sums = scratch[0], scratch[1], scratch[2]
    for f in range(features):
        raised[f] = np.exp(x[f])
    for g in range(groups):
        total = max(constants[g], 0.0)
        for f in range(features):
            total += coefficients[g, f] * raised[f]
        total = max(total, 1e-300)  # a machine may give its energies as nothing
        sums[g] = total
        logs[g] = slopes[g] * np.log(total) + shifts[g]
        if roles[g] == LONGEST:
            longest = max(longest, logs[g] + most[1, g])
    weights = 0.0
    for g in range(groups):
        if roles[g] == LONGEST:
            scratch[3, g] = np.exp((logs[g] + most[1, g] - longest) / heat)
            weights += scratch[3, g]
    for g in range(groups):
        if roles[g] == TOTAL:
            share = 1.0
        elif roles[g] == LONGEST:
            share = scratch[3, g] / weights
        else:
            share = most[0, g] / (1.0 + np.exp(min(50.0, -(logs[g] + most[1, g]) / heat)))
        scratch[4, g] = share
        if share == 0.0 or (roles[g] == ROOM and share < 1e-9):
            continue
        value += share * logs[g]
        scale = share * slopes[g] / sums[g]
        for f in range(features):
            theta[f] += scale * coefficients[g, f] * raised[f]
    return value


@njit(cache=True, nogil=True)
def dual(logs, offsets, coefficients, constants, roles, slopes, shifts, most, start, mix, rounds, steps, enough):
    """(bound, scores, slope): the logarithm of the objective of a combination of one row per component is at least
    ``bound``, and at least ``bound`` plus the scores of its rows; those of component c are ``logs`` from ``offsets[c]``
    on. Ends early above ``enough``. ``most`` is what rooms may cost at most, raised in place where that is too little,
    and how far that leans to one side; ``start`` is the point to begin at, as found for a case that this one is a part
    of, or not a number, and becomes the point of the bound; ``mix`` are the weights of rows in a mixture, likewise.

    Moves weight between two candidates of a component at a time, from the dearest to the cheapest, as far as that
    lowers the objective (pairwise conditional gradients).
    """
    n = len(offsets) - 1
    total, features = logs.shape
    groups = len(roles)
    theta, scratch = np.zeros(features), np.empty((5, max(features, groups)))
    scores, best_scores = np.zeros(total), np.zeros(total)
    best_theta = np.zeros(features)
    held_most = rounds + 1 + MOST_MIXED
    pool, pooled = np.zeros((n, held_most), np.int64), np.zeros((n, held_most, features))
    weights = np.zeros((n, held_most))
    held = np.zeros(n, np.int64)
    x, moved, way = np.zeros(features), np.zeros(features), np.zeros(features)
    columns = np.empty((features, total))  # rows next to each other: so that they are priced several at a time
    for row in range(total):
        for f in range(features):
            columns[f, row] = logs[row, f]
    if np.isnan(start[0]):  # in the middle of all candidates
        for c in range(n):
            for f in range(features):
                x[f] += columns[f, offsets[c] : offsets[c + 1]].mean()
    else:
        x[:] = start
    warm = True  # whether a mixture is known for all components
    for c in range(n):
        share = 0.0
        for row in range(offsets[c], offsets[c + 1]):
            if mix[row] > 0.0 and held[c] < MOST_MIXED:
                pool[c, held[c]], weights[c, held[c]] = row, mix[row]
                for f in range(features):
                    pooled[c, held[c], f] = columns[f, row]
                share += mix[row]
                held[c] += 1
        warm = warm and share > 0.0
        if share > 0.0:
            weights[c, : held[c]] /= share
    best, turn = -np.inf, 0
    ends = np.zeros(2, np.int64)
    for number in range(rounds):
        heat = LEAST_HEAT if warm else max(LEAST_HEAT, HEAT * COOLING ** (number * steps))
        value = tangent(x, coefficients, constants, roles, slopes, shifts, heat, most, theta, scratch)
        # Price every candidate.
        reached = value
        for f in range(features):
            reached -= theta[f] * x[f]
        scores[:] = 0.0
        for f in range(features):
            if theta[f] != 0.0:
                for row in range(total):
                    scores[row] += theta[f] * columns[f, row]
        for c in range(n):
            least, at = np.inf, -1
            for row in range(offsets[c], offsets[c + 1]):
                if scores[row] < least:
                    least, at = scores[row], row
            reached += least
            known = False
            for k in range(held[c]):
                known = known or pool[c, k] == at
            if not known and held[c] < held_most:
                pool[c, held[c]] = at
                for f in range(features):
                    pooled[c, held[c], f] = columns[f, at]
                held[c] += 1
        if reached > best:
            best = reached
            best_scores[:] = scores
            start[:] = x
            best_theta[:] = theta
        if best >= enough:
            break
        if _settled(most, roles, scratch, heat, best) and number > 0:
            break
        if number == 0:  # from the given point on to one in the midst of candidates
            x[:] = 0.0
            for c in range(n):
                if weights[c].sum() == 0.0:
                    weights[c, 0] = 1.0
                for k in range(held[c]):
                    for f in range(features):
                        x[f] += weights[c, k] * pooled[c, k, f]
        # Improve the mixture over the pool.
        still = 0
        for _ in range(steps):
            c = turn % n
            turn += 1
            tangent(x, coefficients, constants, roles, slopes, shifts, heat, most, theta, scratch)
            drop = _way(theta, pooled[c], held[c], weights[c], way, ends)
            if drop < 1e-4:
                still += 1
                if still >= n:
                    break
                continue
            still = 0
            share = _lowest(
                x, way, drop, weights[c, ends[1]], moved, coefficients, constants, roles, slopes, shifts, heat, most,
                theta, scratch,
            )  # fmt: skip
            weights[c, ends[0]] += share
            weights[c, ends[1]] -= share
            if weights[c, ends[1]] < 1e-9:
                weights[c, ends[1]] = 0.0
            for f in range(features):
                x[f] += share * way[f]
    mix[:] = 0.0
    for c in range(n):
        for k in range(held[c]):
            mix[pool[c, k]] += weights[c, k]
        least = np.inf
        for row in range(offsets[c], offsets[c + 1]):
            least = min(least, best_scores[row])
        for row in range(offsets[c], offsets[c + 1]):
            best_scores[row] -= least
    return best, best_scores, best_theta


@njit(cache=True, nogil=True)
def _settled(most, roles, scratch, heat, best):
    """Whether what the last tangent touched fits and costs little more than the best bound. Otherwise groups lean to
    where they are needed: what is overfull to more, what is not the longest to less; and rooms that are overfull at
    the most that they may cost may cost more."""
    groups = len(roles)
    logs, shares = scratch[1], scratch[4]
    longest, cost, fits = -np.inf, 0.0, True
    for g in range(groups):
        if roles[g] == LONGEST:
            longest = max(longest, logs[g])
        elif roles[g] == TOTAL:
            cost += logs[g]
        else:
            fits = fits and logs[g] < CLOSE
    cost += longest if longest > -np.inf else 0.0
    if fits and cost - best < CLOSE:
        return True
    for g in range(groups):
        if roles[g] == ROOM:
            if logs[g] > CLOSE and shares[g] > 0.8 * most[0, g]:
                most[0, g] = min(2.0 * most[0, g], MOST_COST)
            most[1, g] = min(max(most[1, g] + logs[g], -MOST_LEAN * heat), MOST_LEAN * heat)
        elif roles[g] == LONGEST:
            most[1, g] = max(most[1, g] + logs[g] - longest, -MOST_LEAN * heat)
    return False


@njit(cache=True, nogil=True)
def _way(theta, pooled, held, weights, way, ends):
    """How fast the objective falls along a ``way``: to the cheapest candidate from the dearest one in use, the
    ``ends``."""
    low, high = np.inf, -np.inf
    for k in range(held):
        price = 0.0
        for f in range(len(way)):
            price += theta[f] * pooled[k, f]
        if price < low:
            low, ends[0] = price, k
        if weights[k] > 0.0 and price > high:
            high, ends[1] = price, k
    for f in range(len(way)):
        way[f] = pooled[ends[0], f] - pooled[ends[1], f]
    return high - low


@njit(cache=True, nogil=True)
def _lowest(
    x, way, drop, far, moved, coefficients, constants, roles, slopes, shifts, heat, most, theta, scratch
):  # fmt: skip
    """How far to go on a way, at most ``far``, to where the objective is about least: along it the slope, at first
    ``-drop``, grows."""
    near, near_slope, far_slope, share = 0.0, -drop, 0.0, far
    for number in range(5):
        for f in range(len(x)):
            moved[f] = x[f] + share * way[f]
        tangent(moved, coefficients, constants, roles, slopes, shifts, heat, most, theta, scratch)
        slope = 0.0
        for f in range(len(x)):
            slope += theta[f] * way[f]
        if (number == 0 and slope <= 0.0) or abs(slope) < 0.05 * drop:
            break
        if slope > 0.0:
            far, far_slope = share, slope
        else:
            near, near_slope = share, slope
        if number < 4:
            share = near + (far - near) * min(0.9, max(0.1, near_slope / (near_slope - far_slope)))
    return share


@njit(cache=True, nogil=True)
def _widest(local, starts, scores, theta):
    """(component, feature, middle): where good candidates differ most, weighed as the bound does; -1 if nowhere."""
    best, chosen, feature, middle = 0.0, -1, -1, 0.0
    features, weigh = local.shape[1], np.empty(starts[-1])
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
            shift = local[a, f]
            for k in range(a, b):
                value = local[k, f] - shift
                first += weigh[k] * value
                second += weigh[k] * value * value
            first /= weights
            spread = abs(theta[f]) * np.sqrt(max(0.0, second / weights - first * first))
            if spread > best + 1e-12:
                best, chosen, feature, middle = spread, c, f, first + shift
    return chosen, feature, middle


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _most_open(order, first, last, used, near, far):
    """(component, column, middle): where candidates differ most in some columns; -1 if nowhere."""
    chosen, axis, widest, middle = -1, -1, 1e-9, 0.0
    for c in range(len(first)):
        for a in range(near, far):
            low = high = used[order[first[c]], a]
            for k in range(first[c] + 1, last[c]):
                value = used[order[k], a]
                low, high = min(low, value), max(high, value)
            if high - low > widest:
                chosen, axis, widest, middle = c, a, high - low, (high + low) / 2
    return chosen, axis, middle


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _cut(order, first, last, values, middle):
    """Where rows above the middle begin, once they come after the others."""
    end = first
    for k in range(first, last):
        if values[order[k]] <= middle:
            order[k], order[end] = order[end], order[k]
            end += 1
    return end


@njit(cache=True, nogil=True)
def explore(
    sharp, offsets, coefficients, constants, roles, slopes, shifts, prices, point, twins, used, codes, most, aim,
    held_back, small, states, budget, rounds, steps,
):  # fmt: skip
    """Cut a case in two, bound the parts, drop what cannot stay below ``most``, and again, depth first.

    ``sharp`` has the features of every part (``forms.Sharper``).
    Candidates are told apart by the positions that they take on every axis (``used``, logarithms) first. ``twins`` are
    two components whose candidates can change places without any difference: of two mirrored parts one is left out.

    The first ``held_back`` columns of ``used`` are the segments of items' innermost loops: once these are the same for
    all candidates of a component, the turns are told apart, then positions.

    Returns (rows, scores, sizes, bounds, turns, alongs, dropped, tangents, priced): parts with at most ``small`` combinations,
    or settled positions and at most ``states`` vectors of tiles (``codes`` number those of the rows at every keep), or
    a bound of ``aim``, and those not looked at within ``budget`` tangents (without scores: their bound is that of the
    part they come from).
    Part p has ``sizes[p, c]`` of the rows of component c, numbered within the component, one component after the
    other. ``priced`` are the rows of all tangents.
    """
    n = len(offsets) - 1
    total, features = len(sharp.logs), len(sharp.kinds)
    groups = len(roles)
    depth = 256
    order = np.arange(total)
    low, high = np.empty((depth, n), np.int64), np.empty((depth, n), np.int64)
    above, pull, starting = np.empty(depth), np.empty((depth, 2, groups)), np.full((depth, features), np.nan)
    low[0], high[0], above[0], pull[0] = offsets[:-1], offsets[1:], -np.inf, prices
    starting[0] = point
    mixes, mix = np.zeros((depth, total)), np.zeros(total)
    turns, out_turns = np.full(depth, -1), np.full(64, -1)
    items = sharp.segments.shape[1]
    alongs, out_alongs = np.full((depth, items), -1), np.full((64, items), -1)
    waiting = 1
    out_rows, out_scores = np.empty(1024, np.int64), np.empty(1024)
    out_sizes, out_bounds = np.empty((64, n), np.int64), np.empty(64)
    held, parts, dropped, tangents, priced = 0, 0, 0, 0, 0
    starts = np.zeros(n + 1, np.int64)
    local, scores = np.empty((total, features)), np.zeros(total)
    here, values = np.empty(total, np.int64), np.empty(total)
    numbers, node = nodes_of(codes, offsets)
    stamps, stamp = np.zeros(numbers.max(), np.int64), np.zeros(1, np.int64)
    stamped = np.zeros(total, np.bool_)
    while waiting:
        waiting -= 1
        first, last, bound, turn = low[waiting].copy(), high[waiting].copy(), above[waiting], turns[waiting]
        along = alongs[waiting].copy()
        own, point, mixed = pull[waiting].copy(), starting[waiting].copy(), mixes[waiting].copy()
        alive, scored = True, False
        theta = np.zeros(features)
        for _ in range(3):
            count = 0
            for c in range(n):
                starts[c] = count
                for k in range(first[c], last[c]):
                    here[count], mix[count] = order[k], mixed[order[k]]
                    count += 1
            starts[n] = count
            sharpened(here, starts, sharp, turn, along, local)
            if tangents >= budget or waiting + n + len(sharp.turns) > depth:
                break
            value, found, theta = dual(
                local[:count], starts, coefficients, constants, roles, slopes, shifts, own, point, mix[:count],
                rounds, steps, most,
            )  # fmt: skip
            for c in range(n):
                for k in range(first[c], last[c]):
                    mixed[order[k]] = mix[starts[c] + k - first[c]]
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
                        scores[kept] = score - (bound - value) / n
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
            continue
        size, count = 1.0, 0
        for c in range(n):
            size *= last[c] - first[c]
            count += last[c] - first[c]
        open_component, open_axis, open_middle = _most_open(order, first, last, used, 0, held_back)
        different = 1
        if open_component < 0 and turn < 0 and len(sharp.turns) > 1:
            at = 0
            for c in range(n):
                starts[c] = at
                for k in range(first[c], last[c]):
                    here[at] = order[k]
                    at += 1
            starts[n] = at
            apart = turns_apart(here, starts, sharp)
            different = len(apart)
            turn = apart[0]
        if open_component < 0:
            open_component, open_axis, open_middle = _most_open(order, first, last, used, held_back, used.shape[1])
        sliding = -1
        if open_component < 0 and different == 1 and held_back >= 0:
            at = 0
            for c in range(n):
                starts[c] = at
                for k in range(first[c], last[c]):
                    here[at] = order[k]
                    at += 1
            starts[n] = at
            sliding, ways = windows_apart(here, starts, sharp, along)
        settled = open_component < 0 and different == 1 and sliding < 0
        ready = settled and _states(order, first, last, node, numbers, stamps, stamp) <= states
        if not scored or size <= small or ready or bound >= aim:
            while held + count > len(out_rows):
                out_rows, out_scores = np.append(out_rows, out_rows), np.append(out_scores, out_scores)
            if parts == len(out_bounds):
                out_sizes = np.concatenate((out_sizes, out_sizes))
                out_bounds = np.append(out_bounds, out_bounds)
                out_turns = np.append(out_turns, out_turns)
                out_alongs = np.concatenate((out_alongs, out_alongs))
            at = 0
            for c in range(n):
                out_sizes[parts, c] = last[c] - first[c]
                for k in range(first[c], last[c]):
                    out_rows[held] = order[k] - offsets[c]
                    out_scores[held] = scores[at] if scored else np.nan
                    held += 1
                    at += 1
            out_bounds[parts] = bound
            out_turns[parts] = turn if different == 1 else -1
            out_alongs[parts] = along
            parts += 1
            continue
        if different > 1:
            for k in range(different - 1, -1, -1):
                low[waiting], high[waiting], above[waiting], pull[waiting] = first, last, bound, own
                starting[waiting] = point
                mixes[waiting] = mixed
                turns[waiting], alongs[waiting] = apart[k], along
                waiting += 1
            continue
        if sliding >= 0:
            for c in ways:
                low[waiting], high[waiting], above[waiting], pull[waiting] = first, last, bound, own
                starting[waiting] = point
                mixes[waiting] = mixed
                turns[waiting], alongs[waiting] = turn, along
                alongs[waiting, sliding] = c
                waiting += 1
            continue
        at = 0
        for c in range(n):
            starts[c] = at
            for k in range(first[c], last[c]):
                here[at] = order[k]
                at += 1
        starts[n] = at
        sharpened(here, starts, sharp, turn, along, local)
        c, f, middle = open_component, open_axis, open_middle
        if settled:
            c, f, middle = _widest(local[:at], starts, scores, theta)
        if c < 0:
            c = 0
            for k in range(n):
                if last[k] - first[k] > last[c] - first[c]:
                    c = k
            end = (first[c] + last[c]) // 2
            mirrored = False
        else:
            if settled:
                for k in range(starts[c], starts[c + 1]):
                    values[here[k]] = local[k, f]
            else:
                values[:] = used[:, f]
            mirrored = (c == twins[0] or c == twins[1]) and _mirrored(order, first, last, offsets, twins, stamped)
            end = _cut(order, first[c], last[c], values, middle)
            if end == first[c] or end == last[c]:
                end, mirrored = (first[c] + last[c]) // 2, False
        for side in range(2):  # the last one is looked into first: that of more positions
            low[waiting], high[waiting], above[waiting], pull[waiting] = first, last, bound, own
            starting[waiting] = point
            mixes[waiting] = mixed
            turns[waiting], alongs[waiting] = turn, along
            if not (side if mirrored else settled == (side == 0)):
                high[waiting, c] = end
            else:
                low[waiting, c] = end
                if mirrored:
                    # Low candidates of the other one make mirror images of what is on the other side. This side comes
                    # first, since what it moves about stays where the other side has it.
                    other = twins[0] + twins[1] - c
                    low[waiting, other] = _cut(order, first[other], last[other], values, middle)
            waiting += 1
    return (
        out_rows[:held], out_scores[:held], out_sizes[:parts], out_bounds[:parts], out_turns[:parts],
        out_alongs[:parts], dropped,
        tangents, priced,
    )  # fmt: skip
