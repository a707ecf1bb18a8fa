"""Random networks on several machines: bytes and cycles as predicted, numbers as onnxruntime."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from tests.simulate.build import machine
from tests.simulate.models import check, run
from tests.simulate.random_networks import random_network

from tilewright.arch.accelerator import Accelerator, Widths
from tilewright.arch.load import load_arch
from tilewright.schedule.run import schedule
from tilewright.workload.onnx_import import load_model

NETWORKS = 300
BATCHES = 15


def two_ports(arch: Accelerator) -> Accelerator:
    """The machine with ports for reading and writing of different speeds, at every memory that is shared."""
    memories = tuple(
        replace(m, shared_port=False, write_bandwidth=m.write_bandwidth / 3)
        if m.read_bandwidth and m.write_bandwidth
        else m
        for m in arch.memories
    )
    return replace(arch, memories=memories)


MACHINES = {
    "double": machine(),
    "4 KiB": machine(alignment_bytes=16).with_scratchpad(4096),
    "single, nchw": machine(buffering="single", layout="nchw").with_scratchpad(3000),
    "roofline": machine(timing="roofline"),
    "mobile-npu": load_arch("mobile-npu"),
    "simba, 8 KiB": load_arch("simba").with_scratchpad(8192),
    "eyeriss": load_arch("eyeriss"),
    "hwc": load_arch("hwc"),
    "tpu": load_arch("tpu"),
    "4 bits, two ports": two_ports(machine(widths=Widths(4, 4, 4, 12))),
}


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_networks_run_as_predicted_and_compute_what_onnxruntime_computes(batch: int, tmp_path: Path) -> None:
    machines = list(MACHINES.items())
    for seed in range(batch, NETWORKS, BATCHES):
        name, arch = machines[seed % len(machines)]
        errors = run(random_network(seed), tmp_path, arch=arch, seed=seed)
        assert all(error.agrees for error in errors), (seed, name, errors)


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 60))])
def test_schedules_that_were_searched_for_run_as_predicted_too(seed: int, tmp_path: Path) -> None:
    onnx.save(random_network(1000 + seed, nodes=5), tmp_path / "model.onnx")
    arch = list(MACHINES.values())[seed % len(MACHINES)]
    objective = ("latency", "energy", "edp", "traffic")[seed % 4]
    errors = check(schedule(load_model(tmp_path / "model.onnx"), arch, objective, "layerwise"))
    assert all(error.agrees for error in errors)
