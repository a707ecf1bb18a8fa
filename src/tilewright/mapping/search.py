"""Searches for the best mapping of one nest: closed forms over grids of tiles and orders, then exact evaluation.

1. ``candidates``: a coarse grid of tile vectors under every order of loops and keeps, then finer ones around the best.
2. The best of these by exact evaluation.
3. ``refine``: improvement step by step, second splits of a dimension included.

The result is good, not proven: its bound is ``floor``, and it is called optimal only where it meets it.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic
from typing import Literal

from tilewright.errors import InfeasibleError, InputError, LimitError, TilewrightError, UsageError
from tilewright.mapping.candidates import Candidates, dimension_sets
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor
from tilewright.mapping.homes import streams
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.orders import build
from tilewright.mapping.problem import OBJECTIVES, NestCost, NestProblem
from tilewright.mapping.refine import Judge, Judged, refine
from tilewright.mapping.smallest import is_cramped, room_needed
from tilewright.mapping.tiling import MOST_STEPS

EXACT = 32
STARTS = 2


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
    best = _search(problem, objective, max_steps, judge)
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


def _search(problem: NestProblem, objective: str, max_steps: int, judge: Judge) -> Judged | None:
    """The best mapping found, or None if none is legal."""
    # Where room is scarce tiles may have to be finer than a filter.
    tight = any(streams(problem, operand.name) for operand in problem.nest.inputs) or is_cramped(problem)
    found = Candidates(problem, objective, max_steps, judge)
    for dims in dimension_sets(problem):
        if tight or not found.best:
            found.explore(dims)
    judged: dict[Mapping, Judged] = {}
    for candidate in found.best:
        if judged and (judge.evaluated >= EXACT or judge.spent):
            break
        one = judge.judge(build(problem, candidate.order, dict(candidate.tiles)))
        if one is not None:
            judged[one.mapping] = one
    starts = sorted(judged.values(), key=lambda one: one.key)[:STARTS]
    return min((refine(judge, start) for start in starts), key=lambda one: one.key, default=None)


def _nothing_fits(problem: NestProblem, max_steps: int) -> TilewrightError:
    """The reason why no mapping was found."""
    reason, steps = room_needed(problem)
    if reason:
        return InfeasibleError("no mapping fits: " + "; ".join(reason))
    return LimitError(
        f"only mappings of more than {max_steps} tile steps fit (the one of smallest tiles has {steps}; at most"
        f" {MOST_STEPS} can be evaluated); give {problem.arch.scratchpad.name} more room"
    )
