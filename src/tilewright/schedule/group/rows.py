"""The fronts of a group as bytes, and back: data only, checked against the group that they are read for."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping as Dict
from collections.abc import Sequence
from math import isfinite
from typing import Any

from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.schedule.group.members import Member, Members
from tilewright.schedule.group.prepared import Way
from tilewright.schedule.group.ways import Frame, frames, weight_choices
from tilewright.schedule.offers import Offer

Places = tuple[tuple[bool, bool], ...]  # of inputs: resident, loaded; then of outputs: held, stored
Fronts = Dict[Places, tuple[Offer, ...]]

MOST_BYTES = 1 << 26  # of a row when unpacked: a larger one is none of ours


def written(fronts: Fronts, capacity: int) -> bytes:
    """Fronts whose offers run in ways: the ways, each once, and for each residency the columns of its offers. All that
    fits into ``capacity`` bytes is among them.

    Numbers are written so that they come back as they were, floats included.
    """
    arrays: dict[tuple[Node, ...], int] = {}
    ways: dict[Way, int] = {}
    by_id: dict[int, int] = {}
    rows = []
    for places, offers in fronts.items():
        numbers = []
        for offer in offers:
            number = by_id.get(id(offer.how))
            if number is None:
                assert isinstance(offer.how, Way)
                number = by_id[id(offer.how)] = ways.setdefault(offer.how, len(ways))
            numbers.append(number)
        columns = [
            [o.room_bytes for o in offers],
            [o.energy_pj for o in offers],
            [o.cycles for o in offers],
            [o.dram_bytes for o in offers],
            [o.loose_cycles for o in offers],
            numbers,
        ]
        rows.append(["".join(str(2 * first + second) for first, second in places), *columns])
    texts = [_way_written(way, arrays) for way in ways]
    document = [capacity, [[_node_written(node) for node in nodes] for nodes in arrays], texts, rows]
    return zlib.compress(json.dumps(document, separators=(",", ":"), allow_nan=False).encode(), 1)


def _way_written(way: Way, arrays: dict[tuple[Node, ...], int]) -> list[Any]:
    loops = [[loop.dim, loop.tile] for loop in way.loops]
    channels = None if way.channels is None else [way.channels.dim, way.channels.tile]
    return [loops, way.overlap, channels, [arrays.setdefault(a, len(arrays)) for a in way.arrays], list(way.weights)]


def _node_written(node: Node) -> list[Any]:
    if isinstance(node, Keep):
        return ["keep", node.operand, node.memory]
    return ["par", node.dim, node.tile, node.axis] if isinstance(node, Par) else ["loop", node.dim, node.tile]


def read(document: bytes, group: Members, ends: int, capacity: int) -> dict[Places, tuple[Offer, ...]]:
    """The fronts of a group with so many inputs and outputs; none if they are those of less than ``capacity`` bytes.

    Raises ValueError, or TypeError, KeyError, IndexError, for anything that is not of the right form or speaks of
    loops, memories or operands that the group does not have.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(document, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    _need(unpacker.eof)
    complete, texts, ways, rows = json.loads(text)
    _need(type(complete) is int)
    if complete < capacity:
        return {}
    reader = _Ways(group, texts)
    known = [reader.way(one) for one in ways]
    return {_places(places, ends): _offers(columns, known) for places, *columns in rows}


class _Ways:
    """Ways of a group, none but those that are searched."""

    def __init__(self, group: Members, arrays: list[list[list[Any]]]) -> None:
        self._group, self._arrays = group, arrays
        self._frames = set(frames(group))
        self._weights: dict[tuple[bool, bool], frozenset[tuple[str, ...]]] = {}
        self._nodes: dict[tuple[int, int], tuple[Node, ...]] = {}

    def way(self, text: list[Any]) -> Way:
        loops, overlap, channels, arrays, weights = text
        frame = Frame(tuple(_loop(*loop) for loop in loops), overlap, None if channels is None else _loop(*channels))
        _need(frame in self._frames)
        kind = (bool(loops), channels is not None)  # all that choices of weights depend on
        if kind not in self._weights:
            self._weights[kind] = frozenset(weight_choices(self._group, frame))
        _need(tuple(weights) in self._weights[kind])
        nodes = tuple(self._array(k, number) for k, number in zip(range(len(self._group.all)), arrays, strict=True))
        return Way(frame.loops, frame.channels, frame.overlap, nodes, tuple(weights))

    def _array(self, place: int, number: int) -> tuple[Node, ...]:
        _need(type(number) is int and number >= 0)
        key = (place, number)
        if key not in self._nodes:
            self._nodes[key] = tuple(_node(text, self._group.all[place]) for text in self._arrays[number])
        return self._nodes[key]


def _loop(dim: str, tile: int) -> Loop:
    _need(type(dim) is str and type(tile) is int and tile > 0)
    return Loop(dim, tile)


def _node(text: list[Any], one: Member) -> Node:
    """A node of an operator's array part."""
    kind, name, *rest = text
    arch, pad = one.problem.arch, one.problem.arch.scratchpad
    if kind == "keep":
        (memory,) = rest
        _need(name in {o.name for o in one.nest.operands} and memory in {m.name for m in arch.below(pad)})
        return Keep(name, memory)
    tile, *axes = rest
    _need(type(tile) is int and 0 < tile <= one.nest.extents[name])
    if kind == "loop":
        _need(not axes)
        return Loop(name, tile)
    (axis,) = axes
    _need(kind == "par" and axis in dict(arch.array.axes))
    return Par(name, tile, axis)


def _places(text: str, ends: int) -> Places:
    _need(type(text) is str and len(text) == ends and set(text) <= set("0123"))
    return tuple((digit in "23", digit in "13") for digit in text)


def _offers(columns: Sequence[list[Any]], ways: Sequence[Way]) -> tuple[Offer, ...]:
    room, energy, cycles, size, loose, numbers = columns
    for whole in (room, cycles, size, loose, numbers):
        _need(set(map(type, whole)) <= {int} and min(whole, default=0) >= 0 and max(whole, default=0) < 1 << 63)
    _need(set(map(type, energy)) <= {float} and all(map(isfinite, energy)) and min(energy, default=0) >= 0)
    _need(max(numbers, default=-1) < len(ways) and room == sorted(room))
    _need(len({len(column) for column in columns}) == 1)
    return tuple(map(Offer, room, energy, cycles, size, loose, [ways[number] for number in numbers]))


def _need(holds: bool) -> None:
    if not holds:
        raise ValueError("not the fronts of this group")
