"""Answers that fit by bytes and have no addresses: others are found that have, executed as claimed, and said to be."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import onnx
import pytest
from tests.schedule.fragmented import MAPS, STEPS, UNIT, fragmented_machine, fragmented_network, machine
from tests.schedule.synthetic import Synthetic, random_graph
from tests.simulate.random_groups import group_network

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, LimitError
from tilewright.plan.held import lives, shared_places
from tilewright.plan.lower import lower
from tilewright.schedule.assemble import assemble
from tilewright.schedule.group.market import Market
from tilewright.schedule.group.room import Room
from tilewright.schedule.offers import Choice, Offer, Offers, Residency, Solution
from tilewright.schedule.packing.answer import packed_answer
from tilewright.schedule.packing.conflict import smallest
from tilewright.schedule.packing.packer import Packer
from tilewright.schedule.packing.repair import repaired
from tilewright.schedule.packing.rooms import Rooms, rooms_of
from tilewright.schedule.schedule import Repacked, Schedule
from tilewright.schedule.search.check import problems
from tilewright.schedule.search.optimal import search
from tilewright.schedule.search.strategies import fuse, optimal
from tilewright.schedule.stays import stays
from tilewright.schedule.strategies import Options, alone_of, market_of, strategies
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import PlacedNetwork, place

OBJECTIVES = ("latency", "energy", "edp", "traffic")
QUICK = Options(effort="quick", cache=False)


def judged(placed: PlacedNetwork, arch: Accelerator, objective: str) -> tuple[Market, Packer]:
    market = market_of(placed, arch, objective, QUICK, alone_of(placed, arch, objective, QUICK))
    return market, Packer(
        market.graph, arch.scratchpad.regions, arch.alignment_bytes, rooms_of(placed, arch, market.prepared)
    )


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
    placed, market, _ = fragmented
    schedule = tw.schedule(placed.network, market.arch, "traffic", "pin-or-fuse", effort="quick", cache=False)
    record = schedule.repacked
    assert record.failed == record.searches > 0
    assert not record.repaired
    assert record.by_bytes is not None
    assert record.by_bytes < schedule.value
    assert f"retries: {record.failed}" in schedule.notes
    assert any(note.startswith("packing: ") for note in schedule.notes)
    assert tw.simulate(schedule).matched


# Invented offers, packed on a machine whose alignment the offers know nothing of


def rooms_invented(choice: Choice) -> Rooms:
    """Buffers that come and go during a group, together never more than its offer says."""
    how = choice.offer.how
    assert isinstance(how, tuple)
    room, phases = how[0], len(choice.nodes)
    rng = random.Random(f"{sorted(choice.nodes)} {room}")
    live, found = [0] * phases, []
    for _ in range(6):
        first = rng.randrange(phases)
        last = rng.randrange(first, phases)
        size = rng.randint(0, room - max(live[first : last + 1]))
        found.append(("input", Room("some", size, first, last)))
        for phase in range(first, last + 1):
            live[phase] += size
    return Rooms(phases, (*found, ("input", Room("rest", room - live[0], 0, 0))))


def invented(seed: int, capacity: int) -> tuple[Synthetic, Packer]:
    graph = random_graph(seed, 6)
    return Synthetic(graph, capacity, seed), Packer(graph, ((None, 0, capacity),), 3, rooms_invented)


def test_answers_over_invented_offers_are_schedules_that_can_be_packed() -> None:
    failed = 0
    for seed in range(60):
        offers, packer = invented(seed, 24)
        objective = OBJECTIVES[seed % 4]
        try:
            first = optimal(offers, objective)
            solution, record = packed_answer(
                lambda some, start, o=objective: optimal(some, o, start=start), offers, objective, packer
            )
        except (InfeasibleError, LimitError):  # an operator by itself that does not fit
            continue
        assert packer.packs(solution.choices), seed
        assert problems(offers, solution.choices) == [], seed
        assert solution.bound == first.bound <= first.value(objective) <= solution.value(objective) + 1e-9, seed
        assert record.failed == 0 or record.by_bytes == first.value(objective), seed
        assert (record == Repacked()) == packer.packs(first.choices), seed
        alone = repaired(offers, objective, packer, first.choices)
        assert alone is None or solution.value(objective) <= Solution(alone, 0.0).value(objective) + 1e-9, seed
        failed += record.failed > 0
    assert failed > 15


class Packable:
    """Offers without those that cannot be packed by themselves."""

    def __init__(self, offers: Synthetic, packer: Packer) -> None:
        self.graph, self.capacity = offers.graph, offers.capacity
        self._offers, self._packer = offers, packer

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        found = self._offers.of(nodes, residency)
        return tuple(offer for offer in found if self._packer.packs([Choice(nodes, residency, offer)]))


def test_where_nothing_is_held_the_answer_is_the_best_of_all_that_can_be_packed() -> None:
    failed = 0
    for seed in range(60):
        offers, packer = invented(seed, 12)
        try:
            best = fuse(Packable(offers, packer), "latency")
        except InfeasibleError:
            continue
        solution, record = packed_answer(
            lambda some, start: fuse(some, "latency", start=start), offers, "latency", packer, most=200
        )
        assert solution.value("latency") == best.value("latency"), seed
        failed += record.failed > 0
    assert failed > 10


# What the packer takes for the buffers of a schedule


class Shuffled:
    """Offers of a market at random costs, so that all kinds of them are chosen."""

    def __init__(self, market: Market, seed: int) -> None:
        self.graph, self.capacity = market.graph, market.capacity
        self._market, self._seed = market, seed
        self.of = cache(self._of)

    def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        key = (self._seed, sorted(nodes), *(sorted(part) for part in vars(residency).values()))
        rng = random.Random(str(key))
        return tuple(
            replace(offer, cycles=rng.randint(100 * (len(nodes) == 1), 999) // (1 + len(residency.on_chip)))
            for offer in self._market.of(nodes, residency)
        )


Rectangle = tuple[int, int, int, str]


def ranked(found: list[Rectangle]) -> list[Rectangle]:
    times = sorted({time for start, end, *_ in found for time in (start, end)})
    return sorted((times.index(start), times.index(end), size, kind) for start, end, size, kind in found if size)


def planned(schedule: Schedule) -> list[Rectangle]:
    """The rectangles of a plan's buffers; those of one place are one."""
    found = {}
    pad = schedule.arch.scratchpad.name
    stay = lives(schedule.placed, schedule.groups)
    names = {stay[k].name: stay[c[0]].name for c in shared_places(schedule.groups, stay) for k in c}
    for number, b in enumerate(lower(schedule).buffers):
        if b.memory == pad:
            key = names.get(b.name, str(number))
            start, end, size, kind = found.get(key, (b.start, b.end, b.size_bytes, b.kind_class))
            found[key] = (min(start, b.start), max(end, b.end), size, kind)
    return ranked(list(found.values()))


@pytest.mark.parametrize("seed", range(6))
def test_the_packer_knows_the_buffers_of_the_plan(seed: int, tmp_path: Path) -> None:
    onnx.save(group_network(seed, nodes=8), tmp_path / "model.onnx")
    arch = (machine("mobile-npu", 3000, 16), machine("tiny", 3000), tw.load_arch("hwc"))[seed % 3]
    placed = place(rewrite(tw.load_model(tmp_path / "model.onnx")), arch.layout)
    market, packer = judged(placed, arch, "latency")
    for draw in range(6):
        solution = optimal(Shuffled(market, draw), "latency", largest=4)
        schedule = Schedule(
            placed, arch, "latency", "drawn", "feasible", assemble(market, solution.choices), 0.0, 0.0, 0.0
        )
        found = packer.rectangles(solution.choices, range(len(solution.choices)))
        assert ranked([(b.start, b.end, b.size_bytes, kind) for kind, b in found]) == planned(schedule), draw


# All strategies


def check_every_strategy(seed: int, arch: Accelerator, folder: Path) -> int:
    """How many strategies give a schedule; each of these has a plan, and does what it claims."""
    onnx.save(group_network(seed, nodes=6), folder / "model.onnx")
    network, given = tw.load_model(folder / "model.onnx"), 0
    for name in strategies():
        try:
            schedule = tw.schedule(network, arch, OBJECTIVES[seed % 4], name, effort="quick")
        except InfeasibleError as error:  # an operator that does not fit by itself
            assert "addresses" not in str(error), (seed, name)
            continue
        assert tw.simulate(schedule).matched, (seed, name)
        given += 1
    return given


def tight(seed: int) -> Accelerator:
    """Machines with hardly more room than single operators of random networks take."""
    name = ("mobile-npu", "tiny")[seed % 2]
    return machine(name, 16 * random.Random(seed).randint(40, 160), alignment_bytes=16)


@pytest.mark.usefixtures("own_store")
def test_every_strategy_gives_schedules_with_addresses(tmp_path: Path) -> None:
    assert sum(check_every_strategy(seed, tight(seed), tmp_path) for seed in range(2)) >= 1 * len(strategies())


@pytest.mark.long
@pytest.mark.parametrize("batch", range(8))
def test_many_more_schedules_have_addresses(batch: int, tmp_path: Path) -> None:
    for seed in range(4 + batch, 100, 8):
        check_every_strategy(seed, tight(seed), tmp_path)


@pytest.mark.usefixtures("own_store")
def test_what_is_held_keeps_to_its_partition(tmp_path: Path) -> None:
    arch, failed = tw.load_arch("hwc"), 0
    pad = arch.scratchpad
    for seed in range(4):
        onnx.save(group_network(seed, nodes=6), tmp_path / "model.onnx")
        network = tw.load_model(tmp_path / "model.onnx")
        for inputs in (700, 1500):
            parts = tuple((kind, inputs if kind == "input" else size) for kind, size in pad.partitions)
            small = replace(pad, partitions=parts, size_bytes=sum(size for _, size in parts))
            memories = tuple(small if m is pad else m for m in arch.memories)
            less = replace(arch, memories=memories)
            try:
                schedule = tw.schedule(network, less, "traffic", "pin", effort="quick")
            except InfeasibleError:
                continue
            failed += schedule.repacked.failed > 0
            assert tw.simulate(schedule).matched, (seed, inputs)
    assert failed > 0
