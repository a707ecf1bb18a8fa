"""Offers that have less, or tell more, than those behind them: no large groups, progress of searches."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tilewright.schedule.layerwise import Progress
from tilewright.schedule.offers import Offer, Offers, Residency
from tilewright.schedule.search.groups import all_groups
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.moves import Batched

MOST_COUNTED = 10_000  # groups: to count more takes longer than one likes to wait


class Limited:
    """Offers of groups of at most ``largest`` nodes: larger ones have none."""

    def __init__(self, offers: Offers, largest: int) -> None:
        self.graph, self.capacity = offers.graph, offers.capacity
        self._offers, self._largest = offers, largest

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group, as in ``Offers``."""
        return self._offers.of(nodes, residency) if len(nodes) <= self._largest else ()


class _Watched:
    """Offers that tell how many of the groups have been asked for."""

    def __init__(self, offers: Offers, groups: int, progress: Progress) -> None:
        self.graph, self.capacity = offers.graph, offers.capacity
        self._offers, self._groups, self._progress = offers, groups, progress
        self._seen: set[frozenset[int]] = set()

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group, as in ``Offers``."""
        if nodes not in self._seen:
            self._progress("groups of operators", len(self._seen), self._groups)
            self._seen.add(nodes)
        return self._offers.of(nodes, residency)

    def prepare(
        self,
        groups: Sequence[frozenset[int]],
        until: float | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """As in ``Batched``; nothing where the offers behind are not."""
        if isinstance(self._offers, Batched):
            progress = progress or (lambda done, total: self._progress("kinds of groups", done, total))
            self._offers.prepare(groups, until, progress)


def watched(offers: Offers, largest: int, progress: Progress | None) -> Offers:
    """The same offers, which tell ``progress`` how many of all groups of at most ``largest`` nodes were asked for."""
    if progress is None:
        return offers
    groups = len(all_groups(Masks(offers.graph), largest, MOST_COUNTED).all)
    return _Watched(offers, groups, progress)


def searching(name: str, progress: Progress | None) -> Callable[[float | None, float, int], None] | None:
    """What ``search`` tells about itself as a line of progress, of which nobody knows how much is left."""
    if progress is None:
        return None

    def tell(least: float | None, bound: float, states: int) -> None:
        progress(f"{name}, {standing(least, bound)}", states, 0)

    return tell


def standing(least: float | None, bound: float) -> str:
    """How good a search's answer is by now.

    >>> standing(1.09e14, 1e14), standing(None, 1e14)
    ('best 1.09e+14, bound 1e+14 (gap 9.0%)', 'no schedule yet, bound 1e+14')
    """
    if least is None:
        return f"no schedule yet, bound {bound:.4g}"
    gap = f" (gap {100 * (least / bound - 1):,.1f}%)" if bound > 0 else ""
    return f"best {least:.4g}, bound {bound:.4g}{gap}"
