"""``tilewright map``."""

from __future__ import annotations

import pytest

import tilewright as tw

CONV = "K=16,C=8,Y=14,X=14,R=3,S=3,stride=1,pad=1"
KEYS = {
    "schema", "arch", "objective", "status", "cycles", "energy_pj", "edp", "macs", "steps", "dram_bytes", "accesses",
    "scratchpad_bytes", "bound", "gap", "seconds", "evaluated", "mapping",
}  # fmt: skip


def test_the_document_has_every_key_and_agrees_with_itself(tilewright) -> None:
    document = tilewright("map", "--conv", CONV, "--arch", "mobile-npu", "--json").document
    assert set(document) == KEYS
    moved = document["dram_bytes"]
    assert moved["total"] == moved["read"] + moved["write"]
    assert moved["total"] == sum(moved.get(cause, 0) for cause in ("load", "weight", "store", "spill", "readback"))
    assert document["macs"] == 16 * 8 * 14 * 14 * 9
    assert document["edp"] == pytest.approx(document["energy_pj"] * document["cycles"])
    assert document["gap"] == pytest.approx((document["edp"] - document["bound"]) / document["bound"])
    assert document["accesses"]["dram"]["input"]["reads"] == moved["load"]


NESTS = {
    "simba": ["--conv", CONV],
    "tpu": ["--gemm", "M=32,N=48,K=64"],
    "hwc": ["--depthwise", "G=24,Y=7,X=7,R=3,S=3,pad=1"],
}


@pytest.mark.parametrize("machine", NESTS)
def test_a_mapping_as_text_costs_the_same_when_read_back(machine, tilewright, tmp_path) -> None:
    nest = NESTS[machine]
    file = tmp_path / "mapping.txt"
    found = tilewright("map", *nest, "--arch", machine, "--json", "-o", file).document
    again = tilewright("map", *nest, "--arch", machine, "--json", "--evaluate", file).document
    for document in (found, again):
        for key in ("seconds", "evaluated", "status"):
            del document[key]
    assert found == again


def test_the_command_and_the_function_agree(tilewright) -> None:
    document = tilewright("map", "--conv", CONV, "--arch", "simba", "--objective", "traffic", "--json").document
    nest = tw.conv2d(K=16, C=8, Y=14, X=14, R=3, S=3, stride=1, pad=1)
    result = tw.map_nest(nest, tw.load_arch("simba"), objective="traffic")
    assert document["dram_bytes"]["total"] == result.cost.dram_bytes
    assert document["cycles"] == result.cost.cycles


def test_the_table_shows_the_mapping_and_its_traffic(tilewright) -> None:
    outcome = tilewright("map", "--gemm", "M=8,N=8,K=8", "--arch", "tiny")
    assert outcome.code == 0
    assert "keep output in glb" in outcome.out
    assert "MACs        512" in outcome.out


def test_exactly_one_nest_must_be_given(tilewright) -> None:
    assert tilewright("map", "--arch", "tiny").code == 2
    assert tilewright("map", "--arch", "tiny", "--gemm", "M=1,N=1,K=1", "--conv", CONV).code == 2


def test_a_mapping_file_with_faults_is_an_error_that_names_its_lines(tilewright, tmp_path) -> None:
    file = tmp_path / "mapping.txt"
    file.write_text("keep input in glbb\nfor Q in tiles of 0\nfly\n")
    outcome = tilewright("map", "--conv", CONV, "--arch", "tiny", "--evaluate", file)
    assert outcome.code == 1
    assert len(outcome.problems) == 4
    assert all(problem.startswith(f"{file}: line ") for problem in outcome.problems)
    assert tilewright("map", "--conv", CONV, "--arch", "tiny", "--evaluate", tmp_path / "none").code == 1


def test_a_mapping_that_does_not_fit_is_an_error(tilewright, tmp_path) -> None:
    file = tmp_path / "mapping.txt"
    file.write_text("keep input in glb\nkeep weight in glb\nkeep output in glb\n")
    outcome = tilewright("map", "--gemm", "M=64,N=64,K=64", "--arch", "tiny", "--evaluate", file)
    assert outcome.code == 1
    assert "glb" in outcome.err


def test_a_nest_that_fits_in_no_way_ends_with_code_3(tilewright, tmp_path) -> None:
    machine = tmp_path / "small.yaml"
    machine.write_text(
        "name: small\nclock: 1 GHz\nmemories:\n  - {name: dram}\n  - {name: glb, size: 6 B, scratchpad: true}\n"
        "array: {axes: {mac: 4}}\nvector: {lanes: 1, energy: 1 pJ}\n"
    )
    outcome = tilewright("map", "--conv", CONV, "--arch", machine)
    assert outcome.code == 3
    assert "glb" in outcome.err
