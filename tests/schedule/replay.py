"""A schedule replayed step by step by docs/model.md, section 9: what tests of strategies hold against solutions."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice, Offers


def faults(offers: Offers, choices: Sequence[Choice]) -> list[str]:
    """Everything in which these groups break the law. Knows nothing of results written over inputs."""
    graph = offers.graph
    found: list[str] = []
    done: set[int] = set()
    dram = {base.name for base in graph.bases if base.given}
    chip: set[str] = set()
    placed: dict[str, tuple[bool, bool]] = {}
    for at, choice in enumerate(choices):
        nodes, where, residency = choice.nodes, f"group {at}", choice.residency
        found += [f"{where}: {fault}" for fault in _shape(graph, nodes)]
        if nodes & done:
            found.append(f"{where}: executed twice")
        if any(graph.before[k] - nodes - done for k in nodes):
            found.append(f"{where}: too early")
        reads, writes = _reads(graph, nodes), {graph.nodes[k].writes for k in nodes}
        if not residency.resident <= chip & (reads - writes):
            found.append(f"{where}: not on chip")
        if not residency.loaded <= (dram - chip) & (reads - writes):
            found.append(f"{where}: cannot be loaded")
        if not reads - writes - residency.resident <= dram:
            found.append(f"{where}: streams what is not in DRAM")
        leaves = {b for b in writes if graph.base[b].wanted or graph.readers[b] - nodes}
        if residency.held | residency.stored != leaves:
            found.append(f"{where}: outputs {leaves}")
        for base in leaves:
            place = (base in residency.held, base in residency.stored)
            if placed.setdefault(base, place) != place:
                found.append(f"{where}: two places for {base}")
            if base in residency.held and graph.writers[base] & done and base not in chip:
                found.append(f"{where}: {base} was dropped before all of it was written")
            if graph.base[base].wanted and base not in residency.stored:
                found.append(f"{where}: {base} never gets to DRAM")
        during = chip | residency.loaded | residency.held
        if sum(graph.base[b].size_bytes for b in during) + choice.offer.room_bytes > offers.capacity:
            found.append(f"{where}: does not fit")
        if choice.offer not in offers.of(nodes, residency):
            found.append(f"{where}: no such offer")
        done |= nodes
        dram |= residency.stored
        later = choices[at + 1 :]
        used = {b for c in later for b in c.residency.resident | c.residency.held}
        lost = {b for b in during - used - dram if any(b in _reads(graph, c.nodes) for c in later)}
        found += [f"{where}: {base} is lost" for base in lost]
        chip = during & used
    if done != set(range(len(graph.nodes))):
        found.append("not all nodes are executed")
    return found


def _reads(graph: Graph, nodes: frozenset[int]) -> set[str]:
    return {base for k in nodes for base in graph.nodes[k].reads}


def _shape(graph: Graph, nodes: frozenset[int]) -> list[str]:
    """What keeps nodes from being a group (section 8); convexity follows from the order of groups."""
    if len(nodes) == 1:
        return []
    found = ["an operator that stands alone"] if any(graph.nodes[k].alone for k in nodes) else []
    bases = {k: {*graph.nodes[k].reads, graph.nodes[k].writes} for k in nodes}
    together = {min(nodes)}
    for _ in nodes:
        together |= {k for k in nodes if any(bases[k] & bases[other] for other in together)}
    if together != nodes:
        found.append("not connected")
    read = _reads(graph, nodes)
    if any(graph.nodes[k].writes in read and graph.writers[graph.nodes[k].writes] - nodes for k in nodes):
        found.append("a base read that is also written elsewhere")
    return found
