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

from tilewright.mapping.optimal.builder import Builder, Crossing, Memo
from tilewright.mapping.optimal.chains import Choice, Floats, IntTable
from tilewright.mapping.optimal.components import repeated_windows
from tilewright.mapping.optimal.dimension import ALL, CUT, FIRST, LAST, NUMBER
from tilewright.mapping.optimal.rooms import room
from tilewright.mapping.optimal.structure import Structure


@dataclass(frozen=True, eq=False)
class Component:
    """Candidates of one component and their factors, an entry (first axis) per candidate.

    With J items, J + 1 boundaries count the multipliers as a last child. ``reads[:, j, s]`` multiplies the words that
    item j's parent hands over, ``writes[:, j, s]`` those that all instances of item j receive, when loops of segments
    before s refill; for what passes the scratchpad by or comes from it (``Structure.steps_count``) ``streams`` is at
    most the same in one tile step, and its part ``streams_share`` while a window moves; ``ending`` is at least the same
    in the last step, ``streams_served`` and ``ending_served`` are those of the multipliers; ``reads_sliding`` and
    ``writes_sliding`` are the same while a window moves (one segment for all, unless ``repeated_windows``). Of
    ``visits`` the share that brings anything is ``filled[:, j, 0]`` at least, ``filled[:, j, 1]`` while a window moves.
    ``served[:, o]`` are the words that the multipliers take of operand o. ``footprint`` and ``first`` are the most and
    the first words at an item, or less where padding hides how many they are; ``widest`` is never below the most,
    ``ring`` are those that an item loaded ahead has room for if no other component has loops above it. ``last`` are the
    words of the output's last tile, ``points`` the compute steps, ``step`` those of the largest tile step, ``final``
    those of the last one at least, ``steps`` the tile steps, ``used`` the positions per axis. ``visits[:, j, s]``
    counts the refills of item j. ``lasting[:, j, s]`` are the tile steps of its first visit, or of its last one if it
    is the output's. ``above[:, j]`` has a bit for every segment with a loop that item j's operand uses, ``beside`` one
    it does not.
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
    filled: Floats
    ending: Floats
    ending_sliding: Floats
    ending_served: Floats
    footprint: Floats
    first: Floats
    widest: Floats
    ring: Floats
    last: Floats
    points: Floats
    step: Floats
    final: Floats
    steps: Floats
    lasting: Floats
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
    visits, lasting = np.ones((size, items, items + 1)), np.ones((size, items, items + 1))
    streams = np.ones((size, items, items + 1) if any(map(structure.steps_count, range(items))) else (size, 0, 0))
    window = np.zeros((size, items), dtype=np.int64)
    footprint, first, widest, ring = (np.ones((size, items)) for _ in range(4))
    above, beside, loops = (np.zeros((size, items), dtype=np.int64) for _ in range(3))
    served, streams_served, ending_served = (np.ones((size, len(nest.operands))) for _ in range(3))
    spread = any(split.axis >= 0 for part in parts for split in part.splits)
    share = np.ones((size, items))
    filled = np.ones((size, items, 2))
    ending, ending_sliding = (np.zeros_like(streams) for _ in range(2))
    for item, (entry, operand) in enumerate(zip(structure.items, structure.operands, strict=True)):
        shared = arch.array.reduce if operand.role == "output" else arch.array.multicast
        at = Crossing(item, entry.parent, shared, every=False)
        used = [part.dim in operand.dims for part in parts]
        fixed = all(used)
        for refilling in range(items + 1):
            if refilling > item + 1 or (fixed and refilling):
                reads[:, item, refilling] = reads[:, item, refilling - 1]
                writes[:, item, refilling] = writes[:, item, refilling - 1]
                continue
            reads[:, item, refilling] = flat(build.words(operand, refilling, at))
            if spread:
                words = build.words(operand, refilling, at._replace(every=True))
                writes[:, item, refilling] = flat(words)
            else:
                writes[:, item, refilling] = reads[:, item, refilling]
        for refilling in range(item + 1):
            often = (build.refills(number, operand, item, refilling) for number in range(len(parts)))
            visits[:, item, refilling] = flat(prod(often))
            if entry.parent < 0:
                often = (build.lasting(number, operand, item, refilling) for number in range(len(parts)))
                lasting[:, item, refilling] = flat(prod(often))
            if structure.steps_count(item):
                streams[:, item, refilling] = flat(build.step_words(operand, item, refilling, shared))
        window[:, item] = any(len(numbers) == 2 for _, numbers in build.windows(operand))
        if entry.parent < 0 and arch.dram.setup_cycles > 0:
            filled[:, item] = np.stack([flat(own) for own in build.filled(operand, at)], axis=1)
        if structure.steps_count(item) and window[:, item].any():
            share[:, item] = flat(build.sliding_share(operand, item, shared))
        below = structure.steps_count(item) and item >= structure.tile_items  # else it may stay over several steps
        for refilling in range(item + 1 if below else 0):
            own = flat(build.words(operand, refilling, at._replace(ends=True)))
            own = own * flat(build.every_step(operand, refilling))
            ending[:, item, refilling] = ending_sliding[:, item, refilling] = own
            if window[:, item].any() and operand.role != "output":
                sliding = build.sliding_words(operand, refilling, at._replace(ends=True))
                if sliding is not None:
                    ending_sliding[:, item, refilling] = np.minimum(own, flat(sliding))
        for every, moved, target in ((False, reads, reads_sliding), (True, writes, writes_sliding)):
            for refilling in range(item + 1) if apart else (item,):
                own = target[:, item, refilling if apart else 0]
                own[:] = moved[:, item, refilling]
                if window[:, item].any() and operand.role != "output":
                    sliding = build.sliding_words(operand, refilling, at._replace(every=every))
                    if sliding is not None:
                        own[:] = np.minimum(own, flat(sliding))
        held = room(build, operand, item)
        footprint[:, item], first[:, item] = flat(held.most), flat(held.first)
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
        at = Crossing(items, inner, shared, every=False, points=True)
        served[:, number] = flat(build.words(operand, items + 1, at))
        if structure.overlapped and structure.items[inner].memory == arch.scratchpad.name:
            streams_served[:, number] = flat(build.step_words(operand, items, items + 1, shared, points=True))
            words = build.words(operand, items + 1, at._replace(ends=True))
            ending_served[:, number] = flat(words)
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
        streams_served, share, filled, ending, ending_sliding, ending_served, footprint, first,
        widest, ring, flat(last), flat(points), flat(step), flat(final), flat(steps), lasting, used_positions, above,
        beside, loops, window,
    )  # fmt: skip
