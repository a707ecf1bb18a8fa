"""The array mapper of groups: what an operator's steps do within the array (docs/model.md, section 8).

Two array parts are tried on the operator's largest box: the plain one of ``mapping.arraypart``, and the one of the best
mapping that was found for the operator by itself, cut to the box. The better of them for the objective is taken.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import replace

from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.buffers import inner_bytes
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import step_tile, without_single_chunks
from tilewright.schedule.group.book import StepBook
from tilewright.schedule.group.steps import boxed, pad_keeps


class ArrayMapper:
    """Array parts for boxes of operators; ``found`` has the best mapping of problems by themselves, where known."""

    def __init__(self, objective: str, found: Dict[NestProblem, Mapping]) -> None:
        self._objective, self._found = objective, found
        self._known: dict[tuple[StepBook, tuple[tuple[str, int], ...]], tuple[Node, ...] | None] = {}

    def of(self, book: StepBook, box: Dict[str, int]) -> tuple[Node, ...] | None:
        """The array part for a largest box, or None where none fits the array's memories."""
        if book.nest.work is not None:
            return ()
        key = (book, tuple(box.items()))
        if key not in self._known:
            self._known[key] = self._choose(book, box)
        return self._known[key]

    def _choose(self, book: StepBook, box: Dict[str, int]) -> tuple[Node, ...] | None:
        arch = book.problem.arch
        ranges = {d: ((extent - box[d]) // 2, box[d]) for d, extent in book.nest.dims if box[d] < extent}
        problem = replace(book.problem, nest=boxed(book.nest, ranges), parameters=(), held_parameters=())
        candidates = [without_single_chunks(default_array_part(problem, box), box)]
        if book.problem in self._found:
            candidates.append(transplanted(book.problem, self._found[book.problem], box))
        judged = []
        for number, nodes in enumerate(dict.fromkeys(candidates)):
            if not fits_inside(problem, nodes):
                continue
            cost = book.cost(ranges, nodes, moved=False)
            energy, cycles = cost.energy_pj(arch, 0), cost.cycles
            rank = {"latency": (cycles, energy), "energy": (energy, cycles), "edp": (energy * cycles, energy)}
            judged.append((*rank.get(self._objective, (energy * cycles, energy)), number, nodes))
        return min(judged)[-1] if judged else None


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
