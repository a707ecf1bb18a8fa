"""What the pages say is what the program does; ``pytest --update-golden`` writes anew what is generated."""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tilewright.cli.ops import operators_markdown
from tilewright.serial import schema
from tilewright.workload.operators import supported

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
VARIES = re.compile(r"\b(?:in \d[\d.,]* (?:s|ms|us)|error [\d.e+-]+)\b| +\d[\d.,]* s$", re.MULTILINE)


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_python_examples_print_what_they_say(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def readme_python() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", PAGES[0].read_text("utf-8"), re.DOTALL)
    return str(code)


def test_the_python_of_the_readme_runs_on_a_small_network(small_model: Path, capsys) -> None:
    small = {'"resnet18"': f'"{small_model}", batch=1', "K=64, C=64, Y=56, X=56": "K=8, C=8, Y=7, X=7"}
    code = readme_python()
    for shown, less in small.items():
        assert shown in code
        code = code.replace(shown, less)
    exec(compile(code, "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


@pytest.mark.long
def test_the_python_of_the_readme_runs(capsys) -> None:
    exec(compile(readme_python(), "README.md", "exec"), {})
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_the_first_blocks_of_the_readme_are_the_two_commands() -> None:
    kinds = re.findall(r"```(\w+)\n(.*?)```", PAGES[0].read_text("utf-8"), re.DOTALL)
    (first, install), (second, test) = kinds[:2]
    assert first == second == "sh"
    assert install.rstrip().endswith("--simulate")
    assert test == "make test\n"


@pytest.fixture
def shown_again(tmp_path: Path) -> Callable[[str], str]:
    """Runs the commands of a console block in a shell, in one folder for the whole page."""
    program = tmp_path / "bin" / "tilewright"
    program.parent.mkdir()
    main = "from tilewright.cli.app import main; main()"
    program.write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} -c '{main}' \"$@\"\n")
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C.UTF-8"}
    work = tmp_path / "work"
    work.mkdir()

    def run(block: str) -> str:
        lines = []
        for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
            done = subprocess.run(command, shell=True, cwd=work, env=environment, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, ""), command
            lines += [f"$ {command}", done.stdout.rstrip()]
        return "\n".join(lines) + "\n"

    return run


def same(shown: str, said: str) -> bool:
    """Equal but for measured times; a line ``...`` on the page stands for any number of lines."""
    parts = [re.escape(part) for part in VARIES.sub("#", said).split("...\n")]
    return re.fullmatch("(?:.*\n)*?".join(parts), VARIES.sub("#", shown)) is not None


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_commands_print_what_the_page_shows(page, shown_again, request) -> None:
    text = page.read_text("utf-8")
    renewed = text
    for block in CONSOLE.findall(text):
        shown = shown_again(block)
        if same(shown, block):
            continue
        assert request.config.getoption("--update-golden"), f"{page.name} shows\n{block}\nbut now it is\n{shown}"
        renewed = renewed.replace(block, shown)
    if renewed != text:
        page.write_text(renewed, "utf-8")


def test_a_page_that_shows_something_else_is_noticed(shown_again) -> None:
    block = "$ tilewright --version\ntilewright 0.0.0\n"
    assert not same(shown_again(block), block)
    assert same("a\nb\nin 2.5 s\nc\n", "a\n...\nin 3 s\nc\n")


def test_the_operator_table_is_current(request) -> None:
    current("docs/operators.md", operators_markdown(), request)
    assert f"[{len(supported())} operators]" in PAGES[0].read_text("utf-8")


def test_the_json_schemas_are_current(request) -> None:
    from tilewright.plan.plan import Plan
    from tilewright.schedule.schedule import Schedule
    from tilewright.workload.network import ModelReference

    for kind, name in ((Schedule, "schedule"), (Plan, "plan"), (ModelReference, "model")):
        text = json.dumps(schema(kind, name), indent=1) + "\n"
        current(f"docs/schema/{name}.schema.json", text, request)


def current(name: str, text: str, request: pytest.FixtureRequest) -> None:
    path = ROOT / name
    if request.config.getoption("--update-golden"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert path.read_text("utf-8") == text, f"{name} is out of date; write it with: pytest --update-golden tests/cli"
