"""What is saved if the first loads of a group start while the group before it computes (docs/model.md, section 9)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.mapping.ends import Ends, StepMove, dma_cycles, nest_ends
from tilewright.schedule.group.ends import tiled_ends
from tilewright.schedule.problems import nest_problem, vectors
from tilewright.schedule.schedule import Group
from tilewright.workload.storage import PlacedNetwork, executed_parts


@dataclass(frozen=True)
class Boundary:
    """Two groups, one after the other, by how the first one ends and the second one begins; loads name tensors."""

    dram: Memory
    before: Ends
    after: Ends

    def saved_cycles(self, tensors: Collection[str]) -> int:
        """The cycles that are saved if the first loads of these tensors run beside the last step of the first group,
        the others, as a group of transfers of their own, where they have been; negative if it takes longer.

        >>> from fractions import Fraction
        >>> dram = Memory("dram", None, (), read_bandwidth=Fraction(4), setup_cycles=3)
        >>> loads = (StepMove("x", 40, 1), StepMove("w", 8, 1))
        >>> found = Boundary(dram, Ends((), 9, 5), Ends(loads, 0, 0))
        >>> found.saved_cycles(["w"]), found.saved_cycles(["x", "w"]), found.saved_cycles([])
        (4, 4, 0)
        """
        names = {load.name for load in self.after.first}
        last, early = max(self.before.tile_cycles, self.before.beside_cycles), self.load_cycles(tensors)
        now = max(last, self.before.beside_cycles + early) + self.load_cycles(names - set(tensors))
        return last + self.load_cycles(names) - now

    def load_cycles(self, tensors: Collection[str]) -> int:
        """The cycles of the first loads of these tensors, if they go together."""
        return dma_cycles(self.dram, (load for load in self.after.first if load.name in tensors))


def boundary(placed: PlacedNetwork, arch: Accelerator, before: Group, after: Group) -> Boundary:
    """Two groups that follow one another."""
    return Boundary(arch.dram, group_ends(placed, arch, before), group_ends(placed, arch, after))


def group_ends(placed: PlacedNetwork, arch: Accelerator, group: Group) -> Ends:
    """The ends of a group, loads by their tensors: of the first part's first step and the last part's last one."""
    if group.tiled is not None:
        return tiled_ends(placed, arch, group)
    operator = placed.network.operator[group.parts[0].operator]
    parts = executed_parts(placed, operator)
    begin, end = (
        nest_ends(nest_problem(placed, arch, operator, parts, entry.part), entry.mapping)
        for entry in (group.parts[0], group.parts[-1])
    )
    loads = [StepMove(parts[0].tensor(load.name), load.size_bytes, load.runs) for load in begin.first]
    for _, tensor, elements in vectors(placed, operator):
        loads.append(StepMove(tensor, -(-elements * arch.widths.accumulator // 8), 1))
    return Ends(tuple(loads), end.tile_cycles, end.beside_cycles)
