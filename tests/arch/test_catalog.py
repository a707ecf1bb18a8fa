"""The machines that are shipped say what their table says, and each can hold what it must."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tilewright.arch import Accelerator, catalog, load_arch
from tilewright.arch.load import parse_arch

ROLES = ("input", "weight", "output")


@pytest.fixture(params=catalog())
def machine(request: pytest.FixtureRequest) -> Accelerator:
    return load_arch(request.param)


def test_every_machine_of_the_design_is_shipped(shared: Path) -> None:
    text = (shared / "design" / "ACCELERATORS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z0-9-]+)`[^|]*\| (\d+) ([MG])Hz", text, re.MULTILINE)
    assert len(rows) >= 7
    for name, clock, prefix in rows:
        assert load_arch(name).clock_hz == int(clock) * {"M": 10**6, "G": 10**9}[prefix]


def test_the_minimal_file_of_the_design_is_the_tiny_machine(shared: Path) -> None:
    text = (shared / "design" / "ACCELERATORS.md").read_text(encoding="utf-8")
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    assert parse_arch(block[1].encode(), "design.yaml", source="tiny") == load_arch("tiny")


def test_flat_64k_is_the_reference_machine(shared: Path) -> None:
    expected = json.loads((shared / "reference" / "flat-machine.json").read_text(encoding="utf-8"))["machine"]
    machine = load_arch("flat-64k")
    dram, glb = machine.memories
    assert (dram.read_pj, dram.write_pj) == (expected["dram"]["read"], expected["dram"]["write"])
    assert dram.read_bandwidth == expected["dram"]["bytes_per_cycle"]
    assert (glb.read_pj, glb.write_pj) == (expected["glb"]["read"], expected["glb"]["write"])
    assert (glb.size_bytes, glb.read_bandwidth) == (expected["glb"]["size_bytes"], expected["glb"]["bytes_per_cycle"])
    assert dram.shared_port == glb.shared_port == expected["dram"]["shared_port"]
    assert (machine.array.mac_pj, machine.array.size) == (expected["mac"]["energy"], expected["mac"]["per_cycle"])
    assert {machine.widths.of(kind) for kind in (*ROLES, "accumulator")} == {expected["bits"]}
    assert machine.timing == expected["timing"]
    assert not machine.array.multicast
    assert not machine.array.reduce


def test_the_published_machines_have_their_published_numbers() -> None:
    eyeriss, simba, dave = load_arch("eyeriss"), load_arch("simba"), load_arch("dmazerunner")
    assert dict(eyeriss.array.axes) == {"x": 14, "y": 12}
    assert [m.size_bytes for m in eyeriss.memories] == [None, 128 * 1024, 24, 384, 32]
    assert eyeriss.home("weight").name == "weight_spad"
    assert [m.size_bytes for m in simba.memories] == [None, 64 * 1024, 32 * 1024, 8 * 1024, 3 * 1024]
    assert simba.array.size == 1024
    assert simba.widths.accumulator == 24
    assert dave.dram.read_bandwidth == Fraction(267, 10)
    assert dave.dram.setup_cycles == 46
    # Per element of two bytes: registers 0.96, network 2, scratchpad 13.5, DRAM 200 pJ.
    assert [2 * m.read_pj for m in dave.memories] == [200, 13.5, 0.96]
    assert 2 * dave.array.link_pj == 2


def test_every_operand_finds_room_for_one_element_everywhere(machine: Accelerator) -> None:
    for memory in machine.memories[1:]:
        assert memory.size_bytes is not None
        needed = sum(-(-max(machine.widths.of(r), 8) // 8) for r in memory.keeps if r != "output")
        needed += -(-machine.widths.accumulator // 8) if "output" in memory.keeps else 0
        assert needed * (2 if memory.double_buffered else 1) <= memory.size_bytes


def test_every_machine_is_a_hierarchy_for_every_operand(machine: Accelerator) -> None:
    assert machine.memories[1] is machine.scratchpad
    assert {"input", "output"} <= set(machine.scratchpad.keeps)
    for role in ROLES:
        assert machine.home(role) in machine.memories[1:]
        holders = [m for m in machine.memories if m.holds(role)]
        assert holders[0] is machine.dram
        for outer, inner in pairwise(holders):
            assert set(outer.per) <= set(inner.per)


def test_every_file_says_what_is_assumed(machine: Accelerator) -> None:
    folder = Path(parse_arch.__code__.co_filename).parent / "catalog"
    comment = (folder / f"{machine.name}.yaml").read_text(encoding="utf-8").split("\nname:")[0]
    assert "# Assumed:" in comment or "Made up" in comment
    assert machine.source == machine.name
