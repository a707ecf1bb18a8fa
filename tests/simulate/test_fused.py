"""Fused groups of which every cycle and byte was worked out by hand, and plans of groups that were damaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.simulate.build import Values, machine
from tests.simulate.mutations import noticed
from tests.simulate.random_groups import NO_COST, random_tiled
from tests.simulate.test_random_groups import ALL_MACHINES, drawn

from tilewright.arch.accelerator import Accelerator
from tilewright.cli import folder
from tilewright.cli.explain import _of_folder
from tilewright.cli.simulate import execute as execute_folder
from tilewright.cli.summary import summary
from tilewright.errors import InfeasibleError, InputError
from tilewright.mapping.mapping import Loop
from tilewright.plan.expand import expand
from tilewright.plan.expr import ZERO
from tilewright.plan.lower import lower
from tilewright.plan.plan import Access, Plan, Transfer
from tilewright.schedule.schedule import Group, Schedule
from tilewright.schedule.tiled import Run, Tiled
from tilewright.serial import to_json
from tilewright.simulate.executor import Execution
from tilewright.simulate.run import execute
from tilewright.workload.network import Network, Operator, Tensor
from tilewright.workload.storage import place

CONV = (("dilations", (1, 1)), ("groups", 1), ("pads", (0, 0, 0, 0)), ("strides", (1, 1)))
ROWS = (Loop("Y", 1),)
Change = Callable[[Transfer | Access], Transfer | Access]


def two_convolutions() -> Network:
    """x (6 rows of 2 channels) -> 3-row filters -> a (4 rows of 2) -> 2-row filters -> y (3 rows of 2)."""
    first = Operator("first", "Conv", ("x", "v"), "a", attributes=CONV)
    second = Operator("second", "Conv", ("a", "w"), "y", attributes=CONV)
    shapes = {"x": (1, 2, 6, 1), "v": (2, 2, 3, 1), "a": (1, 2, 4, 1), "w": (2, 2, 2, 1), "y": (1, 2, 3, 1)}
    tensors = tuple(Tensor(name, shape, constant=name in "vw") for name, shape in shapes.items())
    return Network("two", (first, second), tensors, ("x",), ("y",))


def fused(arch: Accelerator, **changes: object) -> Schedule:
    """Both in one group, row by row, everything computed one point after the other."""
    runs = (Run("first", (), "stay"), Run("second", (), "stay"))
    tiled = Tiled(runs, ROWS, None, "recompute", (), ("y",), (), NO_COST)
    tiled = replace(tiled, **changes)  # type: ignore[arg-type]
    group = Group(("first", "second"), (), tiled.overlap, (), (), (), tiled)
    return schedule_of(two_convolutions(), arch, group)


def schedule_of(network: Network, arch: Accelerator, *groups: Group) -> Schedule:
    placed = place(network, arch.layout)
    return Schedule(placed, arch, "edp", "by hand", "feasible", groups, 0.0, 0.0, 0.0)


def run(schedule: Schedule | Plan, network: Network | None = None) -> Execution:
    plan = lower(schedule) if isinstance(schedule, Schedule) else schedule
    network = schedule.placed.network if isinstance(schedule, Schedule) else network
    assert network is not None
    x = np.random.default_rng(1).standard_normal(network.shape("x")).astype(np.float32)
    return execute(plan, Values(network), {"x": x}, stop_at_hazard=False)  # type: ignore[arg-type]


# With `recompute` each pass computes two rows of `a` from four of x, then one of y.
#   first: 2 rows * 2 filters * 2 channels * 3 = 24 points; at the scratchpad 24 + 24 words of operands, 24 sums of 4 B
#     written, 24 - 4 read back, and the 4 results moved: 16 B read, 4 B written: 244 B at 16 B/cycle = 16 cycles
#   second: 8 points; 8 + 8 + 32 + (8 - 2) * 4 = 72 B = 5 cycles
#   loads: x 8 B in one run: 3 + 2; v 12 B and w 8 B with the first pass, v together with x: 6 + 5; w: 3 + 2
#   stores: 2 B in one run: 3 + 1
FIRST, SECOND = 24, 8
X_AND_V, X, W, Y = 11, 5, 5, 4


def test_two_convolutions_row_by_row() -> None:
    done = run(fused(machine()))
    steps = [
        max(FIRST, W), max(SECOND, X), max(FIRST, Y), max(SECOND, X), max(FIRST, Y), SECOND,
    ]  # fmt: skip
    assert done.hazards == ()
    assert done.cycles == X_AND_V + sum(steps) + Y == 111
    assert done.traffic == (("v", "weight", 12), ("w", "weight", 8), ("x", "load", 24), ("y", "store", 6))
    # Array side of the scratchpad: 3 passes of (24, 24, 80 + 16) read and 96 + 4 written, of (8, 8, 24) and 32.
    read, written = 3 * (24 + 24 + 96 + 8 + 8 + 24), 3 * (100 + 32)
    assert done.accesses == (("dram", 44, 6), ("pad", read + 6, written + 44))


def test_without_overlap_everything_adds_up() -> None:
    done = run(fused(machine(buffering="single")))
    assert done.hazards == ()
    assert done.cycles == 3 * (FIRST + SECOND) + X_AND_V + W + 2 * X + 3 * Y == 134


def test_a_roofline_is_that_of_the_group() -> None:
    done = run(fused(machine(timing="roofline")))
    assert done.hazards == ()
    assert done.cycles == max(3 * (FIRST + SECOND), -(-50 // 4), -(-(3 * (244 + 72) + 50) // 16)) == 96


def test_cached_rows_are_computed_and_loaded_once() -> None:
    # After the first pass one row of `a` is new: 12 points, and one of x: 2 B in one run, 3 + 1.
    schedule = fused(machine(), overlap="cache_rows")
    done = run(schedule)
    steps = [max(24, W), max(SECOND, 4), max(12, Y), max(SECOND, 4), max(12, Y), SECOND]
    assert done.hazards == ()
    assert done.cycles == X_AND_V + sum(steps) + Y == 87
    assert ("x", "load", 12) in done.traffic
    # x is a ring of rows: while the second window (2 .. 5) comes the first (0 .. 4) is there; `a` one of two rows.
    sizes = {b.name: b.counts for b in lower(schedule).buffers}
    assert sizes["second:x"] == (1, 2, 5, 1)
    assert sizes["second:a"] == (1, 2, 2, 1)


def test_channels_are_steps_of_their_own() -> None:
    # y comes filter by filter: 4 points a step, weights of 4 B streamed with each: 3 + 1; stores of 1 B: 3 + 1.
    runs = (Run("first", (), "stay"), Run("second", (), "stream"))
    done = run(fused(machine(), channels=Loop("K", 1), runs=runs))
    w, y = 4, 4
    one_pass = [max(FIRST, w + y), max(4, w), max(4, y + X)]
    steps = [max(FIRST, w), max(4, w), max(4, y + X), *one_pass, max(FIRST, w + y), max(4, w), max(4, y)]
    assert done.hazards == ()
    assert done.cycles == X_AND_V + sum(steps) + y
    assert ("w", "weight", 24) in done.traffic


def test_a_map_that_goes_elsewhere_too_is_stored_once() -> None:
    network = replace(two_convolutions(), outputs=("a", "y"))
    for overlap in ("recompute", "cache_rows"):
        group = fused(machine(), overlap=overlap, stored=("a", "y")).groups[0]
        done = run(schedule_of(network, machine(), group))
        assert done.hazards == ()
        assert ("a", "store", 8) in done.traffic
        assert set(done.outputs) == {"a", "y"}


def chain(over: bool) -> Schedule:
    """A convolution whose result stays on chip, and a sum with itself in its place or beside it; x loaded whole."""
    first = Operator("first", "Conv", ("x", "v"), "a", attributes=CONV)
    double = Operator(
        "double", "Elementwise", ("a", "a"), "y", attributes=(("function", "Add"), ("scalars", (None, None)))
    )
    network = two_convolutions()
    shapes = {"x": (1, 2, 6, 1), "v": (2, 2, 3, 1), "a": (1, 2, 4, 1), "y": (1, 2, 4, 1)}
    tensors = tuple(Tensor(name, shape, constant=name == "v") for name, shape in shapes.items())
    network = replace(network, operators=(first, double), tensors=tensors)
    one = Tiled((Run("first", (), "stay"),), ROWS, None, "recompute", ("x",), (), (), NO_COST)
    pair = (("y", "a"),) if over else ()
    two = Tiled((Run("double", (), "none"),), ROWS, None, "recompute", (), ("y",), pair, NO_COST)
    return schedule_of(
        network,
        machine(),
        Group(("first",), (), "recompute", (), ("a",), (), one),
        Group(("double",), (), "recompute", ("a",), ("y",), (), two),
    )


@pytest.mark.parametrize("over", [False, True])
def test_what_is_held_moves_no_bytes(over: bool) -> None:
    schedule = chain(over)
    plan, done = lower(schedule), run(schedule)
    at = {b.name: b.address_bytes for b in plan.buffers}
    assert (at["held:y"] == at["held:a"]) is over
    assert done.hazards == ()
    # x and v come with the first step: 12 + 12 B in two runs; 4 steps of 12 points, then nothing is stored.
    # Sums of 2 operands: 2 elements on 4 lanes, 4 + 2 B at 16 B/cycle: one cycle each, beside stores of 2 B: 3 + 1.
    assert done.cycles == (6 + 6) + 4 * 12 + (1 + 3 * 4 + 4)
    assert done.traffic == (("v", "weight", 12), ("x", "load", 12), ("y", "store", 8))


def test_a_base_that_nobody_left_on_chip_is_not_found_there() -> None:
    schedule = chain(over=False)
    with pytest.raises(InfeasibleError, match="'a' is to be found on chip, where no group before has left it"):
        lower(replace(schedule, groups=schedule.groups[1:]))


def test_buffers_that_cannot_be_placed_are_told() -> None:
    with pytest.raises(InfeasibleError, match=r"first \+ second: no addresses in pad"):
        lower(fused(machine().with_scratchpad(40)))


def test_a_plan_does_not_grow_with_the_number_of_passes() -> None:
    def size(rows: int, tile: int) -> int:
        shapes = {"x": (1, 2, rows + 3, 4), "a": (1, 2, rows + 1, 4), "y": (1, 2, rows, 4)}
        network = two_convolutions()
        tensors = tuple(replace(t, shape=shapes.get(t.name, t.shape)) for t in network.tensors)
        group = fused(machine(), overlap="cache_rows", loops=(Loop("Y", tile), Loop("X", 3))).groups[0]
        return len(to_json(lower(schedule_of(replace(network, tensors=tensors), machine(), group)), "plan"))

    assert size(211, 1) < 1.02 * size(211, 50)


def damaged(plan: Plan, change: Change) -> Plan:
    """The plan with transfers and accesses changed."""
    programs = [
        replace(
            program,
            transfers=tuple(change(t) for t in program.transfers),
            compute=replace(program.compute, accesses=tuple(change(a) for a in program.compute.accesses)),
        )
        for program in plan.programs
    ]
    return replace(plan, programs=tuple(programs))  # type: ignore[arg-type]


def with_spot(**changes: object) -> Change:
    """Changes wherever something lies in a ring."""

    def change(one: Transfer | Access) -> Transfer | Access:
        return one if one.at is None or one.at.axis is None else replace(one, at=replace(one.at, **changes))  # type: ignore[arg-type]

    return change


def shifted(one: Transfer | Access) -> Transfer | Access:
    """What is read in a ring lies one place further."""
    if isinstance(one, Transfer) or one.at is None or one.at.axis is None or one.operand != "input":
        return one
    return replace(one, at=replace(one.at, shift=one.at.shift + 1))


def without(cause: str) -> Change:
    """Transfers of a cause never happen."""
    return lambda one: replace(one, when=ZERO) if isinstance(one, Transfer) and one.cause == cause else one


@pytest.mark.parametrize(
    ("change", "kinds"),
    [
        (with_spot(length=1), {"overwritten", "shared in one step"}),
        (with_spot(length=6), {"outside buffer"}),
        (shifted, {"overwritten", "unwritten"}),
        (without("load"), {"unwritten"}),
        (without("weight"), {"unwritten"}),
    ],
    ids=["ring too short", "ring too long", "shifted", "no loads", "no weights"],
)
def test_damage_to_a_group_is_noticed(change: Change, kinds: set[str]) -> None:
    schedule = fused(machine(), overlap="cache_rows")
    done = run(damaged(lower(schedule), change), schedule.placed.network)
    assert {hazard.kind for hazard in done.hazards} & kinds


def test_results_may_take_the_place_of_an_input_only_where_the_plan_says_so() -> None:
    schedule = chain(over=True)
    plan = lower(schedule)
    programs = tuple(replace(p, compute=replace(p.compute, over="")) for p in plan.programs)
    done = run(replace(plan, programs=programs), schedule.placed.network)
    assert {hazard.kind for hazard in done.hazards} == {"shared in one step"}


def test_a_held_base_that_is_overwritten_is_noticed() -> None:
    schedule = chain(over=False)
    plan = lower(schedule)
    at = {b.name: b.address_bytes for b in plan.buffers}
    moved = tuple(replace(b, address_bytes=at["held:a"]) if b.name == "held:y" else b for b in plan.buffers)
    done = run(replace(plan, buffers=moved), schedule.placed.network)
    assert {hazard.kind for hazard in done.hazards} & {"shared in one step", "overwritten"}


def test_an_empty_step_takes_no_time_and_its_neighbours_are_right() -> None:
    # Pads of 3 above: the first chunk of y touches padding only, so that `first` has nothing to compute for it.
    network = two_convolutions()
    first, second = network.operators
    pads = replace(second, attributes=(*CONV[:2], ("pads", (3, 0, 0, 0)), CONV[3]))
    shapes = {"y": (1, 2, 6, 1)}
    tensors = tuple(replace(t, shape=shapes.get(t.name, t.shape)) for t in network.tensors)
    network = replace(network, operators=(first, pads), tensors=tensors)
    schedule = schedule_of(network, machine(), fused(machine()).groups[0])
    plan, done = lower(schedule), run(schedule)
    steps = list(expand(plan, plan.programs[0]))
    assert [step.empty for step in steps] == [True, True, False, False, False, False]
    assert [bool(step.loads) for step in steps] == [False, False, True, True, True, True]
    assert done.hazards == ()


def test_a_folder_with_groups_is_read_and_executed(tmp_path: Path) -> None:
    schedule = drawn(2, tmp_path)
    group = next(group for group in schedule.groups if group.tiled is not None)
    folder.save(tmp_path / "out", schedule)
    saved = folder.load(tmp_path / "out")
    assert saved.plan == lower(saved.schedule)
    done = execute_folder(saved.schedule, saved.plan, "stored", None, 0, False)
    assert done.run.hazards == ()
    assert " + ".join(group.operators)[:10] in summary(saved.schedule)
    with pytest.raises(InputError, match="runs tile by tile in the group"):
        _of_folder(tmp_path / "out", group.operators[0], False)


def test_the_same_seed_gives_the_same_groups(tmp_path: Path) -> None:
    network = drawn(3, tmp_path).placed.network
    arch = ALL_MACHINES["mobile-npu"]
    assert random_tiled(network, arch, 5) == random_tiled(network, arch, 5)


def test_random_damage_to_groups_is_found_out_or_changes_nothing(tmp_path: Path) -> None:
    seeds, times = (2, 7, 12, 26, 31, 33), 25
    found = sum(noticed(drawn(seed, tmp_path), seed, times) for seed in seeds)
    assert found > times * len(seeds) // 2
