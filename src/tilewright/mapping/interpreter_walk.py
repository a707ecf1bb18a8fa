"""The order in which a mapping runs: every loop turned, every par opened, as a stream of events.

Part of the slow interpreter: nothing of the fast formulas is used here. A position is named by the chunk numbers of
the pars above it, outermost first; ``()`` is the whole machine. All positions that have something to do at some
moment are listed with the ranges that are left to them (docs/model.md, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from math import prod

from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import Binding
from tilewright.workload.nest import Axis, LoopNest, Operand

Ranges = dict[str, range]
Position = tuple[int, ...]
Active = dict[Position, Ranges]
Word = tuple[int, ...]
Words = frozenset[Word]
Box = tuple[frozenset[int], ...]


@dataclass(frozen=True)
class Turn:
    """One loop above some moment: the number of its iteration, and whether that is its last one there."""

    counter: int
    last: bool


@dataclass(frozen=True)
class Enter:
    """Execution reaches a keep: ``turns`` are the loops above it, ``step`` the tile step that runs next."""

    keep: Keep
    turns: tuple[Turn, ...]
    active: Active
    step: int


@dataclass(frozen=True)
class Leave:
    """Execution has finished everything inside a keep for these turns; ``step`` is the last tile step of it."""

    keep: Keep
    turns: tuple[Turn, ...]
    step: int


@dataclass(frozen=True)
class Step:
    """A tile step begins, with the ranges that it covers."""

    number: int
    ranges: Ranges


@dataclass(frozen=True)
class Cycle:
    """Every active position computes one point (ranges of one value each)."""

    active: Active
    step: int


Event = Enter | Leave | Step | Cycle


def real_nodes(nest: LoopNest, mapping: Mapping) -> tuple[Node, ...]:
    """The mapping's nodes less loops and pars of one chunk, judged on the largest range that the dimension has there.

    >>> nest = LoopNest((("X", 10),), ())
    >>> real_nodes(nest, Mapping((Loop("X", 4), Par("X", 4, "k"), Loop("X", 3))))
    (Loop(dim='X', tile=4), Loop(dim='X', tile=3))
    """
    largest = dict(nest.extents)
    found: list[Node] = []
    for node in mapping.nodes:
        if isinstance(node, Keep):
            found.append(node)
        elif node.tile < largest[node.dim]:
            found.append(node)
            largest[node.dim] = node.tile
    return tuple(found)


def walk(nest: LoopNest, nodes: tuple[Node, ...], scratchpad: str) -> Iterator[Event]:
    """All events of a mapping's nodes (``real_nodes``) in the order in which they happen.

    For operators of the vector unit the walk ends at the tile steps.
    """
    above = [place + 1 for place, node in enumerate(nodes) if isinstance(node, Keep) and node.memory == scratchpad]
    points: tuple[Node, ...] = ()
    if nest.work is None:
        # One point per cycle: a loop in chunks of one for every dimension, in the nest's order.
        points = tuple(Loop(dim, 1) for dim, _ in nest.dims)
    walker = _Walker((*nodes, *points), max(above, default=0), computes=nest.work is None)
    yield from walker.run(0, (), {(): {dim: range(extent) for dim, extent in nest.dims}})


class _Walker:
    """The recursion over the nodes; ``done`` counts the tile steps that are over."""

    def __init__(self, nodes: tuple[Node, ...], array_place: int, *, computes: bool) -> None:
        self.nodes = nodes
        self.array_place = array_place
        self.computes = computes
        self.done = 0

    def run(self, place: int, turns: tuple[Turn, ...], active: Active) -> Iterator[Event]:
        if place != self.array_place:
            yield from self._node(place, turns, active)
            return
        yield Step(self.done, active[()])
        if self.computes:
            yield from self._node(place, turns, active)
        self.done += 1

    def _node(self, place: int, turns: tuple[Turn, ...], active: Active) -> Iterator[Event]:
        if place == len(self.nodes):
            yield Cycle(active, self.done)
            return
        node = self.nodes[place]
        if isinstance(node, Keep):
            yield Enter(node, turns, active, self.done)
            yield from self.run(place + 1, turns, active)
            yield Leave(node, turns, self.done - (place < self.array_place))
        elif isinstance(node, Par):
            opened = {
                (*position, number): {**ranges, node.dim: chunk}
                for position, ranges in active.items()
                for number, chunk in enumerate(chunks(ranges[node.dim], node.tile))
            }
            yield from self.run(place + 1, turns, opened)
        else:
            # In lockstep: the first position has the longest range, so its chunks set the pace.
            cut = {position: chunks(ranges[node.dim], node.tile) for position, ranges in active.items()}
            rounds = max(len(pieces) for pieces in cut.values())
            for number in range(rounds):
                busy = {
                    position: {**ranges, node.dim: cut[position][number]}
                    for position, ranges in active.items()
                    if number < len(cut[position])
                }
                yield from self.run(place + 1, (*turns, Turn(number, number + 1 == rounds)), busy)


def chunks(values: range, tile: int) -> list[range]:
    """A range in pieces of ``tile``, the last possibly shorter.

    >>> chunks(range(3, 10), 4)
    [range(3, 7), range(7, 10)]
    """
    return [range(start, min(start + tile, values.stop)) for start in range(values.start, values.stop, tile)]


def axis_indices(axis: Axis, ranges: Ranges) -> frozenset[int]:
    """In-bounds indices that an axis needs: those touched, and the holes between them where a window is concerned."""
    touched = [
        axis.offset + sum(c * v for (_, c), v in zip(axis.terms, values, strict=True))
        for values in product(*(ranges[dim] for dim in axis.dims))
    ]
    if axis.divisor > 1 or axis.reach or axis.clamp:
        touched = [index for v in touched for index in (v // axis.divisor, v // axis.divisor + axis.reach)]
        if axis.clamp:
            touched = [min(max(index, 0), axis.size - 1) for index in touched]
        touched = list(range(min(touched), max(touched) + 1))
    elif sum(len(ranges[dim]) > 1 for dim in axis.dims) > 1:
        touched = list(range(min(touched), max(touched) + 1))
    return frozenset(index for index in touched if 0 <= index < axis.size)


def footprint(operand: Operand, ranges: Ranges) -> Box:
    """What an operand needs for some ranges: a set of indices per axis (docs/model.md, section 3)."""
    return tuple(axis_indices(axis, ranges) for axis in operand.axes)


def size(box: Box) -> int:
    """Elements of a box."""
    return prod(len(along) for along in box)


def box_of(words: Words) -> Box:
    """The indices of some words along every axis; AssertionError if the words are not all combinations of them."""
    box = tuple(frozenset(along) for along in zip(*words, strict=True))
    if size(box) != len(words):
        raise AssertionError("a transfer's words do not form a box")
    return box


def stretches(binding: Binding, box: Box) -> int:
    """Runs of consecutive DRAM addresses in a box (docs/model.md, section 6).

    A stretch goes on from row to row as long as rows are whole; the first axis with a gap counts the stretches along
    it, every further axis multiplies them.

    >>> dense = Binding("input", (20, 5, 1))
    >>> stretches(dense, (frozenset({0, 1}), frozenset({0, 1, 2}), frozenset(range(5))))
    2
    >>> stretches(dense, (frozenset({0}), frozenset({0, 1, 3}), frozenset(range(5))))
    2
    """
    if not size(box):
        return 0
    if binding.packed:
        return 1
    places = [sorted(stride * index for index in along) for stride, along in zip(binding.strides, box, strict=True)]
    length, runs, whole = 1, 1, True
    for along in sorted((place for place in places if len(place) > 1), key=lambda p: p[1] - p[0]):
        if not whole:
            runs *= len(along)
            continue
        gaps = sum(b - a != length for a, b in pairwise(along))
        whole = not gaps
        runs *= gaps + 1
        length *= len(along)
    return runs
