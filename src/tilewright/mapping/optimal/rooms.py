"""The words that an item has room for, by the chains of one component (docs/model.md, 3 and 6)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from tilewright.mapping.floor import in_bounds, touched_indices
from tilewright.workload.nest import Axis, Operand

if TYPE_CHECKING:
    from tilewright.mapping.optimal.builder import Builder
    from tilewright.mapping.optimal.chains import Floats

DRAM = -1


@dataclass(frozen=True, eq=False)
class Words:
    """``most`` words that one instance holds and those of the ``first`` tile, both at least; ``widest``: what the most
    are at most. ``ahead`` is what the item has room for if it is loaded ahead and no other component has loops above
    it, at least: one footprint without any loop; with a single loop that moves a window a ring, of one footprint and
    the most that a move adds; else two footprints."""

    most: Floats
    first: Floats
    widest: Floats
    ahead: Floats


@dataclass(frozen=True, eq=False)
class _Along:
    """The same along one axis; ``moves``: the most, at least, that a move of the only loop adds, for each dimension."""

    most: Floats
    first: Floats
    widest: Floats
    moves: dict[int, Floats]


def room(build: Builder, operand: Operand, item: int) -> Words:
    """What an item has room for, along all axes of its operand."""
    structure = build.structure
    in_pad = structure.items[item].memory == structure.problem.arch.scratchpad.name
    loaded = structure.overlapped and in_pad and operand.role != "output"
    one: Floats = np.ones((1,) * len(build.parts))
    along = [_along(build, axis, numbers, item, loaded and axis.is_window) for axis, numbers in build.windows(operand)]
    most = prod((own.most for own in along), start=one)
    used = [number for _, numbers in build.windows(operand) for number in numbers]
    loops = {number: build.spread(number, build.parts[number].loops(item)) for number in used}
    total = sum(loops.values(), 0 * one)
    ahead = np.where(total > 0, 2 * most, most)
    for k, own in enumerate(along):
        beside = prod((other.most for other in along[:k] + along[k + 1 :]), start=one)
        for number, move in own.moves.items():
            ring = beside * (own.most + np.minimum(own.most, move))
            ahead = np.where((total == 1) & (loops[number] == 1), ring, ahead)
    return Words(
        most,
        prod((own.first for own in along), start=one),
        prod((own.widest for own in along), start=one),
        ahead,
    )


def _along(build: Builder, axis: Axis, numbers: tuple[int, ...], item: int, slides: bool) -> _Along:
    one: Floats = np.ones((1,) * len(build.parts))
    if len(numbers) == 2:
        words = build.window(axis, numbers, item, DRAM, (), every=True)
        moves = {
            number: build.window(axis, numbers, item, DRAM, (), every=True, sliding=number)[..., 3]
            for number in numbers
            if slides
        }
        return _Along(words[..., 1], words[..., 2], words[..., 1], moves)
    touched = touched_indices(axis, build.nest.extents)
    if len(numbers) > 2:
        first = one if in_bounds(axis, build.nest.extents) else 0 * one
        return _Along(one, first, touched * one, {number: 0 * one for number in numbers if slides})
    extent = build.parts[numbers[0]].extent
    tile = build.spread(numbers[0], build.parts[numbers[0]].tile(item))
    widest = np.minimum(tile, touched)
    # The last of two tiles may be the shorter one, and it is all that is ever added.
    move = np.minimum(tile, extent - tile)
    if touched < extent:  # some indices are padding
        tile = np.maximum(min(1.0, touched), np.ceil(touched / (np.ceil(touched / tile) + 1)))  # all may be padding
        return _Along(tile, 0 * one, widest, {numbers[0]: 0 * one} if slides else {})
    return _Along(tile, tile, widest, {numbers[0]: move} if slides else {})
