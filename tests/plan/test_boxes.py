"""Boxes as expressions of counters, held against sets of indices."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tilewright.mapping.mapping import Loop
from tilewright.plan.boxes import LoopTree, box, loop_tree, new_indices
from tilewright.plan.expr import evaluate, parse
from tilewright.workload.nest import Axis, Operand


@st.composite
def windows(draw: st.DrawFn) -> tuple[dict[str, int], Axis, list[Loop]]:
    extents = {"Y": draw(st.integers(1, 9)), "R": draw(st.integers(1, 4))}
    stride, dilation, pad = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(0, 3))
    natural = (extents["Y"] - 1) * stride + (extents["R"] - 1) * dilation + 1
    size = max(1, natural - pad - draw(st.integers(0, 3)))
    axis = Axis((("Y", stride), ("R", dilation)), size, 0, offset=-pad)
    loops = draw(
        st.lists(
            st.one_of(
                st.builds(Loop, st.just("Y"), st.integers(1, 9)), st.builds(Loop, st.just("R"), st.integers(1, 4))
            ),
            max_size=4,
        )
    )
    shrinking, current = [], dict(extents)
    for loop in loops:
        if loop.tile < current[loop.dim]:
            current[loop.dim] = loop.tile
            shrinking.append(loop)
    return extents, axis, shrinking


def walk(extents: dict[str, int], loops: list[Loop]) -> list[tuple[tuple[int, ...], dict[str, range]]]:
    """Every iteration by plain recursion: counters and ranges."""
    found: list[tuple[tuple[int, ...], dict[str, range]]] = []

    def inner(level: int, counters: tuple[int, ...], ranges: dict[str, range]) -> None:
        if level == len(loops):
            found.append((counters, ranges))
            return
        loop = loops[level]
        outer = ranges[loop.dim]
        for index, start in enumerate(range(outer.start, outer.stop, loop.tile)):
            chunk = range(start, min(outer.stop, start + loop.tile))
            inner(level + 1, (*counters, index), {**ranges, loop.dim: chunk})

    inner(0, (), {name: range(extent) for name, extent in extents.items()})
    return found


def footprint(axis: Axis, ranges: dict[str, range]) -> set[int]:
    """Section 3 of docs/model.md on sets: holes belong to it once two dimensions span more than one index."""
    touched = {
        sum(c * i for (_, c), i in zip(axis.terms, point, strict=True)) + axis.offset
        for point in itertools.product(*(ranges[d] for d in axis.dims))
    }
    if all(len(ranges[d]) > 1 for d in axis.dims):
        touched = set(range(min(touched), max(touched) + 1))
    return {i for i in touched if 0 <= i < axis.size}


def members(start: Any, count: Any, step: Any) -> set[int]:
    return {int(start) + int(step) * j for j in range(int(count))}


def at(tree: LoopTree, counters: tuple[int, ...]) -> dict[str, int]:
    return {level.counter.name: value for level, value in zip(tree.levels, counters, strict=True)}


@given(windows())
@settings(max_examples=400, deadline=None)
def test_every_iteration_exists_exactly_once_and_has_the_ranges_of_the_loops(case: Any) -> None:
    extents, _, loops = case
    tree = loop_tree(tuple(extents.items()), loops)
    walked = dict(walk(extents, loops))
    every = itertools.product(*(range(level.counter.trips) for level in tree.levels))
    existing = [c for c in every if evaluate(tree.exists, at(tree, c))]
    assert existing == list(walked)
    for counters, ranges in walked.items():
        for dim, found in tree.ranges(len(tree.levels)).items():
            env = at(tree, counters)
            assert evaluate(found.start, env) == ranges[dim].start
            assert evaluate(found.count, env) == len(ranges[dim])


@given(windows())
@settings(max_examples=600, deadline=None)
def test_a_box_is_the_footprint_and_a_sliding_refill_is_what_the_last_one_lacked(case: Any) -> None:
    extents, axis, loops = case
    operand = Operand("input", "input", (axis,))
    tree = loop_tree(tuple(extents.items()), loops)
    before: set[int] | None = None
    outer: tuple[int, ...] | None = None
    for counters, ranges in walk(extents, loops):
        env = at(tree, counters)
        held = box(operand, tree.ranges(len(tree.levels)), tree.whole)
        expected = footprint(axis, ranges)
        (start,), (count,), (step,) = (
            (evaluate(e, env) for e in part) for part in (held.starts, held.counts, held.steps)
        )
        assert members(start, count, step) == expected
        if tree.levels:
            first, number = new_indices(axis, tree.levels[-1])
            moved = members(evaluate(first, env), evaluate(number, env), step)
            same_sweep = before is not None and counters[:-1] == outer
            assert moved == (expected - before if same_sweep and before is not None else expected)
            assert parse(str(first)) is not None
            assert evaluate(parse(str(first)), env) == evaluate(first, env)
        before, outer = expected, counters[:-1]
