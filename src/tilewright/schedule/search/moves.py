"""Ways to run a group: its residencies, which of them a state allows, and what each costs with how much room."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from tilewright.schedule.offers import Offer, Offers, Residency
from tilewright.schedule.search.groups import Group
from tilewright.schedule.search.masks import Masks, bits
from tilewright.schedule.search.measure import Measure, Vector

Places = tuple[int, int, int, int]  # masks of bases: resident, loaded, held, stored


@runtime_checkable
class Batched(Protocol):
    """Offers that are found sooner when it is known which groups will be asked for."""

    def prepare(
        self,
        groups: Sequence[frozenset[int]],
        until: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Get ready for questions about groups, the first ones first, until a moment of ``time.monotonic``; progress
        is what is ready of how many."""
        ...


@dataclass(frozen=True, eq=False)
class Move:
    """A residency of a group. With ``rooms[i]`` bytes or more it has the offers ``fronts[i]``, at least ``least[i]``.

    ``over`` pairs the held output with resident inputs (as masks) whose place it may take if they are needed no more.
    """

    group: Group
    residency: Residency
    places: Places
    rooms: list[int]
    fronts: list[tuple[Offer, ...]]
    least: list[Vector]
    over: tuple[tuple[int, int], ...]


class Market:
    """The offers of groups by masks, each asked for once. ``tick`` is called before.

    Without ``pinning`` all goes through DRAM; without ``loading`` nothing is loaded whole.
    """

    def __init__(self, masks: Masks, offers: Offers, *, pinning: bool, loading: bool, tick: Callable[[], None]) -> None:
        self._masks, self._offers, self._pinning, self._loading = masks, offers, pinning, loading and pinning
        self._tick = tick
        self._known: dict[tuple[int, Places], tuple[Offer, ...]] = {}

    def prepare(self, groups: Iterable[Group], until: float | None) -> None:
        """Tell that groups will be asked for, in this order."""
        if isinstance(self._offers, Batched):
            self._offers.prepare([group.members for group in groups], until)

    def all_of(self, group: Group) -> list[Offer]:
        """The offers of a group for all residencies; none if it cannot run."""
        return [offer for places in self.all_places(group) for offer in self.of(group, places)]

    def of(self, group: Group, places: Places) -> tuple[Offer, ...]:
        """The offers of a residency that fit on an otherwise empty chip."""
        key = (group.nodes, places)
        found = self._known.get(key)
        if found is None:
            self._tick()
            free = self._most(group) - self._masks.bytes_of(places[0] | places[1] | places[2])
            offers = self._offers.of(group.members, self.residency(places))
            found = self._known[key] = tuple(offer for offer in offers if offer.room_bytes <= free)
        return found

    def residency(self, places: Places) -> Residency:
        """The same by names."""
        return Residency(*map(self._masks.named, places))

    def all_places(self, group: Group) -> list[Places]:
        """All residencies of a group that hold no more than the chip has, whatever the state."""
        return self._products(group, (self._anywhere(group, 1 << b) for b in bits(group.inputs | group.outputs)))

    def places(self, group: Group, chip: int, dram: int, partly: int) -> list[Places]:
        """Those that agree with where the bases are that the group touches.

        A base in both places may lose its chip copy first and be streamed or loaded; not if it is written only partly,
        since its place holds for all its writers. Such a base is not loaded whole either.
        """
        options = []
        for b in bits(group.inputs | group.outputs):
            base = 1 << b
            on_chip, in_dram = chip & base, dram & base
            if base & group.outputs and (on_chip or in_dram):
                options.append([(0, 0, on_chip, in_dram)])
            elif base & group.outputs:
                options.append(self._anywhere(group, base))
            elif base & partly:
                options.append([(on_chip, 0, 0, 0)])
            else:
                free = self._anywhere(group, base) if in_dram else [(base, 0, 0, 0)]
                options.append([place for place in free if on_chip or not place[0]])
        return self._products(group, options)

    def _anywhere(self, group: Group, base: int) -> list[Places]:
        """All places of a base that a group touches: held only for a reader outside, stored if it is wanted."""
        if base & group.inputs:
            resident = [(base, 0, 0, 0)] if self._pinning else []
            return [(0, 0, 0, 0), *resident] + ([(0, base, 0, 0)] if self._loading else [])
        if not self._pinning or not self._masks.readers[base.bit_length() - 1] & ~group.nodes:
            return [(0, 0, 0, base)]
        return [(0, 0, 0, base), (0, 0, base, base)] + ([] if self._masks.wanted & base else [(0, 0, base, 0)])

    def _products(self, group: Group, options: Iterable[list[Places]]) -> list[Places]:
        """One place for each base, as far as the chip is large enough."""
        most, bytes_of = self._most(group), self._masks.bytes_of
        chosen = [(0, 0, 0, 0)]
        for places in options:
            grown = [(r | p, ld | q, h | t, s | u) for r, ld, h, s in chosen for p, q, t, u in places]
            chosen = [some for some in grown if bytes_of(some[0] | some[1] | some[2]) <= most]
        return chosen

    def _most(self, group: Group) -> int:
        """Bytes that bases and room may take together, counting bases that may share a place twice."""
        shared = (self._masks.bytes_of(written) for written, _ in over_pairs(self._masks, group))
        return self._offers.capacity + max(shared, default=0)


def over_pairs(masks: Masks, group: Group) -> list[tuple[int, int]]:
    """Of a node by itself: its output and an input of the same size whose place that may take."""
    if len(group.members) > 1:
        return []
    (k,) = group.members
    inputs = [1 << b for b in bits(group.inputs) if masks.names[b] in masks.graph.nodes[k].over]
    return [(masks.writes[k], base) for base in inputs if masks.bytes_of(base) == masks.bytes_of(masks.writes[k])]


class Moves:
    """The moves of groups by where their bases are, for one objective. ``least[nodes]`` bounds all those of a group."""

    def __init__(self, masks: Masks, market: Market, least: dict[int, Vector], measure: Measure) -> None:
        self._masks, self._market, self.least, self._measure = masks, market, least, measure
        self._known: dict[tuple[int, Places], Move | None] = {}
        self._fitting: dict[tuple[int, int, int, int], list[Move]] = {}

    def at(self, group: Group, chip: int, dram: int, partly: int) -> list[Move]:
        """Those that the places of bases allow (``Market.places``), the cheapest first."""
        touched = group.inputs | group.outputs
        key = (group.nodes, chip & touched, dram & touched, partly & touched)
        found = self._fitting.get(key)
        if found is None:
            moves = (self._move(group, places) for places in self._market.places(group, *key[1:]))
            found = [move for move in moves if move is not None]
            found.sort(key=lambda move: self._measure.value(move.least[-1]))
            self._fitting[key] = found
        return found

    def _move(self, group: Group, places: Places) -> Move | None:
        key = (group.nodes, places)
        if key not in self._known:
            offers = self._market.of(group, places)
            self._known[key] = self._of(group, places, offers) if offers else None
        return self._known[key]

    def _of(self, group: Group, places: Places, offers: tuple[Offer, ...]) -> Move:
        """Offers by room, without those that cost no less than others of no more room."""
        rooms: list[int] = []
        fronts: list[tuple[Offer, ...]] = []
        least: list[Vector] = []
        # The first and the last sum decide about all: those between are mixed of them. ``firsts`` rise, ``lasts`` fall.
        firsts: list[float] = []
        lasts: list[float] = []
        known: list[Offer] = []
        for room, first, last, k in sorted((o.room_bytes, *self._measure.ends(o), k) for k, o in enumerate(offers)):
            place = bisect_right(firsts, first)
            if place and lasts[place - 1] <= last:
                continue
            begin = bisect_left(firsts, first)
            end = place
            while end < len(lasts) and lasts[end] >= last:
                end += 1
            firsts[begin:end], lasts[begin:end], known[begin:end] = [first], [last], [offers[k]]
            vector = self._measure.vector(offers[k])
            low = tuple(map(min, least[-1], vector)) if least else vector
            if rooms and rooms[-1] == room:
                fronts[-1], least[-1] = tuple(known), low
            else:
                rooms.append(room)
                fronts.append(tuple(known))
                least.append(low)
        resident, _, held, _ = places
        over = tuple(pair for pair in over_pairs(self._masks, group) if pair[0] & held and pair[1] & resident)
        return Move(group, self._market.residency(places), places, rooms, fronts, least, over)
