"""Cycles and bytes of an execution against addresses counted one by one and sums made by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st
from tests.simulate.build import machine

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.plan.expr import ONE, ZERO
from tilewright.plan.plan import Access, Buffer, Compute, Program, Transfer
from tilewright.plan.step import Move, Region, Staying, Step, View
from tilewright.simulate.arraytime import ArrayTime
from tilewright.simulate.tiletime import ArraySteps, StepCost, VectorSteps
from tilewright.simulate.timing import Clock, Meter, runs
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork
from tilewright.workload.part import Part


@st.composite
def boxes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Counts and strides of a box in a row-major array of larger extents, axes in any order, some with steps."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    strides, total = [], 1
    for count in reversed(counts):
        step = draw(st.sampled_from([1, 1, 1, 2]))
        strides.insert(0, total * step)
        total *= count * step + draw(st.sampled_from([0, 0, 1]))
    order = draw(st.permutations(range(len(counts))))
    return tuple(counts[k] for k in order), tuple(strides[k] for k in order)


@given(boxes())
def test_runs_are_the_stretches_of_consecutive_addresses(box: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    counts, strides = box
    touched = sorted(
        sum(j * s for j, s in zip(place, strides, strict=True)) for place in product(*(range(c) for c in counts))
    )
    stretches = 1 + sum(b != a + 1 for a, b in pairwise(touched))
    assert runs(counts, strides) == stretches


def plain(dim: str, size: int, axis: int) -> Axis:
    return Axis(((dim, 1),), size, axis)


GEMM = LoopNest(
    (("M", 6), ("N", 8), ("K", 10)),
    (
        Operand("input", "input", (plain("M", 6, 0), plain("K", 10, 1))),
        Operand("weight", "weight", (plain("K", 10, 0), plain("N", 8, 1))),
        Operand("output", "output", (plain("M", 6, 0), plain("N", 8, 1))),
    ),
)
PARS = (Par("N", 2, "lane_k"), Par("K", 5, "lane_c"))
BITS = {"input": 8, "weight": 8, "output": 32}
RANGES = {"M": (0, 6), "N": (0, 8), "K": (0, 10)}


def array(arch: Accelerator, nodes: tuple[Node, ...] = PARS, bits: dict[str, int] = BITS) -> ArraySteps:
    """Steps of a product that the scratchpad holds whole."""
    return ArraySteps(arch, ArrayTime(arch, GEMM, nodes, (0,) * 3, (), ("input", "weight", "output"), (), bits))


def stays(number: int, *, begins: bool = True, ends: bool = True, zero: bool = True) -> tuple[Staying, ...]:
    ranges = tuple((dim, start, count) for dim, (start, count) in RANGES.items())
    return (Staying(begins, ends, zero, ranges, ()),) * number


def bits_of(cost: StepCost) -> dict[tuple[str, str], tuple[int, int]]:
    return dict(cost.bits)


def test_a_tile_takes_as_long_as_its_busiest_position_or_the_scratchpads_port() -> None:
    """4 x 2 positions: 6*2*5 cycles. Without memories below, 480 points read 480/4 words of the input (shared along
    lane_k) and 480 of the weight, write 480/2 sums of 4 bytes (added along lane_c) and read all but the 48 first."""
    tile = array(machine()).of(RANGES, (), first=True)
    assert tile.compute_cycles == 60
    assert bits_of(tile) == {
        ("pad", "input"): (8 * 120, 0),
        ("pad", "weight"): (8 * 480, 0),
        ("pad", "output"): (32 * (240 - 48), 32 * 240),
    }
    assert tile.cycles == -(-(120 + 480 + 4 * 192 + 4 * 240) // 16)


def test_sums_that_go_on_are_read_from_their_first_point() -> None:
    tile = array(machine()).of(RANGES, (), first=False)
    assert bits_of(tile)["pad", "output"] == (32 * 240, 32 * 240)


REGISTERS = Memory("registers", 64, ("input", "weight", "output"), per=("lane_k",))


def with_registers(**changes: object) -> Accelerator:
    """Registers for each of the four positions along lane_k, between the scratchpad and the multipliers."""
    arch = machine()
    return replace(arch, memories=(*arch.memories, replace(REGISTERS, **changes)))  # type: ignore[arg-type]


INSIDE: tuple[Node, ...] = (
    Loop("M", 1), PARS[0], Keep("output", "registers"), Loop("K", 5), Keep("input", "registers"),
    Keep("weight", "registers"), Par("K", 3, "lane_c"),
)  # fmt: skip


def test_registers_are_filled_by_the_loops_above_them() -> None:
    """Six rows by two halves of K. Each of 4 registers holds 5 inputs, 5 x 2 weights and 2 sums. The scratchpad reads
    the inputs once for all four; a position's point reads its registers, two positions' sums being added on the way."""
    tile = array(with_registers(), INSIDE, BITS | {"output": 8}).of(RANGES, stays(3), first=True)
    found = bits_of(tile)
    assert found["pad", "input"] == (8 * 6 * 2 * 5, 0)
    assert found["pad", "weight"] == (8 * 6 * 2 * 5 * 8, 0)
    assert found["pad", "output"] == (0, 8 * 6 * 8)
    # 3 and 2 of 5 indices along lane_c: three moments, in the third of which one position idles.
    moments = 6 * 2 * 2 * 3 * 4
    assert found["registers", "input"] == (8 * 6 * 2 * 5 * 2 * 4, 8 * 6 * 2 * 5 * 4)
    assert found["registers", "weight"] == (8 * 6 * 2 * 5 * 2 * 4, 8 * 6 * 2 * 5 * 8)
    assert found["registers", "output"] == (32 * (moments - 48) + 32 * 48, 32 * moments)
    assert tile.compute_cycles == 6 * 2 * 2 * 3
    assert tile.faults == ()


def test_partial_sums_come_back_where_a_loop_over_a_reduction_stands_outside() -> None:
    loops = (Loop("K", 5), Loop("M", 1))
    nodes = (*loops, PARS[0], *(Keep(name, "registers") for name in BITS), Par("K", 3, "lane_c"))
    tile = array(with_registers(size_bytes=256), nodes).of(RANGES, stays(3), first=True)
    found = bits_of(tile)
    assert found["pad", "output"] == (32 * 48, 32 * 2 * 48)
    later = array(with_registers(size_bytes=256), nodes).of(RANGES, stays(3, zero=False), first=False)
    assert bits_of(later)["pad", "output"] == (32 * 2 * 48, 32 * 2 * 48)


def test_what_stays_moves_only_in_the_first_and_last_step_of_its_stay() -> None:
    time = array(with_registers(size_bytes=256), (PARS[0], *(Keep(name, "registers") for name in BITS)))
    between = bits_of(time.of(RANGES, stays(3, begins=False, ends=False), first=False))
    assert ("pad", "input") not in between
    assert between["registers", "output"] == (32 * 480, 32 * 480)
    last = bits_of(time.of(RANGES, stays(3, begins=False, zero=False), first=False))
    assert last["pad", "output"] == (0, 32 * 48)


def test_where_positions_cannot_add_up_on_the_way_the_scratchpad_does() -> None:
    """Two halves of K along an axis without `reduce`: each element arrives twice and is read once before."""
    arch = with_registers(per=("lane_k", "lane_c"), size_bytes=256)
    arch = replace(arch, array=replace(arch.array, reduce=()))
    nodes = (*PARS, *(Keep(name, "registers") for name in BITS))
    found = bits_of(array(arch, nodes).of(RANGES, stays(3), first=True))
    assert found["pad", "output"] == (32 * 48, 32 * 96)
    going_on = bits_of(array(arch, nodes).of(RANGES, stays(3, zero=False), first=False))
    assert going_on["pad", "output"] == (32 * 96, 32 * 96)
    assert going_on["registers", "output"] == (32 * (480 - 96) + 32 * 96, 32 * 480)


def test_a_memory_below_with_a_port_may_take_longest() -> None:
    arch = with_registers(size_bytes=256, read_bandwidth=Fraction(1), write_bandwidth=Fraction(1))
    nodes = (PARS[0], *(Keep(name, "registers") for name in BITS), PARS[1])
    tile = array(arch, nodes).of(RANGES, stays(3), first=True)
    # One register: 60 + 20 words come in; 60 moments of 2 inputs, 2 weights and a sum added to; 12 sums go out.
    assert tile.cycles == (60 + 20) + 60 * 4 + 4 * (60 + 60 - 12) + 4 * 12


def test_an_array_part_that_is_wrong_is_told() -> None:
    arch = with_registers(size_bytes=256)
    keeps = tuple(Keep(name, "registers") for name in BITS)
    assert array(arch, (Par("N", 1, "lane_k"), *keeps)).of(RANGES, stays(3), first=True).faults == (
        "the array part does not work on each of 8 indices of N exactly once",
    )
    assert array(arch, (*PARS[:1], Par("K", 5, "lane_k"), *keeps)).of(RANGES, stays(3), first=True).faults == (
        "8 positions are needed along axis lane_k, which has 4",
    )
    small = array(with_registers(size_bytes=127), (PARS[0], *keeps, PARS[1])).of(RANGES, stays(3), first=True)
    assert small.faults == ("128 bytes are needed at one instance of registers, which has 127",)


def test_ports_of_their_own_overlap() -> None:
    arch = machine()
    split = replace(arch.memories[1], shared_port=False, read_bandwidth=Fraction(8), write_bandwidth=Fraction(2))
    tile = array(replace(arch, memories=(arch.memories[0], split)))
    assert tile.of(RANGES, (), first=True).cycles == max(-(-1368 // 8), 960 // 2)


def softmax(rows: int, length: int) -> LoopNest:
    axes = (plain("N", rows, 0), plain("C", length, 1))
    return LoopNest(
        (("N", rows), ("pass", 3), ("C", length)),
        (Operand("input", "input", axes), Operand("output", "output", axes)),
        work=VectorWork("normalise", reduced=("C",), exponentials=True),
    )


def vector() -> VectorSteps:
    return VectorSteps(machine(), softmax(5, 9), {"input": 8}, 8)


def test_the_passes_of_a_softmax_add_up() -> None:
    """5 rows of 9: each pass 45 operations on 4 lanes, or its bytes through 16 bytes a cycle."""
    whole = vector().of({"N": (0, 5), "pass": (0, 3), "C": (0, 9)}, first=True)
    first = max(12, -(-(45 + 20) // 16))
    second = max(12, -(-(45 + 20 + 20 + 180) // 16))
    third = max(12, -(-(180 + 20 + 45) // 16))
    assert whole.cycles == first + second + third
    assert whole.compute_cycles == 36


def test_later_chunks_of_a_split_row_read_the_statistic_so_far() -> None:
    tile = vector()
    opening = tile.of({"N": (0, 5), "pass": (0, 1), "C": (0, 4)}, first=True)
    going_on = tile.of({"N": (0, 5), "pass": (0, 1), "C": (4, 4)}, first=True)
    assert bits_of(opening)["pad", "statistics"] == (0, 8 * 20)
    assert bits_of(going_on)["pad", "statistics"] == (8 * 20, 8 * 20)
    last = bits_of(tile.of({"N": (0, 5), "pass": (2, 1), "C": (4, 4)}, first=False))
    assert last == {("pad", "input"): (8 * 20, 0), ("pad", "output"): (0, 8 * 20), ("pad", "statistics"): (8 * 40, 0)}


def move(cause: str, operand: str, elements: int, stride: int = 1) -> Move:
    return Move(operand, cause, operand, 0, (stride,), (elements,), (0,), (1,), Region(operand, 0, (1,)))  # type: ignore[arg-type]


STEPS = (
    Step((("M", 0, 3), ("N", 0, 8), ("K", 0, 10)), (move("load", "input", 30), move("weight", "weight", 80)), (),
         (move("store", "output", 24),), (View("output", (), (), (), Region("output", 0, ())),), True, True),
    Step((("M", 3, 3), ("N", 0, 8), ("K", 0, 10)), (move("load", "input", 30, stride=2),), (),
         (move("store", "output", 24),), (View("output", (), (), (), Region("output", 0, ())),), True, True),
)  # fmt: skip


def clock(arch: Accelerator) -> Clock:
    buffers = {
        name: Buffer(name, name, "pad", "other", (), 1, None, 0, 1, bits, 0, 0, 0, 0) for name, bits in BITS.items()
    }
    transfers = tuple(
        Transfer("load", cause, name, name, name, ONE, (), (), (), ZERO, ())  # type: ignore[arg-type]
        for name, cause in (("input", "load"), ("weight", "weight"), ("output", "store"))
    )
    accesses = tuple(Access(name, name, (), (), (), ONE) for name in BITS)
    program = Program("gemm", 0, (), ONE, PARS, (), transfers, Compute((), accesses, ONE, ONE))
    part = Part("", GEMM, (("input", "a"), ("weight", "b"), ("output", "c")))
    found = Clock(arch, [Meter(arch, program, part, buffers)], buffers, {})
    for step in STEPS:
        assert found.add(step) == ()
    return found


# Each step: 240 points; 60 + 240 input and weight words, 120 sums of 4 bytes written, 96 read: 1164 bytes in 73 cycles.
TILE = 73
LOAD_1, LOAD_2, STORE = 3 * 2 + 28, 3 * 30 + 8, 3 + 6


def test_overlapped_steps_take_the_longer_of_tile_and_transfers() -> None:
    time = clock(machine()).finish()
    assert time.cycles == LOAD_1 + max(TILE, LOAD_2) + max(TILE, STORE) + STORE
    assert (time.dma_cycles, time.array_cycles, time.vector_cycles) == (LOAD_1 + LOAD_2 + 2 * STORE, 2 * TILE, 0)


def test_without_overlap_everything_adds_up() -> None:
    assert clock(machine(buffering="single")).finish().cycles == LOAD_1 + LOAD_2 + 2 * TILE + 2 * STORE


def test_a_roofline_is_the_longest_of_computing_and_each_memory() -> None:
    found = clock(machine(timing="roofline"))
    moved = 30 + 80 + 30 + 24 + 24
    assert found.finish().cycles == max(-(-moved // 4), -(-(moved + 2 * 1164) // 16), 60)


def test_traffic_is_counted_by_tensor_and_cause() -> None:
    assert clock(machine()).traffic == {("a", "load"): 60, ("b", "weight"): 80, ("c", "store"): 48}
