"""Accesses and energy as worked out by hand; all counts at random are compared with the interpreter's elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import deep_problems, macs, mappings_of, problems_of, vectors
from tests.mapping.machines import machine, pad, weights_inside

from tilewright.arch.accelerator import Array, Memory
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.problem import Accesses, NestCost, NestProblem


def costed(problem: NestProblem, *nodes: Node) -> NestCost:
    mapping = Mapping(nodes)
    assert problems(problem, mapping) == ()
    return evaluate(problem, mapping)


@settings(max_examples=100)
@given(st.data())
def test_what_moves_through_dram_are_the_transfers(data: st.DataObject) -> None:
    problem = data.draw(st.one_of(deep_problems(), problems_of(st.one_of(macs, vectors))))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    cost = evaluate(problem, mapping)
    dram = [entry for entry in cost.accesses if entry.memory == "dram"]
    assert sum(entry.read_bytes for entry in dram) == cost.dram_read_bytes
    assert sum(entry.write_bytes for entry in dram) == cost.dram_write_bytes


def test_accesses_and_energy_of_a_small_product_by_hand() -> None:
    problem = default_problem(gemm(4, 4, 4), weights_inside(), "nhwc")
    cost = costed(
        problem,
        Keep("input", "pad"),
        Keep("output", "pad"),
        Par("M", 1, "k"),
        Keep("weight", "weights"),
        Keep("output", "sums"),
        Par("N", 2, "c"),
    )
    # Rows of the input on the four positions along k, two halves of the columns along c: 8 steps.
    assert cost.compute_cycles == 8
    assert cost.accesses == (
        Accesses("dram", "input", 16, 0),
        Accesses("dram", "weight", 16, 0),
        Accesses("dram", "output", 0, 16),
        # Each step the four rows need a word each, which both halves along c share.
        Accesses("pad", "input", 32, 16),
        Accesses("pad", "output", 16, 16),
        # All four positions along k receive all weights; their steps read one for each position along c.
        Accesses("weights", "weight", 64, 64),
        # Sums of 32 bits at each row: four results of four points. A write a point, a read less for the first of
        # each result, and a read to drain it.
        Accesses("sums", "output", (64 - 16) * 4 + 16 * 4, 64 * 4),
    )
    # Weights to four positions, and from there to two; inputs to eight positions in eight steps.
    assert cost.delivered_bytes == 64 + 64 + 64
    dram = 32 * 64 + 16 * 65
    scratchpad = (32 + 16) * 2 + (16 + 16) * 1.5
    inside = 64 * 0.2 + 64 * 0.3 + 256 * 0.1 + 256 * 0.15
    assert cost.energy_pj == pytest.approx(dram + scratchpad + inside + cost.delivered_bytes * 0.25 + 64 * 0.5)


def of(cost: NestCost, memory: str, operand: str) -> tuple[int, int]:
    """Bytes read and written."""
    return next((a.read_bytes, a.write_bytes) for a in cost.accesses if (a.memory, a.operand) == (memory, operand))


def rows_of_windows(*multicast: str) -> NestProblem:
    """Rows of an input at positions along k, a 3-row filter; the scratchpad serves them together or not."""
    arch = machine(
        Memory("rows", None, ("input",), per=("k",)),
        array=Array((("k", 4),), multicast=multicast),
    )
    return default_problem(conv2d(K=1, C=1, Y=8, X=1, R=3, S=1), arch, "nhwc")


def test_positions_that_share_rows_are_served_their_union() -> None:
    nodes = (*(Keep(name, "pad") for name in ("input", "weight", "output")), Par("Y", 2, "k"), Keep("input", "rows"))
    # Two rows of results need four rows of the input at each of four positions: ten different ones.
    together, alone = (costed(rows_of_windows(*axes), *nodes) for axes in (("k",), ()))
    assert of(together, "pad", "input") == (10, 10)
    assert of(alone, "pad", "input") == (16, 10)
    assert of(together, "rows", "input") == of(alone, "rows", "input") == (24, 16)


def test_a_window_that_slides_at_every_position_fetches_only_new_rows() -> None:
    nodes = (
        *(Keep(name, "pad") for name in ("input", "weight", "output")),
        Par("Y", 2, "k"),
        Loop("Y", 1),
        Keep("input", "rows"),
    )
    # First three rows for each position, together rows 0 to 8; then one more each: 3, 5, 7 and 9.
    together, alone = (costed(rows_of_windows(*axes), *nodes) for axes in (("k",), ()))
    assert of(together, "pad", "input") == (9 + 4, 10)
    assert of(alone, "pad", "input") == (4 * (3 + 1), 10)
    assert of(together, "rows", "input") == (24, 16)


def sums(reduce: tuple[str, ...], *nodes: Node) -> NestCost:
    """A product of one row and column, its points on four positions with sums of their own."""
    arch = machine(
        Memory("sums", None, ("output",), per=("k",)),
        array=Array((("k", 4),), reduce=reduce),
    )
    keeps = (Keep(name, "pad") for name in ("input", "weight", "output"))
    return costed(default_problem(gemm(1, 1, 16), arch, "nhwc"), *keeps, *nodes)


def test_partial_results_are_added_up_on_the_way_or_by_the_parent() -> None:
    par, keep = Par("K", 4, "k"), Keep("output", "sums")
    # Four positions of four points each. Added on the way one complete result arrives at the scratchpad.
    summed = sums(("k",), par, keep)
    assert of(summed, "pad", "output") == (1, 1)
    assert of(summed, "sums", "output") == ((12 + 4) * 4, 16 * 4)
    # Else the scratchpad adds four partial ones at accumulator width: three reads, and the drain of a byte.
    added = sums((), par, keep)
    assert of(added, "pad", "output") == (3 * 4 + 1, 4 * 4)
    assert of(added, "sums", "output") == ((12 + 4) * 4, 16 * 4)


def test_what_was_begun_comes_back_to_the_first_position() -> None:
    # Two stays of a result: in the second the first position takes over what the first stay left.
    split = (Loop("M", 1), Par("K", 2, "k"), Keep("output", "sums"))
    arch = machine(Memory("sums", None, ("output",), per=("k",)), array=Array((("k", 4),), reduce=("k",)))
    keeps = (Keep(name, "pad") for name in ("input", "weight", "output"))
    cost = costed(default_problem(gemm(2, 1, 16), arch, "nhwc"), *keeps, Loop("K", 8), *split)
    # Two rows, two stays each: four arrivals and two read-backs at accumulator width, two bytes drained.
    assert of(cost, "pad", "output") == (2 * 4 + 2, 4 * 4)
    # 32 points. Of 16 words in all stays two come back, the others start from zero; all are drained.
    assert of(cost, "sums", "output") == ((32 - 14 + 16) * 4, (32 + 2) * 4)


def test_leakage_and_epilogues_cost_energy_and_no_time() -> None:
    plain = default_problem(gemm(4, 4, 4), machine(), "nhwc")
    warm = default_problem(gemm(4, 4, 4), machine(leakage_mw=2.0), "nhwc")
    keeps = Mapping(tuple(Keep(operand.name, "pad") for operand in plain.nest.operands))
    base, leaking = evaluate(plain, keeps), evaluate(warm, keeps)
    # 2 mW at 1 GHz are 2 pJ a cycle.
    assert leaking.energy_pj == pytest.approx(base.energy_pj + 2 * base.cycles)
    active = evaluate(type(plain)(plain.nest, plain.arch, plain.bindings, activations=3), keeps)
    assert active.cycles == base.cycles
    assert active.energy_pj == pytest.approx(base.energy_pj + 3 * 16 * 0.1)


def test_windows_too_many_to_list_are_counted_where_no_position_shares_them() -> None:
    # A million outputs of a hundred taps, two positions without multicast: every point reads a word, padding none.
    nest = conv2d(K=1, C=1, Y=10**6, X=1, R=100, S=1, pad=(1, 0, 0, 0))
    problem = default_problem(nest, machine(scratchpad=pad(1 << 26), array=Array((("k", 2),))), "nhwc")
    cost = costed(problem, *(Keep(name, "pad") for name in ("input", "weight", "output")), Par("Y", 500_000, "k"))
    assert of(cost, "pad", "input") == (10**8 - 1, 10**6 + 98)
    assert of(cost, "pad", "weight") == (10**8, 100)
