"""The strategies for whole networks, all over the same offers (docs/model.md, section 9), and their registry."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, LimitError, UsageError
from tilewright.mapping.search import Effort
from tilewright.schedule.assemble import assemble
from tilewright.schedule.graph import graph_of
from tilewright.schedule.group.market import Market
from tilewright.schedule.group.store import Store, groups_path
from tilewright.schedule.layerwise import Found, Progress, layerwise
from tilewright.schedule.offers import Offer, Offers, Solution
from tilewright.schedule.packing.answer import Search, near, packed_answer, said
from tilewright.schedule.packing.packer import Packer, regions_of
from tilewright.schedule.packing.rooms import rooms_of
from tilewright.schedule.problems import nest_problem
from tilewright.schedule.published.genetic import genetic
from tilewright.schedule.published.pin_or_fuse import pin_or_fuse
from tilewright.schedule.schedule import Group, Repacked
from tilewright.schedule.search.strategies import fuse, fuse_then_pin, optimal, pin
from tilewright.schedule.watched import Limited, searching, watched
from tilewright.workload.storage import PlacedNetwork, executed_parts

LARGEST = 5  # operators in a group


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
        raise UsageError(f"unknown strategy '{name}'; there are {', '.join(_REGISTRY)}")
    return _REGISTRY[name]


def strategies() -> tuple[str, ...]:
    """The names of all strategies."""
    return tuple(_REGISTRY)


def _layerwise(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Found:
    return layerwise(
        placed,
        arch,
        objective,
        effort=options.effort,
        cache=options.cache,
        deadline=options.deadline,
        progress=options.progress,
    )


def market_of(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Market:
    """Offers of all groups; what ``layerwise`` finds for single operators is among them.

    Half of the time that there is goes to single operators.
    """
    now = time.monotonic()
    half = options if options.deadline is None else replace(options, deadline=now + (options.deadline - now) / 2)
    alone = _layerwise(placed, arch, objective, half)
    graph = graph_of(placed, arch)
    number = {node.name: k for k, node in enumerate(graph.nodes)}
    offers = {number[group.operators[0]]: (_offer(group),) for group in alone.groups}
    operators = {operator.name: operator for operator in placed.network.operators}
    found = {}
    for group in alone.groups:
        if len(group.parts) == 1:
            operator = operators[group.operators[0]]
            problem = nest_problem(placed, arch, operator, executed_parts(placed, operator), 0)
            found[problem] = group.parts[0].mapping
    path = groups_path() if options.cache else None
    return Market(placed, arch, graph, objective, offers, found, None if path is None else Store(path))


def _offer(group: Group) -> Offer:
    room = max(part.cost.scratchpad_bytes for part in group.parts)
    loose = sum(max(part.cost.compute_cycles, part.cost.dma_cycles) for part in group.parts)
    return Offer(room, group.energy_pj, group.cycles, group.dram_bytes, min(loose, group.cycles), group)


Answer = tuple[Solution, Repacked]
Solve = Callable[[Market, Packer, str, Options], Answer]


def _over(solve: Solve) -> Strategy:
    """A strategy over offers as one over networks."""

    def run(placed: PlacedNetwork, arch: Accelerator, objective: str, options: Options) -> Found:
        market = market_of(placed, arch, objective, options)
        packer = Packer(market.graph, regions_of(arch), arch.alignment_bytes, rooms_of(placed, arch, market.prepared))
        try:
            solution, repacked = solve(market, packer, objective, options)
        finally:
            market.close()
        groups, space = assemble(market, solution.choices), market.space(options.largest)
        return Found(groups, solution.bound, space, solution.notes, solution.complete, repacked)

    return run


def _packed(
    search: Search,
    market: Market,
    packer: Packer,
    objective: str,
    options: Options,
    start: tuple[Solution, ...] = (),
) -> Answer:
    offers = watched(market, options.largest, options.progress)
    return packed_answer(search, offers, objective, packer, start=start, deadline=options.deadline)


def _exact(name: str, search: Callable[..., Solution]) -> Solve:
    def solve(market: Market, packer: Packer, objective: str, options: Options) -> Answer:
        def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
            return search(offers, objective, start=start, **_limits(name, options))

        return _packed(run, market, packer, objective, options, (market.alone(),))

    return solve


def _limits(name: str, options: Options) -> dict[str, Any]:
    progress = searching(name, options.progress)
    return {"largest": options.largest, "deadline": options.deadline, "progress": progress}


def _fuse_then_pin(market: Market, packer: Packer, objective: str, options: Options) -> Answer:
    return _then_pin(_fuse(market, packer, objective, options)[0], market, packer, objective, options)


def _then_pin(fused: Solution, market: Market, packer: Packer, objective: str, options: Options) -> Answer:
    """The groups are those of what ``fuse`` gives, which can be packed."""

    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
        limits = _limits("fuse-then-pin", options)
        return fuse_then_pin(offers, objective, fused=fused, start=start, **limits)

    return _packed(run, market, packer, objective, options)


def _optimal(market: Market, packer: Packer, objective: str, options: Options) -> Answer:
    """Starts from the answers of the cheaper strategies, so that it is never worse than they are."""
    fused, pinned = (solve(market, packer, objective, options)[0] for solve in (_fuse, _pin))
    both = _then_pin(fused, market, packer, objective, options)[0]

    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:
        return optimal(offers, objective, start=start, **_limits("optimal", options))

    return _packed(run, market, packer, objective, options, (fused, pinned, both))


def _pin_or_fuse(market: Market, packer: Packer, objective: str, options: Options) -> Answer:
    """As published: again with less memory until addresses fit. If they never do, the first plan is repaired."""
    plans: list[Solution] = []
    offers = Limited(market, options.largest)

    def fits(solution: Solution) -> bool:
        plans.append(solution)
        return packer.packs(solution.choices)

    try:
        found = pin_or_fuse(offers, fits=fits, deadline=options.deadline, progress=options.progress)
    except (InfeasibleError, LimitError):
        if not plans:
            raise
        return near(offers, objective, packer, plans)
    tried = len(plans) - 1
    return said(found, objective, Repacked(tried, tried, False, plans[0].value(objective) if tried else None))


def _genetic(market: Market, packer: Packer, objective: str, options: Options) -> Answer:
    def run(offers: Offers, start: tuple[Solution, ...]) -> Solution:  # noqa: ARG001
        limited = Limited(offers, options.largest)
        return genetic(limited, objective, seed=options.seed, deadline=options.deadline, progress=options.progress)

    return _packed(run, market, packer, objective, options)


_fuse, _pin = _exact("fuse", fuse), _exact("pin", pin)

register("layerwise", _layerwise)
register("fuse", _over(_fuse))
register("pin", _over(_pin))
register("fuse-then-pin", _over(_fuse_then_pin))
register("pin-or-fuse", _over(_pin_or_fuse))
register("genetic", _over(_genetic))
register("optimal", _over(_optimal))
