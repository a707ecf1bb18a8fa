"""The ``layerwise`` strategy: every operator by itself at its best mapping, every feature map through DRAM."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, LimitError, TilewrightError
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import Effort, NestResult
from tilewright.mapping.store import stored, stored_map_nest
from tilewright.schedule.floor import floor_of
from tilewright.schedule.problems import nest_problem, tensor_traffic
from tilewright.schedule.processes import processors, share_out
from tilewright.schedule.schedule import NEVER_FAILED, Group, PartSchedule, Repacked
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork, executed_parts

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Found:
    """What a strategy hands back: its groups in order of execution, a lower bound over its space, and in words which
    space that is and what else is worth telling; what it took that they can be packed. ``complete``: its search ended
    by itself."""

    groups: tuple[Group, ...]
    bound: float
    space: str = ""
    notes: tuple[str, ...] = ()
    complete: bool = True
    repacked: Repacked = NEVER_FAILED


def layerwise(
    placed: PlacedNetwork,
    arch: Accelerator,
    objective: str,
    *,
    effort: Effort = "good",
    cache: bool = True,
    deadline: float | None = None,
    progress: Progress | None = None,
    only: Collection[str] | None = None,
) -> Found:
    """Map every part of every operator, or of those named in ``only``, on its own; equal problems are solved once.

    ``effort`` and ``cache`` are those of ``map_nest``. ``deadline`` is a ``time.monotonic`` moment; past it each search
    returns the first legal mapping it has. A first KeyboardInterrupt moves it to now; a second one passes through.
    Raises InfeasibleError that names every operator which fits in no way, or LimitError that names the first which fits
    in too many steps only.
    """
    wished = [op for op in placed.network.operators if only is None or op.name in only]
    todo = [(op, parts) for op in wished if (parts := executed_parts(placed, op))]
    wanted = [[nest_problem(placed, arch, op, parts, index) for index in range(len(parts))] for op, parts in todo]
    problems_of_all = [problem for problems in wanted for problem in problems]
    solver = _Solver(objective, effort, cache, deadline, len(set(problems_of_all)))
    groups: list[Group] = []
    reasons: list[str] = []
    told = 0

    def tell(done: int) -> None:
        nonlocal told
        if progress is not None and told <= done < len(todo):
            told = done
            progress(todo[done][0].name, done, len(todo))

    with suppress(KeyboardInterrupt):
        solver.share_out(problems_of_all, lambda: tell(sum(map(solver.knows, wanted))))
    for done, ((operator, parts), problems) in enumerate(zip(todo, wanted, strict=True)):
        try:
            tell(done)
            group = _group(placed, arch, operator, parts, problems, solver)
        except KeyboardInterrupt:
            solver.hurry()
            group = _group(placed, arch, operator, parts, problems, solver)
        except InfeasibleError as error:
            reasons.append(str(error))
            continue
        groups.append(group)
    if reasons:
        raise InfeasibleError("\n".join(reasons))
    if progress is not None:
        progress("", len(todo), len(todo))
    bound, space = _bound(problems_of_all, objective, solver), "every operator by itself through DRAM"
    return Found(tuple(groups), bound, space, complete=not solver.hurried)


WORKER = ("tilewright.schedule.layerwise", "results_of")
LEAST_JOBS = 8  # problems for each process: fewer are solved sooner than it has started


def results_of(setup: tuple[str, Effort, bool]) -> Callable[[NestProblem], NestResult | None]:
    """What a process of its own does: solve one problem after the other, if it can be solved."""
    objective, effort, cache = setup

    def solve(problem: NestProblem) -> NestResult | None:
        try:
            return stored_map_nest(problem, objective, effort=effort, cache=cache)
        except TilewrightError:  # which the caller will meet again, and explain
            return None

    return solve


class _Solver:
    """Solves each distinct problem once; those still to come share what is left of the time evenly."""

    def __init__(self, objective: str, effort: Effort, cache: bool, deadline: float | None, distinct: int) -> None:
        self._objective, self._effort, self._cache = objective, effort, cache
        self._deadline, self._to_come = deadline, distinct
        self._known: dict[NestProblem, NestResult] = {}
        self.hurried = False

    def knows(self, problems: Sequence[NestProblem]) -> bool:
        """Whether all of them are solved."""
        return all(problem in self._known for problem in problems)

    def share_out(self, problems: Sequence[NestProblem], done: Callable[[], None]) -> None:
        """Solve what is not known in several processes, if there is time for all of it and that pays.

        At a KeyboardInterrupt what is left is hurried, and the interrupt passes through.
        """
        distinct = list(dict.fromkeys(problems))
        number = min(processors(), len(distinct) // LEAST_JOBS)
        if number < 2 or self._effort != "quick" or self._deadline is not None:  # other searches use several threads
            return

        def keep(problem: NestProblem, result: NestResult | None) -> None:
            if result is not None:
                self._known[problem] = result
            done()

        try:
            for problem in distinct:
                keep(problem, stored(problem, self._objective, self._effort, self._cache))
            unknown = [problem for problem in distinct if problem not in self._known]
            number = min(number, len(unknown) // LEAST_JOBS)
            if number > 1:
                jobs = [unknown[k::number] for k in range(number)]
                share_out(WORKER, (self._objective, self._effort, self._cache), jobs, keep)
        except KeyboardInterrupt:
            self.hurry()
            raise

    def solve(self, problem: NestProblem) -> NestResult:
        if problem not in self._known:
            self._known[problem] = stored_map_nest(
                problem, self._objective, effort=self._effort, timeout=self._share(), cache=self._cache
            )
            self._to_come -= 1
            if self._known[problem].interrupted:
                self.hurry()
        return self._known[problem]

    def hurry(self) -> None:
        """From now on take the first legal mapping of every problem."""
        self._deadline, self.hurried = time.monotonic(), True

    def _share(self) -> float | None:
        if self._deadline is None:
            return None
        return max(0.0, self._deadline - time.monotonic()) / max(1, self._to_come)


def _group(
    placed: PlacedNetwork,
    arch: Accelerator,
    operator: Operator,
    parts: tuple[Part, ...],
    problems: list[NestProblem],
    solver: _Solver,
) -> Group:
    """One operator as a group of its own; errors name it."""
    schedules = []
    for index, (part, problem) in enumerate(zip(parts, problems, strict=True)):
        where = f"{operator.kind} {operator.name} {part.label}".rstrip()
        try:
            result = solver.solve(problem)
        except (InfeasibleError, LimitError) as error:
            raise type(error)(f"{where}: {error}") from None
        traffic = tensor_traffic(placed, arch, operator, part, index, result.cost)
        schedules.append(PartSchedule(operator.name, index, result.mapping, result.cost, traffic))
    tile = {loop.dim: loop.tile for loop in schedules[0].mapping.tile_loops(arch.scratchpad.name)}
    return Group((operator.name,), tuple(tile.items()), "recompute", (), (), tuple(schedules))


def _bound(problems: list[NestProblem], objective: str, solver: _Solver) -> float:
    """Sums over parts; energy-delay is the product of both sums, of which a search for the product bounds neither."""
    if objective != "edp":
        return sum(solver.solve(problem).bound for problem in problems)
    return floor_of(problems, objective)
