"""Imported layers against the table that was made from the same files by other means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model
from tilewright.workload.summary import summarise

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
TABLE: dict[str, Any] = json.loads((MODELS / "layers.json").read_text()) if MODELS.is_dir() else {}


@pytest.fixture(params=sorted(TABLE) or [pytest.param("", marks=pytest.mark.skip(reason="no ../shared/models"))])
def entry(request: pytest.FixtureRequest) -> tuple[dict[str, Any], Network]:
    expected = TABLE[request.param]
    return expected, load_model(MODELS / expected["file"])


def test_every_layer_has_the_listed_dimensions(entry):
    expected, network = entry
    rows = summarise(network).layers
    assert [row.name for row in rows] == [layer["name"] for layer in expected["layers"]]
    for row, layer in zip(rows, expected["layers"], strict=True):
        sizes = {key: getattr(row, key) for key in ("N", "C", "H", "W", "M", "R", "S", "groups", "OH", "OW", "bias")}
        assert sizes == {key: layer[key] for key in sizes}
        assert (list(row.stride), list(row.pad), list(row.dilation)) == (
            layer["stride"],
            layer["pad"],
            layer["dilation"],
        )
        assert (row.macs, row.batch, row.weight) == (layer["MACs"], layer.get("batch", 1), layer.get("weight", True))
        assert row.kind == ("MatMul" if layer["op"] == "Gemm" else layer["op"])


def test_totals_are_the_listed_ones(entry):
    expected, network = entry
    summary = summarise(network)
    assert summary.macs == expected["total_MACs"]
    assert summary.largest_feature_map[1] * 4 == expected["largest_activation_bytes"]
    # The table counts single numbers too; in a network they are attributes of operators.
    scalars = sum(c is not None for o in network.operators for c in o.get("constants", ()))
    limits = 2 * sum(o.get("function") == "Clip" for o in network.operators)
    missing = expected["weight_bytes_fp32"] - summary.weight_bytes
    assert 0 <= missing <= 4 * (scalars + limits + 4)


def test_inputs_and_outputs_have_the_listed_shapes(entry):
    expected, network = entry
    assert {name: list(network.shape(name)) for name in network.inputs} == expected["inputs"]
    assert {name: list(network.shape(name)) for name in network.outputs} == expected["outputs"]


def test_loading_takes_no_weights_into_memory_and_gives_equal_networks(entry):
    expected, network = entry
    assert network == load_model(MODELS / expected["file"])
    assert network.reference.sha256
    assert network.derived == ()
