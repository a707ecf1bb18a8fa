"""Real networks: the nine light models of the onnx package schedule; those of ../shared/models run as predicted."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from tilewright.arch.load import load_arch
from tilewright.plan.lower import lower
from tilewright.schedule.run import schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.onnx_import import load_model
from tilewright.workload.storage import executed_parts

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = (
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_light_model_of_the_onnx_package_schedules(name: str) -> None:
    network = load_model(LIGHT / f"light_{name}.onnx")
    found = schedule(network, load_arch("mobile-npu"), strategy="layerwise", timeout=0.5)
    executed = [op for op in found.placed.network.operators if executed_parts(found.placed, op)]
    assert len(found.groups) == len(executed)
    assert found.cycles > 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["alexnet", "googlenet", "mnasnet1_0", "shufflenet_v2", "vit_tiny", "resnet18_bn"])
def test_a_network_of_the_shared_models_runs_as_predicted(name: str, shared: Path) -> None:
    found = schedule(load_model(shared / "models" / f"{name}.onnx"), load_arch("mobile-npu"), strategy="layerwise")
    network = found.placed.network
    run = simulate(lower(found), ConstantStore(network), seeded_inputs(network), Claim(found.cycles, found.traffic))
    assert run.matched
