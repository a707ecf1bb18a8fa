"""The fast model equals a plain walk over all loops with sets of indices."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, product

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, mappings_of, problems_of, vectors
from tests.mapping.machines import MACHINES

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.interpreter import interpret
from tilewright.mapping.interpreter_time import interpreted_cycles
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, without_single_loops
from tilewright.mapping.traffic import Moves, moves_in, visits


def fast_moves(problem: NestProblem, mapping: Mapping) -> list[Moves]:
    mapping = without_single_loops(problem.nest, mapping)
    tiling = Tiling(problem.nest, mapping.loops)
    visited = visits(problem, mapping, tiling)
    refills = [moves_in(problem, mapping, tiling, operand) for operand in problem.nest.inputs]
    return [*refills, visited.readbacks, visited.stores, visited.spills]


def compare(problem: NestProblem, mapping: Mapping) -> None:
    cost, steps = evaluate(problem, mapping), interpret(problem, mapping)
    assert cost.steps == len(steps)

    seen = {
        (number, move.operand, move.cause): (move.elements, move.runs, move.size_bytes)
        for number, step in enumerate(steps)
        for move in step.moves
    }
    claimed = {
        (int(step), moves.operand, moves.cause): (int(elements), int(runs), int(size))
        for moves in fast_moves(problem, mapping)
        for step, elements, runs, size in zip(moves.step, moves.elements, moves.runs, moves.transfer_bytes, strict=True)
        if elements
    }
    assert claimed == seen

    totals = Counter[tuple[str, str]]()
    for (_, operand, cause), (_, _, size) in seen.items():
        totals[operand, cause] += size
    parameters = sum(-(-size * problem.arch.widths.accumulator // 8) for size in problem.parameters)
    totals["parameters", "parameter"] = parameters
    assert {(t.operand, t.cause): t.bytes for t in cost.traffic} == {key: n for key, n in totals.items() if n}
    assert cost.cycles == interpreted_cycles(problem, mapping, steps)


@settings(max_examples=400)
@given(st.data())
def test_multiply_accumulates_move_and_take_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(problems_of(macs))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    compare(problem, mapping)


@settings(max_examples=300)
@given(st.data())
def test_a_mapping_is_refused_just_when_a_spilled_tile_returns_in_the_next_step(data: st.DataObject) -> None:
    problem = data.draw(problems_of(macs, {"double": MACHINES["double"]}))
    mapping = data.draw(mappings_of(problem))
    steps = interpret(problem, mapping)
    returns = False
    for before, after in pairwise(steps):
        spilled = [move.box for move in before.moves if move.cause == "spill"]
        read_back = [move.box for move in after.moves if move.cause == "readback"]
        for out, back in product(spilled, read_back):
            returns = returns or all(a & b for a, b in zip(out, back, strict=True))
    assert any("still drains" in sentence for sentence in problems(problem, mapping)) == returns


def test_visits_of_one_tile_that_follow_on_each_other_are_refused() -> None:
    # K is 5 in chunks of 4: the second chunk has a single inner chunk, so that C moves on with the tile still there.
    nest = gemm(M=2, N=5, K=6)
    problem = default_problem(nest, MACHINES["double"], "nhwc")
    keeps = tuple(Keep(operand.name, "pad") for operand in nest.operands)
    mapping = Mapping((Loop("N", 4), Loop("K", 3), Loop("N", 2), *keeps))
    assert any("still drains" in sentence for sentence in problems(problem, mapping))
    even = default_problem(gemm(M=2, N=8, K=6), MACHINES["double"], "nhwc")
    assert problems(even, mapping) == ()


@settings(max_examples=300)
@given(st.data())
def test_vector_operators_move_and_take_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(problems_of(vectors))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    compare(problem, mapping)
