"""One mapping of an accelerator file, read key by key; whatever is wrong is noted and a stand-in returned.

A section learns its valid keys from what it is asked for, so ``finish`` can name every key that nobody asked for.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from fractions import Fraction

import yaml

from tilewright.arch.located import Problems, kind_of
from tilewright.arch.units import Unit, shorten

MOST_RATE, STEPS_OF_RATES = 10**9, 10**6  # bytes a cycle; parts of one
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_INTEGER = re.compile(r"[+-]?\d{1,18}")


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the nearest known one if any is near, else all of them.

    >>> nearest("clok", ["clock", "name"])
    "; did you mean 'clock'?"
    >>> nearest("zzz", ["clock", "name"])
    ' (known are clock, name)'
    """
    names = list(known)
    folded = {n.lower(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.lower(), folded, n=1)
    if close:
        return f"; did you mean '{folded[close[0]]}'?"
    return f" (known are {', '.join(names)})" if names else " (there are none)"


class Section:
    """The entries of a mapping, called ``what`` in messages; an absent mapping reads as one without entries."""

    def __init__(self, problems: Problems, node: yaml.Node, what: str, present: bool = True) -> None:
        self.problems, self.node, self.what, self.present = problems, node, what, present
        self.values: dict[str, yaml.Node] = {}
        self.keys: dict[str, yaml.Node] = {}
        self._asked: list[str] = []
        if present:
            self._collect()

    def _collect(self) -> None:
        if not isinstance(self.node, yaml.MappingNode):
            self.fault(self.node, f"{self.what} needs a mapping of keys to values, this is {kind_of(self.node)}")
            return
        for key, value in self.node.value:
            if not isinstance(key, yaml.ScalarNode):
                self.fault(key, f"a key of {self.what} must be a plain name, this is {kind_of(key)}")
            elif key.value in self.keys:
                first = self.keys[key.value].start_mark.line + 1
                self.fault(key, f"'{shorten(key.value)}' of {self.what} is given twice, first in line {first}")
            else:
                self.keys[key.value], self.values[key.value] = key, value

    def fault(self, where: yaml.Node, text: str) -> None:
        """Note a problem at a node."""
        self.problems.add(where, text)

    def sound(self, *keys: str) -> bool:
        """Whether nothing was found wrong inside the values of these keys, so that conclusions may rest on them."""
        return not any(key in self.values and self.problems.within(self.values[key]) for key in keys)

    def at(self, key: str) -> yaml.Node:
        """Where to point for a complaint about a key: its value, or the section where the key is absent."""
        return self.values.get(key, self.node)

    def _ask(self, key: str, required: str = "") -> yaml.Node | None:
        self._asked.append(key)
        node = self.values.get(key)
        if node is None and required:
            self.fault(self.node, f"{self.what} lacks '{key}', for instance '{key}: {required}'")
        return node

    def _scalar(self, key: str, needed: str, required: str = "") -> str | None:
        node = self._ask(key, required)
        if node is None:
            return None
        if isinstance(node, yaml.ScalarNode) and node.value.strip():
            return str(node.value).strip()
        self.fault(node, f"'{key}' of {self.what} needs {needed}, this is {kind_of(node)}")
        return None

    def name(self, key: str, required: str) -> str | None:
        """A name: letters, digits, '_' and '-', beginning with a letter."""
        text = self._scalar(key, "a name", required)
        if text is not None and not _NAME.fullmatch(text):
            self.fault(
                self.at(key),
                f"'{shorten(text)}' is no name: letters, digits, '_' and '-', beginning with a letter, at most 64",
            )
            return None
        return text

    def choice(self, key: str, choices: Sequence[str], default: str) -> str:
        """One of a few words."""
        text = self._scalar(key, f"one of {', '.join(choices)}")
        if text is None or text in choices:
            return text or default
        self.fault(self.at(key), f"'{key}' cannot be '{shorten(text)}'{nearest(text, choices)}")
        return default

    def flag(self, key: str) -> bool:
        """true or false; false where absent."""
        text = self._scalar(key, "true or false")
        if text is not None and text not in ("true", "false"):
            self.fault(self.at(key), f"'{key}' of {self.what} needs true or false, this is '{shorten(text)}'")
        return text == "true"

    def integer(self, key: str, low: int, high: int, default: int | None = None, required: str = "") -> int | None:
        """A plain whole number from low to high."""
        text = self._scalar(key, "a whole number", required)
        if text is None:
            return default
        if not _INTEGER.fullmatch(text):
            self.fault(self.at(key), f"'{key}' of {self.what} needs a whole number, this is '{shorten(text)}'")
        elif not low <= int(text) <= high:
            self.fault(self.at(key), f"'{key}' of {self.what} must be between {low} and {high}, this is {text}")
        else:
            return int(text)
        return default

    def quantity(self, key: str, unit: Unit, positive: bool, required: str = "") -> Fraction | None:
        """A number with its unit, above zero if ``positive``, else at least zero."""
        text = self._scalar(key, f"a quantity like '{unit.example}'", required)
        if text is None:
            return None
        try:
            value = unit.parse(text)
        except ValueError as error:
            self.fault(self.at(key), f"'{key}: {shorten(text)}' of {self.what} {error}")
            return None
        if value < 0 or (positive and value == 0):
            needed = "more than zero" if positive else "zero or more"
            self.fault(self.at(key), f"'{key}' of {self.what} must be {needed}, this is {shorten(text)}")
            return None
        return value

    def rate(self, key: str, unit: Unit, required: str = "") -> Fraction | None:
        """A quantity above zero that whole numbers of 64 bits can be divided by exactly: at most ``MOST_RATE`` of the
        base unit, in steps of a millionth."""
        value = self.quantity(key, unit, positive=True, required=required)
        if value is None:
            return None
        name = next(iter(unit.factors))
        if value.denominator > STEPS_OF_RATES:
            near = max(Fraction(round(value * STEPS_OF_RATES), STEPS_OF_RATES), Fraction(1, STEPS_OF_RATES))
            self.fault(
                self.at(key),
                f"'{key}' of {self.what} has more than six decimals, too many to count exactly with; write"
                f" {float(near):.16g} {name}",
            )
            return None
        if value > MOST_RATE:
            why = f"is more than {MOST_RATE:,} {name}; leave it out for no limit"
            self.fault(self.at(key), f"'{key}' of {self.what} {why}")
            return None
        return value

    def whole(self, key: str, unit: Unit, positive: bool, required: str = "", most: int = (1 << 62) - 1) -> int | None:
        """A quantity that comes to a whole number of the base unit, at most ``most``."""
        value = self.quantity(key, unit, positive, required)
        if value is None:
            return None
        if value.denominator != 1 or value > most:
            why = "is not a whole number of" if value.denominator != 1 else f"is more than {most:,}"
            self.fault(self.at(key), f"'{key}' of {self.what} {why} {next(iter(unit.factors))}")
            return None
        return int(value)

    def words(self, key: str, kind: str, known: Sequence[str] | None) -> tuple[str, ...] | None:
        """A list of distinct words, each among the known ones (None: any name); None where absent."""
        node = self._ask(key)
        if node is None:
            return None
        if not isinstance(node, yaml.SequenceNode):
            listing = ", ".join((known or ())[:2]) or kind
            self.fault(node, f"'{key}' of {self.what} needs a list like [{listing}], this is {kind_of(node)}")
            return None
        found: list[str] = []
        for item in node.value:
            if not isinstance(item, yaml.ScalarNode) or not _NAME.fullmatch(item.value):
                self.fault(item, f"'{key}' of {self.what} lists names, this is {kind_of(item)}")
            elif known is not None and item.value not in known:
                self.fault(item, f"'{key}' of {self.what}: unknown {kind} '{item.value}'{nearest(item.value, known)}")
            elif item.value in found:
                self.fault(item, f"'{key}' of {self.what} lists '{item.value}' twice")
            else:
                found.append(item.value)
        return tuple(found)

    def section(self, key: str, what: str, required: str = "") -> Section:
        """A mapping inside this one."""
        node = self._ask(key, required)
        return Section(self.problems, node or self.node, what, present=node is not None)

    def items(self, key: str, required: str) -> list[yaml.Node]:
        """The entries of a list."""
        node = self._ask(key, required)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            self.fault(node, f"'{key}' of {self.what} needs a list with at least one entry, this is {kind_of(node)}")
            return []
        return list(node.value)

    def finish(self) -> None:
        """Complain about every key that was never asked for."""
        for key, node in self.keys.items():
            if key not in self._asked:
                self.fault(node, f"unknown key '{shorten(key)}' in {self.what}{nearest(key, self._asked)}")
