"""Progress goes to standard error, after two seconds, with an estimate."""

from __future__ import annotations

import io

import pytest

from tilewright.cli import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_quick_work_is_silent(clock: list[float]) -> None:
    stream = Terminal()
    with progress.Progress("scheduling", stream=stream) as shown:
        clock[0] = 1.9
        shown("conv1", 1, 2)
    assert stream.getvalue() == ""


def test_a_terminal_sees_one_line_that_goes_away(clock: list[float]) -> None:
    stream = Terminal()
    with progress.Progress("scheduling", stream=stream) as shown:
        clock[0] = 5.0
        shown("conv1", 10, 40)
    assert stream.getvalue() == "\r\x1b[Kscheduling 10 of 40, about 15 s left: conv1\r\x1b[K"


def test_an_estimate_is_about_the_phase_and_none_is_made_where_nobody_knows(clock: list[float]) -> None:
    stream = io.StringIO()
    shown = progress.Progress("x", wanted=True, stream=stream)
    phases = (("a", 0, 4), ("a", 3, 4), ("b", 10, 40), ("b", 20, 40), ("c", 5, 0))
    for number, (what, done, total) in enumerate(phases):
        clock[0] = 10.0 * number
        shown(what, done, total)
    assert stream.getvalue().splitlines() == [
        "x 3 of 4, about 3 s left: a",
        "x 10 of 40: b",
        "x 20 of 40, about 20 s left: b",
        "x: c",
    ]


def test_elsewhere_nothing_is_shown_unless_asked_for(clock: list[float]) -> None:
    quiet, asked = io.StringIO(), io.StringIO()
    one, two = progress.Progress("x", stream=quiet), progress.Progress("x", wanted=True, stream=asked)
    clock[0] = 4.0
    one("a", 1, 2)
    two("a", 1, 2)
    clock[0] = 4.5
    two("b", 1, 2)
    assert quiet.getvalue() == ""
    assert asked.getvalue() == "x 1 of 2, about 4 s left: a\n"
