"""``tilewright explain``: every number is the model's, and adds up."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tilewright import conv2d, gemm, load_arch, map_nest
from tilewright.emit.explain import explain, smallest_change
from tilewright.emit.explain_text import explanation_text
from tilewright.emit.mapping_svg import mapping_svg
from tilewright.mapping.buffers import inner_bytes, operand_buffers, scratchpad_bytes
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping
from tilewright.mapping.nests import default_problem
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult
from tilewright.mapping.text import format_mapping

CONV = ("--conv", "K=16,C=8,Y=9,X=7,R=3,S=3,pad=1", "--effort", "good")
NEST = conv2d(K=16, C=8, Y=9, X=7, R=3, S=3, pad=1)


@cache
def result_on(machine: str) -> NestResult:
    """A mapping through the whole hierarchy; that it is the best does not matter here."""
    return map_nest(NEST, load_arch(machine), effort="good", timeout=2.0)


def found(machine: str) -> tuple[NestProblem, Mapping]:
    arch = load_arch(machine)
    return default_problem(NEST, arch, arch.layout), result_on(machine).mapping


@pytest.mark.parametrize("machine", ["mobile-npu", "eyeriss", "simba", "tpu", "flat-64k", "hwc", "dmazerunner"])
def test_every_number_is_that_of_the_model(machine: str) -> None:
    problem, mapping = found(machine)
    cost, explained = evaluate(problem, mapping), explain(problem, mapping)
    assert explained.cost == cost
    assert sum(share.energy_pj for share in explained.shares) == pytest.approx(cost.energy_pj, rel=1e-12)
    accesses = [(s.memory, s.operand, s.read_bytes, s.write_bytes) for s in explained.shares if s.operand]
    assert accesses == [(a.memory, a.operand, a.read_bytes, a.write_bytes) for a in cost.accesses]
    pad, *inner = explained.rooms
    assert pad.used == scratchpad_bytes(problem, operand_buffers(problem, mapping)) == cost.scratchpad_bytes
    assert {(r.memory, o): size for r in inner for o, size in r.parts} == inner_bytes(problem, mapping)
    assert all(room.capacity is None or room.used <= room.capacity for room in explained.rooms)
    assert dict(explained.times)["transfers"] == cost.dma_cycles
    assert all(cost.value(objective) >= least for objective, least in explained.floors)
    nodes = [line.node for line in explained.lines]
    assert [n for n in nodes if not n.startswith("use ")] == [
        line.strip() for line in format_mapping(mapping).splitlines()
    ]
    text = explanation_text(explained)
    assert f"{cost.energy_pj:,.0f}" in text
    assert f"{cost.cycles:,}" in text


def test_loads_from_dram_are_counted_as_the_traffic_is() -> None:
    problem, mapping = found("mobile-npu")
    explained = explain(problem, mapping)
    for entry in explained.cost.traffic:
        if entry.cause in ("load", "weight", "store"):
            (line,) = [one for one in explained.lines if one.node == f"keep {entry.operand} in scratchpad"]
            assert f"{entry.bytes:,} B" in line.note


def test_the_drawing_is_well_formed_and_names_every_line() -> None:
    explained = explain(*found("eyeriss"))
    drawn = mapping_svg(explained)
    root = ElementTree.fromstring(drawn)
    said = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert all(line.node in said and line.note in said for line in explained.lines)
    assert mapping_svg(explained) == drawn
    result = result_on("eyeriss")
    assert result._repr_svg_() == drawn
    assert result.explain() == explanation_text(explained)


def test_the_verb_explains_a_file_and_draws(tilewright, tmp_path: Path) -> None:
    file, drawing = tmp_path / "mapping.txt", tmp_path / "mapping.svg"
    tilewright("map", *CONV, "--arch", "simba", "-o", file)
    outcome = tilewright("explain", *CONV, "--arch", "simba", "--evaluate", file, "--svg", drawing, "--json")
    document = outcome.document
    assert document["mapping"].strip() == file.read_text().strip()
    assert document["energy_pj"] == pytest.approx(sum(row["pj"] for row in document["energy"]))
    assert ElementTree.parse(drawing).getroot().tag.endswith("svg")
    assert "bound" in tilewright("explain", *CONV, "--arch", "simba", "--evaluate", file).out


def test_a_mapping_that_does_not_fit_is_told_the_smallest_change(tilewright, tmp_path: Path) -> None:
    nest, tiny = gemm(M=64, N=64, K=64), load_arch("tiny")
    problem = default_problem(nest, tiny, tiny.layout)
    keeps = tuple(Keep(name, tiny.scratchpad.name) for name in ("input", "weight", "output"))
    mapping = Mapping((Loop("M", 32), *keeps))
    assert problems(problem, mapping)
    change = smallest_change(problem, mapping)
    assert change is not None
    assert not problems(problem, change[1])
    assert "one more loop" in change[0]
    mapping = Mapping((Loop("M", 2), Loop("N", 64), Loop("K", 24), *keeps))
    assert not problems(problem, Mapping((Loop("M", 2), Loop("N", 64), Loop("K", 16), *keeps)))
    wide = Mapping((Loop("M", 2), Loop("N", 64), Loop("K", 64), *keeps))
    assert problems(problem, wide)
    change = smallest_change(problem, wide)
    assert change is not None
    said, changed = change
    assert not problems(problem, changed)
    (before, after) = next((a, b) for a, b in zip(wide.nodes, changed.nodes, strict=True) if a != b)
    assert f"tiles of {before.tile}" in said
    assert f"tiles of {after.tile}" in said
    file = tmp_path / "wide.txt"
    file.write_text(format_mapping(wide))
    outcome = tilewright("explain", "--gemm", "M=64,N=64,K=64", "--arch", "tiny", "--evaluate", file)
    assert outcome.code == 3
    assert "bytes" in outcome.err
    assert said in outcome.err


def test_operators_of_a_folder_are_explained(tilewright, small_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ("--strategy", "layerwise", "--effort", "quick", "--batch", 1)
    tilewright("schedule", small_model, "--arch", "mobile-npu", *options, "-o", out)
    names = tilewright("explain", out, "--json").document["operators"]
    assert names
    for name in names:
        assert tilewright("explain", out, "--operator", name).code == 0
    outcome = tilewright("explain", out, "--operator", "nobody")
    assert outcome.code == 1
    assert "there is no operator 'nobody'" in outcome.err


def test_contradicting_options_are_refused(tilewright, tmp_path: Path) -> None:
    assert tilewright("explain", tmp_path, "--arch", "tiny").code == 2
    assert tilewright("explain", *CONV).code == 2
    assert tilewright("explain", *CONV, "--arch", "tiny", "--operator", "a").code == 2
