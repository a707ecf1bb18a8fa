"""Step-by-step improvement of one mapping by exact evaluation: tiles, orders, keeps, and second splits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np

from tilewright.mapping.evaluate import evaluate, steps_of
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Loop, Mapping
from tilewright.mapping.orders import assemble
from tilewright.mapping.problem import NestCost, NestProblem
from tilewright.mapping.tiles import all_tiles
from tilewright.mapping.tiling import FloatArray, without_single_loops

MANY_STEPS = 4_000
MOST_STEPS_LISTED = 1_500_000


def burden(steps: FloatArray) -> FloatArray:
    """What the search charges for many tile steps, as a factor: plans list and simulators execute every one.

    More than a few thousand must gain half a per cent, ten times as many another two.

    >>> burden(np.array([4000.0, 5000.0, 50000.0])).tolist()
    [1.0, 1.005, 1.025]
    """
    return 1 + 0.005 * (steps > MANY_STEPS) + 0.02 * (steps > 10 * MANY_STEPS)


@dataclass(frozen=True)
class Judged:
    """A legal mapping and its exact cost; smaller keys are better: the objective (many steps are a burden), then
    energy, cycles, steps."""

    mapping: Mapping
    cost: NestCost
    key: tuple[float, float, int, int]


class Judge:
    """Evaluates mappings exactly, each once, within a budget of evaluations, steps and time."""

    def __init__(self, problem: NestProblem, objective: str, max_steps: int, deadline: float | None) -> None:
        self.problem = problem
        self.evaluated = 0
        self._objective, self._max_steps, self._deadline = objective, max_steps, deadline
        self._listed = 0
        self._known: dict[Mapping, Judged | None] = {}

    @property
    def spent(self) -> bool:
        """Whether the budget is used up."""
        late = self._deadline is not None and monotonic() > self._deadline
        return late or self._listed > MOST_STEPS_LISTED

    def judge(self, mapping: Mapping) -> Judged | None:
        """The mapping with its cost, or None if it is illegal or has too many steps."""
        if mapping not in self._known:
            self._known[mapping] = self._judge(mapping)
        return self._known[mapping]

    def _judge(self, mapping: Mapping) -> Judged | None:
        steps = steps_of(self.problem, mapping)
        if steps > self._max_steps or problems(self.problem, mapping):
            return None
        cost = evaluate(self.problem, mapping)
        self.evaluated += 1
        self._listed += steps
        value = cost.value(self._objective) * float(burden(np.array(steps)))
        return Judged(mapping, cost, (value, cost.energy_pj, cost.cycles, steps))


def refine(judge: Judge, start: Judged, most: int) -> Judged:
    """Take the first small change that helps, again and again, until none does, ``most`` more mappings were evaluated,
    or the budget is used up."""
    best, until = start, judge.evaluated + most
    improved = True
    while improved:
        improved = False
        for mapping in neighbours(judge.problem, best.mapping):
            if judge.spent or judge.evaluated >= until:
                return best
            found = judge.judge(mapping)
            if found is not None and found.key < best.key:
                best, improved = found, True
                break
    return best


def neighbours(problem: NestProblem, mapping: Mapping) -> Iterator[Mapping]:
    """Mappings one small change away, always in the same order."""
    work = problem.nest.work
    if work is not None and work.kind == "normalise":
        return
    loops = mapping.loops
    depths = tuple(len(mapping.loops_above(operand.name)) for operand in problem.nest.operands)
    yield from _other_tiles(problem, loops, depths)
    yield from _other_orders(problem, loops, depths)
    yield from _other_depths(problem, loops, depths)
    yield from _second_splits(problem, loops, depths)


def _made(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Mapping:
    """The mapping less single-chunk loops, with the unrolling of its own tile."""
    plain = without_single_loops(problem.nest, assemble(problem, loops, depths))
    above = tuple(len(plain.loops_above(operand.name)) for operand in problem.nest.operands)
    return assemble(problem, plain.loops, above)


def _other_tiles(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Iterator[Mapping]:
    for place, loop in enumerate(loops):
        tiles = all_tiles(problem, loop.dim)
        near = min(range(len(tiles)), key=lambda k: abs(tiles[k] - loop.tile))
        for step in (-1, 1, -2, 2):
            if 0 <= near + step < len(tiles):
                changed = Loop(loop.dim, tiles[near + step])
                yield _made(problem, (*loops[:place], changed, *loops[place + 1 :]), depths)


def _other_orders(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Iterator[Mapping]:
    for place in range(len(loops) - 1):
        if loops[place].dim != loops[place + 1].dim:
            swapped = (*loops[:place], loops[place + 1], loops[place], *loops[place + 2 :])
            yield _made(problem, swapped, depths)


def _other_depths(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Iterator[Mapping]:
    for number, depth in enumerate(depths):
        for moved in (depth - 1, depth + 1):
            if 0 <= moved <= len(loops):
                yield _made(problem, loops, (*depths[:number], moved, *depths[number + 1 :]))


def _second_splits(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Iterator[Mapping]:
    """A further loop over a split dimension, outside its loop in coarser or inside it in finer tiles, and over a
    dimension that is not split yet; keeps stand on either side of it."""
    extents = problem.nest.extents
    for dim, extent in problem.nest.dims:
        if extent == 1 or dim in problem.nest.whole:
            continue
        own = [place for place, loop in enumerate(loops) if loop.dim == dim]
        for place in range(len(loops) + 1):
            outer = min((loops[k].tile for k in own if k < place), default=extents[dim])
            inner = max((loops[k].tile for k in own if k >= place), default=1)
            for tile in _between(all_tiles(problem, dim), inner, outer):
                new = (*loops[:place], Loop(dim, tile), *loops[place:])
                yield _made(problem, new, tuple(d + (d >= place) for d in depths))
                if place in depths:
                    yield _made(problem, new, tuple(d + (d > place) for d in depths))


def _between(tiles: tuple[int, ...], low: int, high: int) -> list[int]:
    """Up to three tiles between two, spread evenly."""
    inside = [tile for tile in tiles if low < tile < high]
    if len(inside) <= 3:
        return inside
    return [inside[len(inside) // 4], inside[len(inside) // 2], inside[3 * len(inside) // 4]]
