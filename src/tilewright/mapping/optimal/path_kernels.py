"""Compiled shortest paths: from layer to layer of states, which are vectors of one node per component.

Imported lazily: it brings numba.
"""

from __future__ import annotations

import numpy as np

from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.node_kernels import LARGE


@leaf
def add_products(weights, j, layer_of, least, numbers, work, out):
    """Add the weighted features of a layer at every state to ``out``."""
    components = len(numbers)
    for f in range(len(layer_of)):
        if layer_of[f] != j or weights[f] == 0.0:
            continue
        count = 1
        work[0] = weights[f]
        for c in range(components):
            m = numbers[c, j]
            for i in range(count - 1, -1, -1):
                value = work[i]
                for k in range(m - 1, -1, -1):
                    work[i * m + k] = value * least[f, c, k]
            count *= m
        for i in range(count):
            out[i] += work[i]


@leaf
def left_to_pay(weights, layer_of, least, numbers, starts, first, following, dead, work, other, sizes, out):
    """Fill ``out`` with the least weighted sum from every state on, its own layer included. ``sizes`` are scratch."""
    components, layers = numbers.shape
    for j in range(layers - 1, -1, -1):
        total = starts[j + 1] - starts[j]
        here = out[starts[j] : starts[j + 1]]
        if j == layers - 1:
            here[:] = 0.0
        else:
            source, target = work, other
            for i in range(starts[j + 2] - starts[j + 1]):
                source[i] = out[starts[j + 1] + i]
            for c in range(components):
                sizes[c] = numbers[c, j + 1]
            for c in range(components):
                before, after = 1, 1
                for k in range(c):
                    before *= sizes[k]
                for k in range(c + 1, components):
                    after *= sizes[k]
                m, n = numbers[c, j], sizes[c]
                for p in range(before):
                    for a in range(m):
                        o = (p * m + a) * after
                        target[o : o + after] = LARGE
                        for e in range(first[c, j, a], first[c, j, a + 1]):
                            i = (p * n + following[c, j, e]) * after
                            for q in range(after):
                                if source[i + q] < target[o + q]:
                                    target[o + q] = source[i + q]
                sizes[c] = m
                source, target = target, source
            for i in range(total):
                here[i] = source[i]
        add_products(weights, j, layer_of, least, numbers, work, here)
        for i in range(total):
            if dead[starts[j] + i]:
                here[i] = LARGE


@leaf
def cheapest_path(out, numbers, starts, first, following, cursor, path):
    """The cost of the cheapest path; ``path`` are then its nodes, by layer and component. ``cursor`` is scratch."""
    components, layers = numbers.shape
    at = 0
    for i in range(starts[1]):
        if out[i] < out[at]:
            at = i
    value = out[at]
    for c in range(components - 1, -1, -1):
        path[0, c] = at % numbers[c, 0]
        at //= numbers[c, 0]
    for j in range(layers - 1):
        best = np.inf
        for c in range(components):
            cursor[c] = first[c, j, path[j, c]]
        while True:
            index = 0
            for c in range(components):
                index = index * numbers[c, j + 1] + following[c, j, cursor[c]]
            if out[starts[j + 1] + index] < best:
                best = out[starts[j + 1] + index]
                for c in range(components):
                    path[j + 1, c] = following[c, j, cursor[c]]
            c = components - 1
            while c >= 0:
                cursor[c] += 1
                if cursor[c] < first[c, j, path[j, c] + 1]:
                    break
                cursor[c] = first[c, j, path[j, c]]
                c -= 1
            if c < 0:
                break
    return value
