"""The smallest set found of decisions that cannot be packed together."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.schedule.graph import Graph
from tilewright.schedule.offers import Choice
from tilewright.schedule.packing.packer import Packer
from tilewright.schedule.stays import Stay, places, stays

BUDGET = 20_000  # placements for each set that is tried


@dataclass(frozen=True)
class Conflict:
    """Groups, by their numbers, whose own buffers cannot be packed together with these stays during a window of groups.

    ``proven``: that is certain; otherwise no addresses were found, and the set is that of the whole section.
    """

    window: range
    groups: tuple[int, ...]
    stays: tuple[Stay, ...]
    proven: bool

    @property
    def bases(self) -> frozenset[str]:
        return frozenset(stay.base for stay in self.stays)

    def held_bytes(self, graph: Graph, choices: Sequence[Choice], number: int) -> int:
        """The bytes of the stays that take room during a group."""
        here = {stay.base for stay in self.stays if stay.first <= number <= stay.last}
        over = choices[number].over
        if over is not None and here >= set(over):  # one place for both
            here.remove(over[0])
        return sum(graph.base[base].size_bytes for base in here)


def smallest(packer: Packer, choices: Sequence[Choice], section: range) -> Conflict:
    """What is left of a section that has no addresses when nothing more can be left out of it: groups from both ends,
    then the buffers of single groups, then single places of held bases.

    What is left out takes nothing away from the proof: the rest is part of every schedule with these decisions. If the
    held bases alone have no addresses, the buffers of all groups are left out at once, and where no proof is found for
    the whole section, single groups are looked at.
    """

    def fails(window: range, bare: Sequence[int] = (), gone: Sequence[Stay] = ()) -> bool:
        return packer.verdict(choices, window, bare=bare, gone=gone, budget=BUDGET) == "infeasible"

    bare = list(section) if fails(section, section) else []
    if not bare and not fails(section):
        alone = next((number for number in section if fails(range(number, number + 1))), None)
        if alone is None:
            return Conflict(section, tuple(section), _during(choices, section), proven=False)
        section = range(alone, alone + 1)
    # Whatever fails still does with more groups: the least end, then the greatest beginning, with which it does.
    ends = range(section.start + 1, section.stop + 1)
    stop = ends[bisect_left(ends[:-1], True, key=lambda stop: fails(range(section.start, stop), bare))]
    starts = range(stop - 1, section.start - 1, -1)
    window = range(starts[bisect_left(starts[:-1], True, key=lambda start: fails(range(start, stop), bare))], stop)
    for number in window:
        if number not in bare and fails(window, [*bare, number]):
            bare.append(number)
    gone: list[Stay] = []
    for place in places(choices, stays(choices)):
        if fails(window, bare, [*gone, *place]):
            gone += place
    here = tuple(stay for stay in _during(choices, window) if stay not in gone)
    return Conflict(window, tuple(number for number in window if number not in bare), here, proven=True)


def _during(choices: Sequence[Choice], window: range) -> tuple[Stay, ...]:
    return tuple(stay for stay in stays(choices) if stay.first < window.stop and stay.last >= window.start)
