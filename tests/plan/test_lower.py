"""Plans: whole values that can be saved and read back, of a size that does not depend on the number of tiles."""

from __future__ import annotations

import pytest
from tests.simulate.build import arrange, machine, plan_of

from tilewright.arch.load import load_arch
from tilewright.errors import InputError
from tilewright.mapping.mapping import Loop, Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import Effort
from tilewright.memory.buffer import Buffer
from tilewright.memory.validate import problems
from tilewright.plan.expand import expand, iterations
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.schedule.run import schedule
from tilewright.schedule.schedule import Schedule
from tilewright.serial import from_json, to_json
from tilewright.workload.onnx_import import load_model

UNTIL = "relu_3.tmp_0"  # convolutions, a depthwise one, squeeze-and-excitation
FEW = "hardswish_0.tmp_0"  # the first of the convolutions, and what follows it by element


def tiled_by(problem: NestProblem, number: int) -> Mapping:
    """Every dimension of the results that is long enough in so many chunks, everything kept inside."""
    nest = problem.nest
    dims = [dim for dim, extent in nest.dims if dim in nest.output.dims and extent >= 6 and dim not in nest.whole]
    loops = tuple(Loop(dim, -(-nest.extents[dim] // number)) for dim in dims)
    return arrange(problem, loops, {operand.name: len(loops) for operand in nest.operands})


Case = tuple[str, Effort]
# Plain array parts for many operators, and what random moves through the hierarchy find for a few.
CASES = [(UNTIL, "quick"), (FEW, "good"), pytest.param((UNTIL, "good"), marks=pytest.mark.long)]


@pytest.fixture(scope="module", params=CASES, ids=["quick", "good", "long"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def scheduled(case: Case) -> Schedule:
    until, effort = case
    network = load_model("ocr_classifier", until=until)
    return schedule(network, load_arch("simba"), "latency", "layerwise", effort=effort)


@pytest.fixture(scope="module")
def found(case: Case) -> Schedule:
    return scheduled(case)


@pytest.fixture(scope="module")
def plan(found: Schedule) -> Plan:
    return lower(found)


def test_a_plan_and_a_schedule_read_back_as_they_were(found: Schedule, plan: Plan) -> None:
    assert from_json(to_json(plan, "plan"), Plan, "plan") == plan
    assert from_json(to_json(found, "schedule"), Schedule, "schedule") == found


def test_the_same_input_gives_the_same_bytes(case: Case, plan: Plan) -> None:
    again = lower(scheduled(case))
    assert to_json(again, "plan") == to_json(plan, "plan")


def test_every_program_has_the_steps_that_the_model_counted(found: Schedule, plan: Plan) -> None:
    assert [iterations(program) for program in plan.programs] == [part.cost.steps for part in found.parts]


def test_buffers_that_live_together_lie_apart_and_inside_the_scratchpad(plan: Plan) -> None:
    placed = [b for b in plan.buffers if b.address_bytes is not None]
    rooms = [Buffer(b.name, b.size_bytes, b.start, b.end) for b in placed]
    size = plan.arch.scratchpad.size_bytes
    assert size is not None
    assert placed
    assert problems(rooms, [b.address_bytes or 0 for b in placed], size, plan.arch.alignment_bytes) == ()


def test_arrays_in_dram_do_not_overlap(plan: Plan) -> None:
    end = 0
    for array in plan.arrays:
        assert array.address_bytes >= end
        end = array.address_bytes + -(-array.elements * array.bits // 8)


def test_a_plan_grows_with_operators_and_not_with_tiles() -> None:
    def halves(problem: NestProblem) -> Mapping:
        return tiled_by(problem, 2)

    def sixths(problem: NestProblem) -> Mapping:
        return tiled_by(problem, 6)

    network = load_model("ocr_classifier", until=UNTIL)
    coarse, fine = (plan_of(network, machine(), mapper) for mapper in (halves, sixths))
    steps = [sum(iterations(program) for program in plan.programs) for plan in (coarse, fine)]
    sizes = [len(to_json(plan, "plan")) for plan in (coarse, fine)]
    assert steps[1] > 5 * steps[0]
    assert sizes[1] < 2 * sizes[0]


def test_moves_stay_inside_their_arrays(plan: Plan) -> None:
    for program in plan.programs:
        for step in expand(plan, program):
            for move in (*step.loads, *step.streams, *step.stores):
                last = move.offset + sum((c - 1) * s for c, s in zip(move.counts, move.strides, strict=True))
                assert 0 <= move.offset <= last < plan.array[move.array].elements


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('"version": 1', '"version": 99'), "version 99 cannot be read"),
        (('"format": "tilewright.plan"', '"format": "something"'), "not a plan"),
        (('"slots": 1', '"slots": "many"'), "slots"),
        (('"when": "1"', '"when": "__import__(1)"'), "not an expression"),
    ],
)
def test_a_plan_edited_into_nonsense_is_refused_with_its_place(plan: Plan, change: tuple[str, str], words: str) -> None:
    text = to_json(plan, "plan")
    assert change[0] in text
    with pytest.raises(InputError, match=words):
        from_json(text.replace(*change, 1), Plan, "plan", "plan.json")
