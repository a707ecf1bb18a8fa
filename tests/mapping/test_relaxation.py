"""Tangents bound what they are said to bound, and no rule that cuts changes the optimum."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from tests.mapping.test_optimal import MACHINES, NESTS

from tilewright.arch.load import load_arch
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.branches import branches
from tilewright.mapping.optimal.cases import Node, solved
from tilewright.mapping.optimal.chains import EVEN
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.optimum import RULES, Search
from tilewright.mapping.optimal.relaxation import relaxed, tangent
from tilewright.mapping.problem import OBJECTIVES, NestProblem

LAYER = conv2d(K=6, C=4, Y=6, X=5, R=3, S=2, stride=(2, 1), pad=1)


def roots(problem: NestProblem, objective: str, number: int) -> list[Node]:
    """The first orders of keeps with all their candidates."""
    search = Search(problem, objective, 10**6, rules=frozenset())
    nodes = [search.root(structure, EVEN) for structure in search.structures[:number]]
    return [node for node in nodes if node is not None]


def values(node: Node, rows: list[int]) -> float:
    """The bound of one combination by the tree's own formula, in the best of the orders in which items give way."""
    starts = np.concatenate([[0], np.cumsum([len(table) for table in node.tables])])[:-1]
    table, scratch = np.concatenate(node.tables), np.empty(500)
    return min(
        float(bound(starts + rows, table, where, node.origin.machine, scratch)[0])
        for where in turns_taken(node.origin.where)
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("machine", ["mobile-npu", "eyeriss", "tpu", "flat-64k"])
def test_no_combination_goes_below_its_tangent(machine: str, objective: str) -> None:
    arch = load_arch(machine)
    rng = np.random.default_rng(1)
    judged = 0
    for node in roots(default_problem(LAYER, arch, arch.layout), objective, 3):
        found = tangent(relaxed(node.origin.where, node.origin.machine, list(node.tables), node.case), 1e30)
        # Pick candidates of low scores more often: there the bound is tight.
        orders = [np.argsort(score, kind="stable") for score in found.scores]
        for _ in range(400):
            rows = [int(order[int(len(order) * rng.random() ** 3)]) for order in orders]
            exact = values(node, rows)
            scored = found.bound + sum(float(score[row]) for score, row in zip(found.scores, rows, strict=True))
            if np.isfinite(exact):
                judged += 1
                assert scored <= np.log(exact) + 1e-7
    assert judged > 50


@pytest.mark.parametrize("machine", ["mobile-npu", "simba"])
def test_cases_leave_nothing_out(machine: str) -> None:
    # Every good combination of a node is in one of its branches, and stays when that is bounded.
    arch = load_arch(machine)
    rng = np.random.default_rng(2)
    kept = 0
    for root in roots(default_problem(LAYER, arch, arch.layout), "edp", 2):
        orders = [rng.permutation(len(rows)) for rows in root.numbers]
        combinations = [[int(order[k % len(order)]) for order in orders] for k in range(1500)]
        costs = [values(root, rows) for rows in combinations]
        limit = 1.0001 * sorted(costs)[5]
        if not np.isfinite(limit):
            continue
        chosen = [
            tuple(int(numbers[row]) for numbers, row in zip(root.numbers, rows, strict=True))
            for rows, cost in zip(combinations, costs, strict=True)
            if cost < limit
        ]
        nodes = [root]
        for _ in range(4):
            solutions = [solved(node, limit)[0] for node in nodes]
            alive = [node for node in solutions if node is not None]
            for combination in chosen:
                kept += 1
                assert any(
                    all(number in numbers for number, numbers in zip(combination, node.numbers, strict=True))
                    for node in alive
                )
            nodes = [branch for node in alive for branch in (branches(node) or [node])]
    assert kept > 20


@pytest.mark.parametrize(
    ("machine", "nest"), [("two levels, roofline", "product"), ("weights past the scratchpad", "rows")]
)
@pytest.mark.parametrize("objective", ["energy", "latency"])
def test_every_combination_of_rules_finds_the_same_optimum(machine: str, nest: str, objective: str) -> None:
    arch = MACHINES[machine]
    problem = default_problem(NESTS[nest], arch, arch.layout)
    found = set()
    for rules in chain.from_iterable(combinations(sorted(RULES), n) for n in range(len(RULES) + 1)):
        search = Search(problem, objective, 10**6, rules=frozenset(rules))
        proof = search.run(10**8)
        assert proof.bound >= search.judge.key[0] * (1 - 1e-9)
        found.add(round(search.judge.key[0], 6))
    assert len(found) == 1
