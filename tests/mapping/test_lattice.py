"""Shortest paths over vectors of tiles, and trees, find the combinations below a limit that trying all finds."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from tests.mapping.test_relaxation import LAYER, roots, values

from tilewright.arch.load import load_arch
from tilewright.mapping.nests import default_problem
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.lattice import least_in_trees, shortest_paths
from tilewright.mapping.problem import OBJECTIVES

FEW = 5
MORE = 7


def some(node: Node, seed: int, candidates: int = FEW) -> Node:
    """A node with a few of its candidates, those of small tiles among them, since others do not fit together."""
    rng = np.random.default_rng(seed)
    masks = []
    for table in node.tables:
        order = np.argsort(table.sum(axis=1), kind="stable")
        mask = np.zeros(len(table), bool)
        mask[order[(len(order) * rng.random(candidates) ** 2).astype(int)]] = True
        masks.append(mask)
    return node.only(masks)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("machine", ["mobile-npu", "eyeriss", "simba", "tpu", "flat-64k"])
@pytest.mark.parametrize("candidates", [FEW, pytest.param(MORE, marks=pytest.mark.long)])
def test_nothing_below_the_limit_is_left_out(candidates: int, machine: str, objective: str) -> None:
    arch = load_arch(machine)
    judged = 0
    for number, root in enumerate(roots(default_problem(LAYER, arch, arch.layout), objective, 3)):
        node = some(root, number, candidates)
        costs = {rows: values(node, list(rows)) for rows in product(*(range(len(numbers)) for numbers in node.numbers))}
        finite = sorted(cost for cost in costs.values() if np.isfinite(cost))
        if len(finite) < 20:
            continue
        for share in (0.05, 0.5, 1.0):
            limit = finite[int(share * (len(finite) - 1))] * (1 + 1e-9)
            below = {rows for rows, cost in costs.items() if cost < limit}
            for find in (shortest_paths, least_in_trees):
                found = find(node, limit, 10_000, 10**9)
                assert below <= {tuple(rows.tolist()) for rows in found.rows}
                assert found.rest >= limit
                few = find(node, limit, 5, 10**9)
                left = below - {tuple(rows.tolist()) for rows in few.rows}
                assert all(costs[rows] >= min(few.rest, limit) * (1 - 1e-9) for rows in left)
                judged += len(below)
    assert judged > 100


def test_a_budget_leaves_a_rest_that_bounds_what_was_not_looked_at() -> None:
    arch = load_arch("simba")
    node = some(roots(default_problem(LAYER, arch, arch.layout), "edp", 1)[0], 5)
    every = [values(node, list(rows)) for rows in product(*(range(len(numbers)) for numbers in node.numbers))]
    for budget in (1, 50, 500):
        found = shortest_paths(node, np.inf, 10_000, budget)
        seen = {tuple(rows.tolist()) for rows in found.rows}
        others = [
            cost
            for rows, cost in zip(product(*(range(len(n)) for n in node.numbers)), every, strict=True)
            if rows not in seen
        ]
        assert min(others, default=np.inf) >= found.rest * (1 - 1e-9)
