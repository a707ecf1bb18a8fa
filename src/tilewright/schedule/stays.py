"""Bases that stay on chip between the groups of choices, and what room they take (docs/model.md, section 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice


@dataclass(frozen=True)
class Stay:
    """A base on chip from one group to another, by their numbers, both included."""

    base: str
    first: int
    last: int


def stays(choices: Sequence[Choice]) -> tuple[Stay, ...]:
    """Every stay: from the group that first writes or loads a base to the last one that finds it there or writes more
    of it."""
    found: list[Stay] = []
    current: dict[str, int] = {}
    for number, choice in enumerate(choices):
        residency = choice.residency
        for base in sorted(residency.on_chip):
            if base in residency.loaded or base not in current:
                current[base] = len(found)
                found.append(Stay(base, number, number))
            else:
                found[current[base]] = replace(found[current[base]], last=number)
    return tuple(found)


def places(choices: Sequence[Choice], found: Sequence[Stay]) -> list[list[Stay]]:
    """The stays by the places they take: a result that takes that of an input follows it."""
    ending = {(stay.base, stay.last): stay for stay in found}
    beginning = {(stay.base, stay.first): stay for stay in found}
    place = {stay: [stay] for stay in found}
    for number, choice in enumerate(choices):
        if choice.over is not None:
            written, resident = beginning[choice.over[0], number], ending[choice.over[1], number]
            if place[written] is not place[resident]:
                place[resident] += place[written]
                place |= dict.fromkeys(place[written], place[resident])
    return list({id(one): one for one in place.values()}.values())


def held_bytes(graph: Graph, choices: Sequence[Choice]) -> list[int]:
    """The bytes of all bases on chip during each group."""
    found = [0] * len(choices)
    for stay in stays(choices):
        for number in range(stay.first, stay.last + 1):
            found[number] += graph.base[stay.base].size_bytes
    for number, choice in enumerate(choices):
        if choice.over is not None:  # one place for both
            found[number] -= graph.base[choice.over[0]].size_bytes
    return found
