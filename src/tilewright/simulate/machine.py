"""The memories of a machine while a plan runs on it, and the checks that every use of them passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.plan.plan import Buffer, Plan
from tilewright.plan.step import Move, Region
from tilewright.simulate.cells import Cells
from tilewright.simulate.dram import FeatureMaps, IdSpace, value_type
from tilewright.simulate.hazards import HazardKind, HazardLog
from tilewright.simulate.regions import Array, Segment, cell_bits, inside, locate, overlap

TRUSTED = 16  # boxes remembered as right


@dataclass(frozen=True)
class Room:
    """A box's place: the memory's cells, the segments in it, and cells per element."""

    cells: Cells
    segments: tuple[Segment, ...]
    width: int


def share(a: Room, b: Room) -> bool:
    """Whether two boxes of one memory have a cell in common."""
    return overlap(a.segments, b.segments, a.width, b.width)


def near(a: Room, b: Room) -> bool:
    """Whether two boxes may have a cell in common, judged by where they begin and end."""
    return a.cells is b.cells and any(s.first < t.end and t.first < s.end for s in a.segments for t in b.segments)


class Machine:
    """DRAM, the scratchpad, and a private space for every buffer in a memory below it."""

    def __init__(self, plan: Plan, log: HazardLog, initial: Callable[[str], Array | None]) -> None:
        self.plan, self.log = plan, log
        self.ids = IdSpace()
        self.dtype: np.dtype[Any] = value_type(plan.arrays, plan)
        self.maps = FeatureMaps(plan, self.ids, self.dtype, initial)
        self.cell = cell_bits(plan)
        size = max((b.address_bytes + b.size_bytes for b in plan.buffers if b.address_bytes is not None), default=0)
        if plan.arch.scratchpad.size_bytes is not None:
            size = min(size, plan.arch.scratchpad.size_bytes)  # what lies beyond is reported
        self.scratchpad = Cells(size * 8 // self.cell, self.dtype)
        self._below: dict[str, Cells] = {}
        self._trusted: list[tuple[Room, Array]] = []

    def in_scratchpad(self, name: str) -> bool:
        """Whether a buffer has an address."""
        return self.plan.buffer[name].address_bytes is not None

    def forget(self) -> None:
        """Empty the memories below the scratchpad: nothing stays there from one program to the next, nor from step to
        step of a group."""
        self._below.clear()

    def _space(self, buffer: Buffer) -> tuple[Cells, int]:
        if buffer.address_bytes is not None:
            return self.scratchpad, buffer.address_bytes * 8 // self.cell
        if buffer.name not in self._below:
            self._below[buffer.name] = Cells(buffer.size_bytes * 8 // self.cell, self.dtype)
        return self._below[buffer.name], 0

    def room(self, region: Region, counts: tuple[int, ...], what: str) -> Room | None:
        """Where a box lies; reports a box outside its buffer, or a buffer outside its memory, and gives None."""
        buffer = self.plan.buffer[region.buffer]
        cells, origin = self._space(buffer)
        segments = locate(region, counts, buffer.bits, self.cell, origin)
        if not inside(segments, buffer, self.cell, origin):
            self.log.report("outside buffer", f"{what} leaves buffer '{buffer.name}' ({buffer.size_bytes} B)")
            return None
        if any(segment.end > cells.size for segment in segments):
            self.log.report("outside memory", f"buffer '{buffer.name}' leaves memory '{buffer.memory}'")
            return None
        return Room(cells, segments, buffer.bits // self.cell)

    def whole(self, name: str) -> Room | None:
        """All cells of a buffer, as elements of one axis."""
        buffer = self.plan.buffer[name]
        elements = buffer.size_bytes * 8 // buffer.bits
        return self.room(Region(name, 0, (1,)), (elements,), f"buffer '{name}'")

    def demand(self, room: Room, expected: Array, what: str) -> None:
        """Report if any cell of a box does not hold exactly the element that is expected there.

        A box that was found right is not looked at again until something is written near it: operands that stay on
        chip are demanded in every step.
        """
        for at, box in self._trusted:
            if box is expected and at.cells is room.cells and at.segments == room.segments:
                return
        right = True
        for segment in room.segments:
            wanted = expected[segment.of(expected.ndim)]
            held = room.cells.read_ids(segment, room.width)
            wrong = held != wanted[..., None]
            if wrong.any():
                right = False
                self._mismatch(held, wanted, wrong, what)
        if right and not expected.flags.writeable:
            self._trusted = [*self._trusted[-TRUSTED:], (room, expected)]

    def _mismatch(self, held: Array, wanted: Array, wrong: Array, what: str) -> None:
        where = tuple(int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
        found, needed = int(held[where]), int(wanted[where[:-1]])
        kind: HazardKind = "unwritten" if found == 0 else "incomplete" if found == -needed else "overwritten"
        self.log.report(
            kind,
            f"{what} needs {self.ids.describe(needed)}, but the bytes hold {self.ids.describe(found)} "
            f"({int(wrong.any(axis=-1).sum())} of {wanted.size} elements are wrong)",
        )

    def values(self, room: Room, counts: tuple[int, ...]) -> Array:
        """The values of a box: a view of the memory where it lies in one piece."""
        if len(room.segments) == 1:
            return room.cells.read(room.segments[0])
        return self._gather(room, counts, self.dtype, Cells.read)

    def tallies(self, room: Room, counts: tuple[int, ...]) -> Array:
        """A copy of the tallies of a box."""
        return self._gather(room, counts, np.dtype(np.int64), Cells.read_tallies)

    @staticmethod
    def _gather(
        room: Room, counts: tuple[int, ...], dtype: np.dtype[Any], read: Callable[[Cells, Segment], Array]
    ) -> Array:
        box: Array = np.empty(counts, dtype)
        for segment in room.segments:
            box[segment.of(len(counts))] = read(room.cells, segment)
        return box

    def write(self, room: Room, ids: Array, values: Array, tallies: Array | int | None = None) -> None:
        """Put elements into a box, with tallies where they are partial sums."""
        self._trusted = [entry for entry in self._trusted if not near(room, entry[0])]
        for segment in room.segments:
            part = segment.of(ids.ndim)
            room.cells.write(segment, room.width, ids[part], values[part])
            if tallies is not None:
                some = tallies if isinstance(tallies, int) else tallies[part]
                room.cells.read_tallies(segment)[...] = some

    def in_dram(self, move: Move) -> bool:
        """Whether a transfer of a feature map stays in its array; reports it if not."""
        if self.maps.contains(move):
            return True
        self.log.report("dram out of range", f"{move.cause} of '{move.operand}' leaves array '{move.array}'")
        return False
