"""The interpreter counts what docs/model.md says, in cases small enough to work out on paper."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from tests.mapping.machines import ALL, dram, machine, pad

from tilewright.arch.accelerator import Accelerator, Array, Memory, Widths
from tilewright.mapping.interpreter import Interpreted, interpreted
from tilewright.mapping.interpreter_walk import stretches
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.problem import Binding
from tilewright.mapping.text import parse_mapping
from tilewright.workload.nest import LoopNest

WHOLE = "keep input in pad\nkeep weight in pad\nkeep output in pad\n"


def see(nest: LoopNest, arch: Accelerator, text: str, **changes: Any) -> Interpreted:
    problem = default_problem(nest, arch, "nhwc")
    return interpreted(replace(problem, **changes), parse_mapping(text, nest, arch))


def inside(name: str, *roles: str, per: tuple[str, ...] = (), **changes: Any) -> Memory:
    return Memory(name, 1 << 16, roles, per=per, **changes)  # type: ignore[arg-type]


def shares(multicast: tuple[str, ...] = ("k", "c"), reduce: tuple[str, ...] = ("c",)) -> dict[str, Array]:
    return {"array": Array((("k", 4), ("c", 3)), multicast=multicast, reduce=reduce, link_pj=0.25, mac_pj=0.5)}


# Inputs and weights.

WINDOWS = WHOLE + "for Y in tiles of 2\npar Y in tiles of 1 on k\nkeep input in rows\n"


def test_positions_share_a_multicast_of_the_rows_that_each_of_them_lacks() -> None:
    # Rows needed: 0-2 and 1-3, together four; then each position lacks two, 3-4 and 4-5, together three.
    seen = see(conv2d(K=1, C=1, Y=4, X=1, R=3), machine(inside("rows", "input", per=("k",))), WINDOWS)
    assert seen.accesses["pad", "input"] == (4 + 3, 6)
    # Each position writes all that it receives, and the multipliers take a word for each of the 12 points.
    assert seen.accesses["rows", "input"] == (12, 6 + 4)
    # Weights: one word serves both positions in each of 6 cycles, and is delivered to both.
    assert seen.accesses["pad", "weight"] == (6, 3)
    assert seen.delivered_bytes == 10 + 12


def test_without_multicast_every_position_reads_a_copy() -> None:
    arch = machine(inside("rows", "input", per=("k",)), **shares(multicast=("c",)))
    seen = see(conv2d(K=1, C=1, Y=4, X=1, R=3), arch, WINDOWS)
    assert seen.accesses["pad", "input"] == (6 + 4, 6)
    assert seen.accesses["pad", "weight"] == (12, 3)


def test_an_outer_loop_fills_a_window_again() -> None:
    nest = conv2d(K=2, C=1, Y=4, X=1, R=3)
    arch = machine(inside("rows", "input"))
    again = see(nest, arch, WHOLE + "for K in tiles of 1\nfor Y in tiles of 1\nkeep input in rows\n")
    # Three rows, then one more for each of three steps; and all of that for each filter.
    assert again.accesses["pad", "input"] == (2 * (3 + 3), 6)
    # A loop that the input does not use leaves the window alone.
    left = see(nest, arch, WHOLE + "for Y in tiles of 1\nfor K in tiles of 1\nkeep input in rows\n")
    assert left.accesses["pad", "input"] == (6, 6)


def test_padding_moves_nothing_and_is_computed_all_the_same() -> None:
    nest = conv2d(K=1, C=1, Y=4, X=1, R=3, pad=(1, 0, 1, 0))
    seen = see(nest, machine(), WHOLE)
    # 12 points; the first and the last row of outputs meet padding once each.
    assert seen.compute_cycles == seen.macs == 12
    assert seen.accesses["pad", "input"] == (10, 4)


def test_holes_between_the_rows_of_a_window_are_moved_and_those_of_a_single_term_are_not() -> None:
    arch = machine(inside("rows", "input"))
    whole = see(conv2d(K=1, C=1, Y=3, X=1, R=2, stride=(3, 1)), arch, WHOLE + "keep input in rows\n")
    # Rows 0-1, 3-4, 6-7: the range from 0 to 7.
    assert whole.accesses["rows", "input"] == (6, 8)
    one = see(conv2d(K=1, C=1, Y=3, X=1, R=2, stride=(3, 1)), arch, WHOLE + "for R in tiles of 1\nkeep input in rows\n")
    # Rows 0, 3, 6, then 1, 4, 7: the second three lie in another phase.
    assert one.accesses["rows", "input"] == (6, 6)


def test_a_position_without_a_range_idles_and_takes_no_part_in_a_refill() -> None:
    # Rows 0-3 on two positions, then row 4 on the first alone.
    text = WHOLE + "for M in tiles of 4\nfor N in tiles of 1\npar M in tiles of 2 on k\nkeep weight in words\n"
    seen = see(gemm(M=5, N=2, K=1), machine(inside("words", "weight", per=("k",))), text)
    assert seen.compute_cycles == 2 * (2 + 1)
    assert seen.accesses["pad", "weight"] == (4, 2)
    assert seen.accesses["words", "weight"] == (10, 2 * 2 + 2 * 1)


def test_a_position_that_idles_later_is_filled_at_the_first_moment() -> None:
    # The same with the loops exchanged: a refill comes with each column, when both positions have rows to do.
    text = WHOLE + "for N in tiles of 1\nfor M in tiles of 4\npar M in tiles of 2 on k\nkeep weight in words\n"
    seen = see(gemm(M=5, N=2, K=1), machine(inside("words", "weight", per=("k",))), text)
    assert seen.accesses["words", "weight"] == (10, 2 * 2)


def test_weights_stay_where_they_are_across_tile_steps() -> None:
    arch = machine(inside("words", "weight", per=("k",)), scratchpad=pad(keeps=("input", "output")))
    text = (
        "for M in tiles of 2\nkeep input in pad\nkeep output in pad\npar N in tiles of 1 on k\nkeep weight in words\n"
    )
    seen = see(gemm(M=4, N=4, K=2), arch, text)
    assert len(seen.steps) == 2
    assert [[m.operand for m in step.moves if m.kind == "stream"] for step in seen.steps] == [["weight"], []]
    assert seen.traffic["weight", "weight"] == 8
    assert seen.accesses["words", "weight"] == (4 * 4 * 2, 8)


def test_weights_past_the_scratchpad_come_once_along_multicast_axes_and_as_copies_along_others() -> None:
    text = "keep input in pad\nkeep output in pad\npar M in tiles of 1 on k\nkeep weight in words\n"
    inner, outer = inside("words", "weight", per=("k",)), pad(keeps=("input", "output"))
    together = see(gemm(M=4, N=3, K=2), machine(inner, scratchpad=outer), text)
    assert together.traffic["weight", "weight"] == 6
    assert together.accesses["words", "weight"] == (24, 24)
    apart = see(gemm(M=4, N=3, K=2), machine(inner, scratchpad=outer, **shares(multicast=())), text)
    assert apart.traffic["weight", "weight"] == 24
    assert [move.runs for move in apart.steps[0].moves if move.kind == "stream"] == [1, 1, 1, 1]


def test_a_stream_is_rounded_to_bytes_once_a_step_and_has_the_runs_of_every_refill() -> None:
    arch = machine(inside("words", "weight"), scratchpad=pad(keeps=("input", "output")), widths=Widths(8, 4, 8, 32))
    text = "keep input in pad\nkeep output in pad\nfor N in tiles of 1\nkeep weight in words\n"
    seen = see(gemm(M=1, N=3, K=1), arch, text)
    # Three refills of half a byte.
    assert seen.steps[0].transfers()["stream", "weight", "weight", "words"] == (2, 3)
    assert seen.accesses["words", "weight"] == (2, 2)


def test_a_union_that_lies_unevenly_counts_its_stretches() -> None:
    # Two positions fetch columns 0-1 and 3-4 of two rows together: 2 stretches in each of 2 rows.
    nest = conv2d(K=1, C=1, Y=2, X=2, S=2, stride=(1, 3))
    arch = machine(inside("words", "input", per=("k",)), scratchpad=pad(keeps=("weight", "output")))
    text = "keep weight in pad\nkeep output in pad\npar X in tiles of 1 on k\nkeep input in words\n"
    (move,) = [move for move in see(nest, arch, text).steps[0].moves if move.operand == "input"]
    assert (move.elements, move.runs) == (8, 4)
    rows = Binding("input", (10, 1))
    assert stretches(rows, (frozenset({0, 1}), frozenset(range(10)))) == 1
    assert stretches(rows, (frozenset({0, 2}), frozenset(range(10)))) == 2
    assert stretches(rows, (frozenset({0, 1, 5}), frozenset({3}))) == 3


# Results.


def test_results_along_a_reduce_axis_are_summed_on_the_way() -> None:
    seen = see(gemm(M=2, N=1, K=6), machine(), WHOLE + "par K in tiles of 2 on c\n")
    # Four cycles write one sum each; two of them are the first of their row. Then two results leave, a byte each.
    assert seen.compute_cycles == 4
    assert seen.accesses["pad", "output"] == (2 * 4 + 2, 4 * 4)


def test_results_along_another_axis_arrive_one_by_one() -> None:
    seen = see(gemm(M=2, N=1, K=6), machine(), WHOLE + "par K in tiles of 2 on k\n")
    assert seen.accesses["pad", "output"] == (10 * 4 + 2, 12 * 4)


def test_a_parent_adds_what_arrives_from_an_axis_that_does_not_reduce() -> None:
    text = WHOLE + "par K in tiles of 2 on k\nfor M in tiles of 1\nkeep output in sums\n"
    seen = see(gemm(M=2, N=1, K=4), machine(inside("sums", "output", per=("k",))), text)
    # Both positions start from zero in both visits: four arrivals, of which the second of each row is added.
    assert seen.accesses["pad", "output"] == (2 * 4 + 2, 4 * 4)
    # Eight points, four of them first ones, and four results to drain.
    assert seen.accesses["sums", "output"] == ((4 + 4) * 4, 8 * 4)


def test_the_first_position_takes_the_partial_sum_back() -> None:
    text = WHOLE + "for K in tiles of 2\nfor M in tiles of 1\npar K in tiles of 1 on c\nkeep output in sums\n"
    seen = see(gemm(M=2, N=1, K=4), machine(inside("sums", "output", per=("c",))), text)
    # A = 4 arrivals, S' = 2 elements, W = 8 words in visits: two read-backs, six words start from zero.
    assert seen.accesses["pad", "output"] == (2 * 4 + 2, 4 * 4)
    assert seen.accesses["sums", "output"] == ((2 + 8) * 4, (8 + 2) * 4)
    # Two read-backs of four bytes, and an input and a weight for each of eight points.
    assert seen.delivered_bytes == 2 * 4 + 8 + 8


def test_every_element_has_a_first_position_of_its_own() -> None:
    # The reduce axis carries three columns of results as well as nothing to reduce: each position takes its own back.
    text = WHOLE + "for K in tiles of 1\npar N in tiles of 1 on c\nfor M in tiles of 1\nkeep output in sums\n"
    seen = see(gemm(M=2, N=3, K=2), machine(inside("sums", "output", per=("c",))), text)
    assert seen.accesses["pad", "output"] == (6 * 4 + 6, 12 * 4)
    assert seen.accesses["sums", "output"] == ((6 + 12) * 4, (12 + 6) * 4)


def test_results_that_are_complete_pass_outer_memories_at_output_width() -> None:
    arch = machine(inside("sums", "output"))
    finished = see(gemm(M=2, N=1, K=4), arch, WHOLE + "for M in tiles of 1\nfor K in tiles of 1\nkeep output in sums\n")
    # K turns inside M and the sums do not move: two results of a byte in, two out.
    assert finished.accesses["pad", "output"] == (2, 2)
    assert finished.accesses["sums", "output"] == ((6 + 2) * 4, 8 * 4)
    partial = see(gemm(M=2, N=1, K=4), arch, WHOLE + "for K in tiles of 1\nfor M in tiles of 1\nkeep output in sums\n")
    assert partial.accesses["pad", "output"] == (6 * 4 + 2, 8 * 4)


def test_a_memory_below_a_split_of_the_sum_holds_shares_at_accumulator_width() -> None:
    # The middle memory exists per position of the reduce axis: what arrives there is never the whole sum.
    arch = machine(inside("shares", "output", per=("c",)), inside("sums", "output", per=("c",)))
    text = WHOLE + "par K in tiles of 2 on c\nkeep output in shares\nfor M in tiles of 1\nkeep output in sums\n"
    seen = see(gemm(M=2, N=1, K=4), arch, text)
    assert seen.accesses["shares", "output"] == (4 * 4, 4 * 4)
    assert seen.accesses["pad", "output"] == (2, 2)


def test_partial_sums_leave_the_chip_wide_and_results_narrow() -> None:
    text = "keep input in pad\nkeep weight in pad\nfor K in tiles of 2\nfor M in tiles of 1\nkeep output in pad\n"
    seen = see(gemm(M=2, N=1, K=4), machine(), text)
    assert {cause: size for (name, cause), size in seen.traffic.items() if name == "output"} == {
        "spill": 2 * 4,
        "readback": 2 * 4,
        "store": 2,
    }
    # Eight points, two first ones; the transfers have the same bytes at both ends.
    assert seen.accesses["pad", "output"] == (6 * 4 + 8 + 2, 8 * 4 + 8)
    assert not seen.returns


def test_a_partial_sum_that_returns_at_once_is_noticed() -> None:
    # N is 5 in chunks of 4: the second has one inner chunk, so that K moves on with the tile still there.
    nest = gemm(M=2, N=5, K=6)
    text = "for N in tiles of 4\nfor K in tiles of 3\nfor N in tiles of 2\n" + WHOLE
    assert see(nest, machine(), text).returns
    assert not see(gemm(M=2, N=8, K=6), machine(), text).returns


def test_results_past_the_scratchpad_are_summed_on_their_way_to_dram() -> None:
    arch = machine(inside("sums", "output", per=("k", "c")), scratchpad=pad(keeps=("input", "weight")))
    text = "keep input in pad\nkeep weight in pad\nfor M in tiles of 2\npar M in tiles of 1 on k\n"
    seen = see(gemm(M=4, N=1, K=6), arch, text + "par K in tiles of 2 on c\nkeep output in sums\n")
    assert seen.traffic["output", "store"] == 4
    # One transfer a step; four runs of one element, for each of two positions along k in each of two visits.
    assert seen.steps[0].transfers()["store", "output", "store", "sums"] == (4, 4)
    assert ("pad", "output") not in seen.accesses
    # 24 points, 12 of them first ones of their position, and 12 shares drained at the width of the transfer.
    assert seen.accesses["sums", "output"] == (12 * 4 + 12, 24 * 4)


# Time.


def test_an_array_side_takes_the_time_of_the_instance_that_moves_most() -> None:
    slow = inside("words", "weight", per=("k",), read_bandwidth=Fraction(1, 2), write_bandwidth=Fraction(1, 2))
    text = WHOLE + "par M in tiles of 2 on k\nkeep weight in words\n"
    seen = see(gemm(M=3, N=2, K=3), machine(slow), text)
    # The first position reads 2 * 2 * 3 words at half a byte a cycle, and 2 * 3 words are put in on the same port.
    assert seen.compute_cycles == 12
    assert seen.tiles == (36,)


def test_transfers_and_tiles_overlap_as_the_formula_says() -> None:
    text = "keep weight in pad\nfor M in tiles of 2\nkeep input in pad\nkeep output in pad\n"
    seen = see(gemm(M=4, N=4, K=2), machine(store=dram(setup_cycles=3)), text)
    # Loads: weights 8 B and 4 B of input, 2 runs: 6 + ceil(12 / 3.5) = 10; then 4 B, 1 run: 3 + 2 = 5.
    # Stores: 8 B of results, 1 run: 3 + 3 = 6. A tile computes 16 points; at 16 B a cycle its port needs:
    # 16 inputs and weights, 16 sums of 4 B out and 8 back in: 128 B in 8 cycles.
    assert seen.tiles == (16, 16)
    assert seen.cycles["double"] == 10 + max(16, 5) + max(16, 6) + 6
    assert seen.cycles["single"] == (10 + 16 + 6) + (5 + 16 + 6)
    # 16 B in and 16 B out of DRAM at 3.5; 32 cycles of computing; twice 128 B and 32 B of transfers at the scratchpad.
    assert seen.ports == {"compute": 32, "dram": 10, "pad": (2 * 128 + 32) // 16}
    assert seen.cycles["roofline"] == 32


def test_separate_ports_run_side_by_side_and_bits_are_rounded_once_a_step() -> None:
    outer = pad(shared_port=False, read_bandwidth=Fraction(1), write_bandwidth=Fraction(1, 2))
    seen = see(gemm(M=1, N=1, K=3), machine(scratchpad=outer, widths=Widths(4, 3, 4, 12)), WHOLE)
    # Read: 3 * (4 + 3) bits and two sums of 12: 45 bits, 6 B. Written: three sums, 36 bits, 5 B in 10 cycles.
    assert seen.tiles == (10,)
    assert seen.accesses["pad", "input"] == (2, 2)
    assert seen.accesses["pad", "weight"] == (2, 2)
    assert seen.accesses["pad", "output"] == (3 + 1, 5)


def test_streams_run_beside_the_step_that_needs_them() -> None:
    arch = machine(inside("words", "weight"), scratchpad=pad(keeps=("input", "output")))
    text = "for N in tiles of 2\nkeep input in pad\nkeep output in pad\nkeep weight in words\n"
    seen = see(gemm(M=1, N=4, K=8), arch, text)
    # Steps of 16 points; a stream of 16 B takes 3 + 5, the first load 8 B 3 + 3, a store 2 B 3 + 1.
    assert seen.tiles == (16, 16)
    assert seen.cycles["double"] == 6 + max(16, 0 + 0 + 8) + max(16, 4 + 8) + 4


def test_loops_in_lockstep_take_the_time_of_the_first_position() -> None:
    # Rows 0-9 in fours inside the step, each in pairs on the array: 2 + 2 + 2 cycles, the last on one position.
    seen = see(gemm(M=10, N=1, K=1), machine(), WHOLE + "for M in tiles of 4\npar M in tiles of 2 on k\n")
    assert seen.compute_cycles == 6
    # The other way round: 4 positions of 3, 3, 3, 1 rows in twos.
    assert (
        see(gemm(M=10, N=1, K=1), machine(), WHOLE + "par M in tiles of 3 on k\nfor M in tiles of 2\n").compute_cycles
        == 3
    )


def test_nodes_of_one_chunk_do_nothing() -> None:
    plain = see(gemm(M=4, N=2, K=2), machine(), "for M in tiles of 2\n" + WHOLE)
    odd = "for M in tiles of 2\nfor N in tiles of 2\nfor M in tiles of 3\n" + WHOLE + "par K in tiles of 5 on k\n"
    assert see(gemm(M=4, N=2, K=2), machine(), odd) == plain


# Energy and room.


def test_energy_is_the_sum_of_what_was_counted() -> None:
    seen = see(gemm(M=2, N=1, K=2), machine(leakage_mw=2.0), WHOLE, parameters=(3,), activations=2)
    # DRAM: 4 + 2 B in, 12 B of parameters, 2 B out. Scratchpad: those, 4 + 4 words, 4 sums out and 2 back.
    moved = 18 * 64 + 2 * 65
    held = 18 * 1.5 + 2 * 2 + 8 * 2 + 16 * 1.5 + 8 * 2
    assert seen.energy_pj == pytest.approx(moved + held + 4 * 0.5 + 2 * 2 * 0.1 + 2 * seen.own_cycles)


def test_room_is_the_largest_footprint_of_any_instance() -> None:
    arch = machine(
        inside("words", *ALL, per=("k",), double_buffered=True), alignment_bytes=16, widths=Widths(8, 4, 8, 32)
    )
    keeps = "keep input in words\nkeep weight in words\nkeep output in words\n"
    text = "for N in tiles of 3\n" + WHOLE + "par M in tiles of 2 on k\n" + keeps
    seen = see(gemm(M=3, N=5, K=3), arch, text)
    # Scratchpad: 9 B of input once; 9 half bytes of weights and 9 B of results twice; 16 B at a time.
    assert seen.room["pad"] == 16 + 16 + 32
    # At the first position 2 rows: 6 B, 9 half bytes, 6 sums; everything twice.
    assert seen.room["words"] == 12 + 9 + 48


def test_a_window_in_the_scratchpad_is_a_ring() -> None:
    text = "keep weight in pad\nfor Y in tiles of 4\nkeep input in pad\nkeep output in pad\n"
    seen = see(conv2d(K=1, C=1, Y=12, X=1, R=3), machine(), text)
    # Six rows and the next four; three weights; twice four results, accumulated there.
    assert seen.room["pad"] == 10 + 3 + 2 * 4 * 4
    single = see(conv2d(K=1, C=1, Y=12, X=1, R=3), machine(buffering="single"), text)
    assert single.room["pad"] == 6 + 3 + 4 * 4


def test_a_mapping_that_does_not_deliver_stops() -> None:
    arch = machine(inside("sums", "output", per=("k",)), scratchpad=pad(keeps=("input", "weight")))
    text = "keep input in pad\nkeep weight in pad\npar K in tiles of 1 on k\nkeep output in sums\n"
    with pytest.raises(AssertionError, match="added up in DRAM"):
        see(gemm(M=1, N=1, K=3), arch, text)
