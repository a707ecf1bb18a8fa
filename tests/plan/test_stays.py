"""Stays below the scratchpad: one after the other, each with the ranges that it began with."""

from __future__ import annotations

from random import Random

import pytest
from tests.mapping.cases import random_mapping, random_problem
from tests.simulate.test_arraytime import steps_of

from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.nests import conv2d
from tilewright.plan.boxes import loop_tree
from tilewright.plan.stays import array_nodes, stays


@pytest.mark.parametrize("batch", range(5))
def test_stays_follow_on_each_other_and_keep_what_they_began_with(batch: int) -> None:
    for case in range(batch, 150, 5):
        rng = Random(f"stays {case}")
        problem = random_problem(rng)
        program, steps = steps_of(problem, random_mapping(rng, problem))
        for number, stay in enumerate(program.stays):
            current = last = None
            for step in steps:
                at = step.stays[number]
                assert at.begins == (current is None), "a stay begins where the one before has ended"
                current = current or at
                assert (at.ranges, at.zero, at.before) == (current.ranges, current.zero, current.before)
                for dim, start, count in at.before:
                    assert last is not None
                    assert (dim, start, count) in last.ranges
                if at.ends:
                    current, last = None, at
            assert current is None, "the last stay ends with the last step"
            assert stay.level <= len(program.counters)


def test_what_a_loop_within_the_step_refills_begins_and_ends_in_every_step() -> None:
    """Weights are refilled by K inside; sums grow over C, inside the loop that moves them on."""
    nest = conv2d(K=8, C=4, Y=6, X=1, R=3)
    mapping = Mapping(
        (Keep("input", "pad"), Keep("weight", "pad"), Loop("Y", 2), Loop("C", 2), Keep("output", "pad"),
         Par("C", 1, "c"), Keep("output", "sums"), Loop("K", 1), Keep("weight", "registers"))
    )  # fmt: skip
    tree = loop_tree(nest.dims, mapping.tile_loops("pad"))
    sums, weight = stays(nest, mapping, tree, array_nodes(nest, mapping, "pad"), "pad")
    assert (str(weight.begins), str(weight.ends), weight.level) == ("1", "1", 2)
    assert (str(sums.begins), str(sums.ends), sums.level) == ("(C0 == 0)", "(C0 == 1)", 1)
    assert (str(sums.zero), sums.before) == ("1", ())
    assert [str(r.start) for r in sums.ranges if r.dim in ("C", "Y")] == ["0", "(Y0 * 2)"]


def test_keeps_between_tile_loops_come_first_and_hold_what_is_left_there() -> None:
    nest = conv2d(K=8, C=4, Y=6, X=1, R=3)
    mapping = Mapping(
        (Keep("weight", "pad"), Keep("input", "pad"), Loop("Y", 2), Keep("input", "shared"), Loop("C", 2),
         Keep("output", "pad"), Loop("K", 1))
    )  # fmt: skip
    tree = loop_tree(nest.dims, mapping.tile_loops("pad"))
    array = array_nodes(nest, mapping, "pad")
    assert array == (Keep("input", "shared"), Loop("K", 1))
    (held,) = stays(nest, mapping, tree, array, "pad")
    assert (str(held.begins), str(held.slides)) == ("(C0 == 0)", "(1 <= Y0)")
    assert [(r.dim, str(r.count)) for r in held.ranges if r.dim in ("C", "Y")] == [("C", "4"), ("Y", "2")]
    assert [(r.dim, str(r.start)) for r in held.before] == [("Y", "((Y0 + -1) * 2)")]
