"""The best mapping of a nest, with its proof: a good first one, bounds on all others, exact evaluation of survivors.

The first mapping comes from random moves over few tiles. Then all candidates of even tiles, and where they are not too
many those of every tile, are searched: each candidate whose own bound does not go below the best is dropped, trees of
the others are searched together, and what stays below the best is evaluated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

import numpy as np

from tilewright.mapping.evaluate import evaluate, steps_of
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.chains import EVEN, EVERY, FEW, Choice, chain_number
from tilewright.mapping.optimal.costs import (
    Costs,
    Forest,
    Layout,
    bare_forest,
    costs,
    forest,
    layout,
    separable,
    traits,
    turns_taken,
    with_fewest_points,
)
from tilewright.mapping.optimal.features import Component, component, components
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.structure import Structure, structures
from tilewright.mapping.problem import NestCost, NestProblem

GLANCE, WALK, SEEDS, BEST = 8_000, 60_000, 2, 3
NODES_A_SECOND = 200_000
MOST_LEAVES = 4096
MOST_ORDERS = 48
MOST_CANDIDATES = 60_000


@dataclass
class Judge:
    """Evaluates mappings exactly and keeps the best."""

    problem: NestProblem
    objective: str
    max_steps: int
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
        if problems(self.problem, mapping) or steps_of(self.problem, mapping) > self.max_steps:
            return False
        cost = evaluate(self.problem, mapping)
        key = (cost.value(self.objective), cost.energy_pj, float(cost.cycles))
        if key < self.key:
            self.key, self.best, self.cost = key, mapping, cost
        return True

    def limit(self, most_pj: float) -> float:
        """The bound that a combination has to stay below to be of interest."""
        if self.cost is None:
            return np.inf
        value = self.cost.value(self.objective)
        if self.objective in ("latency", "traffic"):
            value += 0.49 * self.cost.energy_pj / most_pj
        return value * (1 - 1e-12)


@dataclass
class Proof:
    """What is known beyond the best mapping: a bound of every mapping of a space that was not evaluated. The space is
    that of a ``Choice`` of tiles."""

    bound: float
    space: str


def keep_rows(part: Component, rows: Any) -> Component:
    """A component with some of its candidates."""
    names = [name for name in part.__dataclass_fields__ if name not in ("dims", "tables")]
    return replace(part, **{name: getattr(part, name)[rows] for name in names})


@dataclass(frozen=True, eq=False)
class Ready:
    """A structure with its candidates; ``root`` is the bound of all their combinations."""

    structure: Structure
    where: Layout
    machine: Costs
    parts: list[Component]
    trees: Forest
    root: float


class Search:
    """One nest, one machine, one objective."""

    def __init__(self, problem: NestProblem, objective: str, max_steps: int, deadline: float | None = None) -> None:
        self.problem = problem
        self.objective = objective
        self.deadline = deadline
        self.judge = Judge(problem, objective, max_steps)
        self.structures = structures(problem)
        self.parts = components(problem.nest)
        self.nodes = 0
        self.pruned: Counter[str] = Counter()

    @property
    def spent(self) -> bool:
        return self.deadline is not None and monotonic() > self.deadline

    def run(self, nodes: int) -> Proof:
        """Search with at most so many nodes; the proof says what is known of the mappings that were not looked at.

        A node is one bound computed; those of the first mapping do not count.
        """
        self.first_mapping()
        nodes += self.nodes
        proof = Proof(-np.inf, "nothing")
        for choice in (EVEN, EVERY):
            if self.candidates(choice) > MOST_CANDIDATES:
                break
            latest = Proof(np.inf, choice.name)
            for structure in self.structures:
                left = nodes - self.nodes
                if self.spent or left <= 0:
                    return proof
                self.examine(structure, choice, latest, left)
            if proof.space == "nothing" or latest.bound >= self.judge.key[0]:
                proof = latest
            if latest.bound < self.judge.key[0]:
                break
        return proof

    def candidates(self, choice: Choice) -> int:
        """The most candidates that a component has in any order of keeps."""
        extents = self.problem.nest.extents
        most = 0
        for structure in self.structures:
            for dims in self.parts:
                number = 1
                for dim in dims:
                    number *= chain_number(extents[dim], structure.splits(dim), choice)
                most = max(most, number)
        return most

    def first_mapping(self) -> None:
        """A good mapping from few tiles: random moves in every order of keeps, longer ones in the best of them."""
        free = [one for one in self.structures if None not in one.axis_places]
        ready = [
            one for one in (self.prepare(structure, FEW) for structure in free or self.structures) if one is not None
        ]
        ready = [replace(one, where=where) for one in ready for where in turns_taken(one.where)]
        glances = sorted((self.wander(one, GLANCE, 0), k) for k, one in enumerate(ready))
        for _, k in glances[:BEST]:
            for seed in range(SEEDS):
                self.wander(ready[k], WALK, seed + 1)
        # The most promising orders first: what they yield cuts the others short.
        rank = {ready[k].structure: number for number, (_, k) in reversed(list(enumerate(glances)))}
        self.structures = sorted(self.structures, key=lambda one: rank.get(one, len(rank)))

    def wander(self, ready: Ready, steps: int, seed: int) -> float:
        """Evaluate the best of a random walk; its bound."""
        from tilewright.mapping.optimal.branch_kernels import anneal, descend, leaf_order

        trees, parts = ready.trees, ready.parts
        counts = np.array([len(part) for part in parts])
        offsets = np.concatenate([[0], np.cumsum(counts)])
        leaves = np.concatenate(
            [leaf_order(root, trees.left, trees.right, count) for root, count in zip(trees.roots, counts, strict=True)]
        )
        start = np.array(
            [
                first + np.argmin(part.footprint.sum(axis=1) + 1e-3 * part.used.sum(axis=1))
                for first, part in zip(trees.starts, parts, strict=True)
            ]
        )
        steps = min(steps, 30 * len(leaves))
        rows, _ = anneal(start, leaves, offsets, trees.table, ready.where, ready.machine, steps, seed)
        rows, value = descend(rows, trees.starts, counts, trees.table, ready.where, ready.machine)
        self.nodes += steps
        if value < self.judge.limit(ready.machine.most_pj):
            self.try_leaf(ready.structure, parts, trees, rows, Proof(0.0, "few"), value)
        return float(value)

    def examine(self, structure: Structure, choose: Choice, proof: Proof, budget: int) -> None:
        """Search one structure with some tiles; ``proof`` takes in the bound of what was left out."""
        ready = self.prepare(structure, choose)
        if ready is not None:
            self.sweep(ready, proof, budget, np.inf)

    def sweep(self, ready: Ready, proof: Proof, budget: int, ceiling: float) -> None:
        """Evaluate the combinations of least bound until none is left below the best, or below ``ceiling``."""
        for where in turns_taken(ready.where):
            self.sweep_one(replace(ready, where=where), proof, budget, ceiling)

    def sweep_one(self, ready: Ready, proof: Proof, budget: int, ceiling: float) -> None:
        """The same for one order in which items give way to each other."""
        from tilewright.mapping.optimal.branch_kernels import search

        trees, most, allowed = ready.trees, 1, budget
        while True:
            limit = min(ceiling, self.judge.limit(ready.machine.most_pj))
            if self.deadline is not None:
                allowed = min(allowed, max(1000, int((self.deadline - monotonic()) * NODES_A_SECOND)))
            rows, values, held, nodes, cut, rest = search(
                trees.roots, trees.left, trees.right, trees.table, ready.where, ready.machine, limit, most, allowed
            )
            self.nodes += nodes
            self.pruned["bound"] += cut
            for k in np.argsort(values[:held], kind="stable"):
                if not values[k] < self.judge.limit(ready.machine.most_pj):
                    break
                self.try_leaf(ready.structure, ready.parts, trees, rows[k], proof, float(values[k]))
            done = rest >= min(ceiling, self.judge.limit(ready.machine.most_pj))
            if done or self.spent or most >= MOST_LEAVES or nodes >= allowed:
                proof.bound = min(proof.bound, rest)
                return
            most *= 16

    def try_leaf(
        self, structure: Structure, parts: list[Component], trees: Forest, rows: Any, proof: Proof, value: float
    ) -> bool:
        """Evaluate the mappings of one combination; what may be left of it goes into the proof's bound."""
        chosen: dict[str, tuple[int, ...]] = {}
        for part, row, start in zip(parts, rows, trees.starts, strict=True):
            chosen.update(part.chain(int(row - start)))
        candidates, all_of_them = mappings(structure, chosen, MOST_ORDERS)
        for mapping in candidates:
            self.judge.judge(mapping)
        if not all_of_them:
            proof.bound = min(proof.bound, value)
        return all_of_them

    def prepare(self, structure: Structure, choose: Choice) -> Ready | None:
        """A structure with all candidates whose own bounds go below the best; None if some component has none."""
        from tilewright.mapping.optimal.branch_kernels import bound, single_bounds, undominated

        machine = costs(structure)
        where = layout(structure, self.parts, self.objective)
        parts: list[Component] = []
        for dims in self.parts:
            twin = next((part for part in parts if alike(structure, part.dims, dims)), None)
            parts.append(component(structure, dims, choose) if twin is None else replace(twin, dims=dims))
        where = with_fewest_points(where, parts)
        limit = self.judge.limit(machine.most_pj)
        bare = bare_forest(structure, parts)
        scratch = np.empty(4 * len(structure.items) + len(self.problem.nest.operands))
        root = bound(bare.roots, bare.table, where, machine, scratch)[0]
        if not root < limit:
            return None
        if np.isfinite(limit):
            kept = []
            for number, part in enumerate(parts):
                values = single_bounds(number, bare.starts[number], len(part), bare.roots, bare.table, where, machine)
                chosen = np.flatnonzero(values < limit)
                self.pruned["candidate"] += len(part) - len(chosen)
                if not len(chosen):
                    return None
                kept.append(keep_rows(part, chosen))
            parts = kept
        shapes = []
        for number, part in enumerate(parts):
            columns, shape = traits(structure, part, where, machine)
            if separable(where, machine):
                order = np.argsort(columns.sum(axis=1), kind="stable")
                chosen = np.sort(order[undominated(np.ascontiguousarray(columns[order]))])
                self.pruned["dominated"] += len(part) - len(chosen)
                parts[number], shape = keep_rows(part, chosen), np.ascontiguousarray(shape[chosen])
            shapes.append(shape)
        return Ready(structure, where, machine, parts, forest(structure, parts, shapes), root)


def alike(structure: Structure, some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two components have equal features: rows and columns of a square convolution."""
    nest = structure.problem.nest

    def seen(dims: tuple[str, ...]) -> object:
        names = {dim: number for number, dim in enumerate(dims)}
        axes = [
            [
                (sorted((names[d], c) for d, c in axis.terms if d in names), len(axis.terms), axis.offset, axis.size)
                for axis in operand.axes
                if any(d in names for d in axis.dims)
            ]
            for operand in nest.operands
        ]
        return [(nest.extents[dim], structure.splits(dim)) for dim in dims], axes

    return seen(some) == seen(others)
