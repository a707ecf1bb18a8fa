"""Whether choices are a schedule (docs/model.md, section 9). Shares no code with what makes them."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice, Offers


def problems(offers: Offers, choices: Sequence[Choice]) -> list[str]:
    """What is wrong with a schedule, in sentences; empty if nothing is.

    Replays the groups one by one. That a base in both places has lost its chip copy is not said by choices: it is taken
    to go as early as can be, after the last group that finds it on chip.
    """
    graph = offers.graph
    found: list[str] = []
    done: set[int] = set()
    chip: set[str] = set()
    dram = {base.name for base in graph.bases if base.given}
    for number, choice in enumerate(choices):
        where = f"group {number} ({', '.join(graph.nodes[k].name for k in sorted(choice.nodes))})"
        faults = _group_faults(graph, choice.nodes, done)
        if faults:  # what follows would make no sense
            return found + [f"{where}: {fault}" for fault in faults]
        faults += _input_faults(graph, choice, done, chip, dram)
        faults += _output_faults(graph, choice, done, chip, dram)
        if choice.offer not in offers.of(choice.nodes, choice.residency):
            faults.append("its offer is not among those of its nodes and residency")
        needed = sum(graph.base[b].size_bytes for b in chip | choice.residency.loaded | choice.residency.held)
        if choice.over is not None:
            over = _over_faults(graph, choice, done, chip)
            faults += over
            needed -= 0 if over else graph.base[choice.over[0]].size_bytes
        needed += choice.offer.room_bytes
        if needed > offers.capacity:
            faults.append(f"needs {needed} bytes on chip, of which there are {offers.capacity}")
        found += [f"{where}: {fault}" for fault in faults]
        done |= choice.nodes
        dram |= choice.residency.stored
        chip |= choice.residency.loaded | choice.residency.held
        chip = {b for b in chip if _stays(graph, b, done, b in dram, choices[number + 1 :])}
    missing = [node.name for k, node in enumerate(graph.nodes) if k not in done]
    if missing:
        found.append(f"never executed: {', '.join(missing)}")
    found += [f"{b.name} is wanted and never stored" for b in graph.bases if b.wanted and b.name not in dram]
    return found


def _group_faults(graph: Graph, nodes: frozenset[int], done: set[int]) -> list[str]:
    """What keeps nodes from being a group that can run now."""
    faults = []
    if not nodes or not nodes <= set(range(len(graph.nodes))):
        return ["no nodes, or nodes that do not exist"]
    if nodes & done:
        faults.append("executed before: " + ", ".join(graph.nodes[k].name for k in sorted(nodes & done)))
    for k in sorted(nodes):
        early = graph.before[k] - done - nodes
        if early:
            faults.append(f"{graph.nodes[k].name} reads what {graph.nodes[min(early)].name} has not written yet")
        if graph.nodes[k].alone and len(nodes) > 1:
            faults.append(f"{graph.nodes[k].name} cannot share a group")
    reached = {min(nodes)}
    while True:
        touched = {b for k in reached for b in (*graph.nodes[k].reads, graph.nodes[k].writes)}
        more = {k for k in nodes if touched & {*graph.nodes[k].reads, graph.nodes[k].writes}}
        if more == reached:
            break
        reached = more
    if reached != nodes:
        faults.append("not connected by bases")
    both = {r for k in nodes for r in graph.nodes[k].reads} & {graph.nodes[k].writes for k in nodes}
    outside = sorted(b for b in both if not graph.writers[b] <= nodes)
    return faults + [f"reads and writes {b}, which others write too" for b in outside]


def _input_faults(graph: Graph, choice: Choice, done: set[int], chip: set[str], dram: set[str]) -> list[str]:
    """What is wrong with where the bases come from that the group reads and does not write."""
    faults = []
    written = {graph.nodes[k].writes for k in choice.nodes}
    inputs = {b for k in choice.nodes for b in graph.nodes[k].reads} - written
    resident, loaded = choice.residency.resident, choice.residency.loaded
    if not resident | loaded <= inputs or resident & loaded:
        faults.append("resident and loaded bases must be different inputs of the group")
    faults += [f"{b} is not on chip" for b in sorted(resident - chip)]
    faults += [f"{b} is not in DRAM" for b in sorted(inputs - resident - dram)]
    # A partly written base cannot have lost its chip copy, and its other parts cannot be loaded.
    partly = {b for b in inputs if not graph.writers[b] <= done}
    faults += [f"{b} is loaded before all of it is written" for b in sorted(loaded & partly)]
    faults += [f"{b} is on chip and being written, but not resident" for b in sorted((partly & chip) - resident)]
    return faults


def _output_faults(graph: Graph, choice: Choice, done: set[int], chip: set[str], dram: set[str]) -> list[str]:
    """What is wrong with where the bases go that the group writes."""
    faults = []
    held, stored = choice.residency.held, choice.residency.stored
    outputs = set()
    for b in {graph.nodes[k].writes for k in choice.nodes}:
        everything = graph.writers[b] | graph.readers[b]
        if graph.base[b].wanted or not everything <= choice.nodes:
            outputs.add(b)
    if held | stored != outputs:
        faults.append(f"held or stored must be {sorted(outputs)}, not {sorted(held | stored)}")
    for b in sorted(outputs):
        if graph.writers[b] & done:
            if (b in held, b in stored) != (b in chip, b in dram):
                faults.append(f"{b} goes elsewhere than its first part")
        elif b in held and graph.readers[b] <= choice.nodes:
            faults.append(f"{b} is held and nobody reads it later")
        if graph.base[b].wanted and b not in stored:
            faults.append(f"{b} is wanted and not stored")
    return faults


def _over_faults(graph: Graph, choice: Choice, done: set[int], chip: set[str]) -> list[str]:
    """What keeps a result from taking the place of an input."""
    assert choice.over is not None
    written, resident = choice.over
    if len(choice.nodes) != 1:
        return ["only an operator by itself writes over its input"]
    (k,) = choice.nodes
    node = graph.nodes[k]
    faults = []
    if resident not in node.over or resident not in choice.residency.resident:
        faults.append(f"{node.name} cannot write over {resident}")
    if written != node.writes or written not in choice.residency.held or written in chip:
        faults.append(f"{written} does not get a place on chip here")
    if graph.base[written].size_bytes != graph.base[resident].size_bytes:
        faults.append(f"{written} and {resident} differ in size")
    if not graph.readers[resident] | graph.writers[resident] <= done | choice.nodes:
        faults.append(f"{resident} is still needed")
    return faults


def _stays(graph: Graph, base: str, done: set[int], in_dram: bool, later: Sequence[Choice]) -> bool:
    """Whether a base on chip still takes room there before the next group."""
    if not graph.writers[base] <= done:
        return True
    if graph.readers[base] <= done:
        return False
    if not in_dram:
        return True
    for choice in later:
        reads = any(base in graph.nodes[k].reads for k in choice.nodes)
        if reads:
            return base in choice.residency.resident
    return False
