"""New starts find better mappings, as many as there is time for, in every order of keeps that waits."""

from __future__ import annotations

from itertools import combinations
from time import monotonic

import numpy as np
import pytest

from tilewright import load_arch
from tilewright.mapping.constraints import parse_constraints
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.optimal import optimum, restarts
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.chains import EVEN
from tilewright.mapping.optimal.neighbours import improved
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.optimal.orders import Queue
from tilewright.mapping.optimal.restarts import start_again
from tilewright.mapping.optimal.walks import walk
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import BOUNDS, MAX_STEPS, map_nest
from tilewright.workload.nest import LoopNest


def problem_on(name: str, nest: LoopNest) -> NestProblem:
    arch = load_arch(name)
    return default_problem(nest, arch, arch.layout)


def listed(search: Search, orders: int) -> Queue:
    """Some orders of keeps with their candidates."""
    nodes = [search.root(order, search.allowed(EVEN)) for order in search.structures[:orders]]
    return [(node.bound, k, node) for k, node in enumerate(nodes) if node is not None]


def test_new_starts_find_better_mappings_than_the_first() -> None:
    problem = problem_on("eyeriss", conv2d(K=96, C=48, Y=20, X=20, R=3, S=3, pad=1))
    searches = [Search(problem, "edp", MAX_STEPS) for _ in range(2)]
    for search in searches:
        search.run(0)
        before = search.judge.least
        start_again(search, listed(search, 3), BOUNDS["long"])
        assert search.judge.least < before
        queue = listed(search, 3)
        known = search.nodes
        start_again(search, queue, BOUNDS["long"])  # once is enough
        assert search.nodes == known
    one, two = (search.judge for search in searches)
    assert one.best == two.best
    assert one.best is not None
    assert problems(problem, one.best) == ()
    assert evaluate(problem, one.best).value("edp") == one.least


@pytest.mark.parametrize(("told", "far"), [(0, 1e-9), (10**9, 1.0)])
def test_a_search_for_a_proof_starts_again(monkeypatch: pytest.MonkeyPatch, told: int, far: float) -> None:
    """After many parts, or where bounds are far below the best mapping."""
    asked: list[int] = []
    monkeypatch.setattr(optimum, "start_again", lambda search, waiting, bounds: asked.append(bounds))
    monkeypatch.setattr(optimum, "MUCH_TOLD", told)
    monkeypatch.setattr(optimum, "FAR", far)
    map_nest(problem_on("eyeriss", gemm(17, 13, 11)), "edp", timeout=10)
    assert set(asked) == {BOUNDS["proof"]}


def test_new_starts_satisfy_constraints() -> None:
    free = problem_on("eyeriss", conv2d(K=64, C=32, Y=14, X=14))
    constraints = parse_constraints("par K in tiles of 5 on x\n", free.nest, free.arch)
    search = Search(free, "edp", MAX_STEPS, constraints=constraints)
    search.run(0)
    before = len(search.finds)
    start_again(search, listed(search, 2), BOUNDS["long"])
    assert len(search.finds) > before
    for _, structure, chosen in search.finds[before:]:
        (place,) = (k for k, split in enumerate(structure.splits("K")) if split.axis == 0)
        assert chosen["K"][place] == 5


def test_new_starts_leave_time_for_a_proof() -> None:
    problem = problem_on("simba", depthwise(G=4, Y=5, X=5, R=3, S=3, pad=1))
    search = Search(problem, "edp", MAX_STEPS, deadline=monotonic() + 1000)
    search.run(0)
    queue, before = listed(search, 4), search.nodes
    start_again(search, queue, 0)
    assert search.nodes > before  # the two that were begun
    once = search.nodes - before
    search.started_again = False
    start_again(search, queue, int(20 * once / restarts.SHARE))
    assert search.nodes - before <= 24 * once
    search.deadline = monotonic() - 1
    before, search.started_again = search.nodes, False
    start_again(search, queue, BOUNDS["long"])
    assert search.nodes == before


def test_machines_without_memories_per_position_make_no_new_starts() -> None:
    search = Search(problem_on("tpu", gemm(17, 13, 11)), "edp", MAX_STEPS)
    search.run(0)
    before = search.nodes
    start_again(search, listed(search, 2), BOUNDS["long"])
    assert search.nodes == before


def test_an_interrupt_between_starts_ends_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    search = Search(problem_on("eyeriss", gemm(17, 13, 11)), "edp", MAX_STEPS)
    search.run(0)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(restarts, "noted", interrupted)
    start_again(search, listed(search, 2), BOUNDS["long"])
    assert search.interrupted
    assert search.spent


@pytest.mark.parametrize("machine", ["eyeriss", "simba"])
def test_no_neighbour_is_better_than_an_improved_combination(machine: str) -> None:
    """Every pair of components is walked; the nest is so small that no search ends early."""
    from tilewright.mapping.optimal.bound_kernels import bound
    from tilewright.mapping.optimal.costs import turns_taken
    from tilewright.mapping.optimal.transfer_kernels import scratch_of

    search = Search(problem_on(machine, conv2d(K=3, C=2, Y=3, X=3, R=2, S=2)), "edp", MAX_STEPS)
    search.run(0)
    _, _, node = listed(search, 1)[0]
    assert isinstance(node, Node)
    rows, value = walk(node, 50, 3)
    found = improved(node.guessing, rows, value)
    assert found.value <= value
    chosen = [int(np.flatnonzero(node.numbers[c] == found.node.numbers[c][row])[0]) for c, row in enumerate(found.rows)]
    where, offsets = node.guessing.origin.where, node.offsets[:-1]
    table, turns = np.concatenate(node.tables), turns_taken(where)
    for a, b in combinations(range(len(chosen)), 2):
        for one in range(0, len(node.numbers[a]), 7):
            for other in range(0, len(node.numbers[b]), 7):
                beside = np.array(chosen) + offsets
                beside[a], beside[b] = offsets[a] + one, offsets[b] + other
                for turn in turns:
                    other_value = bound(beside, table, turn, node.origin.machine, scratch_of(where))[0]
                    assert other_value >= found.value * (1 - 2e-9)
