"""What the vector unit does in a tile step, for the slow interpreter: passes, counted from the step's elements.

Nothing of the fast formulas is used here (docs/model.md, section 5).
"""

from __future__ import annotations

from math import ceil, prod

from tilewright.mapping.interpreter_contents import READ, WRITE, Contents
from tilewright.mapping.interpreter_time import Pass
from tilewright.mapping.interpreter_walk import Step
from tilewright.workload.nest import VectorWork

STATISTICS, EXPONENTIALS = "statistics", "exponentials"


def vector_passes(contents: Contents, event: Step, *, fresh: bool, partial: bool) -> list[Pass]:
    """The passes of one step. ``fresh``: its results had nothing before; ``partial``: some step's results had."""
    problem, nest = contents.problem, contents.problem.nest
    work, widths = nest.work, problem.arch.widths
    assert work is not None
    taken = {o.name: len(contents.needs(o, event.ranges)[1]) * problem.bits(o.name) for o in nest.inputs}
    results = len(contents.needs(nest.output, event.ranges)[1])
    if work.kind == "normalise":
        return _normalise(contents, event, work, taken, results * widths.output)
    name, given = nest.output.name, results * (widths.accumulator if partial else widths.output)
    if work.kind == "map":
        return [_pass(contents, work.operations * results, taken, {name: given})]
    points = prod(len(values) for values in event.ranges.values())
    return [_pass(contents, points, taken if fresh else {**taken, name: given}, {name: given})]


def _normalise(contents: Contents, event: Step, work: VectorWork, taken: dict[str, int], given: int) -> list[Pass]:
    nest, widths = contents.nest, contents.problem.arch.widths
    own = {dim: values for dim, values in event.ranges.items() if dim != "pass"}
    points = prod(len(values) for values in own.values())
    rows = prod(len(values) for dim, values in own.items() if dim not in work.reduced)
    one = rows * widths.accumulator
    gathered, result = {STATISTICS: one}, {nest.output.name: given}
    if len(event.ranges["pass"]) == nest.extents["pass"]:
        first = _pass(contents, points, taken, gathered)
        if not work.exponentials:
            second = _pass(contents, points, {**taken, STATISTICS: one}, gathered)
            return [first, second, _pass(contents, points, {**taken, STATISTICS: 2 * one}, result)]
        kept = {EXPONENTIALS: len(contents.needs(nest.inputs[0], event.ranges)[1]) * widths.accumulator}
        second = _pass(contents, points, {**taken, STATISTICS: one}, {**gathered, **kept})
        return [first, second, _pass(contents, points, {**kept, STATISTICS: one}, result)]
    number = event.ranges["pass"].start
    again = 0 if all(own[dim].start == 0 for dim in work.reduced) else one
    if number == 2:
        return [_pass(contents, points, {**taken, STATISTICS: 2 * one}, result)]
    return [_pass(contents, points, {**taken, STATISTICS: number * one + again}, gathered)]


def _pass(contents: Contents, operations: int, reads: dict[str, int], writes: dict[str, int]) -> Pass:
    pad, lanes = contents.problem.arch.scratchpad.name, contents.problem.arch.vector.lanes
    bits = {(pad, name, READ): count for name, count in reads.items()}
    bits |= {(pad, name, WRITE): count for name, count in writes.items()}
    return Pass(ceil(operations / lanes), bits, operations)
