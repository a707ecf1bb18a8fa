"""Compiled branch and bound over candidates of all components. Imported lazily: it brings numba.

``rows[c]`` is the candidate chosen for component c, or its row of least features while none is. The bound of such a
choice holds for every completion of it, since every factor, every flag and every room can only grow.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LATENCY, ENERGY, EDP, TRAFFIC, WITHIN = 0, 1, 2, 3, 4
ROOFLINE, DOUBLE, SINGLE = 0, 1, 2


# Where an item's features stand, from its first on; after ITEM its reads for every refilling segment, then its writes.
FOOTPRINT, WIDEST, LOOPS, INNER, BESIDE, OPENING, READS_SLIDING, WRITES_SLIDING, ITEM = 0, 1, 2, 3, 4, 5, 6, 7, 8


@njit(cache=True)
def bound(rows, table, s, cost, scratch):
    """(objective, energy, cycles) that no completion goes below; infinite where none can be legal.

    ``table`` has the features of all rows, packed as ``costs.Packing`` says; ``s`` says what the structure's items are,
    ``cost`` what everything costs; ``scratch`` is room for (4 items + operands) numbers.
    """
    n = len(rows)
    items = len(s.parent)
    scored = 0.0
    for c in range(n):
        scored += table[rows[c], s.at_score]
    scored = np.exp(scored)
    for axis in range(len(s.positions)):
        taken = 1.0
        for c in range(n):
            taken *= table[rows[c], s.at_used + axis]
        if taken > s.positions[axis]:
            return np.inf, np.inf, np.inf
    # Room.
    for group in range(len(s.capacity)):
        if s.capacity[group] == np.inf:
            continue
        total = s.reserved[group]
        for j in range(items):
            if s.group[j] != group:
                continue
            at = s.at_item[j]
            words, loops, slides = 1.0, 0.0, False
            for c in range(n):
                row = table[rows[c]]
                words *= row[at + FOOTPRINT]
                loops += row[at + LOOPS]
                if row[at + LOOPS] > 0 and s.window[c, j]:
                    slides = True
            size = np.ceil(words * s.narrow_bits[j] / 8 - 1e-9)
            if s.doubles[j] == 2 or (s.doubles[j] == 1 and loops > 0 and not (loops == 1 and slides)):
                size *= 2
            total += np.ceil(size / s.aligned[j]) * s.aligned[j]
        if total > s.capacity[group]:
            return np.inf, np.inf, np.inf
    # Words across every boundary. ``inner`` is the segment of the innermost loop that an item's operand uses.
    for j in range(items):
        inner = -1
        for c in range(n):
            inner = max(inner, int(table[rows[c], s.at_item[j] + INNER]))
        scratch[3 * items + s.operands + j] = inner
    for j in range(items):
        at = s.at_item[j]
        inner = int(scratch[3 * items + s.operands + j])
        # Where an item could as well stand right below its last loop, another order of keeps says so: here every loop
        # above it counts. Below its pars it cannot move up, and loops further in than its last leave it alone.
        stays = inner <= s.barrier[j]
        refilling = max(inner, 0) if stays else j
        r, w, best_r, best_w = 1.0, 1.0, 1.0, 1.0
        for c in range(n):
            row = table[rows[c]]
            counted = refilling
            if stays and inner >= 0:
                # In its last segment, loops of items that are to stay longer stand before its own.
                for i in range(items):
                    if s.before[i, j] and s.turns[i, j, c] and scratch[3 * items + s.operands + i] == inner:
                        counted = min(inner + 1, j)
            mine, my_writes = row[at + ITEM + counted], row[at + ITEM + j + 1 + counted]
            r *= mine
            w *= my_writes
            if s.window[c, j]:
                if row[s.at_free] > 0:
                    r *= row[at + READS_SLIDING] / max(mine, 1e-300)
                    w *= row[at + WRITES_SLIDING] / max(my_writes, 1e-300)
                elif inner >= 0 and row[at + INNER] == inner:
                    best_r = min(best_r, row[at + READS_SLIDING] / max(mine, 1e-300))
                    best_w = min(best_w, row[at + WRITES_SLIDING] / max(my_writes, 1e-300))
        scratch[j], scratch[items + j], scratch[2 * items + j] = r * best_r, w * best_w, refilling
    points, last = 1.0, 1.0
    parallel, chosen = 0, True
    served = 3 * items
    for o in range(s.operands):
        scratch[served + o] = 1.0
    for c in range(n):
        row = table[rows[c]]
        chosen = chosen and row[s.at_free] == 0
        points *= row[s.at_points]
        last *= row[s.at_points + 1]
        parallel |= int(row[s.at_free + 1])
        for o in range(s.operands):
            scratch[served + o] *= row[s.at_points + 2 + o]
    if not chosen:
        # Whatever the open components do, together they share the positions that are left on every axis.
        points = max(points, _shared(rows, table, s, -1))
        for o in range(s.operands):
            scratch[served + o] = max(scratch[served + o], _shared(rows, table, s, o))
    energy = cost.fixed_pj
    dram_read, dram_written, runs = s.parameter_bytes, 0.0, s.parameters * 1.0
    pad_read, pad_written, moved_in, moved_out, streamed = 0.0, 0.0, s.parameter_bytes, 0.0, 0.0
    opening = s.parameter_bytes
    opening_runs = s.parameters * 1.0
    for j in range(items):
        if s.output[j]:
            continue
        size = s.bits[j] / 8
        bytes_read, bytes_written = scratch[j] * size, scratch[items + j] * size
        energy += bytes_read * cost.read_pj[s.parent_memory[j]] + bytes_written * cost.write_pj[s.memory[j]]
        if parallel & s.between[j]:
            energy += bytes_written * cost.link_pj
        if s.parent[j] < 0:
            dram_read += bytes_read
            if cost.setup > 0:
                runs += _runs(rows, table, s, j, scratch[j], int(scratch[2 * items + j]))
            if s.memory[j] == s.pad:
                moved_in += bytes_read
                words = 1.0
                for c in range(n):
                    words *= table[rows[c], s.at_item[j] + OPENING]
                opening += words * size
                opening_runs += 1.0 if words > 0 else 0.0
            else:
                streamed += bytes_read
        elif s.parent_memory[j] == s.pad:
            pad_read += bytes_read
    for o in range(s.operands):
        if o == s.output_operand:
            continue
        size = s.operand_bits[o] / 8
        energy += scratch[served + o] * size * cost.read_pj[s.innermost_memory[o]]
        if parallel & s.below[o]:
            energy += s.in_bounds[o] * size * cost.link_pj
        if s.innermost_memory[o] == s.pad:
            pad_read += scratch[served + o] * size
    # Results, from DRAM inwards.
    started, wide = s.results, s.accumulator_bits / 8
    k = s.first_output
    while True:
        arrivals, visits = scratch[k], scratch[items + k]
        back = max(0.0, arrivals - started)
        if s.parent[k] < 0:
            stored = s.results * s.output_bits / 8
            dram_written += stored + back * wide
            dram_read += back * wide
            energy += (stored + back * wide) * (cost.write_pj[0] + cost.read_pj[s.memory[k]])
            energy += back * wide * (cost.read_pj[0] + cost.write_pj[s.memory[k]])
            moved_out += (stored + back * wide) if s.memory[k] == s.pad else 0.0
            moved_in += back * wide if s.memory[k] == s.pad else 0.0
            if cost.setup > 0:
                runs += _runs(rows, table, s, k, s.results + 2 * back, int(scratch[2 * items + k]))
            child_back = 0.0
        else:
            child_back = 0.0 if s.may_scatter[k] else back
            if parallel & s.between[k]:
                energy += child_back * wide * cost.link_pj
        following = s.next_output[k]
        if following >= 0:
            held = s.output_bits / 8
            refilling = int(scratch[2 * items + following])
            for c in range(n):
                if int(table[rows[c], s.at_item[following] + BESIDE]) & ((1 << refilling) - 1):
                    held = wide
            coming = scratch[following]
        else:
            held, coming = wide, scratch[served + s.output_operand]
        started_here = s.results if s.simple[k] else (visits - child_back if chosen else np.inf)
        again = max(0.0, coming - started_here)
        if s.parent[k] < 0:
            local_read, local_written = again * held, coming * held
        else:
            local_read, local_written = (coming + child_back) * held, (coming + child_back) * held
        energy += local_read * cost.read_pj[s.memory[k]] + local_written * cost.write_pj[s.memory[k]]
        if s.memory[k] == s.pad:
            pad_read += again * held
            pad_written += coming * held
        if following < 0:
            break
        k, started = following, started_here
    # Time.
    if cost.pad_shared:
        port = (pad_read + pad_written) / cost.pad_read_rate
        whole = (pad_read + pad_written + moved_in + moved_out) / cost.pad_read_rate
    else:
        port = max(pad_read / cost.pad_read_rate, pad_written / cost.pad_write_rate)
        whole = max((pad_read + moved_out) / cost.pad_read_rate, (pad_written + moved_in) / cost.pad_write_rate)
    if s.timing == ROOFLINE:
        if cost.dram_shared:
            dram = (dram_read + dram_written) / cost.dram_read_rate
        else:
            dram = max(dram_read / cost.dram_read_rate, dram_written / cost.dram_write_rate)
        cycles = max(points, max(whole, dram))
    else:
        tile = max(points, port)
        dma = dram_read / cost.dram_read_rate + dram_written / cost.dram_write_rate + cost.setup * runs
        if s.timing == SINGLE:
            flow = streamed / cost.dram_read_rate
            cycles = dma - flow + max(tile, flow)
        else:
            edges = opening / cost.dram_read_rate + cost.setup * opening_runs
            if s.memory[s.first_output] == s.pad:
                edges += last * s.output_bits / 8 / cost.dram_write_rate + cost.setup
            cycles = max(tile + edges, dma)
    cycles = np.ceil(cycles - 1e-6)
    energy += cycles * cost.leakage_pj
    traffic = dram_read + dram_written
    if s.objective == LATENCY:
        return max(scored, cycles + 0.49 * energy / cost.most_pj), energy, cycles
    if s.objective == ENERGY:
        return max(scored, energy), energy, cycles
    if s.objective == EDP:
        return max(scored, energy * cycles), energy, cycles
    if s.objective == WITHIN:
        return max(scored, max(energy / s.most_energy, cycles / s.most_cycles)), energy, cycles
    return max(scored, np.ceil(traffic - 1e-6) + 0.49 * energy / cost.most_pj), energy, cycles


@njit(cache=True)
def _shared(rows, table, s, o):
    """A lower bound of the compute steps (o = -1), or of the words served of an operand, from positions alone.

    A component is settled when all candidates left of it take the same positions. What the others do, together they
    share the positions that are left on every axis; a factor times the positions that it takes is at least its extent,
    and for compute steps the fewest are tabled exactly.
    """
    total, free, fixed = 1.0, 1.0, 1.0
    open_set, at_left = 0, 0
    axes = len(s.positions)
    for c in range(len(rows)):
        row = table[rows[c]]
        factor = row[s.at_points] if o < 0 else row[s.at_points + 2 + o]
        extent = s.extents[c] if o < 0 else s.strange[o, c]
        settled = True
        for axis in range(axes):
            settled = settled and row[s.at_used + axis] == row[s.at_used + axes + axis]
        if settled or extent <= 1:
            total *= factor
            free *= factor
            fixed *= factor
        else:
            used = 1.0
            for axis in range(axes):
                if o < 0 or s.sharing[o] >> axis & 1:
                    used *= row[s.at_used + axes + axis]
            total *= max(factor, extent / used)
            free *= extent
        if not settled:
            open_set |= 1 << c
    for axis in range(axes):
        left = s.positions[axis]
        for c in range(len(rows)):
            if not open_set >> c & 1:
                left //= int(table[rows[c], s.at_used + axis])
        at_left += left * s.lane_strides[axis]
        if o < 0 or s.sharing[o] >> axis & 1:
            free /= max(left, 1)
    if o < 0:
        return max(total, fixed * s.fewest[open_set, at_left])
    return max(total, free)


@njit(cache=True)
def fewest_points(used, points, offsets, positions, strides, size):
    """The fewest compute steps of every set of components on every rest of positions (none: infinite)."""
    components = len(offsets) - 1
    axes = len(positions)
    out = np.full((1 << components, size), np.inf)
    out[0, :] = 1.0
    left = np.empty(axes, np.int64)
    for subset in range(1, 1 << components):
        c = 0
        while not subset >> c & 1:
            c += 1
        for index in range(size):
            rest = index
            for axis in range(axes):
                left[axis] = rest // strides[axis]
                rest -= left[axis] * strides[axis]
            best = np.inf
            for k in range(offsets[c], offsets[c + 1]):
                at = 0
                for axis in range(axes):
                    share = left[axis] // used[k, axis]
                    if share == 0:
                        at = -1
                        break
                    at += share * strides[axis]
                if at >= 0:
                    best = min(best, points[k] * out[subset ^ (1 << c), at])
            out[subset, index] = best
    return out


@njit(cache=True)
def _runs(rows, table, s, j, words, refilling):
    """A lower bound of the DRAM runs of an item's transfers."""
    if s.packed[j]:
        refills = 1.0
        for c in range(len(rows)):
            refills *= table[rows[c], s.at_visits[j] + refilling]
        return refills
    run = 1.0
    for k in range(s.axis_count[j]):
        c, stride, extent = s.axis_component[j, k], s.axis_stride[j, k], s.axis_size[j, k]
        if run != stride:
            break
        if c < 0:
            run *= extent
            continue
        widest = table[rows[c], s.at_item[j] + WIDEST]
        run *= min(extent, max(1.0, widest))
        if widest < extent:
            break
    return words / run


@njit(cache=True)
def grow(values):
    """A binary tree over rows: (left, right, first leaf rows in order, parents' order).

    Rows 0 .. n - 1 are leaves, n .. 2n - 2 inner nodes, the root last. A node is cut in two at the middle of the
    column in which its rows differ most."""
    n, columns = values.shape
    left, right = np.full(2 * n - 1, -1, np.int64), np.full(2 * n - 1, -1, np.int64)
    order = np.arange(n)
    low, high, up, side = (
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
        np.empty(2 * n, np.int64),
    )
    low[0], high[0], up[0], side[0], waiting, made = 0, n, -1, 0, 1, 2 * n - 2
    while waiting:
        waiting -= 1
        a, b, parent, which = low[waiting], high[waiting], up[waiting], side[waiting]
        if b - a == 1:
            node = order[a]
        else:
            node = made
            made -= 1
        if parent >= 0:
            if which == 0:
                left[parent] = node
            else:
                right[parent] = node
        if b - a == 1:
            continue
        best, widest, cut = -1, -1.0, 0.0
        for k in range(columns):
            smallest = largest = values[order[a], k]
            for i in range(a + 1, b):
                v = values[order[i], k]
                smallest, largest = min(smallest, v), max(largest, v)
            if largest - smallest > widest:
                best, widest, cut = k, largest - smallest, (largest + smallest) / 2
        i, j = a, b - 1
        if widest > 0:
            while i <= j:
                if values[order[i], best] <= cut:
                    i += 1
                else:
                    order[i], order[j] = order[j], order[i]
                    j -= 1
        if i in (a, b):
            i = (a + b) // 2
        for x, y, z in ((a, i, 0), (i, b, 1)):
            low[waiting], high[waiting], up[waiting], side[waiting] = x, y, node, z
            waiting += 1
    return left, right


@njit(cache=True)
def search(roots, left, right, table, s, cost, limit, most, budget):
    """Combinations of single candidates with bounds below ``limit``, the least ones found: at most ``most``.

    ``roots`` are the tree roots of the components, ``left`` and ``right`` children of every row, -1 for candidates.
    Returns (combinations, bounds, number held, nodes, cut, bound for everything left out)."""
    n = len(roots)
    depth_limit = 4096
    scratch = np.empty(4 * len(s.parent) + s.operands)
    stack = np.empty((depth_limit, n), np.int64)
    stack_value = np.empty(depth_limit)
    found = np.zeros((most, n), np.int64)
    values = np.full(most, np.inf)
    held, nodes, cut = 0, 1, 0
    rest = np.inf
    stack[0] = roots
    stack_value[0] = bound(roots, table, s, cost, scratch)[0]
    waiting = 1
    rows = roots.copy()
    while waiting:
        waiting -= 1
        value = stack_value[waiting]
        if not value < limit:
            cut += 1
            continue
        if held == most and value >= values.max():
            rest = min(rest, value)
            continue
        if nodes >= budget:
            rest = min(rest, value)
            continue
        rows[:] = stack[waiting]
        chosen, chosen_low, chosen_high = -1, -1.0, -1.0
        low_left = low_right = 0.0
        for c in range(n):
            row = rows[c]
            if left[row] < 0:
                continue
            rows[c] = left[row]
            one = bound(rows, table, s, cost, scratch)[0]
            rows[c] = right[row]
            two = bound(rows, table, s, cost, scratch)[0]
            rows[c] = row
            nodes += 2
            one, two = max(one, value), max(two, value)
            low, high = min(one, two), max(one, two)
            if chosen < 0 or low > chosen_low or (low == chosen_low and high > chosen_high):
                chosen, chosen_low, chosen_high, low_left, low_right = c, low, high, one, two
        if chosen < 0:
            if held < most:
                at = held
                held += 1
            else:
                at = int(values.argmax())
                rest = min(rest, values[at])
            values[at] = value
            found[at] = rows
            continue
        row = rows[chosen]
        first, second = (left[row], right[row]) if low_left <= low_right else (right[row], left[row])
        for child, child_value in ((second, chosen_high), (first, chosen_low)):
            if not child_value < limit:
                cut += 1
                continue
            stack[waiting] = rows
            stack[waiting, chosen] = child
            stack_value[waiting] = child_value
            waiting += 1
    return found, values, held, nodes, cut, rest


@njit(cache=True)
def fold(values, left, right, kinds):
    """Values of leaves carried to all rows of a tree: the least (kind 0), the most (1), or common bits (2)."""
    n, columns = values.shape
    out = np.empty((2 * n - 1, columns))
    out[:n] = values
    for row in range(n, 2 * n - 1):
        one, two = out[left[row]], out[right[row]]
        for k in range(columns):
            if kinds[k] == 0:
                out[row, k] = min(one[k], two[k])
            elif kinds[k] == 1:
                out[row, k] = max(one[k], two[k])
            else:
                out[row, k] = int(one[k]) & int(two[k])
    return out


@njit(cache=True, nogil=True)
def descend(rows, starts, counts, table, s, cost):
    """Improve a combination one component at a time until no other candidate of any one component is better."""
    n = len(starts)
    rows = rows.copy()
    scratch = np.empty(4 * len(s.parent) + s.operands)
    best = bound(rows, table, s, cost, scratch)[0]
    quiet, c = 0, 0
    while quiet < n:
        here = rows[c]
        mine = here
        for k in range(starts[c], starts[c] + counts[c]):
            rows[c] = k
            value = bound(rows, table, s, cost, scratch)[0]
            if value < best:
                best, mine = value, k
        rows[c] = mine
        quiet = quiet + 1 if mine == here else 0
        c = (c + 1) % n
    return rows, best


@njit(cache=True, nogil=True)
def single_bounds(component, start, count, least, table, s, cost):
    """The bound of every candidate of one component while nothing else is chosen."""
    rows = least.copy()
    scratch = np.empty(4 * len(s.parent) + s.operands)
    out = np.empty(count)
    for k in range(count):
        rows[component] = start + k
        out[k] = bound(rows, table, s, cost, scratch)[0]
    return out


@njit(cache=True, nogil=True)
def anneal(rows, leaves, offsets, table, s, cost, steps, seed, skew):
    """A good combination by random moves of one or two components, from ``rows`` on; ``leaves`` are the candidates of
    all components, alike ones next to each other; with a ``skew`` above 1 the first ones are tried more often."""
    np.random.seed(seed)
    n = len(rows)
    scratch = np.empty(4 * len(s.parent) + s.operands)
    place = np.zeros(n, np.int64)
    for c in range(n):
        for k in range(offsets[c], offsets[c + 1]):
            if leaves[k] == rows[c]:
                place[c] = k
    now = rows.copy()
    value = np.log(bound(now, table, s, cost, scratch)[0])
    best, best_value = now.copy(), value
    tried, tried_place = now.copy(), place.copy()
    for step in range(steps):
        heat = 0.5 * (1 - step / steps) ** 3 + 1e-4
        tried[:] = now
        tried_place[:] = place
        for _ in range(1 + (np.random.random() < 0.45)):
            c = np.random.randint(n)
            count = offsets[c + 1] - offsets[c]
            if np.random.random() < 0.5:
                k = offsets[c] + int(count * np.random.random() ** skew)
            else:
                reach = 2.0 ** (np.random.random() * 10) + 1
                k = place[c] + int((np.random.random() * 2 - 1) * reach)
                k = min(max(k, offsets[c]), offsets[c + 1] - 1)
            tried[c], tried_place[c] = leaves[k], k
        other = np.log(bound(tried, table, s, cost, scratch)[0])
        if other < value or np.random.random() < np.exp((value - other) / heat):
            now[:], place[:], value = tried, tried_place, other
            if value < best_value:
                best[:], best_value = now, value
    return best, np.exp(best_value)


@njit(cache=True)
def undominated(values):
    """Which rows no other row goes below or equals in every column; of equal rows the first stays.

    Rows come in ascending order of their sums, so that only earlier rows can dominate."""
    n, columns = values.shape
    keep = np.ones(n, np.bool_)
    front = np.empty(n, np.int64)
    held = 0
    for i in range(n):
        for h in range(held):
            j = front[h]
            below = True
            for k in range(columns):
                if values[j, k] > values[i, k]:
                    below = False
                    break
            if below:
                keep[i] = False
                # What dominates one row often dominates the next: look there first.
                while h > 0:
                    front[h] = front[h - 1]
                    h -= 1
                front[0] = j
                break
        if keep[i]:
            front[held] = i
            held += 1
    return keep
