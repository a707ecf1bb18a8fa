"""Better mappings near good ones: tiles a little larger or smaller, in the same order of keeps or in one next to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.chains import EVEN, Choice
from tilewright.mapping.optimal.judge import Proof
from tilewright.mapping.optimal.roots import Tally, root
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.threads import side_by_side
from tilewright.mapping.optimal.walks import walk

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

MOST_MOVES = 8  # from one start
STEPS, WALKS = 30_000, 4  # of a walk, walks in one order of keeps
STEPS_BESIDE = 8_000  # of a walk in an order next to the present one
LOOP_ORDERS = 6  # that are evaluated of a combination
REACH, REACH_TOGETHER = 3, 1  # even tiles to either side, of a dimension that is a component, and of those in one
BETTER = 1 - 1e-6
Chosen = dict[str, tuple[int, ...]]
Find = tuple[float, Structure, Chosen]  # bound, order of keeps, tiles


def climb_all(search: Search) -> None:
    """Go on from the best mapping, and from the find of least bound, where memories exist once per position: others are
    proven sooner than that pays."""
    if not any(memory.per for memory in search.problem.arch.memories):
        return
    starts = [] if search.winner is None else [(float("inf"), *search.winner)]
    starts += sorted(search.finds, key=lambda one: one[0])[:1]
    for find in starts:
        _climb(search, find)


def _climb(search: Search, here: Find) -> None:
    for _ in range(MOST_MOVES):
        if search.spent:
            return
        _, structure, chosen = here
        best = _best(search, [structure], chosen, STEPS, WALKS)
        if best is None or best[0] >= here[0] * BETTER:
            best = _best(search, list(_beside(structure, chosen)), chosen, STEPS_BESIDE, 1)
        if best is None or best[0] >= here[0] * BETTER:
            return
        here = best


def _beside(structure: Structure, chosen: Chosen) -> list[Structure]:
    """The orders with two neighbours the other way round in which the same tiles stand at the same places."""
    found = []
    for j in range(len(structure.items) - 1):
        if structure.items[j].operand != structure.items[j + 1].operand:
            other = structure.swapped(j)
            if None not in other.axis_places and all(_axes(structure, dim) == _axes(other, dim) for dim in chosen):
                found.append(other)
    return found


def _axes(structure: Structure, dim: str) -> list[int]:
    return [split.axis for split in structure.splits(dim)]


def _near(search: Search, structure: Structure, chosen: Chosen) -> Choice:
    """Tiles near given ones."""
    alone = {dims[0] for dims in search.parts if len(dims) == 1}
    near = tuple(
        (dim, split.segment, split.axis, tile, REACH if dim in alone else REACH_TOGETHER)
        for dim, tiles in chosen.items()
        for split, tile in zip(structure.splits(dim), tiles, strict=True)
    )
    return Choice("near", EVEN.tiles, constraints=search.constraints, near=near)


def _best(search: Search, orders: list[Structure], chosen: Chosen, steps: int, walks: int) -> Find | None:
    """The best near given tiles that walks find in some orders of keeps; what may be the best of all is evaluated."""
    rules, search.rules = search.rules, search.rules & {"candidate"}

    def work(k: int, tally: Tally) -> Node | None:
        return root(search, orders[k], _near(search, orders[k], chosen), tally)

    nodes = [node for node in search.aside(work, len(orders), 2_000 * len(orders)) if node is not None]
    search.rules = rules
    jobs = [(node, next(search.seeds)) for node in nodes for _ in range(walks)]
    found = side_by_side(lambda job: walk(job[0], min(steps, 30 * job[0].rows), job[1]), jobs)
    finds: list[Find] = []
    for (node, _), (rows, value) in zip(jobs, found, strict=True):
        search.nodes += min(steps, 30 * node.rows)
        tiles = node.tiles(rows)
        if value < search.judge.limit(node.origin.machine.most_pj):
            search.try_leaf(node, rows, Proof(0.0, "few"), value, LOOP_ORDERS)
        finds.append((value, node.origin.structure, tiles))
    search.finds += finds
    return min(finds, key=lambda one: one[0], default=None)
