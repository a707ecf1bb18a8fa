"""Offers of real groups on a real machine: every way to run each, the best of them for each residency."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import replace
from functools import cached_property

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Mapping, Node
from tilewright.schedule.graph import Graph
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.book import StepBook
from tilewright.schedule.group.cost import offer
from tilewright.schedule.group.members import Members, NoGroupError, members
from tilewright.schedule.group.prepared import Book, Prepared, Way, setting
from tilewright.schedule.group.room import peak
from tilewright.schedule.group.ways import Frame, frames, weight_choices
from tilewright.schedule.offers import Choice, Offer, Residency, Solution
from tilewright.workload.network import Operator
from tilewright.workload.storage import PlacedNetwork


class Market:
    """Implements ``offers.Offers``. ``alone`` are offers of single nodes all of whose maps go through DRAM, ``found``
    the mappings behind them by operator."""

    def __init__(
        self,
        placed: PlacedNetwork,
        arch: Accelerator,
        graph: Graph,
        objective: str,
        alone: Dict[int, tuple[Offer, ...]],
        found: Dict[str, Mapping],
    ) -> None:
        self.placed, self.arch, self.graph = placed, arch, graph
        self.capacity = arch.scratchpad.size_bytes or 1 << 62
        self._alone = alone
        self._mapper = ArrayMapper(objective, found)
        self._steps: dict[str, StepBook] = {}
        self._groups: dict[frozenset[int], tuple[Prepared, ...]] = {}
        self._fronts: dict[tuple[frozenset[int], Residency], tuple[Offer, ...]] = {}

    @cached_property
    def _operators(self) -> dict[str, Operator]:
        return {operator.name: operator for operator in self.placed.network.operators}

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group: offers of which none is beaten in room, energy, cycles and bytes at once."""
        key = (nodes, residency)
        if key not in self._fronts:
            held = sum(self.graph.base[base].size_bytes for base in residency.on_chip)
            found = [offer(way, residency) for way in self.ways(nodes)] if held <= self.capacity else []
            if len(nodes) == 1 and not residency.on_chip:
                found += self._alone.get(next(iter(nodes)), ())
            self._fronts[key] = front([one for one in found if one.room_bytes + held <= self.capacity])
        return self._fronts[key]

    def alone(self) -> Solution:
        """Every node by itself as it was found, all maps through DRAM: a schedule from the start."""
        choices = []
        for k in range(len(self.graph.nodes)):
            nodes = frozenset({k})
            choices.append(Choice(nodes, Residency(stored=self.graph.leaving(nodes)), self._alone[k][0]))
        return Solution(tuple(choices), 0.0)

    def ways(self, nodes: frozenset[int]) -> tuple[Prepared, ...]:
        """All ways to run a group that may fit beside nothing else; none if these nodes are no group."""
        if nodes not in self._groups:
            try:
                self._groups[nodes] = tuple(self._prepare(self.group(nodes), self.graph.leaving(nodes), nodes))
            except NoGroupError:
                self._groups[nodes] = ()
        return self._groups[nodes]

    def group(self, nodes: frozenset[int]) -> Members:
        """The operators of a group in the network's order; NoGroupError if they are none."""
        return members(self.placed, self.arch, [self._operators[self.graph.nodes[k].name] for k in sorted(nodes)])

    def space(self, largest: int) -> str:
        """What is searched, in words."""
        return (
            f"groups of at most {largest} operators in the network's order under the loops of schedule/group/ways.py, "
            "single operators through DRAM also at the mappings found for them"
        )

    def _prepare(self, group: Members, outputs: frozenset[str], nodes: frozenset[int]) -> list[Prepared]:
        books = tuple(self._steps.setdefault(one.name, StepBook(one)) for one in group.all)
        book = Book(self.placed, self.arch, group, outputs, books)
        everything = frozenset(base for k in nodes for base in self.graph.nodes[k].reads) - group.written
        least = Residency(resident=everything, held=outputs)
        found = []
        for frame in frames(group):
            arrays = self._arrays(book, frame)
            if arrays is None:
                continue
            first: Prepared | None = None
            for weights in weight_choices(group, frame):
                way = Way(frame.loops, frame.channels, frame.overlap, arrays, weights)
                at = (
                    setting(book, way)
                    if first is None
                    else replace(first.at, way=replace(first.at.way, weights=weights))
                )
                first = prepared = Prepared(at, first)
                if peak(prepared.room(least), len(group.all)) <= self.capacity:
                    found.append(prepared)
        return found

    def _arrays(self, book: Book, frame: Frame) -> tuple[tuple[Node, ...], ...] | None:
        _, boxed = book.frame(frame.loops, frame.overlap, frame.channels)
        found = []
        for one, box in zip(book.books, boxed, strict=True):
            array = self._mapper.of(one, box)
            if array is None:
                return None
            found.append(array)
        return tuple(found)


def front(offers: list[Offer]) -> tuple[Offer, ...]:
    """The offers that no other equals or beats in everything, least room first."""
    kept: list[Offer] = []
    for one in sorted(offers, key=lambda o: (o.room_bytes, o.energy_pj, o.cycles, o.dram_bytes, o.loose_cycles)):
        if not any(
            o.energy_pj <= one.energy_pj
            and o.cycles <= one.cycles
            and o.dram_bytes <= one.dram_bytes
            and o.loose_cycles <= one.loose_cycles
            for o in kept
        ):
            kept.append(one)
    return tuple(kept)
