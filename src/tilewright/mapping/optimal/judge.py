"""Exact evaluation of the mappings that a search finds, and what is proven of all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, Constraints, satisfied
from tilewright.mapping.evaluate import evaluate, steps_of
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.problem import NestCost, NestProblem, Within


@dataclass
class Judge:
    """Evaluates mappings exactly and keeps the best."""

    problem: NestProblem
    objective: str | Within
    max_steps: int
    constraints: Constraints = UNCONSTRAINED
    watch: Callable[[Mapping, NestCost], None] | None = None  # told of every one
    best: Mapping | None = None
    cost: NestCost | None = None
    key: tuple[float, ...] = (np.inf,)
    evaluated: int = 0
    seen: set[Mapping] = field(default_factory=set)

    def judge(self, mapping: Mapping) -> bool:
        """Whether a mapping is legal; the best one is kept."""
        if mapping in self.seen:
            return True
        self.seen.add(mapping)
        self.evaluated += 1
        if steps_of(self.problem, mapping) > self.max_steps or problems(self.problem, mapping):
            return False
        if self.constraints != UNCONSTRAINED and not satisfied(self.constraints, mapping, self.problem.nest):
            return False
        self.take(mapping, evaluate(self.problem, mapping))
        return True

    def take(self, mapping: Mapping, cost: NestCost) -> None:
        """Keep a legal mapping if it is the best."""
        if self.watch is not None:
            self.watch(mapping, cost)
        key = (cost.value(self.objective), cost.energy_pj, float(cost.cycles))
        if key < self.key:
            self.key, self.best, self.cost = key, mapping, cost

    @property
    def least(self) -> float:
        """What a mapping must be better than."""
        return min(self.key[0], 1.0) if isinstance(self.objective, Within) else self.key[0]

    def limit(self, most_pj: float | None = None) -> float:
        """The bound that a combination has to stay below to be of interest; with the most energy that there can be,
        also where the objective is the same and the energy less."""
        if isinstance(self.objective, Within):
            return self.least  # only what is within is of interest
        if self.cost is None:
            return np.inf
        value = self.cost.value(self.objective)
        if self.objective in ("latency", "traffic"):
            # Whole numbers; their bounds have less than a half for energy on top.
            value += -0.5 if most_pj is None else 0.49 * self.cost.energy_pj / most_pj
            return value if most_pj is None else value * (1 - 1e-12)
        return value * (1 - 1e-12)


@dataclass
class Proof:
    """What is known beyond the best mapping: a bound of every mapping of a space that was not evaluated. The space is
    that of a ``Choice`` of tiles. ``left`` are combinations, with their bounds, of which only some orders of loops
    were evaluated."""

    bound: float
    space: str
    left: list[tuple[float, Structure, dict[str, tuple[int, ...]]]] = field(default_factory=list)
