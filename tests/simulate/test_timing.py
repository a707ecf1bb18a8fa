"""Cycles and bytes of an execution against addresses counted one by one and sums made by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st
from tests.simulate.build import machine

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.mapping import Par
from tilewright.plan.expr import ONE, ZERO
from tilewright.plan.plan import Compute, Program, Transfer
from tilewright.plan.step import Move, Region, Step, View
from tilewright.simulate.tiletime import TileTime
from tilewright.simulate.timing import Clock, runs
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
BITS = {"input": 8, "weight": 8}
RANGES = {"M": (0, 6), "N": (0, 8), "K": (0, 10)}


def test_a_tile_takes_as_long_as_its_busiest_position_or_the_scratchpads_port() -> None:
    """4 x 2 positions: 6*2*5 cycles. Without memories below, 480 points read 480/4 words of the input (shared along
    lane_k) and 480 of the weight, write 480/2 sums of 4 bytes (added along lane_c) and read all but the 48 first."""
    tile = TileTime(machine(), GEMM, PARS, BITS).of(RANGES, first=True, output_bits=32)
    assert tile.compute_cycles == 60
    assert tile.ports.read_bytes == 120 + 480 + 4 * (240 - 48)
    assert tile.ports.write_bytes == 4 * 240
    assert tile.cycles == -(-(120 + 480 + 4 * 192 + 4 * 240) // 16)


def test_sums_that_go_on_are_read_from_their_first_point() -> None:
    tile = TileTime(machine(), GEMM, PARS, BITS).of(RANGES, first=False, output_bits=32)
    assert tile.ports.read_bytes == 120 + 480 + 4 * 240


def test_with_memories_below_the_scratchpad_serves_each_word_once() -> None:
    registers = Memory("registers", 64, ("input", "weight", "output"), per=("lane_k",))
    arch = machine()
    arch = replace(arch, memories=(*arch.memories, registers))
    first = TileTime(arch, GEMM, PARS, BITS).of(RANGES, first=True, output_bits=8)
    later = TileTime(arch, GEMM, PARS, BITS).of(RANGES, first=False, output_bits=32)
    assert (first.ports.read_bytes, first.ports.write_bytes) == (60 + 80, 48)
    assert (later.ports.read_bytes, later.ports.write_bytes) == (60 + 80 + 4 * 48, 4 * 48)
    assert first.cycles == 60


def test_ports_of_their_own_overlap() -> None:
    arch = machine()
    split = replace(arch.memories[1], shared_port=False, read_bandwidth=Fraction(8), write_bandwidth=Fraction(2))
    tile = TileTime(replace(arch, memories=(arch.memories[0], split)), GEMM, PARS, BITS)
    assert tile.of(RANGES, first=True, output_bits=32).cycles == max(-(-1368 // 8), 960 // 2)


def softmax(rows: int, length: int) -> LoopNest:
    axes = (plain("N", rows, 0), plain("C", length, 1))
    return LoopNest(
        (("N", rows), ("pass", 3), ("C", length)),
        (Operand("input", "input", axes), Operand("output", "output", axes)),
        work=VectorWork("normalise", reduced=("C",), exponentials=True),
    )


def test_the_passes_of_a_softmax_add_up() -> None:
    """5 rows of 9: each pass 45 operations on 4 lanes, or its bytes through 16 bytes a cycle."""
    tile = TileTime(machine(), softmax(5, 9), (), {"input": 8})
    whole = tile.of({"N": (0, 5), "pass": (0, 3), "C": (0, 9)}, first=True, output_bits=8)
    first = max(12, -(-(45 + 20) // 16))
    second = max(12, -(-(45 + 20 + 20 + 180) // 16))
    third = max(12, -(-(180 + 20 + 45) // 16))
    assert whole.cycles == first + second + third
    assert whole.compute_cycles == 36


def test_later_chunks_of_a_split_row_read_the_statistic_so_far() -> None:
    tile = TileTime(machine(), softmax(5, 9), (), {"input": 8})
    opening = tile.of({"N": (0, 5), "pass": (0, 1), "C": (0, 4)}, first=True, output_bits=8)
    going_on = tile.of({"N": (0, 5), "pass": (0, 1), "C": (4, 4)}, first=True, output_bits=8)
    assert opening.ports.read_bytes == 20
    assert going_on.ports.read_bytes == 20 + 20
    last = tile.of({"N": (0, 5), "pass": (2, 1), "C": (4, 4)}, first=False, output_bits=8)
    assert (last.ports.read_bytes, last.ports.write_bytes) == (20 + 40, 20)


def move(cause: str, operand: str, elements: int, stride: int = 1) -> Move:
    return Move(operand, cause, operand, 0, (stride,), (elements,), (0,), (1,), Region(operand, 0, (1,)))  # type: ignore[arg-type]


STEPS = (
    Step((("M", 0, 3), ("N", 0, 8), ("K", 0, 10)), (move("load", "input", 30), move("weight", "weight", 80)), (),
         (move("store", "output", 24),), (View("output", (), (), (), Region("output", 0, ())),), True, True),
    Step((("M", 3, 3), ("N", 0, 8), ("K", 0, 10)), (move("load", "input", 30, stride=2),), (),
         (move("store", "output", 24),), (View("output", (), (), (), Region("output", 0, ())),), True, True),
)  # fmt: skip


def clock(arch: Accelerator) -> Clock:
    empty = Transfer("load", "weight", "weight", "w", "w", ONE, (), (), (), ZERO, ())
    program = Program("gemm", 0, (), ONE, PARS, (empty,), Compute((), (), ONE, ONE))
    part = Part("", GEMM, (("input", "a"), ("weight", "b"), ("output", "c")))
    found = Clock(arch, program, part, {})
    for step in STEPS:
        found.add(step, 32)
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
