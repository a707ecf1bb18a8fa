"""Legal mappings drawn at random: any order of loops, keeps at any depth, tiles of any size."""

from __future__ import annotations

import random

from tests.simulate.random_arrays import random_array

from tilewright.errors import InfeasibleError
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.homes import PASS
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult
from tilewright.mapping.tiling import step_tile

MOST_STEPS = 2000
TRIES = 900


def draw_mapping(problem: NestProblem, rng: random.Random) -> Mapping:
    """A legal mapping; smaller and smaller tiles are tried where the memory is tight."""
    reasons: tuple[str, ...] = ()
    for attempt in range(TRIES):
        mapping = _draw(problem, rng, attempt / TRIES)
        if mapping is not None:
            reasons = problems(problem, mapping)
            if not reasons:
                return mapping
    raise InfeasibleError("; ".join(reasons) or "no mapping of few enough steps was drawn")


def random_result(problem: NestProblem, rng: random.Random) -> NestResult:
    """The shape of a search's answer around a random mapping."""
    mapping = draw_mapping(problem, rng)
    cost = evaluate(problem, mapping)
    return NestResult(mapping, cost, bound=0.0, gap=0.0, status="feasible", evaluated=1, seconds=0.0)


def _loops(problem: NestProblem, rng: random.Random, tightness: float) -> list[Loop]:
    nest = problem.nest
    reduced = nest.work.reduced if nest.work is not None and nest.work.kind == "normalise" else ()
    dims = [
        d
        for d, extent in nest.dims
        if extent > 1 and d not in nest.whole and d != PASS and rng.random() < 0.3 + tightness
        for _ in range(rng.choice([1, 1, 1, 2]))
    ]
    rng.shuffle(dims)
    inner = [d for d in dims if d in reduced]
    if inner:
        dims = [d for d in dims if d not in reduced] + [PASS] + inner
    loops, ranges = [], dict(nest.extents)
    for dim in dims:
        if dim == PASS:
            loops.append(Loop(PASS, 1))
        elif ranges[dim] > 1:
            share = rng.random() ** (1 + 4 * tightness)
            tile = min(ranges[dim] - 1, max(1, int(ranges[dim] * share)))
            ranges[dim] = tile
            loops.append(Loop(dim, tile))
    return loops


def _steps(problem: NestProblem, loops: list[Loop]) -> int:
    ranges, steps = dict(problem.nest.extents), 1
    for loop in loops:
        steps *= -(-ranges[loop.dim] // loop.tile)
        ranges[loop.dim] = loop.tile
    return steps


def _draw(problem: NestProblem, rng: random.Random, tightness: float) -> Mapping | None:
    nest = problem.nest
    loops = _loops(problem, rng, tightness)
    if _steps(problem, loops) > MOST_STEPS:
        return None
    pad = problem.arch.scratchpad
    kept = [o.name for o in nest.operands if nest.work is not None or o.role in pad.keeps]
    depth = {name: rng.randint(0, len(loops)) for name in kept}
    if nest.work is not None:
        # Vector nests do not spill: reductions stand below the output's keep.
        first = next((i for i, loop in enumerate(loops) if loop.dim in nest.reduction_dims), len(loops))
        output = nest.output.name
        depth[output] = len(loops) if nest.work.kind == "normalise" else min(depth[output], first)
    if max(depth.values(), default=0) < len(loops):
        depth[kept[0]] = len(loops)
    nodes: list[Node] = []
    for place in range(len(loops) + 1):
        nodes += [Keep(name, pad.name) for name in kept if depth[name] == place]
        nodes += loops[place : place + 1]
    return Mapping((*nodes, *random_array(problem, step_tile(nest, tuple(loops)), rng)))
