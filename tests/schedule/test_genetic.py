"""The genetic algorithm against all partitions, and against the law of a whole network."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from itertools import product

import pytest
from tests.schedule.replay import faults
from tests.schedule.synthetic import Synthetic, random_graph
from tests.schedule.test_pin_or_fuse import chain_graph

from tilewright.errors import InfeasibleError
from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Offer, Residency, Solution
from tilewright.schedule.published.fitness import corners, least_product
from tilewright.schedule.published.genetic import genetic
from tilewright.schedule.published.partitions import Partitions

OBJECTIVES = ("latency", "energy", "edp", "traffic")


def small() -> Iterator[tuple[str, Synthetic]]:
    for seed in range(20):
        yield f"chain {seed}", Synthetic(chain_graph(seed, 4 + seed % 3), 16, seed)
        yield f"wide {seed}", Synthetic(random_graph(seed, 4 + seed % 3), 16, seed)


def partitions(graph: Graph) -> Iterator[list[frozenset[int]]]:
    """All partitions into groups that are connected and do not depend on each other mutually."""

    def grow(k: int, groups: list[set[int]]) -> Iterator[list[set[int]]]:
        if k == len(graph.nodes):
            yield groups
            return
        for at in range(len(groups) + 1):
            yield from grow(
                k + 1, [g | {k} if i == at else g for i, g in enumerate([*groups, set()][: at + 1])] + groups[at + 1 :]
            )

    for groups in grow(0, []):
        if all(is_connected(graph, group) for group in groups) and is_acyclic(graph, groups):
            yield [frozenset(group) for group in groups]


def is_connected(graph: Graph, group: set[int]) -> bool:
    """By edges, or by a base of which several nodes write a part."""
    met, todo = set(), [min(group)]
    while todo:
        k = todo.pop()
        met.add(k)
        same = graph.writers[graph.nodes[k].writes]
        todo += [o for o in group - met if o in graph.before[k] or k in graph.before[o] or o in same]
    return met == group


def is_acyclic(graph: Graph, groups: list[set[int]]) -> bool:
    left = [set(group) for group in groups]
    done: set[int] = set()
    while left:
        ready = [group for group in left if all(graph.before[k] - group <= done for k in group)]
        if not ready:
            return False
        done |= ready[0]
        left.remove(ready[0])
    return True


def through_dram(graph: Graph, group: frozenset[int]) -> Residency:
    written = {graph.nodes[k].writes for k in group}
    return Residency(stored=frozenset(b for b in written if graph.base[b].wanted or graph.readers[b] - group))


def usable(offers: Synthetic, group: frozenset[int]) -> list[Offer]:
    """The offers of a group through DRAM that fit, if its nodes may be together."""
    graph = offers.graph
    if len(group) > 1:
        read = {r for k in group for r in graph.nodes[k].reads}
        mixed = any(graph.nodes[k].writes in read and graph.writers[graph.nodes[k].writes] - group for k in group)
        if mixed or any(graph.nodes[k].alone for k in group):
            return []
    return [offer for offer in offers.of(group, through_dram(graph, group)) if offer.room_bytes <= offers.capacity]


def value(chosen: tuple[Offer, ...], objective: str) -> float:
    energy, cycles = sum(o.energy_pj for o in chosen), sum(o.cycles for o in chosen)
    moved = sum(o.dram_bytes for o in chosen)
    return {"latency": cycles, "energy": energy, "edp": energy * cycles, "traffic": moved}[objective]


def best(offers: Synthetic, objective: str) -> float:
    """The least objective over all partitions and all combinations of offers."""
    return min(
        value(chosen, objective)
        for groups in partitions(offers.graph)
        for chosen in product(*(usable(offers, group) for group in groups))
    )


def layer_by_layer(offers: Synthetic, objective: str) -> float:
    return min(
        value(chosen, objective)
        for chosen in product(*(usable(offers, frozenset({k})) for k in range(len(offers.graph.nodes))))
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_finds_the_best_partition_of_small_graphs(objective: str) -> None:
    reached = 0
    for name, offers in small():
        found = genetic(offers, objective, population=30, generations=12)
        wanted = best(offers, objective)
        assert found.value(objective) >= wanted * (1 - 1e-12), name
        reached += math.isclose(found.value(objective), wanted)
        assert faults(offers, found.choices) == [], name
    assert reached == 40  # all of them, whatever the objective


def test_the_check_of_the_search_finds_nothing_wrong_either() -> None:
    check = pytest.importorskip("tilewright.schedule.search.check")
    for name, offers in small():
        assert check.problems(offers, genetic(offers, population=10, generations=5).choices) == [], name


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_is_never_worse_than_layer_by_layer_however_short_it_runs(objective: str) -> None:
    for name, offers in small():
        for generations in (0, 1):
            found = genetic(offers, objective, population=3, generations=generations)
            assert found.value(objective) <= layer_by_layer(offers, objective) * (1 + 1e-12), name
            assert found.complete


def test_groups_are_connected_come_in_order_and_hold_nothing() -> None:
    several = 0
    for seed in range(12):
        for graph in (chain_graph(seed, 14), random_graph(seed, 14)):
            offers = Synthetic(graph, 14, seed)
            found = genetic(offers, seed=seed, population=20, generations=10)
            assert faults(offers, found.choices) == []
            for choice in found.choices:
                assert is_connected(graph, set(choice.nodes))
                assert choice.residency == through_dram(graph, choice.nodes)
            several += any(len(choice.nodes) > 1 for choice in found.choices)
    assert several == 24


def test_the_same_seed_gives_the_same_solution() -> None:
    graph = random_graph(5, 25)
    runs = [genetic(Synthetic(graph, 20, 5), seed=seed, population=12, generations=5) for seed in (1, 1, 2, 3, 4)]
    assert runs[0] == runs[1]
    assert len({run.choices for run in runs}) > 1


@pytest.mark.parametrize("change", ["modify", "split", "merge", "crossover"])
def test_every_change_keeps_partitions_sound(change: str) -> None:
    """P(v) <= P(w) along edges, connected groups, and none that does not run."""
    changed = 0
    for seed in range(30):
        graph = random_graph(seed, 3 + seed % 12)
        rng = random.Random(seed)
        refused: dict[int, bool] = {}
        made = Partitions(graph, lambda g, refused=refused, rng=rng: refused.setdefault(g, rng.random() < 0.8), rng)
        old = other = made.layer_by_layer()
        for _ in range(40):
            other, old = old, made.merge(made.modify(old))
            new = made.crossover(old, other) if change == "crossover" else getattr(made, change)(old)
            changed += new != old
            groups = [{k for k in range(len(graph.nodes)) if group >> k & 1} for group in new]
            number = {k: at for at, group in enumerate(groups) for k in group}
            assert sorted(number) == list(range(len(graph.nodes)))
            assert sum(map(len, groups)) == len(graph.nodes)
            assert all(is_connected(graph, group) for group in groups)
            assert all(number[p] <= number[k] for k, before in enumerate(graph.before) for p in before)
            assert all(len(group) == 1 or refused[mask] for mask, group in zip(new, groups, strict=True))
    assert changed > 200


def test_groups_that_overflow_are_split() -> None:
    """Room grows with the nodes of a group, and so does what is saved: groups of two are the best that fit."""

    class Growing(Synthetic):
        def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
            return (Offer(len(nodes), 10.0, 10, 10),)

    graph = chain_graph(11, 8)
    assert not any(node.alone for node in graph.nodes)
    found = genetic(Growing(graph, 2, 0), population=20, generations=20)
    assert max(len(choice.nodes) for choice in found.choices) == 2
    assert len(found.choices) == 4
    assert split_on_overflow(found) > 0
    assert split_on_overflow(genetic(Growing(graph, 8, 0), population=20, generations=20)) == 0


def split_on_overflow(found: Solution) -> int:
    note = next(note for note in found.notes if note.startswith("split on overflow: "))
    return int(note.split()[3].replace(",", ""))


def test_the_product_of_sums_is_least_over_all_combinations_of_offers() -> None:
    for seed in range(200):
        rng = random.Random(seed)
        fronts = [
            [Offer(1, float(rng.randint(1, 60)), rng.randint(1, 60), 0) for _ in range(rng.randint(1, 5))]
            for _ in range(rng.randint(1, 4))
        ]
        chosen = least_product([corners(front) for front in fronts])
        assert value(tuple(chosen), "edp") == min(value(all_, "edp") for all_ in product(*fronts))


def test_what_does_not_fit_by_itself_is_named_with_the_least_room_it_needs() -> None:
    class Large(Synthetic):
        def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
            return (Offer(70 + min(nodes), 1.0, 1, 1),) if min(nodes) else ()

    with pytest.raises(InfeasibleError) as caught:
        genetic(Large(chain_graph(2, 3), 71, 0))
    assert str(caught.value).splitlines() == [
        "n0: there is no way to run it by itself in 71 bytes",
        "n2: by itself it needs at least 72 bytes of the scratchpad; there are 71",
    ]


def test_time_that_runs_out_and_an_interruption_give_the_best_so_far() -> None:
    graph = chain_graph(4, 10)
    late = genetic(Synthetic(graph, 30, 4), deadline=time.monotonic())
    assert not late.complete
    assert len(late.choices) == 10

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    stopped = genetic(Synthetic(graph, 30, 4), progress=stop)
    assert not stopped.complete
    assert stopped.choices == genetic(Synthetic(graph, 30, 4), generations=3).choices
    assert "generations: 3 of 200, population: 100, seed: 0" in stopped.notes


def test_an_interruption_before_there_is_anything_gives_layer_by_layer() -> None:
    class Interrupted(Synthetic):
        times = 1

        def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
            if self.times:
                self.times -= 1
                raise KeyboardInterrupt
            return super()._of(nodes, residency)

    found = genetic(Interrupted(chain_graph(4, 6), 30, 4))
    assert not found.complete
    assert len(found.choices) == 6


def test_progress_counts_generations() -> None:
    seen = []
    genetic(Synthetic(chain_graph(4, 5), 30, 4), population=5, generations=3, progress=lambda *now: seen.append(now))
    assert seen == [("generation", 0, 3), ("generation", 1, 3), ("generation", 2, 3), ("", 3, 3)]
