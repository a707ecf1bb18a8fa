"""Ways to run a group: its residencies, which of them a state allows, and what each costs with how much room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from tilewright.schedule.offers import Offer, Offers, Residency
from tilewright.schedule.search.groups import Group
from tilewright.schedule.search.masks import Masks, bits
from tilewright.schedule.search.measure import Measure, Vector


@dataclass(frozen=True)
class Way:
    """A residency of a group as masks of bases, and its offers by room, none of them of no use on an empty chip."""

    group: Group
    resident: int
    loaded: int
    held: int
    stored: int
    residency: Residency
    offers: tuple[Offer, ...]


@dataclass(frozen=True, eq=False)
class Move:
    """A way with what it costs: with ``rooms[i]`` bytes or more it has the offers ``fronts[i]``, at least ``least[i]``.

    ``over`` pairs the held output with resident inputs (as masks) whose place it may take if they are needed no more.
    """

    way: Way
    rooms: list[int]
    fronts: list[tuple[Offer, ...]]
    least: list[Vector]
    over: tuple[tuple[int, int], ...]


def ways_of(masks: Masks, offers: Offers, group: Group, *, pinning: bool, loading: bool) -> list[Way]:
    """All residencies of a group that have offers, whatever the state.

    An output is held only if a reader is outside the group, stored if it is wanted, and somewhere in any case. Without
    ``pinning`` all goes through DRAM; without ``loading`` nothing is loaded whole.
    """
    ins, outs = list(bits(group.inputs)), list(bits(group.outputs))
    places = [("stream", "resident", "load") if loading else ("stream", "resident") if pinning else ("stream",)] * len(
        ins
    )
    for b in outs:
        if not pinning or not masks.readers[b] & ~group.nodes:
            places.append(("store",))
        else:
            places.append(("store", "both") if masks.wanted >> b & 1 else ("store", "hold", "both"))
    found = []
    spare = max((size for _, _, size in over_pairs(masks, group)), default=0)
    for chosen in product(*places):
        at = dict(zip([*ins, *outs], chosen, strict=True))
        resident, loaded, held, stored = (
            sum(1 << b for b, place in at.items() if place in names)
            for names in (("resident",), ("load",), ("hold", "both"), ("store", "both"))
        )
        most = offers.capacity - masks.bytes_of(resident | loaded | held) + spare
        if most < 0:
            continue
        residency = Residency(masks.named(resident), masks.named(loaded), masks.named(held), masks.named(stored))
        fitting = tuple(o for o in offers.of(group.members, residency) if o.room_bytes <= most)
        if fitting:
            found.append(Way(group, resident, loaded, held, stored, residency, fitting))
    return found


def over_pairs(masks: Masks, group: Group) -> list[tuple[int, int, int]]:
    """Of a node by itself: its output, an input of the same size whose place that may take (masks), and the size."""
    if len(group.members) > 1:
        return []
    (k,) = group.members
    written = masks.writes[k]
    number = {name: b for b, name in enumerate(masks.names)}
    pairs = []
    for name in masks.graph.nodes[k].over:
        b = number[name]
        if group.inputs >> b & 1 and masks.sizes[b] == masks.bytes_of(written):
            pairs.append((written, 1 << b, masks.sizes[b]))
    return pairs


def move_of(masks: Masks, way: Way, measure: Measure) -> Move:
    """The way with its offers by room; those that cost no less than others with no more room are left out."""
    rooms: list[int] = []
    fronts: list[tuple[Offer, ...]] = []
    least: list[Vector] = []
    for offer in sorted(way.offers, key=lambda o: (o.room_bytes, o.energy_pj, o.cycles, o.dram_bytes)):
        vector = measure.vector(offer)
        front = fronts[-1] if fronts else ()
        if any(all(a <= b for a, b in zip(measure.vector(o), vector, strict=True)) for o in front):
            continue
        front = (*(o for o in front if not all(a <= b for a, b in zip(vector, measure.vector(o), strict=True))), offer)
        low = tuple(map(min, zip(least[-1], vector, strict=True))) if least else vector
        if rooms and rooms[-1] == offer.room_bytes:
            fronts[-1], least[-1] = front, low
        else:
            rooms.append(offer.room_bytes)
            fronts.append(front)
            least.append(low)
    over = tuple((out, into) for out, into, _ in over_pairs(masks, way.group) if way.held & out and way.resident & into)
    return Move(way, rooms, fronts, least, over)


class Moves:
    """The moves of every group, by where its bases are."""

    def __init__(self, masks: Masks, ways: dict[int, list[Way]], measure: Measure) -> None:
        self._all = {nodes: [move_of(masks, way, measure) for way in found] for nodes, found in ways.items()}
        for moves in self._all.values():
            moves.sort(key=lambda move: measure.value(move.least[-1]))
        self.least = {
            nodes: tuple(map(min, zip(*(move.least[-1] for move in moves), strict=True)))
            for nodes, moves in self._all.items()
            if moves
        }
        self._fitting: dict[tuple[int, int, int, int], list[Move]] = {}

    def at(self, group: Group, chip: int, dram: int, partly: int) -> list[Move]:
        """The moves of a group that agree with where the bases are that it touches, those of least cost first.

        A base in both places may lose its chip copy first and be streamed or loaded; not if it is written only partly,
        since its place holds for all its writers. Such a base is not loaded whole either.
        """
        touched = group.inputs | group.outputs
        key = (group.nodes, chip & touched, dram & touched, partly & touched)
        found = self._fitting.get(key)
        if found is None:
            found = self._fitting[key] = list(self._agreeing(group, *key[1:]))
        return found

    def _agreeing(self, group: Group, chip: int, dram: int, partly: int) -> Iterator[Move]:
        placed = (chip | dram) & group.outputs
        for move in self._all[group.nodes]:
            way = move.way
            from_dram = group.inputs & ~way.resident
            if way.resident & ~chip or from_dram & ~dram or from_dram & chip & partly or way.loaded & partly:
                continue
            if (way.held ^ chip) & placed or (way.stored ^ dram) & placed:
                continue
            yield move


def all_ways(
    masks: Masks, offers: Offers, groups: tuple[Group, ...], *, pinning: bool, loading: bool, tick: Callable[[], None]
) -> dict[int, list[Way]]:
    """The ways of each group, by its mask. ``tick`` is called before every group."""
    found = {}
    for group in groups:
        tick()
        found[group.nodes] = ways_of(masks, offers, group, pinning=pinning, loading=loading and pinning)
    return found
