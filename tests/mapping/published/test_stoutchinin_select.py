"""The selection as mappings: what the formulas promise against the exact model, and what is refused."""

from __future__ import annotations

from itertools import islice
from math import prod

import pytest

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, LimitError, UsageError
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.published.stoutchinin_mapping import mapping_of, store_of
from tilewright.mapping.published.stoutchinin_search import in_order
from tilewright.mapping.published.stoutchinin_select import grown, select, stoutchinin
from tilewright.mapping.published.stoutchinin_space import faithful, shape_of
from tilewright.workload.nest import LoopNest

FLAT = tw.load_arch("flat-64k")
UNPADDED = {
    "3x3": conv2d(K=8, C=6, Y=8, X=12, R=3, S=3),
    "stride": conv2d(K=8, C=4, Y=6, X=6, R=3, S=3, stride=2),
    "groups": conv2d(K=4, C=2, Y=8, X=8, R=3, S=3, G=4, N=2),
    "depthwise": conv2d(K=1, C=1, Y=8, X=8, R=3, S=3, G=16),
    "dilation": conv2d(K=4, C=4, Y=8, X=8, R=3, S=3, dilation=2),
    "gemm": gemm(M=12, N=16, K=24),
}


def on(nest: LoopNest, size_bytes: int, arch: Accelerator = FLAT) -> NestProblem:
    return default_problem(nest, arch.with_scratchpad(size_bytes), arch.layout)


@pytest.mark.parametrize("size", [64, 200, 512, 2048])
@pytest.mark.parametrize("name", UNPADDED)
def test_without_padding_the_formulas_are_exact_for_what_is_selected(name: str, size: int) -> None:
    found = select(on(UNPADDED[name], size))
    assert found.cost.dram_bytes * 8 == found.formula_traffic.total
    assert found.cost.scratchpad_bytes == sum(found.buffers) <= size
    assert found.others_refused == 0
    assert found.paper.traffic.total <= found.formula_traffic.total


@pytest.mark.parametrize("name", UNPADDED)
def test_any_schedule_whose_window_stays_moves_no_more_than_promised_in_the_room_promised(name: str) -> None:
    problem = on(UNPADDED[name], 150)
    shape, store = shape_of(problem.nest), store_of(problem)
    for one in islice(in_order(shape, store, staying=True), 0, 200, 4):
        mapping = mapping_of(problem, shape, one.combination)
        assert not problems(problem, mapping)
        cost = evaluate(problem, mapping)
        assert cost.dram_bytes * 8 <= one.traffic.total
        assert cost.scratchpad_bytes <= sum(one.rooms)


def test_padding_is_all_that_the_formulas_count_too_much_of_a_padded_layer() -> None:
    padded = select(on(conv2d(K=8, C=6, Y=8, X=12, R=3, S=3, pad=1), 500))
    plain = select(on(conv2d(K=8, C=6, Y=8, X=12, R=3, S=3), 500))
    assert padded.formula_traffic == plain.formula_traffic
    assert padded.cost.dram_bytes < plain.cost.dram_bytes


def test_schedules_whose_strided_window_does_not_stay_are_refused_and_counted() -> None:
    nest = conv2d(K=4, C=4, Y=1, X=8, R=1, S=3, stride=2)
    counted = {}
    for size in range(5, 60):
        found = select(on(nest, size))
        counted[size] = found.windows_refused
        gap = found.formula_traffic.total - found.paper.traffic.total
        assert (gap > 0) == (found.windows_refused > 0)
        assert faithful(shape_of(nest), found.chosen.combination)
        assert found.cost.dram_bytes * 8 == found.formula_traffic.total
    assert any(counted.values())
    assert not all(counted.values())


@pytest.mark.parametrize("size", [500, 1500, 6000])
def test_growing_costs_no_traffic_and_fits(size: int) -> None:
    problem = on(UNPADDED["3x3"], size)
    shape, store = shape_of(problem.nest), store_of(problem)
    for one in islice(in_order(shape, store), 20):
        larger = grown(shape, store, one)
        assert larger.traffic.total <= one.traffic.total
        assert store.takes(larger.rooms)
        assert prod(larger.combination.innermost) >= prod(one.combination.innermost)


@pytest.mark.parametrize("machine", ["tiny", "hwc", "mobile-npu", "dmazerunner"])
def test_buffers_of_the_formulas_have_room_for_those_of_the_machine(machine: str) -> None:
    arch = tw.load_arch(machine)
    problem = default_problem(conv2d(K=32, C=24, Y=14, X=14, R=3, S=3), arch, arch.layout)
    shape, store = shape_of(problem.nest), store_of(problem)
    assert not problems(problem, select(problem).mapping)
    for one in islice(in_order(shape, store, staying=True), 0, 60, 3):
        mapping = mapping_of(problem, shape, one.combination)
        cost = evaluate(problem, mapping)
        assert cost.dram_bytes * 8 <= one.traffic.total
        assert cost.scratchpad_bytes <= sum(one.rooms)


def test_the_strategy_is_the_verdict_on_the_selected_mapping() -> None:
    problem = on(UNPADDED["3x3"], 500)
    result = stoutchinin(problem, "traffic")
    assert result.mapping == select(problem).mapping
    assert result.cost.dram_bytes == select(problem).cost.dram_bytes >= result.bound


def test_what_cannot_be_scheduled_is_said_in_a_sentence() -> None:
    with pytest.raises(InfeasibleError, match="one element of each operand takes 3 bytes of glb"):
        select(on(UNPADDED["gemm"], 2))
    with pytest.raises(LimitError, match="tile steps, more than 1"):
        select(on(UNPADDED["gemm"], 40), max_steps=1)
    simba = tw.load_arch("simba")
    with pytest.raises(UsageError, match="does not let it hold weight"):
        select(default_problem(UNPADDED["gemm"], simba, simba.layout))
