"""The comparison can fail: typical mistakes of a lowering are each detected."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.simulate.build import claim_of, machine, schedule_of, tiled
from tests.simulate.models import model, normal

from tilewright.plan.expand import expand
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan, PlannedOperator, Program
from tilewright.plan.step import Move, Step
from tilewright.schedule.schedule import Schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import Claim, Run, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network, Operator
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["t"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["t"], ["u"], name="relu"),
        helper.make_node("Conv", ["u", "v"], ["y"], name="second", pads=[1, 1, 1, 1], strides=[2, 2]),
    ]
    constants = {"w": normal(1, 8, 8, 3, 3), "b": normal(2, 8), "v": normal(3, 5, 8, 3, 3)}
    path = tmp_path_factory.mktemp("detection") / "model.onnx"
    onnx.save(model(nodes, {"x": (1, 8, 10, 9)}, ["y"], constants), path)
    return rewrite(load_model(path))


@pytest.fixture(scope="module")
def schedule(network: Network) -> Schedule:
    return schedule_of(network, machine(), tiled(4))


class WrongChannels(ConstantStore):
    """Hands out one weight with its input channels in another order."""

    def value(self, name: str) -> np.ndarray:
        value = super().value(name)
        return value[:, ::-1] if name == "w" else value

    def reference_model(self) -> onnx.ModelProto:
        return ConstantStore(self.network, "stored").reference_model()


def run(schedule: Schedule, change: Plan | None = None, store: ConstantStore | None = None, edit: object = None) -> Run:
    network, plan = schedule.placed.network, change or lower(schedule)

    def steps(program: Program) -> Iterable[Step]:
        found = expand(plan, program)
        return (edit(step) for step in found) if callable(edit) and program.operator == "first" else found

    return simulate(
        plan, store or ConstantStore(network, "stored"), seeded_inputs(network), claim_of(schedule), steps=steps
    )


def with_operator(plan: Plan, name: str, change: object) -> Plan:
    assert callable(change)
    found = tuple(change(entry) if entry.operator.name == name else entry for entry in plan.operators)
    return replace(plan, operators=found)


def test_the_plan_is_right_without_any_change(schedule: Schedule) -> None:
    done = run(schedule)
    assert done.matched
    assert done.max_relative_error < 1e-6


def test_a_wrong_order_of_a_weights_channels_shows_in_the_numbers(schedule: Schedule) -> None:
    done = run(schedule, store=WrongChannels(schedule.placed.network, "stored"))
    assert not done.hazards
    assert done.cycles_executed == done.cycles_predicted
    assert done.max_relative_error > 0.1
    assert not done.matched


def test_a_wrong_order_of_the_inputs_channels_is_a_hazard(schedule: Schedule) -> None:
    def edit(step: Step) -> Step:
        return replace(step, loads=tuple(_reversed_channels(move) for move in step.loads))

    done = run(schedule, edit=edit)
    assert [hazard.kind for hazard in done.hazards] == ["overwritten"]


def _reversed_channels(move: Move) -> Move:
    """The same box, its channels brought in from last to first."""
    if move.cause != "load":
        return move
    offset = move.offset + (move.counts[2] - 1) * move.strides[2]
    return replace(move, offset=offset, strides=(*move.strides[:2], -move.strides[2], *move.strides[3:]))


def test_a_bias_that_is_loaded_but_not_added_shows_in_the_numbers(schedule: Schedule) -> None:
    def forget(entry: PlannedOperator) -> PlannedOperator:
        bias = entry.operator.parameters[0]
        return replace(entry, operator=replace(entry.operator, parameters=(replace(bias, role="unused"),)))

    plan = with_operator(lower(schedule), "first", forget)
    programs = tuple(
        replace(p, compute=replace(p.compute, parameters=())) if p.operator == "first" else p for p in plan.programs
    )
    done = run(schedule, replace(plan, programs=programs))
    assert not done.hazards
    assert done.bytes_executed == done.bytes_predicted
    assert done.max_relative_error > 0.01
    assert not done.matched


def test_an_activation_that_is_left_out_shows_in_the_numbers(schedule: Schedule) -> None:
    def forget(entry: PlannedOperator) -> PlannedOperator:
        assert entry.operator.epilogue
        plain: Operator = replace(entry.operator, epilogue=())
        return replace(entry, operator=plain)

    done = run(schedule, with_operator(lower(schedule), "first", forget))
    assert done.max_relative_error > 0.01


def test_a_halo_off_by_one_is_a_hazard(schedule: Schedule) -> None:
    def edit(step: Step) -> Step:
        loads = tuple(replace(m, offset=m.offset + 8) if m.cause == "load" else m for m in step.loads)
        return replace(step, loads=loads)

    done = run(schedule, edit=edit)
    assert [hazard.kind for hazard in done.hazards] in (["overwritten"], ["dram out of range"])


def test_a_padding_off_by_one_is_detected(schedule: Schedule) -> None:
    """The nest reads one row further down than the operator does, and so does the plan that is made from it."""

    def shift(entry: PlannedOperator) -> PlannedOperator:
        part = entry.parts[0]
        rows = part.nest.inputs[0]
        axes = tuple(replace(a, offset=a.offset + 1) if a.tensor_axis == 2 else a for a in rows.axes)
        operands = (replace(rows, axes=axes), *part.nest.operands[1:])
        return replace(entry, parts=(replace(part, nest=replace(part.nest, operands=operands)),))

    done = run(schedule, with_operator(lower(schedule), "first", shift))
    assert not done.matched
    assert done.hazards or done.max_relative_error > 0.1


def test_a_claim_that_is_off_by_one_cycle_or_byte_does_not_match(schedule: Schedule) -> None:
    network, plan = schedule.placed.network, lower(schedule)
    store, inputs = ConstantStore(network, "stored"), seeded_inputs(network)
    claim = claim_of(schedule)
    (tensor, cause, size), *rest = claim.traffic
    wrong = [
        Claim(claim.cycles + 1, claim.traffic),
        Claim(claim.cycles, ((tensor, cause, size + 1), *rest)),
        Claim(claim.cycles, tuple(rest)),
        Claim(claim.cycles, ((tensor, "spill", size), *rest)),
        Claim(claim.cycles, claim.traffic, (("pad", 1, 1),)),
    ]
    assert simulate(plan, store, inputs, claim, compare=False).matched
    assert not any(simulate(plan, store, inputs, other, compare=False).matched for other in wrong)


def test_an_execution_is_the_same_every_time(schedule: Schedule) -> None:
    first, second = run(schedule), run(schedule)
    assert first.execution.cycles == second.execution.cycles
    assert first.execution.traffic == second.execution.traffic
    assert np.array_equal(first.execution.outputs["y"], second.execution.outputs["y"])
