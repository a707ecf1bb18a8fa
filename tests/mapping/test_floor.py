"""No mapping costs less than the floor, in any objective."""

from __future__ import annotations

from itertools import product

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, mappings_of, problems_of, vectors

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor
from tilewright.mapping.interpreter import footprint
from tilewright.mapping.legal import problems
from tilewright.mapping.problem import OBJECTIVES


@settings(max_examples=300)
@given(st.data())
def test_no_mapping_costs_less_than_the_floor(data: st.DataObject) -> None:
    problem = data.draw(problems_of(st.one_of(macs, vectors)))
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
