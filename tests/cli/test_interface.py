"""The public interface of the package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import tilewright as tw

SOURCES = str(Path(__file__).resolve().parents[2] / "src")


def test_everything_promised_is_there_and_documented() -> None:
    for name in tw.__all__:
        assert getattr(tw, name).__doc__
    assert callable(tw.schedule)
    assert callable(tw.simulate)


def test_packages_of_the_same_name_do_not_replace_the_functions() -> None:
    code = (
        "import tilewright as tw, tilewright.schedule.schedule, tilewright.simulate\n"
        "from tilewright.schedule.schedule import Schedule\n"
        "import tilewright.plan\n"
        "assert callable(tw.schedule) and callable(tw.simulate), tw.schedule\n"
        "assert tw.plan.__name__ == 'tilewright.plan'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": SOURCES})
