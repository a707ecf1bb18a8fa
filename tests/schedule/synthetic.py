"""Small random graphs, and offers with invented costs for every group of them: for tests of strategies alone."""

from __future__ import annotations

import random
from functools import cache

from tilewright.schedule.graph import Base, Graph, Node
from tilewright.schedule.offers import Offer, Residency


def random_graph(seed: int, nodes: int) -> Graph:
    """Branches, joins, bases of two or three writers with other nodes between these, readers of a part of a base,
    results that may take an input's place, several inputs and outputs; the same for the same seed.
    """
    rng = random.Random(seed)
    sizes = {"in0": rng.randint(1, 9)}
    if rng.random() < 0.3:
        sizes["in1"] = rng.randint(1, 9)
    given = set(sizes)
    made: list[Node] = []
    writers: dict[str, set[int]] = {b: set() for b in sizes}
    before: list[frozenset[int]] = []
    shared: str | None = None  # a base of which parts are missing
    missing = 0
    for k in range(nodes):
        partly = shared is not None and rng.random() < 0.2
        known = [b for b in sizes if b != shared]
        reads = tuple(dict.fromkeys(rng.choice(known[-3:]) for _ in range(rng.choice([1, 1, 2]))))
        if partly and shared is not None:
            reads = tuple(dict.fromkeys((shared, *reads)))[:2]
        of = {r: writers[r] for r in reads}
        if partly and shared is not None:  # a view of some parts
            of[shared] = set(rng.sample(sorted(writers[shared]), rng.randint(1, len(writers[shared]))))
        over: tuple[str, ...] = ()
        if shared is not None and not partly and (nodes - k <= missing or rng.random() < 0.7):
            name, missing = shared, missing - 1
            shared = name if missing else None
        else:
            name = f"b{k}"
            sizes[name] = rng.randint(1, 9)
            if rng.random() < 0.3:
                over, sizes[name] = reads[:1], sizes[reads[0]]
            if shared is None and k < nodes - 2 and rng.random() < 0.2:
                shared, missing = name, rng.choice([1, 1, min(2, nodes - k - 1)])
        before.append(frozenset(w for found in of.values() for w in found))
        writers.setdefault(name, set()).add(k)
        made.append(Node(f"n{k}", reads, name, alone=rng.random() < 0.15, over=over))
    read = {r for node in made for r in node.reads}
    bases = tuple(
        Base(b, size, b in given, b not in given and (b not in read or rng.random() < 0.15))
        for b, size in sizes.items()
        if b in read or b not in given
    )
    return Graph(tuple(made), bases, tuple(before))


class Synthetic:
    """Offers by a seeded generator: more room costs less, held and resident bases save transfers."""

    def __init__(self, graph: Graph, capacity: int, seed: int) -> None:
        self.graph, self.capacity, self.seed = graph, capacity, seed
        self.of = cache(self._of)

    def _of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        key = (self.seed, sorted(nodes), *(sorted(part) for part in vars(residency).values()))
        rng = random.Random(str(key))
        if len(nodes) > 1 and rng.random() < 0.1:
            return ()
        moved = sum(self.graph.base[b].size_bytes for b in residency.loaded | residency.stored)
        streamed = {r for k in nodes for r in self.graph.nodes[k].reads} - {self.graph.nodes[k].writes for k in nodes}
        moved += sum(self.graph.base[b].size_bytes for b in streamed - residency.resident - residency.loaded)
        found = []
        for room in sorted(rng.sample(range(1, 12), rng.randint(1, 3))):
            cycles = 10 * len(nodes) + moved * 4 + rng.randint(0, 30) + 24 // room
            energy = float(20 * len(nodes) + moved * 6 + rng.randint(0, 40) + 36 // room)
            found.append(Offer(room, energy, cycles, moved + rng.randint(0, 3), cycles - rng.randint(0, 5), (room,)))
        return tuple(found)
