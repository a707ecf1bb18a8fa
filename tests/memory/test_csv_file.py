"""Reading and writing buffers as CSV: what is right comes back, what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.errors import InputError
from tilewright.memory.buffer import Buffer
from tilewright.memory.csv_file import parse_buffers, read_buffers

HEAD = "id,lower,upper,size"


def told(text: str) -> list[str]:
    with pytest.raises(InputError) as caught:
        parse_buffers(text, "b.csv")
    return list(caught.value.problems)


def test_columns_stand_in_any_order_with_alignments_and_addresses_where_they_are_given() -> None:
    text = "size,id,upper,lower,offset,alignment\n16,a,4,0,,8\n8,b,3,1,24,\n"
    table = parse_buffers(text, "b.csv")
    assert table.buffers == (Buffer("a", 16, 0, 4, alignment=8), Buffer("b", 8, 1, 3, address=24))


def test_what_is_written_is_what_was_read_and_the_offsets() -> None:
    table = parse_buffers("id,lower,upper,size,offset,alignment\na,0,4,16,,8\nb,1,3,8,24,\n", "b.csv")
    written = table.with_offsets((0, 24))
    assert written == "id,lower,upper,size,alignment,offset\na,0,4,16,8,0\nb,1,3,8,,24\n"
    again = parse_buffers(written, "b.csv")
    assert [buffer.address for buffer in again.buffers] == [0, 24]


def test_names_with_commas_quotes_and_other_letters_survive() -> None:
    table = parse_buffers(f'{HEAD}\n"a, ""b"" ü",0,1,4\n', "b.csv")
    assert table.buffers[0].name == 'a, "b" ü'
    assert parse_buffers(table.with_offsets((0,)), "b.csv").buffers[0].name == 'a, "b" ü'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f"b.csv: is empty; it needs a first line {HEAD} and a line for every buffer"),
        ("\n\n", f"b.csv: is empty; it needs a first line {HEAD} and a line for every buffer"),
        (f"{HEAD}\n", "b.csv: has no buffers below its first line"),
        ("id,lower,upper\na,0,1\n", "b.csv:1: column size is missing"),
        ("id,lower,upper,sise\na,0,1,4\n", "b.csv:1: unknown column 'sise'; did you mean size?"),
        (f"{HEAD},colour\na,0,1,4,red\n", "b.csv:1: unknown column 'colour'; known are id, lower, upper, size,"),
        (f"{HEAD},size\na,0,1,4,4\n", "b.csv:1: column size stands there twice"),
        (f"{HEAD}\na,0,1\n", "b.csv:2: has 3 cells, the first line has 4"),
        (f"{HEAD}\na,0,1,-4\n", "b.csv:2: buffer a has -4 B; a size is at least 1 B"),
        (f"{HEAD}\na,0,1,0\n", "b.csv:2: buffer a has 0 B; a size is at least 1 B"),
        (f"{HEAD}\na,0,1,4.5\n", "b.csv:2: size of buffer a needs a whole number, it is '4.5'"),
        (f"{HEAD}\na,0,1,{2**70}\n", "b.csv:2: size of buffer a is beyond 2^62"),
        (f"{HEAD}\n,0,1,4\n", "b.csv:2: the id is empty"),
        (
            f"{HEAD}\na,3,3,4\n",
            "b.csv:2: buffer a lives from 3 until before 3, which is never; upper needs more than 3",
        ),
        (f"{HEAD}\na,0,1,4\n\na,0,1,4\n", "b.csv:4: buffer a stands in line 2 already; ids are unique"),
        (f"{HEAD},alignment\na,0,1,4,0\n", "b.csv:2: buffer a has an alignment of 0; it is at least 1 B"),
        (f"{HEAD},alignment,offset\na,0,1,4,8,4\n", "b.csv:2: buffer a is to lie at 4; an address is not negative"),
        (f"{HEAD},offset\na,0,1,4,-4\n", "b.csv:2: buffer a is to lie at -4; an address is not negative"),
        (f'{HEAD}\n"a,0,1,4\n', "b.csv: is no CSV"),
    ],
)
def test_every_mistake_is_a_sentence_with_its_line(text: str, problem: str) -> None:
    assert told(text)[0].startswith(problem)


def test_all_mistakes_are_told_at_once_up_to_twenty() -> None:
    assert told(f"{HEAD}\na,0,0,4\nb,0,1,0\n") == [
        "b.csv:2: buffer a lives from 0 until before 0, which is never; upper needs more than 0",
        "b.csv:3: buffer b has 0 B; a size is at least 1 B",
    ]
    many = told("\n".join([HEAD, *(f"b{k},0,1,0" for k in range(1000))]))
    assert len(many) == 21
    assert many[-1] == "b.csv: and more; these are the first 20"


def test_files_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_buffers(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        read_buffers(tmp_path / "binary.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_buffers(tmp_path)
