"""The exact search: equal to enumeration, whatever it skips; valid when stopped; never worse than what it is given."""

from __future__ import annotations

from dataclasses import fields
from itertools import count, product

import pytest
from tests.schedule.exhaustive import is_group, totals, value
from tests.schedule.synthetic import Synthetic, random_graph

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule.graph import Base, Graph, Node
from tilewright.schedule.offers import Offer, Offers, Residency, Solution
from tilewright.schedule.search import optimal as module
from tilewright.schedule.search.check import problems
from tilewright.schedule.search.groups import all_groups
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.optimal import Limits, search
from tilewright.schedule.search.strategies import fuse, fuse_then_pin, layerwise, optimal, pin
from tilewright.schedule.search.switches import Switches

OBJECTIVES = ("latency", "energy", "edp", "traffic")
CAPACITIES = (6, 10, 14, 20, 30, 60)


def offers_of(seed: int, nodes: int | None = None) -> Synthetic:
    """Up to six nodes; capacities from those where little fits to those where all does."""
    graph = random_graph(seed, nodes or 2 + seed % 5)
    return Synthetic(graph, CAPACITIES[seed // 5 % len(CAPACITIES)], seed)


def found(offers: Offers, objective: str, **options: object) -> Solution | None:
    try:
        return search(offers, objective, **options)  # type: ignore[arg-type]
    except InfeasibleError:
        return None


@pytest.mark.parametrize("batch", range(12))
def test_the_answer_is_the_best_of_all_schedules(batch: int) -> None:
    for seed in range(10 * batch, 10 * batch + 10):
        offers = offers_of(seed)
        spaces = ({}, {"pinning": False}, {"fusing": False}, {"loading": False})
        for space in spaces[: 4 if seed % 3 == 0 else 3]:
            everything = totals(offers, **space)
            for objective in OBJECTIVES:
                solution, best = found(offers, objective, **space), value(everything, objective)
                where = (seed, space, objective)
                assert (solution is None) == (best is None), where
                if solution is not None:
                    assert solution.value(objective) == pytest.approx(best, rel=1e-9), where
                    assert solution.complete, where
                    assert solution.bound == solution.value(objective), where
                    assert problems(offers, solution.choices) == [], where


def test_the_graphs_have_what_the_law_speaks_of() -> None:
    """Otherwise the test above would say less than it seems to."""
    graphs = [random_graph(seed, 2 + seed % 5) for seed in range(120)]
    assert sum(any(len(w) > 1 for w in g.writers.values()) for g in graphs) > 20
    assert sum(any(len(w) > 2 for w in g.writers.values()) for g in graphs) > 2
    parts = [[r for k, n in enumerate(g.nodes) for r in n.reads if not g.writers[r] <= g.before[k]] for g in graphs]
    assert sum(map(bool, parts)) > 5
    assert sum(sum(b.wanted for b in g.bases) > 1 for g in graphs) > 20
    assert sum(any(b.wanted and g.readers[b.name] for b in g.bases) for g in graphs) > 10
    pinned = [found(offers_of(seed), "traffic", fusing=False) for seed in range(120)]
    assert sum(any(choice.over for choice in solution.choices) for solution in pinned if solution is not None) > 3
    assert sum(solution is None for solution in pinned) > 3


@pytest.mark.parametrize("batch", range(4))
def test_every_combination_of_switches_finds_the_same_optimum(batch: int) -> None:
    """On twenty graphs. Two of the switches speak of energy * delay only."""
    for seed in range(200 + 5 * batch, 205 + 5 * batch):
        offers = offers_of(seed, 3 + seed % 2)
        objective = ("edp", "latency", "edp", "energy", "edp", "traffic")[seed % 6]
        wanted = found(offers, objective)
        for chosen in product((False, True), repeat=len(fields(Switches))):
            switches = Switches(*chosen)
            if objective != "edp" and not (switches.lines and switches.known_rests):
                continue
            solution = found(offers, objective, switches=switches)
            assert (solution is None) == (wanted is None)
            if solution is not None and wanted is not None:
                assert solution.value(objective) == pytest.approx(wanted.value(objective), rel=1e-9), switches
                assert solution.complete


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_strategies_are_parts_of_one_space(objective: str) -> None:
    for seed in range(300, 312):
        offers = offers_of(seed)
        try:
            simple = layerwise(offers, objective)
        except InfeasibleError:
            continue
        fused, pinned = fuse(offers, objective, start=(simple,)), pin(offers, objective, start=(simple,))
        both = fuse_then_pin(offers, objective, fused=fused)
        best = optimal(offers, objective, start=(both, pinned))
        values = [solution.value(objective) for solution in (best, both, fused, simple)]
        assert values == sorted(values)
        assert best.value(objective) <= pinned.value(objective) <= simple.value(objective)
        assert all(not c.residency.held | c.residency.loaded | c.residency.resident for c in fused.choices)
        sequence = [choice.nodes for choice in fused.choices]
        assert both.value(objective) == pytest.approx(value(totals(offers, sequence=sequence), objective), rel=1e-9)
        assert [choice.nodes for choice in both.choices] == sequence
        for solution in (best, both, fused, pinned, simple):
            assert problems(offers, solution.choices) == []


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_more_capacity_never_costs_more(objective: str) -> None:
    for seed in range(400, 406):
        graph, before = random_graph(seed, 5), float("inf")
        for capacity in range(4, 44, 8):
            solution = found(Synthetic(graph, capacity, seed), objective)
            now = float("inf") if solution is None else solution.value(objective)
            assert now <= before * (1 + 1e-9)
            before = now


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_stopped_search_has_a_valid_bound(objective: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # In the largest a stop comes when a whole schedule is found and others are still open.
    raised = False
    for seed, nodes, apart in ((501, 5, 1), (502, 5, 6), (501, 8, 4)):
        offers = Synthetic(random_graph(seed, nodes), 40, seed)
        best = search(offers, objective)
        start = layerwise(offers, objective)
        for moment in (*range(0, 600, apart), 10**9):
            clock = count()
            monkeypatch.setattr(module, "monotonic", lambda clock=clock: next(clock))
            stopped = search(offers, objective, start=(start,), deadline=moment)
            assert stopped.bound <= best.value(objective) * (1 + 1e-9)
            assert best.value(objective) <= stopped.value(objective) * (1 + 1e-9)
            assert stopped.value(objective) <= start.value(objective)
            assert stopped.complete or stopped.notes
            assert problems(offers, stopped.choices) == []
            raised |= stopped.bound > 0 and not stopped.complete
            if stopped.complete:
                break
        assert stopped.complete
    assert raised


class _Interrupted(Synthetic):
    """Ctrl-C at the n-th time that somebody asks for offers."""

    def __init__(self, graph: Graph, capacity: int, seed: int, asked: int) -> None:
        super().__init__(graph, capacity, seed)
        self.left = asked

    def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return super()._of(nodes, residency)


def test_an_interruption_returns_the_best_so_far() -> None:
    graph = random_graph(528, 6)
    start = layerwise(Synthetic(graph, 30, 1), "edp")
    stopped = search(_Interrupted(graph, 30, 1, 30), "edp", start=(start,))
    assert stopped.choices == start.choices
    assert (stopped.bound, stopped.complete) == (0.0, False)
    with pytest.raises(LimitError, match="give it more time"):
        search(_Interrupted(graph, 30, 1, 30), "edp")


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "limits", [Limits(states=8), Limits(states=30), Limits(sets=3), Limits(labels=1), Limits(steps=5), Limits(groups=9)]
)
def test_limits_leave_an_answer_and_a_valid_bound(objective: str, limits: Limits) -> None:
    for seed in range(600, 603):
        offers = Synthetic(random_graph(seed, 6), 40, seed)
        best, limited = search(offers, objective), search(offers, objective, limits=limits)
        assert problems(offers, limited.choices) == []
        assert best.value(objective) <= limited.value(objective) * (1 + 1e-9)
        cut = any("only groups of at most" in note for note in limited.notes)
        assert cut or limited.bound <= best.value(objective) * (1 + 1e-9)
        assert limited.complete or limited.notes
        if limited.complete and not cut:
            assert limited.value(objective) == pytest.approx(best.value(objective), rel=1e-9)


def test_the_same_question_has_the_same_answer() -> None:
    for seed in range(800, 803):
        for objective in OBJECTIVES:
            one, two = (found(offers_of(seed), objective) for _ in range(2))
            assert one == two


def test_groups_are_all_sets_of_nodes_that_the_law_allows() -> None:
    for seed in range(900, 940):
        graph = random_graph(seed, 7)
        masks = Masks(graph)
        wanted = {nodes for nodes in range(1, 1 << 7) if is_group(graph, {k for k in range(7) if nodes >> k & 1})}
        groups = all_groups(masks)
        assert {group.nodes for group in groups.all} == wanted
        assert len(groups.all) == len(wanted)
        assert groups.cut == ""
        for done in range(1 << 7):
            if not any(masks.before[k] & ~done for k in range(7) if done >> k & 1):
                next_ones = {group.nodes for group in groups.at(done, masks.frontier(done))}
                assert next_ones == {
                    g
                    for g in wanted
                    if not g & done and not any(masks.before[k] & ~(done | g) for k in range(7) if g >> k & 1)
                }


def test_too_many_groups_are_cut_by_size_and_the_cut_is_told() -> None:
    width = 14
    nodes = tuple(Node(f"n{k}", ("in",), f"b{k}") for k in range(width))
    bases = (Base("in", 1, given=True), *(Base(f"b{k}", 1, wanted=True) for k in range(width)))
    graph = Graph(nodes, bases, (frozenset(),) * width)
    groups = all_groups(Masks(graph), most=200)
    assert len(groups.all) == width + width * (width - 1) // 2
    assert "at most 2 operators" in groups.cut
    assert all_groups(Masks(graph), largest=2, most=200).cut == ""


def test_nodes_that_fit_in_no_way_are_named() -> None:
    graph = random_graph(3, 4)
    with pytest.raises(InfeasibleError, match="n0, n1, n2, n3"):
        search(Synthetic(graph, 0, 1), "latency")


def test_a_sequence_that_breaks_the_order_is_refused() -> None:
    nodes = (Node("a", ("in",), "x"), Node("b", ("x",), "y"))
    graph = Graph(
        nodes, (Base("in", 1, given=True), Base("x", 1), Base("y", 1, wanted=True)), (frozenset(), frozenset({0}))
    )
    with pytest.raises(ValueError, match="b cannot be number 0"):
        search(Synthetic(graph, 30, 1), "latency", sequence=[frozenset({1}), frozenset({0})])


def test_progress_tells_value_bound_and_states() -> None:
    told: list[tuple[float | None, float, int]] = []
    solution = search(Synthetic(random_graph(5, 6), 30, 5), "latency", progress=lambda *seen: told.append(seen))
    assert told[-1][0] == solution.value("latency")
    assert told[-1][1] <= solution.value("latency")
    assert told[-1][2] > 0
