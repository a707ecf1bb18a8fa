"""Candidates of the search: tile vectors and orders that closed forms find promising."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tilewright.mapping.estimate import Estimate
from tilewright.mapping.grid import Grid
from tilewright.mapping.homes import PASS
from tilewright.mapping.orders import Order, filter_taps, orders
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.refine import burden
from tilewright.mapping.tiles import coarse_tiles, near_tiles
from tilewright.mapping.tiling import FloatArray

GRID_SIZE = 8_000
FINE_GRID_SIZE = 3_000
FINE_ORDERS = 12
FINE_CENTRES = 3
PER_ORDER = 4
KEPT = 200


class Budget(Protocol):
    """What says when to stop."""

    @property
    def spent(self) -> bool:
        """Whether time is up."""


@dataclass(frozen=True)
class Candidate:
    """An estimate's verdict on one tile vector under one order; ``rank`` is the objective with ties broken."""

    rank: float
    steps: float
    order: Order
    tiles: tuple[tuple[str, int], ...]


def dimension_sets(problem: NestProblem) -> list[tuple[str, ...]]:
    """Which dimensions to split: first without filter taps and normalised rows, then all."""
    nest, work = problem.nest, problem.nest.work
    free = tuple(dim for dim, extent in nest.dims if extent > 1 and dim not in nest.whole and dim != PASS)
    reduced = set(work.reduced) if work is not None and work.kind == "normalise" else set()
    taps = filter_taps(problem)
    sets = [tuple(dim for dim in free if dim not in taps | reduced)]
    if reduced:
        rows = tuple(dim for dim in free if dim in reduced)
        sets.append((*(dim for dim in free if dim not in reduced), PASS, *rows))
    elif taps & set(free):
        sets.append(free)
    return sets


def choices(problem: NestProblem, dims: tuple[str, ...]) -> list[Order]:
    """Orders of loops and keeps; of many dimensions the first ones stay outermost."""
    units = [dim for dim in dims if dim not in filter_taps(problem)]
    most = 4 if len(units) < len(dims) else 5
    if len(units) <= most or PASS in dims:
        return orders(problem, dims)
    fixed = tuple(units[:-most])
    return orders(problem, tuple(dim for dim in dims if dim not in fixed), fixed)


class Candidates:
    """The best candidates so far, in order of rank."""

    def __init__(self, problem: NestProblem, objective: str, max_steps: int, budget: Budget) -> None:
        self.best: list[Candidate] = []
        self._problem, self._objective, self._max_steps, self._budget = problem, objective, max_steps, budget
        self._fixed = {*filter_taps(problem), PASS}

    def explore(self, dims: tuple[str, ...]) -> None:
        """Add the best of a coarse grid over some dimensions, and of two finer rounds around them."""
        found = self._over(self._coarse(dims), choices(self._problem, dims))
        for _ in range(2):
            if not found or self._budget.spent:
                break
            found = _ranked(found + self._closer(dims, found))
        self.best = _ranked(self.best + found)

    def _coarse(self, dims: tuple[str, ...]) -> dict[str, tuple[int, ...]]:
        """Tiles of each dimension so that the grid stays small: dimensions of few tiles leave more to the others."""
        lists: dict[str, tuple[int, ...]] = {}
        left, room = len(dims), float(GRID_SIZE)
        extents = self._problem.nest.extents
        for dim in sorted(dims, key=lambda dim: (dim not in self._fixed, extents[dim], dims.index(dim))):
            most = 2 if dim in self._fixed else max(2, int(room ** (1 / left)))
            lists[dim] = (1,) if dim == PASS else coarse_tiles(self._problem, dim, most)
            left, room = left - 1, room / len(lists[dim])
        return {dim: lists[dim] for dim in dims}

    def _closer(self, dims: tuple[str, ...], found: list[Candidate]) -> list[Candidate]:
        """The best of finer grids around the best tile vectors, under the orders that did best so far."""
        reach, free = 1, max(1, len(set(dims) - self._fixed))
        while reach < 20 and (2 * reach + 4) ** free <= FINE_GRID_SIZE:
            reach += 1
        some = list(dict.fromkeys(candidate.order for candidate in found))[:FINE_ORDERS]
        results: list[Candidate] = []
        for centre in list(dict.fromkeys(candidate.tiles for candidate in found))[:FINE_CENTRES]:
            results += self._over({dim: self._near(dim, tile, reach) for dim, tile in centre}, some)
        return results

    def _near(self, dim: str, tile: int, reach: int) -> tuple[int, ...]:
        if dim == PASS:
            return (1,)
        return near_tiles(self._problem, dim, tile, 0 if dim in self._fixed else reach)

    def _over(self, tiles: dict[str, tuple[int, ...]], some: list[Order]) -> list[Candidate]:
        """The best tile vectors of a grid under each of some orders, ranked together."""
        estimate = Estimate(Grid(self._problem, tiles), self._max_steps)
        steps = np.broadcast_to(estimate.grid.steps, estimate.grid.shape).reshape(-1)
        weight = burden(steps) + 1e-12 * steps
        pool: list[Candidate] = []
        for order in some:
            if pool and self._budget.spent:
                break
            rank = self._ranks(estimate, order) * weight
            chosen = np.argpartition(rank, PER_ORDER)[:PER_ORDER] if len(rank) > PER_ORDER else np.arange(len(rank))
            pool += [
                Candidate(float(rank[place]), float(steps[place]), order, tuple(estimate.grid.vector(place).items()))
                for place in sorted(chosen.tolist())
                if np.isfinite(rank[place])
            ]
        return _ranked(pool)

    def _ranks(self, estimate: Estimate, order: Order) -> FloatArray:
        """The objective's estimate; among nearly equal bytes or energies, what is fast too."""
        values = estimate.values(order, self._objective).reshape(-1)
        tie = {"traffic": "edp", "energy": "latency"}.get(self._objective)
        if tie is None:
            return values
        second = estimate.values(order, tie).reshape(-1)
        least = float(second.min())
        if not 0 < least < np.inf:
            return values
        return np.asarray(values * (1 + 1e-6 * np.minimum(second / least, 1e3)))


def _ranked(pool: list[Candidate]) -> list[Candidate]:
    """The best of a pool; equal ranks keep the order in which they were found."""
    unique = dict.fromkeys(pool)
    return sorted(unique, key=lambda candidate: (candidate.rank, candidate.steps))[:KEPT]
