"""The buffers of a choice beside held bases, phase by phase (docs/model.md, sections 8 and 10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import operand_buffers
from tilewright.schedule.group.members import Member
from tilewright.schedule.group.prepared import Prepared, Way
from tilewright.schedule.group.room import Room
from tilewright.schedule.offers import Choice
from tilewright.schedule.problems import nest_problem
from tilewright.schedule.schedule import Group
from tilewright.workload.storage import PlacedNetwork, executed_parts


@dataclass(frozen=True)
class Rooms:
    """``phases`` follow on each other; ``of`` pairs each buffer with its class: input, weight, output or other."""

    phases: int
    of: tuple[tuple[str, Room], ...]


RoomsOf = Callable[[Choice], Rooms]
PreparedOf = Callable[[frozenset[int], Way], Prepared]


def rooms_of(placed: PlacedNetwork, arch: Accelerator, prepared: PreparedOf) -> RoomsOf:
    """What choices on a machine need; it says what a plan will say, which a test holds. ``prepared`` has a group under
    a way to run it."""

    def found(choice: Choice) -> Rooms:
        how = choice.offer.how
        if isinstance(how, Group):
            return _of_parts(placed, arch, how)
        assert isinstance(how, Way)
        group = prepared(choice.nodes, how)
        members = group.at.group.all
        return Rooms(len(members), tuple((_class(room, members), room) for room in group.room(choice.residency)))

    return found


def _of_parts(placed: PlacedNetwork, arch: Accelerator, group: Group) -> Rooms:
    """The parts of an operator follow on each other; its parameters stay for all of them."""
    (name,) = group.operators
    operator = placed.network.operator[name]
    parts = executed_parts(placed, operator)
    found = []
    for entry in group.parts:
        for buffer in operand_buffers(nest_problem(placed, arch, operator, parts, entry.part), entry.mapping):
            if buffer.memory != arch.scratchpad.name:
                continue
            first = last = entry.part
            if buffer.operand.startswith("parameter"):
                if entry.part:
                    continue
                last = len(parts) - 1
            found.append((buffer.kind_class, Room(f"{name}/{buffer.operand}", buffer.size_bytes, first, last)))
    return Rooms(len(parts), tuple(found))


def _class(room: Room, members: tuple[Member, ...]) -> str:
    """The class of a group's buffer by what is in it."""
    for one in members:
        if one.weights is not None and room.what == one.part.tensor(one.weights.name):
            return "weight"
        if any(room.what == tensor for tensor, _ in one.vectors):
            return "other"
    if room.what in ("statistics", "exponentials"):
        return "other"
    if room.what == members[-1].writes or room.what.startswith("sums of "):
        return "output"
    return "input"
