"""The ways to run a group that are searched (docs/model.md, section 8): loops, overlap modes, channels, weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from tilewright.mapping.mapping import Loop
from tilewright.schedule.group.book import footprint
from tilewright.schedule.group.members import Members
from tilewright.schedule.tiled import Overlap, Weights

FINE = (2, 3, 4, 6, 8, 14, 16, 28, 56, 112, 224)
COARSE = (2, 4, 8)
OWN = (2, 4, 8)
WIDE = 64  # columns: rows of fewer are never cut


def even_tiles(extent: int, chunks: tuple[int, ...]) -> tuple[int, ...]:
    """The least tiles that make so many chunks, largest first.

    >>> even_tiles(14, COARSE)
    (7, 4, 2)
    """
    return tuple(dict.fromkeys(-(-extent // number) for number in chunks if number <= extent))


@dataclass(frozen=True)
class Frame:
    """Shared loops with their overlap mode, and the last operator's own loop."""

    loops: tuple[Loop, ...]
    overlap: Overlap
    channels: Loop | None


def frames(group: Members) -> Iterator[Frame]:
    """All loops that are searched: one over rows, or two over rows and columns where rows are wide; even tiles; every
    overlap mode that makes a difference; without a second loop also channels. Columns stand outside only where that
    decides what is cached: without it both orders compute and move the same boxes."""
    extents = group.last.nest.extents
    batch = tuple(Loop(dim, 1) for dim in group.batch)
    own: list[Loop | None] = [None]
    if group.channel_dims:
        dim = max(group.channel_dims, key=lambda d: extents[d])
        own += [Loop(dim, tile) for tile in even_tiles(extents[dim], OWN)]
    for channels in own:
        if not batch or len(group.all) == 1:
            yield Frame((), "recompute", channels)
        if batch:
            yield Frame(batch, "recompute", channels)
    for dim in group.dims[:1]:
        for tile in even_tiles(extents[dim], FINE):
            coarse = tile in even_tiles(extents[dim], COARSE)
            for overlap in _modes(group, (dim,)):
                for channels in own if coarse else own[:1]:
                    yield Frame((*batch, Loop(dim, tile)), overlap, channels)
    if len(group.dims) == 2 and extents[group.dims[1]] > WIDE:
        for dims in (group.dims, group.dims[::-1]):
            for outer, inner in product(*(even_tiles(extents[dim], COARSE) for dim in dims)):
                for overlap in _modes(group, dims):
                    if dims == group.dims or overlap == "cache_rows":
                        yield Frame((*batch, Loop(dims[0], outer), Loop(dims[1], inner)), overlap, None)


def _modes(group: Members, dims: tuple[str, ...]) -> tuple[Overlap, ...]:
    """The overlap modes that differ: something must be shared along the loop that one caches and the other does not."""
    shared = _windows(group)
    found: list[Overlap] = ["recompute"]
    if dims[-1] in shared:
        found.append("cache_rows")
    if len(dims) > 1 and dims[0] in shared:
        found.append("cache_all")
    return tuple(found)


def _windows(group: Members) -> frozenset[str]:
    """The dimensions along which some operator reads windows."""
    return frozenset(
        tie
        for one in group.all
        for operand, tensor in one.reads
        for axis in operand.axes
        if axis.is_window and (tie := group.ties[tensor][axis.tensor_axis]) is not None
    )


def weight_choices(group: Members, frame: Frame) -> tuple[tuple[Weights, ...], ...]:
    """What becomes of weights: all stay, the largest are streamed, or all are."""
    sizes = {
        k: footprint(one.weights, one.nest.extents)
        for k, one in enumerate(group.all)
        if one.weights is not None and one.problem.arch.scratchpad.holds("weight")
    }
    plain: list[Weights] = ["none" if one.weights is None else "pass" for one in group.all]
    last = len(group.all) - 1
    repeated = bool(frame.loops)
    choices: dict[tuple[Weights, ...], None] = {}
    for least in (None, max(sizes.values(), default=0), 0):
        mine = list(plain)
        for k, size in sizes.items():
            again = repeated or (k == last and frame.channels is not None)
            mine[k] = "stream" if least is not None and size >= least and again else "stay"
        choices[tuple(mine)] = None
    return tuple(choices)
