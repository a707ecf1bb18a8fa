"""Operands that pass the scratchpad by: streamed refill by refill within a step, counted and checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.simulate.build import flat, machine, schedule_of, tiled
from tests.simulate.models import check, normal, one_node, run

from tilewright.arch.accelerator import Accelerator, Memory, OperandRole, Widths
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.plan.expand import expand
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import execute
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model

ALL: tuple[OperandRole, ...] = ("input", "weight", "output")


def without(*roles: str, **changes: object) -> Accelerator:
    """A scratchpad that never keeps some roles, and a memory at each position along lane_k that keeps everything."""
    arch = machine(**changes)
    dram, pad = arch.memories
    kept = tuple(role for role in ALL if role not in roles)
    inner = Memory("buffer", 1 << 14, ALL, per=("lane_k",), read_bandwidth=Fraction(7, 2), write_bandwidth=Fraction(3),
                   shared_port=False)  # fmt: skip
    return replace(arch, memories=(dram, replace(pad, keeps=kept), inner))


def optional(**changes: object) -> Accelerator:
    """A scratchpad that weights and inputs may bypass, and two memories inside it of which only the outer is shared."""
    arch = machine(**changes)
    dram, pad = arch.memories
    shared = Memory("shared", 1 << 14, ("weight", "output"), ("input",), double_buffered=True)
    inner = Memory("registers", 512, ("input", "output"), ("weight",), per=("lane_k", "lane_c"))
    return replace(arch, memories=(dram, replace(pad, keeps=("output",), may_keep=("input", "weight")), shared, inner))


MACHINES: dict[str, Accelerator] = {
    "weights": without("weight"),
    "results": without("output"),
    "inputs and weights": without("input", "weight"),
    "inputs, one by one": without("input", buffering="single", layout="nchw"),
    "all but inputs, roofline": without("weight", "output", timing="roofline"),
    "as one likes": optional(),
    "as one likes, narrow": optional(widths=Widths(4, 4, 4, 12)),
}
MODELS: dict[str, Callable[[], onnx.ModelProto]] = {
    "convolution": lambda: one_node(
        "Conv", [(2, 4, 7, 6)], [normal(1, 6, 4, 3, 2), normal(2, 6)], pads=[1, 0, 1, 1], strides=[2, 1]
    ),
    "product": lambda: one_node("MatMul", [(2, 5, 7)], [normal(1, 7, 6)]),
    "product of feature maps": lambda: one_node("MatMul", [(2, 5, 7), (2, 7, 6)]),
}


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.parametrize("model", MODELS)
def test_what_bypasses_the_scratchpad_moves_as_predicted(name: str, model: str, tmp_path: Path) -> None:
    for seed in range(4):
        errors = run(MODELS[model](), tmp_path, arch=MACHINES[name], seed=seed, mapper=tiled(seed, most=30))
        assert all(error.agrees for error in errors), seed


@pytest.mark.long
@pytest.mark.parametrize("name", MACHINES)
def test_much_that_bypasses_the_scratchpad_moves_as_predicted(name: str, tmp_path: Path) -> None:
    for seed in range(60):
        for model in MODELS.values():
            errors = run(model(), tmp_path, arch=MACHINES[name], seed=seed, mapper=tiled(seed, most=60))
            assert all(error.agrees for error in errors), seed


def product(tmp_path: Path) -> Network:
    onnx.save(one_node("MatMul", [(4, 6)], [normal(1, 6, 8)]), tmp_path / "model.onnx")
    return load_model(tmp_path / "model.onnx")


def again_for_every_row(problem: NestProblem) -> Mapping:
    """Weights for four columns at four positions, streamed for each row anew because columns move on inside rows."""
    nest = problem.nest
    inside: tuple[Node, ...] = (
        Loop("M", 1), Loop("N", 4), Par("N", 1, "lane_k"), *(Keep(o.name, "buffer") for o in nest.operands),
    )  # fmt: skip
    pad = problem.arch.scratchpad.name
    return Mapping((Keep("input", pad), Keep("output", pad), *inside))


def test_weights_come_as_often_as_the_loops_within_a_step_ask_for_them(tmp_path: Path) -> None:
    """4 rows, 2 halves of the columns: 8 refills of 6 x 4 bytes, which 4 positions fetch together."""
    schedule = schedule_of(product(tmp_path), without("weight"), again_for_every_row)
    plan = lower(schedule)
    done = execute(plan, ConstantStore(schedule.placed.network), seeded_inputs(schedule.placed.network))
    assert ("c0", "weight", 4 * 2 * 4 * 6) in done.traffic
    (step,) = expand(plan, plan.programs[0])
    assert [move.operand for move in step.streams] == ["weight"]
    assert step.streams[0].elements == 48
    # A position's buffer takes in 4 * 6 inputs, 8 * 6 weights and 48 sums of 4 bytes at 3 bytes a cycle. That is longer
    # than it computes (48 points) and reads, and than the stream of 192 bytes in 8 runs takes beside it.
    tile = (24 + 48 + 4 * 48) // 3
    assert tile > 3 * 8 + 192 // 4
    assert done.cycles == (3 + 24 // 4) + tile + (3 + 32 // 4)
    check(schedule)


def test_a_stream_that_is_left_out_is_noticed(tmp_path: Path) -> None:
    network = product(tmp_path)
    plan = lower(schedule_of(network, without("weight"), again_for_every_row))
    steps = [replace(step, streams=()) for step in expand(plan, plan.programs[0])]
    done = execute(plan, ConstantStore(network), seeded_inputs(network), steps=lambda _: steps)
    assert [hazard.kind for hazard in done.hazards] == ["unwritten"]


def test_a_stream_of_other_indices_than_the_step_needs_is_noticed(tmp_path: Path) -> None:
    network = product(tmp_path)
    plan: Plan = lower(schedule_of(network, without("weight"), again_for_every_row))

    def shorter() -> list[object]:
        (step,) = expand(plan, plan.programs[0])
        (move,) = step.streams
        return [replace(step, streams=(replace(move, counts=(5, 8)),))]

    done = execute(plan, ConstantStore(network), seeded_inputs(network), steps=lambda _: shorter())  # type: ignore[arg-type, return-value]
    assert [hazard.kind for hazard in done.hazards] == ["unwritten"]


def test_results_that_bypass_the_scratchpad_are_right(tmp_path: Path) -> None:
    network = product(tmp_path)
    arch = without("weight", "output")
    plan = lower(schedule_of(network, arch, flat))
    inputs = seeded_inputs(network)
    done = execute(plan, ConstantStore(network), inputs)
    assert not done.hazards
    (wanted,) = [inputs[name] @ ConstantStore(network).value("c0") for name in network.inputs]
    assert np.allclose(done.outputs["y"], wanted, rtol=1e-5)
