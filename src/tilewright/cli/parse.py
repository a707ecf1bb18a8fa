"""Reading option values: every function takes the text a user typed and raises UsageError with a full sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tilewright.errors import UsageError

LARGEST = 2**40
_PERCENT = {"%": 0.01}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_ENERGY = {"pJ": 1.0, "nJ": 1e3, "uJ": 1e6, "mJ": 1e9, "J": 1e12}
_BYTES = {"B": 1.0, "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)\s*([A-Za-z%]*)\s*")


def _quantity(text: str, option: str, units: dict[str, float], examples: str) -> float:
    """A number and its unit; without one the first of the units is meant."""
    match = _QUANTITY.fullmatch(text)
    factor = units.get(match[2] or next(iter(units))) if match else None
    if match is None or factor is None:
        raise UsageError(f"{option} {text}: not understood; give {examples}")
    return float(match[1]) * factor


def seconds(text: str) -> float:
    """Seconds of a ``--timeout``.

    >>> seconds("60"), seconds("60s"), seconds("2m")
    (60.0, 60.0, 120.0)
    """
    return _quantity(text, "--timeout", _SECONDS, "seconds or minutes, such as 60, 60s or 2m")


def percent(text: str) -> float:
    """The fraction of a ``--resolution``.

    >>> percent("1%"), percent("0.5"), percent("0%")
    (0.01, 0.005, 0.0)
    """
    return _quantity(text, "--resolution", _PERCENT, "percent, such as 1%")


def energy_pj(text: str) -> float:
    """Picojoules of a ``--max-energy``.

    >>> energy_pj("12"), energy_pj("1.5 mJ")
    (12.0, 1500000000.0)
    """
    return _quantity(text, "--max-energy", _ENERGY, "picojoules or a unit, such as 5e9, 5000 uJ or 5 mJ")


def byte_count(text: str) -> float:
    """Bytes of a ``--max-dram-bytes``.

    >>> byte_count("4096"), byte_count("4 KiB")
    (4096.0, 4096.0)
    """
    return _quantity(text, "--max-dram-bytes", _BYTES, "bytes or a unit, such as 4096, 4 KiB or 1.5 MiB")


def capacity_bytes(text: str) -> int:
    """Whole bytes of a ``--capacity``.

    >>> capacity_bytes("1048576"), capacity_bytes("1 MiB")
    (1048576, 1048576)
    """
    value = _quantity(text, "--capacity", _BYTES, "bytes or a unit, such as 65536, 64 KiB or 1 MiB")
    if value < 1 or value != int(value) or value > LARGEST:
        raise UsageError(f"--capacity {text}: needs whole bytes, from 1 to 2^40")
    return int(value)


def _integer(text: str, where: str, least: int = 1) -> int:
    try:
        value = int(text)
    except ValueError:
        raise UsageError(f"{where}: '{text}' is not a whole number") from None
    if value < least:
        raise UsageError(f"{where}: {value} is too small, at least {least} is needed")
    if value > LARGEST:
        raise UsageError(f"{where}: {value} is too large, at most {LARGEST} is supported")
    return value


def _assignment(text: str, option: str, example: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=")
    if not (equals and name.strip() and value.strip()):
        raise UsageError(f"{option} {text}: not understood; give {example}")
    return name.strip(), value.strip()


def input_shapes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Shapes by input name.

    >>> input_shapes(["x=1,3,64,64"])
    {'x': (1, 3, 64, 64)}
    """
    return _shapes(texts, "--input-shape", "a name and its extents, such as x=1,3,64,64")


def array_sizes(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Sizes of arrays by the operand's name.

    >>> array_sizes(["I=3,226", "b=4"])
    {'I': (3, 226), 'b': (4,)}
    """
    return _shapes(texts, "--size", "an operand's name and the size of each axis, such as I=3,226")


def _shapes(texts: Iterable[str], option: str, example: str) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, value = _assignment(text, option, example)
        where = f"{option} {text}"
        if name in found:
            raise UsageError(f"{where}: {name} is given twice")
        found[name] = tuple(_integer(part, where) for part in value.split(","))
    return found


def dims(texts: Iterable[str]) -> dict[str, int]:
    """Extents by the name of a symbolic dimension.

    >>> dims(["batch=2"])
    {'batch': 2}
    """
    found: dict[str, int] = {}
    for text in texts:
        name, value = _assignment(text, "--dim", "a name and its extent, such as batch=2")
        if name in found:
            raise UsageError(f"--dim {text}: {name} is given twice")
        found[name] = _integer(value, f"--dim {text}")
    return found


def extents(text: str) -> dict[str, int]:
    """Extents of dimensions given as one option; all that is not understood is told at once.

    >>> extents("k=64, c=3")
    {'k': 64, 'c': 3}
    """
    found: dict[str, int] = {}
    wrong: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        try:
            name, value = _assignment(part, "--dims", "extents such as --dims k=64,c=3")
            if name in found:
                wrong.append(f"--dims {part}: {name} is given twice")
            # That an extent is at least 1 is for the nest to say, with the other things that are wrong with it.
            found[name] = _integer(value, f"--dims {part}", least=-LARGEST)
        except UsageError as error:
            wrong.append(str(error))
    if wrong:
        raise UsageError("\n".join(wrong))
    return found


def names(text: str, option: str) -> tuple[str, ...]:
    """The names of a list, each once.

    >>> names("fuse, pin,fuse", "--strategies")
    ('fuse', 'pin')
    """
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    if not all(found):
        raise UsageError(f"{option} {text}: a name is missing; give names with commas between them")
    return found


def weights(text: str) -> str:
    """A checked value of ``--weights``.

    >>> weights("seeded:7")
    'seeded:7'
    """
    if text not in ("auto", "stored") and not re.fullmatch(r"seeded:\d+", text):
        raise UsageError(f"--weights {text}: give auto, stored, or seeded:N with a seed such as seeded:0")
    return text


_PER_AXIS = {"stride": 1, "dilation": 1, "pad": 0}


def nest_sizes(text: str, option: str, required: str, optional: str) -> dict[str, int | tuple[int, ...]]:
    """The sizes of a nest given as one option; pairs are Y:X, pads may be top:left:bottom:right.

    >>> nest_sizes("K=64,C=3,Y=56,X=56,pad=1:2", "--conv", "K C Y X", "R S stride pad")
    {'K': 64, 'C': 3, 'Y': 56, 'X': 56, 'pad': (1, 2)}
    """
    known = required.split() + optional.split()
    found: dict[str, int | tuple[int, ...]] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, value = _assignment(part, option, f"sizes such as {option} {required.replace(' ', '=8,')}=8")
        where = f"{option} {part}"
        if name not in known:
            raise UsageError(f"{where}: there is no '{name}' here; the names are {', '.join(known)}")
        if name in found:
            raise UsageError(f"{where}: {name} is given twice")
        found[name] = _per_axis(value, name, where) if name in _PER_AXIS else _integer(value, where)
    missing = [name for name in required.split() if name not in found]
    if missing:
        raise UsageError(f"{option} {text}: {', '.join(missing)} must be given")
    return found


def _per_axis(text: str, name: str, where: str) -> int | tuple[int, ...]:
    values = tuple(_integer(part, where, _PER_AXIS[name]) for part in text.split(":"))
    if len(values) == 1:
        return values[0]
    if len(values) != 2 and not (name == "pad" and len(values) == 4):
        raise UsageError(f"{where}: give one number or Y:X" + (", or top:left:bottom:right" if name == "pad" else ""))
    return values
