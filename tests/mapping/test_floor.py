"""No mapping costs less than the floor, in any objective."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import deep_problems, macs, mappings_of, problems_of, vectors
from tests.mapping.machines import machine, pad

from tilewright.arch.accelerator import Array, Memory
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor, points_in_bounds
from tilewright.mapping.interpreter import footprint
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Mapping, Par
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import OBJECTIVES
from tilewright.workload.nest import LoopNest


@settings(max_examples=300)
@given(st.data())
def test_no_mapping_costs_less_than_the_floor(data: st.DataObject) -> None:
    problem = data.draw(st.one_of(problems_of(st.one_of(macs, vectors)), deep_problems()))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    cost = evaluate(problem, mapping)
    for objective in OBJECTIVES:
        assert floor(problem, objective) <= cost.value(objective) * (1 + 1e-9)


@settings(max_examples=100)
@given(st.data())
def test_the_floor_of_traffic_counts_every_touched_element_once(data: st.DataObject) -> None:
    problem = data.draw(problems_of(st.one_of(macs, vectors)))
    touched: dict[str, set[tuple[int, ...]]] = {operand.name: set() for operand in problem.nest.operands}
    for point in product(*(range(extent) for _, extent in problem.nest.dims)):
        ranges = {dim: range(value, value + 1) for (dim, _), value in zip(problem.nest.dims, point, strict=True)}
        for operand in problem.nest.operands:
            touched[operand.name] |= set(product(*footprint(operand, ranges)))
    widths = problem.arch.widths
    expected = sum(-(-len(touched[o.name]) * problem.bits(o.name) // 8) for o in problem.nest.inputs)
    expected += -(-len(touched[problem.nest.output.name]) * widths.output // 8)
    expected += sum(-(-size * widths.accumulator // 8) for size in problem.parameters)
    assert floor(problem, "traffic") == expected


@settings(max_examples=50)
@given(macs)
def test_points_in_bounds_are_those_that_are_not_padding(nest: LoopNest) -> None:
    assume(nest.points <= 5000)
    inside = dict.fromkeys((operand.name for operand in nest.operands), 0)
    for point in product(*(range(extent) for _, extent in nest.dims)):
        ranges = {dim: range(value, value + 1) for (dim, _), value in zip(nest.dims, point, strict=True)}
        for operand in nest.operands:
            inside[operand.name] += all(footprint(operand, ranges))
    assert inside == {operand.name: points_in_bounds(nest, operand) for operand in nest.operands}


def test_the_floor_is_reached_where_every_word_is_shared_as_widely_as_it_can_be() -> None:
    # N on k and M on c: each weight serves three positions, each word of the input four.
    arch = machine(
        Memory("weights", None, ("weight",), per=("k",), read_pj=1.0, write_pj=0.5),
        scratchpad=pad(keeps=("input", "output")),
        array=Array((("k", 4), ("c", 3)), multicast=("k", "c"), mac_pj=0.5),
    )
    problem = default_problem(gemm(3, 4, 1), arch, "nhwc")
    keeps = (Keep("input", "pad"), Keep("output", "pad"))
    mapping = Mapping((*keeps, Par("N", 1, "k"), Keep("weight", "weights"), Par("M", 1, "c")))
    assert not problems(problem, mapping)
    for objective in ("energy", "traffic"):
        assert evaluate(problem, mapping).value(objective) == pytest.approx(floor(problem, objective))
