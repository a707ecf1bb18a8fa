"""Every mapping of the space of docs/model.md, section 7, one after the other: nothing is left out as hopeless.

Shares no code with the search: orders of keeps, splits and pars are walked as the text says, and what is illegal is
sorted out by ``legal.problems``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice, permutations, product

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestCost, NestProblem

Ranges = dict[str, int]
Queues = tuple[tuple[tuple[str, str], ...], ...]


@cache
def walked(problem: NestProblem) -> dict[Mapping, NestCost]:
    """What every mapping costs; kept, since several tests walk the same space."""
    return {mapping: evaluate(problem, mapping) for mapping in every_mapping(problem)}


def every_mapping(problem: NestProblem) -> Iterator[Mapping]:
    """All legal mappings of the space, each once."""
    seen: set[Mapping] = set()
    for nodes in _listed(problem):
        mapping = Mapping(nodes)
        if mapping not in seen:
            seen.add(mapping)
            if not problems(problem, mapping):
                yield mapping


def is_larger(problem: NestProblem, number: int) -> bool:
    """Whether the space has more than so many mappings, those that are not legal included."""
    return next(islice(_listed(problem), number, None), None) is not None


def _listed(problem: NestProblem) -> Iterator[tuple[Node, ...]]:
    """The nodes of all mappings, legal or not."""
    arch = problem.arch
    chains = []
    for operand in problem.nest.operands:
        options: list[tuple[tuple[str, str], ...]] = [()]
        for memory in arch.memories[1:]:
            if operand.role in memory.keeps:
                options = [(*chosen, (operand.name, memory.name)) for chosen in options]
            elif operand.role in memory.may_keep:
                options = options + [(*chosen, (operand.name, memory.name)) for chosen in options]
        chains.append(options)
    for queues in product(*chains):
        yield from _keeps(problem, queues, (), dict(problem.nest.extents), frozenset())


def _keeps(
    problem: NestProblem, queues: Queues, nodes: tuple[Node, ...], ranges: Ranges, unrolled: frozenset[str]
) -> Iterator[tuple[Node, ...]]:
    """What can follow: the next keep of any operand, with loops and pars in front of it; or the innermost pars."""
    arch, nest = problem.arch, problem.nest
    if not any(queues):
        rest = tuple(axis for axis, _ in arch.array.axes if axis not in unrolled)
        for pars, _ in _pars(problem, rest, ranges):
            yield (*nodes, *pars)
        return
    above_pad = any(memory == arch.scratchpad.name for queue in queues for _, memory in queue)
    for number, queue in enumerate(queues):
        if not queue:
            continue
        name, memory = queue[0]
        per = next(m.per for m in arch.memories if m.name == memory)
        here = tuple(axis for axis, _ in arch.array.axes if axis in per and axis not in unrolled)
        dims = [d for d, _ in nest.dims if d in nest.operand(name).dims and d not in nest.whole]
        for loops, inner in _loops(dims, ranges, above_pad):
            for order in permutations(loops):
                for pars, within in _pars(problem, here, inner):
                    rest = (*queues[:number], queue[1:], *queues[number + 1 :])
                    grown = (*nodes, *order, *pars, Keep(name, memory))
                    yield from _keeps(problem, rest, grown, within, unrolled | set(here))


def _loops(dims: list[str], ranges: Ranges, any_tile: bool) -> Iterator[tuple[tuple[Loop, ...], Ranges]]:
    """Each dimension split once or not at all."""
    choices = []
    for dim in dims:
        length = ranges[dim]
        choices.append([None, *(t for t in range(1, length) if any_tile or length % t == 0)])
    for tiles in product(*choices):
        chosen = [(dim, tile) for dim, tile in zip(dims, tiles, strict=True) if tile is not None]
        yield tuple(Loop(dim, tile) for dim, tile in chosen), ranges | dict(chosen)


def _pars(problem: NestProblem, axes: tuple[str, ...], ranges: Ranges) -> Iterator[tuple[tuple[Par, ...], Ranges]]:
    """Pars of some axes, in the machine's order of axes: distinct dimensions on each, at most its positions in all."""
    if not axes:
        yield (), ranges
        return
    axis, *others = axes
    size = dict(problem.arch.array.axes)[axis]
    dims = [d for d, _ in problem.nest.dims if problem.arch.array.may_unroll(axis, d) and d not in problem.nest.whole]
    for tiles in product(*(_shares(ranges[dim], size) for dim in dims)):
        used = 1
        inner = dict(ranges)
        pars = []
        for dim, tile in zip(dims, tiles, strict=True):
            if tile < ranges[dim]:
                used *= -(-ranges[dim] // tile)
                inner[dim] = tile
                pars.append(Par(dim, tile, axis))
        if used <= size:
            for rest, within in _pars(problem, tuple(others), inner):
                yield (*pars, *rest), within


def _shares(length: int, size: int) -> list[int]:
    divisors = {d for d in range(1, length + 1) if length % d == 0}
    return sorted(divisors | {-(-length // p) for p in range(1, size + 1)}, reverse=True)
