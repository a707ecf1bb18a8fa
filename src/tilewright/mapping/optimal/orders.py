"""Which orders of keeps a search looks into: all, or where they are too many some first, then one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from tilewright.mapping.constraints import Constraints, keeps_allowed
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.chains import Choice
from tilewright.mapping.optimal.structure import Item, Structure, drawn, structure_number, structures, unspread
from tilewright.mapping.problem import NestProblem

MOST_LISTED, FIRST = 10_000, 1_000
TRIES = 20  # orders drawn for each one that is wanted


@dataclass(frozen=True)
class Orders:
    """The orders of keeps that constraints allow, where ``unspread`` without unrolling that DRAM does not see."""

    problem: NestProblem
    constraints: Constraints
    unspread: bool = False

    @cached_property
    def too_many(self) -> bool:
        """Whether there are more than can be listed: products of many factors have hundreds of millions."""
        return structure_number(self.problem) > MOST_LISTED

    def first(self) -> list[Structure]:
        """All orders, or if they are too many some drawn at random, always the same; those in which every axis can be
        unrolled come first, since they hold the best mappings."""
        if self.too_many:
            rng = Random(0)
            some: dict[tuple[Item, ...], Structure] = {}
            for _ in range(TRIES * FIRST):
                one = drawn(self.problem, rng)
                if self._allows(one):
                    some[one.items] = one
                if len(some) == FIRST:
                    break
            found = list(some.values())
        else:
            found = [one for one in structures(self.problem) if self._allows(one)]
        found.sort(key=lambda one: sum(place is None for place in one.axis_places))
        return [unspread(one) for one in found] if self.unspread else found

    def others(self, first: Sequence[Structure]) -> Iterator[Structure]:
        """All orders that are not among the first ones."""
        if not self.too_many:
            return
        known = {one.items for one in first}
        for one in structures(self.problem):
            if one.items not in known and self._allows(one):
                yield unspread(one) if self.unspread else one

    def _allows(self, order: Structure) -> bool:
        return keeps_allowed(self.constraints, ((item.operand, item.memory) for item in order.items))


@dataclass(frozen=True)
class Waiting:
    """An order of keeps whose candidates would take too much memory while they wait: they are listed again when its
    turn comes. No combination of them goes below ``exp(bound)``."""

    structure: Structure
    choice: Choice
    bound: float


Queue = list[tuple[float, int, Node | Waiting]]  # bounds (logarithms), numbers that tell equal ones apart
