"""Values of options: what is understood, and what is said about the rest."""

from __future__ import annotations

import pytest

from tilewright.cli import parse
from tilewright.errors import UsageError

CONV = ("--conv", "K C Y X", "R S N G H W stride dilation pad")


@pytest.mark.parametrize(
    ("read", "text", "said"),
    [
        (parse.seconds, "soon", "60, 60s or 2m"),
        (parse.seconds, "-1", "60, 60s or 2m"),
        (parse.seconds, "5 KiB", "60, 60s or 2m"),
        (parse.energy_pj, "5 W", "5 mJ"),
        (parse.byte_count, "5 mb", "4 KiB"),
        (parse.weights, "random", "seeded:N"),
        (parse.weights, "seeded:", "seeded:N"),
        (lambda text: parse.input_shapes([text]), "1,3,64,64", "x=1,3,64,64"),
        (lambda text: parse.input_shapes([text]), "x=1,0", "at least 1"),
        (lambda text: parse.dims([text]), "n=two", "not a whole number"),
        (lambda text: parse.dims([text]), "n=9999999999999999", "too large"),
        (lambda text: parse.array_sizes([text]), "3,226", "I=3,226"),
        (lambda text: parse.array_sizes([text]), "I=3,0", "at least 1"),
        (parse.extents, "k", "--dims k=64,c=3"),
        (parse.extents, "k=x", "not a whole number"),
        (parse.extents, "k=1,k=2", "given twice"),
        (parse.extents, "k=9999999999999999", "too large"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,C=1,Y=4", "X must be given"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,C=1,Y=4,X=4,Q=2", "no 'Q' here"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,K=1,C=1,Y=4,X=4", "given twice"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,C=1,Y=4,X=4,stride=0", "at least 1"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,C=1,Y=4,X=4,stride=1:2:3", "one number or Y:X"),
        (lambda text: parse.nest_sizes(text, *CONV), "K=1,C=1,Y=4,X=4,pad=1:2:3", "top:left:bottom:right"),
    ],
)
def test_what_is_not_understood_is_said_with_an_example(read, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("--")


def test_per_axis_values_take_one_two_or_four_numbers() -> None:
    sizes = parse.nest_sizes("K=1,C=1,Y=4,X=4,stride=2,dilation=1:2,pad=0:1:2:3", *CONV)
    assert (sizes["stride"], sizes["dilation"], sizes["pad"]) == (2, (1, 2), (0, 1, 2, 3))


def test_all_extents_that_are_not_understood_are_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        parse.extents("k=x, c, y=3")
    assert len(str(caught.value).split("\n")) == 2
