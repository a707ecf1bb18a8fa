"""Tables over the chunks of a loop as expressions: exact always, short where the numbers advance evenly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tilewright.plan.expr import evaluate, parse
from tilewright.plan.sequence import sequence


def values(text: str, length: int) -> list[int]:
    return [int(evaluate(parse(text), {"Y0": i})) for i in range(length)]


@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12))
def test_any_table_is_said_exactly(table: list[int]) -> None:
    assert values(str(sequence(table, "Y0")), len(table)) == table


@given(
    st.integers(0, 7), st.integers(-9, 9), st.integers(1, 4), st.integers(-5, 5), st.integers(0, 60), st.integers(5, 30)
)
def test_numbers_that_advance_evenly_between_borders_are_short(
    step: int, start: int, divisor: int, low: int, room: int, length: int
) -> None:
    table = [min(max((step * i + start) // divisor, low), low + room) for i in range(length)]
    text = str(sequence(table, "Y0"))
    assert values(text, length) == table
    inner = [i for i in range(length - 1) if all(low < v < low + room for v in table[i : i + 2])]
    if divisor == 1 and inner:
        assert len(text) <= len("min(max(((Y0 * 7) + -999), -99), -99)")


def test_a_border_behind_a_ragged_chunk_is_a_piece_of_its_own() -> None:
    table = [0, 4, 8, 12, 13]
    assert str(sequence(table, "Y0")) == "min((Y0 * 4), 13)"
    assert values(str(sequence([9, 1, 2, 3, 4, 0], "Y0")), 6) == [9, 1, 2, 3, 4, 0]
