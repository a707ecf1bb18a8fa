"""Compiled bounds of what moves, and of how much of that waits. Imported lazily: it brings numba.

``rows``, ``table``, ``s``, ``cost`` and ``scratch`` are those of ``bound_kernels.bound``.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.leaf import leaf

LATENCY, ENERGY, EDP, TRAFFIC, WITHIN = 0, 1, 2, 3, 4
ROOFLINE, DOUBLE, SINGLE = 0, 1, 2


# Where an item's features stand, from its first on; after ITEM its reads for every refilling segment, then its writes.
# Words while a window slides follow: for one segment, or for every one (``repeated_windows``).
FOOTPRINT, WIDEST, LOOPS, INNER, BESIDE, OPENING, RING, SHARE, FILLED, FILLED_SLIDING, ITEM = range(11)


@njit(cache=True, nogil=True)
def scratch_of(s):
    """Room for what a bound notes on its way: eight numbers an item, one an operand and one an axis."""
    return np.empty(8 * len(s.parent) + s.operands + len(s.positions))


@leaf
def noted_at(s):
    """Where the scratch has of every item: refills, cycles in all, of the first, of the longest."""
    return 4 * len(s.parent) + s.operands + len(s.positions)


@leaf
def words_moved(rows, table, s, scratch):
    """Note the words across every boundary, and the segment of the innermost loop that every item's operand uses."""
    n, items = len(rows), len(s.parent)
    for j in range(items):
        inner = -1
        for c in range(n):
            inner = max(inner, int(table[rows[c], s.at_item[j] + INNER]))
        scratch[3 * items + s.operands + j] = inner
    for j in range(items):
        at = s.at_item[j]
        inner = int(scratch[3 * items + s.operands + j])
        # Where an item could as well stand right below its last loop, another order of keeps says so: here every loop
        # above it counts. Held in place it cannot move up, and loops further in than its last leave it alone.
        stays = inner <= s.barrier[j]
        refilling = max(inner, 0) if stays else j
        scratch[2 * items + j] = refilling
        r, w, best_r, best_w = 1.0, 1.0, 1.0, 1.0
        gives_way = gives_way_to(s, scratch, j)
        for c in range(n):
            row = table[rows[c]]
            counted = counted_before(s, scratch, j, c, gives_way)
            mine, my_writes = row[at + ITEM + counted], row[at + ITEM + j + 1 + counted]
            r *= mine
            w *= my_writes
            if s.window[c, j]:
                slides = at + ITEM + 2 * (j + 1) + (counted if s.repeated else 0)
                reads_sliding, writes_sliding = row[slides], row[slides + (j + 1 if s.repeated else 1)]
                if row[s.at_free] > 0:
                    r *= reads_sliding / max(mine, 1e-300)
                    w *= writes_sliding / max(my_writes, 1e-300)
                elif inner >= 0 and row[at + INNER] == inner:
                    best_r = min(best_r, reads_sliding / max(mine, 1e-300))
                    best_w = min(best_w, writes_sliding / max(my_writes, 1e-300))
        scratch[j], scratch[items + j] = r * best_r, w * best_w


@leaf
def gives_way_to(s, scratch, j):
    """Whether items that are to stay in place longer have their innermost loops in the segment of an item's own."""
    items = len(s.parent)
    inner, gives_way = scratch[3 * items + s.operands + j], False
    if 0 <= inner <= s.barrier[j]:
        for i in range(items):
            gives_way |= s.before[i, j] and scratch[3 * items + s.operands + i] == inner
    return gives_way


@leaf
def counted_before(s, scratch, j, c, gives_way):
    """The segment before which loops of a component count as refills of an item: in its last segment, loops of items
    that it gives way to stand before its own."""
    items = len(s.parent)
    inner, counted = int(scratch[3 * items + s.operands + j]), int(scratch[2 * items + j])
    if gives_way:
        for i in range(items):
            if s.before[i, j] and s.turns_all[i, j, c] and scratch[3 * items + s.operands + i] == inner:
                counted = min(inner + 1, j)
    return counted


@leaf
def exposed_cycles(rows, table, s, cost, scratch, points, step, steps, port, busiest, last, outgoing, store, whole):
    """A lower bound of pipelined cycles from transfers that come together: they cannot hide behind steps other than
    their own, and these may be but few.

    Take the steps in which an item is refilled (items whose innermost loop stands further out are too), or something
    passes the scratchpad by, or is stored, or several of these: they transfer, all other steps compute, none longer
    than ``step``; nor is the scratchpad's ``port`` busy longer than ``busiest`` in any. What moves in every step moves
    in these as well. First loads and last stores stand outside of all steps. ``outgoing`` are the cycles of stores,
    ``store`` those of the longest one at most. If not ``whole``, what
    passes the scratchpad by is not known and left out.
    """
    items = len(s.parent)
    inner_at = 3 * items + s.operands
    noted = noted_at(s)
    out = s.first_output
    stored = 1.0
    for c in range(len(rows)):
        stored *= table[rows[c], s.at_visits[out] + int(scratch[2 * items + out])]
    scratch[noted + 4 * out] = stored
    to_pad = s.memory[out] == s.pad
    drained = 0.0
    if to_pad:
        drained = last * s.output_bits / 8 / cost.dram_write_rate
        drained += cost.setup * fewest_runs(rows, table, s, out, s.at_points + 1) if cost.setup > 0 else 0.0
    flow, flowing, most_flowing = 0.0, 0.0, 0.0  # what passes the scratchpad by, refilled between steps
    for i in range(items):
        if s.output[i] or s.parent[i] >= 0:
            continue
        at = noted + 4 * i
        size, refilling = s.bits[i] / 8 / cost.dram_read_rate, int(scratch[2 * items + i])
        loaded = scratch[i] * size
        if s.memory[i] != s.pad:
            if not whole:
                continue
            scratch[at], scratch[at + 1] = steps, loaded
            scratch[at + 3] = _refilled(rows, table, s, scratch, i, s.at_streams[i]) * size
            if scratch[inner_at + i] < s.tile_items:
                scratch[at] = _refilled(rows, table, s, scratch, i, s.at_visits[i])
                flowing += scratch[at]
                most_flowing = max(most_flowing, scratch[at])
                flow += loaded
                if cost.setup > 0:
                    flow += cost.setup * moved_runs(rows, table, s, scratch, i, scratch[i])
            continue
        often, words, opening = 1.0, 1.0, 1.0
        for c in range(len(rows)):
            row = table[rows[c]]
            often *= row[s.at_visits[i] + refilling]
            words *= row[s.at_item[i] + WIDEST]
            opening *= row[s.at_item[i] + OPENING]
        scratch[at], scratch[at + 1] = often, loaded
        scratch[at + 2] = opening * size
        scratch[at + 3] = words * size
        if cost.setup > 0:
            scratch[at + 2] += cost.setup * fewest_runs(rows, table, s, i, s.at_item[i] + OPENING)
            scratch[at + 1] += cost.setup * moved_runs(rows, table, s, scratch, i, scratch[i])
            scratch[at + 3] += cost.setup * np.ceil(_most_runs(rows, table, s, i, words))
    best = 0.0
    for k in range(-1, items):
        if k >= 0 and (s.output[k] or s.parent[k] >= 0 or s.memory[k] != s.pad or scratch[noted + 4 * k] <= 1):
            continue
        refilled = scratch[noted + 4 * k] - 1 if k >= 0 else 0.0
        for chosen in range(4):
            streams, stores = chosen & 1, chosen >> 1
            if (streams and flow == 0.0) or (stores and not to_pad):
                continue
            taken = refilled + (flowing if streams else 0.0) + (stored - 1 if stores else 0.0)
            if taken <= 0:
                continue
            others = steps - max(refilled, max(most_flowing if streams else 0.0, stored - 1 if stores else 0.0))
            cycles = max(0.0, max(points - taken * step, port - taken * busiest))
            cycles += s.parameter_bytes / cost.dram_read_rate
            cycles += s.parameters * cost.setup + (flow if streams else 0.0)
            for i in range(items):
                if s.output[i] or s.parent[i] >= 0:
                    continue
                at = noted + 4 * i
                often, loaded, longest = scratch[at], scratch[at + 1], scratch[at + 3]
                if s.memory[i] != s.pad:
                    if whole and often == steps and not (streams and scratch[inner_at + i] < s.tile_items):
                        cycles += max(0.0, loaded - others * longest)
                    continue
                part = scratch[at + 2]
                if i == k or (k >= 0 and scratch[inner_at + i] < scratch[inner_at + k]):
                    part = loaded
                elif often == steps:
                    part = max(part, loaded - others * longest)
                elif k >= 0 and scratch[inner_at + i] > scratch[inner_at + k]:
                    part = max(part, loaded - (often - refilled - 1) * longest)
                cycles += part
            if stores:
                cycles += outgoing
            elif stored == steps and to_pad:
                cycles += drained + max(0.0, outgoing - (others + 1) * store)
            else:
                cycles += drained
            best = max(best, cycles)
    return best


@leaf
def busiest_words(rows, table, s, scratch):
    """(bytes read, words written): the most that pass the scratchpad's array side in one tile step, without partial
    sums on their way back."""
    read, written = _by_multipliers(rows, table, s, s.at_points + 5 + s.operands)
    for j in range(len(s.parent)):
        if s.parent[j] >= 0 and s.parent_memory[j] == s.pad:
            words = _refilled(rows, table, s, scratch, j, s.at_streams[j])
            if s.output[j]:
                written = words
            else:
                read += words * _most_share(rows, table, s, scratch, j) * s.bits[j] / 8
    return read, written


@leaf
def _by_multipliers(rows, table, s, at):
    """(bytes read, words written): what the multipliers themselves take of the scratchpad and hand it, by columns of
    operands from ``at`` on."""
    read, written = 0.0, 0.0
    for o in range(s.operands):
        if s.innermost_memory[o] == s.pad:
            words = 1.0
            for c in range(len(rows)):
                words *= table[rows[c], at + o]
            if o == s.output_operand:
                written = words
            else:
                read += words * s.operand_bits[o] / 8
    return read, written


@leaf
def _most_share(rows, table, s, scratch, j):
    """The most of an item's largest refill that any comes to, if its innermost loop moves a window."""
    inner, share = scratch[3 * len(s.parent) + s.operands + j], 0.0
    for c in range(len(rows)):
        row = table[rows[c]]
        if inner >= 0 and row[s.at_item[j] + INNER] == inner:
            share = max(share, row[s.at_item[j] + SHARE] if s.window[c, j] else 1.0)
    return share if inner >= 0 else 1.0


@leaf
def _refilled(rows, table, s, scratch, j, at):
    """Of what passes the scratchpad by: in how many steps, at most, it is refilled (``at`` its visits), where its
    innermost loop stands above the scratchpad's last keep; the most words of one step (``at`` its streams)."""
    items = len(s.parent)
    inner_at, refilling = 3 * items + s.operands, int(scratch[2 * items + j])
    inner = scratch[inner_at + j]
    number = 1.0
    for c in range(len(rows)):
        counted = refilling
        for i in range(items):
            if inner >= 0 and s.before[i, j] and s.turns[i, j, c] and scratch[inner_at + i] == inner:
                counted = min(int(inner) + 1, j)
        number *= table[rows[c], at + counted]
    return number


@leaf
def idle_cycles(rows, table, s, cost, scratch, step, final, passing, spilled):
    """(idle, store): cycles at least without any transfer while the first or the last of several steps computes, less
    ``passing``, what passes the scratchpad by, where it is not known when; and the most cycles of one store. Nothing is
    stored in the first step, nothing loaded in the last. ``spilled`` says whether partial sums go to DRAM.
    """
    loads, stores, longest, refills, known = 0.0, 0.0, 0.0, 1.0, True
    items = len(s.parent)
    for j in range(items):
        if s.parent[j] >= 0:
            continue
        visits, words = 1.0, 1.0
        for c in range(len(rows)):
            visits *= table[rows[c], s.at_visits[j] + int(scratch[2 * items + j])]
            words *= table[rows[c], s.at_item[j] + WIDEST]
        if s.memory[j] != s.pad:
            known = known and visits == 1 and not s.output[j]  # else it is not known in which steps it moves
            continue
        refills = max(refills, visits)
        runs = np.ceil(_most_runs(rows, table, s, j, words))
        if s.output[j]:
            bits = s.accumulator_bits if spilled else s.output_bits
            store = words * bits / 8 / cost.dram_write_rate + cost.setup * runs
            longest = store + 1.0  # a whole number
            stores += store if visits > 1 and _brief(rows, table, s, scratch, j) else 0.0
            loads += words * bits / 8 / cost.dram_read_rate + cost.setup * runs if spilled and visits > 1 else 0.0
        elif visits > 1 and _brief(rows, table, s, scratch, j):
            if cost.setup > 0:  # of all runs that are counted no larger part than of all words
                share = min(1.0, words / max(scratch[j], 1e-300))
                runs = min(runs, moved_runs(rows, table, s, scratch, j, scratch[j]) * share)
            loads += words * s.bits[j] / 8 / cost.dram_read_rate + cost.setup * runs
    if refills < 2:
        return 0.0 if known else -passing, longest
    # What passes the scratchpad by moves in the first step, if it does so once.
    if known:
        return max(0.0, final - stores) + max(0.0, step - loads - passing), longest
    return max(0.0, final - stores) + max(0.0, step - loads) - passing, longest


@leaf
def ending_words(rows, table, s, scratch):
    """(bytes read, words written): the least that passes the scratchpad's array side in the last of all steps, without
    partial sums on their way back."""
    items = len(s.parent)
    read, written = _by_multipliers(rows, table, s, s.at_points + 5 + 2 * s.operands)
    for j in range(items):
        if s.parent[j] < 0 or s.parent_memory[j] != s.pad:
            continue
        inner, refilling = scratch[3 * items + s.operands + j], int(scratch[2 * items + j])
        words, share = 1.0, 1.0
        for c in range(len(rows)):
            row = table[rows[c]]
            own = row[s.at_ending[j] + refilling]
            words *= own
            if s.window[c, j] and inner >= 0 and row[s.at_item[j] + INNER] == inner:
                share = min(share, row[s.at_ending[j] + j + 1 + refilling] / max(own, 1e-300))
        if s.output[j]:
            written = words
        else:
            read += words * share * s.bits[j] / 8
    return read, written


@leaf
def _run(rows, table, s, j, column, longest):
    """The words that a run of an item's transfers has, by the tiles of a column: at most (``longest``, where tiles of
    several components are taken for whole) or at least."""
    run = 1.0
    for k in range(s.axis_count[j]):
        c, extent = s.axis_component[j, k], s.axis_size[j, k]
        if run != s.axis_stride[j, k]:
            break
        if c < 0:
            if not longest:
                break
            run *= extent
            continue
        row = table[rows[c]]
        tile = row[s.at_item[j] + column]
        loose = 0 if longest or row[s.at_item[j] + LOOPS] == 0 else s.axis_loose[j, k]
        if loose == 2:
            break
        run *= min(extent, max(1.0, tile))
        if tile < extent or loose == 1:
            break
    return run


@leaf
def _most_runs(rows, table, s, j, words):
    """The most DRAM runs of one transfer of an item that moves at most so many words."""
    if s.packed[j]:
        return 1.0
    return words / _run(rows, table, s, j, FOOTPRINT, False)


@leaf
def _stretched(rows, table, s, j):
    """Bits of the components along which a refill of an item may be a single run: up to the first axis, from the one
    on along which addresses lie next to each other, that a tile does not cover."""
    found, full = 0, 1.0
    for k in range(s.axis_count[j]):
        if full != s.axis_stride[j, k]:
            break
        c, extent = s.axis_component[j, k], s.axis_size[j, k]
        if c < 0:
            return -1
        found |= 1 << c
        if table[rows[c], s.at_item[j] + WIDEST] < extent:
            break
        full *= extent
    return found


@leaf
def fewest_runs(rows, table, s, j, column):
    """The fewest DRAM runs of one transfer of an item; ``column`` has its words by component."""
    runs, stretched = 1.0, _stretched(rows, table, s, j)
    for c in range(len(rows)):
        words = table[rows[c], column]
        if words <= 0:
            return 0.0
        if not stretched >> c & 1:
            runs *= words
    return 1.0 if s.packed[j] or s.padded[j] else runs


@leaf
def runs_of(rows, table, s, j, words, refilling, inner, later):
    """A lower bound of the DRAM runs of an item's transfers: every refill that brings anything is one, of each of its
    rows that do not lie next to each other. ``inner`` is the segment of the innermost loop (-1: none), ``later`` are
    bits of the components of which loops stand before it."""
    if s.padded[j]:  # refills that lie in padding are no runs
        return 1.0 if words > 0 else 0.0
    at, stretched, total, share = s.at_item[j], _stretched(rows, table, s, j), 1.0, 1.0
    for c in range(len(rows)):
        row = table[rows[c]]
        counted = min(inner + 1, j) if later >> c & 1 else refilling
        if s.packed[j]:
            total *= row[s.at_visits[j] + counted]
            continue
        if stretched >> c & 1:
            own = row[s.at_visits[j] + counted] * row[at + FILLED]
            sliding = row[s.at_visits[j] + counted] * row[at + FILLED_SLIDING]
        else:
            own, sliding = row[at + ITEM + counted], row[at + ITEM + 2 * (j + 1) + (counted if s.repeated else 0)]
        total *= own
        if s.window[c, j] and row[s.at_free] > 0:
            total *= sliding / max(own, 1e-300)
        elif s.window[c, j] and inner >= 0 and row[at + INNER] == inner:
            share = min(share, sliding / max(own, 1e-300))
    if s.packed[j]:
        return total
    return max(total * share, words / _run(rows, table, s, j, WIDEST, True))


@leaf
def _later(s, scratch, j, components):
    """Bits of the components of which loops stand before those of an item in its last segment."""
    items, later = len(s.parent), 0
    inner_at = 3 * items + s.operands
    inner = int(scratch[inner_at + j])
    if 0 <= inner <= s.barrier[j]:
        for i in range(items):
            if s.before[i, j] and scratch[inner_at + i] == inner:
                for c in range(components):
                    later |= int(s.turns_all[i, j, c]) << c
    return later


@leaf
def moved_runs(rows, table, s, scratch, j, words):
    """``runs_of`` an item, from what ``words_moved`` has noted."""
    items = len(s.parent)
    inner, later = int(scratch[3 * items + s.operands + j]), _later(s, scratch, j, len(rows))
    return runs_of(rows, table, s, j, words, int(scratch[2 * items + j]), inner, later)


@leaf
def _brief(rows, table, s, scratch, j):
    """Whether the first visit of an item that DRAM feeds, or the last one of the output's, is a single tile step."""
    inner, later, steps = int(scratch[3 * len(s.parent) + s.operands + j]), _later(s, scratch, j, len(rows)), 1.0
    for c in range(len(rows)):
        counted = min(inner + 1, j) if later >> c & 1 else int(scratch[2 * len(s.parent) + j])
        steps *= table[rows[c], s.at_lasting[j] + counted]
    return steps < 2


@leaf
def exposed_by_tiles(rows, table, s, cost, scratch):
    """The same for rows that agree in all that the scratchpad keeps: their least factors, the longest of their steps.

    Whatever is kept further in, no mapping of them takes fewer cycles.
    """
    words_moved(rows, table, s, scratch)
    out = s.first_output
    points, last, step, steps = 1.0, 1.0, 1.0, 1.0
    for c in range(len(rows)):
        row = table[rows[c]]
        points *= row[s.at_points]
        last *= row[s.at_points + 1]
        step *= row[s.at_points + 2]
        steps *= row[s.at_points + 4]
    outgoing, store = 0.0, 0.0
    if s.memory[out] == s.pad:
        wide = s.accumulator_bits / 8
        back = max(0.0, scratch[out] - s.results)
        outgoing = (s.results * s.output_bits / 8 + back * wide) / cost.dram_write_rate
        if cost.setup > 0 and back == 0.0:
            outgoing += cost.setup * moved_runs(rows, table, s, scratch, out, s.results)
        _, store = idle_cycles(rows, table, s, cost, scratch, step, 0.0, 0.0, back > 0.0)
    whole = np.bool_(False)
    return exposed_cycles(rows, table, s, cost, scratch, points, step, steps, 0.0, np.inf, last, outgoing, store, whole)
