"""An explanation as text: what is worth pasting into a report."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.emit.explain import Explanation
from tilewright.mapping.problem import OBJECTIVES

UNITS = {"latency": "cycles", "energy": "pJ", "edp": "pJ*cycles", "traffic": "B"}


def explanation_text(explained: Explanation) -> str:
    """All sections, one below the other."""
    return "\n\n".join([_nest(explained), _rooms(explained), _energy(explained), _time(explained), _floors(explained)])


def columns(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Rows as aligned lines; the first ``left`` columns flush left, the others right.

    >>> columns([("a", "1"), ("bb", "22")], 1)
    ['a    1', 'bb  22']
    """
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(w) if k < left else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def _nest(explained: Explanation) -> str:
    rows = [("  " * line.depth + line.node, line.note) for line in explained.lines]
    return "\n".join(columns(rows, 2))


def _rooms(explained: Explanation) -> str:
    rows = [("memory", "bytes used", "of", "what")]
    for room in explained.rooms:
        capacity = "unlimited" if room.capacity is None else f"{room.capacity:,}"
        parts = ", ".join(f"{operand} {size:,}" for operand, size in room.parts)
        rows.append((room.memory, f"{room.used:,}", capacity, parts))
    # What lies there is text of any length: it stands last, flush left.
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return "\n".join(
        f"{row[0].ljust(widths[0])}  {row[1].rjust(widths[1])}  {row[2].rjust(widths[2])}  {row[3]}".rstrip()
        for row in rows
    )


def _energy(explained: Explanation) -> str:
    total = explained.cost.energy_pj
    rows = [("energy at", "of", "bytes read", "bytes written", "pJ", "share")]
    for share in explained.shares:
        part = f"{share.energy_pj / total:.1%}" if total else ""
        accesses = (f"{share.read_bytes:,}", f"{share.write_bytes:,}") if share.operand else ("", "")
        rows.append((share.memory, share.operand, *accesses, f"{share.energy_pj:,.0f}", part))
    rows.append(("in all", "", "", "", f"{total:,.0f}", ""))
    return "\n".join(columns(rows, 2))


def _time(explained: Explanation) -> str:
    cost = explained.cost
    rows = [("time of", "cycles", "of all"), *((n, f"{c:,}", _share(c, cost.cycles)) for n, c in explained.times)]
    rows.append(("in all", f"{cost.cycles:,}", ""))
    said = (
        f"{explained.bound_by} bound{'' if explained.bound_by.endswith('s') else 's'} the time;"
        f" {explained.utilisation:.1%} of the array's peak; {cost.steps:,} tile steps"
    )
    return "\n".join([*columns(rows, 1), said])


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else ""


def _floors(explained: Explanation) -> str:
    rows = [("objective", "value", "floor", "above", "unit")]
    floors = dict(explained.floors)
    for objective in OBJECTIVES:
        value, least = explained.cost.value(objective), floors[objective]
        above = f"{value / least - 1:.1%}" if least else ""
        rows.append((objective, f"{value:,.6g}", f"{least:,.6g}", above, UNITS[objective]))
    return "\n".join(
        [*columns([row[:4] for row in rows], 1), "floor: compulsory traffic and peak compute; no mapping goes below it"]
    )
