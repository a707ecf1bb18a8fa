"""Every strategy on a small network: its claim is executed, none beats the optimum, all give an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.simulate.models import model

import tilewright as tw
from tilewright.schedule import strategies as registry
from tilewright.schedule.strategies import strategies
from tilewright.workload.network import Network

EXACT = ("fuse", "pin", "fuse-then-pin", "optimal")


def two_convolutions(
    shapes: dict[str, tuple[int, ...]], output: str
) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """A strided one of 3x3 weights ``v``, then one of 1x1 weights ``w``."""
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("Conv", ["a", "w"], [output]),
    ]
    return nodes, {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions and an addition around them, then a pooling: a branch, halos, an uneven size."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(6, 6, 3, 3)).astype(np.float32) for name in ("v", "w")}
    nodes = [
        helper.make_node("Conv", ["x", "v"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["c", "x"], ["d"]),
        helper.make_node("MaxPool", ["d"], ["y"], kernel_shape=[3, 3], strides=[2, 2]),
    ]
    path: Path = tmp_path_factory.mktemp("model") / "model.onnx"
    onnx.save(model(nodes, {"x": (1, 6, 13, 11)}, ["y"], weights), path)
    return path


@pytest.fixture(scope="module")
def network(small: Path) -> Network:
    return tw.load_model(small)


@pytest.mark.usefixtures("own_store")
@pytest.mark.parametrize("arch", ["mobile-npu", "tiny"])
def test_every_strategy_is_executed_as_claimed_and_none_beats_the_optimum(network: Network, arch: str) -> None:
    found = {name: tw.schedule(network, tw.load_arch(arch), "edp", name, effort="quick") for name in strategies()}
    for name, schedule in found.items():
        assert tw.simulate(schedule).matched, name
        assert found["optimal"].value <= schedule.value * (1 + 1e-12), name
        assert schedule.bound <= schedule.value * (1 + 1e-12), name


@pytest.mark.parametrize("name", EXACT)
def test_a_strategy_without_time_gives_what_it_started_from(network: Network, name: str) -> None:
    arch = tw.load_arch("mobile-npu")
    alone, hurried = (
        tw.schedule(network, arch, "edp", one, effort="quick", cache=False, timeout=0.0) for one in ("layerwise", name)
    )
    assert hurried.value <= alone.value * (1 + 1e-12)
    assert hurried.bound <= hurried.value
    assert tw.simulate(hurried).matched


@pytest.mark.usefixtures("own_store")
def test_an_operator_that_reads_one_block_of_a_base_and_writes_another_runs_by_itself(tmp_path: Path) -> None:
    """Found by hand: what it read counted as written inside its group, and there was no plan."""
    nodes, weights = two_convolutions({"v": (8, 3, 3, 3), "w": (8, 8, 1, 1)}, "b")
    nodes += [
        helper.make_node("Concat", ["a", "b"], ["c"], axis=1),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    onnx.save(model(nodes, {"x": (1, 3, 13, 11)}, ["y"], weights), tmp_path / "model.onnx")
    network = tw.load_model(tmp_path / "model.onnx")
    for name in ("fuse", "optimal"):
        assert tw.simulate(tw.schedule(network, tw.load_arch("mobile-npu"), "edp", name, effort="quick")).matched


@pytest.mark.parametrize("name", [name for name in strategies() if name != "layerwise"])
def test_ctrl_c_at_the_first_stage_ends_all(name: str, network: Network) -> None:
    """What there is then are the operators by themselves; no group is looked at."""
    arch = tw.load_arch("mobile-npu")
    alone = tw.schedule(network, arch, "edp", "layerwise", effort="quick", cache=False)
    pressed = []

    def press(*args: Any, **options: Any) -> None:
        if not pressed:
            pressed.append(True)
            raise KeyboardInterrupt

    found = tw.schedule(network, arch, "edp", name, effort="quick", cache=False, progress=press)
    assert pressed
    assert [group.operators for group in found.groups] == [group.operators for group in alone.groups]
    assert found.status == "feasible"
    assert tw.simulate(found).matched


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Network:
    """Two convolutions whose quick mappings on ``simba`` are poor."""
    nodes, weights = two_convolutions({"v": (256, 128, 3, 3), "w": (256, 256, 1, 1)}, "y")
    path: Path = tmp_path_factory.mktemp("wide") / "model.onnx"
    onnx.save(model(nodes, {"x": (1, 128, 28, 28)}, ["y"], weights), path)
    return tw.load_model(path)


@pytest.mark.usefixtures("own_store")
def test_operators_by_themselves_far_above_their_floor_are_searched_with_more_effort(
    wide: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    arch = tw.load_arch("simba")
    names = [name for name in strategies() if name != "layerwise"]
    found = {name: tw.schedule(wide, arch, "edp", name) for name in names}
    alone = tw.schedule(wide, arch, "edp", "layerwise")
    monkeypatch.setattr(registry, "POOR", float("inf"))
    for name in names:
        assert found[name].value < tw.schedule(wide, arch, "edp", name).value, name
        assert found[name].value <= alone.value * (1 + 1e-12), name
        assert found["optimal"].value <= found[name].value * (1 + 1e-12), name
        assert tw.simulate(found[name]).matched, name


@pytest.mark.usefixtures("own_store")
def test_what_is_on_disk_changes_no_schedule(wide: Network) -> None:
    arch = tw.load_arch("simba")
    cold = replace(tw.schedule(wide, arch, "edp"), seconds=0.0)
    tw.schedule(wide, arch, "edp", "layerwise")
    assert replace(tw.schedule(wide, arch, "edp"), seconds=0.0) == cold
    assert replace(tw.schedule(wide, arch, "edp", cache=False), seconds=0.0) == cold


@pytest.mark.usefixtures("own_store")
def test_what_follows_a_stopped_search_is_not_called_proven(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    real = registry._fuse
    monkeypatch.setattr(registry, "_fuse", lambda deal: (replace(real(deal)[0], stopped=True), real(deal)[1]))
    found = tw.schedule(network, tw.load_arch("mobile-npu"), "edp", "fuse-then-pin", effort="quick")
    assert (found.status, found.bound) == ("feasible", found.floor)


def test_files_are_the_same_however_a_process_hashes(small: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tilewright", "schedule", str(small), "--arch", "tiny", "--strategy", "fuse"]
    for seed in ("1", "2", "3"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "TILEWRIGHT_CACHE": "off"}
        where = ["-o", str(tmp_path / seed)]
        subprocess.run([*command, *where], check=True, stdout=subprocess.DEVNULL, env=environment)
    one, two, three = ({f.name: f.read_bytes() for f in (tmp_path / seed).iterdir()} for seed in ("1", "2", "3"))
    assert one == two == three
