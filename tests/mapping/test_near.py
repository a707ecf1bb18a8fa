from __future__ import annotations

import pytest

from tilewright import load_arch
from tilewright.mapping.constraints import UNCONSTRAINED, parse_constraints, satisfied
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.optimal.near import climb_all
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import MAX_STEPS


@pytest.fixture(scope="module")
def problem() -> NestProblem:
    arch = load_arch("eyeriss")
    return default_problem(conv2d(K=256, C=128, Y=14, X=14), arch, arch.layout)


def test_there_are_better_mappings_near_those_of_random_moves(problem: NestProblem) -> None:
    searches = [Search(problem, "edp", MAX_STEPS) for _ in range(2)]
    for search in searches:
        search.run(0)
        before = search.judge.least
        climb_all(search)
        assert search.judge.least < before
    one, two = (search.judge for search in searches)
    assert one.best == two.best
    assert one.best is not None
    assert problems(problem, one.best) == ()
    assert evaluate(problem, one.best).value("edp") == one.least


def test_what_is_near_satisfies_the_constraints(problem: NestProblem) -> None:
    constraints = parse_constraints("par K in tiles of 19 on x\n", problem.nest, problem.arch)
    assert constraints != UNCONSTRAINED
    search = Search(problem, "edp", MAX_STEPS, constraints=constraints)
    search.run(0)
    evaluated = search.judge.evaluated
    climb_all(search)
    assert search.judge.evaluated > evaluated
    assert search.judge.best is not None
    assert satisfied(constraints, search.judge.best, problem.nest)
