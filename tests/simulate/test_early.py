"""First loads of a group beside the last step of the group before: worked out by hand, at random, and damaged."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from tests.simulate.build import machine
from tests.simulate.mutations import noticed
from tests.simulate.random_groups import NO_COST
from tests.simulate.test_fused import ROWS, run, schedule_of, two_convolutions
from tests.simulate.test_group_costs import costed
from tests.simulate.test_random_groups import drawn

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Loop
from tilewright.plan.early import group_plans, started_early
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.plan.prefetch import with_early_loads
from tilewright.schedule.group.members import NoGroupError
from tilewright.schedule.schedule import Early, Group, Schedule
from tilewright.schedule.tiled import Run, Tiled
from tilewright.serial import from_json, to_json
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, simulate
from tilewright.workload.constants import ConstantStore

SOME, BATCHES = 96, 8


def two_groups(arch: Accelerator, first: tuple[Loop, ...] = ROWS) -> Schedule:
    """Each of the two convolutions by itself, row by row, everything computed one point after the other."""

    def alone(name: str, output: str, loops: tuple[Loop, ...]) -> Group:
        tiled = Tiled((Run(name, (), "stay"),), loops, None, "recompute", (), (output,), (), NO_COST)
        return Group((name,), (), "recompute", (), (), (), tiled)

    groups = alone("first", "a", first), alone("second", "y", ROWS)
    return costed(schedule_of(two_convolutions(), arch, *groups))


def with_dram_rate(rate: int) -> Accelerator:
    small = machine()
    dram = replace(small.memories[0], read_bandwidth=Fraction(rate), write_bandwidth=Fraction(rate))
    return replace(small, memories=(dram, *small.memories[1:]))


# Row by row `first` computes 12 points a step. It begins with x and v: 3 rows of x and all of v, 6 + 12 B in two runs;
# every step stores a row of `a`, 2 B. `second` computes 8 points a step, begins with 2 rows of `a` and all of w, 4 and
# 8 B, and loads 4 B for every step.


def test_loads_hide_behind_the_last_step() -> None:
    # At 4 B a cycle x and v take 6 + 5, a row of `a` 3 + 1; a and w 6 + 3, together or in turn 4 + 5.
    schedule = two_groups(machine())
    first = 11 + 12 + 12 + 12 + max(12, 4) + 4
    second = 9 + max(8, 4) + max(8, 4 + 4) + max(8, 4) + 4
    assert schedule.cycles == first + second == run(schedule).cycles
    # The last step has stored the row before the last one in 4 cycles when 9 of loads come: one is too many.
    early = with_early_loads(schedule)
    assert early.early == (Early(1, ("a", "w"), 8),)
    assert early.planned_cycles == schedule.cycles - (9 - 1)
    done = run(early)
    assert done.hazards == ()
    assert done.cycles == early.planned_cycles
    assert done.traffic == run(schedule).traffic
    assert done.accesses == run(schedule).accesses


def test_no_more_is_hidden_than_the_last_step_has_time_for() -> None:
    # At 1 B a cycle the store before the last one takes 3 + 2 of the last step's 12, and 7 are left. `a` takes just
    # these, 3 + 4, in fewer bytes than w.
    early = with_early_loads(two_groups(with_dram_rate(1)))
    assert early.early == (Early(1, ("a",), 7),)
    done = run(early)
    assert done.hazards == ()
    assert done.cycles == early.planned_cycles


def test_what_is_stored_after_the_last_step_is_not_loaded_beside_it() -> None:
    # In one step all of `a` is stored after it; its 48 points hide w, 3 + 2.
    schedule = two_groups(machine(), first=())
    early = with_early_loads(schedule)
    assert early.early == (Early(1, ("w",), 5),)
    assert run(early).cycles == early.planned_cycles == schedule.cycles - 5
    plan = lower(schedule)
    assert started_early(plan, *group_plans(schedule, plan), {"a", "w"}) is None


def test_where_there_is_no_room_all_stays_as_it_was() -> None:
    # In one step `first` needs 12 B of x, 12 of v and 8 sums of 4 B; w is 8 B.
    for size, saved in ((56, 0), (63, 0), (64, 5)):
        schedule = two_groups(machine().with_scratchpad(size), first=())
        early = with_early_loads(schedule)
        assert schedule.cycles - early.planned_cycles == saved
        if not saved:
            assert early == replace(schedule, early=())
            assert lower(early) == lower(schedule)
        assert run(early).hazards == ()


def test_the_slots_that_the_last_step_does_not_use_are_room() -> None:
    # Row by row `first` fills all there is, 2 * 6 B of x, 12 of v and 2 rows of sums; the last step uses one of each.
    schedule = two_groups(machine().with_scratchpad(2 * 6 + 12 + 2 * 8))
    early = with_early_loads(schedule)
    assert early.early == (Early(1, ("w",), 5),)
    assert run(early).hazards == ()


@pytest.mark.parametrize("how", [{"buffering": "single"}, {"timing": "roofline"}], ids=["single", "roofline"])
def test_nothing_is_early_where_nothing_overlaps(how: dict[str, object]) -> None:
    schedule = two_groups(machine(**how))
    early = with_early_loads(schedule)
    assert early.early == ()
    assert early.planned_cycles == schedule.cycles == run(early).cycles


def test_less_time_leaks_less() -> None:
    early = with_early_loads(two_groups(machine(leakage_mw=3.0)))
    assert early.energy_pj - early.planned_energy_pj == pytest.approx(8 * 3.0)


def test_a_plan_with_early_loads_reads_back_as_it_was() -> None:
    early = with_early_loads(two_groups(machine()))
    assert from_json(to_json(early, "schedule"), Schedule, "schedule") == early
    plan = lower(early)
    assert from_json(to_json(plan, "plan"), Plan, "plan") == plan


def moved(plan: Plan, name: str, onto: str) -> Plan:
    """The plan with a buffer where another one is."""
    address = plan.buffer[onto].address_bytes
    return replace(
        plan, buffers=tuple(replace(b, address_bytes=address) if b.name == name else b for b in plan.buffers)
    )


@pytest.mark.parametrize("onto", ["first:x", "first/0/weight", "first/0/output"])
def test_early_loads_into_bytes_in_use_are_noticed(onto: str) -> None:
    early = with_early_loads(two_groups(machine(), first=()))
    done = run(moved(lower(early), "second/0/weight", onto), early.placed.network)
    assert "shared in one step" in {hazard.kind for hazard in done.hazards}


def test_loads_that_nothing_runs_beside_are_missed() -> None:
    early = with_early_loads(two_groups(machine()))
    plan = lower(early)
    for wrong in (replace(plan, arch=machine(buffering="single")), replace(plan, sections=plan.sections[1:])):
        kinds = {hazard.kind for hazard in run(wrong, early.placed.network).hazards}
        assert "unwritten" in kinds


def test_loads_of_what_is_not_stored_yet_are_noticed() -> None:
    schedule = two_groups(machine(), first=())
    plan = lower(with_early_loads(schedule))
    second = plan.programs[1]
    every = tuple(replace(t, early=t.direction == "load") for t in second.transfers)
    wrong = replace(plan, programs=(plan.programs[0], replace(second, transfers=every)))
    assert "dram unwritten" in {hazard.kind for hazard in run(wrong, schedule.placed.network).hazards}


def check(schedule: Schedule, seed: int) -> Schedule | None:
    """Execute a schedule with early loads, and give it; None if its costs are not known."""
    try:
        early = with_early_loads(costed(schedule))
    except NoGroupError:
        return None
    network = schedule.placed.network
    claim = Claim(early.planned_cycles, early.traffic, early.accesses)
    done = simulate(lower(early), ConstantStore(network, "stored"), seeded_inputs(network, seed), claim)
    assert done.matched, (seed, done.cycles_predicted, done.cycles_executed, [str(h) for h in done.hazards[:1]])
    assert all(one.saved_cycles > 0 for one in early.early or ())
    return early


@pytest.mark.parametrize("batch", range(BATCHES))
def test_what_random_groups_take_with_early_loads_is_what_is_executed(batch: int, tmp_path: Path) -> None:
    found = [check(drawn(seed, tmp_path), seed) for seed in range(batch, SOME, BATCHES)]
    assert sum(len(one.early or ()) for one in found if one is not None) > 0


def test_random_damage_to_early_loads_is_found_out_or_changes_nothing(tmp_path: Path) -> None:
    found, times, plans = 0, 20, 0
    for seed in range(SOME):
        schedule = check(drawn(seed, tmp_path), seed) if seed % 8 == 1 else None
        if schedule is not None and schedule.early:
            plans += 1
            found += noticed(schedule, seed, times)
    assert found > times * plans // 2
