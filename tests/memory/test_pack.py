"""The packer: whatever it places is right, and what it calls impossible is."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.memory import Buffer, bestfit, most_live, pack, problems

BUFFERS = st.lists(
    st.builds(
        lambda size, start, length: Buffer("b", size, start, start + length),
        st.integers(0, 40),
        st.integers(-3, 12),
        st.integers(1, 9),
    ),
    max_size=14,
)
ALIGNMENTS = st.sampled_from([1, 2, 3, 16])


def padded(buffer: Buffer, alignment: int) -> int:
    return (buffer.size_bytes + alignment - 1) // alignment * alignment


def live_at(buffers: list[Buffer], now: int, alignment: int) -> int:
    return sum(padded(b, alignment) for b in buffers if b.start <= now < b.end)


@given(BUFFERS, ALIGNMENTS)
def test_most_live_is_the_largest_sum_over_all_substeps(buffers: list[Buffer], alignment: int) -> None:
    most, when = most_live(buffers, alignment)
    assert most == max(live_at(buffers, now, alignment) for now in range(-5, 25))
    assert live_at(buffers, when, alignment) == most


@given(BUFFERS, ALIGNMENTS, st.integers(0, 250))
def test_a_packing_is_valid_or_says_why_there_is_none(buffers: list[Buffer], alignment: int, capacity: int) -> None:
    packing = pack(buffers, capacity, alignment)
    live, _ = most_live(buffers, alignment)
    assert packing.live_bytes == live
    assert packing.peak_bytes >= live
    assert (packing.status == "infeasible") == (live > capacity)
    if packing.status == "feasible":
        assert problems(buffers, packing.offsets, capacity, alignment) == ()
        ends = [o + padded(b, alignment) for b, o in zip(buffers, packing.offsets, strict=True)]
        assert packing.peak_bytes == max(ends, default=0)
        assert packing.reason == ""
    else:
        assert packing.offsets == ()
        assert packing.peak_bytes > capacity
        assert packing.reason


@given(BUFFERS, ALIGNMENTS)
def test_room_for_all_buffers_side_by_side_always_suffices(buffers: list[Buffer], alignment: int) -> None:
    assert pack(buffers, sum(padded(b, alignment) for b in buffers), alignment).status == "feasible"


@given(BUFFERS, st.integers(0, 250))
def test_the_same_buffers_get_the_same_offsets(buffers: list[Buffer], capacity: int) -> None:
    assert pack(buffers, capacity) == pack(list(buffers), capacity)


@given(st.lists(st.builds(lambda s, t, n: Buffer("b", s, t, t + n), *[st.integers(1, 3)] * 3), max_size=4))
def test_a_small_problem_without_a_placement_is_never_called_feasible(buffers: list[Buffer]) -> None:
    capacity = 5
    exists = any(not problems(buffers, offsets, capacity) for offsets in product(range(capacity), repeat=len(buffers)))
    status = pack(buffers, capacity).status
    assert status == "feasible" if exists and len(buffers) <= 2 else exists or status != "feasible"


def test_buffers_with_nested_lifetimes_reach_the_live_bytes() -> None:
    buffers = [Buffer(f"layer{i}", 10 + i % 3, i, i + 2) for i in range(50)] + [Buffer("pinned", 7, 3, 40)]
    packing = pack(buffers, 1000)
    assert packing.peak_bytes == packing.live_bytes


def test_a_repair_finds_what_no_order_alone_does(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = [(7, 2, 3), (4, 1, 4), (2, 3, 8), (7, 3, 8), (8, 0, 5), (6, 4, 5), (1, 2, 6), (7, 0, 3)]
    buffers = [Buffer(str(i), *span) for i, span in enumerate(spans)]
    live, _ = most_live(buffers)
    assert pack(buffers, live).status == "feasible"
    monkeypatch.setattr(bestfit, "_REPAIRS", 0)
    assert pack(buffers, live).status == "limit"


def test_an_impossible_packing_names_the_substep_and_its_largest_buffers() -> None:
    buffers = [Buffer(f"b{i}", i, 2, 4) for i in range(1, 9)] + [Buffer("later", 99, 4, 5)]
    packing = pack(buffers, 98, alignment=4)
    assert packing.status == "infeasible"
    assert packing.reason == "in sub-step 4 100 B are live, 2 B more than the 98 B there are: later 100 B"
    packing = pack(buffers[:-1], 40, alignment=4)
    assert packing.reason == (
        "in sub-step 2 48 B are live, 8 B more than the 40 B there are: "
        "b8 8 B, b7 8 B, b6 8 B, b5 8 B, b4 4 B, b3 4 B, 2 smaller ones"
    )


@pytest.mark.parametrize(("size", "start", "end"), [(-1, 0, 1), (1, 2, 2), (1, 3, 2)])
def test_a_buffer_needs_a_size_and_a_lifetime(size: int, start: int, end: int) -> None:
    with pytest.raises(ValueError, match="buffer x needs a size"):
        Buffer("x", size, start, end)


def test_an_alignment_is_at_least_one_byte() -> None:
    with pytest.raises(ValueError, match="at least 1 B"):
        pack([], 8, alignment=0)


@pytest.mark.parametrize("instance", "ABCDEF")
def test_hard_public_instances_pack_within_half_more_than_their_optimum(instance: str, shared: Path) -> None:
    rows = csv.DictReader((shared / "minimalloc" / f"{instance}.1048576.csv").open(encoding="utf-8"))
    buffers = [Buffer(r["id"], int(r["size"]), int(r["lower"]), int(r["upper"])) for r in rows]
    capacity = 3 * 1048576 // 2
    packing = pack(buffers, capacity)
    assert packing.status == "feasible"
    assert problems(buffers, packing.offsets, capacity) == ()
