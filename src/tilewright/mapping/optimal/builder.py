"""Words across the boundaries of a structure, by the chains of one component's dimensions."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.floor import touched_indices
from tilewright.mapping.optimal.chains import Choice, Floats
from tilewright.mapping.optimal.dimension import ALL, CUT, ENDS, FIRST, NUMBER, TOGETHER, Dimension
from tilewright.mapping.optimal.rooms import DRAM
from tilewright.mapping.optimal.structure import Structure
from tilewright.workload.nest import Axis, Operand

Memo = dict[tuple[Any, ...], Floats]
MANY_CHAINS = 24  # of one dimension: worth comparing


class Crossing(NamedTuple):
    """Where words pass: above item ``until`` (the number of items: the multipliers), below item ``parent``; positions
    along ``shared`` axes fetch together unless ``every`` one counts. The multipliers take single ``points``; ``ends``:
    what passes in the last tile step alone."""

    until: int
    parent: int
    shared: tuple[str, ...]
    every: bool
    points: bool = False
    ends: bool = False


class Builder:
    """Features of the product of the chains of one component's dimensions."""

    def __init__(self, structure: Structure, dims: tuple[str, ...], choice: Choice, memo: Memo) -> None:
        self.structure, self.memo = structure, memo
        self.nest = structure.problem.nest
        self.parts = [Dimension(structure, dim, choice) for dim in dims]
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

    def walked(self, part: Dimension, place: int) -> Floats:
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

    def words(self, operand: Operand, refilling: int, at: Crossing) -> Floats:
        """Words that pass a boundary, in all or in the last tile step: one factor per axis, and one per dimension that
        the operand does not use."""
        return prod(self.along(operand, at), start=self.repeats(operand, refilling, at))

    def repeats(self, operand: Operand, refilling: int, at: Crossing) -> Floats:
        """How often dimensions that the operand does not use bring it all again."""
        total: Floats = np.ones((1,) * len(self.parts))
        for number, part in enumerate(self.parts):
            if part.dim not in operand.dims:
                modes = part.modes(
                    at.until, refilling, at.parent, at.shared, points=at.points, every=at.every, ends=at.ends
                )
                total = total * self.spread(number, part.count(modes, NUMBER))
        return total

    def every_step(self, operand: Operand, refilling: int) -> Floats:
        """Whether there are no tile loops but those that an operand uses and those of segments before ``refilling``."""
        every: Floats = np.ones((1,) * len(self.parts))
        for number, part in enumerate(self.parts):
            if part.dim not in operand.dims:
                inside = range(refilling, self.structure.tile_items)
                places = [k for k, split in enumerate(part.splits) if split.axis < 0 and split.segment in inside]
                every = every * self.spread(number, ~part.real[:, places].any(axis=1))
        return every

    def along(self, operand: Operand, at: Crossing) -> list[Floats]:
        """Words that pass a boundary, along each axis of the operand; none if those of the last step are not known."""
        found = []
        for axis, numbers in self.windows(operand):
            words: Floats = np.full((1,) * len(self.parts), float(touched_indices(axis, self.nest.extents)))
            if len(numbers) == 2:
                words = self.window(axis, numbers, **at._asdict())[..., 0]
            elif at.ends:
                part = self.parts[numbers[0]]
                whole = len(numbers) == 1 and words.flat[0] == part.extent
                last = part.last_tile(self.structure.tile_items - 1) * whole
                words = self.spread(numbers[0], last)
            found.append(words)
        return found

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
                tile = self.parts[numbers[0]].tile(min(until, tiled - 1))
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
        component: all that it brings in all steps; if it is the only one, of tiles, what moves from one edge on add."""
        share: Floats = np.zeros((1,) * len(self.parts))
        for axis, numbers in self.windows(operand):
            if len(numbers) != 2:
                continue
            whole = self.window(axis, numbers, item, DRAM, shared, every=False)
            refills = self.step_refills(numbers, item, shared)
            most = np.minimum(whole[..., 0], refills * whole[..., 1])
            loops = sum(self.spread(number, self.parts[number].loops(item)) for number in numbers)
            for number, mine, other in self.tops(numbers, item):
                words = self.window(axis, numbers, item, DRAM, shared, every=False, sliding=number)
                single = (loops == 1) & (mine < self.structure.tile_items)
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
        ends: bool = False,
    ) -> Floats:
        """Sum, most, first, and most after the first in a sweep, of the words on an axis of two dimensions, and how
        often there are any; ``sliding`` is the dimension that moves."""
        from tilewright.mapping.optimal.kernels import WINDOW_COUNTS, window_table

        one, two = (self.parts[number] for number in numbers)
        steps = dict(axis.terms)
        modes = []
        for part in (one, two):
            plain = part.modes(until, self.items + 1, parent, shared, points=points, every=every, ends=ends)
            if points and FIRST not in plain and not ends:  # every point by itself, in whatever order
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
            out = np.empty((len(firsts[0]), len(firsts[1]), WINDOW_COUNTS))
            window_table(*sides[0], *sides[1], steps[one.dim], steps[two.dim], axis.offset, axis.size, out)
            self.memo[key] = out
        counts: Floats = out[numbers_of[0]][:, numbers_of[1]]
        shape = [1] * len(self.parts) + [counts.shape[-1]]
        shape[numbers[0]], shape[numbers[1]] = counts.shape[0], counts.shape[1]
        return (counts if numbers[0] < numbers[1] else counts.transpose(1, 0, 2)).reshape(shape)

    def filled(self, operand: Operand, at: Crossing) -> tuple[Floats, Floats]:
        """Of an item's refills the share that brings anything, at least: of all, and of those where the innermost loop
        of the operand moves a window of this component, if one can."""
        plain: Floats = np.ones((1,) * len(self.parts))
        moving: list[Floats] = []
        for axis, numbers in self.windows(operand):
            refills = prod((self.refills(n, operand, at.until, 0) for n in numbers), start=np.ones_like(plain))
            touched = touched_indices(axis, self.nest.extents)
            if len(numbers) == 2:
                some = self.window(axis, numbers, **at._asdict())[..., 4]
                for number, mine, other in self.tops(numbers, at.until):
                    sliding = self.window(axis, numbers, **at._asdict(), sliding=number)[..., 4]
                    moving.append(np.where(mine >= other, sliding / np.maximum(some, 1), 1.0))
            elif len(numbers) == 1 and touched == self.parts[numbers[0]].extent:
                some = refills
            else:
                some = np.minimum(refills, 1.0)
            plain = plain * some / np.maximum(refills, 1)
        least = plain * np.minimum.reduce(np.broadcast_arrays(np.ones_like(plain), *moving))
        return plain, least

    def refills(self, number: int, operand: Operand, item: int, refilling: int) -> Floats:
        """How often loops of a dimension refill one instance of an item: all that its operand uses, and others of
        segments before ``refilling``."""
        part = self.parts[number]
        until = self.items + 1 if part.dim in operand.dims else refilling
        axes = tuple(axis for axis, _ in self.structure.problem.arch.array.axes)
        modes = part.modes(item, until, item, axes, points=False, every=False)
        modes = tuple(
            FIRST if k < len(part.splits) and part.splits[k].axis >= 0 and mode == ALL else mode
            for k, mode in enumerate(modes)
        )
        return self.spread(number, part.count(modes, NUMBER))

    def lasting(self, number: int, operand: Operand, item: int, refilling: int) -> Floats:
        """How many of the chunks that tile loops of a dimension make are in the last visit of an output's item, or in
        the first one of another's, where loops of segments before ``refilling`` that its operand does not use end it.
        """
        part = self.parts[number]
        inside, last = item + 1 if part.dim in operand.dims else refilling, self.structure.tile_items
        outer = ENDS if operand.role == "output" else FIRST
        modes = (
            CUT if split.axis >= 0 or split.segment >= last else (outer if split.segment < inside else ALL)
            for split in part.splits
        )
        return self.spread(number, part.count((*modes, CUT), NUMBER))

    def tops(self, numbers: tuple[int, ...], until: int) -> tuple[tuple[int, Floats, Floats], ...]:
        """Two dimensions, each with the segments of its own innermost loop and of the other's. Only the innermost of
        the two can be the loop that moves a window; in one segment either can."""
        one, two = (_top(self.spread(number, self.parts[number].segments(until))) for number in numbers)
        return (numbers[0], one, two), (numbers[1], two, one)

    def sliding_words(self, operand: Operand, refilling: int, at: Crossing) -> Floats | None:
        """``words`` while the innermost loop of the operand moves a window of this component; None if none can."""
        best: Floats | None = None
        along, repeats = self.along(operand, at), self.repeats(operand, refilling, at)
        for k, (axis, numbers) in enumerate(self.windows(operand)):
            if len(numbers) != 2:
                continue
            beside = prod(along[:k] + along[k + 1 :], start=repeats)
            for number, mine, other in self.tops(numbers, at.until):
                words = self.window(axis, numbers, **at._asdict(), sliding=number)[..., 0]
                words = np.where(mine >= other, words * beside, np.inf)
                best = words if best is None else np.minimum(best, words)
        return best


def _top(bits: Floats) -> Floats:
    """The number of the highest bit, -1 for none."""
    return np.floor(np.log2(np.maximum(bits, 0.5)))
