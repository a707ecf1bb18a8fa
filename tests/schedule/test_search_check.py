"""The validator of choices notices what is wrong with them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from tests.schedule.synthetic import Synthetic, random_graph

from tilewright.errors import InfeasibleError
from tilewright.schedule.graph import Base, Graph, Node
from tilewright.schedule.offers import Choice, Offer, Residency
from tilewright.schedule.search.check import problems
from tilewright.schedule.search.optimal import search


def chain() -> Graph:
    """in -> a -> x -> b -> y -> c -> out; b can write over x."""
    nodes = (Node("a", ("in",), "x"), Node("b", ("x",), "y", over=("x",)), Node("c", ("y",), "out"))
    bases = (Base("in", 4, given=True), Base("x", 5), Base("y", 5), Base("out", 3, wanted=True))
    return Graph(nodes, bases, (frozenset(), frozenset({0}), frozenset({1})))


class Any1:
    """One offer of one byte for everything."""

    def __init__(self, graph: Graph, capacity: int) -> None:
        self.graph, self.capacity = graph, capacity

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        return (Offer(1, 1.0, 1, 1),)


ONE = Offer(1, 1.0, 1, 1)


def choice(node: int, over: tuple[str, str] | None = None, **places: str) -> Choice:
    return Choice(frozenset({node}), Residency(**{k: frozenset(v.split()) for k, v in places.items()}), ONE, over)


KEPT = (
    choice(0, held="x"),
    choice(1, over=("y", "x"), resident="x", held="y"),
    choice(2, resident="y", stored="out"),
)


def test_a_schedule_that_just_fits_is_right() -> None:
    assert problems(Any1(chain(), 6), KEPT) == []
    assert "needs 6 bytes" in problems(Any1(chain(), 5), KEPT)[0]


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        (KEPT[:2], "never executed: c"),
        ((KEPT[0], KEPT[2], KEPT[1]), "reads what b has not written"),
        ((*KEPT, KEPT[2]), "executed before: c"),
        ((choice(0, stored="x"), *KEPT[1:]), "x is not on chip"),
        ((KEPT[0], choice(1, held="y"), KEPT[2]), "x is not in DRAM"),
        ((KEPT[0], choice(1, resident="x", held="y"), KEPT[2]), "needs 11 bytes"),
        ((KEPT[0], choice(1, over=("y", "in"), resident="x", held="y"), KEPT[2]), "b cannot write over in"),
        ((*KEPT[:2], choice(2, resident="y", held="out")), "out is held and nobody reads it later"),
        ((*KEPT[:2], choice(2, resident="y")), "held or stored must be ['out'], not []"),
        ((choice(0, resident="in", held="x"), *KEPT[1:]), "in is not on chip"),
        ((replace(KEPT[0], offer=Offer(1, 2.0, 1, 1)), *KEPT[1:]), "not among those"),
        ((replace(KEPT[0], nodes=frozenset({0, 2})), *KEPT[1:]), "not connected"),
    ],
)
def test_each_fault_is_named(choices: tuple[Choice, ...], text: str) -> None:
    assert any(text in problem for problem in problems(Any1(chain(), 10), choices)), problems(
        Any1(chain(), 10), choices
    )


def test_a_chip_copy_takes_room_until_its_last_use() -> None:
    nodes = (Node("a", ("in",), "x"), Node("b", ("in",), "y"), Node("c", ("x", "y"), "out"))
    bases = (Base("in", 1, given=True), Base("x", 5), Base("y", 5), Base("out", 3, wanted=True))
    graph = Graph(nodes, bases, (frozenset(), frozenset(), frozenset({0, 1})))
    first, second = choice(0, held="x", stored="x"), choice(1, held="y")
    kept = (first, second, choice(2, resident="x y", stored="out"))
    dropped = (first, second, choice(2, resident="y", stored="out"))
    assert problems(Any1(graph, 11), kept) == []
    assert "needs 11 bytes" in problems(Any1(graph, 10), kept)[0]
    assert problems(Any1(graph, 6), dropped) == []


def test_random_damage_is_noticed() -> None:
    """Another place for any base, another order, a group missing or doubled: noticed, or as right as before."""
    noticed = tried = 0
    for seed in range(30):
        offers = Synthetic(random_graph(seed, 3 + seed % 4), 24, seed)
        try:
            choices = search(offers, "edp").choices
        except InfeasibleError:
            continue
        rng = random.Random(seed)
        for _ in range(20):
            k = rng.randrange(len(choices))
            kind = rng.choice(["place", "order", "lost", "twice", "offer"])
            damaged = list(choices)
            if kind == "place":
                part = rng.choice(["resident", "loaded", "held", "stored"])
                base = rng.choice(offers.graph.bases).name
                residency = replace(choices[k].residency, **{part: getattr(choices[k].residency, part) ^ {base}})
                damaged[k] = replace(choices[k], residency=residency)
            elif kind == "order":
                j = rng.randrange(len(choices))
                damaged[j], damaged[k] = damaged[k], damaged[j]
            elif kind == "lost":
                del damaged[k]
            elif kind == "twice":
                damaged.insert(k, choices[k])
            else:
                damaged[k] = replace(
                    choices[k], offer=replace(choices[k].offer, room_bytes=choices[k].offer.room_bytes - 1)
                )
            if damaged != list(choices):
                tried += 1
                noticed += bool(problems(offers, damaged))
    assert tried > 250
    assert noticed > 0.97 * tried  # independent groups may change places
