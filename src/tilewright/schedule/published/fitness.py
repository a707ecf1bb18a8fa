"""What a partition is worth: for every group the offer with which the whole is best."""

from __future__ import annotations

from collections.abc import Iterable

from tilewright.schedule.offers import Choice, Offer
from tilewright.schedule.published.asked import Asked
from tilewright.schedule.published.groups import may_share, through_dram


def members(mask: int) -> frozenset[int]:
    """The nodes of a group that is written as a bit mask.

    >>> sorted(members(0b1101))
    [0, 2, 3]
    """
    return frozenset(k for k in range(mask.bit_length()) if mask >> k & 1)


class Fitness:
    """Values of partitions into groups (bit masks of nodes) whose inputs and outputs all go through DRAM."""

    def __init__(self, asked: Asked, objective: str) -> None:
        self._asked, self._objective = asked, objective
        self._useful: dict[int, tuple[Offer, ...]] = {}
        self._values: dict[tuple[int, ...], float] = {}

    @property
    def groups(self) -> int:
        """Distinct groups asked for."""
        return len(self._useful)

    @property
    def partitions(self) -> int:
        """Distinct partitions valued."""
        return len(self._values)

    def runs(self, group: int) -> bool:
        """Whether there is a way to run the group at all."""
        return bool(self._offers(group))

    def value(self, partition: tuple[int, ...]) -> float:
        """The objective of the whole: cycles, pJ, pJ * cycles or bytes."""
        if partition not in self._values:
            self._values[partition] = _total(self._chosen(partition), self._objective)
        return self._values[partition]

    def choices(self, partition: tuple[int, ...]) -> tuple[Choice, ...]:
        """The partition as groups in order of execution."""
        chosen = zip(partition, self._chosen(partition), strict=True)
        graph = self._asked.graph
        return tuple(Choice(members(g), through_dram(graph, members(g)), offer) for g, offer in chosen)

    def _chosen(self, partition: tuple[int, ...]) -> list[Offer]:
        offers = [self._offers(group) for group in partition]
        return least_product(offers) if self._objective == "edp" else [front[0] for front in offers]

    def _offers(self, group: int) -> tuple[Offer, ...]:
        """The offers worth choosing among: one, or the corners of the front for energy-delay."""
        if group not in self._useful:
            graph, nodes = self._asked.graph, members(group)
            front = self._asked.of(nodes, through_dram(graph, nodes)) if may_share(graph, nodes) else ()
            fitting = [offer for offer in front if offer.room_bytes <= self._asked.capacity]
            if self._objective == "edp":
                self._useful[group] = corners(fitting)
            else:
                fitting.sort(key=lambda o: (_total([o], self._objective), o.cycles, o.energy_pj, o.room_bytes))
                self._useful[group] = tuple(fitting[:1])
        return self._useful[group]


def corners(front: Iterable[Offer]) -> tuple[Offer, ...]:
    """The offers that have the least energy + weight * cycles for some weight, from least energy to fewest cycles.

    >>> offers = [Offer(1, 1.0, 9, 0), Offer(1, 4.0, 7, 0), Offer(1, 5.0, 2, 0), Offer(1, 6.0, 2, 0)]
    >>> [(offer.energy_pj, offer.cycles) for offer in corners(offers)]
    [(1.0, 9), (5.0, 2)]
    """
    found: list[Offer] = []
    for offer in sorted(front, key=lambda o: (o.energy_pj, o.cycles, o.room_bytes)):
        if found and offer.cycles >= found[-1].cycles:
            continue
        while len(found) > 1 and _saved(found[-2], found[-1]) <= _saved(found[-2], offer):
            found.pop()
        found.append(offer)
    return tuple(found)


def least_product(fronts: list[tuple[Offer, ...]]) -> list[Offer]:
    """One offer of every front such that total energy times total cycles is least; each front as ``corners`` gives it.

    This is exact. The product is quasi-concave where both sums are positive, so over the convex hull of all pairs of
    sums it is least at a corner of that hull; and a corner is where energy + weight * cycles is least for some weight,
    which every front can see to by itself. Begin with the least energy of each and go to fewer cycles, the step that
    saves the most cycles per energy first: that visits all those corners.

    >>> one = (Offer(1, 1.0, 9, 0), Offer(1, 5.0, 2, 0))
    >>> [offer.cycles for offer in least_product([one, (Offer(1, 90.0, 1, 0),)])]
    [2, 1]
    """
    at = [0] * len(fronts)
    steps = sorted(
        (
            (_saved(front[k], front[k + 1]), which, k)
            for which, front in enumerate(fronts)
            for k in range(len(front) - 1)
        ),
        key=lambda step: (-step[0], step[1], step[2]),
    )
    energy = sum(front[0].energy_pj for front in fronts)
    cycles = sum(front[0].cycles for front in fronts)
    least, taken = energy * cycles, 0
    for count, (_, which, k) in enumerate(steps, start=1):
        energy += fronts[which][k + 1].energy_pj - fronts[which][k].energy_pj
        cycles += fronts[which][k + 1].cycles - fronts[which][k].cycles
        if energy * cycles < least:
            least, taken = energy * cycles, count
    for _, which, k in steps[:taken]:
        at[which] = k + 1
    return [front[k] for front, k in zip(fronts, at, strict=True)]


def _saved(offer: Offer, faster: Offer) -> float:
    """Cycles saved per energy spent; the corners of a front have ever fewer of them."""
    return (offer.cycles - faster.cycles) / (faster.energy_pj - offer.energy_pj)


def _total(offers: list[Offer], objective: str) -> float:
    energy = sum(offer.energy_pj for offer in offers)
    cycles = sum(offer.cycles for offer in offers)
    moved = sum(offer.dram_bytes for offer in offers)
    return float({"latency": cycles, "energy": energy, "edp": energy * cycles, "traffic": moved}[objective])
