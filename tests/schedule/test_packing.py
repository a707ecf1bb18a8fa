"""Answers that fit by bytes and have no addresses: others are found that have, executed as claimed, and said to be."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.schedule.fragmented import MAPS, STEPS, UNIT, fragmented_machine, fragmented_network

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError
from tilewright.plan.lower import lower
from tilewright.schedule.assemble import assemble
from tilewright.schedule.group.market import Market
from tilewright.schedule.offers import Offers, Solution
from tilewright.schedule.packing.answer import packed_answer
from tilewright.schedule.packing.conflict import smallest
from tilewright.schedule.packing.packer import Packer, regions_of
from tilewright.schedule.packing.rooms import rooms_of
from tilewright.schedule.published.pin_or_fuse import pin_or_fuse
from tilewright.schedule.schedule import Repacked, Schedule
from tilewright.schedule.search.check import problems
from tilewright.schedule.search.optimal import search
from tilewright.schedule.stays import stays
from tilewright.schedule.strategies import Options, market_of
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import PlacedNetwork, place

OBJECTIVES = ("latency", "energy", "edp", "traffic")
QUICK = Options(effort="quick", cache=False)


def judged(placed: PlacedNetwork, arch: Accelerator, objective: str) -> tuple[Market, Packer]:
    market = market_of(placed, arch, objective, QUICK)
    return market, Packer(market.graph, regions_of(arch), arch.alignment_bytes, rooms_of(placed, arch, market.prepared))


# A network whose operators come in an order that leaves no addresses


@pytest.fixture(scope="module")
def fragmented(tmp_path_factory: pytest.TempPathFactory) -> tuple[PlacedNetwork, Market, Packer]:
    arch = fragmented_machine()
    placed = place(rewrite(fragmented_network(tmp_path_factory.mktemp("model"))), arch.layout)
    return placed, *judged(placed, arch, "traffic")


def in_order(market: Market) -> Callable[[Offers, tuple[Solution, ...]], Solution]:
    """The least traffic of the operators one by one in the network's order."""
    order = [frozenset({k}) for k in range(len(market.graph.nodes))]
    return lambda offers, start: search(offers, "traffic", sequence=order, start=start)


def test_an_answer_without_addresses_is_replaced_executed_and_said_to_be(
    fragmented: tuple[PlacedNetwork, Market, Packer],
) -> None:
    placed, market, packer = fragmented
    first = in_order(market)(market, ())
    assert {base for choice in first.choices for base in choice.residency.held} == {f"m{k}" for k in range(len(MAPS))}
    assert packer.failing(first.choices) == [range(STEPS)]
    with pytest.raises(InfeasibleError, match="no addresses"):
        lower(executable(placed, market, first, Repacked()))

    solution, record = packed_answer(in_order(market), market, "traffic", packer)
    least = 2 * UNIT * min(channels for _, _, channels in MAPS)  # one map goes to DRAM and back
    assert solution.value("traffic") == first.value("traffic") + least
    assert solution.bound == first.bound == first.value("traffic")
    assert record.by_bytes == first.value("traffic")
    assert record.failed >= 1
    assert f"instead of {first.value('traffic'):.6g}" in solution.notes[-1]
    schedule = executable(placed, market, solution, record)
    assert schedule.lost_to_packing == pytest.approx(least / first.value("traffic"))
    assert tw.simulate(schedule).matched


def executable(placed: PlacedNetwork, market: Market, solution: Solution, record: Repacked) -> Schedule:
    groups = assemble(market, solution.choices)
    found = ("feasible", groups, solution.bound, 0.0, 0.0, "", solution.notes)
    return Schedule(placed, market.arch, "traffic", "in order", *found, repacked=record)


def test_the_conflict_is_of_held_bases_alone_and_each_of_them_is_needed(
    fragmented: tuple[PlacedNetwork, Market, Packer],
) -> None:
    _, market, packer = fragmented
    choices = in_order(market)(market, ()).choices
    conflict = smallest(packer, choices, range(len(choices)))
    assert conflict.proven
    assert conflict.groups == ()
    assert len(conflict.bases) < len(MAPS)
    window, bare = conflict.window, list(conflict.window)
    gone = [stay for stay in stays(choices) if stay not in conflict.stays]
    assert packer.verdict(choices, window, bare=bare, gone=gone) == "infeasible"
    for stay in conflict.stays:
        assert packer.verdict(choices, window, bare=bare, gone=[*gone, stay]) == "feasible"


def test_without_searches_the_answer_is_repaired(fragmented: tuple[PlacedNetwork, Market, Packer]) -> None:
    _, market, packer = fragmented
    solution, record = packed_answer(in_order(market), market, "traffic", packer, most=0)
    assert (record.failed, record.searches, record.repaired) == (1, 0, True)
    assert packer.packs(solution.choices)
    assert problems(market, solution.choices) == []


def test_pin_or_fuse_plans_again_with_less_memory_until_addresses_fit(
    fragmented: tuple[PlacedNetwork, Market, Packer],
) -> None:
    _, market, packer = fragmented
    tried: list[bool] = []

    def fits(solution: Solution) -> bool:
        tried.append(packer.packs(solution.choices))
        return tried[-1]

    solution = pin_or_fuse(market, fits=fits)
    assert tried == [False] * (len(tried) - 1) + [True]
    assert len(tried) > 1
    assert f"retries: {len(tried) - 1}" in solution.notes
    schedule = tw.schedule(fragmented[0].network, market.arch, "traffic", "pin-or-fuse", effort="quick", cache=False)
    assert schedule.repacked.failed == schedule.repacked.searches == len(tried) - 1
    assert f"retries: {len(tried) - 1}" in schedule.notes
    assert any(note.startswith("packing: ") for note in schedule.notes)
    assert tw.simulate(schedule).matched
