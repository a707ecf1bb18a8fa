"""A schedule as people read it, and as ``--json`` prints it."""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING, Any

from tilewright.cli import text

if TYPE_CHECKING:
    from tilewright.schedule.schedule import Early, Group, Schedule

SPACE_WIDTH = 100


def summary(schedule: Schedule) -> str:
    """Operators, totals, bytes by cause, bound and gap, notes of the rewrites and of the search.

    A schedule that took no seconds is one from a file, where the same input gives the same bytes.
    """
    blocks = [_operators(schedule), _totals(schedule)]
    if notes := _notes(schedule):
        blocks.append("\n".join(f"note: {note}" for note in notes))
    return "\n\n".join(blocks)


def _notes(schedule: Schedule) -> list[str]:
    """What is worth telling: of the network first, then of the search."""
    return [*schedule.placed.network.notes, *schedule.notes]


def _operators(schedule: Schedule) -> str:
    rows = [_row(schedule, group) for group in schedule.groups]
    headings = ["operator", "kind", "step tile", "steps", "MACs", "cycles", "energy", "DRAM B", "limited by"]
    return text.table(headings, rows, left=3)


def _row(schedule: Schedule, group: Group) -> tuple[object, ...]:
    operators = schedule.placed.network.operator
    return (
        text.shortened(" + ".join(group.operators)),
        "+".join(dict.fromkeys(operators[name].kind for name in group.operators)),
        " ".join(f"{dim}:{size}" for dim, size in group.tile) or "whole",
        group.steps,
        group.macs,
        group.cycles,
        text.energy(group.energy_pj),
        group.dram_bytes,
        group.limited_by,
    )


def _totals(schedule: Schedule) -> str:
    network, arch, moved = schedule.placed.network, schedule.arch, schedule.dram_bytes
    time = schedule.cycles / float(arch.clock_hz)
    took = f", in {schedule.seconds:.1f} s" if schedule.seconds else ""
    bound = _amount(schedule.bound, schedule.objective)
    pairs = [
        ("network", f"{network.name}, {_counted(schedule)}, {schedule.macs:,} MACs"),
        ("machine", f"{arch.name}, {float(arch.clock_hz) / 1e6:,.0f} MHz"),
        ("strategy", f"{schedule.strategy}, {schedule.status} for {schedule.objective}{took}"),
        ("cycles", f"{schedule.cycles:,} ({text.duration(time)}, {_utilisation(schedule)} of the array's peak)"),
        ("energy", f"{text.energy(schedule.energy_pj)} ({schedule.energy_pj:,.0f} pJ)"),
        ("edp", f"{schedule.edp:.6g} pJ*cycles"),
        ("DRAM", f"{text.size(moved.total)}: read {moved.read:,} B, written {moved.write:,} B"),
        ("by cause", ", ".join(f"{cause} {count:,} B" for cause, count in schedule.bytes_by_cause.items())),
        ("scratchpad", f"peak {schedule.scratchpad_peak_bytes:,} of {arch.scratchpad.size_bytes or 0:,} B"),
        ("bound", f"{bound} for this strategy; the schedule is {text.percent(schedule.gap)} above"),
        ("floor", f"{_amount(schedule.floor, schedule.objective)} for any schedule (compulsory traffic, peak compute)"),
    ]
    if schedule.space:
        first, *others = wrap(schedule.space, SPACE_WIDTH)
        pairs += [("space", first), *(("", line) for line in others)]
    if schedule.early is not None:
        pairs.append(("prefetch", _early(schedule, schedule.early)))
    return text.fields(pairs)


def _early(schedule: Schedule, early: tuple[Early, ...]) -> str:
    """What the plan takes, which no bound is about."""
    saved = schedule.cycles - schedule.planned_cycles
    if not saved:
        return "no first loads of a group can start early so that cycles are saved"
    energy = text.energy(schedule.planned_energy_pj)
    return (
        f"{schedule.planned_cycles:,} cycles, {energy} with first loads started early in {len(early)} of"
        f" {len(schedule.groups)} groups ({saved:,} cycles less); all above is without"
    )


def _counted(schedule: Schedule) -> str:
    """How many operators there are, and groups of them if any run together."""
    operators, groups = sum(len(group.operators) for group in schedule.groups), len(schedule.groups)
    return f"{operators} operators" if groups == operators else f"{operators} operators in {groups} groups"


def _amount(value: float, objective: str) -> str:
    """A cost in the objective's unit."""
    if objective == "energy":
        return text.energy(value)
    if objective == "edp":
        return f"{value:.6g} pJ*cycles"
    return f"{value:,.0f} " + ("cycles" if objective == "latency" else "B")


def _utilisation(schedule: Schedule) -> str:
    return text.percent(schedule.macs / (schedule.cycles * schedule.arch.array.size) if schedule.cycles else 0.0)


def document(schedule: Schedule) -> dict[str, Any]:
    """The JSON document of ``tilewright schedule`` (docs/architecture.md)."""
    network, moved = schedule.placed.network, schedule.dram_bytes
    found: dict[str, Any] = {
        "model": network.name,
        "arch": schedule.arch.name,
        "objective": schedule.objective,
        "strategy": schedule.strategy,
        "status": schedule.status,
        "cycles": schedule.cycles,
        "energy_pj": schedule.energy_pj,
        "edp": schedule.edp,
        "macs": schedule.macs,
        "dram_bytes": {
            "read": moved.read,
            "write": moved.write,
            "feature_maps": moved.feature_maps,
            "weights": moved.weights,
            "total": moved.total,
            "by_cause": schedule.bytes_by_cause,
        },
        "scratchpad_bytes": {
            "capacity": schedule.arch.scratchpad.size_bytes,
            "peak": schedule.scratchpad_peak_bytes,
        },
        "bound": schedule.bound,
        "gap": schedule.gap,
        "floor": schedule.floor,
        "seconds": schedule.seconds,
        "groups": [_group(group) for group in schedule.groups],
        "space": schedule.space,
        "notes": _notes(schedule),
    }
    if schedule.early is not None:
        found["prefetch"] = {
            "cycles": schedule.planned_cycles,
            "energy_pj": schedule.planned_energy_pj,
            "early": [
                {"group": early.group, "tensors": list(early.tensors), "saved_cycles": early.saved_cycles}
                for early in schedule.early
            ],
        }
    return found


def _group(group: Group) -> dict[str, Any]:
    return {
        "operators": list(group.operators),
        "tile": dict(group.tile),
        "overlap": group.overlap,
        "resident_in": list(group.resident_in),
        "resident_out": list(group.resident_out),
        "cycles": group.cycles,
        "energy_pj": group.energy_pj,
        "dram_bytes": group.dram_bytes,
        "limited_by": group.limited_by,
    }
