"""``tilewright schedule`` and ``tilewright simulate``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("remembered")

ROOT = Path(__file__).resolve().parents[2]
MACHINE = "mobile-npu"
KEYS = {
    "schema", "model", "arch", "objective", "strategy", "status", "cycles", "energy_pj", "edp", "macs", "dram_bytes",
    "scratchpad_bytes", "bound", "gap", "floor", "seconds", "groups", "space", "notes",
}  # fmt: skip
GROUP_KEYS = {
    "operators", "tile", "overlap", "resident_in", "resident_out", "cycles", "energy_pj", "dram_bytes", "limited_by",
}  # fmt: skip


@pytest.fixture
def command(small_model: Path) -> list[object]:
    return ["schedule", small_model, "--arch", MACHINE, "--batch", 1]


@pytest.fixture(scope="module")
def built(tmp_path_factory, small_model: Path) -> Path:
    """A folder with a schedule in it, the model beside it."""
    from typer.testing import CliRunner

    from tilewright.cli.app import app

    folder = tmp_path_factory.mktemp("run") / "out"
    model = folder.parent / "model.onnx"
    shutil.copy(small_model, model)
    result = CliRunner().invoke(
        app, ["schedule", str(model), "--arch", MACHINE, "--batch", "1", "--no-cache", "-o", str(folder)]
    )
    assert result.exit_code == 0, result.output
    return folder


def test_the_document_has_every_key_and_adds_up(tilewright, command) -> None:
    document = tilewright(*command, "--json").document
    assert set(document) == KEYS
    groups, moved = document["groups"], document["dram_bytes"]
    assert all(set(group) == GROUP_KEYS for group in groups)
    assert document["cycles"] == sum(group["cycles"] for group in groups)
    assert document["energy_pj"] == pytest.approx(sum(group["energy_pj"] for group in groups))
    assert document["edp"] == pytest.approx(document["energy_pj"] * document["cycles"])
    assert moved["total"] == moved["read"] + moved["write"] == moved["feature_maps"] + moved["weights"]
    assert moved["total"] == sum(group["dram_bytes"] for group in groups) == sum(moved["by_cause"].values())
    assert 0 < document["scratchpad_bytes"]["peak"] <= document["scratchpad_bytes"]["capacity"]
    assert 0 < document["floor"] <= document["bound"] <= document["edp"]
    assert document["gap"] == pytest.approx((document["edp"] - document["bound"]) / document["bound"])


def test_the_table_has_a_line_per_operator_and_the_totals(tilewright, command) -> None:
    outcome = tilewright(*command)
    document = tilewright(*command, "--json").document
    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0].split()[:2] == ["operator", "kind"]
    assert lines[len(document["groups"]) + 1] == ""
    assert f"{document['cycles']:,}" in outcome.out
    assert f"{document['dram_bytes']['total']:,} B" in outcome.out
    assert all(word in outcome.out for word in ("bound", "floor", "scratchpad", "by cause"))


def test_early_loads_are_stated_beside_the_rest_and_executed(tilewright, command, tmp_path: Path) -> None:
    plain = tilewright(*command, "--json").document
    document = tilewright(*command, "--prefetch", "--simulate", "--json").document
    early, executed = document.pop("prefetch"), document.pop("execution")
    assert {**plain, "seconds": 0} == {**document, "seconds": 0}
    assert early["cycles"] == plain["cycles"] - sum(one["saved_cycles"] for one in early["early"]) < plain["cycles"]
    assert early["energy_pj"] <= plain["energy_pj"]
    assert executed["cycles"] == {"predicted": early["cycles"], "executed": early["cycles"]}
    assert executed["matched"]
    budget = tilewright(*command, "--prefetch", "--max-cycles", early["cycles"], "-o", tmp_path / "out")
    assert budget.code == 0
    assert f"{early['cycles']:,} cycles" in budget.out
    assert tilewright(*command, "--max-cycles", early["cycles"]).code == 4
    assert tilewright("simulate", tmp_path / "out", "--json").document["cycles"] == executed["cycles"]


def test_the_same_command_writes_the_same_bytes(tilewright, built: Path, tmp_path: Path) -> None:
    other = built.parent / "again"
    again = ["schedule", built.parent / "model.onnx", "--arch", MACHINE, "--batch", 1, "--no-cache", "-o", other]
    assert tilewright(*again).code == 0  # both were searched for
    for name in ("schedule.json", "plan.json", "summary.txt", "model.json"):
        assert (other / name).read_bytes() == (built / name).read_bytes()


def test_a_folder_is_executed_as_claimed(tilewright, built: Path) -> None:
    outcome = tilewright("simulate", built)
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[-1].startswith("execution matched: ")
    document = tilewright("simulate", built / "plan.json", "--json").document
    assert document["matched"] is True
    assert document["hazards"] == []
    assert document["outputs_compared"] == 1
    assert document["max_relative_error"] <= 1e-4
    assert document["cycles"]["predicted"] == document["cycles"]["executed"] > 0
    assert document["bytes"]["predicted"] == document["bytes"]["executed"]
    assert document["bytes"]["executed"] == sum(tensor["executed"] for tensor in document["tensors"])
    assert all(tensor["predicted"] == tensor["executed"] for tensor in document["tensors"])


def test_a_schedule_can_be_executed_right_away(tilewright, command) -> None:
    outcome = tilewright(*command, "--simulate")
    assert outcome.code == 0
    assert outcome.out.splitlines()[-1].startswith("execution matched: ")
    document = tilewright(*command, "--simulate", "--json").document
    assert document["execution"]["matched"] is True
    assert document["execution"]["bytes"]["executed"] == document["dram_bytes"]["total"]


@pytest.mark.parametrize("name", ["schedule", "plan", "model"])
def test_the_files_obey_their_published_schemas(name: str, built: Path) -> None:
    published = json.loads((ROOT / "docs" / "schema" / f"{name}.schema.json").read_text("utf-8"))
    document = json.loads((built / f"{name}.json").read_text("utf-8"))
    jsonschema.validate(document, published)
    del document["version"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, published)


def test_folder_and_model_can_move_together(tilewright, built: Path, tmp_path: Path) -> None:
    shutil.copytree(built.parent, tmp_path / "moved")
    assert json.loads((built / "model.json").read_text())["model"]["path"] == "../model.onnx"
    assert tilewright("simulate", tmp_path / "moved" / "out").code == 0


def test_a_model_elsewhere_is_named_and_must_be_the_same(tilewright, built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    outcome = tilewright("simulate", tmp_path / "out")
    assert outcome.code == 1
    assert "model.onnx" in outcome.err
    assert tilewright("simulate", tmp_path / "out", "--model", built.parent / "model.onnx").code == 0
    outcome = tilewright("simulate", tmp_path / "out", "--model", "squeezenet")
    assert outcome.code == 1
    assert "changed" in outcome.err


def damaged(built: Path, tmp_path: Path, name: str, before: str, after: str) -> Path:
    shutil.copytree(built.parent, tmp_path / "run")
    file = tmp_path / "run" / "out" / name
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    return file.parent


def test_an_execution_that_differs_from_the_claim_ends_with_code_5(tilewright, built: Path, tmp_path: Path) -> None:
    cycles = next(
        int(line.split()[1].strip(","))
        for line in (built / "schedule.json").read_text().splitlines()
        if '"cycles"' in line
    )
    folder = damaged(built, tmp_path, "schedule.json", f'"cycles": {cycles}', f'"cycles": {cycles + 1}')
    outcome = tilewright("simulate", folder)
    assert outcome.code == 5
    assert outcome.out.splitlines()[-1].startswith("execution differs from the claim: ")
    assert "cycles" in outcome.problems[0]
    assert tilewright("simulate", folder, "--json").document["matched"] is False


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        ("plan.json", '"version": 1', '"version": 2', "version"),
        ("plan.json", '"format": "tilewright.plan"', '"format": "other"', "tilewright.plan"),
        ("plan.json", "{", "", "not JSON"),
        ("plan.json", '"direction": "load"', '"direction": "up"', "direction"),
        ("schedule.json", '"objective"', '"subjective"', "objective"),
        ("plan.json", '"name": "mobile-npu"', '"name": "other"', "another model or machine"),
    ],
)
def test_a_damaged_folder_is_an_error(name, before, after, said, tilewright, built: Path, tmp_path: Path) -> None:
    outcome = tilewright("simulate", damaged(built, tmp_path, name, before, after))
    assert outcome.code == 1
    assert name in outcome.err
    assert said in outcome.err


def test_a_missing_folder_is_an_error_that_says_what_makes_one(tilewright, tmp_path: Path) -> None:
    outcome = tilewright("simulate", tmp_path / "none")
    assert outcome.code == 1
    assert "tilewright schedule ... -o DIR" in outcome.err


def test_inputs_can_be_given_and_are_checked(tilewright, built: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.npz", tmp_path / "bad.npz"
    values = np.random.default_rng(1).standard_normal((1, 3, 13, 11), np.float32)
    np.savez(good, x=values)
    np.savez(bad, x=values[:, :2], z=values)
    assert tilewright("simulate", built, "--input", good).code == 0
    outcome = tilewright("simulate", built, "--input", bad)
    assert outcome.code == 1
    assert len(outcome.problems) == 2
    bad.write_bytes(good.read_bytes()[:100])
    assert tilewright("simulate", built, "--input", bad).code == 1


def test_a_budget_that_is_exceeded_ends_with_code_4_after_the_result(tilewright, command) -> None:
    generous = ["--max-cycles", 10**9, "--max-energy", "1 J", "--max-dram-bytes", "1 GiB"]
    assert tilewright(*command, *generous).code == 0
    outcome = tilewright(*command, "--max-cycles", 10, "--max-energy", "1 nJ", "--max-dram-bytes", "2 KiB")
    assert outcome.code == 4
    assert "bound" in outcome.out
    assert len(outcome.problems) == 3
    assert "DRAM bytes" in outcome.err


def test_space_notes_seed_and_largest_of_a_search_are_told(tilewright, command, tmp_path: Path) -> None:
    search = [*command, "--until", "d", "--effort", "quick", "--strategy", "genetic", "--largest", 2]
    outcome = tilewright(*search, "--seed", 3, "-o", tmp_path / "out")
    document = tilewright(*search, "--seed", 3, "--json").document
    assert outcome.code == 0
    assert document["space"].startswith("groups of at most 2 operators ")
    assert any("seed: 3" in note for note in document["notes"])
    assert f"space       {document['space'][:60]}" in outcome.out
    assert all(f"note: {note}" in outcome.out for note in document["notes"])
    saved = json.loads((tmp_path / "out" / "schedule.json").read_text())["schedule"]
    assert saved["space"] == document["space"]
    assert document["notes"][-len(saved["notes"]) :] == saved["notes"] != []
    assert (tmp_path / "out" / "summary.txt").read_text().count("note: ") == len(document["notes"])
    assert tilewright("simulate", tmp_path / "out").code == 0


def test_progress_tells_the_phases_of_a_search(tilewright, command, monkeypatch) -> None:
    from tilewright.cli import progress

    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    told = tilewright(*command, "--effort", "quick", "--strategy", "optimal", "--largest", 2, "--progress").err
    phases = ("scheduling 1 of 5, about", "groups of operators", "scheduling: pin, best ", "scheduling: optimal, best ")
    assert all(phase in told for phase in phases), told


def test_widths_of_the_model_count_four_bytes_for_a_float(tilewright, command) -> None:
    traffic = [*command, "--objective", "traffic", "--json"]
    narrow, wide = tilewright(*traffic).document, tilewright(*traffic, "--widths", "model").document
    assert wide["dram_bytes"]["total"] > 3 * narrow["dram_bytes"]["total"]
    assert tilewright(*command, "--widths", "model", "--simulate").code == 0


def test_a_network_can_be_cut_and_batched(tilewright, command) -> None:
    cut = [*command, "--until", "e", "--simulate", "--json"]
    single, triple = tilewright(*cut).document, tilewright(*cut, "--batch", 3).document
    assert [group["operators"] for group in single["groups"]] == [["first"], ["second"]]
    assert triple["macs"] == 3 * single["macs"]
    assert single["execution"]["matched"] is triple["execution"]["matched"] is True


def test_a_timeout_still_gives_an_answer(tilewright, command) -> None:
    outcome = tilewright(*command, "--timeout", "0.01s", "--simulate", "--json")
    assert outcome.code == 0
    assert outcome.document["status"] == "feasible"
    assert outcome.document["execution"]["matched"] is True


def test_ctrl_c_before_an_answer_ends_with_code_6_and_writes_nothing(
    tilewright, command, tmp_path, monkeypatch
) -> None:
    from tilewright.schedule import strategies

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(strategies._REGISTRY, "optimal", interrupted)
    outcome = tilewright(*command, "-o", tmp_path / "out")
    assert outcome.code == 6
    assert len(outcome.problems) == 1
    assert not (tmp_path / "out").exists()
