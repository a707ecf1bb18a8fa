"""Starting is quick: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCES = str(Path(__file__).resolve().parent.parent / "src")
HEAVY = ("numba", "numpy", "onnx", "onnxruntime", "pandas", "pydantic")

IMPORT = "import tilewright"
HELP = """
import sys
from tilewright.cli.app import main
sys.argv = ["tilewright", "--help"]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def loaded_by(code: str) -> set[str]:
    """Which of the heavy packages a fresh interpreter has loaded after running the code."""
    report = f"\nimport sys\nprint('heavy:', *sorted(set(sys.modules) & set({HEAVY!r})))"
    search = os.pathsep.join(filter(None, [SOURCES, os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": search}
    run = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, timeout=60, env=environment
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("code", [IMPORT, HELP], ids=["import tilewright", "tilewright --help"])
def test_starting_loads_nothing_heavy(code: str) -> None:
    assert loaded_by(code) == set()


def test_a_heavy_import_would_be_noticed() -> None:
    assert "onnx" in loaded_by("import onnx")
