"""Compiled short searches of many parts of a case. Imported lazily: it brings numba."""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.lattice_kernels import lattice
from tilewright.mapping.optimal.sharper_kernels import sharpened

MOST_QUESTIONS = 256


@njit(cache=True, nogil=True)
def interesting(
    heads, sizes, turns, alongs, wanted, first_head, led, ends, sharp, kept, layer_of, coefficients, constants, roles,
    codes, table, prefix, cuts, limit, most, budget, s, cost,
):  # fmt: skip
    """(whether shortest paths leave anything below the limit, work, cut, asked) for the ``wanted`` of the parts that
    ``explore`` gives: their ``heads`` by ``sizes``, ``turns``, ``alongs``.

    Rows ``led[ends[h] : ends[h + 1]]`` follow head h, the heads of component c from ``first_head[c]`` on; rows are
    those of ``sharp``, ``codes``, ``table`` and ``prefix``. ``kept`` are the features that depend on one keep's tiles.
    """
    n = sizes.shape[1]
    left = np.ones(len(sizes), np.bool_)
    questions = np.zeros(0, np.int64)
    work = cut = at = 0
    offsets = np.zeros(n + 1, np.int64)
    for part in range(len(sizes)):
        count, here = 0, at
        for c in range(n):
            for k in range(here, here + sizes[part, c]):
                head = first_head[c] + heads[k]
                count += ends[head + 1] - ends[head]
            here += sizes[part, c]
        if not wanted[part]:
            at = here
            continue
        rows = np.empty(count, np.int64)
        held = 0
        for c in range(n):
            offsets[c] = held
            for k in range(at, at + sizes[part, c]):
                head = first_head[c] + heads[k]
                for row in led[ends[head] : ends[head + 1]]:
                    rows[held] = row
                    held += 1
            at += sizes[part, c]
            rows[offsets[c] : held].sort()
        offsets[n] = held
        local = np.empty((len(sharp.kinds), held))
        sharpened(rows, offsets, sharp, turns[part], alongs[part], local)
        logs, tiles, features = np.empty((held, len(kept))), codes[rows], table[rows]
        for k in range(held):
            for f in range(len(kept)):
                logs[k, f] = local[kept[f], k]
        befores = sharp.turns[:-1] if turns[part] < 0 else sharp.turns[turns[part] : turns[part] + 1]
        own = prefix[rows] if len(prefix) else prefix
        _, _, number, done, ruled, rest, asked = lattice(
            logs, offsets, tiles, layer_of, coefficients, constants, roles, limit, most, budget, features, s, cost,
            befores, own, cuts,
        )  # fmt: skip
        work += done
        cut += ruled
        left[part] = number > 0 or rest < limit
        if left[part] and len(questions) < MOST_QUESTIONS:
            questions = np.concatenate((questions, asked))
    return left, work, cut, np.unique(questions)
