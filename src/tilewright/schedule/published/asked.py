"""Offers of which each is asked for once, and the sentence for nodes that fit in no way."""

from __future__ import annotations

import time

from tilewright.errors import InfeasibleError
from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Offer, Offers, Residency
from tilewright.schedule.published.groups import through_dram


class Asked:
    """Remembers every front, and when to stop: ``deadline`` is a ``time.monotonic`` moment."""

    def __init__(self, offers: Offers, deadline: float | None) -> None:
        self.graph: Graph = offers.graph
        self.capacity = offers.capacity
        self._offers, self._deadline = offers, deadline
        self._interrupted = False
        self._known: dict[tuple[frozenset[int], Residency], tuple[Offer, ...]] = {}

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group."""
        key = nodes, residency
        if key not in self._known:
            self._known[key] = self._offers.of(nodes, residency)
        return self._known[key]

    def late(self) -> bool:
        """Whether it is time to come to an end."""
        return self._deadline is not None and time.monotonic() >= self._deadline

    def interrupt(self) -> None:
        """To be called for a KeyboardInterrupt: after the first it is late, a second one passes through."""
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted, self._deadline = True, time.monotonic()

    def check_each_alone(self, capacity: int) -> None:
        """Raise InfeasibleError with one sentence for every node that does not fit by itself through DRAM."""
        reasons = []
        for k, node in enumerate(self.graph.nodes):
            nodes = frozenset({k})
            rooms = [offer.room_bytes for offer in self.of(nodes, through_dram(self.graph, nodes))]
            if not rooms:
                reasons.append(f"{node.name}: there is no way to run it by itself in {self.capacity:,} bytes")
            elif min(rooms) > capacity:
                needed = f"needs at least {min(rooms):,} bytes of the scratchpad"
                reasons.append(f"{node.name}: by itself it {needed}; there are {capacity:,}")
        if reasons:
            raise InfeasibleError("\n".join(reasons))
