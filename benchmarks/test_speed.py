"""Seconds to import, schedule and execute two networks: ``make bench``."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import tilewright as tw

NETWORKS = ("resnet18", "mobilenet_v2")
MACHINE = "mobile-npu"


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_import(benchmark: Any, name: str) -> None:
    network = benchmark.pedantic(tw.load_model, (name,), rounds=3, warmup_rounds=1)
    assert network.operators


def test_schedule(benchmark: Any, name: str) -> None:
    network, machine = tw.load_model(name), tw.load_arch(MACHINE)
    schedule = benchmark.pedantic(tw.schedule, (network, machine), rounds=2, warmup_rounds=0)
    assert schedule.cycles


def test_simulate(benchmark: Any, name: str) -> None:
    schedule = tw.schedule(tw.load_model(name), tw.load_arch(MACHINE), strategy="layerwise")
    run = benchmark.pedantic(tw.simulate, (schedule,), rounds=2, warmup_rounds=0)
    assert run.matched


def test_help(benchmark: Any) -> None:
    """A fresh interpreter up to the end of ``tilewright --help``: half a second is the most a person should wait."""
    command = [sys.executable, "-c", "from tilewright.cli.app import main; main()", "--help"]
    run = benchmark.pedantic(subprocess.run, (command,), {"capture_output": True}, rounds=5, warmup_rounds=1)
    assert run.returncode == 0
