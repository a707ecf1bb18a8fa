"""The command starts at once, knows its version, and offers only what exists."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VERBS = ["schedule", "simulate", "map", "explain", "compare", "allocate", "models", "ops", "arch", "study"]


def test_help_lists_the_verbs_that_exist(tilewright) -> None:
    outcome = tilewright("--help")
    commands = outcome.out.partition("Commands:")[2].partition("Exit codes")[0]
    assert outcome.code == 0
    assert re.findall(r"^  (\w+)", commands, re.MULTILINE) == VERBS
    assert all(tilewright(verb, "--help").code == 0 for verb in VERBS)


def test_the_version_is_the_projects(tilewright) -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert tilewright("--version").out == f"tilewright {declared}\n"


def test_wrong_usage_ends_with_code_2(tilewright) -> None:
    for arguments in (["fly"], ["schedule"], ["schedule", "resnet18"], ["schedule", "a", "--arch", "b", "--fast"]):
        assert tilewright(*arguments).code == 2


def test_a_defect_is_one_sentence_that_asks_for_a_report(tilewright, monkeypatch) -> None:
    def broken() -> tuple[()]:
        raise ZeroDivisionError("no reason")

    monkeypatch.setattr("tilewright.workload.operators.table", broken)
    outcome = tilewright("ops")
    assert outcome.code == 70
    assert len(outcome.problems) == 1
    assert "ZeroDivisionError: no reason" in outcome.err
    assert "report" in outcome.err


def test_ctrl_c_without_an_answer_ends_with_code_6(tilewright, monkeypatch) -> None:
    def interrupted() -> tuple[()]:
        raise KeyboardInterrupt

    monkeypatch.setattr("tilewright.workload.operators.table", interrupted)
    outcome = tilewright("ops")
    assert outcome.code == 6
    assert outcome.problems == ["stopped by Ctrl-C before there was any answer"]


def test_ctrl_c_while_searching_keeps_the_best_so_far(tmp_path: Path) -> None:
    # A shell that runs tests in the background has its children ignore SIGINT; this one must not.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from tilewright.cli.app import main; main()"
    )
    command = [sys.executable, "-c", code, "schedule", "resnet50", "--arch", "simba", "--progress", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=tmp_path, env=environment, text=True, **streams) as process:
        assert process.stderr is not None
        shown = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate()
    assert re.fullmatch(r"scheduling \d+ of \d+, about \d+ s left: .*\n", shown)
    assert process.returncode == 0
    assert "feasible for edp" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"schedule.json", "plan.json", "summary.txt"}
