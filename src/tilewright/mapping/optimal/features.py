"""What the chains of one component contribute to every count of a structure.

Dimensions that share an axis of some operand (rows of an image and of a filter) form a component; every count of a
mapping is a product over components (docs/model.md, section 7). A *candidate* is one chain for each dimension of a
component, and its features are its factors in these products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from tilewright.mapping.constraints import UNCONSTRAINED, chains_allowed
from tilewright.mapping.floor import touched_indices
from tilewright.mapping.optimal.chains import Choice, IntTable, chains, undominated_chains
from tilewright.mapping.optimal.components import repeated_windows
from tilewright.mapping.optimal.rooms import DRAM, room
from tilewright.mapping.optimal.structure import Split, Structure
from tilewright.workload.nest import Axis, LoopNest, Operand

Floats = np.ndarray[Any, np.dtype[np.float64]]
FIRST, ALL, TOGETHER, CUT = 0, 1, 2, 3
Memo = dict[tuple[Any, ...], Floats]
NUMBER, LENGTHS, LAST = 0, 1, 2
MANY_CHAINS = 24  # of one dimension: worth comparing


@dataclass(frozen=True, eq=False)
class Component:
    """Candidates of one component and their factors, an entry (first axis) per candidate.

    With J items, J + 1 boundaries count the multipliers as a last child. ``reads[:, j, s]`` multiplies the words that
    item j's parent hands over, ``writes[:, j, s]`` those that all instances of item j receive, when loops of segments
    before s refill; ``streams`` is at most the same in one tile step, for what passes the scratchpad by or comes from it
    (``Structure.steps_count``), ``streams_served`` that of the multipliers, ``streams_share`` the most of it that comes
    while a window moves;
    ``reads_sliding`` and ``writes_sliding`` are the same while a window moves (one segment for all, unless
    ``repeated_windows``). ``served[:, o]`` are
    the words that the multipliers take of operand o. ``footprint``, ``first`` and ``closing`` are the most, the first and the
    last words at an item, or less where padding hides how many they are; ``widest`` is never below the most, ``ring`` are those that an
    item loaded ahead has room for if no other component has loops above it. ``last`` are the words of
    the output's last tile, ``points`` the compute steps, ``step`` those of the largest tile step, ``final`` those of
    the last one at least, ``steps`` the tile steps, ``used`` the positions per axis. ``visits[:, j, s]`` counts the
    refills of item j. ``above[:, j]`` has a bit for every segment with a loop that item j's operand uses, ``beside``
    one it does not.
    """

    dims: tuple[str, ...]
    tables: tuple[IntTable, ...]
    rows: IntTable
    reads: Floats
    writes: Floats
    streams: Floats
    reads_sliding: Floats
    writes_sliding: Floats
    visits: Floats
    served: Floats
    streams_served: Floats
    streams_share: Floats
    footprint: Floats
    first: Floats
    closing: Floats
    widest: Floats
    ring: Floats
    last: Floats
    points: Floats
    step: Floats
    final: Floats
    steps: Floats
    used: IntTable
    above: IntTable
    beside: IntTable
    loops: IntTable
    window: IntTable

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, rows: IntTable) -> Component:
        """The component with some of its candidates."""
        names = [name for name in self.__dataclass_fields__ if name not in ("dims", "tables")]
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def chain(self, candidate: int) -> dict[str, tuple[int, ...]]:
        """The tiles of every dimension at its places."""
        row = self.rows[candidate]
        return {d: tuple(t[r].tolist()) for d, t, r in zip(self.dims, self.tables, row, strict=True)}


class _Dimension:
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
    ) -> tuple[int, ...]:
        """How each place counts for the boundary above item ``until`` (the number of items: the multipliers).

        Loops of segments from ``still`` on and before ``refilling`` refill; pars above ``parent`` tell instances apart,
        those below it count unless their axis is shared (``every``: all of them count).
        """
        axes = self.structure.problem.arch.array.axes
        found = []
        for split in self.splits:
            if split.segment > until:
                found.append(CUT)
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


class Builder:
    """Features of the product of the chains of one component's dimensions."""

    def __init__(self, structure: Structure, dims: tuple[str, ...], choice: Choice, memo: Memo) -> None:
        self.structure, self.memo = structure, memo
        self.nest = structure.problem.nest
        self.parts = [_Dimension(structure, dim, choice) for dim in dims]
        self.shape = tuple(len(part.table) for part in self.parts)
        self.items = len(structure.items)

    def trim(self) -> None:
        """Leave out chains with which an item does not fit, however small all other tiles are."""
        problem = self.structure.problem
        widths = problem.arch.widths
        for item, (entry, operand) in enumerate(zip(self.structure.items, self.structure.operands, strict=True)):
            memory = next(memory for memory in problem.arch.memories if memory.name == entry.memory)
            size = memory.partition_bytes(operand.role) if memory.partitions else memory.size_bytes
            if size is None:
                continue
            bits = problem.bits(operand.name)
            if operand.role == "output":
                inner = item == self.structure.innermost(operand.name)
                bits = widths.accumulator if inner else min(widths.accumulator, widths.output)
            most = 8 * size // bits // (2 if memory.double_buffered else 1)
            for axis, numbers in self.windows(operand):
                if len(numbers) == 2:
                    words = self.window(axis, numbers, item, DRAM, (), every=True)[..., 1]
                    fits = words <= most
                    masks = [fits.any(axis=tuple(k for k in range(fits.ndim) if k != n)) for n in numbers]
                elif len(numbers) == 1 and touched_indices(axis, self.nest.extents) == self.parts[numbers[0]].extent:
                    masks = [self.parts[numbers[0]].tile(item) <= most]
                else:
                    continue
                for number, mask in zip(numbers, masks, strict=True):
                    if not mask.all():
                        self.parts[number].take(self.parts[number].table[mask])
        self.shape = tuple(len(part.table) for part in self.parts)

    def without_dominated(self) -> None:
        """Leave out chains of loops that another one with loops at the same places equals or beats in everything that
        bytes and rooms depend on, whatever chain the other dimension of a window takes."""
        from tilewright.mapping.optimal.branch_kernels import undominated

        places = [split for part in self.parts for split in part.splits]
        if len(self.parts) != 2 or not all(split.axis < 0 and split.any_tile for split in places):
            return
        for number, part in enumerate(self.parts):
            if len(part.table) < MANY_CHAINS:
                continue
            real = part.real.astype(np.float64)
            walked = [self.walked(part, place) for place in range(len(part.splits))]
            columns = [part.table.astype(np.float64), real, -real, *walked]
            for item, operand in enumerate(self.structure.operands):
                for axis, numbers in self.windows(operand):
                    if len(numbers) != 2:
                        continue
                    for sliding in (None, *numbers):
                        words = self.window(axis, numbers, item, DRAM, (), every=True, sliding=sliding)
                        kept = words[..., [0, 1] if sliding is None else [0, 3]]
                        columns.append(np.moveaxis(kept, number, 0).reshape(len(part.table), -1))
            values = np.hstack(columns)
            values = values[:, values.min(axis=0) < values.max(axis=0)]
            order = np.argsort(values.sum(axis=1), kind="stable")
            part.take(part.table[np.sort(order[undominated(np.ascontiguousarray(values[order]))])])
        self.shape = tuple(len(part.table) for part in self.parts)

    def walked(self, part: _Dimension, place: int) -> Floats:
        """How many chunks a chain of loops walks down to a place."""
        modes = [ALL] * (place + 1) + [CUT] * (len(part.splits) - place)
        return part.count(tuple(modes), NUMBER)[:, None]

    def spread(self, number: int, values: Any) -> Floats:
        """Values of one dimension's chains, shaped to broadcast over the product."""
        shape = [1] * len(self.parts)
        shape[number] = -1
        return np.asarray(values, dtype=np.float64).reshape(shape)

    def windows(self, operand: Operand) -> list[tuple[Axis, tuple[int, ...]]]:
        """The operand's axes over this component, with the numbers of the dimensions on each."""
        names = [part.dim for part in self.parts]
        return [
            (axis, tuple(names.index(dim) for dim in axis.dims if dim in names))
            for axis in operand.axes
            if any(dim in names for dim in axis.dims)
        ]

    def words(
        self,
        operand: Operand,
        until: int,
        refilling: int,
        parent: int,
        shared: tuple[str, ...],
        *,
        every: bool,
        points: bool = False,
    ) -> Floats:
        """Words that pass a boundary: one factor per axis, and one per dimension that the operand does not use."""
        along = self.along(operand, until, parent, shared, every=every, points=points)
        return prod(along, start=self.repeats(operand, until, refilling, parent, shared, every=every, points=points))

    def repeats(
        self,
        operand: Operand,
        until: int,
        refilling: int,
        parent: int,
        shared: tuple[str, ...],
        *,
        every: bool,
        points: bool = False,
    ) -> Floats:
        """How often dimensions that the operand does not use bring it all again."""
        total: Floats = np.ones((1,) * len(self.parts))
        for number, part in enumerate(self.parts):
            if part.dim not in operand.dims:
                modes = part.modes(until, refilling, parent, shared, points=points, every=every)
                total = total * self.spread(number, part.count(modes, NUMBER))
        return total

    def along(
        self, operand: Operand, until: int, parent: int, shared: tuple[str, ...], *, every: bool, points: bool = False
    ) -> list[Floats]:
        """Words that pass a boundary, along each axis of the operand."""
        return [
            self.window(axis, numbers, until, parent, shared, every=every, points=points)[..., 0]
            if len(numbers) == 2
            else np.full((1,) * len(self.parts), float(touched_indices(axis, self.nest.extents)))
            for axis, numbers in self.windows(operand)
        ]

    def step_words(
        self, operand: Operand, until: int, refilling: int, shared: tuple[str, ...], *, points: bool = False
    ) -> Floats:
        """The most words that pass a boundary in one tile step, or more where windows move."""
        total: Floats = np.ones((1,) * len(self.parts))
        tiled = self.structure.tile_items
        for number, part in enumerate(self.parts):
            if part.dim not in operand.dims:
                modes = part.modes(until, refilling, DRAM, shared, points=points, every=False, still=tiled)
                total = total * self.spread(number, part.count(modes, NUMBER))
        for axis, numbers in self.windows(operand):
            touched = touched_indices(axis, self.nest.extents)
            if len(numbers) == 1:
                tile = self.parts[numbers[0]].tile(tiled - 1)
                total = total * self.spread(numbers[0], np.minimum(tile, touched))
                continue
            refills = self.step_refills(numbers, until, shared, points=points)
            if len(numbers) == 2:
                words = self.window(axis, numbers, until, DRAM, shared, every=False, points=points)
                total = total * np.minimum(words[..., 0], refills * words[..., 1])
            else:  # every refill may bring all of them
                total = total * touched * refills
        return total

    def step_refills(
        self, numbers: tuple[int, ...], until: int, shared: tuple[str, ...], *, points: bool = False
    ) -> Floats:
        """The most refills that loops over some dimensions, which an operand uses, make in one tile step."""
        total: Floats = np.ones((1,) * len(self.parts))
        tiled = self.structure.tile_items
        for number in numbers:
            part = self.parts[number]
            modes = part.modes(until, self.items + 1, DRAM, shared, points=points, every=False, still=tiled)
            total = total * self.spread(number, part.count(modes, NUMBER))
        return total

    def sliding_share(self, operand: Operand, item: int, shared: tuple[str, ...]) -> Floats:
        """The share of ``step_words`` that comes at most if the innermost loop of the operand moves a window of this
        component: all that it brings in all steps; if it is a single tile loop, what a move from one edge on adds."""
        share: Floats = np.zeros((1,) * len(self.parts))
        for axis, numbers in self.windows(operand):
            if len(numbers) != 2:
                continue
            whole, refills = self.window(axis, numbers, item, DRAM, shared, every=False), self.step_refills(numbers, item, shared)
            most = np.minimum(whole[..., 0], refills * whole[..., 1])
            tops = [_top(self.spread(n, self.parts[n].segments(item))) for n in numbers]
            for number, mine, other in ((numbers[0], *tops), (numbers[1], *reversed(tops))):
                words = self.window(axis, numbers, item, DRAM, shared, every=False, sliding=number)
                single = (self.spread(number, self.parts[number].loops(item)) == 1) & (mine < self.structure.tile_items)
                moved = np.where(single, refills * np.maximum(words[..., 2], words[..., 3]), most)
                part = np.minimum(moved, words[..., 0]) / np.maximum(most, 1)
                share = np.maximum(share, np.where(mine >= other, np.minimum(part, 1), 0))
        return share

    def window(
        self,
        axis: Axis,
        numbers: tuple[int, ...],
        until: int,
        parent: int,
        shared: tuple[str, ...],
        *,
        every: bool,
        points: bool = False,
        sliding: int | None = None,
    ) -> Floats:
        """Sum, most, first, and most after the first in a sweep, of the words on an axis of two dimensions; ``sliding``
        is the dimension that moves."""
        from tilewright.mapping.optimal.kernels import window_table

        one, two = (self.parts[number] for number in numbers)
        steps = dict(axis.terms)
        modes = []
        for part in (one, two):
            plain = part.modes(until, self.items + 1, parent, shared, points=points, every=every)
            if points and FIRST not in plain:  # every point by itself, in whatever order
                plain = (*(CUT for _ in part.splits), ALL)
            modes.append(np.array([TOGETHER if mode == FIRST else mode for mode in plain], dtype=np.int64))
        slides = [
            part.last_loop(until) if sliding == number else np.full(len(part.table), -1, dtype=np.int64)
            for number, part in zip(numbers, (one, two), strict=True)
        ]
        # Chains that agree above the item are one; places that never cut are none.
        firsts, numbers_of, kept = [], [], []
        for part, mode in zip((one, two), modes, strict=True):
            # Chains are listed depth first: those that agree above the item follow each other.
            seen = part.full[:, mode != CUT]
            fresh = np.ones(len(seen), bool)
            fresh[1:] = (seen[1:] != seen[:-1]).any(axis=1)
            first = np.flatnonzero(fresh)
            firsts.append(first)
            numbers_of.append(np.cumsum(fresh) - 1)
            before = np.concatenate([np.full((len(first), 1), part.extent), part.full[first][:, :-1]], axis=1)
            kept.append(np.flatnonzero((mode != CUT) & (part.full[first] < before).any(axis=0)))
        sides = []
        for part, mode, first, places, slide in zip((one, two), modes, firsts, kept, slides, strict=True):
            at = np.full(part.full.shape[1] + 1, -1)
            at[places] = np.arange(len(places))
            sides.append(
                (part.extent, np.ascontiguousarray(part.full[first][:, places]), mode[places], at[slide[first]])
            )
        key = (
            *((extent, tiles.tobytes(), tiles.shape, mode.tobytes(), slide.tobytes())
              for extent, tiles, mode, slide in sides),
            steps[one.dim], steps[two.dim], axis.offset, axis.size,
        )  # fmt: skip
        out = self.memo.get(key)
        if out is None:
            out = np.empty((len(firsts[0]), len(firsts[1]), 4))
            window_table(*sides[0], *sides[1], steps[one.dim], steps[two.dim], axis.offset, axis.size, out)
            self.memo[key] = out
        counts: Floats = out[numbers_of[0]][:, numbers_of[1]]
        shape = [1] * len(self.parts) + [4]
        shape[numbers[0]], shape[numbers[1]] = counts.shape[0], counts.shape[1]
        return (counts if numbers[0] < numbers[1] else counts.transpose(1, 0, 2)).reshape(shape)

    def sliding_words(
        self, operand: Operand, item: int, refilling: int, parent: int, shared: tuple[str, ...], *, every: bool
    ) -> Floats | None:
        """``words`` while the innermost loop of the operand moves a window of this component; None if none can."""
        best: Floats | None = None
        along = self.along(operand, item, parent, shared, every=every)
        repeats = self.repeats(operand, item, refilling, parent, shared, every=every)
        for k, (axis, numbers) in enumerate(self.windows(operand)):
            if len(numbers) != 2:
                continue
            beside = prod(along[:k] + along[k + 1 :], start=repeats)
            highest = [self.spread(n, self.parts[n].segments(item)) for n in numbers]
            for number, mine, other in ((numbers[0], highest[0], highest[1]), (numbers[1], highest[1], highest[0])):
                words = self.window(axis, numbers, item, parent, shared, every=every, sliding=number)[..., 0]
                # Only the innermost of the two can be the loop that moves; in one segment either can.
                words = np.where(_top(mine) >= _top(other), words * beside, np.inf)
                best = words if best is None else np.minimum(best, words)
        return best


def _top(bits: Floats) -> Floats:
    """The number of the highest bit, -1 for none."""
    return np.floor(np.log2(np.maximum(bits, 0.5)))


def component(
    structure: Structure, dims: tuple[str, ...], choice: Choice, memo: Memo | None = None
) -> Component | None:
    """All candidates of a component with their features, None if constraints leave none; ``memo`` keeps counts that
    other structures need as well."""
    build = Builder(structure, dims, choice, {} if memo is None else memo)
    if 0 not in build.shape:
        build.trim()
    if choice.lean and 0 not in build.shape:
        build.without_dominated()
    if 0 in build.shape:
        return None
    nest, arch = structure.problem.nest, structure.problem.arch
    items, parts = build.items, build.parts
    shape, size = build.shape, int(np.prod(build.shape))

    def flat(values: Any) -> Floats:
        whole = np.empty(shape)
        whole[...] = values
        return whole.reshape(size)

    reads, writes = np.ones((size, items, items + 1)), np.ones((size, items, items + 1))
    apart = repeated_windows(nest)
    reads_sliding, writes_sliding = (np.ones((size, items, items + 1 if apart else 1)) for _ in range(2))
    visits = np.ones((size, items, items + 1))
    streams = np.ones((size, items, items + 1) if any(map(structure.steps_count, range(items))) else (size, 0, 0))
    window = np.zeros((size, items), dtype=np.int64)
    footprint, first, closing, widest, ring = (np.ones((size, items)) for _ in range(5))
    above, beside, loops = (np.zeros((size, items), dtype=np.int64) for _ in range(3))
    served, streams_served = (np.ones((size, len(nest.operands))) for _ in range(2))
    spread = any(split.axis >= 0 for part in parts for split in part.splits)
    share = np.ones((size, items))
    for item, (entry, operand) in enumerate(zip(structure.items, structure.operands, strict=True)):
        shared = arch.array.reduce if operand.role == "output" else arch.array.multicast
        used = [part.dim in operand.dims for part in parts]
        fixed = all(used)
        for refilling in range(items + 1):
            if refilling > item + 1 or (fixed and refilling):
                reads[:, item, refilling] = reads[:, item, refilling - 1]
                writes[:, item, refilling] = writes[:, item, refilling - 1]
                continue
            reads[:, item, refilling] = flat(build.words(operand, item, refilling, entry.parent, shared, every=False))
            if spread:
                words = build.words(operand, item, refilling, entry.parent, shared, every=True)
                writes[:, item, refilling] = flat(words)
            else:
                writes[:, item, refilling] = reads[:, item, refilling]
        for refilling in range(item + 1):
            visits[:, item, refilling] = flat(_refills(build, operand, item, refilling))
            if structure.steps_count(item):
                streams[:, item, refilling] = flat(build.step_words(operand, item, refilling, shared))
        window[:, item] = any(len(numbers) == 2 for _, numbers in build.windows(operand))
        if structure.steps_count(item) and window[:, item].any():
            share[:, item] = flat(build.sliding_share(operand, item, shared))
        for every, moved, target in ((False, reads, reads_sliding), (True, writes, writes_sliding)):
            for refilling in range(item + 1) if apart else (item,):
                own = target[:, item, refilling if apart else 0]
                own[:] = moved[:, item, refilling]
                if window[:, item].any() and operand.role != "output":
                    sliding = build.sliding_words(operand, item, refilling, entry.parent, shared, every=every)
                    if sliding is not None:
                        own[:] = np.minimum(own, flat(sliding))
        held = room(build, operand, item)
        footprint[:, item], first[:, item], closing[:, item] = flat(held.most), flat(held.first), flat(held.final)
        widest[:, item], ring[:, item] = flat(held.widest), flat(held.ahead)
        for number, part in enumerate(parts):
            bits = flat(build.spread(number, part.segments(item))).astype(np.int64)
            if used[number]:
                above[:, item] |= bits
                loops[:, item] += flat(build.spread(number, part.loops(item))).astype(np.int64)
            else:
                beside[:, item] |= bits
    for number, operand in enumerate(nest.operands):
        shared = arch.array.reduce if operand.role == "output" else arch.array.multicast
        inner = structure.innermost(operand.name)
        served[:, number] = flat(build.words(operand, items, items + 1, inner, shared, every=False, points=True))
        if structure.items[inner].memory == arch.scratchpad.name:
            streams_served[:, number] = flat(build.step_words(operand, items, items + 1, shared, points=True))
    points: Floats = np.ones((1,) * len(parts))
    last: Floats = np.ones((1,) * len(parts))
    step: Floats = np.ones((1,) * len(parts))
    final: Floats = np.ones((1,) * len(parts))
    steps: Floats = np.ones((1,) * len(parts))
    outermost = next(k for k, item in enumerate(structure.items) if item.operand == nest.output.name)
    for number, part in enumerate(parts):
        plain = tuple(FIRST if split.axis >= 0 else ALL for split in part.splits)
        points = points * build.spread(number, part.count((*plain, ALL), NUMBER))
        inside = tuple(FIRST if s.axis >= 0 or s.segment < structure.tile_items else ALL for s in part.splits)
        step = step * build.spread(number, part.count((*inside, ALL), NUMBER))
        outer = (*(ALL if s.axis < 0 and s.segment < structure.tile_items else CUT for s in part.splits), CUT)
        steps = steps * build.spread(number, part.count(outer, NUMBER))
        chunk = part.count(outer, LAST)
        taken = np.prod([part.positions(axis) for axis in range(len(arch.array.axes))], axis=0)
        final = final * build.spread(number, np.ceil(chunk / taken))
        if part.dim in nest.output.dims:
            last = last * build.spread(number, part.last_tile(outermost))
    used_positions = np.ones((size, len(arch.array.axes)), dtype=np.int64)
    for axis in range(len(arch.array.axes)):
        for number, part in enumerate(parts):
            used_positions[:, axis] *= flat(build.spread(number, part.positions(axis))).astype(np.int64)
    rows = np.stack(np.unravel_index(np.arange(size), shape), axis=1)
    tables = tuple(part.table for part in parts)
    return Component(
        dims, tables, rows, reads, writes, streams, reads_sliding, writes_sliding, visits, served,
        streams_served, share, footprint, first,
        closing, widest, ring, flat(last), flat(points), flat(step), flat(final), flat(steps), used_positions, above, beside,
        loops, window,
    )  # fmt: skip


def _refills(build: Builder, operand: Operand, item: int, refilling: int) -> Floats:
    """Refills of one instance: loops that the operand uses, and others of segments before ``refilling``."""
    total: Floats = np.ones((1,) * len(build.parts))
    for number, part in enumerate(build.parts):
        until = build.items + 1 if part.dim in operand.dims else refilling
        modes = part.modes(
            item,
            until,
            item,
            tuple(axis for axis, _ in build.structure.problem.arch.array.axes),
            points=False,
            every=False,
        )
        modes = tuple(
            FIRST if k < len(part.splits) and part.splits[k].axis >= 0 and mode == ALL else mode
            for k, mode in enumerate(modes)
        )
        total = total * build.spread(number, part.count(modes, NUMBER))
    return total
