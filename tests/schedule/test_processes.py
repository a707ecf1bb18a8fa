"""Work in several processes gives what one gives, and nothing that goes wrong with them is told or left behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.schedule.markets import all_fronts, groups, market, small

from tilewright.schedule import processes
from tilewright.schedule.group import market as markets
from tilewright.schedule.processes import share_out

FIRST = ("operator", "itemgetter")  # of setup 0: the function that takes the first of a job


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All processes that were started."""
    found = []
    real = subprocess.Popen

    def popen(*arguments: Any, **named: Any) -> Any:
        found.append(real(*arguments, **named))
        return found[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", popen)
    return found


def test_fronts_made_in_two_processes_are_those_made_in_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(tmp_path, layers=1)
    inline = all_fronts(market(model), 2)
    monkeypatch.setattr(markets, "LEAST_JOBS", 1)
    shared = market(model)
    told: list[tuple[int, int]] = []
    shared.prepare(groups(shared.graph, 2), progress=lambda done, total: told.append((done, total)), processes=2)
    monkeypatch.setattr(markets, "fronts", None)  # all are there
    assert repr(all_fronts(shared, 2)) == repr(inline)
    assert told == [(k + 1, len(told)) for k in range(len(told))]


def test_few_groups_are_not_worth_a_process(tmp_path: Path, started: list[Any]) -> None:
    one = market(small(tmp_path, layers=1))
    one.prepare(groups(one.graph), processes=2)
    assert not started


def test_every_job_is_done_once_wherever_it_was(started: list[Any]) -> None:
    jobs = [[(k,) for k in range(50)], [], [(50,)]]
    done: list[Any] = []
    share_out(FIRST, 0, jobs, lambda job, answer: done.append((job, answer)))
    assert sorted(done) == [((k,), k) for k in range(51)]
    assert len(started) == 3
    assert all(process.returncode is not None for process in started)


@pytest.mark.parametrize("target", [("no_such_module", "f"), ("operator", "no_such_function"), ("sys", "exit")])
def test_processes_that_end_at_once_leave_all_undone(target: tuple[str, str], capfd: Any) -> None:
    share_out(target, 0, [[(1,)], [(2,)]], lambda job, answer: pytest.fail("nobody did this"))
    assert capfd.readouterr() == ("", "")


def test_a_job_that_fails_ends_its_process_only(capfd: Any) -> None:
    done: list[Any] = []
    share_out(FIRST, 0, [[()], [(1,), (2,)]], lambda job, answer: done.append(answer))
    assert sorted(done) == [1, 2]
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_sent_is_not_done(started: list[Any]) -> None:
    share_out(FIRST, lambda: 0, [[(1,)]], lambda job, answer: pytest.fail("nobody did this"))
    assert not started


def test_no_python_no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for executable in ("", "/no/such/file"):
        monkeypatch.setattr(sys, "executable", executable)
        share_out(FIRST, 0, [[(1,)]], lambda job, answer: pytest.fail("nobody did this"))


def test_past_the_deadline_nobody_waits(started: list[Any]) -> None:
    began = time.monotonic()
    share_out(FIRST, 0, [[(1,)]], lambda job, answer: pytest.fail("nobody waited"), until=began)
    share_out(("time", "sleep"), 30.0, [[(1,)], [(2,)]], lambda job, answer: None, until=began + 1)
    assert time.monotonic() < began + 20
    assert len(started) == 3
    assert all(process.returncode is not None for process in started)


def test_an_interrupt_ends_all_processes_and_passes_through(started: list[Any], capfd: Any) -> None:
    def interrupted(job: Any, answer: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        share_out(FIRST, 0, [[(1,), (2,)], [(3,)]], interrupted)
    assert len(started) == 2
    assert all(process.returncode is not None for process in started)
    assert capfd.readouterr() == ("", "")


SCRIPT = """
print("begin")
from tilewright.schedule.processes import share_out
share_out(("operator", "itemgetter"), 0, [[(1,)], [(2,)]], lambda job, answer: print("done"))
"""


@pytest.mark.parametrize("way", ["script", "command", "input"])
def test_a_script_without_a_guard_is_run_once(way: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = {"script": ["script.py"], "command": ["-c", SCRIPT], "input": ["-"]}[way]
    path = str(Path(processes.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, *arguments], input=SCRIPT, capture_output=True, text=True, cwd=tmp_path,
        env={"PYTHONPATH": path}, check=True,
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["begin", "done", "done"], "")
