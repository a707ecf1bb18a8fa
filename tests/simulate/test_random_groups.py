"""Random fused groups on several machines: no hazards, and the numbers of onnxruntime."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from tests.simulate.random_groups import group_network, random_tiled
from tests.simulate.random_networks import random_network
from tests.simulate.test_random_networks import MACHINES

from tilewright.arch.load import load_arch
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.schedule.schedule import Schedule
from tilewright.serial import from_json, to_json
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite

SOME, MANY, BATCHES = 96, 1600, 8
ALL_MACHINES = MACHINES | {"flat-64k": load_arch("flat-64k"), "tiny": load_arch("tiny")}


def drawn(seed: int, folder: Path) -> Schedule:
    """A random network with random groups, on a machine that the seed picks; rewritten if the seed is odd."""
    onnx.save(random_network(seed) if seed % 5 == 0 else group_network(seed), folder / "model.onnx")
    network = load_model(folder / "model.onnx")
    arch = list(ALL_MACHINES.values())[seed % len(ALL_MACHINES)]
    return random_tiled(rewrite(network) if seed % 2 else network, arch, seed)


def check(schedule: Schedule, seed: int) -> None:
    """Execute a schedule of which nothing is claimed."""
    network = schedule.placed.network
    store = ConstantStore(network, "stored")
    done = simulate(lower(schedule), store, seeded_inputs(network, seed), Claim(0, ()))
    assert not done.hazards, (seed, str(done.hazards[0]))
    assert done.outputs_compared == len(network.outputs)
    assert all(output.agrees for output in done.outputs), (seed, done.outputs)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_fused_groups_run_without_hazards_and_compute_what_onnxruntime_computes(batch: int, tmp_path: Path) -> None:
    for seed in range(batch, SOME, BATCHES):
        check(drawn(seed, tmp_path), seed)


@pytest.mark.long
@pytest.mark.parametrize("batch", range(BATCHES))
def test_many_more_fused_groups_do(batch: int, tmp_path: Path) -> None:
    for seed in range(SOME + batch, MANY, BATCHES):
        check(drawn(seed, tmp_path), seed)


def test_the_schedules_drawn_are_those_that_are_hard(tmp_path: Path) -> None:
    groups = [group for seed in range(40) for group in drawn(seed, tmp_path).groups]
    tiled = [(group, group.tiled) for group in groups if group.tiled is not None]
    assert sum(len(group.operators) > 1 for group, _ in tiled) > 30
    assert sum(len(group.operators) > 2 for group, _ in tiled) > 8
    for overlap in ("recompute", "cache_rows", "cache_all"):
        assert sum(bool(one.loops) and one.overlap == overlap for _, one in tiled) > 10
    assert sum(one.channels is not None for _, one in tiled) > 5
    assert sum(bool(one.over) for _, one in tiled) > 0
    assert sum(bool(one.loaded) for _, one in tiled) > 5
    assert sum(bool(group.resident_in) for group, _ in tiled) > 20
    assert {run.weights for _, one in tiled for run in one.runs} == {"none", "stay", "stream", "pass"}


@pytest.mark.parametrize("seed", range(4))
def test_their_plans_read_back_as_they_were(seed: int, tmp_path: Path) -> None:
    plan = lower(drawn(seed, tmp_path))
    assert from_json(to_json(plan, "plan"), Plan, "plan") == plan
