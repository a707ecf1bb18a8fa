"""The Pareto front of energy and cycles: held against walking every mapping."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.mapping.space import walked
from tests.mapping.test_optimal import MACHINES, NESTS

from tilewright.errors import InfeasibleError, UsageError
from tilewright.mapping.constraints import parse_constraints, satisfied
from tilewright.mapping.front import Front, map_front
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.problem import NestProblem, Within

Point = tuple[int, float]


def front_of(costs: set[Point]) -> list[Point]:
    """The points that no other one equals or beats in both."""
    front: list[Point] = []
    for cycles, energy in sorted(costs):
        if not front or energy < front[-1][1]:
            front.append((cycles, energy))
    return front


def points(front: Front) -> list[Point]:
    return [(point.cost.cycles, point.cost.energy_pj) for point in front.points]


def problem_of(machine: str, nest: str) -> NestProblem:
    arch = MACHINES[machine]
    return default_problem(NESTS[nest], arch, arch.layout)


def uncovered(costs: set[Point], front: Front) -> list[Point]:
    """Mappings that break the front's claim."""
    most = (1 + front.gap) * (1 + 1e-9)
    return [
        (cycles, energy)
        for cycles, energy in costs
        if not any(c <= most * cycles and e <= most * energy for c, e in points(front))
    ]


CASES = [
    ("two levels, roofline", "product"),
    ("two levels, double buffers", "rows"),
    ("weights past the scratchpad", "strided"),
]


@pytest.mark.parametrize(("machine", "nest"), CASES)
def test_the_front_is_that_of_all_mappings(machine: str, nest: str) -> None:
    problem = problem_of(machine, nest)
    costs = {(cost.cycles, cost.energy_pj) for cost in walked(problem).values()}
    exact = map_front(problem, resolution=0)
    assert (exact.status, exact.open, exact.gap) == ("optimal", 0, 0)
    assert [c for c, _ in points(exact)] == [c for c, _ in front_of(costs)]
    assert [e for _, e in points(exact)] == pytest.approx([e for _, e in front_of(costs)], rel=1e-9)
    for resolution, effort in ((0.3, "proof"), (0.05, "good")):
        front = map_front(problem, resolution=resolution, effort=effort)
        assert not uncovered(costs, front)
        assert len(front.points) <= len(exact.points)
        assert (front.status == "optimal") == (front.gap <= resolution * (1 + 1e-12))


@pytest.mark.long
@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("machine", MACHINES)
def test_the_front_is_that_of_all_mappings_on_every_machine(machine: str, nest: str) -> None:
    test_the_front_is_that_of_all_mappings(machine, nest)


def test_a_front_under_constraints_is_that_of_what_they_leave() -> None:
    problem = problem_of("two levels, roofline", "product")
    wanted = parse_constraints("for M in tiles of 1", problem.nest, problem.arch)
    left = [cost for mapping, cost in walked(problem).items() if satisfied(wanted, mapping, problem.nest)]
    costs = {(cost.cycles, cost.energy_pj) for cost in left}
    assert points(map_front(problem, resolution=0, constraints=wanted)) == front_of(costs)


def test_neighbours_trade_energy_for_cycles() -> None:
    arch = MACHINES["registers of one operand"]
    front = points(map_front(default_problem(gemm(M=12, N=8, K=10), arch, arch.layout), effort="good"))
    assert front == front_of(set(front))
    assert len(front) > 1


def test_the_proof_of_an_empty_corner_does_not_let_mappings_through() -> None:
    """Limits a little above a mapping's cost hold it, limits a little below the least do not."""
    problem = problem_of("two levels, double buffers", "product")
    cycles, energy = points(map_front(problem, resolution=0))[0]
    for factor, found in ((1 + 1e-6, True), (1.0, False)):
        search = Search(problem, Within(energy * factor, cycles * factor + 1e-6 * found), 10**6)
        proof = search.run(10**6)
        assert (search.judge.least < 1) == found
        assert (proof.bound >= search.judge.least) or found


def test_an_interrupt_keeps_the_points_so_far(monkeypatch) -> None:
    arch = MACHINES["two levels, double buffers"]
    problem = default_problem(gemm(M=6, N=5, K=4), arch, arch.layout)
    whole = map_front(problem)
    plain, calls = Search.run, 0

    def interrupted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(Search, "run", interrupted)
    found = map_front(problem)
    assert calls == 5
    assert found.interrupted
    assert found.status == "feasible"
    assert not uncovered(set(points(whole)), found)


def test_progress_and_a_time_limit() -> None:
    problem = problem_of("two levels, double buffers", "product")
    told = []
    assert map_front(problem, progress=lambda *what: told.append(what)).status == "optimal"
    assert all(0 <= done < total and "points" in what for what, done, total in told)
    arch = MACHINES["registers of one operand"]
    cut = map_front(default_problem(conv2d(K=8, C=8, Y=9, X=9, R=3, S=3), arch, arch.layout), timeout=0.2)
    assert cut.points
    assert cut.gap >= cut.resolution


def test_refusals_say_what_is_needed() -> None:
    problem = problem_of("two levels, roofline", "product")
    with pytest.raises(UsageError, match="number of 0 or more"):
        map_front(problem, resolution=-0.1)
    with pytest.raises(UsageError, match="effort of good, proof or long"):
        map_front(problem, effort="quick")
    arch = problem.arch
    with pytest.raises(InfeasibleError, match="pad has 2 bytes"):
        map_front(replace(problem, arch=arch.with_scratchpad(2)))
    with pytest.raises(InfeasibleError, match="satisfies the constraints"):
        map_front(
            problem,
            constraints=parse_constraints(
                "for M in tiles of 3\nfor M in tiles of 2\nfor M in tiles of 1", problem.nest, arch
            ),
        )
