"""Constraints: what they say, and that the search finds the best of what they leave."""

from __future__ import annotations

import pytest
from tests.mapping.space import walked
from tests.mapping.test_optimal import MACHINES, NESTS

from tilewright.errors import InfeasibleError, InputError, UsageError
from tilewright.mapping.constraints import Constraints, format_constraints, parse_constraints, satisfied
from tilewright.mapping.nests import default_problem
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import map_nest
from tilewright.mapping.text import parse_mapping

CASES = {
    ("two levels, roofline", "product"): [
        "for M in tiles of any",
        "for M in tiles of 2\nfor K in tiles of any",
        "for K in tiles of any\nfor M in tiles of any",
        "for N in tiles of 1\nfor M in tiles of 1",
        "par M in tiles of any on x",
        "par K in tiles of 2 on x",
        "only N on x",
        "only nothing on x",
        "no loop over M\nno loop over N",
        "for K in tiles of any\nkeep input in pad",
        "keep input in pad\nfor K in tiles of any",
        "keep input in pad\nfor K in tiles of any\nkeep weight in pad\nfor N in tiles of any",
    ],
    ("weights past the scratchpad", "rows"): [
        "for Y in tiles of 2",
        "for Y in tiles of any\nfor Y in tiles of any",
        "par Y in tiles of any on x\nno loop over K",
        "only K, R on x",
        "for K in tiles of any\nkeep weight in regs\nfor Y in tiles of any",
    ],
    ("a bypass", "product"): [
        "keep weight in rf\npass input by rf",
        "pass weight by rf\npass input by rf",
        "keep input in rf\nkeep weight in rf",
        "keep input in rf\nfor K in tiles of any",
    ],
}


def problem_of(machine: str, nest: str) -> NestProblem:
    arch = MACHINES[machine]
    return default_problem(NESTS[nest], arch, arch.layout)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        pytest.param(case, text, marks=[pytest.mark.long] if case[0] == "a bypass" else [])
        for case, texts in CASES.items()
        for text in texts
    ],
)
def test_the_best_of_all_mappings_that_satisfy_the_constraints_is_found(case: tuple[str, str], text: str) -> None:
    problem = problem_of(*case)
    wanted = parse_constraints(text, problem.nest, problem.arch)
    left = [cost for mapping, cost in walked(problem).items() if satisfied(wanted, mapping, problem.nest)]
    for objective in ("edp", "traffic"):
        if not left:
            with pytest.raises(InfeasibleError):
                map_nest(problem, objective, constraints=wanted)
            continue
        found = map_nest(problem, objective, constraints=wanted)
        assert satisfied(wanted, found.mapping, problem.nest)
        best = min(cost.value(objective) for cost in left)
        assert found.cost.value(objective) == pytest.approx(best, rel=1e-12)
        assert found.bound <= best * (1 + 1e-12)


def test_what_is_read_is_written_back() -> None:
    problem = problem_of("registers of one operand", "product")
    nodes = "keep output in acc\nfor M in tiles of any\npar K in tiles of 2 on y"
    text = nodes + "\npass input by pad\nonly M, N on x\nno loop over N"
    wanted = parse_constraints(text + "\n\n  # nothing more", problem.nest, problem.arch)
    assert format_constraints(wanted) == text
    assert parse_constraints("only nothing on x\nonly M on x", problem.nest, problem.arch).only == (("x", frozenset()),)


def test_every_wrong_line_is_named() -> None:
    problem = problem_of("two levels, roofline", "product")
    text = "for Q in tiles of 2\nkeep input in rf\npass bias by pad\nonly M, W on z\nfor M in tiles of 0\nhold it"
    with pytest.raises(InputError) as caught:
        parse_constraints(text, problem.nest, problem.arch)
    wrong = caught.value.problems
    assert [line.split(":")[0] for line in wrong] == [
        "line 1",
        "line 2",
        "line 3",
        "line 4",
        "line 4",
        "line 5",
        "line 6",
    ]
    assert "`only DIMS on AXIS`" in wrong[-1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("pass input by pad", "`pass input by pad` alone leaves none"),
        ("no loop over M\nfor M in tiles of any", "together they leave none"),
    ],
)
def test_constraints_that_leave_nothing_are_named(text: str, told: str) -> None:
    problem = problem_of("two levels, roofline", "product")
    with pytest.raises(InfeasibleError, match=told):
        map_nest(problem, constraints=parse_constraints(text, problem.nest, problem.arch))


def test_quick_searches_take_no_constraints() -> None:
    problem = problem_of("two levels, roofline", "product")
    with pytest.raises(UsageError, match="effort"):
        map_nest(problem, effort="quick", constraints=Constraints(unsplit=frozenset("M")))


def test_the_order_of_a_keep_and_a_loop_counts_where_the_operand_uses_it() -> None:
    problem = problem_of("two levels, roofline", "product")
    mapping = parse_mapping(
        "keep input in pad\nfor N in tiles of 1\nkeep weight in pad\nkeep output in pad", problem.nest, problem.arch
    )

    def holds(text: str) -> bool:
        return satisfied(parse_constraints(text, problem.nest, problem.arch), mapping, problem.nest)

    assert holds("for N in tiles of any\nkeep input in pad")  # the input has no N
    assert holds("for N in tiles of any\nkeep weight in pad")
    assert not holds("keep weight in pad\nfor N in tiles of any")
    assert not holds("for N in tiles of 2")
    assert not holds("for N in tiles of any\nfor N in tiles of any")
