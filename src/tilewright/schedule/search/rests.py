"""The least that the nodes not yet executed can cost, whatever is on chip: lower bounds of the search."""

from __future__ import annotations

from array import array
from collections.abc import Callable

import numpy as np

from tilewright.schedule.search.groups import Group
from tilewright.schedule.search.masks import Masks, bits
from tilewright.schedule.search.measure import Vector

After = Callable[[int], list[Group]]


class Rests:
    """A shortest path over sets of executed nodes alone, each group at the least of all its residencies.

    Every schedule is such a path and pays no less, so this never exceeds the truth; each summand by itself. Where there
    are more than ``most`` sets, each node's share takes its place: the least over groups with it of cost per node.
    """

    def __init__(
        self, masks: Masks, after: After, least: dict[int, Vector], most: int, tick: Callable[[], None]
    ) -> None:
        self._all = masks.all_nodes
        self._known: dict[int, Vector] = {}
        self.width = len(next(iter(least.values()), (0.0,)))
        self._shares = shares(masks, least)
        self.complete = self._walk(after, least, most, tick)

    def of(self, done: int) -> Vector:
        """At least what the nodes outside ``done`` cost; infinite if they cannot be executed."""
        found = self._known.get(done)
        if found is None:
            left = [self._shares[k] for k in bits(self._all & ~done)]
            found = self._known[done] = tuple(map(sum, zip(*left, strict=True))) if left else (0.0,) * self.width
        return found

    def _walk(self, after: After, least: dict[int, Vector], most: int, tick: Callable[[], None]) -> bool:
        """Fill in all sets, or say that they are too many."""
        layers: list[set[int]] = [set() for _ in range(self._all.bit_count() + 1)]
        layers[0].add(0)
        groups = {nodes: g for g, nodes in enumerate(least)}
        order: list[int] = []
        ways: list[array[int]] = []  # numbers of groups: there can be millions, so they must be small
        for layer in layers:
            for done in sorted(layer):
                tick()
                steps = [group.nodes for group in after(done) if group.nodes in groups]
                order.append(done)
                ways.append(array("i", map(groups.__getitem__, steps)))
                for nodes in steps:
                    layers[(done | nodes).bit_count()].add(done | nodes)
                if len(order) > most:
                    return False
        number = {done: k for k, done in enumerate(order)}
        masks = list(least)
        costs = np.array(list(least.values()), dtype=float).reshape(len(least), self.width)
        rests = np.full((len(order), self.width), np.inf)
        if self._all in number:
            rests[number[self._all]] = 0.0
        for k in range(len(order) - 1, -1, -1):
            if ways[k]:
                then = [number[order[k] | masks[g]] for g in ways[k]]
                rests[k] = (costs[ways[k]] + rests[then]).min(axis=0)
        self._known = {done: tuple(row) for done, row in zip(order, rests.tolist(), strict=True)}
        return True


def shares(masks: Masks, least: dict[int, Vector]) -> list[Vector]:
    """For each node the least over the groups with it of cost per node; infinite if it is in none.

    The groups of a schedule hold each node once, so their costs are the sums of their nodes' shares of them.
    """
    width = len(next(iter(least.values()), (0.0,)))
    found = [(float("inf"),) * width for _ in masks.before]
    for nodes, cost in least.items():
        size = nodes.bit_count()
        each = tuple(c / size for c in cost)
        for k in bits(nodes):
            found[k] = tuple(map(min, zip(found[k], each, strict=True)))
    return found
