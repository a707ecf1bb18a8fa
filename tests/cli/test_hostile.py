"""Files changed by hand, names with control characters, full pipes: one message each and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

pytestmark = pytest.mark.usefixtures("remembered")

ARCH = ("--arch", "mobile-npu")


@pytest.fixture
def scheduled(small_model: Path, tmp_path: Path, tilewright) -> Path:
    """A folder that `schedule -o` wrote."""
    folder = tmp_path / "out"
    assert tilewright("schedule", small_model, *ARCH, "--batch", 1, "-o", folder).code == 0
    return folder


Change = tuple[tuple[str | int, ...], Any]
CHANGES: dict[str, Change] = {
    "a counter that does not exist": (("programs", 0, "compute", "accesses", 0, "starts", 0), "t9 * 3"),
    "a buffer that does not exist": (("programs", 0, "transfers", 0, "buffer"), "nowhere"),
    "an array that does not exist": (("programs", 0, "transfers", 0, "array"), "nowhere"),
    "a box with too few axes": (("programs", 0, "transfers", 0, "counts"), ["1"]),
    "a negative count": (("programs", 0, "transfers", 0, "counts", 0), "-5"),
    "an enormous number": (("programs", 0, "compute", "accesses", 0, "counts", 0), "9" * 40),
    "enormous trips": (("programs", 0, "counters"), [{"name": "t0", "dim": "Y", "trips": 10**15}]),
    "an absurd address": (("buffers", 0, "address_bytes"), -(10**18)),
    "another place": (("places", 0, "strides", 0), 10**40),
    "a nest of absurd size": (("operators", 0, "parts", 0, "nest", "dims", 6, 1), 10**30),
    "an operand without an axis": (("operators", 0, "parts", 0, "nest", "operands", 0, "axes"), []),
    "a missing key": (("programs", 0, "compute"), {}),
    "a wrong type": (("buffers",), 7),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_plan_changed_by_hand_is_an_error_or_a_difference(what: str, scheduled: Path, tilewright) -> None:
    file = scheduled / "plan.json"
    document = json.loads(file.read_text())
    keys, value = CHANGES[what]
    place = document["plan"]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    file.write_text(json.dumps(document))
    outcome = tilewright("simulate", scheduled)
    assert outcome.code in (1, 5)
    assert outcome.problems


def test_a_defect_is_not_blamed_on_files_that_nobody_changed(scheduled: Path, tilewright, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr("tilewright.cli.simulate.execute", broken)
    outcome = tilewright("simulate", scheduled)
    assert outcome.code == 70
    assert "defect of Tilewright" in outcome.err


def test_names_with_control_characters_stay_on_their_line(tmp_path: Path, tilewright) -> None:
    node = helper.make_node("Relu", ["x"], ["a\nb\x1b[2J"], "first\nline\t<b>\"'/../x")
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, 3]) for name in ("x", "a\nb\x1b[2J")]
    graph = helper.make_graph([node], "g", infos[:1], infos[1:])
    path = tmp_path / "names.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    outcome = tilewright("schedule", path, *ARCH, "-o", tmp_path / "out")
    assert outcome.code == 0
    assert "first\\nline\\t<b>\"'/../x" in outcome.out
    outcome = tilewright("simulate", tmp_path / "out")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out
    assert sorted(file.name for file in tmp_path.iterdir()) == ["names.onnx", "out"]


def test_a_value_given_twice_is_wrong_usage(small_model: Path, tilewright) -> None:
    for option, values in (("--dim", ("batch=2", "batch=3")), ("--input-shape", ("x=1,3,9,9", "x=1,3,8,8"))):
        outcome = tilewright("schedule", small_model, *ARCH, option, values[0], option, values[1])
        assert outcome.code == 2
        assert "given twice" in outcome.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_a_full_standard_output_is_one_message() -> None:
    with open("/dev/full", "w") as full:
        run = subprocess.run(
            [sys.executable, "-c", "from tilewright.cli.app import main; main()", "ops"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ},
            check=False,
        )
    assert run.returncode == 1
    assert run.stderr == "error: standard output cannot be written: No space left on device\n"
