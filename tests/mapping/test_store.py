"""Results on disk: found again when everything is equal, never believed blindly, never in the way."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import tilewright as tw
from tilewright.mapping import store
from tilewright.mapping.nests import default_problem, gemm
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult, map_nest
from tilewright.mapping.store import result_key, stored_map_nest

TINY = tw.load_arch("tiny")
NEST = gemm(M=6, N=4, K=5)


def problem(arch: tw.Accelerator = TINY) -> NestProblem:
    return default_problem(NEST, arch, arch.layout)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objectives that were really searched for."""
    made: list[str] = []

    def counted(problem: NestProblem, objective: str, **options: object) -> NestResult:
        made.append(objective)
        return map_nest(problem, objective, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "map_nest", counted)
    return made


def test_equal_problems_are_searched_once(folder: Path, searches: list[str]) -> None:
    first = stored_map_nest(problem(), "edp")
    again = stored_map_nest(problem(replace(TINY, name="another", source="elsewhere")), "edp")
    assert searches == ["edp"]
    assert again == first
    stored_map_nest(problem(), "energy")
    stored_map_nest(problem(), "edp", cache=False)
    assert searches == ["edp", "energy", "edp"]


def test_off_means_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, searches: list[str]) -> None:
    monkeypatch.setenv("TILEWRIGHT_CACHE", "off")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for _ in range(2):
        stored_map_nest(problem(), "edp", effort="quick")
    assert searches == ["edp", "edp"]
    assert not list(tmp_path.iterdir())


CHANGES = {
    "extent": lambda p: replace(p, nest=replace(p.nest, dims=(*p.nest.dims[:-1], (p.nest.dims[-1][0], 7)))),
    "size": lambda p: replace(p, arch=p.arch.with_scratchpad(512)),
    "energy": lambda p: replace(
        p, arch=replace(p.arch, memories=(replace(p.arch.dram, read_pj=1.0), *p.arch.memories[1:]))
    ),
    "port": lambda p: replace(
        p, arch=replace(p.arch, memories=(replace(p.arch.dram, read_bandwidth=Fraction(9)), *p.arch.memories[1:]))
    ),
    "array": lambda p: replace(p, arch=replace(p.arch, array=replace(p.arch.array, mac_pj=9.0))),
    "timing": lambda p: replace(p, arch=replace(p.arch, timing="pipelined")),
    "widths": lambda p: replace(p, arch=replace(p.arch, widths=replace(p.arch.widths, accumulator=64))),
    "parameters": lambda p: replace(p, parameters=(3,)),
    "activations": lambda p: replace(p, activations=2),
    "strides": lambda p: replace(p, bindings=(replace(p.bindings[0], strides=(9, 1, 1)), *p.bindings[1:])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_costs_depend_on_is_part_of_the_key(change: str) -> None:
    assert result_key(CHANGES[change](problem()), "edp", 100, "good") != result_key(problem(), "edp", 100, "good")


def test_another_version_of_the_model_knows_nothing(folder: Path, searches: list[str], monkeypatch) -> None:
    stored_map_nest(problem(), "edp")
    monkeypatch.setattr(store, "MODEL_VERSION", store.MODEL_VERSION + 1)
    stored_map_nest(problem(), "edp")
    assert len(searches) == 2


def test_what_is_known_of_more_effort_changes_no_answer_of_less(folder: Path, searches: list[str]) -> None:
    quick = stored_map_nest(problem(), "edp", effort="quick")
    proven = stored_map_nest(problem(), "edp", effort="proof")
    assert proven != quick
    assert stored_map_nest(problem(), "edp", effort="quick") == quick
    assert stored_map_nest(problem(), "edp", effort="proof") == proven
    assert len(searches) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        "not json",
        json.dumps({"mapping": "keep input in glb\n"}),
        "cheaper",
    ],
)
def test_a_damaged_row_is_not_believed(folder: Path, wrong: str, searches: list[str]) -> None:
    first = stored_map_nest(problem(), "edp")
    with sqlite3.connect(folder / "nests.sqlite") as base:
        (document,) = base.execute("select document from mappings").fetchone()
        if wrong == "cheaper":
            wrong = json.dumps(json.loads(document) | {"bound": 2 * first.bound})
        base.execute("update mappings set document = ?", (wrong,))
    assert stored_map_nest(problem(), "edp").cost == first.cost
    assert len(searches) == 2
    stored_map_nest(problem(), "edp")
    assert len(searches) == 2  # the row was mended


@pytest.mark.parametrize("content", [b"this is no database", b""])
def test_a_foreign_file_is_no_obstacle(folder: Path, content: bytes) -> None:
    (folder / "nests.sqlite").write_bytes(content)
    assert stored_map_nest(problem(), "edp").status == "optimal"


def test_a_folder_that_cannot_be_made_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "file" / "below"))
    assert stored_map_nest(problem(), "edp").status == "optimal"


def test_old_rows_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 2)
    for objective in ("edp", "energy", "traffic"):
        stored_map_nest(problem(), objective)
    with sqlite3.connect(folder / "nests.sqlite") as base:
        assert base.execute("select count(*) from mappings").fetchone() == (2,)


def test_two_processes_write_at_once(folder: Path) -> None:
    code = (
        "import tilewright as tw\n"
        "from tilewright.mapping.nests import default_problem, gemm\n"
        "from tilewright.mapping.store import stored_map_nest\n"
        "tiny = tw.load_arch('tiny')\n"
        "for k in range(1, 6):\n"
        "    stored_map_nest(default_problem(gemm(M=2, N=2, K=k), tiny, tiny.layout), 'edp', effort='quick')\n"
    )
    both = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [one.wait(timeout=120) for one in both] == [0, 0]
    with sqlite3.connect(folder / "nests.sqlite") as base:
        assert base.execute("select count(*) from mappings").fetchone() == (5,)
