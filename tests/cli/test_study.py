"""``tilewright study dmazerunner``: agreement, differences, files from strangers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

POINT: dict[str, Any] = {
    "layer": {"name": "product", "type": "GemmLayer", "dims": {"X": 4, "Y": 6, "K": 8}, "stranger": 1},
    "tiling": {
        "order": ["X", "Y", "K"],
        "DRAM": [2, 1, 1],
        "SPM": [1, 3, 2],
        "RF": [1, 1, 4],
        "Spatial": [2, 2, 1],
    },
    "dram_order": ["K", "Y", "X"],
    "spm_order": ["X", "Y", "K"],
}
OPTIMUM: dict[str, Any] = {"name": "small", "dims": {"N": 1, "M": 6, "C": 4, "Ox": 4, "Oy": 4, "Fx": 3, "Fy": 3}}
OPTIMUM |= {"stride": 1, "padded_in": 6}

# Worked out with the plain model, which the tests of the model hold against the original program.
Document = dict[str, Any]


def answered(entry: Document) -> Document:
    """A point with what the plain model says of it."""
    from tilewright.mapping.published.dmazerunner import PUBLISHED, Tiling, gemm
    from tilewright.mapping.published.dmazerunner_model import evaluate

    levels = [(*entry["tiling"][level], 1, 1, 1, 1) for level in ("DRAM", "SPM", "RF", "Spatial")]
    names = {"X": 0, "Y": 1, "K": 2}
    orders = [(3, 4, 5, 6, *(names[n] for n in entry[key])) for key in ("dram_order", "spm_order")]
    tiling = Tiling(*levels)  # type: ignore[arg-type]
    found = evaluate(gemm("product", 4, 6, 8), PUBLISHED, tiling, *orders)
    energy = found.energy
    parts = {"MAC": energy.mac, "RF": energy.rf, "NoC": energy.noc, "SPM": energy.spm, "DRAM": energy.dram}
    return entry | {"cycles": found.cycles, "energy_pJ": found.energy_pj, "edp": found.edp, "energy_breakdown": parts}


@pytest.fixture
def points() -> Document:
    from tilewright.mapping.published.dmazerunner import conv
    from tilewright.mapping.published.dmazerunner_optimum import OBJECTIVES, optimum

    layer = conv("small", (1, 6, 4, 4, 4, 3, 3))
    best = {f"min_{o}": optimum(layer, objective=o).cost for o in OBJECTIVES}
    claims = {name: {"cycles": c.cycles, "energy_pJ": c.energy_pj, "edp": c.edp} for name, c in best.items()}
    listed = {"note": "mine", "layers": [OPTIMUM | {"exhaustive": {"tilings": 1} | claims}]}
    return {"points": [answered(POINT)], "optima_of_the_same_model": listed, "remarks": "none"}


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Any], Path]:
    def write(document: Any) -> Path:
        path = tmp_path / "file.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        return path

    return write


def changed(document: Document, keys: tuple[Any, ...], value: Any) -> Document:
    """A copy with another value at a place; ``None`` takes the key away."""
    copied = copy.deepcopy(document)
    place: Any = copied
    for key in keys[:-1]:
        place = place[key]
    if value is None:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return copied


def test_agreement_is_counted(tilewright, points, written) -> None:
    path = written(points)
    plain = tilewright("study", "dmazerunner", "--points", path, "--json")
    assert plain.code == 0
    assert {key: plain.document[key] for key in ("points", "exact", "optima", "reached")} == {
        "points": 1, "exact": 1, "optima": 0, "reached": 0,
    }  # fmt: skip
    whole = tilewright("study", "dmazerunner", "--points", path, "--optima", "--json")
    assert (whole.code, whole.document["optima"], whole.document["reached"]) == (0, 3, 3)
    assert whole.document["seconds"] >= 0
    shown = tilewright("study", "dmazerunner", "--points", path, "--optima")
    assert "1 of 1 evaluations agree exactly" in shown.out
    assert "3 of 3 optima reached" in shown.out


@pytest.mark.parametrize(
    ("keys", "factor", "phrase"),
    [
        (("cycles",), 2, "cycles instead of"),
        (("energy_pJ",), 2, "pJ instead of"),
        (("energy_breakdown", "NoC"), 1 + 1e-8, "pJ of noc energy instead of"),
        (("edp",), 1 + 1e-9, "an EDP of"),
    ],
)
def test_one_different_number_is_a_difference(tilewright, points, written, keys, factor, phrase) -> None:
    own = points["points"][0]
    for key in keys:
        own = own[key]
    outcome = tilewright(
        "study", "dmazerunner", "--points", written(changed(points, ("points", 0, *keys), own * factor))
    )
    assert outcome.code == 5
    assert "0 of 1 evaluations agree exactly" in outcome.out
    assert outcome.problems[0].startswith("points[0]: ")
    assert phrase in outcome.problems[0]


@pytest.mark.parametrize("objective", ["edp", "cycles", "energy"])
def test_an_optimum_that_is_not_reached_is_a_difference_and_a_worse_one_is_not(
    tilewright, points, written, objective
) -> None:
    keys = ("optima_of_the_same_model", "layers", 0, "exhaustive", f"min_{objective}")
    key = "energy_pJ" if objective == "energy" else "cycles"
    own = points["optima_of_the_same_model"]["layers"][0]["exhaustive"][f"min_{objective}"][key]
    better = tilewright("study", "dmazerunner", "--points", written(changed(points, (*keys, key), own - 1)), "--optima")
    assert better.code == 5
    assert "optima_of_the_same_model.layers[0].exhaustive" in better.problems[0]
    worse = tilewright("study", "dmazerunner", "--points", written(changed(points, (*keys, key), own + 1)), "--optima")
    assert worse.code == 0


@pytest.mark.parametrize(
    ("keys", "value", "sentence"),
    [
        (("points", 0, "layer"), None, "points[0]: 'layer' is missing"),
        (("points", 0, "layer", "dims", "X"), 0, "points[0].layer.dims.X: a whole number from 1"),
        (("points", 0, "layer", "dims", "X"), 10**30, "points[0].layer.dims.X: a whole number from 1"),
        (("points", 0, "layer", "dims", "Z"), 3, "points[0].layer.dims: unknown key 'Z'"),
        (("points", 0, "layer", "type"), "Conv3D", "points[0].layer.type: one of ConvLayer"),
        (("points", 0, "layer", "type"), "ConvLayer", "points[0].layer.dims: unknown key 'X'"),
        (("points", 0, "layer", "type"), ["ConvLayer"], "points[0].layer.type: one of ConvLayer"),
        (("points", 0, "tiling", "RF"), [1, 1, 2], "points[0].tiling: the trip counts of C multiply to 4"),
        (("points", 0, "tiling", "RF"), [1, 1], "points[0].tiling.RF: a list of 3 trip counts"),
        (("points", 0, "tiling", "RF", 0), True, "points[0].tiling.RF.X: a whole number"),
        (("points", 0, "tiling", "Ram"), [1, 1, 1], "points[0].tiling: unknown key 'Ram'"),
        (("points", 0, "tiling", "order"), ["X", "X", "K"], "points[0].tiling.order: X, Y, K in some order"),
        (("points", 0, "spm_order"), ["X", "K"], "points[0].spm_order: M has more than one trip"),
        (("points", 0, "spm_order"), ["X", "K", "K"], "points[0].spm_order: a list of X, Y, K, each at most once"),
        (("points", 0, "spm_order"), [{"a": 1}], "points[0].spm_order: a list of X, Y, K"),
        (("points", 0, "cycles"), "many", "points[0].cycles: a whole number"),
        (("points", 0, "cycles"), 0.5, "points[0].cycles: a whole number"),
        (("points", 0, "cycles"), float("nan"), "points[0].cycles: a whole number"),
        (("points", 0, "energy_breakdown", "SPM"), 10**400, "points[0].energy_breakdown.SPM: a number is needed"),
        (("points", 0, "energy_breakdown"), {"Spm": 1}, "points[0].energy_breakdown: unknown key 'Spm'"),
        (("points",), {}, "points: a list is needed"),
        (("points", 0), 7, "points[0]: an object is needed, not a number"),
        (("optima_of_the_same_model",), [], "optima_of_the_same_model: an object with 'layers'"),
        (("optima_of_the_same_model", "layers", 0, "padded_in"), 3, "the padded input has 3 rows"),
        (("optima_of_the_same_model", "layers", 0, "exhaustive"), {}, "one of min_edp, min_cycles, min_energy"),
        (
            ("arch",),
            {"arch_basic": {"RF_SIZES": 512}},
            "arch.arch_basic: unknown key 'RF_SIZES'; did you mean 'RF_SIZE'?",
        ),
        (("arch",), {"arch_basic": {"CGRA_SIZE": -1}}, "arch.arch_basic.CGRA_SIZE: a whole number"),
        (("arch",), {"arch_details": {"pe_pipelined": False}}, "arch.arch_details.pe_pipelined: only true is modelled"),
        (("arch",), {"arch_details": {"dma_frequency": 0}}, "arch: array_mhz is 500"),
        (
            ("arch",),
            {"arch_details": {"data_type_size_in_bytes": 2}, "arch_basic": {"BYTES_PER_DATA": 4}},
            "must agree",
        ),
    ],
)
def test_a_wrong_file_is_answered_with_a_sentence_and_its_place(
    tilewright, points, written, keys, value, sentence
) -> None:
    path = written(changed(points, keys, value))
    outcome = tilewright("study", "dmazerunner", "--points", path, "--optima")
    assert outcome.code == 1
    assert any(problem.startswith(f"{path}: ") and sentence in problem for problem in outcome.problems), outcome.err


@pytest.mark.parametrize("content", ["", "[]", "{", "[" * 100_000, '{"points": 1}', "{}", "null", '{"a": "\\ud800"}'])
@pytest.mark.parametrize("option", ["--points", "--layers"])
def test_a_file_that_is_something_else_is_said(tilewright, written, content, option) -> None:
    outcome = tilewright("study", "dmazerunner", option, written(content))
    assert outcome.code == 1
    assert outcome.problems


def test_files_that_are_not_there_or_too_large_are_said(tilewright, tmp_path) -> None:
    assert "cannot be read" in tilewright("study", "dmazerunner", "--points", tmp_path / "none").problems[0]
    assert "cannot be read" in tilewright("study", "dmazerunner", "--layers", tmp_path).problems[0]
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**26)
    assert "67,108,864 bytes" in tilewright("study", "dmazerunner", "--points", tmp_path / "large").problems[0]


@pytest.mark.parametrize(
    "arguments",
    [[], ["--points", "a", "--layers", "b"], ["--layers", "b", "--optima"], ["--points", "a", "--dataflows"]],
)
def test_options_that_do_not_go_together_are_wrong_usage(tilewright, arguments) -> None:
    outcome = tilewright("study", "dmazerunner", *arguments)
    assert outcome.code == 2
    assert outcome.problems


def test_a_layer_too_large_to_search_ends_in_a_sentence(tilewright, points, written) -> None:
    dims = {"N": 720720, "M": 720720, "C": 1, "Ox": 1, "Oy": 1, "Fx": 1, "Fy": 1}
    large = changed(points, ("optima_of_the_same_model", "layers", 0, "dims"), dims)
    outcome = tilewright("study", "dmazerunner", "--points", written(large), "--optima")
    assert outcome.code == 5  # It is searched, and the optimum in the file is another layer's.
    dims = dict.fromkeys(dims, 60)
    large = changed(large, ("optima_of_the_same_model", "layers", 0, "dims"), dims)
    large = changed(large, ("optima_of_the_same_model", "layers", 0, "padded_in"), 200)
    outcome = tilewright("study", "dmazerunner", "--points", written(large), "--optima")
    assert outcome.code == 6
    assert "are searched" in outcome.problems[0]


def test_a_point_that_does_not_fit_the_machine_is_noted(tilewright, points, written) -> None:
    small = changed(points, ("arch",), {"arch_basic": {"CGRA_SIZE": 2}})
    document = tilewright("study", "dmazerunner", "--points", written(small), "--json").document
    assert document["exact"] == 1
    assert document["notes"] == ["points[0]: the spatial trip counts multiply to 4, and there are 2 PEs"]


def layers_document() -> Document:
    from tilewright.mapping.published.dmazerunner import conv
    from tilewright.mapping.published.dmazerunner_pruned import pruned_search

    cost = pruned_search(conv("a", (1, 16, 8, 14, 14, 3, 3))).cost
    answer = {"edp": cost.edp, "cycles": cost.cycles, "energy_pJ": cost.energy_pj, "cpu_seconds": 1.5}
    dims = {"N": 1, "M": 16, "C": 8, "Ox": 14, "Oy": 14, "Fx": 3, "Fy": 3}
    layer = {"name": "a", "type": "ConvLayer", "dims": dims, "stride": 1, "padding": 1, "input_shape": [1, 8, 14, 14]}
    product = {"name": "fc", "type": "GemmLayer", "dims": {"X": 1, "Y": 30, "K": 64}, "stride": None}
    return {"what": "mine", "net": [layer | {"original_search": answer}, product]}


def test_layers_are_compared_with_the_original_and_the_dataflows(tilewright, written) -> None:
    path = written(layers_document())
    outcome = tilewright("study", "dmazerunner", "--layers", path, "--dataflows", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert (document["layers"], document["agree"]) == (2, 1)
    first, second = document["networks"]["net"]
    assert (first["agrees"], second["agrees"], second["original"]) == (True, None, None)
    assert first["gap"] == pytest.approx((first["pruned"]["edp"] - first["optimum"]["edp"]) / first["optimum"]["edp"])
    assert min(first["gap"], second["gap"]) >= 0
    table = document["dataflows"]["net"]
    assert [one["layers"] + one["without_mapping"] for one in table] == [1] * 8
    shown = tilewright("study", "dmazerunner", "--layers", path, "--dataflows")
    assert "9.16x EDP and 5.83x time" in shown.out
    assert "output stationary (Oy|Ox)" in shown.out


def test_another_answer_of_the_original_is_a_difference(tilewright, written) -> None:
    other = changed(layers_document(), ("net", 0, "original_search", "cycles"), 12345)
    outcome = tilewright("study", "dmazerunner", "--layers", written(other))
    assert outcome.code == 5
    assert outcome.problems[0].startswith("net[0] (a): the pruned search answers")


def test_the_published_files_are_reproduced(tilewright, shared) -> None:
    folder = shared / "reference"
    if not (folder / "dmazerunner-points.json").is_file():
        pytest.skip("there are no evaluations of the original program")
    document = tilewright(
        "study", "dmazerunner", "--points", folder / "dmazerunner-points.json", "--optima", "--json"
    ).document
    assert document["points"] == document["exact"] == 46
    assert document["optima"] == document["reached"] == 36
    outcome = tilewright(
        "study", "dmazerunner", "--layers", folder / "dmazerunner-layers.json", "--dataflows", "--json"
    )
    assert (outcome.code, outcome.document["agree"]) == (0, 33)
    table = outcome.document["dataflows"]["resnet18"]
    means = [round(one["edp"]["geometric"], 2) for one in table]
    assert means == [2.09, 16.04, 2.93, 1.94, 1.04, 3.31, 2.56, 1.18]
