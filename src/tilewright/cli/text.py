"""Numbers and tables as text that can be pasted: aligned columns, units in the headings, no colours."""

from __future__ import annotations

from collections.abc import Sequence

_ENERGY = ((1e12, "J"), (1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ"), (1.0, "pJ"))
_BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
_TIME = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_COUNT = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def _scaled(value: float, units: Sequence[tuple[float, str]], plain: str) -> str:
    for scale, unit in units:
        if abs(value) >= scale:
            return f"{value / scale:.3g}{unit}" if value / scale < 1000 else f"{value / scale:,.0f}{unit}"
    return plain


def energy(pj: float) -> str:
    """
    >>> energy(1234567.0), energy(0.0)
    ('1.23 uJ', '0 pJ')
    """
    return _scaled(pj, [(scale, f" {unit}") for scale, unit in _ENERGY], f"{pj:.3g} pJ")


def size(count_bytes: int) -> str:
    """Exact bytes, with a rounded figure where that is easier to read.

    >>> size(512), size(3 * 2**20)
    ('512 B', '3,145,728 B (3 MiB)')
    """
    exact = f"{count_bytes:,} B"
    rounded = _scaled(count_bytes, [(scale, f" {unit}") for scale, unit in _BYTES], "")
    return f"{exact} ({rounded})" if rounded else exact


def duration(time_seconds: float) -> str:
    """
    >>> duration(0.00345), duration(12.0)
    ('3.45 ms', '12 s')
    """
    return _scaled(time_seconds, [(scale, f" {unit}") for scale, unit in _TIME], f"{time_seconds:.3g} s")


def rounded(count: float) -> str:
    """
    >>> rounded(1_814_073_344), rounded(7)
    ('1.81G', '7')
    """
    return _scaled(count, _COUNT, f"{count:.3g}")


def percent(fraction: float) -> str:
    """
    >>> percent(0.0345), percent(274.4)
    ('3.45%', '27,440%')
    """
    return f"{100 * fraction:.3g}%" if abs(fraction) < 9.99 else f"{100 * fraction:,.0f}%"


def shape(extents: Sequence[int]) -> str:
    """
    >>> shape((1, 64, 56, 56))
    '1x64x56x56'
    """
    return "x".join(map(str, extents)) or "scalar"


def shortened(name: str, width: int = 36) -> str:
    """The end of a long name, where names of one network differ.

    >>> shortened("/model/encoder/layer.0/attention", 12)
    '../attention'
    """
    return name if len(name) <= width else ".." + name[2 - width :]


def printable(name: str) -> str:
    """A name without line ends and control characters, which a model may hold and a terminal would obey.

    >>> printable("a\\nb\\x1b[2J")
    'a\\\\nb\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def cell(value: object) -> str:
    """A value in a table.

    >>> cell(1200), cell(1.5)
    ('1,200', '1.5')
    """
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


def table(headings: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """Aligned columns, two spaces apart: the first ``left`` ones flush left, the others (numbers) flush right.

    >>> print(table(["name", "bytes"], [["a", 1200], ["long", 7]]))
    name  bytes
    a     1,200
    long      7
    """
    cells = [list(headings), *([cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    lines = []
    for row in cells:
        padded = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines)


def fields(pairs: Sequence[tuple[str, str]]) -> str:
    """Named values under one another.

    >>> print(fields([("cycles", "12"), ("edp", "3 pJ")]))
    cycles  12
    edp     3 pJ
    """
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in pairs)
