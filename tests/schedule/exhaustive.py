"""Every schedule of a small graph, from the law (docs/model.md, sections 8 and 9) and without any cleverness.

Tries all sets of nodes as groups, all places for all bases, and to lose a chip copy as a move of its own. Totals of the
rest are kept by state; of those only ones that others beat in energy, cycles and bytes at once are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import combinations, product

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Offers, Residency

Total = tuple[float, int, int]
Places = frozenset[tuple[str, str]]  # (base, "chip" or "dram")


def totals(
    offers: Offers,
    *,
    fusing: bool = True,
    pinning: bool = True,
    loading: bool = True,
    sequence: list[frozenset[int]] | None = None,
) -> frozenset[Total]:
    """Unbeaten (energy, cycles, bytes) of all schedules, or of those with this sequence of groups."""
    graph = offers.graph
    everything = frozenset(range(len(graph.nodes)))
    sizes = range(1, len(everything) + 1) if fusing else (1,)
    groups = [frozenset(g) for n in sizes for g in combinations(sorted(everything), n) if is_group(graph, set(g))]

    turn = {frozenset().union(*sequence[:k]): group for k, group in enumerate(sequence or ())} if sequence else {}

    @cache
    def rest(done: frozenset[int], places: Places) -> frozenset[Total]:
        if done == everything:
            stored = all((base.name, "dram") in places for base in graph.bases if base.wanted)
            return frozenset({(0.0, 0, 0)}) if stored else frozenset()
        found: set[Total] = set()
        for base in graph.bases:
            if {(base.name, "chip"), (base.name, "dram")} <= places and graph.writers[base.name] <= done:
                found |= rest(done, places - {(base.name, "chip")})
        for group in groups:
            if sequence and turn[done] != group:
                continue
            if group & done or not all(graph.before[k] <= done | group for k in group):
                continue
            for residency in residencies(graph, group, done, places, pinning, pinning and loading):
                across = {b for b, place in places if place == "chip"}
                room = sum(graph.base[b].size_bytes for b in across | residency.loaded | residency.held)
                room -= saved(graph, group, done, places, residency)
                then = after(graph, done | group, places, residency)
                for offer in offers.of(group, residency):
                    if offer.room_bytes + room <= offers.capacity:
                        for energy, cycles, moved in rest(done | group, then):
                            found.add((energy + offer.energy_pj, cycles + offer.cycles, moved + offer.dram_bytes))
        return unbeaten(found)

    return rest(frozenset(), frozenset((base.name, "dram") for base in graph.bases if base.given))


def value(found: frozenset[Total], objective: str) -> float | None:
    """The least of an objective."""
    read = {
        "energy": lambda t: t[0],
        "latency": lambda t: t[1],
        "edp": lambda t: t[0] * t[1],
        "traffic": lambda t: t[2],
    }[objective]
    return min(map(read, found), default=None)


def unbeaten(found: set[Total]) -> frozenset[Total]:
    kept: list[Total] = []
    for total in sorted(found):
        if not any(all(a <= b for a, b in zip(other, total, strict=True)) for other in kept):
            kept.append(total)
    return frozenset(kept)


def is_group(graph: Graph, nodes: set[int]) -> bool:
    """Connected, convex, alone where need be, and not reading a base that is written inside and outside."""
    if len(nodes) > 1 and any(graph.nodes[k].alone for k in nodes):
        return False
    bases = {k: {*graph.nodes[k].reads, graph.nodes[k].writes} for k in nodes}
    parts = [{k} for k in nodes]
    merged = True
    while merged:
        merged = False
        for one, two in combinations(parts, 2):
            if any(bases[j] & bases[k] for j in one for k in two):
                parts.remove(two)
                one |= two
                merged = True
                break
    below: dict[int, set[int]] = {}
    for k, before in enumerate(graph.before):
        below[k] = set(before).union(*(below[p] for p in before))
    between = {k for k in below if k not in nodes and below[k] & nodes and any(k in below[j] for j in nodes)}
    written = {graph.nodes[k].writes for k in nodes}
    read = {b for k in nodes for b in graph.nodes[k].reads}
    return len(parts) == 1 and not between and all(graph.writers[b] <= nodes for b in read & written)


def residencies(
    graph: Graph, group: frozenset[int], done: frozenset[int], places: Places, pinning: bool, loading: bool
) -> Iterator[Residency]:
    """All that the places of the bases allow."""
    written = {graph.nodes[k].writes for k in group}
    options: list[tuple[str, tuple[str, ...]]] = []
    for b in sorted({r for k in group for r in graph.nodes[k].reads} - written):
        whole = graph.writers[b] <= done
        if (b, "chip") in places:
            options.append((b, ("resident",)))
        else:
            options.append((b, ("streamed", "loaded") if whole and loading else ("streamed",)))
    for b in sorted(written):
        base = graph.base[b]
        if graph.writers[b] | graph.readers[b] <= group and not base.wanted:
            continue
        if graph.writers[b] & done:
            place = "".join(p for p in ("chip", "dram") if (b, p) in places)
            options.append((b, (place,)))
        elif not pinning or graph.readers[b] <= group:
            options.append((b, ("dram",)))
        else:
            options.append((b, ("dram", "chipdram") if base.wanted else ("dram", "chip", "chipdram")))
    for chosen in product(*(names for _, names in options)):
        at = [(b, name) for (b, _), name in zip(options, chosen, strict=True)]
        yield Residency(
            *(
                frozenset(b for b, name in at if name in names)
                for names in (("resident",), ("loaded",), ("chip", "chipdram"), ("dram", "chipdram"))
            )
        )


def saved(graph: Graph, group: frozenset[int], done: frozenset[int], places: Places, residency: Residency) -> int:
    """Bytes that a result does not need because it takes the place of an input."""
    if len(group) > 1:
        return 0
    (k,) = group
    node = graph.nodes[k]
    size = graph.base[node.writes].size_bytes
    if node.writes not in residency.held or (node.writes, "chip") in places:
        return 0
    for b in node.over:
        free = graph.readers[b] | graph.writers[b] <= done | group
        if b in residency.resident and free and graph.base[b].size_bytes == size:
            return size
    return 0


def after(graph: Graph, done: frozenset[int], places: Places, residency: Residency) -> Places:
    """Where bases are after a group; on chip only those that somebody needs yet."""
    found = set(places)
    found |= {(b, "chip") for b in residency.loaded | residency.held}
    found |= {(b, "dram") for b in residency.stored}
    return frozenset(
        (b, place) for b, place in found if place == "dram" or not graph.readers[b] | graph.writers[b] <= done
    )
