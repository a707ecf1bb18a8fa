"""Every hazard, provoked by hand in a plan that is right without the change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import helper
from tests.simulate.build import arrange, machine, schedule_of
from tests.simulate.models import model, normal, one_node

from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Loop, Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.plan.expand import expand
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan, Program
from tilewright.plan.step import Step
from tilewright.simulate.executor import Execution
from tilewright.simulate.hazards import KINDS
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import execute
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model

Steps = list[Step]
Change = Callable[[Plan], Plan]
Edit = Callable[[Steps], Steps]


def chosen(problem: NestProblem) -> Mapping:
    """Rows of the output outside, channels reduced inside: a window slides, weights are fetched again, sums grow."""
    if problem.nest.work is None:
        return arrange(problem, (Loop("Y", 2), Loop("C", 2)), {"input": 2, "weight": 2, "output": 1})
    return arrange(problem, (Loop("Y", 3),), {operand.name: 1 for operand in problem.nest.operands})


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    conv = helper.make_node("Conv", ["x", "w", "b"], ["t"], name="conv", pads=[1, 1, 1, 1])
    pool = helper.make_node("MaxPool", ["t"], ["y"], name="pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    made = model([conv, pool], {"x": (1, 4, 8, 6)}, ["y"], {"w": normal(1, 5, 4, 3, 3), "b": normal(2, 5)})
    path = tmp_path_factory.mktemp("hazards") / "model.onnx"
    onnx.save(made, path)
    return load_model(path)


@pytest.fixture(scope="module")
def plan(network: Network) -> Plan:
    return lower(schedule_of(network, machine(), chosen))


def run(network: Network, plan: Plan, operator: str = "", edit: Edit | None = None) -> Execution:
    def steps(program: Program) -> Iterable[Step]:
        found = list(expand(plan, program))
        return edit(found) if edit is not None and program.operator == operator else found

    return execute(plan, ConstantStore(network, "stored"), seeded_inputs(network), steps=steps)


def in_buffer(name: str, **changes: int) -> Change:
    """The plan with another address or size of one buffer."""
    return lambda plan: replace(
        plan,
        buffers=tuple(replace(b, **changes) if b.name == name else b for b in plan.buffers),  # type: ignore[arg-type]
    )


def at(number: int, **changes: Callable[[Step], object]) -> Edit:
    """The steps with one of them changed."""

    def edit(steps: Steps) -> Steps:
        step = steps[number]
        return [*steps[:number], replace(step, **{k: f(step) for k, f in changes.items()}), *steps[number + 1 :]]

    return edit


def without_first_load(step: Step) -> object:
    return step.loads[1:]


def narrower(step: Step) -> object:
    view = step.views[0]
    counts = (*view.counts[:-1], view.counts[-1] - 1)
    return (replace(view, counts=counts), *step.views[1:])


def stored_elsewhere(by: int) -> Callable[[Step], object]:
    return lambda step: tuple(replace(m, offset=m.offset + by) for m in step.stores)


def weights_elsewhere(step: Step) -> object:
    return tuple(replace(m, offset=m.offset + 1) if m.cause == "weight" else m for m in step.loads)


def loads_elsewhere(step: Step) -> object:
    return tuple(replace(m, offset=m.offset + 10_000) if m.cause == "load" else m for m in step.loads)


def loads_displaced(step: Step) -> object:
    return tuple(
        replace(m, region=replace(m.region, ring_start=m.region.ring_start + 1)) if m.cause == "load" else m
        for m in step.loads
    )


def into_used_slot(steps: Steps) -> Steps:
    """Weights of step 1 loaded, beside step 0, to where step 0 reads its own, and used from there."""
    region = steps[0].views[1].region
    loads = tuple(replace(m, region=region) if m.cause == "weight" else m for m in steps[1].loads)
    views = (steps[1].views[0], replace(steps[1].views[1], region=region), steps[1].views[2])
    return [steps[0], replace(steps[1], loads=loads, views=views), *steps[2:]]


def step_1_twice(steps: Steps) -> Steps:
    again = replace(steps[1], loads=(), stores=steps[1].stores)
    return [steps[0], replace(steps[1], stores=(), last=False), again, *steps[2:]]


def more_positions(plan: Plan) -> Plan:
    """Five output channels at once, along an axis of four positions."""
    first, *rest = plan.programs
    return replace(plan, programs=(replace(first, array=(Par("K", 1, "lane_k"),)), *rest))


def nothing(plan: Plan) -> Plan:
    return plan


CASES: dict[str, tuple[str, str, Change, Edit | None]] = {
    "a load is left out": ("unwritten", "conv", nothing, at(0, loads=without_first_load)),
    "a load goes to other rows of the ring": ("overwritten", "pool", nothing, at(1, loads=loads_displaced)),
    "a sum is finished too early": ("incomplete", "conv", nothing, at(0, last=lambda step: True)),
    "a reduction step runs twice": ("incomplete", "conv", nothing, step_1_twice),
    "a partial sum is stored as a result": ("incomplete", "conv", nothing, at(1, last=lambda step: False)),
    "a buffer is too small": ("outside buffer", "", in_buffer("conv/0/output", size_bytes=16), None),
    "a buffer stands at the end of the memory": (
        "outside memory",
        "",
        in_buffer("conv/0/output", address_bytes=(1 << 20) - 4),
        None,
    ),
    "a load arrives where the compute beside it reads": ("shared in one step", "conv", nothing, into_used_slot),
    "results lie on the window they are made from": (
        "shared in one step",
        "",
        in_buffer("pool/0/output", address_bytes=0),
        None,
    ),
    "a window lacks its last column": ("halo missing", "pool", nothing, at(1, views=narrower)),
    "a result is not stored": ("dram unwritten", "conv", nothing, at(1, stores=lambda step: ())),
    "a result of the network is not stored": ("dram unwritten", "pool", nothing, at(1, stores=lambda step: ())),
    "a load leaves its array": ("dram out of range", "pool", nothing, at(0, loads=loads_elsewhere)),
    "a store leaves its array": ("dram out of range", "pool", nothing, at(2, stores=stored_elsewhere(5))),
    "a store is off by one": ("wrong place", "pool", nothing, at(0, stores=stored_elsewhere(1))),
    "a tile is unrolled over more positions than there are": ("array part", "", more_positions, None),
    "a weight tile overlaps another": ("weight image", "conv", nothing, at(0, loads=weights_elsewhere)),
}


def test_the_plan_is_right_without_any_change(network: Network, plan: Plan) -> None:
    assert run(network, plan).hazards == ()


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_plan_stops_with_its_hazard(network: Network, plan: Plan, case: str) -> None:
    kind, operator, change, edit = CASES[case]
    found = run(network, change(plan), operator, edit).hazards
    assert [hazard.kind for hazard in found] == [kind], found


def test_every_kind_of_hazard_is_provoked() -> None:
    assert {kind for kind, *_ in CASES.values()} == set(KINDS)


def test_all_hazards_are_listed_when_the_execution_goes_on(network: Network, plan: Plan) -> None:
    def edit(steps: Steps) -> Steps:
        return [replace(step, loads=without_first_load(step)) for step in steps]

    done = execute(
        plan,
        ConstantStore(network, "stored"),
        seeded_inputs(network),
        stop_at_hazard=False,
        steps=lambda p: edit(list(expand(plan, p))),
    )
    assert len(done.hazards) > 5
    assert {hazard.operator for hazard in done.hazards} == {"conv", "pool"}
    assert set(done.outputs) == {"y"}


def test_a_hazard_says_where_it_is_and_what_was_there_instead(network: Network, plan: Plan) -> None:
    (found,) = run(network, plan, "conv", at(0, loads=without_first_load)).hazards
    assert str(found).startswith("conv step 0: unwritten: operand 'input' needs element ")
    assert "of 'x', but the bytes hold nothing" in str(found)


def test_partial_sums_that_are_read_back_before_they_have_left_are_noticed(tmp_path: Path) -> None:
    """In the last, ragged chunk of K one tile follows on itself: its sums are loaded while they are still drained."""
    refused = []

    def early(problem: NestProblem) -> Mapping:
        loops = (Loop("K", 4), Loop("C", 1), Loop("K", 2))
        mapping = arrange(problem, loops, {"input": 3, "weight": 3, "output": 3})
        refused.append(problems(problem, mapping))
        return mapping

    onnx.save(one_node("Conv", [(1, 3, 4, 4)], [normal(1, 6, 3, 1, 1)]), tmp_path / "model.onnx")
    network = load_model(tmp_path / "model.onnx")
    double = lower(schedule_of(network, machine(), early))
    assert [hazard.kind for hazard in run(network, double).hazards] == ["dram unwritten"]
    single = lower(schedule_of(network, machine(buffering="single"), early))
    assert run(network, single).hazards == ()
    assert [len(texts) for texts in refused] == [1, 0]
