"""An order of keeps with all candidates that may be part of something better than the best mapping known."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.mapping.floor import floor
from tilewright.mapping.optimal.assumed import Case
from tilewright.mapping.optimal.cases import Node, Origin, solved
from tilewright.mapping.optimal.chains import Choice, Floats
from tilewright.mapping.optimal.components import alike
from tilewright.mapping.optimal.costs import (
    TOGETHER,
    costs,
    layout,
    packed,
    separable,
    stacked,
    traits,
    with_fewest_points,
)
from tilewright.mapping.optimal.features import Component, component
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.threads import aside, side_by_side
from tilewright.mapping.problem import Within

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

DOMINATED, COMPARED = 20_000, 500  # rows that are worth comparing, with how many where more than bytes counts
TANGENTS = 2000
FEW_LISTED, MOST_LISTED = 5_000, 200_000  # candidates kept for another look: of an order of keeps, of all of them


@dataclass
class Tally:
    """Work in bounds, and what was cut by which rule; every thread has its own."""

    nodes: int = 0
    pruned: Counter[str] = field(default_factory=Counter)

    def take(self, nodes: int, dropped: int) -> None:
        """Count work, and candidates that tangents cut."""
        self.nodes += nodes
        self.pruned["tangent"] += dropped


def root(search: Search, structure: Structure, choice: Choice, tally: Tally) -> Node | None:
    """A structure with its candidates; None if it has none. Changes nothing of the search but what it remembers."""
    machine, where = costs(structure), layout(structure, search.parts, search.objective)
    parts = _components(search, structure, _hopeful(search, choice))
    if not parts:
        return None
    # Other objectives' walks get further without a limit.
    steps = float(search.judge.max_steps) if search.careful and search.objective == "traffic" else np.inf
    where = with_fewest_points(where, parts, search.fewest)._replace(most_steps=steps)
    tables, kinds = _packed(structure, parts)
    chains = tuple(tuple(zip(part.dims, part.tables, strict=True)) for part in parts)
    numbers = tuple(np.arange(len(part)) for part in parts)
    # Where transfers take longer the more runs they are made of, columns are not like rows.
    twins = _twins(parts) if search.free and machine.setup == 0 else None
    origin = Origin(structure, choice, where, machine, chains, kinds, twins)
    node: Node | None = Node(origin, numbers, tuple(tables), Case((None,) * len(where.parent)))
    assert node is not None
    comparable = "dominated" in search.rules and separable(search.problem.nest, where, machine)
    early = search.objective == "traffic" and max(len(part) for part in parts) < DOMINATED
    if comparable and early:  # few are left where bytes alone count
        node = _without_dominated(search, node, parts, tally)
    if "candidate" in search.rules:
        node = _without_hopeless(node, search.limit, tally)
    if node is not None and "tangent" in search.rules:
        node, dropped, work = solved(node, search.limit)
        tally.take(work // 2 + 100, dropped)
    if node is not None and comparable and not early and node.rows < DOMINATED:
        node = _without_dominated(search, node, parts, tally)
    if node is not None:
        node = replace(node, origin=replace(node.origin, whole=tuple(zip(node.numbers, node.tables, strict=True))))
    return node


def least_of(search: Search, structure: Structure) -> float:
    """What no mapping of an order of keeps goes below: compulsory traffic through the memories that it keeps operands
    in, and computing on the axes that it leaves room for."""
    problem, within = search.problem, search.objective
    if within == "traffic" or "candidate" not in search.rules:
        return 0.0
    if structure.kept not in search.floors:
        search.floors[structure.kept] = floor(problem, "energy", structure.kept), floor(problem, "latency")
    energy, cycles = search.floors[structure.kept]
    if within == "energy":
        return energy
    places = zip(problem.arch.array.axes, structure.axis_places, strict=True)
    positions = prod(size for (_, size), place in places if place is not None)
    cycles = max(problem.nest.points / positions, cycles)
    if within == "latency":
        return cycles
    return max(energy / within.energy_pj, cycles / within.cycles) if isinstance(within, Within) else energy * cycles


def _hopeful(search: Search, choice: Choice) -> Choice:
    """Without chains that take longer to compute than anything that is of interest."""
    limit = search.limit
    if "candidate" not in search.rules or search.objective in ("energy", "traffic") or not np.isfinite(limit):
        return choice
    if isinstance(search.objective, Within):
        return replace(choice, most_cycles=search.objective.cycles * limit)
    energy = 1.0 if search.objective == "latency" else floor(search.problem, "energy")
    return replace(choice, most_cycles=limit / energy) if energy > 0 else choice


def _components(search: Search, structure: Structure, choice: Choice) -> list[Component]:
    """The candidates of every component; empty if constraints leave one without any."""
    if (structure, choice) in search.listed:
        return search.listed[structure, choice]
    parts: list[Component] = []
    # What is asked for may differ where dimensions are alike.
    twins = search.free and not (choice.given or choice.spread)
    for dims in search.parts:
        twin = next((part for part in parts if twins and alike(structure, part.dims, dims)), None)
        made = component(structure, dims, choice, search.memo) if twin is None else replace(twin, dims=dims)
        if made is None:
            return []
        parts.append(made)
    rows = sum(len(part) for part in parts)
    if rows < FEW_LISTED and search.rows_listed + rows < MOST_LISTED:
        search.listed[structure, choice] = parts
        search.rows_listed += rows
    return parts


def _twin(parts: list[Component], number: int) -> int | None:
    """An earlier component with the features of one: rows and columns of a square convolution are alike."""
    return next((k for k in range(number) if parts[k].reads is parts[number].reads), None)


def _twins(parts: list[Component]) -> tuple[int, int] | None:
    """The first two components that are alike."""
    pairs = ((_twin(parts, number), number) for number in range(len(parts)))
    return next(((twin, number) for twin, number in pairs if twin is not None), None)


def _packed(structure: Structure, parts: list[Component]) -> tuple[list[Floats], Any]:
    """The packed features of every component; those that are alike are packed once."""
    tables: list[Floats] = []
    kinds = None
    for number, part in enumerate(parts):
        twin = _twin(parts, number)
        if twin is None:
            table, kinds = packed(structure, part)
            tables.append(table)
        else:
            tables.append(tables[twin])
    return tables, kinds


def below(node: Node, levels: list[Floats], beside: Floats, c: int, limit: float) -> Any:
    """Which candidates of a component (``stacked``) have a bound below the limit beside a row for every other one: a
    candidate, or what stands for all of them. Neighbours are first bounded together."""
    from tilewright.mapping.optimal.branch_kernels import single_bounds

    where, machine = node.origin.where, node.origin.machine
    left = np.ones(1, dtype=bool)
    for level in reversed(levels):
        left = np.repeat(left, TOGETHER)[: len(level)]
        some = np.flatnonzero(left)
        table, own = np.concatenate([level[some], beside]), np.arange(len(some))
        with aside():
            bounds = single_bounds(c, own, len(some) + np.arange(len(beside)), table, where, machine)
        left[some] = bounds < limit
    return left


def _without_hopeless(node: Node, limit: float, tally: Tally) -> Node | None:
    """Without candidates whose own bounds are not below the best."""
    from tilewright.mapping.optimal.bound_kernels import bound
    from tilewright.mapping.optimal.transfer_kernels import scratch_of

    where, machine = node.origin.where, node.origin.machine
    stacks = [stacked(table, node.origin.kinds, where.at_free) for table in node.tables]
    tops = np.concatenate([levels[-1] for levels in stacks])
    least = bound(np.arange(len(tops)), tops, where, machine, scratch_of(where))[0]
    if not least < limit:
        tally.pruned["candidate"] += node.rows
        return None
    if not np.isfinite(limit):
        return node

    some, other = node.origin.twins or (0, 0)
    alone = some == other or not np.array_equal(node.numbers[some], node.numbers[other])
    wanted = [c for c in range(len(node.numbers)) if alone or c != other]
    masks = side_by_side(lambda c: below(node, stacks[c], tops, c, limit), wanted, node.rows)
    if not alone:
        masks.insert(other, masks[some])
    tally.pruned["candidate"] += sum(int((~mask).sum()) for mask in masks)
    if not all(mask.any() for mask in masks):
        return None
    tally.nodes += node.rows
    return node.only(masks).above(float(np.log(max(least, 1e-99))))


def _without_dominated(search: Search, node: Node, parts: list[Component], tally: Tally) -> Node:
    """Without candidates that another one equals or beats in everything that counts."""
    from tilewright.mapping.optimal.branch_kernels import undominated

    masks: list[Any] = []
    enough = node.rows if search.objective == "traffic" else COMPARED
    most = [float(part.steps[rows].max()) for part, rows in zip(parts, node.numbers, strict=True)]
    for number, (part, rows) in enumerate(zip(parts, node.numbers, strict=True)):
        twin = _twin(parts, number)
        if twin is not None and np.array_equal(node.numbers[twin], rows):
            masks.append(masks[twin])
            continue
        columns, _ = traits(node.origin.structure, part.only(rows), node.origin.where, node.origin.machine)
        if search.careful:  # a better one of more steps is no better where there may be too many of them
            steps = np.maximum(part.steps[rows], search.judge.max_steps * most[number] / prod(most))
            columns = np.hstack([columns, steps[:, None]])
        order = np.argsort(columns.sum(axis=1), kind="stable")
        mask = np.zeros(len(rows), bool)
        values = np.ascontiguousarray(columns[order])
        with aside():
            best = undominated(values, enough)
        mask[order[best]] = True
        tally.pruned["dominated"] += int((~mask).sum())
        masks.append(mask)
    return node.only(masks)
