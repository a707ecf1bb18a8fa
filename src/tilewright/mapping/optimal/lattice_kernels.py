"""Compiled shortest paths over vectors of tiles, one per keep. Imported lazily: it brings numba.

What a keep costs depends, but for what is ragged, on the tiles of all dimensions there and not on how they were come by
(docs/model.md, section 7). So the candidates of a component are paths through *layers*, one layer for every keep, a
*node* of a layer being the component's tiles there; a node has the least features of the candidates that pass it. A
state of a layer is one node of every component. The shortest path through the states bounds every combination of
candidates, and with what is left to pay at every state few other paths have to be looked at.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.bound_kernels import bound, take_turn
from tilewright.mapping.optimal.forms import LONGEST, ROOM, TOTAL
from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.node_kernels import (
    LARGE,
    by_path_order,
    by_tiles,
    edges,
    finer,
    least_features,
    nodes_of,
    place,
    trie,
)
from tilewright.mapping.optimal.path_kernels import add_products, cheapest_path, left_to_pay
from tilewright.mapping.optimal.steps_kernels import by_steps, most_positions, passing, taken_positions
from tilewright.mapping.optimal.transfer_kernels import EDP, LATENCY, WITHIN, exposed_by_tiles, scratch_of

ROOM_ROUNDS, JOINT_ROUNDS = 4, 8
MOST_STATES = 300_000
MOST_ASKED = 32


@leaf
def _sums(path, coefficients, constants, layer_of, least, sums):
    """What every group comes to along a path."""
    for g in range(len(constants)):
        sums[g] = constants[g]
    for f in range(len(layer_of)):
        value = 1.0
        for c in range(path.shape[1]):
            value *= least[f, c, path[layer_of[f], c]]
        for g in range(len(constants)):
            sums[g] += coefficients[g, f] * value


@njit(cache=True, nogil=True)
def _least_longest(coefficients, constants, roles, least, numbers, layer_of):
    """What the longest is at least, every feature at its least."""
    longest = 1e-12
    for g in range(len(roles)):
        if roles[g] != LONGEST:
            continue
        total = constants[g]
        for f in range(len(layer_of)):
            value = coefficients[g, f]
            for c in range(len(numbers)):
                value *= least[f, c, : numbers[c, layer_of[f]]].min()
            total += value
        longest = max(longest, total)
    return longest


@leaf
def _product(e, t, both):
    """The least product of numbers of at least ``e`` and ``t`` whose sum is at least ``both``."""
    if e + t >= both:
        return e * t
    return min(e * (both - e), (both - t) * t)


@njit(cache=True, nogil=True)
def lattice(
    logs, offsets, codes, layer_of, coefficients, constants, roles, limit, most, budget, table, s, cost, befores,
    prefix, cuts,
):  # fmt: skip
    """(combinations, bounds, number held, work, cut, rest, asked): at most ``most`` combinations of single rows below
    ``limit``, those of least bound; no other one is below ``rest``, or below ``limit``.

    Groups of features and their roles are those of ``relaxation.Relaxed``; ``layer_of`` says on which layer a feature
    depends. ``table``, ``s`` and ``cost`` serve the bound of single combinations (``bound_kernels.bound``), in each of
    the orders ``befores`` in which items may give way. ``prefix`` adds up over the rows of a combination to the number
    of its tiles, of which ``cuts`` may know something (``profiles.Cuts``); ``asked`` are numbers of which it should.
    """
    components = len(offsets) - 1
    features, groups = len(layer_of), len(roles)
    found, values = np.zeros((most, components), np.int64), np.full(most, np.inf)
    asked, asking = np.zeros(MOST_ASKED, np.int64), 0
    nothing = asked[:0]
    numbers, node = nodes_of(finer(codes, logs, layer_of), offsets)
    layers = codes.shape[1]
    least = least_features(np.exp(logs), node, offsets, numbers, layer_of)
    first, following = edges(node, offsets, numbers)
    starts = np.zeros(layers + 1, np.int64)
    widest = 1
    for j in range(layers):
        total, mixed = 1, 1
        for c in range(components):
            total *= numbers[c, j]
            mixed *= max(numbers[c, j], numbers[c, j + 1] if j + 1 < layers else 1)
        starts[j + 1] = starts[j] + total
        widest = max(widest, mixed)
    if max(starts[layers], widest) > MOST_STATES:
        return found, values, 0, 1, 0, -np.inf, nothing
    work, other, scribble = np.empty(widest), np.empty(widest), np.empty((3, components), np.int64)
    spent = starts[layers] // 100 + 1
    # States that do not fit by themselves.
    dead = np.zeros(starts[layers], np.bool_)
    room = np.zeros(starts[layers])
    for g in range(groups):
        if roles[g] != ROOM:
            continue
        for j in range(layers):
            here = room[starts[j] : starts[j + 1]]
            here[:] = constants[g]
            add_products(coefficients[g], j, layer_of, least, numbers, work, here)
            for i in range(len(here)):
                if here[i] > 1 + 1e-9:
                    dead[starts[j] + i] = True
    weights = np.zeros(groups)
    pulls = np.zeros((3, groups))  # the weights of every group: for the total, for the longest, for both
    tables = np.empty((3, starts[layers]))
    path = np.zeros((layers, components), np.int64)
    sums = np.zeros(groups)
    totals, longest = False, False
    for g in range(groups):
        totals = totals or roles[g] == TOTAL
        longest = longest or roles[g] == LONGEST
    lows = np.ones(2)
    paths = np.zeros((JOINT_ROUNDS + 2 * ROOM_ROUNDS, layers, components), np.int64)
    held_paths = np.int64(0)  # a literal would have what is called with it compiled once more
    # Each factor of the objective alone: rooms with multipliers, the longest as a mixture of what it is the longest of.
    for kind in range(2):
        if not (totals if kind == 0 else longest):
            continue
        role = TOTAL if kind == 0 else LONGEST
        weights[:] = 0.0
        members = 0
        for g in range(groups):
            members += roles[g] == role
        for g in range(groups):
            if roles[g] == role:
                weights[g] = 1.0 / members
        best = -np.inf
        if kind == 1 and lows[0] * _least_longest(coefficients, constants, roles, least, numbers, layer_of) >= limit:
            return found, values, 0, spent, 1, np.inf, nothing
        for number in range(ROOM_ROUNDS):
            value, held_paths = _tried(
                weights, coefficients, constants, roles, layer_of, least, numbers, starts, first, following, dead,
                work, other, scribble, tables[kind], path, sums, paths, held_paths,
            )  # fmt: skip
            spent += starts[layers] // 20 + 1
            if value >= LARGE / 2:
                return found, values, 0, spent, 1, np.inf, nothing
            if value > best:
                best = value
                pulls[kind] = weights
            if number == 0 and kind == 1:
                # What is longest where all count alike counts alone from here on.
                at = -1
                for g in range(groups):
                    if roles[g] == role and (at < 0 or sums[g] > sums[at]):
                        at = g
                for g in range(groups):
                    if roles[g] == role:
                        weights[g] = 1.0 if g == at else 0.0
                continue
            pace, over = 0.5 / (1.0 + number), False
            for g in range(groups):
                if roles[g] == ROOM:
                    over = over or sums[g] > 1 + 1e-9
                    weights[g] = max(0.0, weights[g] + pace * abs(value) * min(max(sums[g] - 1.0, -0.5), 1.0))
            if not over and kind == 0:
                break
        lows[kind] = best
        if lows[0] * lows[1] >= limit and (kind == 1 or not longest):
            return found, values, 0, spent, 1, np.inf, nothing
    joint = totals and longest
    scale = lows[0] * lows[1] if joint else lows[1]
    if longest:
        if lows[0] <= 0 or lows[1] <= 0:
            return found, values, 0, spent, 0, -np.inf, nothing
        weights[:] = 0.0
        for g in range(groups):
            if roles[g] == TOTAL:
                weights[g] = 1.0 / lows[0]
            elif roles[g] == LONGEST:
                weights[g] = pulls[1, g] / lows[1]
            else:
                weights[g] = pulls[0, g] / lows[0] + pulls[1, g] / lows[1]
        best = -np.inf
        for number in range(JOINT_ROUNDS):
            value, held_paths = _tried(
                weights, coefficients, constants, roles, layer_of, least, numbers, starts, first, following, dead,
                work, other, scribble, tables[2], path, sums, paths, held_paths,
            )  # fmt: skip
            spent += starts[layers] // 20 + 1
            if value > best:
                best = value
                pulls[2] = weights
            if scale * (best - 1.0 if joint else best) >= limit or number == JOINT_ROUNDS - 1:
                break
            # A step towards what is longest on this path, and away from what is too large.
            pace = 0.4 / (1.0 + number)
            at = -1
            for g in range(groups):
                if roles[g] == LONGEST and (at < 0 or sums[g] > sums[at]):
                    at = g
            change = 0.0
            for g in range(groups):
                before = weights[g]
                if roles[g] == LONGEST:
                    weights[g] = (1 - pace) * before + (pace / lows[1] if g == at else 0.0)
                elif roles[g] == ROOM:
                    weights[g] = max(0.0, before + 0.5 * pace * min(max(sums[g] - 1.0, -0.5), 1.0))
                change = max(change, abs(weights[g] - before) * (lows[1] if roles[g] == LONGEST else 1.0))
            if change < 1e-4:
                break
    else:
        scale = 1.0
        pulls[2] = pulls[0]
    # What is left to pay with the best weights.
    constant = np.zeros(3)
    costs, work_of = np.zeros((3, features)), np.zeros(features)
    for kind in range(3):
        for g in range(groups):
            shift = constants[g] - (1.0 if roles[g] == ROOM else 0.0)
            pull = pulls[kind, g]
            if kind < 2 and joint:
                pull /= lows[kind]
            constant[kind] += pull * shift
            for f in range(features):
                costs[kind, f] += pull * coefficients[g, f]
        for f in range(features):
            costs[kind, f] = max(0.0, costs[kind, f])
        if kind == 2 or joint:
            left_to_pay(
                costs[kind], layer_of, least, numbers, starts, first, following, dead, work, other, scribble[0],
                tables[kind],
            )  # fmt: skip
    # And what is left of every group by itself.
    each = np.zeros((groups, starts[layers]))
    for g in range(groups):
        for f in range(features):
            work_of[f] = max(0.0, coefficients[g, f])
        left_to_pay(
            work_of, layer_of, least, numbers, starts, first, following, dead, work, other, scribble[0], each[g]
        )
    # Cheap paths first: what they lead to cuts the search for others short.
    held, cut, rest = np.int64(0), 0, np.inf
    rows = np.zeros(components, np.int64)
    scratch, (every, average) = scratch_of(s), passing(cuts)
    by_path = by_path_order(node, offsets)
    worst = limit
    for number in range(held_paths):
        known = False
        for k in range(number):
            known = known or (paths[k] == paths[number]).all()
        if not known:
            held, worst, rest, one, key = _leaves(
                paths[number], node, by_path, offsets, table, s, cost, befores, limit, worst, found, values, held,
                rest, rows, scratch, 0.0, prefix, cuts, every, average, scribble,
            )  # fmt: skip
            if key >= 0 and asking < MOST_ASKED:
                asked[asking] = key
                asking += 1
            spent += one
    # All paths that may stay below the worst of what is held.
    name, inside = trie(node, by_path, offsets, layers)
    last_tile, tiles, alike, first_tile, stands_for = by_tiles(node, by_path, offsets, table, s)
    positions = most_positions(table, offsets, s)
    floor, unit = np.zeros(layers + 1), 1.0 / s.most_cycles if s.objective == WITHIN else 1.0
    cursor = np.zeros((layers + 1, components), np.int64)  # where each component is in its trie, from the root on
    here = np.zeros((layers, components), np.int64)
    paid = np.zeros((layers + 1, 3))
    used = np.zeros((layers + 1, groups))
    paid[0] = constant
    used[0] = constants
    depth = 0
    fresh = True
    while depth >= 0:
        # The next state of this layer.
        if fresh:
            for c in range(components):
                cursor[depth + 1, c] = inside[c, depth, cursor[depth, c]]
            fresh = False
        else:
            c = components - 1
            while c >= 0:
                cursor[depth + 1, c] += 1
                if cursor[depth + 1, c] < inside[c, depth, cursor[depth, c] + 1]:
                    break
                cursor[depth + 1, c] = inside[c, depth, cursor[depth, c]]
                c -= 1
            if c < 0:
                depth -= 1
                continue
        index = 0
        for c in range(components):
            here[depth, c] = name[c, depth, cursor[depth + 1, c]]
            index = index * numbers[c, depth] + here[depth, c]
        at = starts[depth] + index
        both = paid[depth, 2] + tables[2, at]
        if both >= LARGE / 2:
            continue
        e, t, fits = 1.0, max(floor[depth], 1e-300), True
        for g in range(groups):
            own = used[depth, g] + each[g, at]
            if roles[g] == TOTAL:
                e *= own
            elif roles[g] == LONGEST:
                t = max(t, own)
            else:
                fits = fits and own <= 1 + 1e-9
        if not fits:
            continue
        if joint:
            e, t = max(e / lows[0], paid[depth, 0] + tables[0, at]), max(t / lows[1], paid[depth, 1] + tables[1, at])
            value = scale * _product(max(e, 1.0), max(t, 1.0), both)
        else:
            value = max(scale * both, t if longest else e)
        if value >= worst:
            cut += 1
            if value < limit:
                rest = min(rest, value)
            continue
        spent += 1
        if spent >= budget:
            rest = min(rest, value)
            continue
        # Pay for it.
        floor[depth + 1] = floor[depth]
        if depth == last_tile:
            known = longest
            for c in range(components):
                rows[c] = first_tile[c] + cursor[depth + 1, c]
                known = known and alike[rows[c]]
            if known:
                s.before[:, :] = False
                floor[depth + 1] = unit * exposed_by_tiles(rows, tiles, s, cost, scratch)
                spent += 1
            if known and len(prefix):
                key = prefix[stands_for[rows[0]]]
                for c in range(1, components):
                    key += prefix[stands_for[rows[c]]]
                k = np.searchsorted(cuts.keys, key)
                if k < len(cuts.keys) and cuts.keys[k] == key:
                    step = 1.0
                    for c in range(components):
                        step *= tiles[rows[c], -1]
                    cycles = by_steps(rows, tiles, step, positions, k, s, cost, cuts, every, average)
                    floor[depth + 1] = max(floor[depth + 1], unit * cycles)
                    spent += 1
                elif asking < MOST_ASKED:
                    asked[asking] = key
                    asking += 1
        for kind in range(3):
            paid[depth + 1, kind] = paid[depth, kind]
        for g in range(groups):
            used[depth + 1, g] = used[depth, g]
        for f in range(features):
            if layer_of[f] != depth:
                continue
            product = 1.0
            for c in range(components):
                product *= least[f, c, here[depth, c]]
            for kind in range(3):
                paid[depth + 1, kind] += costs[kind, f] * product
            for g in range(groups):
                used[depth + 1, g] += max(0.0, coefficients[g, f]) * product
        if depth == layers - 1:
            known = False
            for k in range(held_paths):
                known = known or (paths[k] == here).all()
            if not known:
                held, worst, rest, one, key = _leaves(
                    here, node, by_path, offsets, table, s, cost, befores, limit, worst, found, values, held, rest,
                    rows, scratch, floor[depth + 1] / unit if unit > 0.0 else 0.0, prefix, cuts, every, average,
                    scribble,
                )  # fmt: skip
                spent += one
            continue
        depth += 1
        fresh = True
    return found, values, held, spent, cut, rest, asked[:asking]


@njit(cache=True, nogil=True)
def _tried(
    weights, coefficients, constants, roles, layer_of, least, numbers, starts, first, following, dead, work, other,
    scribble, out, path, sums, paths, held,
):  # fmt: skip
    """(least weighted sum, number of paths held): its path is held, ``sums`` are those of the groups along it."""
    value = _weighed(
        weights, coefficients, constants, roles, layer_of, least, numbers, starts, first, following, dead, work, other,
        scribble, out, path,
    )  # fmt: skip
    _sums(path, coefficients, constants, layer_of, least, sums)
    if held < len(paths):
        paths[held] = path
        held += 1
    return value, held


@njit(cache=True, nogil=True)
def _weighed(
    weights, coefficients, constants, roles, layer_of, least, numbers, starts, first, following, dead, work, other,
    scribble, out, path,
):  # fmt: skip
    """The least weighted sum of all groups, rooms less one, and the path that it stands for."""
    combined = np.zeros(len(layer_of))
    constant = 0.0
    for g in range(len(weights)):
        constant += weights[g] * (constants[g] - (1.0 if roles[g] == ROOM else 0.0))
        for f in range(len(layer_of)):
            combined[f] += weights[g] * coefficients[g, f]
    for f in range(len(layer_of)):
        combined[f] = max(0.0, combined[f])
    left_to_pay(combined, layer_of, least, numbers, starts, first, following, dead, work, other, scribble[0], out)
    return constant + cheapest_path(out, numbers, starts, first, following, scribble[0], path)


@leaf
def _objective(energy, cycles, s):
    """What is sought, of some energy and cycles at least, where time counts."""
    if s.objective == LATENCY:
        return cycles
    if s.objective == EDP:
        return energy * cycles
    return cycles / s.most_cycles if s.objective == WITHIN else 0.0


@leaf
def _leaves(
    path, node, by_path, offsets, table, s, cost, befores, limit, worst, found, values, held, rest, rows, scratch,
    least_cycles, prefix, cuts, every, average, scribble,
):  # fmt: skip
    """Bound every combination of rows that follow a path, of ``least_cycles``; hold the least. Returns (held, worst of
    interest, rest, bounds, number of their tiles if more should be known of them)."""
    components = len(offsets) - 1
    first, last, cursor = scribble[0], scribble[1], scribble[2]
    for c in range(components):
        first[c] = place(path, c, False, node, by_path, offsets[c], offsets[c + 1])
        last[c] = place(path, c, True, node, by_path, first[c], offsets[c + 1])
        if first[c] == last[c]:
            return held, worst, rest, 1, -1
        cursor[c] = first[c]
    key, known = -1, -1
    if len(prefix):
        key = 0
        for c in range(components):
            key += prefix[by_path[first[c]]]
        at = np.searchsorted(cuts.keys, key)
        if at < len(cuts.keys) and cuts.keys[at] == key:
            key, known = -1, int(at)
    done = 0
    while True:
        for c in range(components):
            rows[c] = by_path[cursor[c]]
        value = np.inf
        for k in range(len(befores)):
            take_turn(s, befores, k)
            own, energy, cycles = bound(rows, table, s, cost, scratch)
            if own >= limit:
                continue
            least = least_cycles
            if known >= 0:
                positions = taken_positions(rows, table, s)
                least = by_steps(rows, table, np.inf, positions, known, s, cost, cuts, every, average)
            value = min(value, max(own, _objective(energy, max(cycles, least), s)))
        done += len(befores)
        if value < limit:
            at = held if held < len(values) else values.argmax()
            if held < len(values):
                held += 1
            else:
                rest = min(rest, max(value, values[at]))
            if value < values[at]:
                values[at] = value
                for c in range(components):
                    found[at, c] = rows[c]
            if held == len(values):
                worst = min(limit, values.max())
        c = components - 1
        while c >= 0:
            cursor[c] += 1
            if cursor[c] < last[c]:
                break
            cursor[c] = first[c]
            c -= 1
        if c < 0:
            break
    return held, worst, rest, done, key
