"""What groups cost, as strategies see it: for each group and residency a front of offers (docs/model.md, section 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from tilewright.schedule.graph import Graph


@dataclass(frozen=True)
class Offer:
    """One way to run a group. ``room_bytes`` is what it needs beside held bases.

    ``loose_cycles`` is its time with the maximum outside the sum over steps (Pin or Fuse). ``how`` means nothing to
    strategies: tiles, order, mappings.
    """

    room_bytes: int
    energy_pj: float
    cycles: int
    dram_bytes: int
    loose_cycles: int = 0
    how: object = None


@dataclass(frozen=True)
class Residency:
    """Where the bases are that go into a group and come out of it.

    Of those it reads and does not write, ``resident`` are found on chip and ``loaded`` are loaded whole and stay; all
    others are streamed from DRAM. Of those it writes that are needed elsewhere, ``held`` are on chip afterwards,
    ``stored`` in DRAM, or both.
    """

    resident: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    held: frozenset[str] = frozenset()
    stored: frozenset[str] = frozenset()

    @property
    def on_chip(self) -> frozenset[str]:
        """All bases that are held while the group runs."""
        return self.resident | self.loaded | self.held


class Offers(Protocol):
    """A network on a machine. ``capacity`` is the scratchpad's in bytes."""

    graph: Graph
    capacity: int

    def of(self, nodes: frozenset[int], residency: Residency) -> tuple[Offer, ...]:
        """The front of a group: offers of which none is beaten in room, energy, cycles and bytes at once.

        Empty if these nodes are no group or do not fit. Only those whose room leaves space for what the residency
        itself holds are of use.
        """
        ...


@dataclass(frozen=True)
class Choice:
    """A group in a schedule. ``over``: the (written, resident) bases that share one place on chip, or None."""

    nodes: frozenset[int]
    residency: Residency
    offer: Offer
    over: tuple[str, str] | None = None


@dataclass(frozen=True)
class Solution:
    """Groups in order of execution; ``bound`` is a lower bound of the objective over the strategy's space.

    ``complete``: the search ended by itself; otherwise it was stopped and the bound is what is known. ``stopped``: by
    the clock or by Ctrl-C, not by limits of its own.
    """

    choices: tuple[Choice, ...]
    bound: float
    complete: bool = True
    notes: tuple[str, ...] = ()
    stopped: bool = False

    def value(self, objective: str) -> float:
        """Cycles, pJ, pJ * cycles or bytes."""
        energy = sum(choice.offer.energy_pj for choice in self.choices)
        cycles = sum(choice.offer.cycles for choice in self.choices)
        if objective == "traffic":
            return float(sum(choice.offer.dram_bytes for choice in self.choices))
        return float({"latency": cycles, "energy": energy, "edp": energy * cycles}[objective])
