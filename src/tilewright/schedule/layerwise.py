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
    known: dict[NestProblem, NestResult] = {}
    groups: list[Group] = []
    problems: list[NestProblem] = []
    reasons: list[str] = []
    for done, (operator, parts) in enumerate(todo):
        if progress is not None:
            progress(operator.name, done, len(todo))
        schedules = []
        for index, part in enumerate(parts):
            problem = nest_problem(placed, arch, operator, parts, index)
            if problem not in known:
                where = f"{operator.kind} {operator.name} {part.label}".rstrip()
                try:
                    try:
                        known[problem] = map_nest(problem, objective, timeout=_left(deadline))
                    except KeyboardInterrupt:
                        deadline = time.monotonic()
                        known[problem] = map_nest(problem, objective, timeout=0.0)
                except InfeasibleError as error:
                    reasons.append(f"{where}: {error}")
                    break
                except LimitError as error:
                    raise LimitError(f"{where}: {error}") from None
            result = known[problem]
            problems.append(problem)
            traffic = tensor_traffic(placed, arch, operator, part, index, result.cost)
            schedules.append(PartSchedule(operator.name, index, result.mapping, result.cost, traffic))
        groups.append(_group(operator, tuple(schedules)))
    if reasons:
        raise InfeasibleError("\n".join(reasons))
    if progress is not None:
        progress("", len(todo), len(todo))
    return Found(tuple(groups), _bound(problems, objective))


def _left(deadline: float | None) -> float | None:
    """Seconds until a moment, if there is one."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


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
