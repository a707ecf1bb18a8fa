"""Searches for the best mapping of one nest: closed forms over grids of tiles and orders, then exact evaluation.

1. A coarse grid of tile vectors under every order of loops and keeps, by ``estimate``.
2. Finer grids around the best.
3. The best of all by exact evaluation, and improvement step by step, second splits of a dimension included.

The result is good, not proven: its bound is ``floor``, and it is called optimal only where it meets it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from time import monotonic
from typing import Literal

import numpy as np

from tilewright.errors import InfeasibleError, InputError, LimitError, UsageError
from tilewright.mapping.estimate import Estimate
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor
from tilewright.mapping.grid import Grid
from tilewright.mapping.homes import PASS, accumulated_dims, streams
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.orders import Order, build, orders
from tilewright.mapping.problem import OBJECTIVES, NestCost, NestProblem
from tilewright.mapping.refine import Judge, Judged, refine
from tilewright.mapping.smallest import room_needed
from tilewright.mapping.tiles import coarse_tiles, near_tiles
from tilewright.mapping.tiling import MOST_STEPS

GRID_SIZE = 8_000
FINE_GRID_SIZE = 3_000
FINE_ORDERS = 12
EXACT = 24


@dataclass(frozen=True)
class NestResult:
    """The mapping found, its exact cost, and how far above a lower bound it is: ``gap`` is a fraction of the bound."""

    mapping: Mapping
    cost: NestCost
    bound: float
    gap: float
    status: Literal["optimal", "feasible"]
    evaluated: int
    seconds: float


@dataclass(frozen=True, order=True)
class _Candidate:
    """An estimate's verdict on one tile vector under one order; sorts by value, then steps, then place."""

    value: float
    steps: float
    number: int
    tiles: tuple[tuple[str, int], ...]


def map_nest(
    problem: NestProblem, objective: str = "edp", *, max_steps: int = 200_000, timeout: float | None = None
) -> NestResult:
    """A good mapping of a nest for an objective of ``OBJECTIVES``, the same one every time.

    ``max_steps`` bounds the tile steps. After ``timeout`` seconds the best so far is taken. Raises InfeasibleError if
    nothing fits, naming the memory, the bytes needed at least and the buffers; LimitError if only mappings of more
    steps fit.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"there is no objective '{objective}'; there are {', '.join(OBJECTIVES)}")
    began = monotonic()
    deadline = None if timeout is None else began + timeout
    judge = Judge(problem, objective, max_steps, deadline)
    best: Judged | None = None
    tight = any(streams(problem, operand.name) for operand in problem.nest.inputs)
    for dims in _dimension_sets(problem):
        if best is not None and not tight:
            break
        found = _search(problem, objective, dims, max_steps, judge)
        best = min((one for one in (best, found) if one is not None), key=lambda one: one.key, default=None)
    if best is None:
        raise _nothing_fits(problem, max_steps)
    return _result(problem, objective, best.mapping, best.cost, judge.evaluated, began)


def evaluated(problem: NestProblem, mapping: Mapping, objective: str = "edp") -> NestResult:
    """The verdict on a mapping that somebody else chose; InputError lists everything that makes it illegal."""
    began = monotonic()
    wrong = problems(problem, mapping)
    if wrong:
        raise InputError([f"the mapping is not legal: {sentence}" for sentence in wrong])
    return _result(problem, objective, mapping, evaluate(problem, mapping), 1, began)


def _result(
    problem: NestProblem, objective: str, mapping: Mapping, cost: NestCost, evaluations: int, began: float
) -> NestResult:
    bound = floor(problem, objective)
    value = cost.value(objective)
    gap = max(0.0, (value - bound) / bound) if bound > 0 else 0.0
    status: Literal["optimal", "feasible"] = "optimal" if value <= bound * (1 + 1e-12) else "feasible"
    return NestResult(mapping, cost, bound, gap, status, evaluations, monotonic() - began)


def _dimension_sets(problem: NestProblem) -> list[tuple[str, ...]]:
    """Which dimensions to split: first without filter taps and normalised rows, then, if nothing fits, all."""
    nest, work = problem.nest, problem.nest.work
    free = tuple(dim for dim, extent in nest.dims if extent > 1 and dim not in nest.whole and dim != PASS)
    reduced = set(work.reduced) if work is not None and work.kind == "normalise" else set()
    taps = {
        dim
        for operand in nest.inputs
        for axis in operand.axes
        if len(axis.terms) > 1
        for dim in axis.dims
        if dim in accumulated_dims(nest)
    }
    sets = [tuple(dim for dim in free if dim not in taps | reduced)]
    if reduced:
        rows = tuple(dim for dim in free if dim in reduced)
        sets.append((*(dim for dim in free if dim not in reduced), PASS, *rows))
    elif taps & set(free):
        sets.append(free)
    return sets


def _search(problem: NestProblem, objective: str, dims: tuple[str, ...], max_steps: int, judge: Judge) -> Judged | None:
    choices = _choices(problem, dims)
    coarse = Estimate(Grid(problem, _coarse(problem, dims)), max_steps)
    found = _best(coarse, choices, range(len(choices)), objective, 4, judge)
    for _ in range(2):
        if not found or judge.spent:
            break
        found = _merged(found, _closer(problem, objective, dims, max_steps, choices, found, judge))
    judged: list[Judged] = []
    for candidate in found[:EXACT]:
        if judged and judge.spent:
            break
        one = judge.judge(build(problem, choices[candidate.number], dict(candidate.tiles)))
        if one is not None:
            judged.append(one)
    for candidate in found[EXACT:]:
        if judged:
            break
        one = judge.judge(build(problem, choices[candidate.number], dict(candidate.tiles)))
        judged += [one] if one is not None else []
    if not judged:
        return None
    best = min(judged, key=lambda one: one.key)
    return refine(judge, best)


def _choices(problem: NestProblem, dims: tuple[str, ...]) -> list[Order]:
    """Orders of loops and keeps; many dimensions are permuted only in part, the first ones staying outermost."""
    if len(dims) <= 5 or PASS in dims:
        return orders(problem, dims)
    fixed, free = dims[:-5], dims[-5:]
    return orders(problem, free, fixed)


def _coarse(problem: NestProblem, dims: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
    """Tiles of each dimension so that the grid stays small: dimensions of few tiles leave more to the others."""
    lists: dict[str, tuple[int, ...]] = {}
    left, room = len(dims), float(GRID_SIZE)
    for dim in sorted(dims, key=lambda dim: (problem.nest.extents[dim], dims.index(dim))):
        most = max(2, int(room ** (1 / left)))
        lists[dim] = (1,) if dim == PASS else coarse_tiles(problem, dim, most)
        left, room = left - 1, room / len(lists[dim])
    return {dim: lists[dim] for dim in dims}


def _closer(
    problem: NestProblem,
    objective: str,
    dims: tuple[str, ...],
    max_steps: int,
    choices: list[Order],
    found: list[_Candidate],
    judge: Judge,
) -> list[_Candidate]:
    """The best of finer grids around the best tile vectors, under the orders that did best so far."""
    numbers = list(dict.fromkeys(candidate.number for candidate in found))[:FINE_ORDERS]
    centres = list(dict.fromkeys(candidate.tiles for candidate in found))[:3]
    reach = 1
    while reach < 20 and (2 * reach + 4) ** max(1, len(dims)) <= FINE_GRID_SIZE:
        reach += 1
    results: list[_Candidate] = []
    for centre in centres:
        tiles = {dim: (1,) if dim == PASS else near_tiles(problem, dim, tile, reach) for dim, tile in centre}
        results += _best(Estimate(Grid(problem, tiles), max_steps), choices, numbers, objective, 4, judge)
    return results


def _best(
    estimate: Estimate, choices: list[Order], numbers: range | list[int], objective: str, each: int, judge: Judge
) -> list[_Candidate]:
    """The best tile vectors of a grid under each of some orders, all together in order of their estimates."""
    steps = np.broadcast_to(estimate.grid.steps, estimate.grid.shape).reshape(-1)
    pool: list[_Candidate] = []
    for number in numbers:
        if pool and judge.spent:
            break
        values = estimate.values(choices[number], objective).reshape(-1)
        # Among equal estimates those with fewer steps.
        rank = values * (1 + 1e-12 * steps)
        chosen = np.argpartition(rank, each)[:each] if len(rank) > each else np.arange(len(rank))
        pool += [
            _Candidate(float(values[place]), float(steps[place]), number, tuple(estimate.grid.vector(place).items()))
            for place in sorted(chosen.tolist(), key=lambda place: (rank[place], place))
            if np.isfinite(values[place])
        ]
    return heapq.nsmallest(200, pool)


def _merged(first: list[_Candidate], second: list[_Candidate]) -> list[_Candidate]:
    return sorted(set(first) | set(second))[:200]


def _nothing_fits(problem: NestProblem, max_steps: int) -> Exception:
    """The reason why no mapping was found."""
    reason, steps = room_needed(problem)
    if reason:
        return InfeasibleError("no mapping fits: " + "; ".join(reason))
    return LimitError(
        f"only mappings of more than {max_steps} tile steps fit (the one of smallest tiles has {steps}; at most"
        f" {MOST_STEPS} can be evaluated); give {problem.arch.scratchpad.name} more room"
    )
