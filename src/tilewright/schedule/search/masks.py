"""A graph in bit masks: bit k of a node mask is node k, bit b of a base mask is base b."""

from __future__ import annotations

from collections.abc import Iterator

from tilewright.schedule.graph import Graph


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, ascending.

    >>> list(bits(0b10110))
    [1, 2, 4]
    """
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class Masks:
    """What the search asks of a graph, as masks. Node masks: ``before``, ``ancestors``, ``descendants`` of a node,
    ``readers``, ``writers`` of a base. Base masks: ``reads``, ``writes`` of a node, ``given``, ``wanted``, ``several``:
    with more than one writer.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names = [base.name for base in graph.bases]
        number = {name: b for b, name in enumerate(self.names)}
        self.sizes = [base.size_bytes for base in graph.bases]
        self.given = sum(1 << b for b, base in enumerate(graph.bases) if base.given)
        self.wanted = sum(1 << b for b, base in enumerate(graph.bases) if base.wanted)
        self.all_nodes = (1 << len(graph.nodes)) - 1
        self.reads = [sum(1 << b for b in {number[name] for name in node.reads}) for node in graph.nodes]
        self.writes = [1 << number[node.writes] for node in graph.nodes]
        self.alone = sum(1 << k for k, node in enumerate(graph.nodes) if node.alone)
        self.readers = [sum(1 << k for k in graph.readers[name]) for name in self.names]
        self.writers = [sum(1 << k for k in graph.writers[name]) for name in self.names]
        self.several = sum(1 << b for b, writers in enumerate(self.writers) if writers.bit_count() > 1)
        self.before = [sum(1 << p for p in before) for before in graph.before]
        self.ancestors: list[int] = []
        for before in self.before:
            self.ancestors.append(before | self.union(self.ancestors, before))
        self.descendants = [0] * len(graph.nodes)
        for k, ancestors in enumerate(self.ancestors):
            for a in bits(ancestors):
                self.descendants[a] |= 1 << k
        self._bytes: dict[int, int] = {0: 0}
        self._named: dict[int, frozenset[str]] = {}

    @staticmethod
    def union(masks: list[int], of: int) -> int:
        """The union of those masks whose numbers are in ``of``."""
        found = 0
        for k in bits(of):
            found |= masks[k]
        return found

    def named(self, bases: int) -> frozenset[str]:
        """The names of a mask of bases."""
        found = self._named.get(bases)
        if found is None:
            found = self._named[bases] = frozenset(self.names[b] for b in bits(bases))
        return found

    def bytes_of(self, bases: int) -> int:
        """The room that holding a mask of bases takes, in bytes."""
        found = self._bytes.get(bases)
        if found is None:
            found = self._bytes[bases] = sum(self.sizes[b] for b in bits(bases))
        return found

    def live(self, done: int) -> tuple[int, int]:
        """The bases that are live when ``done`` are executed, and those of them that are written only partly.

        A base is live once there is a part of it, until all its readers and writers are executed (section 9).
        """
        live = partly = 0
        for b, (readers, writers) in enumerate(zip(self.readers, self.writers, strict=True)):
            begun = self.given >> b & 1 or writers & done
            if begun and (readers | writers) & ~done:
                live |= 1 << b
                if writers & ~done:
                    partly |= 1 << b
        return live, partly

    def frontier(self, done: int) -> int:
        """The nodes that can be executed next."""
        return sum(1 << k for k in bits(self.all_nodes & ~done) if not self.before[k] & ~done)
