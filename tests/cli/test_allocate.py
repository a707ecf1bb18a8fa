"""``tilewright allocate``: what it prints and writes is right, what is wrong is told, nothing is half-written."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from random import Random

import pytest
from tests.cli.conftest import Command
from tests.memory.test_allocate import plain

from tilewright.memory import problems
from tilewright.memory.csv_file import read_buffers

SMALL = "id,lower,upper,size\na,0,3,4\nb,1,5,3\nc,3,9,3\nd,4,8,4\ne,6,9,2\nf,0,1,5\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "buffers.csv"
    path.write_text(SMALL)
    return path


def test_the_least_height_is_found_written_and_right(tilewright: Command, file: Path, tmp_path: Path) -> None:
    done = tilewright("allocate", file, "--minimize", "-o", tmp_path / "out", "--json")
    assert done.code == 0
    document = done.document
    assert (document["status"], document["peak_bytes"], document["bound_bytes"]) == ("optimal", 10, 10)
    written = read_buffers(tmp_path / "out" / "offsets.csv")
    offsets = [buffer.address or 0 for buffer in written.buffers]
    assert problems(read_buffers(file).buffers, offsets, 10) == ()
    assert dict(zip("abcdef", offsets, strict=True)) == document["offsets"]
    drawing = ElementTree.parse(tmp_path / "out" / "memory.svg").getroot()
    assert len([one for one in drawing.iter() if one.tag.endswith("title")]) == 6


def test_the_same_input_gives_the_same_bytes(tilewright: Command, file: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert tilewright("allocate", file, "-o", tmp_path / name).code == 0
    for name in ("offsets.csv", "memory.svg"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_what_fits_and_what_does_not_have_their_codes(tilewright: Command, file: Path, tmp_path: Path) -> None:
    assert tilewright("allocate", file, "--capacity", "10").code == 0
    failed = tilewright("allocate", file, "--capacity", "9 B", "-o", tmp_path / "none")
    assert failed.code == 3
    assert failed.problems == [
        f"{file}: in sub-step 4 10 B are live, 1 B more than the 9 B there are: d 4 B, b 3 B, c 3 B",
    ]
    assert not (tmp_path / "none").exists()
    alone = tilewright("allocate", file, "--capacity", "4")
    assert alone.code == 3
    assert "f alone needs 5 B, there are 4 B" in alone.problems[0]


def test_what_does_not_fit_in_time_ends_with_six_and_writes_nothing(tilewright: Command, tmp_path: Path) -> None:
    rows = [f"{b.name},{b.start},{b.end},{b.size_bytes}" for b in plain(1, 60, (30, 90, 12))]
    file = tmp_path / "hard.csv"
    file.write_text("\n".join(["id,lower,upper,size", *rows]))
    late = tilewright("allocate", file, "--capacity", 1014, "--timeout", "0.000001", "-o", tmp_path / "out")
    assert late.code == 6
    assert late.problems == [f"{file}: no placement was found within 1014 B before the budget or the time was used up"]
    assert not (tmp_path / "out").exists()
    lowest = tilewright("allocate", file, "--timeout", "0.000001", "-o", tmp_path / "out")
    assert lowest.code == 0
    assert "limit: the lowest found, at most" in lowest.out
    assert (tmp_path / "out" / "offsets.csv").exists()


@pytest.mark.parametrize("method", ["size", "area", "lifetime"])
def test_best_fits_are_right_and_claim_no_more_than_they_know(tilewright: Command, tmp_path: Path, method: str) -> None:
    rng = Random(3)
    rows = [(k, start := rng.randint(0, 30), start + rng.randint(1, 12), rng.randint(1, 90)) for k in range(40)]
    file = tmp_path / "random.csv"
    file.write_text("\n".join(["id,lower,upper,size", *(",".join(map(str, row)) for row in rows)]))
    document = tilewright("allocate", file, "--method", method, "--json").document
    buffers = read_buffers(file).buffers
    assert problems(buffers, list(document["offsets"].values()), document["peak_bytes"]) == ()
    assert document["bound_bytes"] <= document["peak_bytes"]
    assert (document["status"] == "optimal") == (document["bound_bytes"] == document["peak_bytes"])
    low = document["peak_bytes"] - 1
    assert tilewright("allocate", file, "--method", method, "--capacity", low).code in (3, 6)


def test_fixed_addresses_and_alignments_are_kept(tilewright: Command, tmp_path: Path) -> None:
    file = tmp_path / "fixed.csv"
    file.write_text("id,lower,upper,size,alignment,offset\na,0,4,16,,16\nb,0,4,8,8,\nc,2,6,5,4,\n")
    document = tilewright("allocate", file, "--json").document
    assert document["offsets"]["a"] == 16
    assert document["offsets"]["b"] % 8 == document["offsets"]["c"] % 4 == 0
    assert document["peak_bytes"] == 32
    file.write_text("id,lower,upper,size,offset\na,0,4,16,16\nb,2,4,8,24\n")
    collided = tilewright("allocate", file)
    assert collided.code == 3
    assert "a at its address 16 and b at its address 24 share bytes in sub-step 2" in collided.problems[0]
    file.write_text("id,lower,upper,size,offset\na,0,4,16,16\n")
    assert "a at its address 16 ends at 32 B, there are 20 B" in tilewright("allocate", file, "--capacity", 20).err


def test_wrong_files_and_options_are_told(tilewright: Command, file: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    for arguments, code, said in (
        ((empty,), 1, "is empty; it needs a first line id,lower,upper,size"),
        ((tmp_path / "none.csv",), 1, "no such file"),
        ((file, "--capacity", "few"), 2, "--capacity few: not understood; give bytes or a unit"),
        ((file, "--capacity", "0"), 2, "needs whole bytes, from 1 to 2^40"),
        ((file, "--capacity", "1.5 B"), 2, "needs whole bytes, from 1 to 2^40"),
        ((file, "--capacity", "9", "--minimize"), 2, "give --capacity or --minimize, not both"),
        ((file, "-o", file), 1, "is a file; -o needs a folder"),
    ):
        failed = tilewright("allocate", *arguments)
        assert failed.code == code
        assert said in failed.problems[0]


def test_names_are_escaped_in_the_drawing(tilewright: Command, tmp_path: Path) -> None:
    file = tmp_path / "odd.csv"
    file.write_text('id,lower,upper,size\n"<script>alert(1)</script>",0,3,4\n')
    assert tilewright("allocate", file, "-o", tmp_path / "out").code == 0
    assert "<script>" not in (tmp_path / "out" / "memory.svg").read_text()


def test_very_many_buffers_get_a_placement_and_a_bound(tilewright: Command, tmp_path: Path) -> None:
    rng = Random(1)
    rows = [
        (k, start := rng.randint(0, 200_000), start + rng.randint(1, 200), rng.randint(1, 999)) for k in range(100_000)
    ]
    file = tmp_path / "many.csv"
    file.write_text("\n".join(["id,lower,upper,size", *(",".join(map(str, row)) for row in rows)]))
    done = tilewright("allocate", file, "-o", tmp_path / "out", "--json")
    assert done.code == 0
    document = done.document
    assert document["bound_bytes"] <= document["peak_bytes"]
    assert problems(read_buffers(file).buffers, list(document["offsets"].values()), document["peak_bytes"]) == ()
    assert json.dumps(document["pruned"])
    assert (tmp_path / "out" / "memory.svg").stat().st_size < 4_000_000
