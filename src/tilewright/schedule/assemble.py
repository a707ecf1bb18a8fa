"""From choices of a strategy to the groups of a schedule, at their exact cost (docs/model.md, sections 8 and 9)."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.schedule.group.cost import group_cost
from tilewright.schedule.group.market import Market
from tilewright.schedule.group.prepared import Way
from tilewright.schedule.offers import Choice
from tilewright.schedule.schedule import Group
from tilewright.schedule.stays import held_bytes
from tilewright.schedule.tiled import Run, Tiled


def assemble(market: Market, choices: Sequence[Choice]) -> tuple[Group, ...]:
    """The groups of a solution in order."""
    across = held_bytes(market.graph, choices)
    return tuple(_group(market, choice, size) for choice, size in zip(choices, across, strict=True))


def _group(market: Market, choice: Choice, size: int) -> Group:
    how = choice.offer.how
    if isinstance(how, Group):
        return how
    assert isinstance(how, Way)
    prepared = market.prepared(choice.nodes, how)
    at, way, residency = prepared.at, prepared.at.way, choice.residency
    runs = tuple(
        Run(one.name, array, weights) for one, array, weights in zip(at.group.all, way.arrays, way.weights, strict=True)
    )
    tiled = Tiled(
        runs=runs,
        loops=way.loops,
        channels=way.channels,
        overlap=way.overlap,
        loaded=tuple(sorted(residency.loaded)),
        stored=tuple(sorted(residency.stored)),
        over=() if choice.over is None else (choice.over,),
        cost=group_cost(prepared, residency, size),
    )
    return Group(
        operators=tuple(one.name for one in at.group.all),
        tile=_tile(way),
        overlap=way.overlap,
        resident_in=tuple(sorted(residency.resident)),
        resident_out=tuple(sorted(residency.held)),
        parts=(),
        tiled=tiled,
    )


def _tile(way: Way) -> tuple[tuple[str, int], ...]:
    loops = (*way.loops, *((way.channels,) if way.channels is not None else ()))
    return tuple((loop.dim, loop.tile) for loop in loops)
