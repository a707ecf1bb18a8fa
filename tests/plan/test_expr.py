"""Expressions: the same value whether built, printed and read back, or computed by Python itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.errors import InputError
from tilewright.plan.expr import Expr, at_most, const, counter, equal, evaluate, maximum, minimum, parse

leaves = st.one_of(st.integers(-20, 20).map(const), st.sampled_from(["Y0", "K1"]).map(counter))


def grow(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        pair.map(lambda p: p[0] + p[1]),
        pair.map(lambda p: p[0] * p[1]),
        st.tuples(inner, st.integers(1, 9)).map(lambda p: p[0] // p[1]),
        st.tuples(inner, st.integers(1, 9)).map(lambda p: p[0] % p[1]),
        pair.map(lambda p: minimum(*p)),
        pair.map(lambda p: maximum(*p)),
        pair.map(lambda p: equal(*p)),
        pair.map(lambda p: at_most(*p)),
    )


expressions = st.recursive(leaves, grow, max_leaves=12)


@given(expressions, st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=300, deadline=None)
def test_text_reads_back_and_means_what_python_makes_of_it(expr: Expr, y: int, k: int) -> None:
    again = parse(str(expr))
    value = evaluate(expr, {"Y0": y, "K1": k})
    assert evaluate(again, {"Y0": y, "K1": k}) == value
    assert int(eval(str(expr), {"__builtins__": {}, "min": min, "max": max}, {"Y0": y, "K1": k})) == value


@given(expressions)
@settings(max_examples=100, deadline=None)
def test_many_iterations_at_once_are_each_one_by_itself(expr: Expr) -> None:
    y, k = np.arange(6), np.arange(6) * 2 % 5
    together = np.broadcast_to(np.asarray(evaluate(expr, {"Y0": y, "K1": k})), (6,))
    assert together.tolist() == [evaluate(expr, {"Y0": int(a), "K1": int(b)}) for a, b in zip(y, k, strict=True)]


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "Y0.real", "1.5", "Y0 +", "[1]", "f(1)", "Y0 ** 2", "lambda: 1", "min()", "(" * 5000, ""],
)
def test_anything_but_an_expression_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match="not an expression"):
        parse(text)
