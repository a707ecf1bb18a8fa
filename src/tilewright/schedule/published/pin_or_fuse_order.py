"""The dynamic programme of Pin or Fuse over one topological order, for one size of memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice, Offer, Residency
from tilewright.schedule.published.asked import Asked
from tilewright.schedule.published.groups import entering, joins, may_share

MOST_STATES = 4096


@dataclass(frozen=True)
class Run:
    """Consecutive nodes of the order, up to but without ``end``, that form a chain with one output.

    Sets of bases are bit masks. ``output`` is 0 if nobody needs what the last node writes. ``old``: nodes before the
    run write the output as well, so that its place is given; ``read``: somebody else reads it.
    """

    nodes: frozenset[int]
    end: int
    enters: int
    output: int
    wanted: bool
    old: bool
    read: bool


class Runs:
    """All that may become groups, by their first node, and the lives of the maps between them."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = tuple(base.name for base in graph.bases if graph.writers[base.name])
        self._bit = {name: 1 << k for k, name in enumerate(self.names)}
        self._bytes: dict[int, int] = {}

    @cached_property
    def starting(self) -> tuple[tuple[Run, ...], ...]:
        return tuple(self._starting(k) for k in range(len(self.graph.nodes)))

    @cached_property
    def alive(self) -> tuple[int, ...]:
        """For each position in the order the bases that a node from there on reads or writes."""
        alive = [0]
        for node in reversed(self.graph.nodes):
            alive.append(alive[-1] | self.bits((*node.reads, node.writes)))
        return tuple(reversed(alive))

    def bits(self, names: tuple[str, ...] | frozenset[str]) -> int:
        """The mask of those bases that nodes write; inputs of the network are never pinned."""
        return sum(self._bit[name] for name in set(names) if name in self._bit)

    def within(self, mask: int) -> frozenset[str]:
        return frozenset(name for k, name in enumerate(self.names) if mask >> k & 1)

    def size_bytes(self, mask: int) -> int:
        if mask not in self._bytes:
            self._bytes[mask] = sum(self.graph.base[name].size_bytes for name in self.within(mask))
        return self._bytes[mask]

    def _starting(self, first: int) -> tuple[Run, ...]:
        graph, found = self.graph, []
        for end in range(first + 1, len(graph.nodes) + 1):
            if end > first + 1 and not joins(graph, end - 2, end - 1):
                break
            nodes = frozenset(range(first, end))
            if not may_share(graph, nodes):
                continue
            base = graph.nodes[end - 1].writes
            found.append(
                Run(
                    nodes,
                    end,
                    self.bits(entering(graph, nodes)),
                    self.bits(graph.leaving(nodes)),
                    graph.base[base].wanted,
                    min(graph.writers[base]) < first,
                    bool(graph.readers[base] - nodes),
                )
            )
        return tuple(found)


@dataclass(frozen=True)
class Planned:
    """``dropped``: how many states were left out for being too many."""

    choices: tuple[Choice, ...]
    complete: bool
    dropped: int


@dataclass(frozen=True)
class _Reached:
    """The least latency with which a state is reached, and the last group on the way with the pins before it."""

    cycles: int
    pins: int = 0
    choice: Choice | None = None


def plan(
    asked: Asked, runs: Runs, capacity: int, most_states: int, progress: Callable[[str, int, int], None] | None = None
) -> Planned | None:
    """The groups and pins of least latency in the order of the nodes; None if nothing fits.

    A state is a position in the order and the set of pinned maps alive there. The paper's three cases for a node v
    are three ways on: v joins its producer's group (a longer run); a group begins with v and the producer's output
    was evicted; or it was pinned. Pinned maps stay from their first writer's group to their last reader's, for all
    their uses; they are stored only if the network wants them. All other maps go through DRAM.

    The paper writes its programme with one flag for the producer's output; how it keeps account of pins that live
    across several groups is not said, and is exact here: the state holds all of them. A group is a run of nodes that
    follow each other in the order, since the programme takes the nodes one by one. A group takes the offer of least
    ``loose_cycles`` among those whose room is left beside the pins alive in it, its own inputs and output included.
    """
    total = len(runs.graph.nodes)
    reached: list[dict[int, _Reached]] = [{} for _ in range(total + 1)]
    reached[0][0] = _Reached(0)
    programme = _Programme(asked, runs, capacity)
    dropped = 0
    for position in range(total):
        if progress is not None:
            progress(runs.graph.nodes[position].name, position, total)
        before = len(reached[position])
        reached[position] = _fewest(reached[position], runs, most_states)
        dropped += before - len(reached[position])
        try:
            programme.go_on(position, reached)
        except KeyboardInterrupt:
            asked.interrupt()
            programme.go_on(position, reached)
    if not reached[total]:
        return None
    return Planned(_way(reached), not programme.cut, dropped)


def _fewest(states: dict[int, _Reached], runs: Runs, most: int) -> dict[int, _Reached]:
    """The fastest states, and the one that pins the fewest bytes, from which there is a way on if there is any."""
    if len(states) <= most:
        return states
    ranked = sorted(states, key=lambda pins: (states[pins].cycles, pins))
    least = min(states, key=lambda pins: (runs.size_bytes(pins), pins))
    return {pins: states[pins] for pins in dict.fromkeys([least, *ranked[: most - 1]])}


class _Programme:
    """What one step of the programme does, for one size of memory."""

    def __init__(self, asked: Asked, runs: Runs, capacity: int) -> None:
        self._asked, self._runs, self._capacity = asked, runs, capacity
        self._ranked: dict[tuple[frozenset[int], Residency], list[Offer]] = {}
        self.cut = False  # whether something was not tried because it was late

    def go_on(self, position: int, reached: list[dict[int, _Reached]]) -> None:
        """Add to the states of later positions all groups that begin at this one."""
        runs = self._runs
        for run in runs.starting[position]:
            if len(run.nodes) > 1 and self._late():
                break
            alive = runs.alive[run.end]
            for pins, state in reached[position].items():
                for pin in self._pins(run, pins):
                    during = pins | pin
                    choice = self._choice(run, during, pin)
                    if choice is None:
                        continue
                    cycles = state.cycles + choice.offer.loose_cycles
                    known = reached[run.end].get(during & alive)
                    if known is None or cycles < known.cycles:
                        reached[run.end][during & alive] = _Reached(cycles, pins, choice)

    def _pins(self, run: Run, pins: int) -> tuple[int, ...]:
        """What may become of a run's output: 0 for DRAM, or its mask if it is pinned."""
        if run.old:
            return (run.output & pins,)
        return (0, run.output) if run.output and run.read and not self._late() else (0,)

    def _late(self) -> bool:
        self.cut |= self._asked.late()
        return self.cut

    def _choice(self, run: Run, during: int, pin: int) -> Choice | None:
        """The least-latency offer that leaves room for all pins, if there is one."""
        runs = self._runs
        left = self._capacity - runs.size_bytes(during)
        if left < 0:
            return None
        output = runs.within(run.output)
        residency = Residency(
            resident=runs.within(run.enters & during),
            held=output if pin else frozenset(),
            stored=output if run.wanted or not pin else frozenset(),
        )
        for offer in self._offers(run.nodes, residency):
            if offer.room_bytes <= left:
                return Choice(run.nodes, residency, offer)
        return None

    def _offers(self, nodes: frozenset[int], residency: Residency) -> list[Offer]:
        """A front, the fastest first."""
        key = nodes, residency
        if key not in self._ranked:
            self._ranked[key] = sorted(
                self._asked.of(nodes, residency), key=lambda o: (o.loose_cycles, o.cycles, o.energy_pj, o.room_bytes)
            )
        return self._ranked[key]


def _way(reached: list[dict[int, _Reached]]) -> tuple[Choice, ...]:
    """The groups on the way to the end, where no map is alive."""
    position, pins, found = len(reached) - 1, 0, []
    while position:
        state = reached[position][pins]
        assert state.choice is not None  # only the beginning has none
        found.append(state.choice)
        position, pins = min(state.choice.nodes), state.pins
    return tuple(reversed(found))
