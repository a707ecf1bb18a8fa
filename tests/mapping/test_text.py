"""A mapping prints as text that reads back, and wrong text is refused with every line named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, mappings_of, problems_of, vectors
from tests.mapping.machines import machine, weights_inside

from tilewright.errors import InputError
from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.nests import gemm
from tilewright.mapping.text import format_mapping, parse_mapping


@settings(max_examples=100)
@given(st.data())
def test_a_printed_mapping_reads_back_equal(data: st.DataObject) -> None:
    problem = data.draw(problems_of(st.one_of(macs, vectors)))
    mapping = data.draw(mappings_of(problem))
    if mapping.nodes:
        assert parse_mapping(format_mapping(mapping), problem.nest, problem.arch) == mapping


def test_comments_blank_lines_and_indentation_do_not_matter() -> None:
    text = """
    # weights stay
    keep weight in pad   # all of them
  for M in tiles of 4

        keep input in pad
keep output in pad
par   N   in tiles of 2 on k
"""
    keeps = (Keep("input", "pad"), Keep("output", "pad"))
    expected = Mapping((Keep("weight", "pad"), Loop("M", 4), *keeps, Par("N", 2, "k")))
    assert parse_mapping(text, gemm(8, 8, 8), machine()) == expected


def test_every_wrong_line_is_named_with_the_nearest_name() -> None:
    text = "\n".join(
        [
            "for MM in tiles of 4",
            "for M in tiles of none",
            "keep wieght in pad",
            "keep weight in dram",
            "par N in tiles of 2 on rows",
            "while M",
            "for K in tiles of 0",
        ]
    )
    with pytest.raises(InputError) as raised:
        parse_mapping(text, gemm(8, 8, 8), weights_inside())
    assert raised.value.problems == (
        "line 1: there is no dimension 'MM'; did you mean M?",
        "line 2: a tile is a whole number from 1, not 'none'",
        "line 3: there is no operand 'wieght'; did you mean weight?",
        "line 4: there is no on-chip memory 'dram'; there are pad, weights, sums",
        "line 5: there is no array axis 'rows'; there are k, c",
        "line 6: 'while M' is none of `for DIM in tiles of N`, `keep OPERAND in MEMORY` or "
        "`par DIM in tiles of N on AXIS`",
        "line 7: a tile is a whole number from 1, not '0'",
    )


def test_an_empty_mapping_is_refused() -> None:
    with pytest.raises(InputError, match="the mapping is empty"):
        parse_mapping("# nothing\n", gemm(8, 8, 8), machine())
