"""Every way to place buffers: results are right, corrupted ones are noticed, and what is claimed holds."""

from __future__ import annotations

from random import Random

import pytest

from tilewright.errors import InputError, LimitError, UsageError
from tilewright.memory import Buffer, allocate, bestfit, pack, problems
from tilewright.memory.allocate import METHODS, packed
from tilewright.memory.buffer import Problem

Pairs = frozenset[tuple[int, int]]


def some(seed: int) -> tuple[list[Buffer], Pairs]:
    """A dozen buffers, some with an alignment or an address of their own, some pairs that may share."""
    rng = Random(seed)
    buffers = []
    for k in range(12):
        start, alignment = rng.randint(0, 9), rng.choice([1, 1, 2, 4])
        address = 40 + 16 * k if rng.random() < 0.1 else None
        buffers.append(Buffer(f"b{k}", rng.randint(1, 12), start, start + rng.randint(1, 5), alignment, address))
    pairs = frozenset((i, j) for j in range(12) for i in range(j) if rng.random() < 0.03)
    return buffers, pairs


def plain(seed: int, count: int, most: tuple[int, int, int]) -> list[Buffer]:
    """Buffers with at most such a start, size and lifetime."""
    rng, buffers = Random(seed), []
    for k in range(count):
        start = rng.randint(0, most[0])
        buffers.append(Buffer(f"b{k}", rng.randint(1, most[1]), start, start + rng.randint(1, most[2])))
    return buffers


@pytest.mark.parametrize("method", METHODS)
def test_every_result_is_right_and_every_corrupted_one_is_noticed(method: str) -> None:
    noticed = 0
    for seed in range(40):
        buffers, sharing = some(seed)
        found = allocate(buffers, sharing=sharing, method=method)
        offsets, peak = list(found.offsets), found.peak_bytes
        assert problems(buffers, offsets, peak, 1, sharing) == ()
        assert found.bound_bytes <= peak == max(o + b.size_bytes for o, b in zip(offsets, buffers, strict=True))
        for k, buffer in enumerate(buffers):
            corrupted = [peak - buffer.size_bytes + 1, -1, offsets[k] + 1 if buffer.alignment > 1 else None]
            corrupted += [offsets[k] + 4 if buffer.address is not None else None]
            corrupted += [
                offsets[j]
                for j, other in enumerate(buffers)
                if j != k and buffer.start < other.end and other.start < buffer.end
                if (min(j, k), max(j, k)) not in sharing
            ]
            for offset in corrupted:
                if offset is not None:
                    wrong = [*offsets[:k], offset, *offsets[k + 1 :]]
                    assert problems(buffers, wrong, peak, 1, sharing)
                    noticed += 1
        assert problems(buffers, offsets, peak - 1, 1, sharing)
    assert noticed > 1000


def test_the_search_is_never_above_a_best_fit_nor_below_its_bound() -> None:
    for seed in range(40):
        buffers, sharing = some(seed)
        least = allocate(buffers, sharing=sharing)
        assert least.status == "optimal"
        for method in METHODS:
            found = allocate(buffers, sharing=sharing, method=method)
            assert found.bound_bytes <= least.peak_bytes <= found.peak_bytes
            within = allocate(buffers, least.peak_bytes - 1, sharing=sharing, method=method)
            assert within.status == ("infeasible" if method == "exact" else within.status)
            assert within.status in ("infeasible", "limit")
            assert within.offsets == ()


def test_plans_fall_back_on_the_search_where_the_best_fit_fails() -> None:
    buffers = plain(521, 14, (9, 12, 5))
    rescued = 0
    for capacity in range(20, 80):
        greedy, found = pack(buffers, capacity, 4), packed(buffers, capacity, 4)
        assert found.status in ("feasible", "infeasible")
        assert found.status == greedy.status or greedy.status == "limit"
        assert not found.offsets or problems(buffers, found.offsets, capacity, 4) == ()
        rescued += greedy.status == "limit" and found.status == "feasible"
    assert rescued == 4


def test_what_is_not_placed_in_time_within_a_capacity_has_no_offsets() -> None:
    buffers = plain(1, 60, (30, 90, 12))
    assert allocate(buffers, 1014).status == "feasible"
    late = allocate(buffers, 1014, timeout=0)
    assert (late.status, late.offsets) == ("limit", ())
    assert late.peak_bytes > 1014
    lowest = allocate(buffers, timeout=0)
    assert lowest.status == "limit"
    assert problems(buffers, lowest.offsets, lowest.peak_bytes) == ()


def test_the_best_placement_so_far_survives_an_interruption() -> None:
    buffers = plain(2, 60, (30, 90, 12))

    def interrupt(_what: str, _done: int, _most: int) -> None:
        raise KeyboardInterrupt

    found = allocate(buffers, progress=interrupt)
    assert problems(buffers, found.offsets, found.peak_bytes) == ()
    assert found.status in ("limit", "optimal")
    assert found.bound_bytes <= found.peak_bytes


def test_what_makes_no_sense_is_told() -> None:
    buffers = [Buffer("a", 4, 0, 2), Buffer("b", 4, 0, 2)]
    with pytest.raises(UsageError, match="there is no method 'magic'; there are exact, size, area, lifetime"):
        allocate(buffers, method="magic")
    with pytest.raises(InputError, match=r"sharing: \(0, 2\) is no pair of the 2 buffers"):
        allocate(buffers, sharing={(0, 2)})
    with pytest.raises(LimitError, match="1 pairs of buffers are live together, a best fit looks at 0 at most"):
        bestfit.best_fit(Problem(tuple(buffers)), "size", 0)
    for wrong, said in (({"alignment": 0}, "alignment of at least 1 B"), ({"alignment": 4, "address": 6}, "multiple")):
        with pytest.raises(ValueError, match=said):
            Buffer("c", 4, 0, 2, **wrong)


def test_pairs_that_share_are_taken_either_way_round() -> None:
    buffers = [Buffer("a", 4, 0, 2), Buffer("b", 4, 0, 2)]
    assert allocate(buffers).peak_bytes == 8
    assert allocate(buffers, sharing={(1, 0)}).peak_bytes == allocate(buffers, sharing={(0, 1)}).peak_bytes == 4
