"""The search finds the best of all mappings: held against walking every one of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from tests.mapping.space import walked

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.errors import TilewrightError
from tilewright.mapping.einsum import einsum
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.optimal import optimum, orders
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.problem import OBJECTIVES, NestProblem
from tilewright.mapping.search import map_nest
from tilewright.workload.nest import LoopNest

EVERYTHING = ("input", "weight", "output")
DRAM = Memory("dram", None, EVERYTHING, (), (), Fraction(2), Fraction(2), read_pj=64.0, write_pj=64.0, setup_cycles=3)
PAD = Memory("pad", 24, EVERYTHING, (), (), Fraction(4), Fraction(4), read_pj=2.3, write_pj=2.0, scratchpad=True)


def machine(*inner: Memory, pad: Memory = PAD, array: Array | None = None, **options: object) -> Accelerator:
    """A small machine; ``options`` are fields of the accelerator."""
    array = array or Array((("x", 2),), multicast=("x",), mac_pj=0.2, link_pj=0.1)
    made = Accelerator("small", Fraction(10**9), (DRAM, pad, *inner), array, VectorUnit(2, 0.1), Widths(8, 8, 8, 16))
    return replace(made, **options)  # type: ignore[arg-type]


MACHINES = {
    "two levels, roofline": machine(timing="roofline"),
    "two levels, double buffers": machine(pad=replace(PAD, size_bytes=40)),
    "registers of one operand": machine(
        Memory("acc", 4, ("output",), per=("x",), read_pj=0.05, write_pj=0.06),
        array=Array((("x", 2), ("y", 2)), multicast=("x", "y"), reduce=("y",), mac_pj=0.2),
        pad=replace(PAD, size_bytes=30),
        buffering="single",
    ),
    "weights past the scratchpad": machine(
        Memory("regs", 3, ("weight",), per=("x",), read_pj=0.02, write_pj=0.02),
        pad=replace(PAD, size_bytes=32, keeps=("input", "output")),
    ),
    "registers of every operand": machine(
        Memory("inputs", 2, ("input",), per=("x",), read_pj=0.03, write_pj=0.04),
        Memory("weights", 2, ("weight",), per=("x",), read_pj=0.02, write_pj=0.02),
        Memory("sums", 8, ("output",), per=("x",), read_pj=0.05, write_pj=0.06),
        pad=replace(PAD, keeps=("input", "output")),
    ),
    "a bypass": machine(
        Memory("rf", 6, (), ("weight", "input"), per=("x",), read_pj=0.1, write_pj=0.1),
        timing="roofline",
        leakage_mw=0.5,
    ),
}

NESTS: dict[str, LoopNest] = {
    "product": gemm(M=3, N=2, K=3),
    "rows": conv2d(K=2, C=1, Y=4, X=1, R=2, pad=(1, 0, 0, 0)),
    "strided": conv2d(K=1, C=2, Y=3, X=1, R=3, stride=2),
}


def agree(
    problem: NestProblem, objectives: tuple[str, ...] = OBJECTIVES, statuses: Counter[str] | None = None
) -> list[str]:
    """Sentences on where the search and a walk over all mappings differ, one objective after the other; ``statuses``
    counts what the search says of its results.

    The search may return a mapping from outside the space that is better than all in it, never one that is worse.
    """
    costs = walked(problem)
    wrong = []
    for objective in objectives:
        best = min(cost.value(objective) for cost in costs.values())
        try:
            found = map_nest(problem, objective, effort="proof")
        except TilewrightError as error:
            wrong.append(f"{objective}: the best of {len(costs)} is {best}, but: {error}")
            continue
        if statuses is not None:
            statuses[found.status] += 1
        value, slack = found.cost.value(objective), 1e-9 * best
        if value > best + slack or (value < best - slack and found.mapping in costs):
            wrong.append(f"{objective}: found {value}, the best of {len(costs)} is {best}")
        if found.bound > best + slack or found.bound > value + slack:
            wrong.append(f"{objective}: bound {found.bound}, found {value}, best {best}")
        if found.status == "optimal" and found.space != "every":
            wrong.append(f"{objective}: proven over {found.space} tiles only")
    return wrong


QUICK = [
    ("two levels, roofline", "product"),
    ("weights past the scratchpad", "rows"),
    ("weights past the scratchpad", "strided"),
]


@pytest.mark.parametrize(("name", "nest"), QUICK)
def test_the_best_of_all_mappings_is_found(name: str, nest: str) -> None:
    arch = MACHINES[name]
    assert not agree(default_problem(NESTS[nest], arch, arch.layout))


def test_runs_of_padded_rows_are_not_taken_for_shorter_than_they_are() -> None:
    """Found by a walk: how wide a tile is in DRAM was bounded from the wrong side."""
    arch = MACHINES["registers of one operand"].with_scratchpad(16)
    assert not agree(default_problem(depthwise(G=2, Y=4, X=1, pad=(1, 0, 0, 0)), arch, arch.layout))


def test_what_passes_the_scratchpad_by_takes_the_first_steps_time_too() -> None:
    """Found by a walk: the setup of weights that stream inside the first step was left out of its transfers."""
    arch = MACHINES["weights past the scratchpad"].with_scratchpad(35)
    problem = default_problem(conv2d(K=1, C=1, Y=4, X=1, R=2, S=1, pad=(0, 0, 1, 0)), arch, arch.layout)
    assert not agree(problem, ("latency", "edp"))


def test_a_keep_that_others_owe_their_tiles_to_stays_below_them() -> None:
    """Found by a walk: weights in the scratchpad were counted as if they stood above registers, whose loops then need
    divisors for tiles; no order of keeps had the mapping with a tile of 2 rows of 5 at its cost."""
    arch = MACHINES["registers of one operand"].with_scratchpad(20)
    problem = default_problem(conv2d(K=1, C=1, Y=5, X=1, R=3, stride=(2, 1)), arch, arch.layout)
    assert not agree(problem, ("latency", "edp"))


def test_a_window_slides_though_the_operand_uses_not_all_dimensions_that_are_chosen_with_it() -> None:
    """Found by a walk: I does not use z, which W joins to its window, and its rows were counted as if none stayed."""
    arch = MACHINES["two levels, double buffers"]
    problem = default_problem(einsum("O[y,z] += I[y+r] * W[r+z]", y=3, z=2, r=2), arch, arch.layout)
    assert not agree(problem, ("edp",))


def test_what_lies_in_padding_takes_no_room() -> None:
    """Found by a walk: of inputs none of which is there one word too many had room."""
    arch = MACHINES["two levels, double buffers"]
    pad = replace(arch.scratchpad, size_bytes=13)
    arch = replace(arch, memories=tuple(pad if memory.scratchpad else memory for memory in arch.memories))
    layer = depthwise(G=3, Y=2, X=1, R=1, stride=(2, 1), pad=(1, 0, 1, 0))
    assert not agree(default_problem(layer, arch, arch.layout), ("latency",))


def test_products_of_three_factors_are_searched_as_others_are() -> None:
    """Found by a walk: 1,374 orders of keeps were too many for the search, and plain tile loops all it looked at."""
    arch = MACHINES["a bypass"]
    problem = default_problem(einsum("O[y] += I[y] * W[y] * V[y]", y=2), arch, arch.layout)
    assert map_nest(problem, "energy").status == "optimal"


@pytest.mark.parametrize(("name", "nest"), QUICK)
def test_orders_that_are_too_many_to_be_listed_are_looked_into_all_the_same(name: str, nest: str, monkeypatch) -> None:
    for module, limit, number in ((orders, "MOST_LISTED", 5), (orders, "FIRST", 2), (optimum, "MOST_WAITING", 0)):
        monkeypatch.setattr(module, limit, number)
    arch = MACHINES[name]
    problem = default_problem(NESTS[nest], arch, arch.layout)
    assert {map_nest(problem, objective).status for objective in OBJECTIVES} == {"optimal"}
    assert not agree(problem)


def test_orders_of_loops_that_are_left_for_the_end_are_evaluated_then(monkeypatch) -> None:
    arch = MACHINES["two levels, double buffers"]
    problem = default_problem(NESTS["product"], arch, arch.layout)
    monkeypatch.setattr(Search.try_leaf, "__defaults__", (1,))
    assert map_nest(problem, "latency").status == "optimal"
    assert not agree(problem, ("latency",))


@pytest.mark.parametrize("objective", ["latency", "edp"])
def test_rows_under_a_dilated_filter_come_in_one_run_where_their_holes_come_too(objective: str) -> None:
    """Found by a walk: stride and dilation of 2 were taken to leave every second index out of all tiles."""
    arch = MACHINES["two levels, double buffers"]
    nest = conv2d(K=1, C=1, Y=1, X=4, S=2, stride=2, dilation=2)
    assert not agree(default_problem(nest, arch, arch.layout), (objective,))


@pytest.mark.long
@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("name", MACHINES)
def test_the_best_of_all_mappings_is_found_on_every_machine(name: str, nest: str) -> None:
    arch = MACHINES[name]
    assert not agree(default_problem(NESTS[nest], arch, arch.layout))


@pytest.mark.parametrize(("method", "number"), [("told_apart", 1), ("looked_into", 2), ("root", 3), ("try_leaf", 3)])
def test_an_interrupt_keeps_the_best_so_far_and_a_bound_that_holds(method: str, number: int, monkeypatch) -> None:
    arch = MACHINES["registers of one operand"]
    problem = default_problem(gemm(M=12, N=8, K=10), arch, arch.layout)
    whole = map_nest(problem)
    calls = 0
    plain = getattr(Search, method)

    def interrupted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt
        return plain(self, *arguments)

    monkeypatch.setattr(Search, method, interrupted)
    found = map_nest(problem)
    assert calls == number
    assert found.interrupted
    assert not whole.interrupted
    assert found.bound <= whole.cost.edp <= found.cost.edp
