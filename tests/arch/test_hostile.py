"""Whatever a file holds, it gives an accelerator or complaints with line and column, and quickly."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilewright.arch import Accelerator, catalog, describe
from tilewright.arch import load as loader
from tilewright.arch.load import parse_arch
from tilewright.errors import InputError

FOLDER = Path(loader.__file__).parent / "catalog"
TEXTS = [(FOLDER / f"{name}.yaml").read_text(encoding="utf-8") for name in catalog()]
PLACED = re.compile(r"m\.yaml:[1-9]\d*:[1-9]\d*: \S.*")

SIGNS = list("{}[],:-&*!|>'\"%@`#?\t\n\x00\u2028\ud7ff😀")
WORDS = [
    "0",
    "-1",
    "64",
    "1e30",
    "1e99",
    "9" * 19,
    ".nan",
    ".inf",
    "true",
    "no",
    "~",
    "null",
    "mac",
    "name",
    "memories",
]
YAML = [
    "&a",
    "*a",
    "<<",
    "!!int",
    "!!python/object:os.system",
    "---",
    "...",
    "keeps",
    "input",
    "KiB",
    "pJ/B",
    "B/cycle",
]
TOKENS = st.sampled_from(SIGNS + WORDS + YAML) | st.text(max_size=3)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A shipped file after a few edits of words, lines and characters."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["word", "line", "insert", "cut", "swap"]))
        if kind == "word":
            words = list(re.finditer(r"[\w.-]+", text))
            word = draw(st.sampled_from(words)) if words else None
            text = text[: word.start()] + draw(TOKENS) + text[word.end() :] if word else text
        elif kind == "insert":
            at = draw(st.integers(0, len(text)))
            text = text[:at] + draw(TOKENS) + text[at:]
        elif kind == "cut":
            at = draw(st.integers(0, len(text)))
            text = text[:at] + text[at + draw(st.integers(1, 8)) :]
        else:
            lines = text.splitlines(keepends=True) or [""]
            i, j = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            if kind == "line":
                lines[i] += lines[j]
            else:
                lines[i], lines[j] = lines[j], lines[i]
            text = "".join(lines)
    return text


def outcome(data: bytes) -> Accelerator | InputError:
    try:
        return parse_arch(data, "m.yaml")
    except InputError as error:
        assert error.problems
        assert all(PLACED.fullmatch(problem) and problem.isprintable() for problem in error.problems), error.problems
        return error


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_an_edited_file_is_an_accelerator_or_complaints_with_places(text: str) -> None:
    result = outcome(text.encode("utf-8", "surrogatepass"))
    if isinstance(result, Accelerator):
        assert describe(result).startswith(result.name)
        assert result.scratchpad is result.memories[1]
        assert all(m.size_bytes is not None and m.size_bytes > 0 for m in result.memories[1:])
        assert {result.home(role).name for role in ("input", "weight", "output")}


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_complaints_with_places(data: bytes) -> None:
    assert isinstance(outcome(data), InputError)


BOMB = b"a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + b"".join(
    b"%c: &%c [" % (c, c) + b", ".join([b"*%c" % (c - 1)] * 10) + b"]\n" for c in range(ord("b"), ord("m"))
)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "1:1: the file is empty"),
        (b"# nothing\n", "1:1: the file is empty"),
        (b"hello", "1:1: an accelerator file is a mapping that begins like 'name: my-npu', this is 'hello'"),
        (b"- name: x", "1:1: an accelerator file is a mapping that begins like 'name: my-npu', this is a list"),
        (b"name: x\n\tclock: 1 GHz", "2:1: a tab stands here; YAML is laid out with spaces only"),
        (b"name: x\nclock:\t1 GHz\nvector:\t{}", "2:7: a tab stands here"),
        (b"name: x\nclock:\t1 GHz\nvector:\t{}", "3:8: a tab stands here"),
        (b"name: \xffx", "1:7: byte 0xff is not UTF-8"),
        (b"name: x\nm: [1", "2:6: this is not YAML: while parsing a flow sequence, expected"),
        (b"name: x\nclock: *z", "2:8: this is not YAML: found undefined alias"),
        (b"name: x\n--- \nname: y", "2:1: this is not YAML: expected a single document"),
        (b'name: "\\UFFFFFFFF"', "1:1: this is not YAML"),
        (b"%YAML 1." + b"1" * 5000 + b"\n--- \nname: x", "1:1: this is not YAML"),
        (b"[" * 100_000, "1:1: lists or mappings are nested too deeply"),
        (b"a: " * 5, "1:5: this is not YAML: mapping values are not allowed here"),
        (b"a: &a [*a]", "1:1: anchors and aliases make the file hold more than 20000 values"),
        (BOMB, "1:1: anchors and aliases make the file hold more than 20000 values"),
        (b"#" * (1 << 21), "1:1: the file has 2097152 bytes; an accelerator file has at most 1048576"),
        (b"? [a]\n: 1\n", "1:3: a key of the accelerator must be a plain name, this is a list"),
        (b"base: &b {lanes: 1}\nvector:\n  <<: *b\n", "3:3: unknown key '<<' in the vector unit"),
        (b"name: x\nclock: " + b"9" * 10_000 + b" Hz", "has the unknown unit '9999"),
    ],
)
def test_a_hostile_file_is_refused_quickly_with_its_reason(data: bytes, complaint: str) -> None:
    start = time.process_time()
    result = outcome(data)
    assert isinstance(result, InputError)
    assert any(complaint in problem for problem in result.problems), result.problems[:5]
    assert time.process_time() - start < 10


def test_an_alias_used_in_measure_is_welcome() -> None:
    text = TEXTS[0].replace("energy: {read: 100 pJ/B, write: 100 pJ/B}", "energy: &e {read: 1 pJ/B, write: 1 pJ/B}", 1)
    machine = outcome(re.sub(r"energy: \{read[^}]*\}", "energy: *e", text).encode())
    assert isinstance(machine, Accelerator)
    assert {memory.read_pj for memory in machine.memories} == {1.0}
