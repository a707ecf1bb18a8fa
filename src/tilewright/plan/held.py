"""Bases that stay on chip between groups: from which group to which each is held (docs/model.md, section 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tilewright.errors import InfeasibleError
from tilewright.schedule.schedule import Group
from tilewright.workload.storage import PlacedNetwork


@dataclass(frozen=True)
class Life:
    """A base on chip from one group to another, both included; ``name`` is its buffer's."""

    base: str
    name: str
    first: int
    last: int

    def during(self, group: int) -> bool:
        """Whether the base is on chip while a group runs."""
        return self.first <= group <= self.last


def lives(placed: PlacedNetwork, groups: Sequence[Group]) -> tuple[Life, ...]:
    """Every stay of a base on chip: it begins where the base is first written or loaded to be held, and ends with the
    last group that finds it there or writes more of it."""
    output = {operator.name: operator.output for operator in placed.network.operators}
    found: list[Life] = []
    current: dict[str, int] = {}
    for number, group in enumerate(groups):
        written = {placed.of[output[name]].base for name in group.operators} & set(group.resident_out)
        loaded = set(group.tiled.loaded if group.tiled is not None else ())
        for base in sorted(written | loaded):
            if base in loaded or base not in current:
                again = sum(life.base == base for life in found)
                current[base] = len(found)
                found.append(Life(base, f"held:{base}#{again}" if again else f"held:{base}", number, number))
        for base in (*group.resident_in, *sorted(written)):
            if base not in current:
                names = " + ".join(group.operators)
                raise InfeasibleError(f"{names}: '{base}' is to be found on chip, where no group before has left it")
            if base not in loaded:
                found[current[base]] = replace(found[current[base]], last=number)
    return tuple(found)


def shared_places(groups: Sequence[Group], found: Sequence[Life]) -> list[list[int]]:
    """The lives, by their numbers, that follow one another in one place: a result takes that of an input."""
    chain = {number: [number] for number in range(len(found))}
    for number, group in enumerate(groups):
        for written, resident in group.tiled.over if group.tiled is not None else ():
            (new,) = (k for k, life in enumerate(found) if life.base == written and life.first == number)
            (old,) = (k for k, life in enumerate(found) if life.base == resident and life.last == number)
            if chain[new] is not chain[old]:
                chain[old] += chain[new]
                for k in chain[new]:
                    chain[k] = chain[old]
    return list({id(members): members for members in chain.values()}.values())
