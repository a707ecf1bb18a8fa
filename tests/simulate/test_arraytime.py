"""The simulator's time of a step equals a plain walk over its positions with the contents of every memory."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from tests.mapping.cases import random_mapping, random_problem

from tilewright.mapping.interpreter import interpreted
from tilewright.mapping.interpreter_time import StepSeen
from tilewright.mapping.mapping import Keep, Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.text import format_mapping
from tilewright.plan.boxes import loop_tree
from tilewright.plan.expand import expand
from tilewright.plan.expr import ONE
from tilewright.plan.plan import Compute, DimRange, Program
from tilewright.plan.stays import array_nodes, opening, stays
from tilewright.plan.step import Move, Region, Step
from tilewright.simulate.arraycost import Passing
from tilewright.simulate.arraytime import ArrayTime
from tilewright.simulate.chains import Surroundings, completes, links
from tilewright.simulate.tiletime import ArraySteps
from tilewright.simulate.timing import passing_runs

CASES = 250


def steps_of(problem: NestProblem, mapping: Mapping) -> tuple[Program, list[Step]]:
    """The program of a mapping without its transfers, and its steps."""
    nest, pad = problem.nest, problem.arch.scratchpad.name
    tree = loop_tree(nest.dims, mapping.tile_loops(pad))
    array = array_nodes(nest, mapping, pad)
    ranges = tree.ranges(len(tree.levels))
    reductions = [level for level in tree.levels if level.counter.dim in nest.reduction_dims]
    compute = Compute(
        tuple(DimRange(dim, ranges[dim].start, ranges[dim].count) for dim, _ in nest.dims), (), opening(reductions), ONE
    )
    counters = tuple(level.counter for level in tree.levels)
    program = Program("made up", 0, counters, tree.exists, array, stays(nest, mapping, tree, array, pad), (), compute)
    return program, list(expand(None, program))  # type: ignore[arg-type]


def timed(problem: NestProblem, mapping: Mapping, program: Program) -> ArrayTime:
    """Array time as a clock would make it, the scratchpad's width of results from its rule."""
    arch, nest = problem.arch, problem.nest
    kept = [o.name for o in nest.operands if Keep(o.name, arch.scratchpad.name) in mapping.keeps]
    levels = tuple(stay.level for stay in program.stays)
    around, output = Surroundings(arch, nest, program.array, program.counters, levels), nest.output
    first = links(around, output, kept=output.name in kept, bits=0)[0]
    whole = first.stay is not None and completes(around, first)
    width = arch.widths.output if whole else arch.widths.accumulator
    bits = {operand.name: problem.bits(operand.name) for operand in nest.inputs} | {output.name: width}
    constants = [binding.operand for binding in problem.bindings if binding.packed]
    return ArrayTime(arch, nest, program.array, levels, program.counters, kept, constants, bits)


def passed(problem: NestProblem, passing: Passing) -> tuple[int, int]:
    """Elements and runs of what bypasses the scratchpad."""
    binding = problem.binding[passing.operand]
    rank = len(problem.nest.operand(passing.operand).axes)
    strides = binding.strides or (1,) * rank
    move = Move(passing.operand, "weight" if binding.packed else "load", "", 0, strides, (1,) * rank, (0,) * rank,
                (1,) * rank, Region("", 0, ()))  # fmt: skip
    return passing.elements, passing_runs(move, passing)


def seen_past(step: StepSeen, pad: str) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for move in step.moves:
        if move.memory != pad:
            elements, runs = found.get(move.operand, (0, 0))
            found[move.operand] = elements + move.elements, runs + move.runs
    return found


def differences(problem: NestProblem, mapping: Mapping) -> list[object]:
    """Everything in which both disagree, step by step and in all."""
    pad, dram = problem.arch.scratchpad.name, problem.arch.dram.name
    seen = interpreted(problem, mapping)
    program, steps = steps_of(problem, mapping)
    array = timed(problem, mapping, program)
    if len(steps) != len(seen.steps):
        return [(len(steps), len(seen.steps))]
    time = ArraySteps(problem.arch, array)
    wrong: list[object] = []
    bits: Counter[tuple[str, str, int]] = Counter()
    for number, (step, truth) in enumerate(zip(steps, seen.steps, strict=True)):
        cost = time.of({dim: (start, count) for dim, start, count in step.ranges}, step.stays, first=step.first)
        wrong += [(number, fault) for fault in cost.faults]
        if cost.cycles != seen.tiles[number] or cost.compute_cycles != truth.passes[0].busy:
            wrong.append((number, "cycles", cost.cycles, seen.tiles[number], cost.ports, truth.passes))
        past = {one.operand: passed(problem, one) for one in cost.passing if one.elements}
        if past != seen_past(truth, pad):
            wrong.append((number, "past the scratchpad", past, seen_past(truth, pad)))
        for (memory, operand), pair in cost.bits:
            for side in (0, 1):
                bits[memory, operand, side] += pair[side]
    for (memory, operand), pair in seen.accesses.items():
        moved = {0: 0, 1: 0}
        for step in seen.steps:
            for (kind, name, _, where), (size, _) in step.transfers().items():
                if where == pad == memory and name == operand:
                    moved[0 if kind == "store" else 1] += size
        for side in (0, 1):
            mine = -(-bits[memory, operand, side] // 8) + moved[side]
            if memory != dram and operand != "parameters" and mine != pair[side]:
                wrong.append((memory, operand, "written" if side else "read", mine, pair[side]))
    return wrong


def check(seed: str, levels: int | None = None) -> None:
    rng = Random(seed)
    problem = random_problem(rng, levels)
    mapping = random_mapping(rng, problem)
    wrong = differences(problem, mapping)
    assert not wrong, f"{seed}: {wrong[:5]}\n{format_mapping(mapping)}"


@pytest.mark.parametrize("batch", range(10))
def test_steps_of_random_mappings_take_what_a_walk_over_their_positions_takes(batch: int) -> None:
    for case in range(batch, CASES, 10):
        check(f"array {case}")


@pytest.mark.long
@pytest.mark.parametrize("batch", range(10))
def test_steps_of_many_random_mappings_take_what_a_walk_over_their_positions_takes(batch: int) -> None:
    for case in range(batch, 20 * CASES, 10):
        check(f"many {case}")
