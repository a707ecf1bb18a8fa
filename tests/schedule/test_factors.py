"""The cost of a box from factors of its axes is what the evaluation of the box by itself says."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

import tilewright as tw
from tilewright.errors import UsageError
from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.nests import default_problem
from tilewright.schedule.group.factors import BoxCounts
from tilewright.schedule.group.steps import StepCost, boxed, step_cost

MACHINES = ("mobile-npu", "simba", "eyeriss", "tpu", "tiny", "flat-64k")
CASES, BATCHES = 240, 6


def both(seed: int) -> tuple[StepCost, StepCost] | None:
    """A box of a random convolution under an array part for larger ones, counted in both ways."""
    rng = random.Random(seed)
    arch = tw.load_arch(rng.choice(MACHINES))
    sizes = {name: rng.randint(1, most) for name, most in (("K", 40), ("C", 20), ("Y", 20), ("X", 20))}
    window = {name: rng.randint(1, 4) for name in ("R", "S")}
    steps = {"stride": rng.randint(1, 2), "dilation": rng.randint(1, 2), "pad": rng.randint(0, 2)}
    try:
        nest = tw.conv2d(**sizes, **window, **steps, G=rng.choice((1, 1, 1, 4)))
    except UsageError:  # no input is left
        return None
    problem = default_problem(nest, arch, arch.layout)
    box = dict(nest.dims) | {dim: rng.randint(1, nest.extents[dim]) for dim in ("Y", "X")}
    largest = boxed(nest, {dim: (0, box[dim]) for dim in ("Y", "X")})
    array = default_array_part(replace(problem, nest=largest), box)
    ranges = {}
    for dim in ("Y", "X"):
        length = rng.randint(1, box[dim])
        ranges[dim] = (rng.randint(0, nest.extents[dim] - length), length)
    moved = rng.random() < 0.5
    counts = BoxCounts(problem, array, moved=moved)
    return counts.cost(ranges), step_cost(replace(problem, nest=boxed(nest, ranges)), array, moved)


def in_order(cost: StepCost) -> StepCost:
    return replace(cost, bits=tuple(sorted(cost.bits)), ports=tuple(sorted(cost.ports)))


@pytest.mark.parametrize("batch", range(BATCHES))
def test_boxes_from_factors_cost_what_they_cost_by_themselves(batch: int) -> None:
    compared = 0
    for seed in range(batch, CASES, BATCHES):
        found = both(seed)
        if found is not None:
            compared += 1
            assert in_order(found[0]) == in_order(found[1]), seed
    assert compared > 0.8 * CASES / BATCHES
