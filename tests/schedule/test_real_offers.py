"""The exact search over offers of real groups is equal to enumeration, on chips where not everything fits."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from tests.schedule.exhaustive import totals, value
from tests.schedule.markets import market
from tests.simulate.random_groups import group_network

import tilewright as tw
from tilewright.errors import InfeasibleError
from tilewright.schedule.group.market import Market
from tilewright.schedule.search.optimal import search

MACHINES = ("mobile-npu", "simba", "tiny", "flat-64k", "tpu")
OBJECTIVES = ("edp", "latency", "energy", "traffic")
SEEDS = [*range(4), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(4, 40))]


def cramped(seed: int, folder: Path, objective: str) -> Market:
    """The offers for a random network of a few operators; about half of its maps fit on chip, or as few more as run."""
    onnx.save(group_network(seed, nodes=5), folder / "model.onnx")
    arch = tw.load_arch(MACHINES[seed % len(MACHINES)])
    whole = sum(base.size_bytes for base in market(folder / "model.onnx", "edp", arch).graph.bases)
    size = 64 * (1 + whole // 128)
    while True:
        try:
            return market(folder / "model.onnx", objective, arch.with_scratchpad(size))
        except InfeasibleError:
            size += max(64, size // 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_optimum_of_real_groups_is_the_best_of_all_schedules(seed: int, tmp_path: Path) -> None:
    objective = OBJECTIVES[seed // 2 % len(OBJECTIVES)]
    offers = cramped(seed, tmp_path, objective)
    best = value(totals(offers), objective)
    solution = search(offers, objective)
    assert solution.complete
    assert solution.value(objective) == pytest.approx(best, rel=1e-9)
    assert solution.bound == pytest.approx(best, rel=1e-9)
