"""What the pages say is what the program does; ``pytest --update-golden`` writes anew what is generated."""

from __future__ import annotations

import doctest
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tilewright.cli.ops import operators_markdown
from tilewright.serial import schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CONSOLE = re.compile(r"(?<=```console\n)(.*?)(?=```)", re.DOTALL)
VARIES = re.compile(r"\b\d[\d.,]* (?:s|ms|us)\b")


def ids(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_python_examples_print_what_they_say(page: Path) -> None:
    result = doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def shown_again(block: str, tilewright: Callable) -> str:
    """A console block with what its commands print now."""
    lines = []
    for command in re.findall(r"^\$ (.*)$", block, re.MULTILINE):
        program, *arguments = shlex.split(command)
        if program == "tilewright":
            outcome = tilewright(*arguments)
            assert outcome.code == 0, outcome.err
            lines += [f"$ {command}", outcome.out.rstrip()]
        else:
            assert program == "cat", command
            lines += [f"$ {command}", Path(arguments[0]).read_text("utf-8").rstrip()]
    return "\n".join(lines) + "\n"


def same(shown: str, said: str) -> bool:
    """Equal but for measured times; a line ``...`` on the page stands for any number of lines."""
    pattern = re.escape(VARIES.sub("# s", said)).replace(r"\.\.\.\n", "(?:.*\n)*?")
    return re.fullmatch(pattern, VARIES.sub("# s", shown)) is not None


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_the_commands_print_what_the_page_shows(page, tilewright, tmp_path, monkeypatch, request) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    renewed = text
    for block in CONSOLE.findall(text):
        shown = shown_again(block, tilewright)
        if same(shown, block):
            continue
        assert request.config.getoption("--update-golden"), f"{page.name} shows\n{block}\nbut now it is\n{shown}"
        renewed = renewed.replace(block, shown)
    if renewed != text:
        page.write_text(renewed, "utf-8")


def test_a_page_that_shows_something_else_is_noticed(tilewright) -> None:
    block = "$ tilewright --version\ntilewright 0.0.0\n"
    assert not same(shown_again(block, tilewright), block)
    assert same("a\nb\nin 2.5 s\nc\n", "a\n...\nin 3 s\nc\n")


def test_the_operator_table_is_current(request) -> None:
    current("docs/operators.md", operators_markdown(), request)


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
