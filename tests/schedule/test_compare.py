"""Strategies side by side: rows, averages, the best of all for the optimum, what makes a schedule optimal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import sqrt
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.simulate.models import model

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, UsageError
from tilewright.schedule import strategies as registry
from tilewright.schedule.compare import MEASURES, averages, compare
from tilewright.schedule.layerwise import Found
from tilewright.schedule.run import ROUNDING, schedule, settled
from tilewright.schedule.schedule import Schedule
from tilewright.workload.network import Network


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> list[Network]:
    """A convolution and a pooling; and two convolutions with an addition around one of them."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(4, 4, 3, 3)).astype(np.float32) for name in ("v", "w")}
    first = helper.make_node("Conv", ["x", "v"], ["a"], pads=[1, 1, 1, 1])
    short = [first, helper.make_node("MaxPool", ["a"], ["y"], kernel_shape=[3, 3], strides=[2, 2])]
    long = [
        first,
        helper.make_node("Conv", ["a", "w"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    found = []
    for number, nodes in enumerate((short, long)):
        path = tmp_path_factory.mktemp("model") / f"net{number}.onnx"
        onnx.save(model(nodes, {"x": (1, 4, 6, 5)}, ["y"], weights), path)
        found.append(tw.load_model(path))
    return found


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def remembered(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal nests are searched once for all tests."""
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(store))


@pytest.fixture(scope="module")
def arch() -> Accelerator:
    return tw.load_arch("mobile-npu")


def as_is(change: Callable[[Found], Found] = lambda found: found, of: str = "layerwise") -> registry.Strategy:
    """A strategy that changes what another one hands back."""
    strategy = registry.strategy(of)
    return lambda *asked: change(strategy(*asked))


def test_every_network_has_a_row_per_strategy_equal_to_its_schedule(networks, arch) -> None:
    rows = list(compare(networks, arch, "energy", ["optimal", "layerwise", "pin"], effort="quick", largest=2))
    assert [(row.network, row.strategy) for row in rows] == [
        (f"net{number}", name) for number in (0, 1) for name in ("layerwise", "pin", "optimal")
    ]
    for row in rows:
        network = networks[int(row.network[-1])]
        alone = schedule(network, arch, "energy", row.strategy, effort="quick", largest=2)
        assert row.schedule is not None
        assert (row.schedule.groups, row.status, row.taken_from) == (alone.groups, alone.status, "")


def test_averages_are_geometric_means_over_the_networks_that_both_have(networks, arch) -> None:
    rows = list(compare(networks, arch, "edp", ["layerwise", "pin"], effort="quick"))
    base, pinned = averages(rows, "layerwise")
    assert set(base.ratios) == set(MEASURES)
    assert set(base.ratios.values()) == {1.0}
    costs = [row.schedule.edp for row in rows if row.schedule]
    assert pinned.networks == 2
    assert pinned.ratios["edp"] == pytest.approx(sqrt(costs[1] / costs[0] * costs[3] / costs[2]))
    without = [replace(row, schedule=None, error=InfeasibleError("no")) if row is rows[0] else row for row in rows]
    assert [mean.networks for mean in averages(without, "layerwise")] == [1, 1]
    assert averages(rows, "fuse") == ()


def test_what_fails_is_a_row_and_stops_nothing(networks, arch, monkeypatch) -> None:
    def refuse(*_: object) -> Found:
        raise InfeasibleError("no room")

    def forget(*_: object) -> Found:
        raise MemoryError

    monkeypatch.setitem(registry._REGISTRY, "fuse", refuse)
    monkeypatch.setitem(registry._REGISTRY, "pin", forget)
    rows = list(compare(networks[:1], arch, "edp", ["fuse", "pin", "layerwise"], effort="quick"))
    assert [row.status for row in rows] == ["infeasible", "limit", rows[2].status]
    assert str(rows[0].error) == "no room"
    assert rows[2].schedule is not None


def test_unknown_names_are_refused_before_anything_is_done(networks, arch) -> None:
    with pytest.raises(UsageError, match="unknown strategy 'magic'"):
        compare(networks, arch, "edp", ["layerwise", "magic"])
    with pytest.raises(UsageError, match="unknown objective 'speed'"):
        compare(networks, arch, "speed")


def test_the_optimum_is_never_worse_than_another_row(networks, arch, monkeypatch) -> None:
    """As if its search had ended early: what it found is that of ``layerwise``, and its bound still holds."""
    pinned = schedule(networks[1], arch, "edp", "pin", effort="quick")
    monkeypatch.setitem(registry._REGISTRY, "optimal", as_is(lambda found: replace(found, bound=pinned.value / 2)))
    *_, best = compare(networks[1:], arch, "edp", ["pin", "optimal"], effort="quick")
    assert best.schedule is not None
    assert (best.taken_from, best.schedule.strategy, best.status) == ("pin", "optimal", "feasible")
    assert (best.schedule.groups, best.schedule.bound) == (pinned.groups, pinned.value / 2)
    assert "that of pin" in best.schedule.notes[-1]
    assert tw.simulate(best.schedule).matched


def test_a_schedule_below_the_bound_of_the_optimum_has_only_the_floor_as_bound(networks, arch, monkeypatch) -> None:
    pinned = schedule(networks[1], arch, "edp", "pin", effort="quick")
    monkeypatch.setitem(registry._REGISTRY, "optimal", as_is(lambda found: replace(found, bound=1.01 * pinned.value)))
    *_, best = compare(networks[1:], arch, "edp", ["pin", "optimal"], effort="quick")
    assert best.schedule is not None
    assert (best.status, best.schedule.bound) == ("feasible", best.schedule.floor)
    assert "the bound is the floor" in best.schedule.notes[-1]


@pytest.mark.parametrize("complete", [True, False])
def test_rounding_does_not_decide_what_is_optimal(networks, arch, complete: bool) -> None:
    found = schedule(networks[0], arch, "energy", "layerwise", effort="quick")

    def judged(factor: float) -> Schedule:
        return settled(replace(found, bound=found.value * factor, status="feasible"), complete=complete)

    above, below, far, wrong = (judged(1 + part * ROUNDING) for part in (0.1, -0.1, -10, 10))
    assert (above.status, above.gap) == ("optimal", 0)
    assert (below.status, below.bound == below.value) == (("optimal", True) if complete else ("feasible", False))
    assert far.status == wrong.status == "feasible"
    assert wrong.gap < 0  # a defect is not hidden


def test_no_strategy_makes_larger_groups_than_it_may(networks, arch) -> None:
    for row in compare(networks[1:], arch, "edp", effort="quick", largest=2):
        assert row.schedule is not None
        assert row.schedule.largest_group <= 2
        if row.strategy != "layerwise":
            assert "at most 2 operators" in row.schedule.space


def test_strategies_tell_how_far_they_are(networks, arch) -> None:
    told: list[tuple[str, int, int]] = []
    schedule(networks[1], arch, "edp", "optimal", effort="quick", largest=2, progress=lambda *now: told.append(now))
    groups = [(done, total) for what, done, total in told if what == "groups of operators"]
    assert [done for done, _ in groups] == list(range(len(groups)))
    assert {total for _, total in groups} == {len(groups)}
    for phase in ("fuse, ", "pin, ", "fuse-then-pin, ", "optimal, "):
        assert any(what.startswith(f"{phase}best ") and total == 0 for what, _, total in told)
