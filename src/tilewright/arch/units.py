"""Quantities as people write them in accelerator files: a number and its unit, read exactly.

>>> BANDWIDTH.parse("26.7 B/cycle")
Fraction(267, 10)
>>> BYTES.parse("64 KiB")
Fraction(65536, 1)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

_NUMBER = re.compile(r"([+-]?)(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE]([+-]?\d{1,2}))?")


@dataclass(frozen=True)
class Unit:
    """A kind of quantity: what it is called, its units with their factors, and a value to show as an example."""

    kind: str
    factors: Mapping[str, Fraction]
    example: str

    def parse(self, text: str) -> Fraction:
        """The quantity in the base unit; ValueError with the end of a sentence about the text where it is none.

        >>> ENERGY_PER_BYTE.parse("1.5 nJ/B")
        Fraction(1500, 1)
        >>> BYTES.parse("64")
        Traceback (most recent call last):
        ValueError: has no unit; it is written like '64 KiB'
        >>> BYTES.parse("64 kib")
        Traceback (most recent call last):
        ValueError: has the unknown unit 'kib'; did you mean 'KiB'?
        """
        match = _NUMBER.match(text.strip())
        if match is None:
            raise ValueError(f"is no {self.kind}; it is written like '{self.example}'")
        unit = text.strip()[match.end() :].strip()
        if not unit:
            raise ValueError(f"has no unit; it is written like '{self.example}'")
        factor = self.factors.get(re.sub(r"\s*/\s*", "/", unit))
        if factor is None:
            raise ValueError(f"has the unknown unit '{shorten(unit)}'{self._suggestion(unit)}")
        return _value(match) * factor

    def _suggestion(self, unit: str) -> str:
        """The end of a sentence: the unit that differs in case only, or all of them with an example."""
        same = [name for name in self.factors if name.lower() == unit.lower()]
        if same:
            return f"; did you mean '{same[0]}'?"
        return f" (known are {', '.join(self.factors)}); it is written like '{self.example}'"


def _value(match: re.Match[str]) -> Fraction:
    sign, digits, exponent = match.groups()
    return Fraction(digits) * Fraction(10) ** int(exponent or 0) * (-1 if sign == "-" else 1)


def shorten(text: str, most: int = 40) -> str:
    """The text, cut if it is too long to be quoted in a message.

    >>> shorten("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"


def _scaled(suffix: str, **factors: str) -> dict[str, Fraction]:
    return {prefix + suffix: Fraction(factor) for prefix, factor in factors.items()}


_SIZES = {
    "B": Fraction(1),
    **{f"{prefix}iB": Fraction(1024**power) for power, prefix in enumerate("KMGT", start=1)},
    **{f"{prefix}B": Fraction(1000**power) for power, prefix in enumerate("kMGT", start=1)},
}
_JOULES = _scaled("J", f="1e-3", p="1", n="1e3", u="1e6")

BYTES = Unit("size", _SIZES, "64 KiB")
BANDWIDTH = Unit("bandwidth", {f"{unit}/cycle": factor for unit, factor in _SIZES.items()}, "16 B/cycle")
ENERGY = Unit("energy per operation", _JOULES, "0.2 pJ")
ENERGY_PER_BYTE = Unit("energy per byte", {f"{unit}/B": factor for unit, factor in _JOULES.items()}, "0.5 pJ/B")
CLOCK = Unit("clock", _scaled("Hz", **{"": "1", "k": "1e3", "M": "1e6", "G": "1e9"}), "1 GHz")
CYCLES = Unit("number of cycles", {"cycles": Fraction(1), "cycle": Fraction(1)}, "30 cycles")
POWER = Unit("power", _scaled("W", n="1e-6", u="1e-3", m="1", **{"": "1e3"}), "10 mW")
