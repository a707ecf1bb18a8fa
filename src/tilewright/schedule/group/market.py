"""Offers of real groups on a real machine: every way to run each, the best of them for each residency."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from itertools import pairwise, product
from time import monotonic

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.schedule.graph import Graph
from tilewright.schedule.group.alike import Interface, Signature, interface, signature
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.book import StepBook
from tilewright.schedule.group.fronts import Asked, fronts
from tilewright.schedule.group.members import Members, NoGroupError, members
from tilewright.schedule.group.prepared import Book, Prepared, Way, setting
from tilewright.schedule.group.rows import Fronts, Places, read, written
from tilewright.schedule.group.store import Keys, Store
from tilewright.schedule.offers import Choice, Offer, Residency, Solution
from tilewright.schedule.processes import processors, share_out
from tilewright.workload.storage import PlacedNetwork

WORKER = ("tilewright.schedule.group.worker", "fronts_of")
LEAST_JOBS = 10  # groups to evaluate for each process: fewer are done sooner than it has started


@dataclass(frozen=True, eq=False)
class _Known:
    """A group with its interface, and the fronts that are known of all groups with its offers, on disk as ``key``."""

    book: Book
    at: Interface
    fronts: dict[Places, tuple[Offer, ...]]
    key: str


class Market:
    """Implements ``offers.Offers``. ``alone`` are offers of single nodes all of whose maps go through DRAM, ``found``
    the best mappings known of problems by themselves. Fronts in ``store`` are taken from there, others put there."""

    def __init__(
        self,
        placed: PlacedNetwork,
        arch: Accelerator,
        graph: Graph,
        objective: str,
        alone: Dict[int, tuple[Offer, ...]],
        found: Dict[NestProblem, Mapping],
        store: Store | None = None,
    ) -> None:
        self.placed, self.arch, self.graph = placed, arch, graph
        self.capacity = arch.scratchpad.size_bytes or 1 << 62
        self._alone, self._objective, self._found = dict(alone), objective, found
        self._mapper = ArrayMapper(objective, found)
        self._steps: dict[NestProblem, StepBook] = {}
        self._books: dict[frozenset[int], _Known | None] = {}
        self._fronts: dict[Signature, tuple[dict[Places, tuple[Offer, ...]], str]] = {}
        self._store, self._keys = store, Keys(arch, objective, found)

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group: offers of which none is beaten in room, energy, cycles and bytes at once."""
        known = self._known(nodes)
        found = () if known is None else self._front(nodes, known, residency)
        alone = self._alone.get(next(iter(nodes)), ()) if len(nodes) == 1 and not residency.on_chip else ()
        return front([*found, *(one for one in alone if one.room_bytes <= self.capacity)]) if alone else found

    def alone(self) -> Solution:
        """Every node by itself as it was found, all maps through DRAM: a schedule from the start."""
        choices = []
        for k in range(len(self.graph.nodes)):
            nodes = frozenset({k})
            choices.append(Choice(nodes, Residency(stored=self.graph.leaving(nodes)), self._alone[k][0]))
        return Solution(tuple(choices), 0.0)

    def add(self, k: int, offer: Offer) -> None:
        """One more way to run a node by itself with all maps through DRAM."""
        self._alone[k] = (*self._alone[k], offer)

    def prepared(self, nodes: frozenset[int], way: Way) -> Prepared:
        """A group under one of its ways."""
        known = self._known(nodes)
        assert known is not None
        return Prepared(setting(known.book, way))

    def prepare(
        self,
        groups: Sequence[frozenset[int]],
        until: float | None = None,
        progress: Callable[[int, int], None] | None = None,
        processes: int | None = None,
    ) -> None:
        """Make the fronts of groups that will be asked for, the first ones first, in several processes if that pays.

        What comes out does not depend on how many there are. Past ``until``, a moment of ``time.monotonic``, the rest
        waits until it is asked for. ``progress`` gets how many are done and how many there are.
        """
        number = processors() if processes is None else processes
        if number < 2:
            return
        unknown: dict[int, _Known] = {}
        jobs: list[frozenset[int]] = []
        for nodes in groups:
            if until is not None and monotonic() > until:
                return
            known = self._known(nodes)
            if known is not None and not known.fronts and id(known.fronts) not in unknown:
                unknown[id(known.fronts)] = known
                jobs.append(nodes)
        number = min(number, len(jobs) // LEAST_JOBS)
        if number < 2:
            return
        total = len(jobs)

        def done(nodes: frozenset[int], found: Fronts) -> None:
            known = self._known(nodes)
            assert known is not None
            known.fronts.update(found)
            self._keep(known)
            unknown.pop(id(known.fronts))
            if progress is not None:
                progress(total - len(unknown), total)

        setup: object = (self.placed, self.arch, self.graph, self._objective, {}, self._found)
        share_out(WORKER, setup, _segments(jobs, number), done, until)

    def close(self) -> None:
        """Write to disk what is new, as far as there is a store."""
        if self._store is not None:
            self._store.close()

    def group(self, nodes: frozenset[int]) -> Members:
        """The operators of a group in the network's order; NoGroupError if they are none."""
        operators = self.placed.network.operator
        return members(self.placed, self.arch, [operators[self.graph.nodes[k].name] for k in sorted(nodes)])

    def space(self, largest: int) -> str:
        """What is searched, in words."""
        return (
            f"groups of at most {largest} operators in the network's order, at most two shared loops of even tiles"
            " (docs/model.md, section 9), single operators through DRAM also at the mappings found for them"
        )

    def _front(self, nodes: frozenset[int], known: _Known, residency: Residency) -> tuple[Offer, ...]:
        """The front of a residency; where none is known yet those of all that may be asked for are made at once."""
        places = _places(known.at, residency)
        if places not in known.fronts:
            others = [r for r in self._residencies(nodes, known.at) if r != residency] if not known.fronts else []
            self._make(known, [residency, *others])
            self._keep(known)
        return known.fronts[places]

    def made(self, nodes: frozenset[int]) -> Fronts:
        """The fronts of a group for all residencies that may be asked for; none if it is no group."""
        known = self._known(nodes)
        if known is None:
            return {}
        if not known.fronts:
            self._make(known, self._residencies(nodes, known.at))
        return known.fronts

    def _make(self, known: _Known, wanted: list[Residency]) -> None:
        held = tuple(sum(self.graph.base[base].size_bytes for base in one.on_chip) for one in wanted)
        asked = Asked(known.at.inputs, known.at.outputs, tuple(wanted), held)
        for one, offers in zip(wanted, fronts(known.book, self._mapper, asked, self.capacity), strict=True):
            known.fronts[_places(known.at, one)] = offers

    def _keep(self, known: _Known) -> None:
        if self._store is not None:
            self._store.put(known.key, written(known.fronts, self.capacity))

    def _known(self, nodes: frozenset[int]) -> _Known | None:
        """A group with its interface and its fronts as far as they are known; None if these nodes are no group."""
        if nodes not in self._books:
            try:
                group = self.group(nodes)
            except NoGroupError:
                self._books[nodes] = None
                return None
            outputs = self.graph.leaving(nodes)
            at = interface(group, frozenset(base for k in nodes for base in self.graph.nodes[k].reads), outputs)
            kind = signature(self.placed, group, at)
            stored = self._fronts.get(kind)
            if stored is None:
                stored = self._fronts[kind] = self._stored(kind, group, at)
            steps = tuple(self._steps.setdefault(one.problem, StepBook(one.problem)) for one in group.all)
            book = Book(self.placed, self.arch, group, outputs, steps)
            self._books[nodes] = _Known(book, at, *stored)
        return self._books[nodes]

    def _stored(self, kind: Signature, group: Members, at: Interface) -> tuple[dict[Places, tuple[Offer, ...]], str]:
        """The fronts on disk of groups of a kind, and their name there."""
        if self._store is None:
            return {}, ""
        key = self._keys.of(kind)
        document = self._store.get(key)
        if document is not None:
            try:
                known = read(document, group, len(at.inputs) + len(at.outputs), self.capacity)
                return {places: self._fitting(at, places, offers) for places, offers in known.items()}, key
            except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
                pass
        return {}, key

    def _fitting(self, at: Interface, places: Places, offers: tuple[Offer, ...]) -> tuple[Offer, ...]:
        """Those of a front that fit beside what is held: the fronts of a larger scratchpad have others besides."""
        into, out = places[: len(at.inputs)], places[len(at.inputs) :]
        on_chip = [base for base, place in zip(at.inputs, into, strict=True) if any(place)]
        on_chip += [base for base, (held, _) in zip(at.outputs, out, strict=True) if held]
        free = self.capacity - sum(self.graph.base[base].size_bytes for base in on_chip)
        return tuple(offer for offer in offers if offer.room_bytes <= free)

    def _residencies(self, nodes: frozenset[int], at: Interface) -> list[Residency]:
        """All that a search may ask for, as far as the chip is large enough."""
        options: list[list[tuple[str, ...]]] = [[(), ("resident",), ("loaded",)] for _ in at.inputs]
        for base in at.outputs:
            outside = self.graph.readers[base] - nodes
            wanted = self.graph.base[base].wanted
            options.append([("stored",), *([("held", "stored")] if outside else [])])
            options[-1] += [("held",)] if outside and not wanted else []
        found = []
        for chosen in product(*options):
            places: dict[str, set[str]] = {"resident": set(), "loaded": set(), "held": set(), "stored": set()}
            for base, names in zip((*at.inputs, *at.outputs), chosen, strict=True):
                for name in names:
                    places[name].add(base)
            one = Residency(**{name: frozenset(bases) for name, bases in places.items()})
            if sum(self.graph.base[base].size_bytes for base in one.on_chip) <= self.capacity:
                found.append(one)
        return found


def _segments(jobs: Sequence[frozenset[int]], number: int) -> list[list[frozenset[int]]]:
    """Groups by where in the network they are, since neighbours have steps in common; in the order they came in.

    >>> _segments([frozenset({k}) for k in (0, 1, 2, 3)] + [frozenset({0, 1}), frozenset({2, 3})], 2)
    [[frozenset({0}), frozenset({1}), frozenset({0, 1})], [frozenset({2}), frozenset({3}), frozenset({2, 3})]]
    """
    along = sorted(range(len(jobs)), key=lambda k: sum(jobs[k]) / len(jobs[k]))
    cuts = [len(jobs) * part // number for part in range(number + 1)]
    return [[jobs[k] for k in sorted(along[low:high])] for low, high in pairwise(cuts)]


def _places(at: Interface, residency: Residency) -> Places:
    inputs = ((base in residency.resident, base in residency.loaded) for base in at.inputs)
    return (*inputs, *((base in residency.held, base in residency.stored) for base in at.outputs))


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
