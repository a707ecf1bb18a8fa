"""The ``layerwise`` strategy: every operator by itself at its best mapping, every feature map through DRAM."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, LimitError
from tilewright.mapping.floor import floor
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult, map_nest
from tilewright.schedule.problems import nest_problem, tensor_traffic
from tilewright.schedule.schedule import Group, PartSchedule
from tilewright.workload.network import Operator
from tilewright.workload.storage import PlacedNetwork, executed_parts

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Found:
    """What a strategy hands back: its groups in order of execution, and a lower bound over its space."""

    groups: tuple[Group, ...]
    bound: float


def layerwise(
    placed: PlacedNetwork,
    arch: Accelerator,
    objective: str,
    *,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Found:
    """Map every part of every operator on its own; equal problems are solved once.

    ``deadline`` is a ``time.monotonic`` moment; past it each search returns the first legal mapping it has. A first
    KeyboardInterrupt moves it to now; a second one passes through. Raises InfeasibleError that names every operator
    which fits in no way, or LimitError that names the first which fits in too many steps only.
    """
    todo = [(op, parts) for op in placed.network.operators if (parts := executed_parts(placed, op))]
    wanted = [[nest_problem(placed, arch, op, parts, index) for index in range(len(parts))] for op, parts in todo]
    solver = _Solver(objective, deadline, len({problem for problems in wanted for problem in problems}))
    groups: list[Group] = []
    reasons: list[str] = []
    for done, ((operator, parts), problems) in enumerate(zip(todo, wanted, strict=True)):
        if progress is not None:
            progress(operator.name, done, len(todo))
        schedules = []
        for index, (part, problem) in enumerate(zip(parts, problems, strict=True)):
            where = f"{operator.kind} {operator.name} {part.label}".rstrip()
            try:
                result = solver.solve(problem)
            except InfeasibleError as error:
                reasons.append(f"{where}: {error}")
                break
            except LimitError as error:
                raise LimitError(f"{where}: {error}") from None
            traffic = tensor_traffic(placed, arch, operator, part, index, result.cost)
            schedules.append(PartSchedule(operator.name, index, result.mapping, result.cost, traffic))
        groups.append(_group(operator, tuple(schedules)))
    if reasons:
        raise InfeasibleError("\n".join(reasons))
    if progress is not None:
        progress("", len(todo), len(todo))
    return Found(tuple(groups), _bound([problem for problems in wanted for problem in problems], objective))


class _Solver:
    """Solves each distinct problem once; those still to come share what is left of the time evenly."""

    def __init__(self, objective: str, deadline: float | None, distinct: int) -> None:
        self._objective, self._deadline, self._to_come = objective, deadline, distinct
        self._known: dict[NestProblem, NestResult] = {}

    def solve(self, problem: NestProblem) -> NestResult:
        if problem not in self._known:
            try:
                result = map_nest(problem, self._objective, timeout=self._share())
            except KeyboardInterrupt:
                self._deadline = time.monotonic()
                result = map_nest(problem, self._objective, timeout=0.0)
            self._known[problem] = result
            self._to_come -= 1
        return self._known[problem]

    def _share(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) / max(1, self._to_come)


def _group(operator: Operator, parts: tuple[PartSchedule, ...]) -> Group:
    tile: dict[str, int] = {}
    for part in parts[:1]:
        for loop in part.mapping.loops:
            tile[loop.dim] = loop.tile
    return Group((operator.name,), tuple(tile.items()), "recompute", (), (), parts)


def _bound(problems: list[NestProblem], objective: str) -> float:
    """Sums over parts; energy-delay is the product of both sums."""
    if objective != "edp":
        return sum(floor(problem, objective) for problem in problems)
    return sum(floor(p, "energy") for p in problems) * sum(floor(p, "latency") for p in problems)
