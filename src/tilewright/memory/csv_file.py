"""Buffers in the CSV form of MiniMalloc: ``id,lower,upper,size``, and ``alignment`` and ``offset`` where wanted."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from tilewright.errors import InputError
from tilewright.memory.buffer import Buffer

NEEDED = ("id", "lower", "upper", "size")
OPTIONAL = ("alignment", "offset")
MOST_BYTES = 64 * 2**20  # of a file
MOST_TOLD = 20  # problems of one file
LARGEST = 2**62


@dataclass(frozen=True)
class Table:
    """A file's columns and rows as they were, and the buffers that they say, one a row. A row whose ``offset`` is empty
    has no fixed address."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    buffers: tuple[Buffer, ...]

    def with_offsets(self, offsets: Sequence[int]) -> str:
        """The file with a column ``offset`` (B) for every buffer, in place of the one that it had."""
        kept = [k for k, name in enumerate(self.columns) if name != "offset"]
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*(self.columns[k] for k in kept), "offset"])
        for row, offset in zip(self.rows, offsets, strict=True):
            writer.writerow([*(row[k] for k in kept), offset])
        return out.getvalue()


def read_buffers(path: Path) -> Table:
    """The buffers of a file. ``InputError`` lists what is wrong with it, each with its line; the first 20 are told."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path}: has {path.stat().st_size:,} B, more than the {MOST_BYTES:,} B that are read")
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it needs a CSV with the columns {','.join(NEEDED)}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    return parse_buffers(text, str(path))


def parse_buffers(text: str, name: str) -> Table:
    """The same from a file's text; ``name`` stands in front of every problem.

    >>> parse_buffers("id,lower,upper,size\\na,0,2,16\\n", "x.csv").buffers
    (Buffer(name='a', size_bytes=16, start=0, end=2, alignment=1, address=None),)
    >>> parse_buffers("id,lower,upper,size\\na,2,2,16\\n", "x.csv")
    Traceback (most recent call last):
    tilewright.errors.InputError: x.csv:2: buffer a lives from 2 until before 2, which is never; upper needs more than 2
    """
    try:
        lines = [(number, row) for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1) if any(row)]
    except csv.Error as error:
        raise InputError(f"{name}: is no CSV: {error}") from None
    if not lines:
        raise InputError(f"{name}: is empty; it needs a first line {','.join(NEEDED)} and a line for every buffer")
    (first, head), *rest = lines
    columns = tuple(cell.strip() for cell in head)
    wrong = _columns(columns, f"{name}:{first}")
    if not wrong and not rest:
        wrong = [f"{name}: has no buffers below its first line"]
    if wrong:
        raise InputError(wrong)
    at = {column: k for k, column in enumerate(columns)}
    buffers: list[Buffer] = []
    seen: dict[str, int] = {}
    for number, row in rest:
        place = f"{name}:{number}"
        if len(row) != len(columns):
            wrong.append(f"{place}: has {len(row)} cells, the first line has {len(columns)}")
        else:
            found = _buffer({column: row[k].strip() for column, k in at.items()}, place)
            if isinstance(found, Buffer):
                if found.name in seen:
                    wrong.append(
                        f"{place}: buffer {found.name} stands in line {seen[found.name]} already; ids are unique"
                    )
                seen.setdefault(found.name, number)
                buffers.append(found)
            else:
                wrong += found
        if len(wrong) > MOST_TOLD:
            raise InputError([*wrong[:MOST_TOLD], f"{name}: and more; these are the first {MOST_TOLD}"])
    if wrong:
        raise InputError(wrong)
    return Table(columns, tuple(tuple(row) for _, row in rest), tuple(buffers))


def _columns(columns: tuple[str, ...], place: str) -> list[str]:
    known = (*NEEDED, *OPTIONAL)
    wrong = []
    for column in columns:
        if column not in known:
            near = get_close_matches(column, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
            wrong.append(f"{place}: unknown column '{column}'{hint}")
    wrong += [f"{place}: column {name} is missing" for name in NEEDED if name not in columns]
    wrong += [f"{place}: column {name} stands there twice" for name in known if columns.count(name) > 1]
    return wrong


def _buffer(cells: dict[str, str], place: str) -> Buffer | list[str]:
    """The buffer of a row, or what is wrong with it."""
    wrong: list[str] = []
    name = cells["id"]
    if not name:
        wrong.append(f"{place}: the id is empty")

    def number(column: str) -> int:
        try:
            value = int(cells[column])
        except ValueError:
            wrong.append(f"{place}: {column} of buffer {name} needs a whole number, it is '{cells[column][:40]}'")
            return 1
        if abs(value) > LARGEST:
            wrong.append(f"{place}: {column} of buffer {name} is beyond 2^62")
            return 1
        return value

    start, end, size = number("lower"), number("upper"), number("size")
    alignment = number("alignment") if cells.get("alignment") else 1
    address = number("offset") if cells.get("offset") else None
    if wrong:
        return wrong
    if end <= start:
        wrong.append(
            f"{place}: buffer {name} lives from {start} until before {end}, which is never;"
            f" upper needs more than {start}"
        )
    if size <= 0:
        wrong.append(f"{place}: buffer {name} has {size} B; a size is at least 1 B")
    if alignment < 1:
        wrong.append(f"{place}: buffer {name} has an alignment of {alignment}; it is at least 1 B")
    elif address is not None and (address < 0 or address % alignment):
        wrong.append(
            f"{place}: buffer {name} is to lie at {address}; an address is not negative and a multiple of the"
            f" alignment, here {alignment} B"
        )
    return wrong or Buffer(name, size, start, end, alignment, address)
