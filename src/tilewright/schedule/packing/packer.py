"""Whether choices can be packed, section by section: groups between which nothing is held are placed apart."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from tilewright.memory.allocate import SCHEDULE_BUDGET, packed
from tilewright.memory.buffer import Buffer
from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice
from tilewright.schedule.packing.rooms import RoomsOf
from tilewright.schedule.stays import Stay, places, stays

Verdict = Literal["feasible", "infeasible", "limit"]
Regions = tuple[tuple[str | None, int, int], ...]  # as of ``Memory.regions``


class Packer:
    """Judges choices as addresses of a plan do (``plan/addresses.py``), each section once."""

    def __init__(self, graph: Graph, regions: Regions, alignment: int, rooms_of: RoomsOf) -> None:
        self.graph = graph
        self._regions, self._alignment, self._rooms_of = regions, alignment, rooms_of
        self._known: dict[tuple[int, int, tuple[tuple[int, int, int], ...]], Verdict] = {}

    def packs(self, choices: Sequence[Choice]) -> bool:
        """Whether there are addresses for all of a schedule."""
        return not self.failing(choices)

    def failing(self, choices: Sequence[Choice]) -> list[range]:
        """The sections, by the numbers of their groups, for which no addresses are found."""
        found = stays(choices)
        return [section for section in sections(len(choices), found) if self.verdict(choices, section) != "feasible"]

    def verdict(
        self,
        choices: Sequence[Choice],
        window: range,
        *,
        bare: Collection[int] = (),
        gone: Collection[Stay] = (),
        budget: int = SCHEDULE_BUDGET,
    ) -> Verdict:
        """What is known of the buffers during some groups that follow on each other.

        The groups of ``bare`` are left without their own buffers, the stays of ``gone`` are left out: what is
        infeasible then is so with them. ``budget`` is that of the complete search.
        """
        kinds = self.rectangles(choices, window, bare, gone)
        verdicts = {
            self._pack(size, [b for kind, b in kinds if region in (None, kind)], budget)
            for region, _, size in self._regions
        }
        return "infeasible" if "infeasible" in verdicts else "limit" if "limit" in verdicts else "feasible"

    def _pack(self, size_bytes: int, buffers: list[Buffer], budget: int) -> Verdict:
        key = (size_bytes, budget, tuple(sorted((b.start, b.end, b.size_bytes) for b in buffers)))
        if key not in self._known:
            status = packed(buffers, size_bytes, self._alignment, budget=budget).status
            self._known[key] = "feasible" if status == "optimal" else status
        return self._known[key]

    def rectangles(
        self, choices: Sequence[Choice], window: range, bare: Collection[int] = (), gone: Collection[Stay] = ()
    ) -> list[tuple[str, Buffer]]:
        """Buffers with their classes; phases are the sub-steps, and what stays beyond the window is cut there."""
        found: list[tuple[str, Buffer]] = []
        begins = {window.start: 0}
        for number in window:
            rooms, begin = self._rooms_of(choices[number]), begins[number]
            begins[number + 1] = begin + rooms.phases
            if number not in bare:
                found += [
                    (kind, Buffer(room.what, room.size_bytes, begin + room.first, begin + room.last + 1))
                    for kind, room in rooms.of
                ]
        for place in places(choices, stays(choices)):
            here = [s for s in place if s.first < window.stop and s.last >= window.start and s not in gone]
            if here:
                first = max(window.start, min(s.first for s in here))
                last = min(window.stop - 1, max(s.last for s in here))
                size = self.graph.base[here[0].base].size_bytes
                found.append(("input", Buffer(here[0].base, size, begins[first], begins[last + 1])))
        return found


def sections(groups: int, found: Sequence[Stay]) -> list[range]:
    """Runs of groups with nothing on chip between them.

    >>> sections(4, [Stay("a", 0, 1), Stay("b", 3, 3)])
    [range(0, 2), range(2, 3), range(3, 4)]
    """
    across = {number for stay in found for number in range(stay.first, stay.last)}
    ends = [number + 1 for number in range(groups) if number not in across]
    return [range(start, end) for start, end in zip([0, *ends], ends, strict=False)]
