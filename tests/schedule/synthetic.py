"""Small random graphs, and offers with invented costs for every group of them: for tests of strategies alone."""

from __future__ import annotations

import random
from functools import cache

from tilewright.schedule.graph import Base, Graph, Node
from tilewright.schedule.offers import Offer, Residency


def random_graph(seed: int, nodes: int) -> Graph:
    """Branches, joins, bases with several writers, several outputs; the same for the same seed."""
    rng = random.Random(seed)
    bases = [Base("in0", rng.randint(1, 9), given=True)]
    if rng.random() < 0.3:
        bases.append(Base("in1", rng.randint(1, 9), given=True))
    made: list[Node] = []
    writers: dict[str, set[int]] = {b.name: set() for b in bases}
    before: list[frozenset[int]] = []
    shared: str | None = None
    for k in range(nodes):
        known = [b.name for b in bases if b.name != shared]
        reads = tuple(dict.fromkeys(rng.choice(known[-3:]) for _ in range(rng.choice([1, 1, 2]))))
        name = f"b{k}"
        if shared is not None:
            name, shared = shared, None
        else:
            bases.append(Base(name, rng.randint(1, 9)))
            if k < nodes - 2 and rng.random() < 0.15:
                shared = name  # the next node writes another part of it
        over = reads[:1] if rng.random() < 0.3 and len(writers.get(name, ())) == 0 and shared is None else ()
        before.append(frozenset(w for r in reads for w in writers.get(r, ())))
        writers.setdefault(name, set()).add(k)
        made.append(Node(f"n{k}", reads, name, alone=rng.random() < 0.15, over=over))
    read = {r for node in made for r in node.reads}
    bases = [
        Base(b.name, b.size_bytes, b.given, not b.given and (b.name not in read or rng.random() < 0.15)) for b in bases
    ]
    return Graph(tuple(made), tuple(bases), tuple(before))


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
