"""Which memories hold an operand, and at which width results lie in them."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import deep_problems, mappings_of
from tests.mapping.machines import machine, pad

from tilewright.arch.accelerator import Array, Memory
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.homes import accumulating, bypasses, chain, held_bits, kept_in
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import NestProblem


def deep(reduce: tuple[str, ...] = ("c",)) -> NestProblem:
    arch = machine(
        Memory("shared", None, ("weight",), ("output",)),
        Memory("sums", None, ("output",), per=("k", "c")),
        scratchpad=pad(keeps=("input", "output"), may_keep=("weight",)),
        array=Array((("k", 4), ("c", 3)), multicast=("k", "c"), reduce=reduce),
    )
    return default_problem(gemm(4, 4, 6), arch, "nhwc")


def test_a_chain_says_which_memories_must_and_which_may_hold_an_operand() -> None:
    problem = deep()
    assert chain(problem, "input") == (("pad", "must"),)
    assert chain(problem, "weight") == (("pad", "may"), ("shared", "must"))
    assert chain(problem, "output") == (("pad", "must"), ("shared", "may"), ("sums", "must"))


OUTER = (Keep("input", "pad"), Keep("output", "pad"))
SHARED, SUMS, WEIGHT = Keep("output", "shared"), Keep("output", "sums"), Keep("weight", "shared")


@pytest.mark.parametrize(
    ("nodes", "wide"),
    [
        # Complete results pass outward at their own width.
        ((*OUTER, SHARED, SUMS, Loop("K", 1)), ("sums",)),
        ((*OUTER, SHARED, Par("K", 2, "c"), SUMS), ("sums",)),
        # A loop over a reduction leaves partial sums where its visits end, if one does.
        ((*OUTER, SHARED, Loop("K", 2), SUMS), ("sums",)),
        ((*OUTER, SHARED, Loop("K", 2), Loop("M", 1), SUMS), ("shared", "sums")),
        ((*OUTER, Loop("K", 2), Loop("M", 1), SHARED, SUMS), ("pad", "shared", "sums")),
        # A memory whose children's results no axis sums adds them up.
        ((*OUTER, SHARED, Par("K", 2, "k"), SUMS), ("shared", "sums")),
    ],
)
def test_results_are_wide_where_they_are_not_complete(nodes: tuple[Node, ...], wide: tuple[str, ...]) -> None:
    problem, mapping = deep(), Mapping((WEIGHT, *nodes))
    assert problems(problem, mapping) == ()
    assert accumulating(problem, mapping) == wide
    for memory in kept_in(mapping, "output"):
        assert held_bits(problem, mapping, "output", memory) == (32 if memory in wide else 8)
    assert held_bits(problem, mapping, "weight", "shared") == 8
    assert bypasses(problem, mapping, "weight")
    assert not bypasses(problem, mapping, "output")


def test_a_share_of_each_sum_is_wide_though_its_own_visits_complete_it() -> None:
    arch = machine(
        Memory("outer", None, ("output",), per=("c",)),
        Memory("inner", None, ("output",), per=("k", "c")),
        array=Array((("k", 4), ("c", 3)), reduce=("c",)),
    )
    problem = default_problem(gemm(4, 4, 6), arch, "nhwc")
    keeps = tuple(Keep(name, "pad") for name in ("input", "weight", "output"))
    mapping = Mapping((*keeps, Par("K", 2, "c"), Keep("output", "outer"), Keep("output", "inner")))
    assert problems(problem, mapping) == ()
    assert accumulating(problem, mapping) == ("outer", "inner")


@settings(max_examples=100)
@given(st.data())
def test_ports_and_compute_bound_the_time(data: st.DataObject) -> None:
    problem = data.draw(deep_problems())
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    cost = evaluate(problem, mapping)
    memories = {memory.name: memory for memory in problem.arch.memories}
    alone = [cycles for _, cycles in cost.ports]
    if problem.arch.timing == "roofline":
        assert cost.cycles == max(cost.compute_cycles, cost.dma_cycles, *alone)
    else:
        # Each step waits for the slowest; transfers overlap steps at best wholly.
        assert all(cycles <= cost.compute_cycles for cycles in alone)
        assert max(cost.compute_cycles, cost.dma_cycles) <= cost.cycles <= cost.compute_cycles + cost.dma_cycles
    for name, cycles in cost.ports:
        limited = memories[name].read_bandwidth is not None or memories[name].write_bandwidth is not None
        assert limited or not cycles
