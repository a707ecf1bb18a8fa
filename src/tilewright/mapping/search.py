"""Searches for the best mapping of one nest.

Nests of multiply-accumulates go to ``optimal``, which searches the whole hierarchy with bounds. Operators of the vector
unit are kept in the scratchpad alone; for them

1. ``candidates``: a coarse grid of tile vectors under every order of loops and keeps, then finer ones around the best;
2. the best of these by exact evaluation;
3. unless it has to be quick ``refine``: improvement step by step, second splits of a dimension included.

That is good, not proven: its bound is ``floor``, and it is called optimal only where it meets it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor as floor_of
from math import isfinite
from time import monotonic
from typing import TYPE_CHECKING, Literal

from tilewright.errors import InfeasibleError, InputError, LimitError, TilewrightError, UsageError
from tilewright.mapping.candidates import Candidates, dimension_sets
from tilewright.mapping.constraints import UNCONSTRAINED, Constraints, single
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor
from tilewright.mapping.homes import streams
from tilewright.mapping.inside import better_inside
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.orders import build
from tilewright.mapping.problem import OBJECTIVES, NestCost, NestProblem
from tilewright.mapping.refine import Judge, Judged, refine
from tilewright.mapping.smallest import is_cramped, room_needed, smallest_mapping
from tilewright.mapping.tiling import MOST_STEPS

if TYPE_CHECKING:
    from tilewright.mapping.optimal.compiling import Progress
    from tilewright.mapping.optimal.optimum import Search

MAX_STEPS = 200_000  # of a mapping
# Candidates that are evaluated exactly, how many of the best are refined, and evaluations for each of them: in haste,
# as a start of ``optimal``, for operators of the vector unit.
QUICK, START, ALONE = (8, 1, 0), (32, 1, 0), (32, 2, 160)
Effort = Literal["quick", "good", "proof", "long"]
MOST_FEW = 100_000  # candidates of a component with few tiles
BOUNDS: dict[Effort, int] = {"quick": 0, "good": 0, "proof": 5_000_000, "long": 400_000_000}


@dataclass(frozen=True)
class NestResult:
    """The mapping found, its exact cost, and how far above a lower bound it is: ``gap`` is a fraction of the bound.

    The bound holds for all mappings of ``space``: with ``every`` integer tile, or with ``even`` ones (docs/model.md,
    section 7); ``nothing`` if nothing but compulsory traffic and peak compute bounds them (which holds for every one).
    ``evaluated`` mappings were evaluated exactly, ``nodes`` bounds computed; ``pruned`` counts what each rule cut.
    ``interrupted``: Ctrl-C ended the search.
    """

    mapping: Mapping
    cost: NestCost
    bound: float
    gap: float
    status: Literal["optimal", "feasible"]
    evaluated: int
    seconds: float
    space: str = "every"
    nodes: int = 0
    pruned: tuple[tuple[str, int], ...] = ()
    interrupted: bool = False


def map_nest(
    problem: NestProblem,
    objective: str = "edp",
    *,
    effort: Effort = "proof",
    max_steps: int = MAX_STEPS,
    timeout: float | None = None,
    constraints: Constraints = UNCONSTRAINED,
    progress: Progress | None = None,
) -> NestResult:
    """The best mapping of a nest that was found for an objective of ``OBJECTIVES``, and how good any other can be.

    ``effort`` is ``quick`` (good tile loops with the best of some array parts, bounded by compulsory traffic and peak
    compute), ``good`` (random moves through the whole hierarchy, the same bound),
    ``proof`` (search until it is proven the best of its space, or for a fixed number of bounds, some seconds), or
    ``long`` (the same for some minutes). The same input gives the same mapping, unless ``timeout`` seconds end the
    search early. ``max_steps`` bounds the tile steps. With ``constraints`` all this holds for the mappings that
    satisfy them; they need an effort of ``good`` at least. ``progress`` is told what is known, how many bounds were
    computed and how many there will be at most. Raises InfeasibleError if nothing fits, naming the memory,
    the bytes needed at least and the buffers, or the constraint that leaves nothing; LimitError if only mappings of
    more steps fit.
    """
    if objective not in OBJECTIVES:
        raise UsageError(f"there is no objective '{objective}'; there are {', '.join(OBJECTIVES)}")
    began = monotonic()
    deadline = None if timeout is None else began + timeout
    if constraints != UNCONSTRAINED:
        return _constrained(problem, objective, effort, max_steps, deadline, constraints, began, progress)
    judge = Judge(problem, objective, max_steps, deadline)
    whole, bounds = problem.nest.work is None and effort != "quick", BOUNDS[effort]
    interrupted = False
    if whole and bounds:  # a proof needs no other start than its own
        try:
            found = _array_search(problem, objective, None, bounds, max_steps, deadline, began, progress=progress)
        except KeyboardInterrupt:  # before there was any mapping
            found, interrupted, whole = None, True, False
        if found is not None:
            return found
    hurry = effort == "quick" or interrupted
    best = _search(problem, objective, max_steps, judge, QUICK if hurry else START if whole else ALONE)
    if whole and not bounds and (best is None or not judge.spent):
        found = _array_search(problem, objective, best, bounds, max_steps, deadline, began, progress=progress)
        if found is not None:
            return found
    if best is None:  # the time was over too soon, or room is so scarce that the one mapping that fits was not met
        best = judge.judge(smallest_mapping(problem))
    if best is None:
        raise nothing_fits(problem, max_steps)
    result = _result(problem, objective, best.mapping, best.cost, judge.evaluated, began)
    return replace(result, interrupted=interrupted)


def _constrained(
    problem: NestProblem,
    objective: str,
    effort: Effort,
    max_steps: int,
    deadline: float | None,
    constraints: Constraints,
    began: float,
    progress: Progress | None,
) -> NestResult:
    """The best mapping that satisfies constraints."""
    if problem.nest.work is not None or effort == "quick":
        raise UsageError("constraints need a nest of multiply-accumulates and an effort of good, proof or long")
    found = _array_search(problem, objective, None, BOUNDS[effort], max_steps, deadline, began, constraints, progress)
    if found is not None:
        return found
    raise InfeasibleError(
        "no mapping was found that satisfies the constraints"
        + (" in the time given" if deadline is not None and monotonic() > deadline else "")
        + "; "
        + _hardest(problem, objective, max_steps, constraints)
    )


def _hardest(problem: NestProblem, objective: str, max_steps: int, constraints: Constraints) -> str:
    """Which single constraint leaves nothing."""
    for line, one in single(constraints):
        if _array_search(problem, objective, None, 0, max_steps, None, monotonic(), one) is None:
            return f"`{line}` alone leaves none: leave it out or widen it"
    return "each alone leaves some, together they leave none: leave one out"


def _array_search(
    problem: NestProblem,
    objective: str,
    start: Judged | None,
    bounds: int,
    max_steps: int,
    deadline: float | None,
    began: float,
    constraints: Constraints = UNCONSTRAINED,
    progress: Progress | None = None,
) -> NestResult | None:
    """The search over the whole hierarchy, for nests of multiply-accumulates; None if it finds nothing legal."""
    search = array_search(problem, objective, max_steps, deadline, constraints)
    if search is None:
        return None
    search.progress = progress
    judge = search.judge
    if start is not None:
        judge.judge(start.mapping)
    proof = search.run(bounds, floor(problem, objective))
    if judge.best is None or judge.cost is None:
        return None
    found = _result(problem, objective, judge.best, judge.cost, judge.evaluated, began)
    value = judge.cost.value(objective)
    bound = min(value, max(found.bound, unmixed(objective, proof.bound)))
    gap = (value - bound) / bound if bound > 0 else 0.0
    return replace(
        found,
        bound=bound,
        gap=gap,
        status="optimal" if gap <= 1e-12 else "feasible",
        space="every" if found.status == "optimal" else proof.space,
        nodes=search.nodes,
        pruned=tuple(sorted(search.pruned.items())),
        interrupted=search.interrupted,
    )


def array_search(
    problem: NestProblem, objective: str, max_steps: int, deadline: float | None, constraints: Constraints
) -> Search | None:
    """The search over the whole hierarchy, not begun; None for nests of windows of too many dimensions for it."""
    from tilewright.mapping.optimal.chains import FEW
    from tilewright.mapping.optimal.optimum import Search

    search = Search(problem, objective, max_steps, deadline, constraints=constraints)
    return None if search.candidates(FEW) > MOST_FEW else search


def unmixed(objective: str, bound: float) -> float:
    """A bound of the objective alone: where cycles or bytes count, a part below one stands for the energy."""
    return bound if objective in ("energy", "edp") or not isfinite(bound) else float(floor_of(bound))


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


def _search(
    problem: NestProblem, objective: str, max_steps: int, judge: Judge, trouble: tuple[int, int, int]
) -> Judged | None:
    """The best mapping found, or None if none is legal; ``trouble`` as in ``ALONE``."""
    exact, starts, most = trouble
    # Where room is scarce tiles may have to be finer than a filter.
    tight = any(streams(problem, operand.name) for operand in problem.nest.inputs) or is_cramped(problem)
    found = Candidates(problem, objective, max_steps, judge)
    for dims in dimension_sets(problem):
        if tight or not found.best:
            found.explore(dims)
    judged: dict[Mapping, Judged] = {}
    for candidate in found.best:
        if judged and (judge.evaluated >= exact or judge.spent):
            break
        one = judge.judge(build(problem, candidate.order, dict(candidate.tiles)))
        if one is not None:
            judged[one.mapping] = one
    best = sorted(judged.values(), key=lambda one: one.key)[:starts]
    if trouble == QUICK and problem.nest.work is None:
        best = [better_inside(judge, one) for one in best]
    return min((refine(judge, one, most) for one in best), key=lambda one: one.key, default=None)


def nothing_fits(problem: NestProblem, max_steps: int) -> TilewrightError:
    """The reason why no mapping was found."""
    reason, steps = room_needed(problem)
    if reason:
        return InfeasibleError("no mapping fits: " + "; ".join(reason))
    if steps <= max_steps:
        wrong = problems(problem, smallest_mapping(problem))
        room = problem.arch.scratchpad.name
        return InfeasibleError(
            f"no legal mapping was found; of the one of smallest tiles: {'; '.join(wrong)}; give {room} more room"
        )
    return LimitError(
        f"only mappings of more than {max_steps} tile steps fit (the one of smallest tiles has {steps}; at most"
        f" {MOST_STEPS} can be evaluated); give {problem.arch.scratchpad.name} more room"
    )
