"""Buffers are as large as what lies in them, and no larger than the rules allow."""

from __future__ import annotations

from itertools import product
from math import prod

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, mappings_of, problems_of, vectors
from tests.mapping.machines import MACHINES, machine

from tilewright.mapping.buffers import operand_buffers
from tilewright.mapping.interpreter import footprint, interpret
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.problem import NestProblem


def rows(mapping_rows: int, *above: Loop, **changes: object) -> dict[str, tuple[int | None, int, int]]:
    """(ring axis, ring length, slots) per operand, for a 3x3 convolution of 12 rows in tiles."""
    problem = default_problem(conv2d(K=4, C=4, Y=12, X=5, R=3, S=3, pad=1), machine(**changes), "nhwc")
    keeps = tuple(Keep(o.name, "pad") for o in problem.nest.operands)
    buffers = operand_buffers(problem, Mapping((*above, Loop("Y", mapping_rows), *keeps)))
    return {b.operand: (b.ring_axis, b.ring_length, b.slots) for b in buffers}


def test_a_window_with_nothing_above_has_a_footprint_and_an_increment() -> None:
    # Four output rows need six input rows; the next four bring four more.
    assert rows(4) == {"input": (3, 6 + 4, 1), "weight": (None, 0, 1), "output": (None, 0, 2)}


def test_a_window_below_another_loop_has_two_footprints() -> None:
    assert rows(4, Loop("C", 2))["input"] == (3, 2 * 6, 1)
    assert rows(4, Loop("K", 2))["input"] == (3, 2 * 6, 1)


def test_single_buffers_and_rooflines_rewrite_the_window_in_place() -> None:
    assert rows(4, buffering="single") == {"input": (3, 6, 1), "weight": (None, 0, 1), "output": (None, 0, 1)}
    assert rows(4, timing="roofline") == rows(4, buffering="single")


def test_temporaries_and_parameters_follow_the_operands() -> None:
    from tests.mapping.test_legal import axes, vector_problem

    from tilewright.workload.nest import VectorWork

    dims = (("pass", 3), ("A", 4), ("B", 6))
    work = VectorWork("normalise", reduced=("B",), exponentials=True)
    problem = vector_problem(work, dims, axes(("A", 4), ("B", 6)))
    problem = NestProblem(problem.nest, problem.arch, problem.bindings, parameters=(6,), held_parameters=(2,))
    keeps = (Keep("input", "pad"), Keep("output", "pad"))
    whole = operand_buffers(problem, Mapping((Loop("A", 2), *keeps)))
    assert [(b.operand, b.kind_class, b.size_bytes) for b in whole[2:]] == [
        ("statistics", "other", 2 * 2 * 4),
        ("exponentials", "other", 2 * 6 * 4),
        ("parameter0", "other", 24),
        ("parameter1", "other", 8),
    ]
    split = operand_buffers(problem, Mapping((Loop("pass", 1), Loop("B", 2), *keeps)))
    assert [b.operand for b in split] == ["input", "output", "statistics", "parameter0", "parameter1"]


@settings(max_examples=200)
@given(st.data())
def test_no_buffer_is_smaller_than_what_is_live(data: st.DataObject) -> None:
    problem = data.draw(problems_of(st.one_of(macs, vectors), {name: MACHINES[name] for name in ("double", "single")}))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    buffers = {buffer.operand: buffer for buffer in operand_buffers(problem, mapping)}
    steps = interpret(problem, mapping)
    doubled = problem.arch.buffering == "double"
    for operand in problem.nest.inputs:
        buffer = buffers[operand.name]
        held: set[tuple[int, ...]] = set()
        span = 0
        for step in steps:
            new = {e for move in step.moves if move.operand == operand.name for e in product(*move.box)}
            if new and doubled:
                # The next refill comes in while all of the last one is still in use.
                assert len(held | new) <= buffer.elements
            used = set(product(*footprint(operand, step.ranges)))
            held = used if new else held | used
            assert len(held) <= prod(buffer.counts)
            if held and buffer.ring_axis is not None:
                along = [element[buffer.ring_axis] for element in held]
                span = max(span, max(along) - min(along) + 1)
        room = prod(buffer.counts)
        if buffer.ring_axis is not None:
            # A ring has room for the span of a window, which a ragged tile with holes may widen; of a dilated window at
            # the edge of a small input less is there than a buffer without a ring counts.
            span = max(span, buffer.counts[buffer.ring_axis])
            room = prod(c for k, c in enumerate(buffer.counts) if k != buffer.ring_axis) * span
        assert buffer.elements <= (2 if doubled else 1) * room
        assert 0 <= buffer.size_bytes * 8 - buffer.elements * buffer.bits < 8
