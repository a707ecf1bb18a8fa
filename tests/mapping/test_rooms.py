"""The bound of a combination counts the room that its mappings have: of windows too, which move in a ring."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.mapping.test_relaxation import roots, values

from tilewright.arch.load import load_arch
from tilewright.mapping.buffers import operand_buffers, scratchpad_bytes
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.nests import conv2d, default_problem, depthwise
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.early import first_mapping
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.structure import Item
from tilewright.mapping.optimal.transfer_kernels import BESIDE, INNER, LOOPS
from tilewright.mapping.problem import NestProblem
from tilewright.workload.nest import LoopNest

LAYERS: dict[str, LoopNest] = {
    "padded": conv2d(K=2, C=3, Y=9, X=4, R=5, S=3, pad=2),
    "more padding than window": conv2d(K=2, C=1, Y=9, X=5, R=2, S=2, pad=(3, 1)),
    "holes": conv2d(K=2, C=2, Y=7, X=5, R=2, S=3, stride=3, pad=1),
    "dilated": conv2d(K=2, C=2, Y=7, X=6, R=3, S=2, dilation=2, pad=(2, 0)),
    "windows side by side": conv2d(K=2, C=2, Y=7, X=6, R=2, S=2, stride=2),
    "one row": conv2d(K=2, C=2, Y=7, X=6, R=1, S=3),
    "pointwise": conv2d(K=3, C=2, Y=7, X=6, stride=2),
    "depthwise": depthwise(G=3, Y=9, X=7, R=3, S=5, pad=(1, 2)),
}


def within(node: Node, size: int) -> Node:
    """The same on a machine whose scratchpad has so many bytes."""
    where = node.origin.where
    assert where.memory[where.first_output] == where.pad
    capacity = where.capacity.copy()
    capacity[where.group[where.first_output]] = size
    return replace(node, origin=replace(node.origin, where=where._replace(capacity=capacity)))


def combinations(problem: NestProblem, number: int) -> list[tuple[Node, list[int], list[Mapping]]]:
    """Combinations with few loops above the input's place in the scratchpad, and their mappings."""
    rng = np.random.default_rng(7)
    found = []
    for node in roots(problem, "energy", 4):
        items = node.origin.structure.items
        place = next(k for k, item in enumerate(items) if item == Item("input", problem.arch.scratchpad.name, -1))
        loops = [table[:, node.origin.where.at_item[place] + LOOPS] for table in node.tables]
        for k in range(number):
            most = [float(c == k % len(loops)) if k % 4 else 1.0 for c in range(len(loops))]
            rows = [int(rng.choice(np.flatnonzero(own <= least))) for own, least in zip(loops, most, strict=True)]
            chosen, _ = mappings(node.origin.structure, node.tiles(np.array(rows)), 6)
            found.append((node, rows, chosen))
    return found


def sums_further_out(node: Node, rows: list[int]) -> bool:
    """Whether what results drain from could stand further out, above loops that it does not use and that nothing else
    in it tells apart: then another order of keeps has these mappings, and here results are as wide as partial sums."""
    where = node.origin.where
    for j in where.next_output[where.next_output >= 0]:
        own = [table[row, where.at_item[j] :] for table, row in zip(node.tables, rows, strict=True)]
        inner = max(int(one[INNER]) for one in own)
        if inner > where.barrier[j] and any(int(one[BESIDE]) & ((1 << j) - (1 << max(inner, 0))) for one in own):
            return True
    return False


@pytest.mark.parametrize("name", LAYERS)
def test_rooms_are_never_bounded_above_what_they_are_and_rings_seldom_below(name: str) -> None:
    arch = replace(load_arch("simba"), alignment_bytes=1)
    problem = default_problem(LAYERS[name], arch, arch.layout)
    judged = rings = exact = 0
    for node, rows, chosen in combinations(problem, 100):
        if not np.isfinite(values(within(node, 10**9), rows)) or sums_further_out(node, rows):
            continue
        judged += 1
        buffers = [operand_buffers(problem, mapping) for mapping in chosen]
        rooms = [scratchpad_bytes(problem, own) for own in buffers]
        assert np.isfinite(values(within(node, min(rooms)), rows))
        # Partial sums are wider in some of the orders of loops.
        known = all(b.bits == problem.bits(b.operand) for own in buffers for b in own)
        if known and min(rooms) == max(rooms) and all(b.ring_axis is not None for b, *_ in buffers):
            rings += 1
            exact += not np.isfinite(values(within(node, min(rooms) - 1), rows))
    assert judged > 100
    assert rings > 20
    assert exact > 0.75 * rings


def test_what_random_moves_find_fits_where_windows_move() -> None:
    """None of the first mappings did: rings were counted as one footprint, and walks ended in what did not fit."""
    arch = load_arch("simba")
    search = Search(default_problem(depthwise(G=120, Y=28, X=28, R=5, S=5, pad=2), arch, arch.layout), "edp", 200_000)
    legal = []
    search.judge.watch = lambda mapping, cost: legal.append(mapping)
    first_mapping(search)
    assert 0 < len(legal) == search.judge.evaluated
