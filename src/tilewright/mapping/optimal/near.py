"""Better mappings near good ones: tiles a little larger or smaller, in the same order of keeps or in one next to it."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from tilewright.mapping.optimal.chains import EVEN, Choice
from tilewright.mapping.optimal.early import DIP_ORDERS, Find, unbounded, walk_all
from tilewright.mapping.optimal.structure import Structure

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

MOST_MOVES = 8  # from one start
STEPS, WALKS = 30_000, 4  # of a walk, walks in one order of keeps
STEPS_BESIDE = 8_000  # of a walk in an order next to the present one
REACH, REACH_TOGETHER = 3, 1  # even tiles to either side, of a dimension that is a component, and of those in one
SHARE = 0.1  # of the time and of the bounds that there are
BETTER = 1 - 1e-6
Chosen = dict[str, tuple[int, ...]]


def climb_all(search: Search, bounds: int) -> None:
    """Go on from the best mapping, and from the find of least bound, where memories exist once per position: others are
    proven sooner than that pays. ``bounds`` are those of the whole search."""
    if not any(memory.per for memory in search.problem.arch.memories):
        return
    now = monotonic()
    until = None if search.deadline is None else now + SHARE * (search.deadline - now)
    most = search.nodes + SHARE * bounds
    starts = [] if search.winner is None else [(float("inf"), *search.winner)]
    starts += [min(search.finds, key=lambda one: one[0])] if search.finds else []
    seen: set[tuple[object, ...]] = set()
    for here in starts:
        for _ in range(MOST_MOVES):
            _, structure, chosen = here
            place = (structure, *chosen.items())
            if place in seen or search.nodes > most or (until is not None and monotonic() > until):
                break
            seen.add(place)
            best = _best(search, [structure], chosen, STEPS, WALKS)
            if best is None or best[0] >= here[0] * BETTER:
                best = _best(search, beside(structure, chosen), chosen, STEPS_BESIDE, 1)
            if best is None or best[0] >= here[0] * BETTER:
                break
            here = best


def beside(structure: Structure, chosen: Chosen) -> list[Structure]:
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


def near(search: Search, structure: Structure, chosen: Chosen) -> Choice:
    """Tiles near given ones, as far as the constraints allow them."""
    alone = {dims[0] for dims in search.parts if len(dims) == 1}
    places = tuple(
        (dim, split.segment, split.axis, tile, REACH if dim in alone else REACH_TOGETHER)
        for dim, tiles in chosen.items()
        for split, tile in zip(structure.splits(dim), tiles, strict=True)
    )
    return search.allowed(Choice("near", EVEN.tiles, near=places))


def _best(search: Search, orders: list[Structure], chosen: Chosen, steps: int, walks: int) -> Find | None:
    """The least bound near given tiles that walks find in some orders of keeps."""
    nodes = unbounded(search, [(one, near(search, one, chosen)) for one in orders])
    walked = [(node, min(steps, 30 * node.rows)) for node in nodes for _ in range(walks)]
    search.nodes += sum(number for _, number in walked)
    search.walked += sum(number for _, number in walked)
    jobs = [(node, number, next(search.seeds), 1.0) for node, number in walked]
    return min(walk_all(search, jobs, DIP_ORDERS), key=lambda one: one[0], default=None)
