"""Proofs in rungs end at the optimum, and what is known before is never too much."""

from __future__ import annotations

import pytest
from tests.mapping.test_restarts import problem_on

from tilewright.mapping.nests import conv2d, depthwise, gemm
from tilewright.mapping.optimal import optimum, rungs
from tilewright.mapping.optimal.judge import Proof
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.optimal.orders import Queue
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import MAX_STEPS

NESTS = {
    "conv": conv2d(K=8, C=4, Y=7, X=5, R=3, S=3, pad=1),
    "depthwise": depthwise(G=6, Y=7, X=5, R=3, S=2, stride=2),
    "gemm": gemm(17, 13, 11),
}
ENOUGH = 10**9


def without_first_mappings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever random moves find first is all that there is: far from the best."""
    for name in ("pair_all", "polish_all", "start_again"):
        monkeypatch.setattr(optimum, name, lambda *_: None)


def proven(problem: NestProblem, objective: str, close: float, monkeypatch: pytest.MonkeyPatch) -> tuple[float, int]:
    """The optimum, and the rungs that its proof took."""
    monkeypatch.setattr(rungs, "CLOSE", close)
    caps: list[tuple[str, float]] = []
    whole = Search.emptied

    def noted(search: Search, queue: Queue, proof: Proof, budget: int) -> None:
        caps.append((proof.space, search.cap))
        whole(search, queue, proof, budget)

    monkeypatch.setattr(Search, "emptied", noted)
    search = Search(problem, objective, MAX_STEPS)
    proof = search.run(ENOUGH)
    monkeypatch.setattr(Search, "emptied", whole)
    assert proof.bound >= search.judge.least
    assert search.cap == float("inf")
    assert caps == sorted(caps, key=lambda one: (spaces(caps).index(one[0]), one[1]))
    return search.judge.least, sum(cap < float("inf") for _, cap in caps)


def spaces(caps: list[tuple[str, float]]) -> list[str]:
    """The spaces that were searched, one after the other."""
    return list(dict.fromkeys(space for space, _ in caps))


CASES = [
    ("eyeriss", "conv", "edp"),
    ("eyeriss", "depthwise", "energy"),
    ("eyeriss", "gemm", "latency"),
    ("simba", "gemm", "edp"),
    ("mobile-npu", "gemm", "edp"),
]


@pytest.mark.parametrize(("machine", "nest", "objective"), CASES)
def test_rungs_end_at_the_optimum(machine: str, nest: str, objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without_first_mappings(monkeypatch)
    problem = problem_on(machine, NESTS[nest])
    without, none = proven(problem, objective, 0.0, monkeypatch)
    least, some = proven(problem, objective, 0.9999, monkeypatch)
    assert least == without
    assert none == 0
    assert some > 0 or nest != "conv"


def test_what_is_known_early_is_never_above_the_optimum(monkeypatch: pytest.MonkeyPatch) -> None:
    without_first_mappings(monkeypatch)
    problem = problem_on("simba", NESTS["gemm"])
    least, some = proven(problem, "edp", 0.9999, monkeypatch)
    assert some > 0
    known = []
    for budget in (50_000, 200_000):
        search = Search(problem, "edp", MAX_STEPS)
        proof = search.run(budget)
        known.append(min(proof.bound, search.judge.least))
        assert known[-1] <= least
    assert known[-1] > 0
