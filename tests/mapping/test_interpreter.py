"""The fast model equals a plain walk over all loops and positions with the contents of every memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isclose
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import deep_problems, macs, mappings_of, problems_of, random_mapping, random_problem, vectors
from tests.mapping.machines import MACHINES

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.interpreter import Interpreted, interpreted
from tilewright.mapping.interpreter_contents import READ, WRITE, Contents
from tilewright.mapping.interpreter_walk import Cycle, Enter, Leave, real_nodes, size, walk
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import NestCost, NestProblem
from tilewright.mapping.text import format_mapping


def claims(problem: NestProblem, cost: NestCost) -> dict[str, object]:
    """What the fast model says, by name."""
    return {
        "steps": cost.steps,
        "macs": cost.macs,
        "traffic": {(t.operand, t.cause): t.bytes for t in cost.traffic if t.bytes},
        "accesses": {(a.memory, a.operand): (a.read_bytes, a.write_bytes) for a in cost.accesses},
        "delivered bytes": cost.delivered_bytes,
        "vector operations": cost.vector_operations,
        "cycles": cost.cycles,
        "compute cycles": cost.compute_cycles,
        "scratchpad bytes": cost.scratchpad_bytes,
    }


def facts(problem: NestProblem, seen: Interpreted) -> dict[str, object]:
    """The same of what the interpreter saw."""
    roofline = problem.arch.timing == "roofline"
    return {
        "steps": len(seen.steps),
        "macs": seen.macs,
        "traffic": {key: size_bytes for key, size_bytes in seen.traffic.items() if size_bytes},
        "accesses": seen.accesses,
        "delivered bytes": seen.delivered_bytes,
        "vector operations": seen.vector_operations,
        "cycles": seen.own_cycles,
        "compute cycles": seen.compute_cycles if roofline else sum(seen.tiles),
        "scratchpad bytes": seen.room[problem.arch.scratchpad.name],
    }


def sized(problem: NestProblem, sizes: dict[str, int]) -> NestProblem:
    """The problem on a machine whose memories have those sizes."""
    memories = tuple(replace(m, size_bytes=sizes.get(m.name, m.size_bytes)) for m in problem.arch.memories)
    return replace(problem, arch=replace(problem.arch, memories=memories))


def differences(problem: NestProblem, mapping: Mapping) -> list[str] | None:
    """Every count in which model and interpreter differ; None for a mapping that hazards forbid, if both say so."""
    seen = interpreted(problem, mapping)
    overlaps = problem.arch.timing == "pipelined" and problem.arch.buffering == "double"
    faults = problems(problem, mapping)
    hazard = overlaps and seen.returns
    if hazard and len(faults) == 1 and "still drains" in faults[0]:
        return None
    if faults or hazard:
        return [f"legality: the model says {faults or 'legal'}, the interpreter {'a hazard' if hazard else 'legal'}"]
    cost = evaluate(problem, mapping)
    claimed, found = claims(problem, cost), facts(problem, seen)
    wrong = [
        f"{name}: model {claimed[name]}, interpreter {found[name]}" for name in found if claimed[name] != found[name]
    ]
    if not isclose(cost.energy_pj, seen.energy_pj, rel_tol=1e-9):
        wrong.append(f"energy: model {cost.energy_pj}, interpreter {seen.energy_pj}")
    # Just enough room is enough, and a byte less in any memory is too little.
    if problems(sized(problem, seen.room), mapping):
        wrong.append(f"room: {seen.room} bytes are enough, but {problems(sized(problem, seen.room), mapping)}")
    for memory, needed in seen.room.items():
        if needed and not problems(sized(problem, {memory: needed - 1}), mapping):
            wrong.append(f"room: {memory} needs {needed} bytes, but one less is accepted")
    return wrong


def compare(problem: NestProblem, mapping: Mapping) -> None:
    wrong = differences(problem, mapping)
    assume(wrong is not None)
    assert not wrong, "\n".join([*wrong, format_mapping(mapping)])


@settings(max_examples=200)
@given(st.data())
def test_mappings_through_deep_hierarchies_cost_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(deep_problems())
    compare(problem, data.draw(mappings_of(problem)))


@settings(max_examples=150)
@given(st.data())
def test_multiply_accumulates_move_and_take_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(problems_of(macs))
    assume(problem.nest.points <= 2000)
    # What fits is drawn for the scratchpad alone; ``differences`` measures how much room is just enough elsewhere.
    inner = {memory.name: 2**20 for memory in problem.arch.memories if memory.per}
    problem = sized(problem, inner)
    compare(problem, data.draw(mappings_of(problem)))


@settings(max_examples=200)
@given(st.data())
def test_vector_operators_move_and_take_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(problems_of(vectors))
    compare(problem, data.draw(mappings_of(problem)))


@pytest.mark.long
def test_five_thousand_random_mappings_cost_what_the_interpreter_sees() -> None:
    for number in range(5000):
        rng = Random(f"long {number}")
        problem = random_problem(rng)
        mapping = random_mapping(rng, problem)
        assert not differences(problem, mapping), (number, format_mapping(mapping))


def played(problem: NestProblem, mapping: Mapping) -> Contents:
    """The machine's memories after a mapping of multiply-accumulates has run."""
    nodes = real_nodes(problem.nest, mapping)
    contents = Contents(problem, nodes)
    for event in walk(problem.nest, nodes, problem.arch.scratchpad.name):
        do: dict[type, Callable[..., None]] = {Enter: contents.enter, Leave: contents.leave, Cycle: contents.compute}
        if type(event) in do:
            do[type(event)](event)
    return contents


@settings(max_examples=100)
@given(st.data())
def test_arrivals_additions_and_read_backs_obey_the_algebra_of_visits(data: st.DataObject) -> None:
    """A writes and A - S' reads at every memory that results arrive at; W - (A - S') of the child start from zero."""
    problem = data.draw(deep_problems())
    contents = played(problem, data.draw(mappings_of(problem)))
    name = problem.nest.output.name
    side = {direction: dict.fromkeys([m.name for m in problem.arch.memories], 0) for direction in (READ, WRITE)}
    for (_, memory, operand, direction), words in contents.array_side.items():
        if operand == name:
            side[direction][memory] += words.total()
    for stage in contents.stages[name][1:]:
        visited = sum(size(box) for _, boxes in stage.footprints for box in boxes.values())
        back = contents.outer_words[stage.memory, name, WRITE]
        back += contents.outer_bits[stage.memory, name, WRITE] // problem.arch.widths.accumulator
        assert side[READ][stage.memory] == side[WRITE][stage.memory] - (visited - back)


def test_visits_of_one_tile_that_follow_on_each_other_are_refused() -> None:
    # K is 5 in chunks of 4: the second chunk has a single inner chunk, so that C moves on with the tile still there.
    nest = gemm(M=2, N=5, K=6)
    problem = default_problem(nest, MACHINES["double"], "nhwc")
    keeps = tuple(Keep(operand.name, "pad") for operand in nest.operands)
    mapping = Mapping((Loop("N", 4), Loop("K", 3), Loop("N", 2), *keeps))
    assert any("still drains" in sentence for sentence in problems(problem, mapping))
    assert interpreted(problem, mapping).returns
    even = default_problem(gemm(M=2, N=8, K=6), MACHINES["double"], "nhwc")
    assert problems(even, mapping) == ()
