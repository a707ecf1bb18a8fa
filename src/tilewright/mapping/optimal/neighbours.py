"""Better combinations by exact search among their neighbours: those that differ in two components alone; or in the
tiles further in than those of one step, or further out; or in everything but the positions that they take."""

from __future__ import annotations

from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.optimal.cases import SAME, Node
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import stacked
from tilewright.mapping.optimal.lattice import least_in_trees
from tilewright.mapping.optimal.roots import below

BETTER = 1 - 1e-9
BUDGET = 4_000  # bounds of one search
ROUNDS = 4  # searches of every kind


class Improved(NamedTuple):
    """A combination, ``rows`` of a node with those candidates that may be part of something better, and what it
    costs; ``work`` is in bounds."""

    node: Node
    rows: Any
    value: float
    work: int


def improved(node: Node, rows: Any, value: float) -> Improved:
    """A combination improved until none of its neighbours is better, as far as short searches find it, or there have
    been so many rounds of them. Candidates that cannot be part of anything better are left out of each search."""
    node, rows = _hopeful(node, np.array(rows), value)
    stacks, alike = _stacks(node), _alike(node)
    kinds: list[Any] = [*combinations(range(len(rows)), 2), *alike]
    quiet = work = 0
    for number in range(ROUNDS * len(kinds)):
        kind = kinds[number % len(kinds)]
        masks = _beside(rows, kind, node) if isinstance(kind, tuple) else _same(rows, kind)
        masks = _below(node, stacks, rows, masks, value)
        work += sum(int(mask.sum()) for mask in masks)
        quiet += 1
        if all(mask.any() for mask in masks):
            found = least_in_trees(node.only(masks), value * BETTER, 1, BUDGET)
            work += found.work
            if found.rows:
                rows = np.array([np.flatnonzero(mask)[row] for mask, row in zip(masks, found.rows[0], strict=True)])
                value, quiet = found.values[0], 0
        if quiet == len(kinds):
            break
    return Improved(node, rows, value, work)


def _stacks(node: Node) -> list[list[Floats]]:
    return [stacked(table, node.origin.kinds, node.origin.where.at_free) for table in node.tables]


def _alike(node: Node) -> list[list[Floats]]:
    """Columns of every component in which neighbours agree: the tiles of a step and those further out, the tiles of
    a step and those further in, or positions."""
    origin = node.origin
    last = origin.structure.tile_items - 1
    codes: list[Floats] = [origin.codes(c, rows).astype(float) for c, rows in enumerate(node.numbers)]
    return [[own[:, : last + 1] for own in codes], [own[:, last:] for own in codes], node.shares()]


def _beside(rows: Any, free: tuple[int, int], node: Node) -> list[Any]:
    """The candidates of two components, and those chosen of all others."""
    return [
        np.ones(len(numbers), bool) if c in free else np.arange(len(numbers)) == row
        for c, (numbers, row) in enumerate(zip(node.numbers, rows, strict=True))
    ]


def _same(rows: Any, columns: list[Floats]) -> list[Any]:
    """The candidates that agree with those chosen in some columns."""
    return [(abs(own - own[row]) < SAME).all(axis=1) for own, row in zip(columns, rows, strict=True)]


def _below(node: Node, stacks: list[list[Floats]], rows: Any, masks: list[Any], value: float) -> list[Any]:
    """Those of some candidates that may be part of something better together with the others."""
    kinds, free = node.origin.kinds, node.origin.where.at_free
    open_ones = [c for c, mask in enumerate(masks) if mask.sum() > 1]
    own = {c: stacks[c] if masks[c].all() else stacked(node.tables[c][masks[c]], kinds, free) for c in open_ones}
    beside = np.stack([own[c][-1][0] if c in own else node.tables[c][row] for c, row in enumerate(rows)])
    found = list(masks)
    for c, levels in own.items():
        found[c] = masks[c].copy()
        found[c][masks[c]] = below(node, levels, beside, c, value * BETTER)
    return found


def _hopeful(node: Node, rows: Any, value: float) -> tuple[Node, Any]:
    """The node without candidates that cannot be part of anything better, and where the chosen ones stand in it."""
    masks = _below(node, _stacks(node), rows, [np.ones(len(numbers), bool) for numbers in node.numbers], value)
    for mask, row in zip(masks, rows, strict=True):
        mask[row] = True
    return node.only(masks), np.array([int(mask[:row].sum()) for mask, row in zip(masks, rows, strict=True)])
