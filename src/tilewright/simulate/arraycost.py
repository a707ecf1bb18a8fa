"""What a step on the array costs, and how it is added up: bits by memory, operand and side (docs/model.md, 5, 6)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tilewright.simulate.sharing import Stretch
from tilewright.workload.nest import Operand


@dataclass(frozen=True)
class Passing:
    """What an operand that bypasses the scratchpad moves to or from DRAM in a step: all refills (or drains) together.

    ``transfers`` counts the refills, of each group of positions that is served apart, that move anything. For feature
    maps ``stretches`` are, per axis, what each brings, and how often; ``copies`` how often all of that comes again.
    """

    operand: str
    elements: int
    transfers: int
    copies: int = 0
    stretches: tuple[tuple[tuple[Stretch, int], ...], ...] = ()


@dataclass(frozen=True)
class ArrayCost:
    """One step: cycles of computing, bits by (memory, operand) as (read, written) in all instances together, the same
    by memory at the busiest instance, transfers past the scratchpad, and what is wrong with the array part. Transfers
    between DRAM and the scratchpad are not among them."""

    compute_cycles: int
    bits: tuple[tuple[tuple[str, str], tuple[int, int]], ...]
    busiest: tuple[tuple[str, tuple[int, int]], ...]
    passing: tuple[Passing, ...]
    faults: tuple[str, ...]


class Sums:
    """Collects what a step moves: bits by memory, operand and side, the busiest instances, transfers, room."""

    def __init__(self) -> None:
        self.bits: Counter[tuple[str, str, int]] = Counter()
        self.busiest: Counter[tuple[str, int]] = Counter()
        self.held: Counter[str] = Counter()
        self.passing: list[Passing] = []

    def read(self, memory: str, operand: Operand, words: int, width: int, most: int) -> None:
        """Words read in all instances, ``most`` of them through the port of the busiest."""
        self._add(memory, operand, 0, words * width, most * width)

    def write(self, memory: str, operand: Operand, words: int, width: int, most: int) -> None:
        """The same for words written."""
        self._add(memory, operand, 1, words * width, most * width)

    def _add(self, memory: str, operand: Operand, side: int, bits: int, most: int) -> None:
        self.bits[memory, operand.name, side] += bits
        self.busiest[memory, side] += most

    def hold(self, memory: str, bits: int) -> None:
        """Room that an operand takes at one instance, rounded up to bytes."""
        self.held[memory] += -(-bits // 8)
