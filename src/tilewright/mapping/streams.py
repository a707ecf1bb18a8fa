"""Operands that bypass the scratchpad: what flows between DRAM and a memory further in (docs/model.md, 4 and 6).

Loops of the array part may refill such a memory several times within a step, at several positions. However often,
they are one transfer per step as far as rounding goes; runs are those of every refill, for each position served apart.
"""

from __future__ import annotations

from itertools import product
from math import prod

import numpy as np

from tilewright.errors import LimitError
from tilewright.mapping.boundary import Boundary
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.traffic import Moves, contiguous_runs
from tilewright.mapping.words import counted_unions

MOST_KINDS = 4096


def stream_moves(boundary: Boundary, tiling: Tiling) -> Moves:
    """The transfers of an operand whose outermost keep stands in the array part's memories."""
    problem, operand = boundary.problem, boundary.operand
    level = boundary.level(tiling)
    elements = np.broadcast_to(boundary.elements(level), len(level))
    runs = np.broadcast_to(_runs(boundary, level), len(level))
    if operand.role == "output":
        return Moves(operand.name, "store", level.last_step, elements, runs, problem.arch.widths.output)
    cause = "weight" if operand.role == "weight" and problem.binding[operand.name].constant else "load"
    return Moves(operand.name, cause, level.first_step, elements, runs, problem.bits(operand.name))


def _runs(boundary: Boundary, level: Level) -> IntArray:
    """Runs of all refills in each iteration: refills whose boxes are alike are counted together. LimitError where
    they are of too many kinds."""
    binding = boundary.problem.binding[boundary.operand.name]
    axes = boundary.operand.axes
    kinds = [counted_unions(axis, *given) for axis, given in zip(axes, boundary.axis_cuts, strict=True)]
    total = np.zeros(1, dtype=np.int64)
    if binding.packed:
        total = np.ones(1, dtype=np.int64)
        for axis, mine in zip(axes, kinds, strict=True):
            total = total * sum((level.gather(axis.dims, times) for _, times in mine), np.zeros(1, dtype=np.int64))
    else:
        if (number := prod(len(mine) for mine in kinds)) > MOST_KINDS:
            raise LimitError(
                f"{boundary.operand.name} bypasses the scratchpad in boxes of {number} kinds; "
                f"runs of at most {MOST_KINDS} can be counted"
            )
        for boxes in product(*kinds):
            one = np.ones(1, dtype=np.int64)
            counts = [one * count for (count, _), _ in boxes]
            stretches = [one * several for (_, several), _ in boxes]
            often = contiguous_runs(counts, stretches, binding.strides, one)
            for axis, (_, times) in zip(axes, boxes, strict=True):
                often = often * level.gather(axis.dims, times)
            total = total + often
    for dim, factor in boundary.repeats:
        total = total * level.gather((dim,), factor.all_instances)
    return total
