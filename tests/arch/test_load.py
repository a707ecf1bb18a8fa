"""Accelerator files: every key arrives, and every mistake is told with its line, column and remedy."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from tilewright.arch import Accelerator, Array, Memory, VectorUnit, Widths, load_arch
from tilewright.arch.load import parse_arch
from tilewright.errors import InputError

MINIMAL = """\
name: tiny
clock: 1 GHz
memories:
  - name: dram
  - name: glb
    size: 4 KiB
    scratchpad: true
array:
  axes: {mac: 4}
vector: {lanes: 1, energy: 1 pJ}
"""

COMPLETE = """\
name: all-keys
clock: 250 MHz
widths: {input: 4, weight: 2, output: 4, accumulator: 20}
timing: pipelined
buffering: single
layout: nchw
alignment: 16 B
memories:
  - {name: dram, size: 1 GiB, bandwidth: 26.7 B/cycle, energy: {read: 90 pJ/B, write: 1 nJ/B}, setup: 30 cycles}
  - name: spm
    size: 48 KiB
    scratchpad: true
    bandwidth: {read: 64 B/cycle, write: 32 B/cycle}
    energy: {read: 0.5 pJ/B}
    partitions: {input: 16 KiB, weight: 8 KiB, output: 8 KiB, other: 16 KiB}
  - {name: w, size: 64 B, keeps: [weight], may_keep: [input], per: [r, c], double_buffered: true}
  - {name: acc, size: 1 KiB, keeps: [output], per: [c]}
array:
  axes: {r: 3, c: 5}
  unroll: {r: [C, R], c: [K]}
  multicast: [r, c]
  reduce: [r]
  link: 0.25 pJ/B
  mac: {energy: 0.2 pJ}
vector: {lanes: 8, energy: 0.1 pJ}
leakage: 10 mW
"""


def complaints(text: str) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        parse_arch(text.encode(), "m.yaml")
    return caught.value.problems


def test_what_is_left_out_has_its_default() -> None:
    assert parse_arch(MINIMAL.encode(), "m.yaml") == Accelerator(
        name="tiny",
        clock_hz=Fraction(10**9),
        memories=(
            Memory("dram", None, ("input", "weight", "output")),
            Memory("glb", 4096, ("input", "weight", "output"), scratchpad=True),
        ),
        array=Array(axes=(("mac", 4),)),
        vector=VectorUnit(lanes=1, operation_pj=1.0),
        widths=Widths(8, 8, 8, 32),
        timing="pipelined",
        buffering="double",
        layout="nhwc",
        alignment_bytes=1,
        leakage_mw=0.0,
    )


def test_every_key_arrives() -> None:
    dram, spm, w, acc = parse_arch(COMPLETE.encode(), "m.yaml").memories
    every: tuple[str, ...] = ("input", "weight", "output")
    assert dram == Memory(
        "dram", 1 << 30, every, read_bandwidth=Fraction(267, 10), write_bandwidth=Fraction(267, 10), read_pj=90.0,
        write_pj=1000.0, setup_cycles=30,
    )  # fmt: skip
    assert spm == Memory(
        "spm", 49152, every, read_bandwidth=Fraction(64), write_bandwidth=Fraction(32), shared_port=False, read_pj=0.5,
        scratchpad=True, partitions=(("input", 16384), ("weight", 8192), ("output", 8192), ("other", 16384)),
    )  # fmt: skip
    assert w == Memory("w", 64, ("weight",), ("input",), per=("r", "c"), double_buffered=True)
    assert acc == Memory("acc", 1024, ("output",), per=("c",))


def test_every_key_outside_the_memories_arrives() -> None:
    machine = parse_arch(COMPLETE.encode(), "m.yaml", source="here")
    assert (machine.name, machine.clock_hz, machine.source) == ("all-keys", 250 * 10**6, "here")
    assert machine.widths == Widths(4, 2, 4, 20)
    assert (machine.timing, machine.buffering, machine.layout) == ("pipelined", "single", "nchw")
    assert (machine.alignment_bytes, machine.leakage_mw) == (16, 10.0)
    assert machine.vector == VectorUnit(8, 0.1)
    assert machine.array == Array(
        axes=(("r", 3), ("c", 5)),
        unroll=(("r", ("C", "R")), ("c", ("K",))),
        multicast=("r", "c"),
        reduce=("r",),
        link_pj=0.25,
        mac_pj=0.2,
    )


# What is replaced in COMPLETE, by what, and the whole complaint.
MISTAKES = [
    ("clock:", "clok:", "1:1: the accelerator lacks 'clock', for instance 'clock: 1 GHz'"),
    ("clock:", "clok:", "2:1: unknown key 'clok' in the accelerator; did you mean 'clock'?"),
    ("250 MHz", "250", "2:8: 'clock: 250' of the accelerator has no unit; it is written like '1 GHz'"),
    ("250 MHz", "0 MHz", "2:8: 'clock' of the accelerator must be more than zero, this is 0 MHz"),
    ("250 MHz", "[1]", "2:8: 'clock' of the accelerator needs a quantity like '1 GHz', this is a list"),
    ("250 MHz", "", "2:7: 'clock' of the accelerator needs a quantity like '1 GHz', this is empty"),
    ("all-keys", "all keys", "1:7: 'all keys' is no name"),
    ("input: 4,", "input: 65,", "3:17: 'input' of widths must be between 1 and 64, this is 65"),
    ("input: 4,", "input: 0,", "3:17: 'input' of widths must be between 1 and 64, this is 0"),
    ("input: 4,", "input: 4.5,", "3:17: 'input' of widths needs a whole number, this is '4.5'"),
    ("input: 4,", "inputs: 4,", "3:10: unknown key 'inputs' in widths; did you mean 'input'?"),
    ("pipelined", "pipeline", "4:9: 'timing' cannot be 'pipeline'; did you mean 'pipelined'?"),
    ("single", "triple", "5:12: 'buffering' cannot be 'triple'"),
    ("nchw", "hwc", "6:9: 'layout' cannot be 'hwc'; did you mean 'nhwc'?"),
    ("16 B\n", "0 B\n", "7:12: 'alignment' of the accelerator must be more than zero, this is 0 B"),
    ("16 B\n", "0.3 B\n", "7:12: 'alignment' of the accelerator is not a whole number of B"),
    ("alignment:", "clock:", "7:1: 'clock' of the accelerator is given twice, first in line 2"),
    ("size: 1 GiB", "per: [r]", "9:23: 'per' does not apply to 'dram': the first memory is the backing store"),
    ("size: 1 GiB", "keeps: [input]", "9:25: 'dram' is the backing store and must keep input, weight, output"),
    ("26.7 B/cycle", "26.7", "9:42: 'bandwidth: 26.7' of memory 'dram' has no unit; it is written like '16 B/cycle'"),
    ("26.7 B/cycle", "-1 B/cycle", "9:42: 'bandwidth' of memory 'dram' must be more than zero, this is -1 B/cycle"),
    ("read: 90", "raed: 90", "9:65: unknown key 'raed' in energy of memory 'dram'; did you mean 'read'?"),
    ("90 pJ/B", "-90 pJ/B", "9:71: 'read' of energy of memory 'dram' must be zero or more, this is -90 pJ/B"),
    ("90 pJ/B", "90 pJ", "9:71: 'read: 90 pJ' of energy of memory 'dram' has the unknown unit 'pJ'"),
    (
        "26.7 B/cycle",
        "10.666666666666666 B/cycle",
        "too many to count exactly with; write 10.666667 B/cycle",
    ),
    (
        "26.7 B/cycle",
        "1e-15 B/cycle",
        "9:42: 'bandwidth' of memory 'dram' has more than six decimals, too many to count exactly with",
    ),
    (
        "26.7 B/cycle",
        "1e20 B/cycle",
        "9:42: 'bandwidth' of memory 'dram' is more than 1,000,000,000 B/cycle; leave it out for no limit",
    ),
    ("30 cycles", "4e18 cycles", "9:103: 'setup' of memory 'dram' is more than 1,000,000,000 cycles"),
    ("30 cycles", "30.5 cycles", "9:103: 'setup' of memory 'dram' is not a whole number of cycles"),
    ("    size: 48 KiB\n", "", "10:5: memory 'spm' lacks 'size', for instance 'size: 64 KiB'"),
    ("48 KiB", "-48 KiB", "11:11: 'size' of memory 'spm' must be more than zero, this is -48 KiB"),
    ("48 KiB", "40 KiB", "15:17: the partitions of 'spm' add up to 49152 B, its size is 40960 B"),
    ("scratchpad: true", "scratchpad: yes", "12:17: 'scratchpad' of memory 'spm' needs true or false, this is 'yes'"),
    ("scratchpad: true", "scratchpad: false", "9:3: no memory has 'scratchpad: true'; give it to"),
    ("scratchpad: true", "per: [r]\n    scratchpad: true", "12:10: the scratchpad 'spm' is shared by the whole array"),
    ("scratchpad: true", "scratchpad: true\n    keeps: [input]", "must always keep input and output; it lacks output"),
    ("scratchpad: true", "scratchpad: true\n    double_buffered: true", "13:22: 'spm' is the scratchpad: write 'buff"),
    ("scratchpad: true", "scratchpad: true\n    setup: 3 cycles", "13:12: 'setup' counts DRAM transfers and belongs"),
    ("read: 64 B/cycle, ", "", "13:16: bandwidth of memory 'spm' lacks 'read', for instance 'read: 16 B/cycle'"),
    (", other: 16 KiB", "", "15:17: 'spm' has no partition 'other' for biases and temporaries"),
    ("weight: 8 KiB, ", "", "15:17: 'spm' has no partition 'weight' for the weight that it holds"),
    (
        "other: 16 KiB",
        "others: 1 B",
        "15:63: unknown key 'others' in partitions of memory 'spm'; did you mean 'other'?",
    ),
    ("keeps: [weight], may", "keeps: [wieght], may", "unknown operand 'wieght'; did you mean 'weight'?"),
    ("may_keep: [input]", "may_keep: [weight]", "'w' lists weight under both 'keeps' and 'may_keep'; choose one"),
    ("keeps: [weight], may_keep: [input]", "keeps: []", "16:34: 'w' holds no operand; list some of input, weight, out"),
    ("keeps: [weight], may", "keeps: weight, may", "'keeps' of memory 'w' needs a list like [input, weight], this is"),
    ("per: [r, c]", "per: [r, r]", "'per' of memory 'w' lists 'r' twice"),
    ("per: [r, c]", "per: [rr, c]", "'per' of memory 'w': unknown axis 'rr'; did you mean 'r'?"),
    ("name: acc", "name: w", "17:12: two memories are called 'w', the other one in line 16"),
    ("name: acc, size: 1 KiB", "name: acc, size: 2 B", "'acc' has 2 B; one element of each operand kept needs 3 B"),
    ("size: 64 B", "size: 1 B", "16:21: 'w' has 1 B; one element of each operand kept needs 2 B (weight 2 B)"),
    ("keeps: [output], per: [c]", "keeps: [output], scratchpad: true", "'spm' is the scratchpad already"),
    ("keeps: [output], per: [c]}", "keeps: [weight], per: [c]}", "'acc' holds weight below 'w', which exists per r"),
    ("r: 3, c: 5", "r: 0, c: 5", "19:13: 'r' of axes must be between 1 and 1048576, this is 0"),
    ("r: 3, c: 5", "r: 3, c: 500000", "19:9: the array has 1500000 positions; at most 1048576 are supported"),
    ("r: 3, c: 5", "", "19:9: the array needs at least one axis, for instance 'axes: {mac: 256}'"),
    ("r: 3, c: 5", "r: 3, c: 5, 9x: 2", "19:22: '9x' is no name for an axis"),
    ("r: [C, R]", "q: [C, R]", "20:12: unroll: unknown axis 'q' (known are r, c)"),
    ("r: [C, R]", "r: C", "20:15: 'r' of unroll needs a list like [dimension], this is 'C'"),
    ("multicast: [r, c]", "multicast: [s]", "21:15: 'multicast' of the array: unknown axis 's' (known are r, c)"),
    ("reduce: [r]", "reduce: [[r]]", "22:12: 'reduce' of the array lists names, this is a list"),
    ("link: 0.25 pJ/B", "link: 0.25", "23:9: 'link: 0.25' of the array has no unit; it is written like '0.5 pJ/B'"),
    ("mac: {energy: 0.2 pJ}", "mac: 0.2 pJ", "24:8: mac needs a mapping of keys to values, this is '0.2 pJ'"),
    ("lanes: 8, ", "", "25:9: the vector unit lacks 'lanes', for instance 'lanes: 16'"),
    ("lanes: 8", "lanes: 0", "25:17: 'lanes' of the vector unit must be between 1 and 1073741824, this is 0"),
    ("10 mW", "10 mw", "26:10: 'leakage: 10 mw' of the accelerator has the unknown unit 'mw'; did you mean 'mW'?"),
]


@pytest.mark.parametrize(("old", "new", "complaint"), MISTAKES)
def test_a_mistake_is_told_with_its_place_and_remedy(old: str, new: str, complaint: str) -> None:
    assert COMPLETE.count(old) == 1
    found = complaints(COMPLETE.replace(old, new))
    assert any(complaint in problem for problem in found), found
    assert all(problem.startswith("m.yaml:") for problem in found)
    assert len(found) <= 2


def test_a_partition_holds_at_least_one_element() -> None:
    text = COMPLETE.replace("input: 4,", "input: 24,").replace("input: 16 KiB", "input: 2 B")
    assert "partition 'input' of 'spm' has 2 B; one element needs 16 B" in complaints(text)[0]


def test_every_operand_needs_a_memory_that_always_keeps_it() -> None:
    text = MINIMAL.replace("scratchpad: true", "scratchpad: true\n    keeps: [input, output]\n    may_keep: [weight]")
    assert complaints(text) == ("m.yaml:4:3: no memory on the chip always keeps weight; add it to the 'keeps' of one",)


def test_the_scratchpad_stands_next_to_the_backing_store() -> None:
    text = MINIMAL.replace("  - name: glb", "  - {name: l2, size: 1 MiB}\n  - name: glb")
    assert "'glb' must be the second memory, next to the backing store" in complaints(text)[0]


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = COMPLETE
    for old, new in (("250 MHz", "250"), ("nchw", "nhw"), ("size: 64 B", "size: 64"), ("lanes: 8", "lanse: 8")):
        text = text.replace(old, new)
    text = text.replace("reduce: [r]", "reduce: [x]").replace("name: acc", "name: w")
    lines = [int(problem.split(":")[1]) for problem in complaints(text)]
    assert lines == [2, 6, 16, 17, 22, 25, 25]


def test_a_memory_that_is_no_mapping_does_not_hide_the_others() -> None:
    found = complaints(MINIMAL.replace("  - name: dram\n", "  - dram\n").replace("4 KiB", "4"))
    assert found == (
        "m.yaml:4:5: memory 1 needs a mapping of keys to values, this is 'dram'",
        "m.yaml:6:11: 'size: 4' of memory 'glb' has no unit; it is written like '64 KiB'",
    )


@pytest.mark.parametrize("listing", ["memories: []", "memories: {}", "memories: dram", "memories:"])
def test_memories_are_a_list_with_entries(listing: str) -> None:
    text = listing + "\n" + MINIMAL[: MINIMAL.index("memories")] + MINIMAL[MINIMAL.index("array") :]
    assert "'memories' of the accelerator needs a list with at least one entry" in complaints(text)[0]


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("\ufeff" + COMPLETE, encoding="utf-8")
    assert load_arch(path) == load_arch(str(path)) == parse_arch(COMPLETE.encode(), "m.yaml", source=str(path))


def test_a_wrong_path_or_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MINIMAL)
    for source, complaint in [
        ("simbaa", "no shipped machine and no file is called 'simbaa'; did you mean 'simba'?"),
        ("Eyeriss", "did you mean 'eyeriss'?"),
        (tmp_path / "mina.yaml", f"there is no such accelerator file; did you mean '{tmp_path / 'mine.yaml'}'?"),
        (str(tmp_path / "tpu.yaml"), "did you mean the shipped machine 'tpu'?"),
        (tmp_path / "gone" / "x.yaml", f"there is no folder '{tmp_path / 'gone'}'"),
        (tmp_path, "the accelerator file cannot be read: Is a directory"),
        ("a\0b", "embedded null byte"),
    ]:
        with pytest.raises(InputError) as caught:
            load_arch(source)
        assert complaint in str(caught.value)
