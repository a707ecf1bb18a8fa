"""The groups of a graph: connected convex sets of nodes that may run together (docs/model.md, sections 8 and 9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tilewright.schedule.search.masks import Masks, bits


@dataclass(frozen=True)
class Group:
    """A group as masks. ``needs``: nodes outside whose results it reads. ``inputs``: bases it reads and does not write.
    ``outputs``: bases it writes that are needed elsewhere; its inner bases are in neither.
    """

    nodes: int
    members: frozenset[int]
    needs: int
    inputs: int
    outputs: int


@dataclass(frozen=True)
class Groups:
    """Groups of a graph. ``lowest[k]`` has those whose first node is k; ``cut`` says which are missing, if any."""

    lowest: tuple[tuple[Group, ...], ...]
    cut: str = ""

    @property
    def all(self) -> tuple[Group, ...]:
        return tuple(group for groups in self.lowest for group in groups)

    def at(self, done: int, frontier: int) -> list[Group]:
        """The groups that can run next: the first node of each is in the frontier, nothing of it is done.

        That suffices for convexity: a way out of the group and back would pass a node that is neither done nor in it.
        """
        found = []
        for k in bits(frontier):
            found += [group for group in self.lowest[k] if not (group.nodes & done or group.needs & ~done)]
        return found


def all_groups(
    masks: Masks, largest: int | None = None, most: int = 200_000, tick: Callable[[], None] = lambda: None
) -> Groups:
    """Every group of at most ``largest`` nodes; of more than ``most`` groups only the smaller, and ``cut`` says so.

    Sets grow from single nodes by an adjacent node and all that any group with them must have, so that they stay legal
    and connected: any group is reached from any of its nodes through sets inside itself. Sizes are finished one by one,
    so a cut leaves all groups up to some size and none above. ``tick`` is called for each set.
    """
    total = len(masks.before)
    wished = total if largest is None else min(largest, total)
    reach, cut = wished, ""
    near = _neighbours(masks)
    waiting: list[dict[int, _Grown]] = [{} for _ in range(total + 1)]
    for k in range(total):
        first = _grown(masks, _Grown(0, 0, 0, 0, 0), 1 << k)
        waiting[first.nodes.bit_count()][first.nodes] = first
    seen, found, size = 0, list[Group](), 0
    while size < reach:
        size += 1
        seen += len(waiting[size])
        for nodes, before in sorted(waiting[size].items()):
            tick()
            group = group_of(masks, nodes)
            if group is not None:
                found.append(group)
            if nodes & masks.alone:
                continue
            for k in bits(masks.union(near, nodes) & ~nodes & ~masks.alone):
                after = _grown(masks, before, 1 << k)
                count = after.nodes.bit_count()
                if count <= reach and not after.nodes & masks.alone:
                    waiting[count][after.nodes] = after
                    if seen + len(waiting[count]) > most:
                        reach = max(size, count - 1)
        waiting[size] = {}
    if reach < wished:
        cut = f"only groups of at most {reach} operators are in this search: there are too many larger ones"
    lowest: list[list[Group]] = [[] for _ in range(total)]
    for group in found:
        lowest[(group.nodes & -group.nodes).bit_length() - 1].append(group)
    return Groups(tuple(tuple(groups) for groups in lowest), cut)


def group_of(masks: Masks, nodes: int) -> Group | None:
    """These nodes as a group, or None: if not connected, not convex, or reading what others write as well as they."""
    if nodes & masks.alone and nodes.bit_count() > 1:
        return None
    if _hull(masks, nodes) != nodes or not _connected(masks, nodes):
        return None
    read, written = masks.union(masks.reads, nodes), masks.union(masks.writes, nodes)
    outputs = 0
    for b in bits(written):
        inside = not masks.writers[b] & ~nodes
        if read >> b & 1 and not inside:
            return None
        if not inside or masks.readers[b] & ~nodes or masks.wanted >> b & 1:
            outputs |= 1 << b
    needs = masks.union(masks.before, nodes) & ~nodes
    return Group(nodes, frozenset(bits(nodes)), needs, read & ~written, outputs)


def _neighbours(masks: Masks) -> list[int]:
    """For each node those that share a base with it or that it reads from (for growing only)."""
    touching = [r | w for r, w in zip(masks.readers, masks.writers, strict=True)]
    near = [masks.union(touching, r | w) for r, w in zip(masks.reads, masks.writes, strict=True)]
    for k, before in enumerate(masks.before):
        near[k] |= before
        for p in bits(before):
            near[p] |= 1 << k
    return near


def _hull(masks: Masks, nodes: int) -> int:
    """The least convex set with these nodes: all on a way from one to another."""
    return nodes | (masks.union(masks.ancestors, nodes) & masks.union(masks.descendants, nodes))


class _Grown(NamedTuple):
    """A set of nodes, all before and all after any of them, the bases that it reads and writes."""

    nodes: int
    ancestors: int
    descendants: int
    reads: int
    writes: int


def _grown(masks: Masks, grown: _Grown, more: int) -> _Grown:
    """The set with more nodes and what every group with these has: those on the way from one to another, and all
    writers of bases that are both read and written.
    """
    nodes, ancestors, descendants, reads, writes = grown
    while more:
        nodes |= more
        for k in bits(more):
            ancestors |= masks.ancestors[k]
            descendants |= masks.descendants[k]
            reads |= masks.reads[k]
            writes |= masks.writes[k]
        more = ((ancestors & descendants) | masks.union(masks.writers, reads & writes & masks.several)) & ~nodes
    return _Grown(nodes, ancestors, descendants, reads, writes)


def _connected(masks: Masks, nodes: int) -> bool:
    """Whether one gets from every node to every other by bases that two nodes of the set read or write."""
    inside = nodes & -nodes
    bases = masks.union(masks.reads, inside) | masks.union(masks.writes, inside)
    rest = nodes & ~inside
    while rest:
        joined = 0
        for k in bits(rest):
            if (masks.reads[k] | masks.writes[k]) & bases:
                joined |= 1 << k
                bases |= masks.reads[k] | masks.writes[k]
        if not joined:
            return False
        rest &= ~joined
    return True
