"""Pin or Fuse against all chains and pins of its order, and against the law of a whole network."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise, product

import pytest
from tests.schedule.replay import faults
from tests.schedule.synthetic import Synthetic, random_graph

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule.graph import Base, Graph, Node
from tilewright.schedule.offers import Offer, Residency, Solution
from tilewright.schedule.published.pin_or_fuse import pin_or_fuse


def chain_graph(seed: int, nodes: int) -> Graph:
    """A chain with some skips, two of which end in the same node; a network in which there is much to fuse."""
    rng = random.Random(seed)
    bases = [Base("in0", rng.randint(1, 6), given=True)]
    made: list[Node] = []
    for k in range(nodes):
        reads = [bases[-1].name]
        if k > 1 and rng.random() < 0.4:
            reads.append(rng.choice(bases[max(0, k - 3) : -1]).name)
        bases.append(Base(f"b{k}", rng.randint(1, 6), wanted=k == nodes - 1 or rng.random() < 0.1))
        made.append(Node(f"n{k}", tuple(reads), f"b{k}", alone=rng.random() < 0.1))
    number = {node.writes: k for k, node in enumerate(made)}
    before = tuple(frozenset(number[r] for r in node.reads if r in number) for node in made)
    return Graph(tuple(made), tuple(bases), before)


def cases() -> Iterator[tuple[str, Synthetic]]:
    """Chains and wide graphs, from scratchpads in which hardly anything fits to some in which all does."""
    for seed in range(140):
        capacity = (4, 9, 12, 15, 20, 30, 60)[seed % 7]
        yield f"chain {seed}", Synthetic(chain_graph(seed, 4 + seed % 4), capacity, seed)
        yield f"wide {seed}", Synthetic(random_graph(seed, 3 + seed % 4), capacity, seed)


def runs(graph: Graph) -> Iterator[list[frozenset[int]]]:
    """All ways to cut the order of nodes into runs that are chains with one output."""
    total = len(graph.nodes)
    for cuts in product((False, True), repeat=total - 1):
        ends = [k + 1 for k in range(total - 1) if cuts[k]] + [total]
        groups = [frozenset(range(a, b)) for a, b in zip([0, *ends], ends, strict=False)]
        if all(is_chain(graph, sorted(group)) for group in groups):
            yield groups


def is_chain(graph: Graph, nodes: list[int]) -> bool:
    if len(nodes) == 1:
        return True
    if any(graph.nodes[k].alone for k in nodes):
        return False
    last = graph.nodes[nodes[-1]].writes
    if any(last in graph.nodes[k].reads for k in nodes):
        return False
    for one, two in pairwise(nodes):
        inner = graph.nodes[one].writes
        alone = graph.writers[inner] == {one} and graph.readers[inner] == {two}
        if not alone or graph.base[inner].wanted:
            return False
    return True


def least(offers: Synthetic) -> int | None:
    """The least sum of loose cycles over all chains and all sets of pinned maps; None if nothing fits."""
    graph = offers.graph
    best: int | None = None
    for groups in runs(graph):
        inner = {graph.nodes[k].writes for group in groups for k in sorted(group)[:-1]}
        maps = [b.name for b in graph.bases if graph.writers[b.name] and graph.readers[b.name] and b.name not in inner]
        for chosen in product((False, True), repeat=len(maps)):
            pinned = {name for name, pin in zip(maps, chosen, strict=True) if pin}
            cost = cost_of(offers, groups, pinned)
            if cost is not None and (best is None or cost < best):
                best = cost
    return best


def cost_of(offers: Synthetic, groups: list[frozenset[int]], pinned: set[str]) -> int | None:
    graph = offers.graph
    place = {k: at for at, group in enumerate(groups) for k in group}
    life = {p: [place[k] for k in graph.writers[p] | graph.readers[p]] for p in pinned}
    total = 0
    for at, group in enumerate(groups):
        held = sum(graph.base[p].size_bytes for p in pinned if min(life[p]) <= at <= max(life[p]))
        output = graph.nodes[max(group)].writes
        reads = {r for k in group for r in graph.nodes[k].reads} - {graph.nodes[k].writes for k in group}
        residency = Residency(
            resident=frozenset(reads & pinned),
            held=frozenset({output} & pinned),
            stored=frozenset({output} if output not in pinned or graph.base[output].wanted else ()),
        )
        fitting = [o.loose_cycles for o in offers.of(group, residency) if o.room_bytes + held <= offers.capacity]
        if not fitting:
            return None
        total += min(fitting)
    return total


def loose(solution: Solution) -> int:
    return sum(choice.offer.loose_cycles for choice in solution.choices)


def test_it_finds_the_least_latency_of_its_own_space_and_keeps_the_law() -> None:
    fused = pinned = impossible = 0
    for name, offers in cases():
        best = least(offers)
        try:
            found = pin_or_fuse(offers)
        except InfeasibleError as error:
            assert best is None, f"{name}: {error}"
            impossible += 1
            continue
        assert loose(found) == best, name
        assert faults(offers, found.choices) == [], name
        assert found.complete
        fused += any(len(choice.nodes) > 1 for choice in found.choices)
        pinned += any(choice.residency.held for choice in found.choices)
    assert min(fused, pinned) >= 80
    assert impossible >= 15


def test_groups_are_chains_with_one_output_and_maps_are_pinned_for_all_uses_or_none() -> None:
    for name, offers in cases():
        graph = offers.graph
        try:
            found = pin_or_fuse(offers)
        except InfeasibleError:
            continue
        assert [k for choice in found.choices for k in sorted(choice.nodes)] == list(range(len(graph.nodes)))
        pinned = {base for choice in found.choices for base in choice.residency.held}
        for choice in found.choices:
            assert is_chain(graph, sorted(choice.nodes)), name
            assert len(choice.residency.held | choice.residency.stored) == 1, name
            assert not choice.residency.loaded
            assert choice.over is None
            reads = {r for k in choice.nodes for r in graph.nodes[k].reads}
            writes = {graph.nodes[k].writes for k in choice.nodes}
            assert choice.residency.resident == (reads - writes) & pinned, name
            assert all(graph.base[base].wanted for base in choice.residency.held & choice.residency.stored), name


def test_the_check_of_the_search_finds_nothing_wrong_either() -> None:
    check = pytest.importorskip("tilewright.schedule.search.check")
    for name, offers in cases():
        with contextlib.suppress(InfeasibleError):
            assert check.problems(offers, pin_or_fuse(offers).choices) == [], name


def test_it_repeats_with_two_percent_less_memory_until_the_whole_fits() -> None:
    offers = Synthetic(chain_graph(1, 6), 1000, 1)
    seen: list[Solution] = []

    def third(solution: Solution) -> bool:
        seen.append(solution)
        return len(seen) == 3

    found = pin_or_fuse(offers, fits=third)
    assert found is seen[-1]
    assert [solution.notes[0] for solution in seen] == ["retries: 0", "retries: 1", "retries: 2"]
    assert "memory planned with: 960 of 1,000 bytes" in found.notes
    assert loose(found) == least(Synthetic(offers.graph, 960, 1))


def test_less_memory_changes_the_plan_until_it_fits() -> None:
    offers = Synthetic(chain_graph(3, 7), 40, 3)

    def rooms(solution: Solution) -> int:
        return max(c.offer.room_bytes + 8 * len(c.residency.held | c.residency.resident) for c in solution.choices)

    first = pin_or_fuse(offers)
    most = rooms(first)
    found = pin_or_fuse(offers, fits=lambda solution: rooms(solution) < most)
    assert rooms(found) < most
    assert loose(found) >= loose(first)
    assert found.notes[0] != "retries: 0"
    assert faults(offers, found.choices) == []


def test_a_plan_that_never_fits_ends_with_a_sentence() -> None:
    offers = Synthetic(chain_graph(1, 5), 500, 1)
    with pytest.raises(LimitError, match="any of 4 plans"):
        pin_or_fuse(offers, fits=lambda _: False, max_retries=3)
    with pytest.raises(InfeasibleError, match=r"(?s)n\d: by itself it needs at least .*no addresses were found for"):
        pin_or_fuse(offers, fits=lambda _: False, max_retries=1000)


def test_what_cannot_fit_is_named_with_the_least_room_it_needs() -> None:
    graph = chain_graph(2, 4)

    class OneLarge(Synthetic):
        def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
            return (Offer(77 if 2 in nodes else 1, 1.0, 1, 1, 1),)

    with pytest.raises(InfeasibleError) as caught:
        pin_or_fuse(OneLarge(graph, 50, 0), fits=None)
    assert str(caught.value) == "n2: by itself it needs at least 77 bytes of the scratchpad; there are 50"


def test_few_states_still_give_a_lawful_plan_and_say_so() -> None:
    cut = 0
    for seed in range(20):
        offers = Synthetic(chain_graph(seed, 8), 40, seed)
        found = pin_or_fuse(offers, most_states=2)
        assert faults(offers, found.choices) == []
        assert loose(found) >= loose(pin_or_fuse(offers))
        cut += any(note.startswith("states left out") for note in found.notes)
    assert cut >= 10


def test_past_the_deadline_nodes_run_one_by_one_through_dram() -> None:
    offers = Synthetic(chain_graph(1, 6), 100, 1)
    found = pin_or_fuse(offers, deadline=time.monotonic())
    assert not found.complete
    assert all(len(choice.nodes) == 1 and not choice.residency.held for choice in found.choices)
    assert faults(offers, found.choices) == []


def test_one_interruption_keeps_what_was_planned_and_a_second_one_passes_through() -> None:
    class Interrupted(Synthetic):
        times = 1

        def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
            if 4 in nodes and self.times:
                self.times -= 1
                raise KeyboardInterrupt
            return super()._of(nodes, residency)

    offers = Interrupted(chain_graph(1, 6), 100, 1)
    found = pin_or_fuse(offers)
    assert not found.complete
    assert faults(offers, found.choices) == []
    twice = Interrupted(chain_graph(1, 6), 100, 1)
    twice.times = 2
    with pytest.raises(KeyboardInterrupt):
        pin_or_fuse(twice)


def test_an_interruption_while_addresses_are_sought_leads_to_a_plan_that_is_quickly_made() -> None:
    calls = []

    def stopped(solution: Solution) -> bool:
        calls.append(solution)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return True

    found = pin_or_fuse(Synthetic(chain_graph(1, 6), 100, 1), fits=stopped)
    assert not found.complete
    assert all(len(choice.nodes) == 1 for choice in found.choices)


def test_the_replay_notices_every_kind_of_fault() -> None:
    offers = Synthetic(chain_graph(1, 6), 25, 1)
    found = pin_or_fuse(offers).choices
    first = next(k for k, choice in enumerate(found) if choice.residency.held)
    pinned = found[first]
    assert pinned.residency.resident == frozenset()
    evicted = replace(pinned, residency=Residency(stored=pinned.residency.held))
    wrong = {
        "not on chip": [*found[:first], evicted, *found[first + 1 :]],
        "too early": found[::-1],
        "not all nodes": found[:-1],
        "executed twice": [*found, found[-1]],
        "does not fit": [replace(c, offer=replace(c.offer, room_bytes=26)) for c in found],
        "no such offer": [replace(c, offer=replace(c.offer, cycles=-1)) for c in found],
        "outputs": [replace(c, residency=Residency()) for c in found],
    }
    for words, choices in wrong.items():
        assert any(words in fault for fault in faults(offers, choices)), words
