"""One dimension through loops and pars: its range at every moment and position (docs/model.md, section 2).

Dimensions are independent, so a table of one of them over its own loops and positions is all that its part of a count
needs. Positions run in lockstep by local index: the first position, whose range is never shorter than another's, says
how many chunks a loop has; a position without that chunk has length 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from tilewright.errors import LimitError
from tilewright.mapping.tiling import MOST_CHUNKS, IntArray

# What a cut of a dimension is to a count. Loops: each chunk apart (``EACH``), chunks of one tile step added up
# (``SUM``), or the first chunk alone (``FIRST``). Pars: positions of the parent (``OWN``), positions served together
# (``SHARED``), and positions served one by one (``APART``).
EACH, SUM, FIRST, OWN, SHARED, APART = "each", "sum", "first", "own", "shared", "apart"
LOOPS, PARS = (EACH, SUM), (OWN, SHARED, APART)
Cut = tuple[str, int]
Cuts = tuple[Cut, ...]


@dataclass(frozen=True, eq=False)
class Lattice:
    """Ranges of a dimension: axis 0 counts the chunks of its loops in order, each further axis the positions of a par.

    ``counter`` is a chunk's number under its innermost loop. ``owner[k]`` is the index, among the chunks of the
    outermost k loops, of the one that a chunk lies in.
    """

    start: IntArray
    length: IntArray
    counter: IntArray
    owner: tuple[IntArray, ...]

    def __len__(self) -> int:
        return len(self.start)


def lattice(extent: int, cuts: Cuts) -> Lattice:
    """The ranges below some cuts, outermost first; equal arguments give the same object. LimitError if too many.

    >>> grid = lattice(10, ((OWN, 6), (SUM, 4)))
    >>> grid.start.tolist(), grid.length.tolist()
    ([[0, 6], [4, 10]], [[4, 4], [2, 0]])
    """
    return _lattice(extent, tuple((_KIND[kind], tile) for kind, tile in cuts))


_KIND = {EACH: SUM, SUM: SUM, FIRST: FIRST, OWN: OWN, SHARED: OWN, APART: OWN}
_ZERO = np.zeros(1, dtype=np.int64)


@lru_cache(maxsize=8192)
def _lattice(extent: int, cuts: Cuts) -> Lattice:
    if not cuts:
        return Lattice(_ZERO, np.array([extent]), _ZERO, (_ZERO,))
    outer, (kind, tile) = _lattice(extent, cuts[:-1]), cuts[-1]
    if kind == FIRST:
        return Lattice(outer.start, np.minimum(outer.length, tile), outer.counter, outer.owner)
    if kind == OWN:
        number = -(-int(outer.length.max()) // tile)
        _check(outer.start.size * number)
        places = np.arange(number) * tile
        start = outer.start[..., None] + places
        return Lattice(start, np.clip(outer.length[..., None] - places, 0, tile), outer.counter, outer.owner)
    trips = -(-outer.length.reshape(len(outer), -1)[:, 0] // tile)
    total = int(trips.sum())
    _check(total * prod(outer.start.shape[1:]))
    parent = np.repeat(np.arange(len(trips)), trips)
    counter = np.arange(total) - (np.cumsum(trips) - trips)[parent]
    done = (counter * tile).reshape(-1, *[1] * (outer.start.ndim - 1))
    owner = (*(of[parent] for of in outer.owner), np.arange(total))
    return Lattice(outer.start[parent] + done, np.clip(outer.length[parent] - done, 0, tile), counter, owner)


def _check(cells: int) -> None:
    if cells > MOST_CHUNKS:
        raise LimitError(f"the array part has {cells} chunks of a dimension; at most {MOST_CHUNKS} can be evaluated")


def each(cuts: Cuts) -> int:
    """How many of the cuts are loops whose chunks stay apart."""
    return sum(kind == EACH for kind, _ in cuts)


def par_axes(cuts: Cuts) -> tuple[str, ...]:
    """The kinds of the pars among the cuts: what a lattice's axes from 1 on stand for."""
    return tuple(kind for kind, _ in cuts if kind in PARS)


def group_starts(owner: IntArray) -> IntArray:
    """Where in an ascending list of owners each of them begins."""
    return np.flatnonzero(np.diff(owner, prepend=-1))
