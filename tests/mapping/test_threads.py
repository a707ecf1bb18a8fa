"""Work side by side comes back in order, nested or not, and errors reach the caller."""

from __future__ import annotations

import pytest

from tilewright.mapping.optimal.threads import MANY, aside, side_by_side


@pytest.mark.parametrize("rows", [0, MANY])
def test_results_come_in_the_order_of_the_jobs(rows: int) -> None:
    def work(job: int) -> int:
        with aside():
            spent = sum(range(1000 * (5 - job)))
        return spent * 0 + job

    assert side_by_side(work, range(6), rows) == list(range(6))


def test_work_may_hand_out_work() -> None:
    def inner(job: int) -> int:
        with aside():
            return job + 1

    assert side_by_side(lambda job: sum(side_by_side(inner, range(job + 2))), range(4)) == [3, 6, 10, 15]


def test_python_runs_in_one_thread_at_a_time() -> None:
    inside: list[int] = []

    def work(job: int) -> int:
        for _ in range(200):
            inside.append(job)
            assert inside == [job]
            inside.clear()
        with aside():
            pass
        return job

    assert side_by_side(work, range(8)) == list(range(8))


def test_an_error_in_one_job_reaches_the_caller_and_leaves_nothing_locked() -> None:
    def work(job: int) -> int:
        with aside():
            if job == 1:
                raise ValueError("wrong")
        return job

    for _ in range(3):
        with pytest.raises(ValueError, match="wrong"):
            side_by_side(work, range(4))
    assert side_by_side(lambda job: job, range(4)) == [0, 1, 2, 3]
