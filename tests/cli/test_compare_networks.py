"""``tilewright compare MODEL...``: the table of strategies, its files, and how it ends."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule import strategies as registry
from tilewright.schedule.layerwise import Found
from tilewright.schedule.schedule import Repacked

pytestmark = pytest.mark.usefixtures("remembered")

ALL = ("layerwise", "fuse", "pin", "fuse-then-pin", "pin-or-fuse", "genetic", "optimal")
COLUMNS = {
    "network", "strategy", "status", "cycles", "time_s", "energy_pj", "edp", "feature_map_bytes", "weight_bytes",
    "groups", "largest_group", "pins", "value", "bound", "gap", "seconds", "taken_from",
}  # fmt: skip


@pytest.fixture
def command(small_model: Path) -> list[object]:
    options = ["--arch", "mobile-npu", "--batch", 1, "--until", "d", "--effort", "quick", "--largest", 2]
    return ["compare", small_model, *options]


@pytest.fixture
def other_model(small_model: Path, tmp_path: Path) -> Path:
    """The same under the same name at another place."""
    return Path(shutil.copy(small_model, tmp_path / small_model.name))


@pytest.fixture
def instead(monkeypatch) -> Callable[..., None]:
    """``instead("pin", action)``: the strategy calls the action on its options and then is ``layerwise``."""
    layerwise = registry.strategy("layerwise")

    def put(name: str, action: Callable[[registry.Options], object]) -> None:
        def run(placed: Any, arch: Any, objective: str, options: registry.Options) -> Found:
            action(options)
            return layerwise(placed, arch, objective, replace(options, progress=None))

        monkeypatch.setitem(registry._REGISTRY, name, run)

    return put


def fail(error: Exception) -> Callable[[registry.Options], None]:
    def action(_: registry.Options) -> None:
        raise error

    return action


def press_ctrl_c(_: registry.Options) -> None:
    signal.raise_signal(signal.SIGINT)


def press_ctrl_c_in_a_search(_: registry.Options) -> None:
    """A search keeps its best schedule and ends."""
    try:
        press_ctrl_c(_)
    except KeyboardInterrupt:
        return


def press_ctrl_c_in_a_phase(options: registry.Options) -> None:
    """The next phase begins all the same."""
    press_ctrl_c_in_a_search(options)
    assert options.progress is not None
    options.progress("the next phase", 0, 10)


def test_all_strategies_are_in_the_table_and_none_beats_the_optimum(tilewright, command) -> None:
    document = tilewright(*command, "--json").document
    assert document["objective"] == "edp"
    assert document["averages"] == []  # of one network
    rows = {row["strategy"]: row for row in document["rows"]}
    assert tuple(rows) == ALL == tuple(document["strategies"])
    for row in rows.values():
        assert set(row) == COLUMNS | {"notes"}
        assert row["value"] == row["edp"] >= rows["optimal"]["value"]
        assert row["bound"] <= row["value"]
    outcome = tilewright(*command)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert [line.split()[1] for line in lines[1 : len(ALL) + 1]] == list(ALL)
    assert f"{rows['optimal']['cycles']:,}" in lines[len(ALL)]
    assert len({len(line) for line in lines[: len(ALL) + 1]}) == 1


def test_a_row_is_what_schedule_says(tilewright, command) -> None:
    (row,) = tilewright(*command, "--strategies", "pin", "--json").document["rows"]
    alone = tilewright("schedule", *command[1:], "--strategy", "pin", "--json").document
    assert {key: row[key] for key in ("cycles", "energy_pj", "edp", "bound", "gap", "status")} == {
        key: alone[key] for key in ("cycles", "energy_pj", "edp", "bound", "gap", "status")
    }
    moved = alone["dram_bytes"]
    assert (row["feature_map_bytes"], row["weight_bytes"]) == (moved["feature_maps"], moved["weights"])
    assert row["groups"] == len(alone["groups"])
    assert row["pins"] == len({base for group in alone["groups"] for base in group["resident_in"]})


def test_several_networks_are_averaged_against_the_first_strategy(tilewright, command, other_model) -> None:
    several = [*command, other_model, "--strategies", "pin,layerwise"]
    document = tilewright(*several, "--json").document
    assert [(row["network"], row["strategy"]) for row in document["rows"]] == [
        (network, name) for network in (str(command[1]), str(other_model)) for name in ("pin", "layerwise")
    ]  # networks of one name are called what was typed
    pinned, alone = document["averages"]
    assert pinned == {"strategy": "pin", "networks": 2} | dict.fromkeys(("time", "energy", "edp", "feature_maps"), 1.0)
    ratio = document["rows"][1]["edp"] / document["rows"][0]["edp"]
    assert alone["edp"] == pytest.approx(ratio)
    assert f"{ratio:.3f}" in tilewright(*several).out.splitlines()[-1]


def test_the_file_holds_the_table_that_is_printed(tilewright, command, other_model, tmp_path: Path) -> None:
    several = [*command, other_model, "--strategies", "layerwise,pin"]
    files = {suffix: tmp_path / f"table{suffix}" for suffix in (".json", ".csv", ".md")}
    files[".csv"].write_text("what was there before")
    printed = {suffix: tilewright(*several, "-o", file) for suffix, file in files.items()}
    assert all(outcome.code == 0 for outcome in printed.values())
    document = json.loads(files[".json"].read_text())
    assert document["schema"] == 1
    assert len(document["averages"]) == 2
    with files[".csv"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert set(rows[0]) == COLUMNS | {"reason"}
    assert [row["edp"] for row in rows] == [str(row["edp"]) for row in document["rows"]]
    cells = [line.strip("|").split("|") for line in files[".md"].read_text().splitlines() if line.startswith("|")]
    words = [[cell.strip() for cell in row[:8]] for row in cells if not row[0].startswith("---")]
    assert words[0][:3] == ["network", "strategy", "cycles"]
    assert all(word in printed[".md"].out for row in words for word in row)


def test_what_has_no_schedule_says_why_and_stops_nothing(tilewright, command, instead, tmp_path: Path) -> None:
    instead("fuse", fail(LimitError("no time")))
    instead("pin", fail(InfeasibleError("no room\nnowhere")))
    outcome = tilewright(*command, "--strategies", "layerwise,fuse,pin,pin-or-fuse", "-o", tmp_path / "t.csv")
    assert outcome.code == 6  # as the first that failed
    assert outcome.problems == ["2 of 4 have no schedule: small under fuse, small under pin"]
    lines = outcome.out.splitlines()
    assert [line.split()[1] for line in lines[1:5]] == ["layerwise", "fuse", "pin", "pin-or-fuse"]
    assert "limit: small, fuse: no time" in lines
    assert "infeasible: small, pin: no room; nowhere" in lines
    with (tmp_path / "t.csv").open(newline="") as file:
        assert [row["reason"] for row in csv.DictReader(file)] == ["", "no time", "no room; nowhere", ""]
    assert tilewright(*command, "--strategies", "layerwise,pin", "--json").code == 3


def test_an_optimum_that_ended_early_is_not_shown_worse(tilewright, command, instead) -> None:
    instead("optimal", lambda options: None)
    rows = tilewright(*command, "--strategies", "optimal,pin", "--json").document["rows"]
    assert [row["strategy"] for row in rows] == ["optimal", "pin"]
    assert rows[0]["value"] == rows[1]["value"]
    assert (rows[0]["taken_from"], rows[1]["taken_from"]) == ("pin", "")
    out = tilewright(*command, "--strategies", "optimal,pin").out
    assert "optimal* " in out
    assert "* small, optimal: its search ended before it found what pin has, which is shown" in out


@pytest.mark.parametrize(
    ("action", "rows"), [(press_ctrl_c, 1), (press_ctrl_c_in_a_search, 2), (press_ctrl_c_in_a_phase, 1)]
)
def test_ctrl_c_prints_what_is_done(action, rows: int, tilewright, command, instead, tmp_path: Path) -> None:
    instead("fuse", action)
    before = signal.getsignal(signal.SIGINT)
    outcome = tilewright(*command, "--strategies", "layerwise,fuse,pin", "-o", tmp_path / "t.json")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == f"stopped by Ctrl-C: {rows} of 3 were done"
    assert len(json.loads((tmp_path / "t.json").read_text())["rows"]) == rows
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_before_the_first_row_ends_with_code_6(tilewright, command, instead, tmp_path: Path) -> None:
    instead("fuse", press_ctrl_c)
    outcome = tilewright(*command, "--strategies", "fuse,pin", "-o", tmp_path / "t.json")
    assert outcome.code == 6
    assert outcome.problems == ["stopped by Ctrl-C before there was any answer"]
    assert not (tmp_path / "t.json").exists()


def test_the_first_row_is_finished_after_a_ctrl_c_unless_another_follows(
    tilewright, command, instead, monkeypatch
) -> None:
    monkeypatch.setattr("tilewright.cli.interrupts.TOGETHER", 0.0)
    instead("fuse", press_ctrl_c_in_a_phase)
    outcome = tilewright(*command, "--strategies", "fuse,pin")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines()[-1] == "stopped by Ctrl-C: 1 of 2 were done"

    def twice(options: registry.Options) -> None:
        press_ctrl_c_in_a_search(options)
        press_ctrl_c_in_a_phase(options)

    instead("fuse", twice)
    assert tilewright(*command, "--strategies", "fuse,pin").code == 6


def test_options_reach_every_strategy(tilewright, command, instead) -> None:
    asked: list[registry.Options] = []
    instead("genetic", asked.append)
    assert tilewright(*command, "--strategies", "genetic", "--seed", 7, "--timeout", "60s", "--no-cache").code == 0
    (options,) = asked
    assert options.deadline is not None
    assert replace(options, deadline=None, progress=None) == registry.Options("quick", cache=False, seed=7, largest=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "there is neither"),
        (["ocr_classifier", "--gemm", "M=8,N=8,K=8"], "there are both"),
        (["ocr_classifier", "--dims", "k=8"], "--dims goes with einsum nests"),
        (["--gemm", "M=8,N=8,K=8", "--strategies", "pin", "-o", "t.csv"], "--strategies, -o goes with networks"),
        (["ocr_classifier", "--strategies", "magic"], "unknown strategy 'magic' (known are layerwise, fuse"),
        (["ocr_classifier", "--strategies", "fusion"], "unknown strategy 'fusion'; did you mean 'fuse'?"),
        (["ocr_classifier", "--strategies", "pin,,fuse"], "a name is missing"),
        (["ocr_classifier", "-o", "table.txt"], "must end in .json, .csv, .md"),
    ],
)
def test_what_makes_no_sense_is_one_error(arguments, said: str, tilewright) -> None:
    outcome = tilewright("compare", *arguments, "--arch", "tiny")
    assert outcome.code == 2
    (problem,) = outcome.problems
    assert said in problem


def test_all_that_is_wrong_with_models_and_file_is_said_before_any_search(tilewright, tmp_path: Path) -> None:
    outcome = tilewright("compare", "gone.onnx", "ocr_classifier", "lost.onnx", "--arch", "tiny")
    assert outcome.code == 1
    assert [problem.split(":")[0] for problem in outcome.problems] == ["gone.onnx", "lost.onnx"]
    (tmp_path / "folder.md").mkdir()
    outcome = tilewright("compare", "ocr_classifier", "--arch", "tiny", "-o", tmp_path / "folder.md")
    assert outcome.code == 1
    assert "is a folder" in outcome.err


def test_what_could_not_be_packed_is_told(command: list[object], tilewright, monkeypatch: pytest.MonkeyPatch) -> None:
    once = registry.strategy("pin")

    def failed(*args: Any) -> Found:
        return replace(found := once(*args), repacked=Repacked(2, 3, False, sum(g.cycles for g in found.groups) / 1.5))

    monkeypatch.setitem(registry._REGISTRY, "pin", failed)
    outcome = tilewright(*command, "--strategies", "pin", "--objective", "latency")
    assert outcome.out.splitlines()[-1].endswith("pin: fitted by bytes but could not be packed 2 times; that costs 50%")
