"""Better combinations by exact search over two components at a time, all others as they are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import stacked
from tilewright.mapping.optimal.lattice import least_in_trees
from tilewright.mapping.optimal.roots import below

BETTER = 1 - 1e-9
BUDGET = 4_000  # bounds of one search over a pair


def by_pairs(node: Node, rows: Any, value: float, rounds: int = 3) -> tuple[Node, Any, float, int]:
    """(node, rows, value, work): a combination improved until no pair of components has anything better, as far as
    short searches find it, or all pairs have had so many turns. Candidates that cannot be part of anything better are
    left out of each search, and for good of the node that comes back: ``rows`` are numbers in it."""
    node, rows = _hopeful(node, np.array(rows), value)
    stacks = _stacks(node)
    pairs = list(combinations(range(len(rows)), 2))
    quiet = work = 0
    for number in range(rounds * len(pairs)):
        pair = pairs[number % len(pairs)]
        masks = _masks(node, stacks, rows, pair, value)
        work += sum(len(node.numbers[c]) for c in pair)
        quiet += 1
        if all(mask.any() for mask in masks):
            found = least_in_trees(node.only(masks), value * BETTER, 1, BUDGET)
            work += found.work
            if found.rows:
                rows = np.array([np.flatnonzero(mask)[row] for mask, row in zip(masks, found.rows[0], strict=True)])
                value, quiet = found.values[0], 0
        if quiet == len(pairs):
            break
    return node, rows, value, work


def _stacks(node: Node) -> list[list[Floats]]:
    return [stacked(table, node.origin.kinds, node.origin.where.at_free) for table in node.tables]


def _masks(node: Node, stacks: list[list[Floats]], rows: Any, free: Sequence[int], value: float) -> list[Any]:
    """The candidates of every component that may be part of something better, if only those of ``free`` ones change."""
    beside = np.stack([stacks[c][-1][0] if c in free else node.tables[c][row] for c, row in enumerate(rows)])
    return [
        below(node, stacks[c], beside, c, value * BETTER) if c in free else np.arange(len(node.numbers[c])) == row
        for c, row in enumerate(rows)
    ]


def _hopeful(node: Node, rows: Any, value: float) -> tuple[Node, Any]:
    """The node without candidates that cannot be part of anything better, and where the chosen ones stand in it."""
    masks = _masks(node, _stacks(node), rows, range(len(rows)), value)
    for mask, row in zip(masks, rows, strict=True):
        mask[row] = True
    return node.only(masks), np.array([int(mask[:row].sum()) for mask, row in zip(masks, rows, strict=True)])
