"""Which first loads of groups start early: an extension of a finished schedule (docs/model.md, section 9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations

from tilewright.plan.early import group_plans, started_early
from tilewright.plan.lower import lower
from tilewright.schedule.early import Boundary, boundary
from tilewright.schedule.schedule import Early, Schedule

MOST_TENSORS = 8  # of one boundary that are chosen from: those whose loads are longest


def with_early_loads(schedule: Schedule) -> Schedule:
    """The schedule with first loads of groups starting while the group before computes, wherever that saves cycles,
    what they bring has been stored by then and a place is found for it.

    Boundaries are gone through in order; at each the choice that saves most is taken of those that fit. Nothing else
    about the schedule changes. InfeasibleError if it cannot be lowered.
    """
    found: list[Early] = []
    schedule = replace(schedule, early=())
    if not schedule.arch.overlaps:
        return schedule
    plan = lower(schedule)
    groups = group_plans(schedule, plan)
    for number in range(1, len(schedule.groups)):
        at = boundary(schedule.placed, schedule.arch, *schedule.groups[number - 1 : number + 1])
        failed: list[frozenset[str]] = []
        for tensors, saved in _choices(at):
            if any(tensors >= less for less in failed):
                continue
            started = started_early(plan, groups[number - 1], groups[number], tensors)
            if started is not None:
                plan = started
                found.append(Early(number, tuple(sorted(tensors)), saved))
                break
            failed.append(tensors)
    return replace(schedule, early=tuple(found))


def _choices(at: Boundary) -> Iterator[tuple[frozenset[str], int]]:
    """The sets of tensors that save cycles and how many, the best first."""
    loads = at.after.first
    size = {load.name: sum(same.size_bytes for same in loads if same.name == load.name) for load in loads}
    longest = sorted(size, key=lambda name: (-at.load_cycles({name}), name))[:MOST_TENSORS]
    sets = [frozenset(some) for number in range(len(longest)) for some in combinations(longest, number + 1)]
    # Those that save most, of these those of least bytes, of these by their names.
    keys = {some: (-at.saved_cycles(some), sum(size[name] for name in some), sorted(some)) for some in sets}
    for some in sorted(sets, key=lambda one: keys[one]):
        if keys[some][0] < 0:
            yield some, -keys[some][0]
