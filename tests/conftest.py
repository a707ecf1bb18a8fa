"""What all tests share: golden files, the maintainers' shared folder, settings of hypothesis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


os.environ["TILEWRIGHT_CACHE"] = "off"  # tests neither read nor fill the user's own store


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the tests print into the golden files")


def pytest_configure(config: pytest.Config) -> None:
    """Compile all kernels once before there are workers, each of which would compile them all on a fresh checkout.

    Whether that works is for the tests to say.
    """
    if not config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    commands = [[sys.executable, "-m", "tests.warm_up", half] for half in ("searches", "others")]
    halves = [subprocess.Popen(c, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) for c in commands]
    for half in halves:
        half.wait()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the file of that name in ``golden/`` beside the test, or rewrites it when asked to."""

    def check(name: str, text: str) -> None:
        path = request.path.parent / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.exists(), f"{path.relative_to(ROOT)} is missing; write it with: pytest --update-golden"
        assert text == path.read_text(encoding="utf-8"), f"differs from {path.relative_to(ROOT)}"

    return check


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store for one test: what its strategies have in common is evaluated once."""
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "store"))


@pytest.fixture
def shared() -> Path:
    """The folder ``shared`` beside the checkout; tests that need it are skipped where there is none."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder `shared` beside this checkout")
    return folder
