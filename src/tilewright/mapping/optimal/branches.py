"""Cuts of a node that bring its forms nearer to the costs: by what is refilled when, how long runs are, what is loaded
ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tilewright.mapping.optimal.assumed import Case, moves_window
from tilewright.mapping.optimal.cases import TIMED, Node
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import Layout
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.transfer_kernels import BESIDE, INNER, ITEM, LOOPS, WIDEST

Inner = tuple[int | None, ...]
Part = tuple[Case, list[Any]]  # what is assumed, and which candidates of every component are left


def branches(node: Node) -> list[Node]:
    """Nodes that together hold every combination of a node and bring its forms nearer to the costs; empty where no such
    cut is left."""
    for cut in (by_segments, by_footprints, by_windows) if node.origin.structure.deep else ():
        parts = cut([(node.case, [np.ones(len(rows), bool) for rows in node.numbers])], node)
        if parts is not None:
            return [replace(node.only(masks), case=case) for case, masks in parts]
    return _by_run(node) or ([] if node.origin.structure.deep else _by_loops(node))


def by_segments(parts: list[Part], node: Node) -> list[Part] | None:
    """Parts of a node by the segment of the innermost loop of every item that pars hold in place; None where nothing is
    to be known."""
    where = node.origin.where
    held = [j for j, barrier in enumerate(where.barrier) if barrier >= 0 and node.case.inner[j] is None]
    for j in held:
        segments = [table[:, where.at_item[j] + INNER].astype(np.int64) for table in node.tables]
        parts = [one for part in parts for one in _by_segment(part, j, int(where.barrier[j]), segments)]
    return parts if held else None


def _by_segment(part: Part, j: int, barrier: int, segments: list[Any]) -> list[Part]:
    """A part by the segment of the innermost loop of one item: exactly that up to its pars, or any below (j)."""
    case, masks = part
    seen = [own[mask] for own, mask in zip(segments, masks, strict=True)]
    least, most = max(int(own.min()) for own in seen), max(int(own.max()) for own in seen)
    found = []
    for segment in range(least, min(barrier, j, most) + 1):
        narrowed = [mask & (own <= segment) for own, mask in zip(segments, masks, strict=True)]
        if segment < 0 or any((own[mask] == segment).any() for own, mask in zip(segments, narrowed, strict=True)):
            found.append((segment, narrowed))
    if barrier < j and most > barrier:
        found.append((j, masks))
    return [
        (replace(case, inner=(*case.inner[:j], segment, *case.inner[j + 1 :])), rows)
        for segment, rows in found
        if all(mask.any() for mask in rows)
    ]


def by_footprints(parts: list[Part], node: Node) -> list[Part] | None:
    """Parts of a node by whether the next item loaded ahead needs two footprints: not without any loop above it, nor if
    all there is moves a window. None where that is known of all items, or holds for all candidates."""
    where = node.origin.where
    for j in range(len(where.parent)):
        if where.doubles[j] != 1 or all(j in case.twice | case.once for case, _ in parts):
            continue
        loops = [table[:, where.at_item[j] + LOOPS] for table in node.tables]
        slides = [moves_window(where, table, j) for table in node.tables]
        if sum(float(own.min()) for own in loops) > (1 if any(own.any() for own in slides) else 0):
            continue
        return [one for part in parts for one in _by_footprint(part, j, loops, slides)]
    return None


def _by_footprint(part: Part, j: int, loops: list[Any], slides: list[Any]) -> list[Part]:
    case, masks = part
    once = replace(case, once=case.once | {j})
    none = [mask & (own == 0) for own, mask in zip(loops, masks, strict=True)]
    one = [mask & ((own == 0) | slide) for own, slide, mask in zip(loops, slides, masks, strict=True)]
    found = [(once, none)]
    if any((own[mask] == 1).any() for own, mask in zip(loops, one, strict=True)):
        found.append((once, one))
    if any(own[mask].max(initial=0) > 0 for own, mask in zip(loops, masks, strict=True)):
        found.append((replace(case, twice=case.twice | {j}), masks))
    return [(own, rows) for own, rows in found if all(mask.any() for mask in rows)]


def by_windows(parts: list[Part], node: Node) -> list[Part] | None:
    """Parts of a node by the component along which the windows of the next item slide, where several might; None where
    that is known of all items: only the innermost loop moves a window."""
    where = node.origin.where
    for j in range(len(where.parent)):
        along = [c for c, table in enumerate(node.tables) if where.window[c, j] and _slides(where, table, j)]
        if len(along) < 2 or any(item == j for case, _ in parts for item, _ in case.slides):
            continue
        return [(replace(case, slides=case.slides | {(j, c)}), masks) for case, masks in parts for c in along]
    return None


def _slides(where: Layout, table: Floats, j: int) -> bool:
    """Whether any candidate of a component moves less of an item while its window slides."""
    at, many = where.at_item[j] + ITEM, j + 1 if where.repeated else 1
    moved, sliding = table[:, at : at + 2 * (j + 1)], table[:, at + 2 * (j + 1) : at + 2 * (j + 1) + 2 * many]
    reads = (sliding[:, :many] < moved[:, : j + 1]).any()
    return bool(reads or (sliding[:, many:] < moved[:, j + 1 :]).any())


def exchangeable(structure: Structure) -> list[int]:
    """The items that stand against the nest's order with the next one, and could as well stand in it.

    Two neighbours without a loop between them, and without one right above both that the second does not use, may stand
    the other way round: that other order of keeps has the same mappings, and says the same of them.
    """
    return [j for j in range(len(structure.items) - 1) if j != structure.tile_items - 1 and _exchangeable(structure, j)]


def _exchangeable(structure: Structure, j: int) -> bool:
    place = [operand.name for operand in structure.problem.nest.operands].index
    one, two = structure.items[j : j + 2]
    if place(one.operand) <= place(two.operand):
        return False
    other = structure.swapped(j)
    held, there = structure.barriers[j : j + 2], other.barriers[j : j + 2]
    if other.axis_places != structure.axis_places:
        return False
    if j < structure.tile_items:  # on the scratchpad, where nothing may hold them
        return one.memory == two.memory and max(held + there) < 0
    return held == there[::-1]


def stand_apart(node: Node, c: int, j: int) -> Any:
    """Which candidates of a component have a loop between the j-th item and the next one, or one right above both that
    the second does not use."""
    table, at = node.tables[c], node.origin.where.at_item[j + 1]
    return (table[:, at + INNER] == j + 1) | (table[:, at + BESIDE].astype(np.int64) >> j & 1 > 0)


def _by_run(node: Node) -> list[Node]:
    """By whether a tile covers the axis along which a tensor's addresses follow each other."""
    where = node.origin.where
    if node.origin.machine.setup == 0 or where.objective not in TIMED:
        return []
    for j in range(len(where.parent)):
        if where.parent[j] >= 0 or where.packed[j]:
            continue
        run = 1.0
        for k in range(where.axis_count[j]):
            c, extent = int(where.axis_component[j, k]), float(where.axis_size[j, k])
            if run != where.axis_stride[j, k]:
                break
            run *= extent
            if c < 0:
                continue
            whole = node.tables[c][:, where.at_item[j] + WIDEST] >= extent
            if whole.any() and not whole.all():
                return _halves(node, c, whole)
            if not whole.all():
                break
    return []


def _by_loops(node: Node) -> list[Node]:
    """By whether an item that is loaded ahead has loops of a component above it: then it needs two footprints. No
    candidate is in both parts, which trees like better than assumptions."""
    where = node.origin.where
    for j in range(len(where.parent)):
        if where.doubles[j] != 1:
            continue
        counts = [table[:, where.at_item[j] + LOOPS] for table in node.tables]
        if any(count.min() > 0 for count in counts):
            continue
        for c, count in enumerate(counts):
            if count.max() > 0:
                return _halves(node, c, count == 0)
    return []


def _halves(node: Node, c: int, one: Any) -> list[Node]:
    masks = [np.ones(len(rows), bool) for rows in node.numbers]
    return [node.only([*masks[:c], mask, *masks[c + 1 :]]) for mask in (one, ~one)]
