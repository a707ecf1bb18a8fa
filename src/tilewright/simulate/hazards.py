"""Hazards: every way in which an execution can go wrong, found while it runs (docs/model.md, section 11)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HazardKind = Literal[
    "unwritten",
    "overwritten",
    "incomplete",
    "outside buffer",
    "outside memory",
    "shared in one step",
    "halo missing",
    "dram unwritten",
    "dram out of range",
    "wrong place",
    "weight image",
    "array part",
]

KINDS: dict[HazardKind, str] = {
    "unwritten": "a compute or a store uses on-chip bytes that nothing has written",
    "overwritten": "the bytes used hold another element than the one needed",
    "incomplete": "an output is finished, or stored as finished, without every point of its reduction exactly once",
    "outside buffer": "a box leaves the buffer that was set aside for it",
    "outside memory": "a buffer leaves its memory",
    "shared in one step": "a transfer and a compute that run side by side touch the same bytes, or a compute's "
    "results share bytes with what it reads",
    "halo missing": "a tile touches an index that its box on chip does not hold",
    "dram unwritten": "an element of DRAM is read, or is a result of the network, that nothing has written",
    "dram out of range": "a transfer leaves its array in DRAM",
    "wrong place": "a store would put an element where another one belongs",
    "array part": "the positions do not work on every point of a step exactly once, are more than the array has, or "
    "need more room than a memory below the scratchpad",
    "weight image": "two transfers disagree about what stands at one place of a weight's tile-by-tile image",
}


@dataclass(frozen=True)
class Hazard:
    """One hazard: what, in which operator, part and step (counted from 0, -1 outside any), and the particulars."""

    kind: HazardKind
    operator: str
    part: int
    step: int
    text: str

    def __str__(self) -> str:
        """One line for a person.

        >>> print(Hazard("unwritten", "conv1", 0, 3, "input 'x' of buffer b"))
        conv1 step 3: unwritten: input 'x' of buffer b
        """
        part = f" part {self.part}" if self.part else ""
        step = f" step {self.step}" if self.step >= 0 else ""
        return f"{self.operator}{part}{step}: {self.kind}: {self.text}"


class StopExecution(Exception):  # noqa: N818 - it ends an execution in order, it is not an error
    """Raised at the first hazard when nothing after it is wanted."""


class HazardLog:
    """Collects hazards; with ``stop`` the first one ends the execution. At most ``limit`` are kept."""

    def __init__(self, *, stop: bool, limit: int = 1000) -> None:
        self.found: list[Hazard] = []
        self.operator = ""
        self.part = 0
        self.step = -1
        self._stop = stop
        self._limit = limit

    def at(self, operator: str, part: int, step: int) -> None:
        """Where the execution is; later reports name this place."""
        self.operator, self.part, self.step = operator, part, step

    def report(self, kind: HazardKind, text: str) -> None:
        """Note a hazard at the current place; raises StopExecution if the first one is to end the execution."""
        self.found.append(Hazard(kind, self.operator, self.part, self.step, text))
        if self._stop or len(self.found) >= self._limit:
            raise StopExecution
