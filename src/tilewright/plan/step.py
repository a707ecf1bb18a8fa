"""A program expanded: one step after the other, every number concrete."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.plan.plan import Cause


@dataclass(frozen=True)
class Region:
    """Where a box lies in a buffer, in elements from the buffer's start.

    Element (j0, j1, ...) of the box is at ``base + sum(j * stride)``; along ``ring_axis`` (if not None) the index
    counts as ``(ring_start + ring_step * j) % ring_length`` instead of j.
    """

    buffer: str
    base: int
    strides: tuple[int, ...]
    ring_axis: int | None = None
    ring_start: int = 0
    ring_length: int = 0
    ring_step: int = 1


@dataclass(frozen=True)
class Move:
    """One transfer of one step: ``counts`` elements per axis between a DRAM array and a region of a buffer.

    The box's first element is element ``offset`` of the array; neighbours along an axis lie ``strides`` apart.
    ``starts`` and ``steps`` say which indices of the operand's axes these are.
    """

    operand: str
    cause: Cause
    array: str
    offset: int
    strides: tuple[int, ...]
    counts: tuple[int, ...]
    starts: tuple[int, ...]
    steps: tuple[int, ...]
    region: Region

    @property
    def elements(self) -> int:
        total = 1
        for count in self.counts:
            total *= count
        return total


@dataclass(frozen=True)
class View:
    """An operand as a step's compute sees it: indices ``start + step * j`` per axis, and where they lie."""

    operand: str
    starts: tuple[int, ...]
    counts: tuple[int, ...]
    steps: tuple[int, ...]
    region: Region


DimRanges = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Staying:
    """A ``Stay`` in one step: whether it begins and ends here, and what it began with; ``before`` is empty where no
    window moved on from an earlier stay."""

    begins: bool
    ends: bool
    zero: bool
    ranges: DimRanges
    before: DimRanges


@dataclass(frozen=True)
class Step:
    """One tile step. ``loads`` are first needed here, ``streams`` flow in during it, ``stores`` drain visits that end
    here; ``ranges`` are (dimension, start, count). Views are in the nest's operand order, the output last; ``stays``
    in the order of the program's. ``through`` is the tile in which results are added up before they move. ``early``
    are loads of a section's first step that run beside the last one of the section before."""

    ranges: DimRanges
    loads: tuple[Move, ...]
    streams: tuple[Move, ...]
    stores: tuple[Move, ...]
    views: tuple[View, ...]
    first: bool
    last: bool
    stays: tuple[Staying, ...] = ()
    through: View | None = None
    early: tuple[Move, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to compute."""
        return any(count == 0 for _, _, count in self.ranges)
