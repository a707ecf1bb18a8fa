"""Sums over tile steps that are not listed are those over a list of them."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import deep_problems, macs, mappings_of, problems_of

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.sums import only_sums


@settings(max_examples=300)
@given(st.data())
def test_a_mapping_costs_the_same_with_and_without_a_list_of_steps(data: st.DataObject) -> None:
    problem = data.draw(st.one_of(deep_problems(), problems_of(macs)))
    size = st.sampled_from((8, 16, 32))
    widths = replace(
        problem.arch.widths,
        **{name: data.draw(size) for name in ("input", "weight", "output")},
        accumulator=32,
    )
    problem = replace(problem, arch=replace(problem.arch, timing="roofline", widths=widths))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    assume(only_sums(problem, frozenset()))
    cost = evaluate(problem, mapping)
    with patch("tilewright.mapping.evaluate.only_sums", lambda *_: False):
        assert evaluate(problem, mapping) == cost
