"""Compiled bound of a choice of candidates. Imported lazily: it brings numba.

``rows[c]`` is the candidate chosen for component c, or its row of least features while none is. The bound of such a
choice holds for every completion of it, since every factor, every flag and every room can only grow.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.guess_kernels import guessed
from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.transfer_kernels import (
    BESIDE,
    EDP,
    ENERGY,
    FOOTPRINT,
    LATENCY,
    LOOPS,
    OPENING,
    RING,
    ROOFLINE,
    SINGLE,
    TRAFFIC,
    WITHIN,
    busiest_words,
    counted_before,
    ending_words,
    exposed_cycles,
    fewest_runs,
    gives_way_to,
    idle_cycles,
    moved_runs,
    noted_at,
    words_moved,
)


@leaf
def bound(rows, table, s, cost, scratch):
    """(objective, energy, cycles) that no completion goes below; infinite where none can be legal.

    ``table`` has the features of all rows, packed as ``costs.Packing`` says; ``s`` says what the structure's items are,
    ``cost`` what everything costs; ``scratch`` is ``scratch_of(s)``.
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
    taken = 1.0
    for c in range(n):
        taken *= table[rows[c], s.at_points + 4]
    if taken > s.most_steps:
        return np.inf, np.inf, np.inf
    words_moved(rows, table, s, scratch)
    # Room.
    for group in range(len(s.capacity)):
        if s.capacity[group] == np.inf:
            continue
        total = s.reserved[group]
        for j in range(items):
            if s.group[j] != group:
                continue
            at = s.at_item[j]
            words, ahead, loops = 1.0, 1.0, 0.0
            for c in range(n):
                row = table[rows[c]]
                words *= row[at + FOOTPRINT]
                ahead *= row[at + RING]
                loops += row[at + LOOPS]
            if s.doubles[j] == 2 or (s.doubles[j] == 1 and loops > 1):
                words *= 2
            elif s.doubles[j] == 1:
                # With one loop there is a ring, or two footprints, in one component alone. While candidates are not
                # single there may be more loops, and then there are two footprints of all.
                words = min(ahead, 2 * words)
            bits = s.narrow_bits[j]
            if s.next_output[j] >= 0 and _partial(rows, table, s, scratch, s.next_output[j]):
                bits = s.accumulator_bits
            size = np.ceil(words * bits / 8 - 1e-9)
            total += np.ceil(size / s.aligned[j]) * s.aligned[j]
        if total > s.capacity[group]:
            return np.inf, np.inf, np.inf
    points, last, step, final, steps = 1.0, 1.0, 1.0, 1.0, 1.0
    parallel, chosen = 0, True
    served = 3 * items
    for o in range(s.operands):
        scratch[served + o] = 1.0
    for c in range(n):
        row = table[rows[c]]
        chosen = chosen and row[s.at_free] == 0
        points *= row[s.at_points]
        last *= row[s.at_points + 1]
        step *= row[s.at_points + 2]
        final *= row[s.at_points + 3]
        steps *= row[s.at_points + 4]
        parallel |= int(row[s.at_free + 1])
        for o in range(s.operands):
            scratch[served + o] *= row[s.at_points + 5 + o]
    if not chosen and s.objective != TRAFFIC:
        # Whatever the open components do, together they share the positions that are left on every axis.
        left = scratch[4 * items + s.operands :]
        open_set, at_left = _open(rows, table, s, left)
        points = max(points, _shared(rows, table, s, -1, open_set, at_left, left))
        for o in range(s.operands):
            scratch[served + o] = max(scratch[served + o], _shared(rows, table, s, o, open_set, at_left, left))
    energy = cost.fixed_pj
    dram_read, dram_written, runs = s.parameter_bytes, 0.0, s.parameters * 1.0
    pad_read, pad_written, moved_in, moved_out, streamed = 0.0, 0.0, s.parameter_bytes, 0.0, 0.0
    passing = 0.0  # the cycles of what passes the scratchpad by
    again_read, arriving = 0.0, 0.0  # partial sums that leave the scratchpad again, and the width of what arrives there
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
            own_runs = 0.0
            if cost.setup > 0:
                own_runs = moved_runs(rows, table, s, scratch, j, scratch[j])
                runs += own_runs
            if s.memory[j] == s.pad:
                moved_in += bytes_read
                words = 1.0
                for c in range(n):
                    words *= table[rows[c], s.at_item[j] + OPENING]
                opening += words * size
                opening_runs += fewest_runs(rows, table, s, j, s.at_item[j] + OPENING) if cost.setup > 0 else 0.0
            else:
                streamed += bytes_read
                passing += bytes_read / cost.dram_read_rate + cost.setup * own_runs
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
    outgoing, spilled = 0.0, True
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
            outgoing, spilled = (stored + back * wide) / cost.dram_write_rate, back > 0.0
            if cost.setup > 0:
                results_runs = moved_runs(rows, table, s, scratch, k, s.results + 2 * back)
                runs += results_runs
                outgoing += cost.setup * results_runs if back == 0.0 else 0.0
            child_back = 0.0
        else:
            child_back = 0.0 if s.may_scatter[k] else back
            if parallel & s.between[k]:
                energy += child_back * wide * cost.link_pj
        following = s.next_output[k]
        if following >= 0:
            held = wide if _partial(rows, table, s, scratch, following) else s.output_bits / 8
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
            again_read, arriving = again * held, held
            pad_read += again_read
            pad_written += coming * held
        if following < 0:
            break
        k, started = following, started_here
    # Time.
    port = _port(cost, pad_read, pad_written)
    if s.timing == ROOFLINE:
        whole = _port(cost, pad_read + moved_out, pad_written + moved_in)
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
            # Each of them, and every step, takes a whole number of cycles.
            tile = np.ceil(tile - 1e-6)
            edges = np.ceil(opening / cost.dram_read_rate + cost.setup * opening_runs - 1e-6)
            if s.memory[s.first_output] == s.pad:
                edges += np.ceil(last * s.output_bits / 8 / cost.dram_write_rate - 1e-6)
                if cost.setup > 0:
                    edges += cost.setup * fewest_runs(rows, table, s, s.first_output, s.at_points + 1)
            cycles = max(tile + edges, dma)
            if chosen and not _enough(s, energy + cycles * cost.leakage_pj, cycles):
                # Without what comes again: of that it is not known in which steps it does.
                port = _port(cost, pad_read - again_read, pad_written)
                read, written = busiest_words(rows, table, s, scratch)
                busiest = _port(cost, read, written * arriving)
                read, written = ending_words(rows, table, s, scratch)
                least = port - (steps - 1) * busiest  # of any step
                final = max(max(final, least), _port(cost, read, written * arriving))
                first = max(step, least)
                idle, store = idle_cycles(rows, table, s, cost, scratch, first, final, passing, spilled)
                whole = np.bool_(True)  # a literal would have it compiled once more
                exposed = exposed_cycles(
                    rows, table, s, cost, scratch, points, step, steps, port, busiest, last, outgoing, store, whole
                )
                cycles = max(cycles, max(exposed, dma + idle))
                if s.guess:
                    cycles = max(cycles, guessed(s, cost, scratch, noted_at(s), tile, steps, outgoing, dma))
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


@leaf
def _partial(rows, table, s, scratch, j):
    """Whether visits of the results' item j leave partial sums: loops of other dimensions stand before what refills it,
    so that the item that it drains into is as wide as they are."""
    gives_way = gives_way_to(s, scratch, j)
    for c in range(len(rows)):
        counted = counted_before(s, scratch, j, c, gives_way)
        if int(table[rows[c], s.at_item[j] + BESIDE]) & ((1 << counted) - 1):
            return True
    return False


@leaf
def take_turn(s, befores, k):
    """Let items give way to each other in the k-th of some orders."""
    for i in range(befores.shape[1]):
        for j in range(befores.shape[2]):
            s.before[i, j] = befores[k, i, j]


@leaf
def _port(cost, read, written):
    """The cycles that the scratchpad needs for bytes on their way out and in."""
    if cost.pad_shared:
        return (read + written) / cost.pad_read_rate
    return max(read / cost.pad_read_rate, written / cost.pad_write_rate)


@leaf
def _enough(s, energy, cycles):
    """Whether energy and cycles are beyond all interest."""
    if s.objective == EDP:
        return energy * cycles >= s.enough
    return s.objective == LATENCY and cycles >= s.enough


@leaf
def _open(rows, table, s, left):
    """(bits of the components that are not settled, where the fewest steps on what is left to them are tabled): a
    component is settled when all candidates left of it take the same positions. ``left`` becomes the positions of every
    axis that settled ones leave.
    """
    open_set, at_left = 0, 0
    axes = len(s.positions)
    for axis in range(axes):
        left[axis] = s.positions[axis]
    for c in range(len(rows)):
        row = table[rows[c]]
        settled = True
        for axis in range(axes):
            settled = settled and row[s.at_used + axis] == row[s.at_used + axes + axis]
        if not settled:
            open_set |= 1 << c
            continue
        for axis in range(axes):
            if row[s.at_used + axis] > 1:
                left[axis] = np.floor(left[axis] / row[s.at_used + axis])
    for axis in range(axes):
        at_left += int(left[axis]) * s.lane_strides[axis]
    return open_set, at_left


@leaf
def _shared(rows, table, s, o, open_set, at_left, left):
    """A lower bound of the compute steps (o = -1), or of the words served of an operand, from positions alone.

    What components that are not settled do, together they share the positions that are left on every axis; a factor
    times the positions that it takes is at least its extent, and for compute steps the fewest are tabled exactly.
    """
    total, free, fixed = 1.0, 1.0, 1.0
    axes = len(s.positions)
    for c in range(len(rows)):
        row = table[rows[c]]
        factor = row[s.at_points] if o < 0 else row[s.at_points + 5 + o]
        extent = s.extents[c] if o < 0 else s.strange[o, c]
        if not open_set >> c & 1 or extent <= 1:
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
    if o < 0:
        return max(total, fixed * s.fewest[open_set, at_left])
    for axis in range(axes):
        if s.sharing[o] >> axis & 1:
            free /= max(left[axis], 1.0)
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
