"""Partitions of a graph into connected groups: the genomes of the genetic algorithm, and what changes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from tilewright.schedule.graph import Graph

ENOUGH = 0.7  # how often a merge ends with one neighbour (assumed); some groups only run when more come together

Partition = tuple[int, ...]  # groups as bit masks of nodes, in order of execution


class Partitions:
    """All changes keep to a rule: a node's number P, the place of its group, is at most that of those who read it.

    P(v) <= P(w) along every edge, and groups connected by edges, so that groups are convex and their order respects
    dependencies. Nodes that write parts of one base count as connected: where the graph of the papers has a
    concatenation between them there is no node here. Whatever breaks the rule is cut until it holds again; so are
    groups that have no way to run (``runs``), which is "split on overflow": ``overflows`` counts the cuts.
    """

    def __init__(self, graph: Graph, runs: Callable[[int], bool], rng: Random) -> None:
        self._runs, self._rng = runs, rng
        self._before = [_mask(before) for before in graph.before]
        self._near = list(self._before)
        self._above: list[int] = []  # of each node all those that it depends on, and itself
        for k, before in enumerate(graph.before):
            self._above.append(1 << k)
            for p in before:
                self._near[p] |= 1 << k
                self._above[k] |= self._above[p]
        for writers in graph.writers.values():
            for k in writers:
                self._near[k] |= _mask(writers - {k})
        several = [base for base, writers in graph.writers.items() if len(writers) > 1]
        self._shared = [(_mask(graph.writers[base]), _mask(graph.readers[base])) for base in several]
        self._needs: dict[int, int] = {}
        self.overflows = 0

    def layer_by_layer(self) -> Partition:
        """Every node by itself."""
        return tuple(1 << k for k in range(len(self._before)))

    def merge(self, partition: Partition) -> Partition:
        """Join a group with a neighbour and with all that must come along; at times with more."""
        joined = self._rng.choice(partition)
        while near := _bits(_union(self._near[k] for k in _bits(joined)) & ~joined):
            joined = self._closed(partition, joined | 1 << self._rng.choice(near))
            if self._rng.random() < ENOUGH:
                break
        return self._sound([joined, *(group for group in partition if not group & joined)])

    def split(self, partition: Partition) -> Partition:
        """Cut one group in two."""
        large = [group for group in partition if group & (group - 1)]
        if not large:
            return partition
        chosen = self._rng.choice(large)
        return self._sound([*self._cut(chosen), *(group for group in partition if group != chosen)])

    def modify(self, partition: Partition) -> Partition:
        """Move a node to the group of a neighbour, or out of its group."""
        node = self._rng.randrange(len(self._before))
        places = [group for group in partition if group & self._near[node] and not group >> node & 1]
        target = self._rng.choice([*places, 0])
        rest = [group & ~(1 << node) for group in partition if group != target]
        return self._sound([target | 1 << node, *(part for group in rest for part in self._connected(group))])

    def crossover(self, one: Partition, other: Partition) -> Partition:
        """Copy some groups of one parent whole; the other says how the nodes between them are grouped."""
        share = self._rng.random()
        copied = [group for group in one if self._rng.random() < share]
        taken = sum(copied)
        rest = (part for group in other for part in self._connected(group & ~taken))
        return self._sound([*copied, *rest])

    def _closed(self, partition: Partition, nodes: int) -> int:
        """The groups of these nodes, all on the ways between them, and all other writers of what is written and read.

        A reader of a concatenation can be with one of its writers only if it is with all.
        """
        while True:
            below = above = _union(group for group in partition if group & nodes)
            for group in partition:
                below |= group if self._need(group) & below else 0
            needed = _union(self._need(group) for group in partition if group & above)
            for group in reversed(partition):
                if group & needed:
                    above |= group
                    needed |= self._need(group)
            closed = below & above
            more = _union(writers for writers, readers in self._shared if writers & closed and readers & closed)
            if not more & ~closed:
                return closed
            nodes = closed | more

    def _sound(self, groups: list[int]) -> Partition:
        """The groups in order, cut where they depend on each other mutually or do not run."""
        ordered = self._ordered(groups)
        if ordered is None:
            ordered = self._untangled(groups)
        todo, found = list(ordered), []
        while todo:
            group = todo.pop()
            if group & (group - 1) and not self._runs(group):
                self.overflows += 1
                todo += self._cut(group)
            else:
                found.append(group)
        if len(found) == len(ordered):
            return ordered
        again = self._ordered(found)
        assert again is not None  # cutting along the order brings no new dependencies
        return again

    def _untangled(self, groups: list[int]) -> Partition:
        """Put the groups together one by one, earlier ones first; what would close a cycle is cut and tried again."""
        kept: list[int] = []
        todo = list(reversed(groups))
        single = self.layer_by_layer()
        while todo:
            group = todo.pop()
            if not group & (group - 1):
                continue
            together = sum(kept) | group
            if self._ordered([*kept, group, *(node for node in single if not node & together)]) is None:
                todo += reversed(self._cut(group))
            else:
                kept.append(group)
        together = sum(kept)
        ordered = self._ordered([*kept, *(node for node in single if not node & together)])
        assert ordered is not None  # checked with every group
        return ordered

    def _cut(self, group: int) -> list[int]:
        """Two halves, or more if they are not connected, the first of which needs nothing of the second."""
        node = self._rng.choice(_bits(group))
        first = group & self._above[node]
        if first == group or self._rng.random() < 0.5:
            first = group & ~self._below(group, node)
        if not first:  # the node is above all others
            first = 1 << node
        return [*self._connected(first), *self._connected(group & ~first)]

    def _below(self, group: int, node: int) -> int:
        """The node and those of the group that depend on it."""
        return sum(1 << k for k in _bits(group) if self._above[k] >> node & 1)

    def _connected(self, nodes: int) -> list[int]:
        """The parts of a set of nodes that are connected."""
        if not nodes & (nodes - 1):
            return [nodes] if nodes else []
        found = []
        while nodes:
            part, edge = 0, nodes & -nodes
            while edge:
                part |= edge
                edge = _union(self._near[k] for k in _bits(edge)) & nodes & ~part
            found.append(part)
            nodes &= ~part
        return found

    def _need(self, group: int) -> int:
        """The nodes outside whose results a group reads."""
        if group not in self._needs:
            self._needs[group] = _union(self._before[k] for k in _bits(group)) & ~group
        return self._needs[group]

    def _ordered(self, groups: list[int]) -> Partition | None:
        """An order of execution, one and the same for the same groups; None if they depend on each other mutually."""
        waiting = sorted(groups, key=lambda group: group & -group)
        found: list[int] = []
        done = 0
        while waiting:
            still = []
            for group in waiting:
                if self._need(group) & ~done:
                    still.append(group)
                else:
                    found.append(group)
                    done |= group
            if len(still) == len(waiting):
                return None
            waiting = still
        return tuple(found)


def _bits(mask: int) -> list[int]:
    """The numbers of the nodes of a mask."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _mask(nodes: Iterable[int]) -> int:
    return sum(1 << k for k in nodes)


def _union(masks: Iterable[int]) -> int:
    found = 0
    for mask in masks:
        found |= mask
    return found
