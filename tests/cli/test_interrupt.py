"""Ctrl-C: the first ends the search and keeps its answer, the second ends the program."""

from __future__ import annotations

import signal
from importlib import import_module
from pathlib import Path

import pytest

from tilewright.cli import interrupts
from tilewright.mapping.store import stored_map_nest

ARCH = ("--arch", "mobile-npu", "--batch", 1)


@pytest.mark.parametrize(("times", "code"), [(1, 0), (2, 6)])
def test_a_first_interrupt_keeps_what_was_found(
    times: int, code: int, small_model: Path, tmp_path: Path, tilewright, monkeypatch
) -> None:
    timeouts: list[float | None] = []

    def interrupted(problem, objective, *, timeout, **options):
        timeouts.append(timeout)
        if 2 <= len(timeouts) < 2 + times:
            raise KeyboardInterrupt
        return stored_map_nest(problem, objective, timeout=timeout, **options)

    monkeypatch.setattr(import_module("tilewright.schedule.layerwise"), "stored_map_nest", interrupted)
    outcome = tilewright("schedule", small_model, *ARCH, "-o", tmp_path / "out")
    assert outcome.code == code
    if code:
        assert outcome.problems == ["stopped by Ctrl-C before there was any answer"]
        assert not (tmp_path / "out").exists()
    else:
        assert timeouts[:2] == [None, None]
        assert set(timeouts[2:]) == {0.0}
        assert tilewright("simulate", tmp_path / "out").code == 0


def test_signals_that_come_together_are_one(monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(interrupts, "monotonic", lambda: now[0])
    with interrupts.counted_once():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        now[0] += interrupts.TOGETHER / 2
        signal.raise_signal(signal.SIGINT)
        now[0] += interrupts.TOGETHER
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_somebody_elses_handler_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.counted_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
