"""Bad input: one clear message, the right exit code, no traceback, no half-written file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tilewright.schedule import strategies

MACHINE = """
name: mine
clock: 1 GHz
memories:
  - {name: dram, bandwidth: 4 B/cycle}
  - {name: glb, size: 4 KiB, scratchpad: true}
array: {axes: {mac: 4}}
vector: {lanes: 1, energy: 1 pJ}
"""


def network(nodes: Sequence[onnx.NodeProto], *, shape: Sequence[int | str] = (1, 2, 6, 6), output: str = "y") -> bytes:
    weight = numpy_helper.from_array(np.ones((4, 2, 3, 3), np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(list(nodes), "g", [x], [y], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


CONV = helper.make_node("Conv", ["x", "w"], ["y"], "conv")
GOOD = network([CONV])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "good.onnx").write_bytes(GOOD)
    (tmp_path / "mine.yaml").write_text(MACHINE)
    return tmp_path


def schedule(tilewright: Callable, folder: Path, *more: object, model: str = "good.onnx", arch: str = "mine.yaml"):
    return tilewright("schedule", folder / model, "--arch", folder / arch, *more)


MODELS = {
    "an empty file": (b"", "is empty"),
    "a truncated file": (GOOD[: len(GOOD) // 2], "truncated"),
    "a text file": (b"Dear Sir or Madam,\n\nplease find enclosed a network.\n", "not an ONNX model"),
    "an unknown operator": (network([helper.make_node("Einsum", ["x"], ["y"], "odd", equation="ii")]), "'odd'"),
    "an operator of nobody": (
        network([helper.make_node("Fly", ["x"], ["y"], "odd", domain="me")]),
        "Fly of domain 'me'",
    ),
    "an unknown extent": (network([CONV], shape=(1, 2, "rows", 6)), "--dim"),
    "a cycle": (
        network([helper.make_node("Add", ["x", "b"], ["y"], "one"), helper.make_node("Relu", ["y"], ["b"], "two")]),
        "cycle",
    ),
    "an input from nowhere": (network([helper.make_node("Add", ["x", "ghost"], ["y"], "one")]), "ghost"),
    "an output from nowhere": (network([CONV], output="ghost"), "ghost"),
}


@pytest.mark.parametrize("what", MODELS)
def test_a_model_that_cannot_be_read_is_an_error_in_one_sentence(what: str, folder: Path, tilewright) -> None:
    content, said = MODELS[what]
    (folder / "bad.onnx").write_bytes(content)
    outcome = schedule(tilewright, folder, "-o", folder / "out", model="bad.onnx")
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert said in outcome.err
    assert "bad.onnx" in outcome.err
    assert outcome.out == ""
    assert not (folder / "out").exists()


def test_all_rejected_nodes_are_reported_at_once(folder: Path, tilewright) -> None:
    nodes = [helper.make_node(op, ["x"], [f"{op}_out"], op.lower(), domain="me") for op in ("Fly", "Swim", "Dig")]
    last = helper.make_node("Sum", ["Fly_out", "Swim_out", "Dig_out"], ["y"], "sum")
    (folder / "bad.onnx").write_bytes(network([*nodes, last]))
    outcome = schedule(tilewright, folder, model="bad.onnx")
    assert outcome.code == 1
    assert all(f"'{name}'" in outcome.err for name in ("fly", "swim", "dig"))


MACHINES = {
    "a tab": ("clock: 1 GHz", "\tclock: 1 GHz", "tab"),
    "an unknown key": ("clock:", "clok: 2 GHz\nclock:", "did you mean 'clock'"),
    "a missing unit": ("4 KiB", "4", "no unit"),
    "a negative size": ("4 KiB", "-4 KiB", "-4 KiB"),
    "two memories of one name": ("name: glb", "name: dram", "two memories are called 'dram'"),
}


@pytest.mark.parametrize("what", MACHINES)
def test_a_machine_with_a_fault_is_an_error_with_its_line(what: str, folder: Path, tilewright) -> None:
    before, after, said = MACHINES[what]
    text = MACHINE.replace(before, after, 1)
    (folder / "bad.yaml").write_text(text)
    line = 1 + MACHINE[: MACHINE.index(before)].count("\n")
    outcome = schedule(tilewright, folder, "-o", folder / "out", arch="bad.yaml")
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert said in outcome.err
    assert f"bad.yaml:{line}:" in outcome.err
    assert not (folder / "out").exists()


def test_a_scratchpad_too_small_says_what_would_be_needed(folder: Path, tilewright) -> None:
    (folder / "small.yaml").write_text(MACHINE.replace("4 KiB", "6 B"))
    outcome = schedule(tilewright, folder, "-o", folder / "out", arch="small.yaml")
    assert outcome.code == 3
    assert "conv" in outcome.err
    assert "glb" in outcome.err
    assert "6 bytes" in outcome.err
    assert all(operand in outcome.err for operand in ("input", "weight", "output"))
    assert not (folder / "out").exists()
    document = schedule(tilewright, folder, "--json", arch="small.yaml").document
    assert document["status"] == "infeasible"
    assert document["reasons"] == outcome.problems


def external_weights(folder: Path) -> None:
    model = onnx.load_model_from_string(GOOD)
    path = folder / "external.onnx"
    onnx.save_model(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    (folder / "weights.bin").unlink()


def test_without_its_external_weights_a_model_is_scheduled_but_not_executed(folder: Path, tilewright) -> None:
    external_weights(folder)
    outcome = schedule(tilewright, folder, "-o", folder / "out", model="external.onnx")
    assert outcome.code == 0
    outcome = tilewright("simulate", folder / "out")
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert "weights.bin" in outcome.err
    assert "--weights seeded:N" in outcome.err
    assert tilewright("simulate", folder / "out", "--weights", "seeded:3").code == 0


def test_an_output_folder_that_is_a_file_is_an_error_before_any_work(folder: Path, tilewright) -> None:
    (folder / "out").write_text("mine")
    outcome = schedule(tilewright, folder, "-o", folder / "out")
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert "is a file" in outcome.err
    assert (folder / "out").read_text() == "mine"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("good.onnx/out", "is no folder; name another with -o"),
        ("dangling", "cannot be made"),
        ("n" * 300, "no place for a folder: File name too long"),
        ("taken", "plan.json in it is a folder where a file is to be written"),
    ],
)
def test_a_hopeless_output_folder_is_an_error_before_any_work(
    folder: Path, tilewright, where: str, said: str, monkeypatch
) -> None:
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "taken" / "plan.json").mkdir(parents=True)
    monkeypatch.setattr(strategies, "layerwise", None)  # no search is begun
    outcome = schedule(tilewright, folder, "-o", folder / where)
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert said in outcome.err
    assert [path.name for path in (folder / "taken").iterdir()] == ["plan.json"]


def test_a_folder_below_a_file_cannot_be_made(folder: Path, tilewright) -> None:
    outcome = schedule(tilewright, folder, "-o", folder / "good.onnx" / "out")
    assert outcome.code == 1
    assert "cannot be made" in outcome.err
    assert (folder / "good.onnx").read_bytes() == GOOD


@pytest.mark.parametrize("allowed_files", [0, 1, 2, 3])
@pytest.mark.parametrize("there", [True, False])
def test_a_full_disk_leaves_everything_as_it_was(
    allowed_files: int, there: bool, folder: Path, tilewright, monkeypatch
) -> None:
    out = folder / "out"
    if there:
        assert schedule(tilewright, folder, "-o", out).code == 0
        (out / "notes.txt").write_text("mine")
    before = {path.name: path.read_bytes() for path in out.iterdir()} if there else None
    written = []
    real = os.fsync

    def full(handle: int) -> None:
        if len(written) >= allowed_files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written.append(handle)
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
    outcome = schedule(tilewright, folder, "--objective", "traffic", "-o", out)
    assert outcome.code == 1
    assert len(outcome.problems) == 1
    assert "No space left on device" in outcome.err
    assert ({path.name: path.read_bytes() for path in out.iterdir()} if there else out.exists()) == (before or False)


def test_own_files_are_replaced_and_others_left_alone(folder: Path, tilewright) -> None:
    out = folder / "out"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    (out / "plan.json").write_text("old")
    assert schedule(tilewright, folder, "-o", out).code == 0
    names = sorted(path.name for path in out.iterdir())
    assert names == ["model.json", "notes.txt", "plan.json", "schedule.json", "summary.txt"]
    assert (out / "notes.txt").read_text() == "mine"
    assert (out / "plan.json").read_text() != "old"


def test_options_that_are_not_understood_end_with_code_2_before_a_file_is_read(folder: Path, tilewright) -> None:
    for option in (
        ["--timeout", "soon"],
        ["--max-energy", "5 W"],
        ["--max-dram-bytes", "much"],
        ["--input-shape", "1,2"],
        ["--dim", "n"],
        ["--weights", "new"],
        ["--objective", "speed"],
        ["--strategy", "magic"],
    ):
        assert schedule(tilewright, folder, *option).code == 2
    assert "layerwise" in schedule(tilewright, folder, "--strategy", "magic").err


def test_names_that_are_no_text_and_names_that_are_too_long(folder: Path, tilewright) -> None:
    (folder / "bad.onnx").write_bytes(GOOD.replace(b"Conv", b"Con\xff"))
    outcome = schedule(tilewright, folder, model="bad.onnx")
    assert (outcome.code, len(outcome.problems)) == (1, 1)
    assert "is no UTF-8 text: the file is damaged" in outcome.err
    for command in (("schedule", "n" * 300, "--arch", "tiny"), ("simulate", "n" * 300)):
        outcome = tilewright(*command)
        assert (outcome.code, len(outcome.problems)) == (1, 1)
