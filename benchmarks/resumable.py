"""Benchmarks of many rows that resume: what is finished is in a file of JSON lines and not done again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


class Book:
    """The rows of one file, told apart by what they say under some names."""

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path, self._names = path, names

    def key(self, row: Row) -> tuple[Any, ...]:
        """What tells a row from others."""
        return tuple(row[name] for name in self._names)

    def read(self) -> Rows:
        """All rows; of equal ones the last."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        return {self.key(row): row for row in map(json.loads, filter(str.strip, lines))}

    def add(self, row: Row) -> None:
        """Write a finished row down, and tell it."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(*self.key(row), row.get("status", ""), f"{row['seconds']:.1f} s", file=sys.stderr, flush=True)


def parser(text: str | None, rows: str) -> argparse.ArgumentParser:
    """The options that all have: the file, by default ``rows``, and to print only."""
    found = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--rows", type=Path, default=Path(rows), help="file of the rows")
    found.add_argument("--table", action="store_true", help="run nothing, print what the rows say")
    return found


def finish(
    args: argparse.Namespace,
    names: tuple[str, ...],
    run: Callable[[argparse.Namespace, Book], None],
    tables: Callable[[Rows], bool],
) -> int:
    """Run what is missing unless only to print, and print; 5 if something does not hold."""
    book = Book(args.rows, names)
    if not args.table:
        run(args, book)
    return 0 if tables(book.read()) else 5
