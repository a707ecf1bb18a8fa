"""The chains of one dimension, and how often, how far and where they cut it."""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, chains_allowed
from tilewright.mapping.optimal.chains import Choice, Floats, IntTable, chains, undominated_chains
from tilewright.mapping.optimal.structure import Split, Structure
from tilewright.workload.nest import LoopNest

FIRST, ALL, TOGETHER, CUT, ENDS = range(5)
NUMBER, LENGTHS, LAST = 0, 1, 2


class Dimension:
    """The chains of one dimension, and cached counts over them."""

    def __init__(self, structure: Structure, dim: str, choice: Choice) -> None:
        self.dim = dim
        self.structure = structure
        self.extent = structure.problem.nest.extents[dim]
        self.splits = structure.splits(dim)
        most = choice.most_loops if self.extent > 8 else min(choice.most_loops, max(1, choice.most_loops - 1))
        if choice.lean and self.splits and all(s.any_tile for s in self.splits) and _alone(dim, structure.problem.nest):
            places = tuple(Split(0, -1, 0, True) for _ in self.splits)  # equal for all orders of keeps
            self.table = undominated_chains(self.extent, places, choice.tiles)
        else:
            self.table = chains(self.extent, self.splits, choice.tiles_of(dim), most)
        if choice.constraints != UNCONSTRAINED:
            mask = chains_allowed(choice.constraints, structure, dim, self.table)
            self.table = np.ascontiguousarray(self.table[mask])
        self.take(self.table)
        for name, axis, positions in choice.spread:
            if name == dim:
                self.take(self.table[self.positions(axis) == positions])
        if np.isfinite(choice.most_cycles):
            self.take(self.table[self.least_cycles() <= choice.most_cycles])

    def take(self, table: IntTable) -> None:
        """Go on with these chains."""
        self.table = np.ascontiguousarray(table)
        # The multipliers take single points: one more place, at which every chain is cut into ones.
        self.full = np.ascontiguousarray(np.hstack([self.table, np.ones((len(self.table), 1), dtype=np.int64)]))
        outer = (
            np.hstack([np.full((len(self.table), 1), self.extent), self.table[:, :-1]]) if self.splits else self.table
        )
        self.real = self.table < outer
        self._counts: dict[tuple[tuple[int, ...], int], Floats] = {}

    def least_cycles(self) -> Floats:
        """The fewest compute steps of the whole nest with each chain: other dimensions share the positions left."""
        array, extents = self.structure.problem.arch.array, self.structure.problem.nest.extents
        steps = tuple(FIRST if split.axis >= 0 else ALL for split in self.splits)
        least = self.count((*steps, ALL), NUMBER) * prod(n for dim, n in extents.items() if dim != self.dim)
        for axis, (_, size) in enumerate(array.axes):
            if self.structure.axis_places[axis] is not None:
                least = least / np.maximum(size // self.positions(axis), 1)
        return least

    def modes(
        self,
        until: int,
        refilling: int,
        parent: int,
        shared: tuple[str, ...],
        *,
        points: bool,
        every: bool,
        still: int = 0,
        ends: bool = False,
    ) -> tuple[int, ...]:
        """How each place counts for the boundary above item ``until`` (the number of items: the multipliers).

        Loops of segments from ``still`` on and before ``refilling`` refill, but tile loops only where they end if the
        last step alone counts (``ends``); pars above ``parent`` tell instances apart, those below it count unless their
        axis is shared (``every``: all of them count).
        """
        axes = self.structure.problem.arch.array.axes
        found = []
        for split in self.splits:
            if split.segment > until:
                found.append(CUT)
            elif ends and split.axis < 0 and split.segment < self.structure.tile_items:
                found.append(ENDS)
            elif split.axis < 0:
                found.append(ALL if still <= split.segment < refilling else FIRST)
            elif split.segment <= parent or every or axes[split.axis][0] not in shared:
                found.append(ALL)
            else:
                found.append(FIRST)
        return (*found, ALL if points else CUT)

    def count(self, modes: tuple[int, ...], kind: int) -> Floats:
        """Per chain: chunks walked, the sum of their lengths, or the last one's length."""
        from tilewright.mapping.optimal.kernels import chain_counts

        key = (modes, kind)
        if key not in self._counts:
            out = np.empty((len(self.full), 1))
            chain_counts(self.extent, self.full, np.array([modes]), np.array([kind]), out)
            self._counts[key] = out[:, 0]
        return self._counts[key]

    def tile(self, until: int) -> IntTable:
        """The largest range at an item, pars above it included."""
        places = [k for k, split in enumerate(self.splits) if split.segment <= until]
        found: IntTable = self.table[:, places[-1]] if places else np.full(len(self.table), self.extent)
        return found

    def last_tile(self, until: int) -> Floats:
        """The last range of the loops down to an item."""
        modes = tuple(CUT if split.segment > until or split.axis >= 0 else ALL for split in self.splits)
        return self.count((*modes, CUT), LAST)

    def segments(self, until: int) -> IntTable:
        """Bits of the segments up to an item in which each chain has a loop."""
        bits = np.zeros(len(self.table), dtype=np.int64)
        for place, split in enumerate(self.splits):
            if split.axis < 0 and split.segment <= until:
                bits |= self.real[:, place].astype(np.int64) << split.segment
        return bits

    def loops(self, until: int) -> IntTable:
        """How many loops each chain has in segments up to an item."""
        places = [k for k, split in enumerate(self.splits) if split.axis < 0 and split.segment <= until]
        found: IntTable = self.real[:, places].sum(axis=1)
        return found

    def last_loop(self, until: int) -> IntTable:
        """The place of each chain's innermost loop above an item, -1 for none."""
        last = np.full(len(self.table), -1, dtype=np.int64)
        for place, split in enumerate(self.splits):
            if split.axis < 0 and split.segment <= until:
                last = np.where(self.real[:, place], place, last)
        return last

    def positions(self, axis: int) -> IntTable:
        """Positions that each chain takes on an axis."""
        used = np.ones(len(self.table), dtype=np.int64)
        for place, split in enumerate(self.splits):
            if split.axis == axis:
                outer = self.table[:, place - 1] if place else np.full(len(self.table), self.extent)
                used = used * -(-outer // self.table[:, place])
        return used


def _alone(dim: str, nest: LoopNest) -> bool:
    """Whether every index into an axis of a dimension is a multiple of its own."""
    axes = [axis for operand in nest.operands for axis in operand.axes if dim in axis.dims]
    return all(
        len(axis.terms) == 1 and axis.offset == 0 and axis.divisor == 1 and axis.reach == 0 and not axis.clamp
        for axis in axes
    )
