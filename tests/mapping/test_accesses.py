"""Accesses and energy: the scratchpad's are those of the interpreter, the rest as worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, mappings_of, problems_of, vectors
from tests.mapping.machines import MACHINES, machine, weights_inside

from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.interpreter import interpret
from tilewright.mapping.interpreter_time import array_side_bytes
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Mapping, Par
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import Accesses
from tilewright.mapping.unroll import direct_unrolling

WHOLE_BYTES = {name: arch for name, arch in MACHINES.items() if name != "odd widths"}


@settings(max_examples=200)
@given(st.data())
def test_the_scratchpad_serves_what_the_interpreter_sees(data: st.DataObject) -> None:
    problem = data.draw(problems_of(st.one_of(macs, vectors), WHOLE_BYTES))
    mapping = data.draw(mappings_of(problem))
    assume(not problems(problem, mapping))
    cost, steps = evaluate(problem, mapping), interpret(problem, mapping)
    moves = [move for step in steps for move in step.moves]
    parameters = sum(size * problem.arch.widths.accumulator // 8 for size in problem.parameters)
    through = sum(move.size_bytes for move in moves if move.kind != "stream") + parameters
    pad = [entry for entry in cost.accesses if entry.memory == "pad"]
    assert sum(e.read_bytes + e.write_bytes for e in pad) == through + array_side_bytes(problem, mapping, steps)
    dram = [entry for entry in cost.accesses if entry.memory == "dram"]
    assert sum(entry.read_bytes for entry in dram) == cost.dram_read_bytes
    assert sum(entry.write_bytes for entry in dram) == cost.dram_write_bytes


def test_accesses_and_energy_of_a_small_product_by_hand() -> None:
    problem = default_problem(gemm(4, 4, 4), weights_inside(), "nhwc")
    pars = direct_unrolling(problem, problem.nest.extents)
    # Rows of the input on the four positions along k, two halves of the columns along c: 8 steps.
    assert pars == (Par("M", 1, "k"), Par("N", 2, "c"))
    mapping = Mapping((Keep("input", "pad"), Keep("output", "pad"), *pars, Keep("weight", "weights")))
    cost = evaluate(problem, mapping)
    assert cost.accesses == (
        Accesses("dram", "input", 16, 0),
        Accesses("dram", "weight", 16, 0),
        Accesses("dram", "output", 0, 16),
        # 64 points; both halves along c share the input's words; finished results pass through once each way.
        Accesses("pad", "input", 32, 16),
        Accesses("pad", "output", 16, 16),
        # All four positions along k receive all weights; one read a point.
        Accesses("weights", "weight", 64, 64),
        # Sums of 32 bits: a read and a write a point, and a read to drain.
        Accesses("sums", "output", 64 + 256, 256),
    )
    dram = 32 * 64 + 16 * 65
    pad = (32 + 16) * 2 + (16 + 16) * 1.5
    inside = 64 * 0.2 + 64 * 0.3 + 320 * 0.1 + 256 * 0.15
    links = (64 + 64) * 0.25
    assert cost.energy_pj == pytest.approx(dram + pad + inside + links + 64 * 0.5)


def test_leakage_and_epilogues_cost_energy_and_no_time() -> None:
    plain = default_problem(gemm(4, 4, 4), machine(), "nhwc")
    warm = default_problem(gemm(4, 4, 4), machine(leakage_mw=2.0), "nhwc")
    keeps = Mapping(tuple(Keep(operand.name, "pad") for operand in plain.nest.operands))
    base, leaking = evaluate(plain, keeps), evaluate(warm, keeps)
    # 2 mW at 1 GHz are 2 pJ a cycle.
    assert leaking.energy_pj == pytest.approx(base.energy_pj + 2 * base.cycles)
    active = evaluate(type(plain)(plain.nest, plain.arch, plain.bindings, activations=3), keeps)
    assert active.cycles == base.cycles
    assert active.energy_pj == pytest.approx(base.energy_pj + 3 * 16 * 0.1)
