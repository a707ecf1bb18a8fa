"""The shipped networks, and what is said about them."""

from __future__ import annotations

import hashlib

import pytest

from tilewright.workload import zoo
from tilewright.workload.network import MAC_KINDS
from tilewright.workload.onnx_import import load_model
from tilewright.workload.summary import summarise

ORIGINS = {"unet": "unet_256", "squeezenet": "squeezenet1_1", "ocr_classifier": "ppocr_cls_mobilenetv3s_trained"}


def test_eight_networks_are_shipped():
    assert zoo.shipped() == (
        "mobilenet_v1",
        "mobilenet_v2",
        "mobilenet_v3_large",
        "ocr_classifier",
        "resnet18",
        "resnet50",
        "squeezenet",
        "unet",
    )


@pytest.mark.parametrize("name", zoo.shipped())
def test_a_shipped_network_is_loaded_by_its_name(name):
    network = load_model(name)
    assert network.name == name
    assert network.reference.path == name
    assert network == load_model(name)


@pytest.mark.parametrize("name", zoo.shipped())
def test_the_shipped_file_is_the_one_the_project_was_given(name, shared):
    original = shared / "models" / f"{ORIGINS.get(name, name)}.onnx"
    assert hashlib.sha256(zoo.path(name).read_bytes()).digest() == hashlib.sha256(original.read_bytes()).digest()


@pytest.mark.parametrize("name", zoo.shipped())
def test_the_table_of_sources_states_the_multiply_accumulates(name):
    (line,) = [line for line in zoo.path(name).with_name("SOURCES.md").read_text().splitlines() if f"`{name}." in line]
    assert f"{summarise(load_model(name)).macs:,}" in line


def test_a_network_of_another_name_is_not_shipped():
    with pytest.raises(KeyError):
        zoo.path("resnet19")


@pytest.mark.parametrize("name", zoo.shipped())
def test_a_summary_adds_up(name):
    network = load_model(name)
    summary = summarise(network)
    assert sum(count for _, count in summary.operators) == len(network.operators)
    assert summary.macs == sum(row.macs for row in summary.layers)
    assert len(summary.layers) == sum(operator.kind in MAC_KINDS for operator in network.operators)
    assert summary.weight_bytes == 4 * summary.weight_elements
    assert sum(count for _, count in summary.kernels) == sum(row.kind != "MatMul" for row in summary.layers)
    assert summary.compulsory_bytes > summary.weight_elements
    assert summary.density == pytest.approx(summary.macs / summary.compulsory_bytes)
    assert summary.largest_feature_map[1] == max(t.elements for t in network.tensors if not t.constant)
