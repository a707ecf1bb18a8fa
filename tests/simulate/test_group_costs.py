"""What fused groups cost is what their execution counts: cycles, bytes by tensor and cause, bytes at every memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.simulate.test_random_groups import drawn

from tilewright.plan.lower import lower
from tilewright.schedule.group.cost import tiled_cost
from tilewright.schedule.group.members import NoGroupError
from tilewright.schedule.schedule import Group, Schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, simulate
from tilewright.workload.constants import ConstantStore

SOME, BATCHES = 96, 8


def costed(schedule: Schedule) -> Schedule:
    """The schedule with the costs that are predicted for its groups."""

    def priced(group: Group) -> Group:
        if group.tiled is None:
            return group
        return replace(group, tiled=replace(group.tiled, cost=tiled_cost(schedule.placed, schedule.arch, group)))

    return replace(schedule, groups=tuple(priced(group) for group in schedule.groups))


def check(schedule: Schedule, seed: int) -> bool:
    """Whether the groups are such that their costs are known, which most must be."""
    try:
        schedule = costed(schedule)
    except NoGroupError:
        return False
    network = schedule.placed.network
    claim = Claim(schedule.cycles, schedule.traffic, schedule.accesses)
    done = simulate(lower(schedule), ConstantStore(network, "stored"), seeded_inputs(network, seed), claim)
    assert done.cycles_predicted == done.cycles_executed, seed
    assert [t for t in done.tensors if t.predicted != t.executed] == [], seed
    assert [m for m in done.memories if m.predicted != m.executed] == [], seed
    assert done.matched, seed
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_predicted_costs_of_random_groups_are_those_executed(batch: int, tmp_path: Path) -> None:
    seeds = range(batch, SOME, BATCHES)
    assert sum(check(drawn(seed, tmp_path), seed) for seed in seeds) >= 0.7 * len(seeds)
