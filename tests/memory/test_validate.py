"""The validator against every byte of every sub-step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tilewright.memory import Buffer, problems

SIZES = st.integers(0, 6)
Case = tuple[list[Buffer], list[int], int, int, frozenset[tuple[int, int]]]


@st.composite
def placements(draw: st.DrawFn) -> Case:
    """A few small buffers at random offsets, some of them wrong."""
    count = draw(st.integers(0, 5))
    buffers = []
    for i in range(count):
        start = draw(st.integers(0, 4))
        own = draw(st.sampled_from([1, 1, 1, 2, 3]))
        address = draw(st.sampled_from([None, None, None, 0, 6]))
        buffers.append(Buffer(f"b{i}", draw(SIZES), start, start + draw(st.integers(1, 3)), own, address))
    offsets = draw(st.lists(st.integers(-1, 14), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] < pair[1])
    sharing = draw(st.frozensets(pairs, max_size=2))
    return buffers, offsets, draw(st.integers(8, 20)), draw(st.sampled_from([1, 2, 4])), sharing


def right_byte_by_byte(
    buffers: list[Buffer], offsets: list[int], capacity: int, alignment: int, sharing: frozenset[tuple[int, int]]
) -> bool:
    """Write every byte of every buffer in every sub-step; no byte twice, none outside, sizes padded."""
    for buffer, offset in zip(buffers, offsets, strict=True):
        padded = buffer.size_bytes
        while padded % alignment:
            padded += 1
        if offset % alignment or offset % buffer.alignment or offset < 0 or (padded and offset + padded > capacity):
            return False
        if buffer.address not in (None, offset):
            return False
    for now in range(10):
        written: dict[int, list[int]] = {}
        for number, (buffer, offset) in enumerate(zip(buffers, offsets, strict=True)):
            if buffer.start <= now < buffer.end:
                for byte in range(offset, offset + buffer.size_bytes):
                    if any((other, number) not in sharing for other in written.get(byte, [])):
                        return False
                    written.setdefault(byte, []).append(number)
    return True


@given(placements())
def test_problems_are_found_exactly_where_bytes_collide(case: Case) -> None:
    assert (problems(*case) == ()) == right_byte_by_byte(*case)


def test_every_problem_is_said_at_once() -> None:
    buffers = [Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3), Buffer("c", 4, 0, 3), Buffer("d", 3, 5, 6)]
    assert problems(buffers, [0, 2, -4, 8], capacity=10, alignment=4) == (
        "b lies at 2, which is no multiple of the alignment 4",
        "c lies at the negative offset -4",
        "d at [8, 12) ends beyond the capacity of 10 B",
        "a at [0, 4) and b at [2, 6) share bytes [2, 4) in sub-steps [1, 2)",
    )


def test_buffers_that_only_touch_do_not_collide() -> None:
    assert problems([Buffer("a", 4, 0, 2), Buffer("b", 4, 2, 3), Buffer("c", 4, 0, 3)], [0, 0, 4], capacity=8) == ()


def test_offsets_and_buffers_must_be_as_many() -> None:
    assert problems([Buffer("a", 4, 0, 2)], [], capacity=8) == ("1 buffers have 0 offsets",)


def test_alignments_and_addresses_of_single_buffers_are_checked() -> None:
    buffers = [Buffer("a", 4, 0, 2, alignment=8), Buffer("b", 4, 0, 2, address=12), Buffer("c", 4, 0, 2)]
    assert problems(buffers, [4, 8, 8], capacity=16, sharing={(1, 2)}) == (
        "a lies at 4, which is no multiple of its alignment 8",
        "b lies at 8, its address is 12",
    )
