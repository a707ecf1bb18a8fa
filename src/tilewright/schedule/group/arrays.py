"""The array mapper of groups: what an operator's steps do within the array (docs/model.md, section 8).

Tried on the operator's largest box are array parts by a few recipes (``mapping.recipes``) that do well for the whole
operator or for a part of its rows, and the one of the best mapping that was found for the operator by itself, cut to
the box. They are ranked by the objective for a box of about that size; the first that fits is taken, or else the plain
one of ``mapping.arraypart``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Dict
from dataclasses import replace
from functools import partial
from typing import TypeVar

from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.buffers import inner_bytes
from tilewright.mapping.ends import StepMove, dma_cycles
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.recipes import Recipe, made, shortlist
from tilewright.mapping.tiling import step_tile, without_single_chunks
from tilewright.schedule.group.book import StepBook
from tilewright.schedule.group.steps import Ranges, boxed, pad_keeps
from tilewright.workload.nest import LoopNest

Source = Recipe | Mapping  # of an array part: a recipe, or a mapping for the whole operator
S = TypeVar("S", Recipe, Source)
Box = tuple[tuple[str, int], ...]


class ArrayMapper:
    """Array parts for boxes of operators; ``found`` has the best mapping of problems by themselves, where known."""

    def __init__(self, objective: str, found: Dict[NestProblem, Mapping]) -> None:
        self._objective, self._found = objective, found
        self._known: dict[tuple[StepBook, Box], tuple[Node, ...] | None] = {}
        self._ranked: dict[tuple[StepBook, Box], tuple[Source, ...]] = {}
        self._sources: dict[StepBook, tuple[Source, ...]] = {}

    def of(self, book: StepBook, box: Dict[str, int]) -> tuple[Node, ...] | None:
        """The array part for a largest box, or None where none fits the array's memories."""
        if book.nest.work is not None:
            return ()
        key = (book, tuple(box.items()))
        if key not in self._known:
            problem = _cut(book, box)[1]
            fitting = (nodes for nodes in self._tried(book, box, problem) if fits_inside(problem, nodes))
            self._known[key] = next(fitting, None)
        return self._known[key]

    def _tried(self, book: StepBook, box: Dict[str, int], problem: NestProblem) -> Iterator[tuple[Node, ...]]:
        """Array parts for a box, best first by a guess."""
        for source in self._ranking(book, _rounded(book.nest, box)):
            nodes = _nodes(source, book, box)
            if nodes is not None:
                yield without_single_chunks(nodes, box)
        yield without_single_chunks(default_array_part(problem, box), box)

    def _ranking(self, book: StepBook, box: Dict[str, int]) -> tuple[Source, ...]:
        """What array parts for boxes of about this size are made of, best first."""
        key = (book, tuple(box.items()))
        if key not in self._ranked:
            if book not in self._sources:
                found = self._found.get(book.problem)
                self._sources[book] = (*self._shortlist(book), *(() if found is None else (found,)))
            self._ranked[key] = self._best(book, box, self._sources[book])
        return self._ranked[key]

    def _judged(
        self, book: StepBook, box: Dict[str, int], candidates: Sequence[tuple[Node, ...]]
    ) -> list[tuple[Node, ...]]:
        """Those that fit, best first."""
        arch = book.problem.arch
        ranges, problem = _cut(book, box)
        found = []
        for number, nodes in enumerate(candidates):
            if not fits_inside(problem, nodes):
                continue
            cost = book.cost(ranges, nodes, moved=False)
            flow = dma_cycles(arch.dram, [StepMove("weight", cost.stream_bytes, cost.stream_runs)])
            energy = cost.energy_pj(arch, 0) + cost.stream_bytes * arch.dram.read_pj
            cycles = max(cost.cycles, flow)
            rank = {"latency": (cycles, energy), "energy": (energy, cycles), "edp": (energy * cycles, energy)}
            found.append(((*rank.get(self._objective, (energy * cycles, energy)), number), nodes))
        return [nodes for _, nodes in sorted(found)]

    def _shortlist(self, book: StepBook) -> tuple[Recipe, ...]:
        """The recipes that do best for the whole operator and for a part of its rows."""
        chosen: dict[Recipe, None] = {}
        for box in _samples(book.nest):
            best = shortlist(book.nest, book.problem.arch, box, MANY, FEW, partial(self._best, book, box))
            chosen |= dict.fromkeys(best[:KEPT])
        return tuple(chosen)

    def _best(self, book: StepBook, box: Dict[str, int], sources: Sequence[S]) -> tuple[S, ...]:
        """What gives different array parts that fit a box, best first."""
        by_nodes: dict[tuple[Node, ...], S] = {}
        for source in sources:
            nodes = _nodes(source, book, box)
            if nodes is not None:
                by_nodes.setdefault(without_single_chunks(nodes, box), source)
        return tuple(by_nodes[nodes] for nodes in self._judged(book, box, list(by_nodes)))


def _nodes(source: Source, book: StepBook, box: Dict[str, int]) -> tuple[Node, ...] | None:
    """The array part that a source gives for a box; None if it gives none."""
    if isinstance(source, Mapping):
        return transplanted(book.problem, source, box)
    return made(source, book.nest, book.problem.arch, box)


def _rounded(nest: LoopNest, box: Dict[str, int]) -> dict[str, int]:
    """A box about as large: every length up to the next power of two, but not beyond the operator's."""
    return {dim: min(nest.extents[dim], 1 << (length - 1).bit_length()) for dim, length in box.items()}


MANY, FEW, KEPT = 24, 4, 2  # ways to unroll that are tried; those tried in all orders of keeps; recipes per sample


def _samples(nest: LoopNest) -> list[dict[str, int]]:
    """The boxes that recipes are judged by: the whole operator, and a few rows of it."""
    whole = dict(nest.dims)
    rows = [dim for dim in ("Y", "M") if whole.get(dim, 1) > 4]
    return [whole, *({**whole, dim: max(2, whole[dim] // 8)} for dim in rows[:1])]


def _cut(book: StepBook, box: Dict[str, int]) -> tuple[Ranges, NestProblem]:
    """A box in the middle of an operator, and the problem of this box alone."""
    ranges = {d: ((extent - box[d]) // 2, box[d]) for d, extent in book.nest.dims if box[d] < extent}
    return ranges, replace(book.problem, nest=boxed(book.nest, ranges), parameters=(), held_parameters=())


def fits_inside(problem: NestProblem, nodes: tuple[Node, ...]) -> bool:
    """Whether an array part fits into the memories further in than the scratchpad and keeps what they must keep."""
    arch = problem.arch
    keeps = {(node.operand, node.memory) for node in nodes if isinstance(node, Keep)}
    for memory in arch.below(arch.scratchpad):
        for operand in problem.nest.operands:
            if operand.role in memory.keeps and (operand.name, memory.name) not in keeps:
                return False
    needed: dict[str, int] = {}
    for (memory_name, _), size in inner_bytes(problem, Mapping((*pad_keeps(problem), *nodes))).items():
        needed[memory_name] = needed.get(memory_name, 0) + size
    return all(m.size_bytes is None or needed.get(m.name, 0) <= m.size_bytes for m in arch.memories)


def transplanted(problem: NestProblem, mapping: Mapping, box: Dict[str, int]) -> tuple[Node, ...]:
    """A mapping's array part for another box: loops down to its own tile first, and as many positions as before.

    Nothing in it is larger than it was, so it fits where it did.
    """
    pad = problem.arch.scratchpad.name
    tile = step_tile(problem.nest, mapping.tile_loops(pad))
    place = mapping.array_place(pad)
    first = [node for node in mapping.nodes[:place] if isinstance(node, Keep) and node.memory != pad]
    found: list[Node] = [Loop(dim, tile[dim]) for dim, length in box.items() if length > tile[dim]]
    found += first
    before = dict(tile)
    now = {dim: min(length, tile[dim]) for dim, length in box.items()}
    for node in mapping.nodes[place:]:
        if isinstance(node, Keep):
            found.append(node)
            continue
        if isinstance(node, Par):
            positions = -(-before[node.dim] // node.tile)
            chunk = min(node.tile, -(-now[node.dim] // positions))
            found.append(Par(node.dim, chunk, node.axis))
        else:
            chunk = min(node.tile, now[node.dim])
            found.append(Loop(node.dim, chunk))
        before[node.dim], now[node.dim] = min(before[node.dim], node.tile), min(now[node.dim], chunk)
    return without_single_chunks(tuple(found), box)
