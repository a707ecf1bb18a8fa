"""The offers of all residencies and weights at once are those of each by itself, to the last bit."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import onnx
import pytest
from tests.simulate.random_groups import group_network

import tilewright as tw
from tilewright.schedule.graph import Graph, graph_of
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.cost import group_cost, offer
from tilewright.schedule.group.fronts import Asked, fronts, prepared_ways
from tilewright.schedule.group.members import NoGroupError, members
from tilewright.schedule.group.prepared import Book, Prepared, setting
from tilewright.schedule.group.sheet import columns, request
from tilewright.schedule.offers import Offer, Residency
from tilewright.schedule.search.groups import all_groups
from tilewright.schedule.search.masks import Masks
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import PlacedNetwork, place

MACHINES = ("mobile-npu", "simba", "tiny", "flat-64k", "tpu")


def books(seed: int, folder: Path, largest: int = 3) -> list[tuple[Book, Graph, frozenset[int]]]:
    """The groups of a random network on one of the machines."""
    arch = tw.load_arch(MACHINES[seed % len(MACHINES)])
    onnx.save(group_network(seed, nodes=8), folder / "model.onnx")
    placed = place(rewrite(tw.load_model(folder / "model.onnx")), arch.layout)
    graph = graph_of(placed, arch)
    found = []
    for group in all_groups(Masks(graph), largest).all:
        try:
            found.append((book_of(placed, graph, arch, group.members), graph, group.members))
        except NoGroupError:
            continue
    return found


def book_of(placed: PlacedNetwork, graph: Graph, arch: tw.Accelerator, nodes: frozenset[int]) -> Book:
    operators = {operator.name: operator for operator in placed.network.operators}
    group = members(placed, arch, [operators[graph.nodes[k].name] for k in sorted(nodes)])
    return Book(placed, arch, group, graph.leaving(nodes))


def residencies(graph: Graph, nodes: frozenset[int]) -> tuple[tuple[str, ...], tuple[str, ...], list[Residency]]:
    """What goes in, what comes out, and all that can become of both."""
    outputs = tuple(sorted(graph.leaving(nodes)))
    written = {graph.nodes[k].writes for k in nodes}
    inputs = tuple(sorted({base for k in nodes for base in graph.nodes[k].reads} - written))
    found = []
    for chosen in product(*[range(3)] * (len(inputs) + len(outputs))):
        into, out = chosen[: len(inputs)], chosen[len(inputs) :]
        found.append(
            Residency(
                frozenset(b for b, how in zip(inputs, into, strict=True) if how == 1),
                frozenset(b for b, how in zip(inputs, into, strict=True) if how == 2),
                frozenset(b for b, how in zip(outputs, out, strict=True) if how),
                frozenset(b for b, how in zip(outputs, out, strict=True) if how < 2),
            )
        )
    return inputs, outputs, found[:: max(1, len(found) // 12)]


@pytest.mark.parametrize("seed", range(6))
def test_columns_say_what_every_offer_says_by_itself(seed: int, tmp_path: Path) -> None:
    compared = 0
    for book, graph, nodes in books(seed, tmp_path)[::3]:
        inputs, outputs, asked = residencies(graph, nodes)
        mapper = ArrayMapper("edp", {})
        for framed in list(prepared_ways(book, mapper, 1 << 40))[::3]:
            table = columns(framed, request(inputs, outputs, asked))
            for w, way in enumerate(framed.ways):
                for r, places in enumerate(asked):
                    by_itself = offer(Prepared(setting(book, way)), places)
                    compared += 1
                    assert Offer(
                        int(table.room_bytes[w, r]),
                        float(table.energy_pj[w, r]),
                        int(table.cycles[w, r]),
                        int(table.dram_bytes[w, r]),
                        int(table.loose_cycles[w, r]),
                    ) == Offer(
                        by_itself.room_bytes,
                        by_itself.energy_pj,
                        by_itself.cycles,
                        by_itself.dram_bytes,
                        by_itself.loose_cycles,
                    )
    assert compared > 20


@pytest.mark.parametrize("seed", range(2))
def test_fronts_leave_out_only_what_is_beaten(seed: int, tmp_path: Path) -> None:
    book, graph, nodes = max(books(seed, tmp_path), key=lambda one: len(one[2]))
    inputs, outputs, asked = residencies(graph, nodes)
    mapper, capacity = ArrayMapper("edp", {}), book.arch.scratchpad.size_bytes or 1 << 40
    held = tuple(sum(graph.base[base].size_bytes for base in one.on_chip) for one in asked)
    found = fronts(book, mapper, Asked(inputs, outputs, tuple(asked), held), capacity)
    for places, bytes_held, front in zip(asked, held, found, strict=True):
        ways = (way for framed in prepared_ways(book, mapper, capacity) for way in framed.ways)
        every = [offer(Prepared(setting(book, way)), places) for way in ways]
        points = {_point(one) for one in every if one.room_bytes + bytes_held <= capacity}
        best = {p for p in points if not any(q != p and all(a <= b for a, b in zip(q, p, strict=True)) for q in points)}
        assert {_point(one) for one in front} == best
        for one in front:
            cost = group_cost(Prepared(setting(book, one.how)), places)  # type: ignore[arg-type]
            assert (one.room_bytes, one.cycles, one.dram_bytes) == (cost.room_bytes, cost.cycles, cost.dram_bytes)


def _point(one: Offer) -> tuple[float, ...]:
    return one.room_bytes, one.energy_pj, one.cycles, one.dram_bytes, one.loose_cycles
