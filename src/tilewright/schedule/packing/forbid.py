"""Offers of which some decisions are forbidden, so that a strategy finds another schedule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice, Offer, Offers, Residency

Key = tuple[frozenset[int], Residency, int]  # a group, its places, and which offer of its front


@dataclass(frozen=True)
class Forbidden:
    """``bases`` never stay on chip; an offer in ``rooms`` takes at least that many bytes beside held bases."""

    bases: frozenset[str] = frozenset()
    rooms: Mapping[Key, int] = field(default_factory=dict)


class Rest:
    """What is left of offers: ``offers.Offers`` again."""

    def __init__(self, offers: Offers, forbidden: Forbidden) -> None:
        self.graph: Graph = offers.graph
        self.capacity = offers.capacity
        self._offers, self._forbidden = offers, forbidden
        self._touched = {key[:2] for key in forbidden.rooms}

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group without what is forbidden."""
        if residency.on_chip & self._forbidden.bases:
            return ()
        found = self._offers.of(nodes, residency)
        if (nodes, residency) not in self._touched:
            return found
        rooms = self._forbidden.rooms
        return tuple(
            replace(offer, room_bytes=rooms.get((nodes, residency, k), offer.room_bytes))
            for k, offer in enumerate(found)
        )


def original(offers: Offers, choice: Choice) -> Choice:
    """A choice among what is left, as one among all offers; itself if it comes from elsewhere."""
    key = key_of(offers, choice)
    return choice if key is None else replace(choice, offer=offers.of(choice.nodes, choice.residency)[key[2]])


def key_of(offers: Offers, choice: Choice) -> Key | None:
    """Which of all offers a choice takes, if it is one of them: only their rooms may differ."""
    mine = choice.offer
    for k, offer in enumerate(offers.of(choice.nodes, choice.residency)):
        if replace(mine, room_bytes=offer.room_bytes) == offer:
            return choice.nodes, choice.residency, k
    return None
