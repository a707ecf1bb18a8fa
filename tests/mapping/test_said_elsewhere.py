"""What one order of keeps leaves out another one has, and says the same of it."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from tests.mapping.test_relaxation import LAYER, POINTWISE, roots, values
from tests.mapping.test_restarts import problem_on

from tilewright.mapping.mapping import Keep, Mapping
from tilewright.mapping.nests import conv2d, depthwise
from tilewright.mapping.optimal.branches import exchangeable, stand_apart
from tilewright.mapping.optimal.cases import Node, solved
from tilewright.mapping.optimal.explore_kernels import SEGMENTS_FIRST, TOGETHER
from tilewright.mapping.optimal.parts import Heads
from tilewright.mapping.optimal.realize import every_mapping
from tilewright.mapping.optimal.structure import Structure
from tilewright.workload.nest import LoopNest

TINY = conv2d(K=4, C=3, Y=3, X=1, R=2, S=1)
STRIDED = depthwise(G=12, Y=6, X=6, R=3, S=3, stride=2, pad=1)


def moved(tiles: dict[str, tuple[int, ...]], one: Structure, other: Structure) -> dict[str, tuple[int, ...]]:
    """The same tiles at the places of another order of keeps."""
    found = {}
    for dim, own in tiles.items():
        at = {(split.segment, split.axis): tile for split, tile in zip(one.splits(dim), own, strict=True)}
        chain, tile = [], one.problem.nest.extents[dim]
        for split in other.splits(dim):
            tile = at.pop((split.segment, split.axis), tile)
            chain.append(tile)
        assert all(left == tile or left in chain for left in at.values())
        found[dim] = tuple(chain)
    return found


def same(one: Structure, other: Structure, tiles: dict[str, tuple[int, ...]], j: int) -> bool:
    """Whether every mapping of some tiles is one of the other order, with the j-th keep and the next exchanged."""
    mine = every_mapping(one, tiles)
    theirs = set(islice(every_mapping(other, moved(tiles, one, other)), 5000))
    return all(exchanged(mapping, j) in theirs for mapping in islice(mine, 50))


def exchanged(mapping: Mapping, j: int) -> Mapping | None:
    nodes = list(mapping.nodes)
    keeps = [k for k, node in enumerate(nodes) if isinstance(node, Keep)]
    first, second = keeps[j], keeps[j + 1]
    if second != first + 1:  # a loop stands between them
        return None
    nodes[first], nodes[second] = nodes[second], nodes[first]
    return Mapping(tuple(nodes))


def row_of(node: Node, c: int, tiles: dict[str, tuple[int, ...]]) -> int | None:
    """The candidate of a component with some tiles."""
    picked, shape = [], []
    for dim, table in node.origin.chains[c]:
        found = np.flatnonzero((table == tiles[dim]).all(axis=1))
        if not len(found):
            return None
        picked.append(int(found[0]))
        shape.append(len(table))
    number = int(np.ravel_multi_index(picked, shape))
    at = int(np.searchsorted(node.numbers[c], number))
    return at if at < len(node.numbers[c]) and node.numbers[c][at] == number else None


def together(node: Node, j: int, rng: np.random.Generator) -> list[int] | None:
    """A combination in which nothing tells an item from the next one."""
    whole = [np.flatnonzero(~stand_apart(node, c, j)) for c in range(len(node.tables))]
    return [int(rng.choice(own)) for own in whole] if all(len(own) for own in whole) else None


@pytest.mark.parametrize("layer", [STRIDED, LAYER, POINTWISE])
@pytest.mark.parametrize("machine", ["simba", "eyeriss", "mobile-npu"])
def test_another_order_of_keeps_has_the_same_mappings_and_bounds(machine: str, layer: LoopNest) -> None:
    nodes = {root.origin.structure: root for root in roots(problem_on(machine, layer), "edp", 30)}
    rng = np.random.default_rng(4)
    judged, items = 0, set()
    for structure, root in nodes.items():
        for j in exchangeable(structure):
            other = nodes[structure.swapped(j)]
            assert j not in exchangeable(other.origin.structure)  # one of the two has them
            for _ in range(12):
                rows = together(root, j, rng)
                if rows is None:
                    continue
                tiles = root.tiles(rows)
                assert same(structure, other.origin.structure, tiles, j)
                there = [row_of(other, c, moved(tiles, structure, other.origin.structure)) for c in range(len(rows))]
                assert None not in there
                assert values(root, rows) == pytest.approx(values(other, [row for row in there if row is not None]))
                judged += 1
                items.add(j >= structure.tile_items)
    assert judged > 30
    assert items == ({False, True} if machine != "mobile-npu" else {False})


def said_elsewhere(node: Node, rows: list[int]) -> bool:
    """Whether nothing tells some item from the next one in a combination."""
    pairs = exchangeable(node.origin.structure)
    return any(not any(stand_apart(node, c, j)[row] for c, row in enumerate(rows)) for j in pairs)


@pytest.mark.parametrize(
    ("machine", "wanted"), [("eyeriss", TOGETHER), ("simba", SEGMENTS_FIRST), ("mobile-npu", TOGETHER)]
)
def test_parts_leave_out_nothing_that_no_other_order_has(machine: str, wanted: int) -> None:
    rng = np.random.default_rng(12)
    judged = left_out = 0
    for root in roots(problem_on(machine, TINY), "edp", 30)[::3]:
        if not exchangeable(root.origin.structure):
            continue
        chosen = [[int(len(numbers) * rng.random() ** 2) for numbers in root.numbers] for _ in range(300)]
        costs = [values(root, rows) for rows in chosen]
        limit = 1.0001 * sorted(costs)[12]
        node = solved(root, limit)[0] if np.isfinite(limit) else None
        if node is None:
            continue
        parts = Heads.of(node, led=True, once=True).explored(limit, 1.0, 0.0, 3000, wanted).nodes
        for rows, cost in zip(chosen, costs, strict=True):
            if not cost < limit:
                continue
            numbers = [int(own[row]) for own, row in zip(root.numbers, rows, strict=True)]
            held = any(all(n in own for n, own in zip(numbers, part.numbers, strict=True)) for part in parts)
            assert held or said_elsewhere(root, rows)
            judged += 1
            left_out += not held
    assert judged > 40
    assert left_out > 5
