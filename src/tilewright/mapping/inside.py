"""A better array part for a mapping whose tile loops stay as they are: by recipes, each evaluated exactly."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.mapping.mapping import Mapping
from tilewright.mapping.recipes import Recipe, made, shortlist
from tilewright.mapping.refine import Judge, Judged
from tilewright.mapping.tiling import step_tile, without_single_chunks

MANY, FEW = 16, 3  # ways to unroll that are tried in a form or two, those of them that are tried in all


def better_inside(judge: Judge, start: Judged) -> Judged:
    """The best of a mapping and those that differ from it in what happens within a step of full size."""
    problem, mapping = judge.problem, start.mapping
    nest, arch = problem.nest, problem.arch
    outside = mapping.nodes[: mapping.array_place(arch.scratchpad.name)]
    tile = step_tile(nest, mapping.tile_loops(arch.scratchpad.name))
    found = [start]

    def best(recipes: Sequence[Recipe]) -> list[Recipe]:
        """Those that give different legal mappings, best first."""
        legal: dict[Mapping, tuple[Judged, Recipe]] = {}
        for recipe in recipes:
            nodes = None if judge.spent else made(recipe, nest, arch, tile)
            if nodes is not None:
                one = judge.judge(Mapping((*outside, *without_single_chunks(nodes, tile))))
                if one is not None:
                    legal.setdefault(one.mapping, (one, recipe))
        found.extend(one for one, _ in legal.values())
        return [recipe for _, recipe in sorted(legal.values(), key=lambda pair: pair[0].key)]

    shortlist(nest, arch, tile, MANY, FEW, best)
    return min(found, key=lambda one: one.key)
