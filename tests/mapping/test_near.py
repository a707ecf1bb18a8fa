from __future__ import annotations

from dataclasses import replace
from time import monotonic

import pytest

from tilewright import load_arch
from tilewright.mapping.constraints import UNCONSTRAINED, parse_constraints
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.optimal import optimum
from tilewright.mapping.optimal.chains import Choice
from tilewright.mapping.optimal.near import beside, climb_all, near
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import BOUNDS, MAX_STEPS, map_nest
from tilewright.workload.nest import LoopNest


def problem_on(name: str, nest: LoopNest) -> NestProblem:
    arch = load_arch(name)
    return default_problem(nest, arch, arch.layout)


def test_there_are_better_mappings_near_the_best_that_is_found_otherwise() -> None:
    problem = problem_on("eyeriss", conv2d(K=96, C=48, Y=20, X=20, R=3, S=3, pad=1))
    searches = [Search(problem, "edp", MAX_STEPS) for _ in range(2)]
    for search in searches:
        search.run(0)
        before = search.judge.least
        climb_all(search, BOUNDS["long"])
        assert search.judge.least < before
    one, two = (search.judge for search in searches)
    assert one.best == two.best
    assert one.best is not None
    assert problems(problem, one.best) == ()
    assert evaluate(problem, one.best).value("edp") == one.least


def test_a_search_for_a_proof_climbs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(optimum, "climb_all", lambda search, bounds: asked.append(bounds))
    monkeypatch.setattr(optimum, "MUCH_TOLD", 0)
    map_nest(problem_on("eyeriss", gemm(17, 13, 11)), "edp", timeout=10)
    assert asked == [BOUNDS["proof"]]


def test_only_tiles_that_constraints_allow_are_near() -> None:
    free = problem_on("eyeriss", conv2d(K=64, C=32, Y=14, X=14))
    constraints = parse_constraints("par K in tiles of 5 on x\n", free.nest, free.arch)
    search = Search(free, "edp", MAX_STEPS, constraints=constraints)
    search.run(0)
    assert search.winner is not None
    structure, chosen = search.winner
    part = next(k for k, dims in enumerate(search.parts) if "K" in dims)

    def unrolled(order: Structure, choice: Choice) -> set[int]:
        """The tiles of K on the axis, of all candidates."""
        node = search.root(order, choice)
        assert node is not None
        (place,) = (k for k, split in enumerate(order.splits("K")) if split.axis == 0)
        rows = ([row if c == part else 0 for c in range(len(node.numbers))] for row in range(len(node.numbers[part])))
        return {node.tiles(chosen)["K"][place] for chosen in rows}

    for order in (structure, *beside(structure, chosen)[:2]):
        choice = near(search, order, chosen)
        assert unrolled(order, choice) == {5}
        assert unrolled(order, replace(choice, constraints=UNCONSTRAINED)) > {5}


def test_climbing_leaves_time_for_a_proof() -> None:
    problem = problem_on("simba", depthwise(G=4, Y=5, X=5, R=3, S=3, pad=1))
    search = Search(problem, "edp", MAX_STEPS, deadline=monotonic() + 1000)
    search.run(0)
    walked = search.nodes
    climb_all(search, 1_000_000)
    assert search.nodes - walked <= 100_000 + 200_000  # the move that passes the limit is ended
