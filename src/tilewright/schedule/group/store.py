"""The fronts of groups on disk, so that equal groups are evaluated once.

One SQLite file beside that of ``mapping.store``, safe with several processes. A row is data only, and it is checked for
its form when it is read (``rows``); what is chosen of it is costed again by ``assemble``. Whatever is wrong with the
file (damaged, locked, foreign, not writable) means that there is no stored result, never an error.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Mapping as Dict
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping import recipes
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.store import MODEL_VERSION, plain, store_path
from tilewright.mapping.text import format_mapping
from tilewright.schedule.group import arrays, ways
from tilewright.schedule.group.alike import Signature

FRONTS_VERSION = 4  # raise it with every change of what ways are searched, or of what they cost
MOST_ROWS = 20_000
SEAL_BYTES = 16
SECONDS = 5.0  # between two transactions
_RULES = [ways.FINE, ways.COARSE, ways.OWN, ways.WIDE, arrays.MANY, arrays.FEW, arrays.KEPT, recipes.MOST_WHOLE,
          recipes.CAPS, recipes.WIDER]  # fmt: skip
_TABLE = "create table if not exists fronts (key text primary key, used real not null, document blob not null)"


def groups_path() -> Path | None:
    """The file of the fronts; None where nothing is kept."""
    return store_path("groups.sqlite")


class Keys:
    """Names for everything that the fronts of groups depend on, on one machine of whatever scratchpad; each problem is
    looked at once."""

    def __init__(self, arch: Accelerator, objective: str, found: Dict[NestProblem, Mapping]) -> None:
        named = replace(arch.with_scratchpad(None), name="", source="")  # which cost nothing
        self._same = _digest([FRONTS_VERSION, MODEL_VERSION, plain(_RULES), objective, plain(named)])
        self._found = found
        self._problems: dict[NestProblem, str] = {}

    def of(self, signature: Signature) -> str:
        """The name of a signature; all problems in it are problems of this machine."""
        return _digest([self._same, self._text(signature)])

    def _text(self, value: object) -> Any:
        if isinstance(value, tuple):
            return [self._text(one) for one in value]
        if not isinstance(value, NestProblem):
            return plain(value)
        if value not in self._problems:
            parts = [plain(getattr(value, field.name)) for field in fields(value) if field.name != "arch"]
            best = self._found.get(value)
            self._problems[value] = _digest([parts, None if best is None else format_mapping(best)])
        return self._problems[value]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def _seal(key: str, document: bytes) -> bytes:
    """What tells a document that belongs to a key from any other, damaged ones included."""
    return hashlib.sha256(key.encode() + document).digest()[:SEAL_BYTES]


class Store:
    """The rows of one file. What is put waits until ``flush``, or until the next ``put`` some seconds later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._base: sqlite3.Connection | None = None
        self._broken = False
        self._waiting: dict[str, bytes] = {}
        self._read: set[str] = set()
        self._written_at = time.monotonic()

    def get(self, key: str) -> bytes | None:
        """The document of that name, if there is one and nothing is wrong."""
        if key in self._waiting:
            return self._waiting[key]
        try:
            base = self._open()
            row = None if base is None else base.execute("select document from fronts where key = ?", (key,)).fetchone()
        except (sqlite3.Error, OSError):
            self._broken = True  # every question could wait as long as this one
            return None
        if row is None or not isinstance(row[0], bytes):
            return None
        seal, document = row[0][:SEAL_BYTES], row[0][SEAL_BYTES:]
        if seal != _seal(key, document):
            return None
        self._read.add(key)
        return document

    def put(self, key: str, document: bytes) -> None:
        """Keep a document, instead of the one that has its name."""
        self._waiting[key] = document
        if time.monotonic() > self._written_at + SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits, note what was read, remove what was not for the longest time beyond ``MOST_ROWS``."""
        self._written_at = time.monotonic()
        if not (self._waiting or self._read):
            return
        now = time.time()
        try:
            base = self._open()
            if base is None:
                return
            base.execute("begin immediate")
            try:
                base.executemany("update fronts set used = ? where key = ?", [(now, key) for key in self._read])
                base.executemany(
                    "insert into fronts values (?, ?, ?) on conflict (key) do update"
                    " set used = excluded.used, document = excluded.document",
                    [(key, now, _seal(key, document) + document) for key, document in self._waiting.items()],
                )
                base.execute(
                    "delete from fronts where key in (select key from fronts order by used desc limit -1 offset ?)",
                    (MOST_ROWS,),
                )
                base.execute("commit")
            except BaseException:
                if base.in_transaction:
                    base.execute("rollback")
                raise
        except (sqlite3.Error, OSError):
            return
        self._waiting.clear()
        self._read.clear()

    def close(self) -> None:
        """Write what waits and let the file go."""
        self.flush()
        if self._base is not None:
            self._base.close()
            self._base = None

    def _open(self) -> sqlite3.Connection | None:
        if self._base is None and not self._broken:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            base = sqlite3.connect(self._path, timeout=2.0, isolation_level=None)
            try:
                base.execute(_TABLE)
            except sqlite3.Error:
                base.close()
                self._broken = True
                raise
            self._base = base
        return None if self._broken else self._base
