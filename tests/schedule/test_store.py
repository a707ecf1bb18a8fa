"""Fronts on disk are those that were found, and whatever is wrong with the file, nothing but time is lost."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.schedule.markets import Fronts, all_fronts, market, small

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.schedule.group import market as markets
from tilewright.schedule.group import store
from tilewright.schedule.group.store import Store


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def fresh(model: Path) -> Fronts:
    return all_fronts(market(model))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "groups.sqlite"


_MADE: dict[object, Any] = {}


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Gets an entry for every group whose fronts are made. Those that were made in another test are remembered."""
    calls: list[object] = []
    made = markets.fronts

    def watched(book: Any, mapper: Any, asked: Any, capacity: int) -> Any:
        calls.append(book)
        members = tuple((one.name, one.problem) for one in book.group.all)
        key = (members, asked, capacity, mapper._objective)
        if key not in _MADE:
            _MADE[key] = made(book, mapper, asked, capacity)
        return _MADE[key]

    monkeypatch.setattr(markets, "fronts", watched)
    return calls


def filled(model: Path, path: Path, objective: str = "edp", arch: Accelerator | None = None) -> Fronts:
    """All fronts, with the store in a file."""
    asked = market(model, objective, arch, Store(path))
    found = all_fronts(asked)
    asked.close()
    return found


def test_stored_fronts_are_those_found_bit_for_bit(
    model: Path, path: Path, fresh: Fronts, computed: list[object]
) -> None:
    first = filled(model, path)
    assert computed
    computed.clear()
    again = filled(model, path)
    assert not computed
    assert repr(first) == repr(again) == repr(fresh)  # tells floats apart that are equal, and ways


def test_names_of_operators_and_tensors_make_no_difference(
    model: Path, path: Path, tmp_path: Path, computed: list[object]
) -> None:
    filled(model, path)
    computed.clear()
    filled(small(tmp_path, "other_"), path)
    assert not computed


def test_another_objective_or_machine_has_other_fronts(path: Path, tmp_path: Path, computed: list[object]) -> None:
    model = small(tmp_path, layers=1)
    filled(model, path)
    arch = tw.load_arch("mobile-npu")
    renamed = replace(arch, name="any", source="elsewhere")
    slower = replace(arch, memories=(replace(arch.dram, setup_cycles=arch.dram.setup_cycles + 1), *arch.memories[1:]))
    assert slower.dram != arch.dram
    for objective, machine, new in (("edp", renamed, False), ("latency", arch, True), ("edp", slower, True)):
        computed.clear()
        filled(model, path, objective, machine)
        assert bool(computed) is new


def test_rows_of_a_larger_scratchpad_serve_a_smaller_one(model: Path, path: Path, computed: list[object]) -> None:
    arch = tw.load_arch("mobile-npu")
    sizes = (1 << 20, 3000, 1200)
    machines = [arch.with_scratchpad(size) for size in sizes]
    fresh = [filled(model, path.with_name(f"{machine.scratchpad.size_bytes}"), "edp", machine) for machine in machines]
    for machine, expected in zip(machines[::-1], fresh[::-1], strict=True):  # a row of less is no row of more
        computed.clear()
        assert repr(filled(model, path, "edp", machine)) == repr(expected)
        assert computed
    for machine, expected in zip(machines, fresh, strict=True):
        computed.clear()
        assert repr(filled(model, path, "edp", machine)) == repr(expected)
        assert not computed
    assert len({len([offers for offers in one.values() if offers]) for one in fresh}) == len(sizes)


@pytest.mark.parametrize("cache", [True, False])
def test_a_schedule_has_a_file_unless_told_otherwise(
    cache: bool, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, computed: list[object]
) -> None:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path / "cache"))
    options: Any = {"effort": "quick", "cache": cache, "largest": 1}
    first = tw.schedule(tw.load_model(model), tw.load_arch("mobile-npu"), "edp", "optimal", **options)
    assert (tmp_path / "cache").exists() is cache
    computed.clear()
    again = tw.schedule(tw.load_model(model), tw.load_arch("mobile-npu"), "edp", "optimal", **options)
    assert bool(computed) is not cache
    assert first.groups == again.groups


def rows(path: Path) -> list[tuple[str, bytes]]:
    with sqlite3.connect(path) as base:
        return base.execute("select key, document from fronts order by key").fetchall()


def replaced(path: Path, change: Callable[[str, bytes], object]) -> None:
    with sqlite3.connect(path) as base:
        for key, document in rows(path):
            base.execute("update fronts set document = ? where key = ?", (change(key, document), key))


def sealed(change: Callable[[Any], Any]) -> Callable[[str, bytes], bytes]:
    """A change of what a row says under a seal that is right."""

    def changed(key: str, document: bytes) -> bytes:
        text = json.loads(zlib.decompress(document[store.SEAL_BYTES :]))
        body = zlib.compress(json.dumps(change(text)).encode())
        return store._seal(key, body) + body

    return changed


def put(value: object, *where: int) -> Callable[[Any], Any]:
    """A document with a value somewhere."""

    def change(document: Any) -> Any:
        at = document
        for place in where[:-1]:
            at = at[place]
        at[where[-1]] = value
        return document

    return change


CAPACITY, ARRAYS, WAYS, FRONTS = range(4)
WRONG = {
    "empty": lambda key, document: b"",
    "a text": lambda key, document: "fronts",
    "nothing packed": lambda key, document: store._seal(key, b"{}") + b"{}",
    "cut off": lambda key, document: document[:-9],
    "a bit": lambda key, document: document[:40] + bytes([document[40] ^ 4]) + document[41:],
    "cut off and sealed": lambda key, document: store._seal(key, document[16:-9]) + document[16:-9],
    "no list": sealed(lambda document: 5),
    "no fronts": sealed(lambda document: document[:3]),
    "a capacity in words": sealed(put("much", CAPACITY)),
    "those of less capacity": sealed(put(1000, CAPACITY)),
    "an unknown array": sealed(put([10**6], WAYS, 0, 3)),
    "an unknown overlap": sealed(put("some", WAYS, 0, 1)),
    "an unknown loop": sealed(put([["Q", 2]], WAYS, 0, 0)),
    "an unknown list as a loop": sealed(put([[["Y"], 2]], WAYS, 0, 0)),
    "weights of nobody": sealed(put([], WAYS, 0, 4)),
    "an unknown node": sealed(put([["fold", "Y", 2]], ARRAYS, 0)),
    "an unknown dimension": sealed(put([["loop", "Q", 2]], ARRAYS, 0)),
    "an unknown axis": sealed(put([["par", "Y", 2, "z"]], ARRAYS, 0)),
    "an unknown memory": sealed(put([["keep", "I", "cellar"]], ARRAYS, 0)),
    "an empty tile": sealed(put([["loop", "Y", 0]], ARRAYS, 0)),
    "unknown places": sealed(put("7" * 4, FRONTS, 0, 0)),
    "room below nothing": sealed(put([-1], FRONTS, 0, 1)),
    "room of parts of bytes": sealed(put([1.5], FRONTS, 0, 1)),
    "energy without end": sealed(put([float("inf")], FRONTS, 0, 2)),
    "energy in words": sealed(put(["little"], FRONTS, 0, 2)),
    "columns of two lengths": sealed(put([1] * 1000, FRONTS, 0, 3)),
    "an unknown way": sealed(put([10**6], FRONTS, 0, 6)),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_no_row(
    wrong: Callable[[str, bytes], object], model: Path, path: Path, fresh: Fronts, computed: list[object]
) -> None:
    filled(model, path)
    good = rows(path)
    replaced(path, wrong)
    computed.clear()
    assert repr(filled(model, path)) == repr(fresh)
    assert len(computed) == len(good)
    assert rows(path) == good


def test_rows_of_other_groups_are_no_rows(model: Path, path: Path, fresh: Fronts, computed: list[object]) -> None:
    filled(model, path)
    every = dict(rows(path))
    others = dict(zip(every, [*list(every.values())[1:], next(iter(every.values()))], strict=True))
    replaced(path, lambda key, document: others[key])
    computed.clear()
    assert repr(filled(model, path)) == repr(fresh)
    assert len(computed) == len(every)


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute("create table fronts (name text)")


def _locked(path: Path) -> None:
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("create table other (name text)")
    base.execute("begin exclusive")
    _OPEN.append(base)


_OPEN: list[sqlite3.Connection] = []


@pytest.mark.parametrize(
    "spoil",
    [lambda path: path.write_bytes(b"no database" * 100), lambda path: path.mkdir(), _foreign, _locked],
    ids=["damaged", "a folder", "foreign", "locked"],
)
def test_a_file_that_is_no_store_is_left_alone(
    spoil: Callable[[Path], None], model: Path, path: Path, fresh: Fronts, computed: list[object]
) -> None:
    spoil(path)
    assert filled(model, path) == fresh
    while _OPEN:
        _OPEN.pop().close()


def test_a_folder_that_cannot_be_made_is_no_error(
    model: Path, tmp_path: Path, fresh: Fronts, computed: list[object]
) -> None:
    (tmp_path / "file").write_text("")
    assert filled(model, tmp_path / "file" / "below" / "groups.sqlite") == fresh


def test_rows_that_were_not_used_for_the_longest_time_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_ROWS", 2)
    path = tmp_path / "groups.sqlite"
    for name in "ab":
        base = Store(path)
        base.put(name, name.encode())
        base.close()
    base = Store(path)
    assert base.get("a") == b"a"
    base.close()
    base.put("c", b"c")
    base.close()
    assert [base.get(name) for name in "abc"] == [b"a", None, b"c"]
    base.close()
