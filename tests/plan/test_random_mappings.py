"""Whatever mapping is chosen: its plan executes to exactly the bytes and cycles that the model says."""

from __future__ import annotations

import random

import pytest
from tests.plan.random_mappings import random_result

from tilewright.arch.load import load_arch
from tilewright.plan.lower import lower
from tilewright.schedule import layerwise
from tilewright.schedule.run import schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.onnx_import import load_model

# The smallest machines need drawn tiles that are rarely drawn; the search visits them elsewhere.
MACHINES = ("flat-64k", "eyeriss", "simba", "tpu", "dmazerunner", "mobile-npu")


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("seed", [0, 1])
def test_random_mappings_of_a_trained_network_execute_as_predicted(
    machine: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(f"{machine} {seed}")
    monkeypatch.setattr(layerwise, "stored_map_nest", lambda problem, objective, **_: random_result(problem, rng))
    found = schedule(load_model("ocr_classifier"), load_arch(machine), strategy="layerwise")
    network = found.placed.network
    run = simulate(
        lower(found), ConstantStore(network), seeded_inputs(network, seed), Claim(found.cycles, found.traffic)
    )
    assert not run.hazards
    assert [t for t in run.tensors if t.predicted != t.executed] == []
    assert run.cycles_executed == run.cycles_predicted
    assert run.outputs_compared == 1
    assert run.max_relative_error <= 1e-4
