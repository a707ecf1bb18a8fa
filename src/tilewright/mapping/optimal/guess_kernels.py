"""Compiled guess of the pipelined cycles of a combination, for searches that look for good mappings and prove nothing.

Bounds have to hold however ragged chunks are; a guess takes all refills of an item for alike. Imported lazily: it
brings numba."""

from __future__ import annotations

import numpy as np

from tilewright.mapping.optimal.leaf import leaf


@leaf
def guessed(s, cost, scratch, noted, tile, steps, outgoing, dma):
    """Cycles if the refills of an item take equally long, those of an item refilled less often coming together with
    those of items refilled more often, loads in the last step before, all others in the first one of new contents.

    ``scratch[noted + 4 * i]`` has in how many steps item i moves from or to DRAM and, but for results, the cycles of
    that in all; ``tile`` are the cycles of computing in all, ``outgoing`` those of stores, ``dma`` those of all
    transfers.
    """
    items = len(s.parent)
    one, base, loading, flowing = tile / steps, 0.0, 0.0, 0.0  # of a step; what moves in every one; all streams of one
    edges = s.parameter_bytes / cost.dram_read_rate + cost.setup * s.parameters
    known = edges
    for i in range(items):
        at = noted + 4 * i
        if s.parent[i] >= 0:
            scratch[at] = 0.0
            continue
        often = scratch[at]
        if s.output[i]:
            scratch[at + 1] = outgoing
        known += scratch[at + 1]
        scratch[at + 1] /= often
        if s.memory[i] == s.pad:  # the first load and the last store stand outside of all steps
            edges += scratch[at + 1]
        else:
            flowing += scratch[at + 1]
        if 2 * often > steps:
            each = scratch[at + 1] * often / steps
            base += each
            loading += 0.0 if s.output[i] or s.memory[i] != s.pad else each
    base += max(0.0, dma - known) / steps  # partial sums that come back
    # Nothing is stored in the first step, nothing loaded in the last.
    cycles, spent = edges + max(one, (loading if steps > 1 else 0.0) + flowing), 1.0
    if steps > 1:
        cycles += max(one, base - loading)
        spent += 1
    for i in range(items):
        often = scratch[noted + 4 * i]
        if often <= 0 or 2 * often > steps:
            continue
        loads = s.memory[i] == s.pad and not s.output[i]
        before, burst, first = 1.0, base, True
        for k in range(items):
            other = scratch[noted + 4 * k]
            if other <= 0 or 2 * other > steps or loads != (s.memory[k] == s.pad and not s.output[k]):
                continue
            if other < often:
                before = max(before, other)
            else:
                burst += scratch[noted + 4 * k + 1]
                first = first and not (other == often and k < i)
        number = max(0.0, often - before) if first else 0.0
        cycles += number * max(one, burst)
        spent += number
    return np.ceil(cycles + max(0.0, steps - spent) * max(one, base) - 1e-6)
