"""``tilewright models`` and ``tilewright ops``."""

from __future__ import annotations

from tilewright.workload import zoo
from tilewright.workload.operators import supported


def test_models_lists_every_shipped_network(tilewright) -> None:
    outcome = tilewright("models")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()[1:]] == list(zoo.shipped())
    entries = {entry["name"]: entry for entry in tilewright("models", "--json").document["models"]}
    assert entries["resnet18"]["macs"] == 1_814_073_344
    assert entries["resnet18"]["kernels"] == [[1, 1, 3], [3, 3, 16], [7, 7, 1]]


def test_models_of_a_file_lists_its_layers(tilewright) -> None:
    outcome = tilewright("models", zoo.path("squeezenet"))
    assert "/features/features.12/expand3x3/Conv" in outcome.out
    layers = tilewright("models", "squeezenet", "--json").document["models"][0]["layers"]
    assert sum(layer["macs"] for layer in layers) == tilewright("models", "--json").document["models"][6]["macs"]


def test_models_takes_the_options_that_a_schedule_takes(tilewright) -> None:
    options = ["--input-shape", "input=1,3,64,64", "--json"]
    small = tilewright("models", "resnet18", *options).document["models"][0]
    assert small["macs"] < 200_000_000
    double = tilewright("models", "resnet18", "--batch", 2, "--json").document["models"][0]
    assert double["macs"] == 2 * 1_814_073_344


def test_ops_prints_every_operator_and_constraint(tilewright) -> None:
    outcome = tilewright("ops")
    assert outcome.code == 0
    entries = tilewright("ops", "--json").document["operators"]
    assert [entry["operator"] for entry in entries] == list(supported())
    words = outcome.out.replace(",", " ").split()
    assert all(entry["operator"] in words for entry in entries)
    assert all(sentence in outcome.out for entry in entries for sentence in entry["constraints"])
