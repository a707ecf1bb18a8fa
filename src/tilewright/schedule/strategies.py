"""The strategies for whole networks, all over the same offers (docs/model.md, section 9), and their registry."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from tilewright.arch.accelerator import Accelerator
from tilewright.arch.section import nearest
from tilewright.errors import InfeasibleError, LimitError, UsageError
from tilewright.mapping.search import Effort
from tilewright.schedule.assemble import assemble
from tilewright.schedule.floor import floor_of
from tilewright.schedule.graph import graph_of
from tilewright.schedule.group.market import Market
from tilewright.schedule.group.store import Store, groups_path
from tilewright.schedule.layerwise import Found, Progress, layerwise
from tilewright.schedule.offers import Offer, Offers, Solution
from tilewright.schedule.packing.answer import Search, near, packed_answer, said
from tilewright.schedule.packing.packer import Packer
from tilewright.schedule.packing.rooms import rooms_of
from tilewright.schedule.problems import nest_problem
from tilewright.schedule.published.genetic import genetic
from tilewright.schedule.published.pin_or_fuse import pin_or_fuse
from tilewright.schedule.schedule import Group, Repacked
from tilewright.schedule.search.strategies import fuse, fuse_then_pin, optimal, pin
from tilewright.schedule.watched import Limited, searching, watched
from tilewright.workload.storage import PlacedNetwork, executed_parts

LARGEST = 5  # operators in a group
POOR = 1.1  # of the floor, from where on an operator by itself deserves more effort


@dataclass(frozen=True)
class Options:
    """What the user asked for. ``largest`` is the most operators in a group, ``deadline`` a moment of
    ``time.monotonic``. ``progress`` gets what is done, how many are done and how many there are, 0 if nobody knows."""

    effort: Effort = "good"
    cache: bool = True
    deadline: float | None = None
    progress: Progress | None = None
    seed: int = 0
    largest: int = LARGEST


class Strategy(Protocol):
    """Schedules a placed network. Raises InfeasibleError where something fits in no way."""

    def __call__(self, placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Found: ...


_REGISTRY: dict[str, Strategy] = {}


def register(name: str, strategy: Strategy) -> None:
    """Add a strategy under a name of its own; UsageError if the name is taken."""
    if name in _REGISTRY:
        raise UsageError(f"there is a strategy '{name}' already")
    _REGISTRY[name] = strategy


def strategy(name: str) -> Strategy:
    """The strategy of that name; UsageError if there is none."""
    if name not in _REGISTRY:
        raise UsageError(f"unknown strategy '{name}'{nearest(name, _REGISTRY)}")
    return _REGISTRY[name]


def strategies() -> tuple[str, ...]:
    """The names of all strategies."""
    return tuple(_REGISTRY)


def _layerwise(
    placed: PlacedNetwork,
    arch: Accelerator,
    objective: str,
    options: Options,
    only: Collection[str] | None = None,
) -> Found:
    return layerwise(
        placed,
        arch,
        objective,
        effort=options.effort,
        cache=options.cache,
        deadline=options.deadline,
        progress=options.progress,
        only=only,
    )


def alone_of(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Found:
    """What ``layerwise`` finds in half of the time that there is."""
    now = time.monotonic()
    half = options if options.deadline is None else replace(options, deadline=now + (options.deadline - now) / 2)
    return _layerwise(placed, arch, objective, half)


def market_of(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options, alone: Found) -> Market:
    """Offers of all groups; what was found for single operators, ``alone``, is among them."""
    graph = graph_of(placed, arch)
    number = {node.name: k for k, node in enumerate(graph.nodes)}
    offers = {number[group.operators[0]]: (_offer(group),) for group in alone.groups}
    found = {}
    for group in alone.groups if options.effort != "quick" else ():  # whose array parts are plain
        if len(group.parts) == 1:
            operator = placed.network.operator[group.operators[0]]
            problem = nest_problem(placed, arch, operator, executed_parts(placed, operator), 0)
            found[problem] = group.parts[0].mapping
    path = groups_path() if options.cache else None
    return Market(placed, arch, graph, objective, offers, found, None if path is None else Store(path))


def _offer(group: Group) -> Offer:
    room = max(part.cost.scratchpad_bytes for part in group.parts)
    loose = sum(max(part.cost.compute_cycles, part.cost.dma_cycles) for part in group.parts)
    return Offer(room, group.energy_pj, group.cycles, group.dram_bytes, min(loose, group.cycles), group)


Answer = tuple[Solution, Repacked]


@dataclass(frozen=True)
class _Deal:
    """What a strategy chooses from: ``offers`` are those of the market, watched by who wants to see progress."""

    market: Market
    offers: Offers
    packer: Packer
    objective: str
    options: Options
    answers: list[Solution] = field(default_factory=list)  # all that were found on the way

    def packed(self, search: Search, start: tuple[Solution, ...] = ()) -> Answer:
        """The answer of a search that can be packed."""
        found = packed_answer(
            search, self.offers, self.objective, self.packer, start=start, deadline=self.options.deadline
        )
        self.answers.append(found[0])
        return found

    def limits(self, name: str) -> dict[str, Any]:
        """What a search is told beside its offers."""
        options = self.options
        progress = searching(name, options.progress)
        return {"largest": options.largest, "deadline": options.deadline, "progress": progress}


Solve = Callable[[_Deal], Answer]


def _over(solve: Solve) -> Strategy:
    """A strategy over offers as one over networks."""

    def run(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Found:
        alone = alone_of(placed, arch, objective, options)
        if not alone.complete:  # Ctrl-C: what is known is wanted, not more
            options = replace(options, deadline=time.monotonic())
        market = market_of(placed, arch, objective, options, alone)
        packer = Packer(
            market.graph, arch.scratchpad.regions, arch.alignment_bytes, rooms_of(placed, arch, market.prepared)
        )
        offers = watched(market, options.largest, options.progress)
        try:
            solution, repacked = _mapped_better(solve, _Deal(market, offers, packer, objective, options))
        finally:
            market.close()
        groups, space = assemble(market, solution.choices), market.space(options.largest)
        return Found(groups, solution.bound, space, solution.notes, solution.complete, repacked)

    return run


def _mapped_better(solve: Solve, deal: _Deal) -> Answer:
    """The answer of a strategy; if it has operators by themselves that quick mappings leave far above their floors,
    these are searched with more effort, and the strategy runs again with what is found."""
    known: set[int] = set()
    answers: list[Answer] = []
    while True:
        began = time.monotonic()
        answers.append(solve(deal))
        ended = time.monotonic()
        answer = _least(answers, deal.objective)
        if deal.options.effort != "quick" or answers[-1][0].stopped:
            return answer
        poor = _poor(deal, known)
        if not poor:
            return answer
        known |= poor
        deadline = deal.options.deadline
        if deadline is not None:  # the same again takes as long again
            deadline -= 2 * (ended - began)
            if deadline < ended:
                return answer
        market = deal.market
        names = {market.graph.nodes[k].name: k for k in poor}
        try:
            more = replace(deal.options, effort="good", deadline=deadline)
            found = _layerwise(market.placed, market.arch, deal.objective, more, names)
        except (InfeasibleError, LimitError):
            return answer
        for group in found.groups:
            market.add(names[group.operators[0]], _offer(group))
        if not found.complete:  # Ctrl-C: what is known is wanted, not more
            return answer
        deal.answers.clear()


def _least(answers: list[Answer], objective: str) -> Answer:
    """The best of answers over more and more offers, of equal ones the last; the bound of an earlier one does not hold
    for what came later."""
    best = min(reversed(answers), key=lambda one: one[0].value(objective))
    return best if best is answers[-1] else _unproven(best)


def _poor(deal: _Deal, known: set[int]) -> set[int]:
    """The nodes, but for those that are known, that an answer runs by themselves far above the floor of their
    multiply-accumulates."""
    worst: dict[int, float] = {}
    for choice in (choice for answer in deal.answers for choice in answer.choices):
        (k, *others) = choice.nodes
        if not others and k not in known:
            worst[k] = max(worst.get(k, 0.0), Solution((choice,), 0.0).value(deal.objective))
    return {k for k, value in worst.items() if value > POOR * _floor(deal, k)}


def _floor(deal: _Deal, k: int) -> float:
    """The floor of a node by itself; infinite where there are no mappings to search for."""
    placed = deal.market.placed
    operator = placed.network.operator[deal.market.graph.nodes[k].name]
    parts = executed_parts(placed, operator)
    if any(part.nest.work is not None for part in parts):
        return float("inf")
    problems = [nest_problem(placed, deal.market.arch, operator, parts, n) for n in range(len(parts))]
    return floor_of(problems, deal.objective)


def _exact(name: str, search: Callable[..., Solution]) -> Solve:
    def solve(deal: _Deal) -> Answer:
        def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
            return search(offers, deal.objective, start=start, **deal.limits(name))

        return deal.packed(run, (deal.market.alone(),))

    return solve


def _fuse_then_pin(deal: _Deal) -> Answer:
    fused = _fuse(deal)
    return _unproven(fused) if fused[0].stopped else _then_pin(fused[0], deal)


def _unproven(answer: Answer) -> Answer:
    """An answer of which nothing is known in the space of another strategy."""
    return replace(answer[0], bound=0.0, complete=False), answer[1]


def _then_pin(fused: Solution, deal: _Deal) -> Answer:
    """The groups are those of what ``fuse`` gives, which can be packed."""

    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
        return fuse_then_pin(offers, deal.objective, fused=fused, start=start, **deal.limits("fuse-then-pin"))

    return deal.packed(run)


def _optimal(deal: _Deal) -> Answer:
    """Starts from the answers of the cheaper strategies, so that it is never worse than they are. Whoever stops one of
    them means all that follows."""
    known: list[Answer] = []
    for solve in (_fuse, _pin, lambda deal: _then_pin(known[0][0], deal)):
        known.append(solve(deal))
        if known[-1][0].stopped:
            return _unproven(min(known, key=lambda answer: answer[0].value(deal.objective)))

    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
        return optimal(offers, deal.objective, start=start, **deal.limits("optimal"))

    return deal.packed(run, tuple(solution for solution, _ in known))


def _pin_or_fuse(deal: _Deal) -> Answer:
    """As published: again with less memory until addresses fit. If they never do, the first plan is repaired."""
    plans: list[Solution] = []
    options, offers = deal.options, Limited(deal.market, deal.options.largest)

    def fits(solution: Solution) -> bool:
        plans.append(solution)
        return deal.packer.packs(solution.choices)

    try:
        found = pin_or_fuse(offers, fits=fits, deadline=options.deadline, progress=options.progress)
    except (InfeasibleError, LimitError):
        if not plans:
            raise
        return near(offers, deal.objective, deal.packer, plans)
    deal.answers.append(found)
    tried = len(plans) - 1
    value = plans[0].value(deal.objective) if tried else None
    return said(found, deal.objective, Repacked(tried, tried, False, value))


def _genetic(deal: _Deal) -> Answer:
    options = deal.options

    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:  # noqa: ARG001
        limited = Limited(offers, options.largest)
        return genetic(limited, deal.objective, seed=options.seed, deadline=options.deadline, progress=options.progress)

    return replace(deal, offers=deal.market).packed(run)


_fuse, _pin = _exact("fuse", fuse), _exact("pin", pin)

register("layerwise", _layerwise)
register("fuse", _over(_fuse))
register("pin", _over(_pin))
register("fuse-then-pin", _over(_fuse_then_pin))
register("pin-or-fuse", _over(_pin_or_fuse))
register("genetic", _over(_genetic))
register("optimal", _over(_optimal))
