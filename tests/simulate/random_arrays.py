"""Array parts drawn at random: loops, unrollings and keeps in any order that the law allows and the memories hold."""

from __future__ import annotations

import random
from itertools import pairwise

from tilewright.arch.accelerator import Memory
from tilewright.mapping.arraypart import default_array_part, fits
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.mapping.problem import NestProblem

TRIES = 12


def kept_inside(problem: NestProblem, rng: random.Random) -> dict[str, list[Memory]]:
    """For every operand the memories below the scratchpad that hold it, outermost first; those that may, sometimes."""
    inner = problem.arch.below(problem.arch.scratchpad)
    return {
        o.name: [m for m in inner if o.role in m.keeps or (o.role in m.may_keep and rng.random() < 0.5)]
        for o in problem.nest.operands
    }


def random_array(problem: NestProblem, tile: dict[str, int], rng: random.Random) -> tuple[Node, ...]:
    """An array part for a step of those ranges; the plain one where nothing drawn fits."""
    if problem.nest.work is not None:
        return ()
    for _ in range(TRIES):
        nodes = _sized(rng, problem, tile, _order(rng, problem, tile, kept_inside(problem, rng)))
        if fits(problem.nest, problem.arch, tile, nodes):
            return nodes
    return default_array_part(problem, tile)


def _order(
    rng: random.Random, problem: NestProblem, tile: dict[str, int], kept: dict[str, list[Memory]]
) -> list[Keep | Loop | Par]:
    """Nodes without tiles: keeps below the pars of their memory's axes and above all others, loops anywhere."""
    array = problem.arch.array
    free = [dim for dim, length in tile.items() if length > 1]
    axes = {axis for axis, size in array.axes if size > 1 and rng.random() < 0.9}
    places = {frozenset(memory.per) for memories in kept.values() for memory in memories}
    while True:
        stages = sorted({place & axes for place in places}, key=lambda stage: (len(stage), sorted(stage)))
        if all(outer <= inner for outer, inner in pairwise(stages)):
            break
        axes.remove(rng.choice(sorted(axes)))
    nodes: list[Keep | Loop | Par] = []
    opened: set[str] = set()
    for stage in [*stages, frozenset(axes)]:
        for axis in sorted(stage - opened):
            dims = [dim for dim in free if array.may_unroll(axis, dim)]
            nodes += [Par(rng.choice(dims), 0, axis) for _ in range(rng.choice((1, 1, 2)))] if dims else []
        here = [[Keep(name, m.name) for m in memories if set(m.per) & axes == stage] for name, memories in kept.items()]
        rng.shuffle(here)
        nodes += [keep for keeps in here for keep in keeps if keep not in nodes]
        opened |= stage
    for dim in free:
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            # Small memories need most loops above their keeps.
            nodes.insert(min(rng.randint(0, len(nodes)), rng.randint(0, len(nodes))), Loop(dim, 0))
    return nodes


def _sized(
    rng: random.Random, problem: NestProblem, tile: dict[str, int], skeleton: list[Keep | Loop | Par]
) -> tuple[Node, ...]:
    """Tiles for a skeleton: often few for loops, for pars mostly as many chunks as the axis has positions left."""
    ranges, left = dict(tile), dict(problem.arch.array.axes)
    found: list[Node] = []
    for node in skeleton:
        if isinstance(node, Keep):
            found.append(node)
            continue
        whole = ranges[node.dim]
        if isinstance(node, Par):
            least = -(-whole // left[node.axis])
            size = least if rng.random() < 0.7 else rng.randint(least, whole)
            left[node.axis] //= -(-whole // size)
            found.append(Par(node.dim, size, node.axis))
        else:
            size = max(1, int(whole * rng.random() ** 3))
            found.append(Loop(node.dim, size))
        ranges[node.dim] = min(size, whole)
    return tuple(found)
