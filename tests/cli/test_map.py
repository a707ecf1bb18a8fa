"""``tilewright map``."""

from __future__ import annotations

import pytest

import tilewright as tw

CONV = "K=16,C=8,Y=14,X=14,R=3,S=3,stride=1,pad=1"
KEYS = {
    "schema", "arch", "objective", "status", "cycles", "energy_pj", "edp", "macs", "steps", "dram_bytes", "accesses",
    "scratchpad_bytes", "bound", "gap", "seconds", "evaluated", "mapping",
    "space", "bounds", "pruned",
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
    found = tilewright("map", *nest, "--arch", machine, "--effort", "quick", "--json", "-o", file).document
    again = tilewright("map", *nest, "--arch", machine, "--json", "--evaluate", file).document
    for document in (found, again):
        # What was proven belongs to the search, not to the mapping.
        for key in ("seconds", "evaluated", "status", "space", "bound", "bounds", "gap", "pruned"):
            del document[key]
    assert found == again


def test_the_command_and_the_function_agree(tilewright) -> None:
    document = tilewright(
        "map", "--conv", CONV, "--arch", "simba", "--effort", "quick", "--objective", "traffic", "--json"
    ).document
    nest = tw.conv2d(K=16, C=8, Y=14, X=14, R=3, S=3, stride=1, pad=1)
    result = tw.map_nest(nest, tw.load_arch("simba"), objective="traffic", effort="quick")
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


EINSUM = ("--einsum", "O[n,k,y,x] += W[k,c,r,s] * I[n,c,y+r-1,x+s-1]", "--dims", "n=1,k=16,c=8,y=14,x=14,r=3,s=3")


def test_an_einsum_costs_what_the_convolution_that_it_spells_costs(tilewright, tmp_path) -> None:
    file, arch = tmp_path / "mapping.txt", ("--arch", "simba", "--effort", "quick", "--json")
    found = tilewright("map", *EINSUM, "--size", "I=1,8,14,14", *arch, "-o", file).document
    assert set(found) == KEYS
    names = {
        "n": "N",
        "k": "K",
        "c": "C",
        "y": "Y",
        "x": "X",
        "r": "R",
        "s": "S",
        "O": "output",
        "W": "weight",
        "I": "input",
    }
    lines = [" ".join(names.get(word, word) for word in line.split()) for line in file.read_text().splitlines()]
    file.write_text("\n".join(lines))
    known = tilewright("map", "--conv", CONV, *arch, "--evaluate", file).document
    for key in ("cycles", "energy_pj", "dram_bytes", "scratchpad_bytes", "macs", "bound"):
        assert found[key] == pytest.approx(known[key])
    operands = {memory: {names[name]: n for name, n in kept.items()} for memory, kept in found["accesses"].items()}
    assert operands == known["accesses"]


def test_an_einsums_mapping_is_read_back_and_its_table_has_its_own_names(tilewright, tmp_path) -> None:
    file = tmp_path / "mapping.txt"
    nest = ("--einsum", "C[m,n] = A[m,k] * B[k,n]", "--dims", "m=32, n=48, k=64", "--weight", "A", "--arch", "tpu")
    found = tilewright("map", *nest, "--json", "-o", file).document
    assert found["dram_bytes"]["weight"] % (32 * 64) == 0
    again = tilewright("map", *nest, "--json", "--evaluate", file).document
    assert again["cycles"] == found["cycles"]
    shown = tilewright("map", *nest, "--evaluate", file)
    assert "keep A in weight_registers" in shown.out
    assert shown.err == ""
    file.write_text("keep input in unified\nfor M in tiles of 2\n")
    outcome = tilewright("map", *nest, "--evaluate", file)
    assert outcome.code == 1
    assert "there is no operand 'input'; there are A, B, C" in outcome.err


def test_all_faults_of_an_einsum_are_told(tilewright) -> None:
    given = ("--dims", "k=0,q=3", "--size", "I=3,4", "--weight", "Z", "--arch", "tiny")
    outcome = tilewright("map", "--einsum", "O[k] += I[k*c] * W[c/2]", *given)
    assert outcome.code == 2
    assert [problem.split(":")[0] for problem in outcome.problems] == [
        "einsum, column 3", "einsum, column 9", "einsum, column 11", "einsum, column 13", "einsum, column 21",
        "einsum", "einsum",
    ]  # fmt: skip


def test_options_of_einsum_go_with_einsum_and_it_with_no_other_nest(tilewright) -> None:
    assert "--dims goes with --einsum" in tilewright("map", "--conv", CONV, "--dims", "k=3", "--arch", "tiny").err
    both = tilewright("map", *EINSUM, "--conv", CONV, "--arch", "tiny")
    assert both.code == 2
    assert "--einsum; there are 2" in both.err
    without = tilewright("map", "--einsum", "O[k] = A[k]", "--arch", "tiny")
    assert without.problems == ["einsum, column 3: the dimension k has no extent; give it as k=N"]


def test_axes_that_know_none_of_the_nests_dimensions_are_noted(tilewright, tmp_path) -> None:
    machine = tmp_path / "named.yaml"
    machine.write_text(
        "name: named\nclock: 1 GHz\nmemories:\n  - {name: dram}\n  - {name: glb, size: 4 KiB, scratchpad: true}\n"
        "array: {axes: {rows: 4}, unroll: {rows: [K]}}\nvector: {lanes: 1, energy: 1 pJ}\n"
    )
    lower = tilewright("map", "--einsum", "O[k] = A[k]", "--dims", "k=8", "--arch", machine)
    assert (lower.code, lower.err.count("\n")) == (0, 1)
    assert "note: axis rows of named unrolls only K" in lower.err
    assert tilewright("map", "--einsum", "O[K] = A[K]", "--dims", "K=8", "--arch", machine).err == ""


def test_the_published_selection_is_a_method(tilewright, tmp_path) -> None:
    nest = ("--conv", "K=16,C=16,Y=14,X=14,R=3,S=3", "--arch", "tiny", "--objective", "traffic", "--json")
    chosen = tilewright("map", *nest, "--method", "stoutchinin").document
    best = tilewright("map", *nest).document
    assert chosen["dram_bytes"]["total"] >= best["dram_bytes"]["total"]
    both = tilewright("map", *nest, "--method", "stoutchinin", "--evaluate", tmp_path / "mapping.txt")
    assert both.code == 2
    assert "give one of them" in both.err


def test_a_front_is_printed_whole_and_its_mappings_cost_what_it_says(tilewright, tmp_path) -> None:
    nest = ["--gemm", "M=20,N=6,K=10", "--arch", "tpu"]
    document = tilewright("map", *nest, "--front", "--resolution", "5%", "--json").document
    assert (document["status"], document["resolution"], document["open_corners"]) == ("optimal", 0.05, 0)
    assert [p["cycles"] for p in document["points"]] == sorted({p["cycles"] for p in document["points"]})
    for point in document["points"]:
        file = tmp_path / "mapping.txt"
        file.write_text(point["mapping"])
        again = tilewright("map", *nest, "--evaluate", file, "--json").document
        assert (again["cycles"], again["energy_pj"]) == (point["cycles"], point["energy_pj"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--resolution", "fine"], "--resolution fine: not understood; give percent, such as 1%"),
        (["-o", "m.txt"], "--front finds many mappings, which --json prints: leave out -o"),
        (["--method", "stoutchinin"], "leave out --method"),
        (["--effort", "quick"], "a front needs an effort of good, proof or long"),
    ],
)
def test_what_a_front_cannot_be_asked_for(options, sentence, tilewright) -> None:
    failed = tilewright("map", "--gemm", "M=4,N=4,K=4", "--arch", "tpu", "--front", *options)
    assert failed.code == 2
    assert sentence in failed.err
