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
    """The schedule with first loads of groups starting while the group before computes, wherever that saves cycles and
    a place is found for them.

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
    """The sets of tensors that save cycles and how many, those that save most first, of these those of least bytes."""
    size = {name: sum(load.size_bytes for load in at.after.first if load.name == name) for name in at.free}
    longest = sorted(at.free, key=lambda name: (-at.load_cycles({name}), name))[:MOST_TENSORS]
    sets = [frozenset(some) for number in range(len(longest)) for some in combinations(longest, number + 1)]
    saving = [(at.saved_cycles(some), sum(size[name] for name in some), sorted(some)) for some in sets]
    for saved, _, names in sorted(saving, key=lambda one: (-one[0], *one[1:])):
        if saved > 0:
            yield frozenset(names), saved
