"""The problem and the result of placing buffers: rectangles of lifetime x bytes, and where each one lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Buffer:
    """Bytes that are needed from sub-step ``start`` until before sub-step ``end`` (docs/model.md, section 10).

    Its address is a multiple of ``alignment`` (B), or ``address`` where that is given.
    """

    name: str
    size_bytes: int
    start: int
    end: int
    alignment: int = 1
    address: int | None = None

    def __post_init__(self) -> None:
        if self.size_bytes < 0 or self.start >= self.end:
            raise ValueError(
                f"buffer {self.name} needs a size of zero or more and a lifetime of at least one sub-step, "
                f"it has {self.size_bytes} B in [{self.start}, {self.end})"
            )
        if self.alignment < 1:
            raise ValueError(f"buffer {self.name} needs an alignment of at least 1 B, it has {self.alignment}")
        if self.address is not None and (self.address < 0 or self.address % self.alignment):
            raise ValueError(
                f"buffer {self.name} needs an address that is a multiple of its alignment of {self.alignment} B and "
                f"not negative, it has {self.address}"
            )


@dataclass(frozen=True)
class Problem:
    """Buffers to place. Two that are live together may not share a byte, unless ``sharing`` has the pair of their
    numbers, the smaller first. ``capacity_bytes`` is what there is; None where the least height is asked for."""

    buffers: tuple[Buffer, ...]
    capacity_bytes: int | None = None
    sharing: frozenset[tuple[int, int]] = frozenset()


_NAMED_IN_REASON = 6  # buffers that a reason names
Status = Literal["feasible", "optimal", "infeasible", "limit"]


@dataclass(frozen=True)
class Packing:
    """Where each buffer lies, in the order of the buffers given; no offsets where none were found.

    ``feasible``: all lie within the capacity. ``optimal``: and no placement has a lower peak. ``infeasible`` is a proof
    that none lies within the capacity; the reason says why, where the live bytes of one sub-step do. ``limit`` says
    that no placement was found within the budget, or none that is proven to be lowest where that was asked for.
    ``peak_bytes`` is the end of the highest buffer (of the lowest placement found where none fits),
    ``live_bytes`` the most that is live at once, ``bound_bytes`` a height that no placement goes below. ``nodes`` are
    the placements of single buffers that a search tried, ``pruned`` how often each rule ended one.
    """

    status: Status
    offsets: tuple[int, ...]
    peak_bytes: int
    live_bytes: int
    reason: str = ""
    bound_bytes: int = 0
    nodes: int = 0
    pruned: tuple[tuple[str, int], ...] = ()


def round_up(size_bytes: int, alignment: int) -> int:
    """The next multiple of the alignment.

    >>> round_up(5, 4), round_up(8, 4)
    (8, 8)
    """
    return -(-size_bytes // alignment) * alignment


def most_live(buffers: Sequence[Buffer], alignment: int = 1) -> tuple[int, int]:
    """The most bytes that are live in one sub-step, sizes rounded up, and the first sub-step of which it is true.

    >>> most_live([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3), Buffer("c", 5, 2, 4)], alignment=4)
    (20, 1)
    """
    change: dict[int, int] = defaultdict(int)
    for buffer in buffers:
        size = round_up(buffer.size_bytes, alignment)
        change[buffer.start] += size
        change[buffer.end] -= size
    live = most = when = 0
    for step in sorted(change):
        live += change[step]
        if live > most:
            most, when = live, step
    return most, when


def too_much(buffers: Sequence[Buffer], when: int, live: int, capacity_bytes: int, alignment: int = 1) -> str:
    """Which buffers are live in a sub-step in which they exceed the capacity, largest first; ``live`` are the bytes
    that cannot share, sizes rounded up.

    >>> too_much([Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3)], 1, 16, 15)
    'in sub-step 1 16 B are live, 1 B more than the 15 B there are: a 10 B, b 6 B'
    """
    at_once = sorted((b for b in buffers if b.start <= when < b.end and b.size_bytes), key=lambda b: -b.size_bytes)
    sizes = [(b.name, round_up(b.size_bytes, alignment)) for b in at_once]
    told = [f"{name} {size} B" for name, size in sizes[:_NAMED_IN_REASON]]
    more = [f"{len(sizes) - len(told)} smaller ones"] if len(sizes) > len(told) else []
    apart = " that cannot share bytes" if sum(size for _, size in sizes) > live else ""
    return (
        f"in sub-step {when} {live} B{apart} are live, {live - capacity_bytes} B more than the {capacity_bytes} B "
        "there are: " + ", ".join(told + more)
    )
