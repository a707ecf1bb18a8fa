"""Compiled lists of the nodes that candidates pass, layer by layer, and of how they go on (see ``lattice_kernels``).

Imported lazily: it brings numba. ``offsets`` say where the rows of each component begin, ``node`` is the node of every
row in every layer, numbered within its component.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tilewright.mapping.optimal.leaf import leaf
from tilewright.mapping.optimal.transfer_kernels import DOUBLE

LARGE = 1e300


@njit(cache=True, nogil=True)
def nodes_of(codes, offsets):
    """(number of nodes per component and layer, the node of every row in every layer): rows of equal code are one."""
    components, layers = len(offsets) - 1, codes.shape[1]
    numbers = np.zeros((components, layers), np.int64)
    node = np.zeros(codes.shape, np.int64)
    for c in range(components):
        for j in range(layers):
            known = np.unique(codes[offsets[c] : offsets[c + 1], j])
            numbers[c, j] = len(known)
            node[offsets[c] : offsets[c + 1], j] = np.searchsorted(known, codes[offsets[c] : offsets[c + 1], j])
    return numbers, node


@njit(cache=True, nogil=True)
def finer(codes, logs, layer_of):
    """The codes of rows at every layer, different ones where features of the layer differ."""
    apart = np.empty(codes.shape, np.int64)
    for row in range(len(codes)):
        for j in range(codes.shape[1]):
            apart[row, j] = codes[row, j]
        for f in range(len(layer_of)):
            j = layer_of[f]
            apart[row, j] = apart[row, j] * 1_000_003 + np.int64(np.round(logs[row, f] * 1e9))
    return apart


@njit(cache=True, nogil=True)
def least_features(x, node, offsets, numbers, layer_of):
    """The least features of the rows of every node, by feature, component and node."""
    components = len(offsets) - 1
    least = np.full((len(layer_of), components, numbers.max()), LARGE)
    for f in range(len(layer_of)):
        j = layer_of[f]
        for c in range(components):
            for row in range(offsets[c], offsets[c + 1]):
                k = node[row, j]
                least[f, c, k] = min(least[f, c, k], x[row, f])
    return least


@njit(cache=True, nogil=True)
def edges(node, offsets, numbers):
    """The nodes of the next layer that follow each node: ``following[c, j, first[c, j, k] : first[c, j, k + 1]]``."""
    components, layers = numbers.shape
    most = numbers.max()
    longest = 0
    for c in range(components):
        longest = max(longest, offsets[c + 1] - offsets[c])
    first = np.zeros((components, layers, most + 1), np.int64)
    following = np.zeros((components, layers, longest), np.int64)
    seen = np.zeros((most, most), np.bool_)
    for c in range(components):
        for j in range(layers - 1):
            seen[:] = False
            for row in range(offsets[c], offsets[c + 1]):
                seen[node[row, j], node[row, j + 1]] = True
            held = 0
            for a in range(numbers[c, j]):
                first[c, j, a] = held
                for b in range(numbers[c, j + 1]):
                    if seen[a, b]:
                        following[c, j, held] = b
                        held += 1
            first[c, j, numbers[c, j]] = held
    return first, following


@njit(cache=True, nogil=True)
def trie(node, by_path, offsets, layers):
    """Where paths of rows part, for every component: the nodes of the parts of each layer, ``name``, and the first of
    the parts that each goes on in, ``inside``; those of the root come first."""
    components = len(offsets) - 1
    longest = 0
    for c in range(components):
        longest = max(longest, offsets[c + 1] - offsets[c])
    name = np.zeros((components, layers, longest), np.int64)
    inside = np.zeros((components, layers, longest + 1), np.int64)
    held = np.zeros(layers, np.int64)
    for c in range(components):
        held[:] = 0
        for k in range(offsets[c], offsets[c + 1]):
            new = k == offsets[c]
            for j in range(layers):
                new = new or node[by_path[k], j] != node[by_path[k - 1], j]
                if new:
                    name[c, j, held[j]] = node[by_path[k], j]
                    if j + 1 < layers:
                        inside[c, j + 1, held[j]] = held[j + 1]
                    held[j] += 1
        inside[c, 0, 1] = held[0]
        for j in range(layers - 1):
            inside[c, j + 1, held[j]] = held[j + 1]
    return name, inside


@njit(cache=True, nogil=True)
def by_tiles(node, by_path, offsets, table, s):
    """(layer, rows, whether they are of use, the first of every component, one they stand for): the least features of
    all rows that part no earlier than behind the scratchpad's last keep, their longest step among them, and the
    shortest in a column of its own at the end. They are of use if these rows agree in all that the scratchpad keeps.
    The layer is -1 where nothing is pipelined."""
    components, items = len(offsets) - 1, len(s.parent)
    starts, layer = np.zeros(components, np.int64), s.tile_items - 1
    stands_for = np.zeros(len(table), np.int64)
    rows, alike = np.zeros((len(table), table.shape[1] + 1)), np.ones(len(table), np.bool_)
    if s.timing != DOUBLE or layer < 0:
        return -1, rows, alike, starts, stands_for
    held = -1
    for c in range(components):
        starts[c] = held + 1
        for k in range(offsets[c], offsets[c + 1]):
            row = table[by_path[k]]
            new = k == offsets[c]
            for j in range(layer + 1):
                new = new or node[by_path[k], j] != node[by_path[k - 1], j]
            if new:
                held += 1
                rows[held, :-1], rows[held, -1], stands_for[held] = row, row[s.at_points + 2], by_path[k]
                continue
            rows[held, -1] = min(rows[held, -1], row[s.at_points + 2])
            step = max(rows[held, s.at_points + 2], row[s.at_points + 2])
            for j in range(items):
                if s.memory[j] == s.pad:
                    for f in range(s.at_item[j], s.at_item[j + 1] if j + 1 < items else s.at_points):
                        alike[held] = alike[held] and rows[held, f] == row[f]
            for f in (s.at_points + 1, s.at_points + 4):
                alike[held] = alike[held] and rows[held, f] == row[f]
            for f in range(len(row)):
                rows[held, f] = min(rows[held, f], row[f])
            rows[held, s.at_points + 2] = step
    return layer, rows, alike, starts, stands_for


@njit(cache=True, nogil=True)
def by_path_order(node, offsets):
    """The rows of every component in order of the nodes that they pass."""
    rows = np.arange(len(node))
    for c in range(len(offsets) - 1):
        for j in range(node.shape[1] - 1, -1, -1):
            own = rows[offsets[c] : offsets[c + 1]]
            rows[offsets[c] : offsets[c + 1]] = own[np.argsort(node[own, j], kind="mergesort")]
    return rows


@leaf
def place(path, c, beyond, node, by_path, low, high):
    """The first of the rows from ``low`` to ``high`` that is not before a path (``beyond``: that is behind it)."""
    while low < high:
        middle = (low + high) // 2
        order = 0
        for j in range(len(path)):
            order = node[by_path[middle], j] - path[j, c]
            if order != 0:
                break
        if order < 0 or (beyond and order == 0):
            low = middle + 1
        else:
            high = middle
    return low
