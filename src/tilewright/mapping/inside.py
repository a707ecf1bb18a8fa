"""A better array part for a mapping whose tile loops stay as they are: by recipes, each evaluated exactly."""

from __future__ import annotations

from collections.abc import Iterable

from tilewright.mapping.mapping import Mapping
from tilewright.mapping.recipes import Recipe, forms, made, unrollings
from tilewright.mapping.refine import Judge, Judged
from tilewright.mapping.tiling import step_tile, without_single_chunks

MANY, FEW = 16, 3  # ways to unroll that are tried in a form or two, those of them that are tried in all


def better_inside(judge: Judge, start: Judged) -> Judged:
    """The best of a mapping and those that differ from it in what happens within a step of full size."""
    problem, mapping = judge.problem, start.mapping
    nest, arch = problem.nest, problem.arch
    outside = mapping.nodes[: mapping.array_place(arch.scratchpad.name)]
    tile = step_tile(nest, mapping.tile_loops(arch.scratchpad.name))
    every = forms(nest, arch)
    some = [form for form in every if form[:2] == every[0][:2]]

    def judged(recipes: Iterable[Recipe]) -> list[tuple[Judged, Recipe]]:
        """Those that are legal, best first."""
        found: dict[Mapping, tuple[Judged, Recipe]] = {}
        for recipe in recipes:
            nodes = None if judge.spent else made(recipe, nest, arch, tile)
            if nodes is not None:
                one = judge.judge(Mapping((*outside, *without_single_chunks(nodes, tile))))
                if one is not None:
                    found.setdefault(one.mapping, (one, recipe))
        return sorted(found.values(), key=lambda pair: pair[0].key)

    first = judged(Recipe(one, *form) for one in unrollings(nest, arch, tile, MANY) for form in some)[:FEW]
    last = judged(Recipe(recipe.unrolling, *form) for _, recipe in first for form in every)
    return min([start, *(one for one, _ in (*first, *last))], key=lambda one: one.key)
