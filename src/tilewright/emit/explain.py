"""What a mapping does and what each part of it costs, as data and as text.

Every number is one of the model's own (docs/model.md): the loops with what moves at them, rooms, accesses with their
energy, times, and the floor that no mapping goes below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.mapping.boundary import Boundary, boundaries
from tilewright.mapping.buffers import inner_bytes, operand_buffers
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.floor import floor
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.problem import OBJECTIVES, NestCost, NestProblem
from tilewright.mapping.tiling import without_single_loops


@dataclass(frozen=True)
class Line:
    """A node of the nest at its depth, and what happens there."""

    depth: int
    node: str
    note: str


@dataclass(frozen=True)
class Room:
    """Bytes of one memory's buffers (of one instance of it) and what it has; ``None``: no limit."""

    memory: str
    capacity: int | None
    parts: tuple[tuple[str, int], ...]

    @property
    def used(self) -> int:
        return sum(size for _, size in self.parts)


@dataclass(frozen=True)
class Share:
    """Energy of one operand at one memory, or of something else (``memory`` says what), in pJ, with its accesses."""

    memory: str
    operand: str
    read_bytes: int
    write_bytes: int
    energy_pj: float


@dataclass(frozen=True)
class Explanation:
    """All of it. ``times`` are the cycles that each part would take alone; ``floors`` the least values of every
    objective that any mapping has."""

    problem: NestProblem
    mapping: Mapping
    cost: NestCost
    lines: tuple[Line, ...]
    rooms: tuple[Room, ...]
    shares: tuple[Share, ...]
    times: tuple[tuple[str, int], ...]
    floors: tuple[tuple[str, float], ...]

    @property
    def bound_by(self) -> str:
        """What takes longest by itself."""
        return max(self.times, key=lambda entry: entry[1])[0]

    @property
    def utilisation(self) -> float:
        """The share of the array's peak, from 0 to 1."""
        peak = self.problem.arch.array.size * self.cost.cycles
        return self.cost.macs / peak if peak else 0.0


def explain(problem: NestProblem, mapping: Mapping) -> Explanation:
    """The explanation of a legal mapping.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> from tilewright.mapping.text import parse_mapping
    >>> tiny = tw.load_arch("tiny")
    >>> problem = default_problem(tw.gemm(M=4, N=4, K=4), tiny, tiny.layout)
    >>> nodes = "keep weight in glb\\nfor M in tiles of 2\\nkeep input in glb\\nkeep output in glb"
    >>> explained = explain(problem, parse_mapping(nodes, problem.nest, tiny))
    >>> explained.lines[2].note
    'loaded from dram 2 times, 16 B in all; holds 8 B'
    """
    cost = evaluate(problem, mapping)
    floors = tuple((objective, floor(problem, objective)) for objective in OBJECTIVES)
    return Explanation(
        problem, mapping, cost, tuple(_lines(problem, mapping, cost)), tuple(_rooms(problem, mapping)),
        tuple(_shares(problem, cost)), tuple(_times(cost)), floors,
    )  # fmt: skip


def _lines(problem: NestProblem, mapping: Mapping, cost: NestCost) -> list[Line]:
    nest, found, depth = problem.nest, [], 0
    clean = without_single_loops(nest, mapping)
    chains = {
        (operand.name, boundary.child): boundary
        for operand in nest.operands
        for boundary in boundaries(problem, clean, operand)
    }
    held = {(room.memory, operand): size for room in _rooms(problem, mapping) for operand, size in room.parts}
    ranges = dict(nest.extents)
    for node in clean.nodes:
        if isinstance(node, Keep):
            note = _moves(problem, chains[node.operand, node.memory], cost)
            size = held.get((node.memory, node.operand))
            note += f"; holds {size:,} B" if size is not None else ""
            found.append(Line(depth, f"keep {node.operand} in {node.memory}", note))
            continue
        chunks = -(-ranges[node.dim] // node.tile)
        last = ranges[node.dim] - (chunks - 1) * node.tile
        ranges[node.dim] = node.tile
        ragged = f", the last of {last}" if last < node.tile else ""
        if isinstance(node, Loop):
            found.append(Line(depth, f"for {node.dim} in tiles of {node.tile}", f"{chunks:,} rounds{ragged}"))
            depth += 1
        else:
            width = dict(problem.arch.array.axes)[node.axis]
            note = f"{chunks:,} of {width:,} positions{ragged}"
            found.append(Line(depth, f"par {node.dim} in tiles of {node.tile} on {node.axis}", note))
    for operand in nest.operands if nest.work is None else ():
        boundary = chains[operand.name, None]
        found.append(Line(depth, f"use {operand.name}", _served(problem, boundary)))
    return found


def _times_word(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _moves(problem: NestProblem, boundary: Boundary, cost: NestCost) -> str:
    """What passes between a keep and the memory outside it."""
    name, pad = boundary.operand.name, problem.arch.scratchpad.name
    if boundary.parent == problem.arch.dram.name and boundary.child == pad:
        if boundary.operand.role == "output":
            moved = {entry.cause: entry.bytes for entry in cost.traffic if entry.operand == name}
            parts = [f"stored to dram {moved.pop('store', 0):,} B", *(f"{c} {b:,} B" for c, b in sorted(moved.items()))]
            return ", ".join(parts)
        total = sum(entry.bytes for entry in cost.traffic if entry.operand == name)
        return f"loaded from {boundary.parent} {_times_word(_refills(boundary))}, {total:,} B in all"
    shared = _shared(boundary)
    way = f" along {shared}" if shared and boundary.received != boundary.moved else ""
    if boundary.operand.role == "output":
        how = f"added up{way} into" if way else "drained to"
        return f"{how} {boundary.parent}, {boundary.received:,} words given, {boundary.moved:,} arrive"
    how = f", multicast{way}: {boundary.received:,} received" if way else ""
    return f"filled from {boundary.parent}, {boundary.moved:,} words read{how}"


def _served(problem: NestProblem, boundary: Boundary) -> str:
    """What the multipliers take from, or give to, the innermost keep of an operand."""
    shared = _shared(boundary)
    way = f", shared along {shared}" if shared else ""
    verb = "added into" if boundary.operand.role == "output" else "read from"
    return f"{verb} {boundary.parent}, {boundary.moved:,} words{way} for {problem.nest.points:,} points"


def _shared(boundary: Boundary) -> str:
    """The axes along which positions hold the same elements, or overlap in a window."""
    operand = boundary.operand
    moving = {dim for axis in operand.axes if axis.is_window for dim in axis.dims}
    axes = [
        par.axis
        for par in boundary.pars
        if par.axis in boundary.shared_axes and (par.dim not in operand.dims or par.dim in moving)
    ]
    return ", ".join(dict.fromkeys(axes))


def _refills(boundary: Boundary) -> int:
    """How often an operand's keep in the scratchpad is loaded: once per iteration down to its innermost loop."""
    ranges, total = dict(boundary.problem.nest.extents), 1
    for node in boundary.nodes[: boundary.last_used + 1]:
        if isinstance(node, Loop):
            total *= -(-ranges[node.dim] // node.tile)
            ranges[node.dim] = node.tile
    return total


def _rooms(problem: NestProblem, mapping: Mapping) -> list[Room]:
    arch, pad = problem.arch, problem.arch.scratchpad
    buffers = [b for b in operand_buffers(problem, mapping) if b.memory == pad.name]
    found = [Room(pad.name, pad.size_bytes, tuple((b.operand, b.size_bytes) for b in buffers))]
    inner = inner_bytes(problem, mapping)
    for memory in arch.below(pad):
        parts = tuple((operand, size) for (name, operand), size in inner.items() if name == memory.name)
        found.append(Room(memory.name, memory.size_bytes, parts))
    return found


def _shares(problem: NestProblem, cost: NestCost) -> list[Share]:
    """Energies that add up to the whole."""
    arch = problem.arch
    memories = {memory.name: memory for memory in arch.memories}
    found = [
        Share(
            entry.memory, entry.operand, entry.read_bytes, entry.write_bytes,
            entry.read_bytes * memories[entry.memory].read_pj + entry.write_bytes * memories[entry.memory].write_pj,
        )
        for entry in cost.accesses
    ]  # fmt: skip
    others = [
        ("links", cost.delivered_bytes * arch.array.link_pj),
        ("multiply-accumulates", cost.macs * arch.array.mac_pj),
        ("vector operations", cost.vector_operations * arch.vector.operation_pj),
        ("leakage", cost.cycles * arch.leakage_pj_per_cycle),
    ]
    return found + [Share(name, "", 0, 0, energy) for name, energy in others if energy]


def _times(cost: NestCost) -> list[tuple[str, int]]:
    """Cycles that each part takes by itself."""
    return [("array and its ports", cost.compute_cycles), ("transfers", cost.dma_cycles), *_ports(cost)]


def _ports(cost: NestCost) -> list[tuple[str, int]]:
    return [(f"port of {memory}", cycles) for memory, cycles in cost.ports]


MOST_ROUNDS = 256  # of a loop that is added


def smallest_change(problem: NestProblem, mapping: Mapping) -> tuple[str, Mapping] | None:
    """The change of one tile that makes an illegal mapping legal and shrinks it least, in words; None if there is none.

    Tried are smaller tiles of every loop and unrolling that divide their chunk or the tile or are a little smaller, and
    one more loop around everything.
    """
    found: list[tuple[float, int, str, Mapping]] = []
    ranges = dict(problem.nest.extents)
    for place, node in enumerate(mapping.nodes):
        if isinstance(node, Keep):
            continue
        outer = ranges.get(node.dim, 1)
        tiles = {t for t in range(1, node.tile) if outer % t == 0 or node.tile % t == 0 or t >= node.tile - 8}
        for tile in sorted(tiles, reverse=True):
            nodes = (*mapping.nodes[:place], replace(node, tile=tile), *mapping.nodes[place + 1 :])
            changed = Mapping(nodes)
            if not problems(problem, changed):
                word = "for" if isinstance(node, Loop) else "par"
                on = f" on {node.axis}" if isinstance(node, Par) else ""
                said = f"`{word} {node.dim} in tiles of {node.tile}{on}` with tiles of {tile}"
                found.append((node.tile / tile, place, said, changed))
                break
        ranges[node.dim] = node.tile
    for place, (dim, extent) in enumerate(problem.nest.dims):
        for tile in sorted({-(-extent // number) for number in range(2, min(extent, MOST_ROUNDS) + 1)}, reverse=True):
            changed = Mapping((Loop(dim, tile), *mapping.nodes))
            if not problems(problem, changed):
                said = f"one more loop `for {dim} in tiles of {tile}` around everything"
                found.append((extent / tile, len(mapping.nodes) + place, said, changed))
                break
    if not found:
        return None
    _, _, said, changed = min(found, key=lambda entry: entry[:2])
    return said, changed
