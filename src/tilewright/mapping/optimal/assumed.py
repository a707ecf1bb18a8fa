"""What is assumed of all mappings of a case, and what follows of the segments of innermost loops."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import Layout
from tilewright.mapping.optimal.forms import Sharper
from tilewright.mapping.optimal.transfer_kernels import FOOTPRINT, INNER, LOOPS, RING


@dataclass(frozen=True)
class Case:
    """What is assumed of all mappings of a case: ``inner[j]`` is the segment of the innermost loop that item j's
    operand uses (-1: none, j: one below its pars, ``None``: not known), for items whose pars hold them in place;
    ``twice`` are items loaded ahead into a second footprint, ``once`` those that need but one; ``slides`` are items
    with the one component along which their windows slide, where that is known; ``before`` are the pairs of items with
    their innermost loops in one segment of which the first stays in place longer, where that is known."""

    inner: tuple[int | None, ...]
    twice: frozenset[int] = frozenset()
    once: frozenset[int] = frozenset()
    slides: frozenset[tuple[int, int]] = frozenset()
    before: frozenset[tuple[int, int]] | None = None

    def settled(self, sharp: Sharper, offsets: Any, rows: list[Any], turn: int, along: Any) -> Case:
        """The case of some rows of every component, with the segments that all of them agree upon, one turn, and the
        components along which windows slide."""
        inner = list(self.inner)
        slides = self.slides | {(j, int(c)) for j, c in enumerate(along) if c >= 0}
        picked = [sharp.segments[first + own] for first, own in zip(offsets[:-1], rows, strict=True)]
        for j in sharp.open:
            least = max(int(own[:, j].min()) for own in picked)
            if least == max(int(own[:, j].max()) for own in picked):
                inner[j] = least
        if turn < 0 or any(inner[j] is None for j in sharp.open):
            return replace(self, inner=tuple(inner), slides=slides)
        meet = {
            (i, j)
            for i, j in np.argwhere(sharp.turns[turn]).tolist()
            if inner[i] != -1 and (inner[i] == inner[j] or inner[i] > sharp.barrier[i])
        }
        return replace(self, inner=tuple(inner), slides=slides, before=frozenset(meet))

    def may_slide(self, j: int, c: int) -> bool:
        """Whether the window of an item may slide along a component."""
        return (j, c) in self.slides or all(item != j for item, _ in self.slides)


def moves_window(where: Layout, table: Floats, j: int) -> Any:
    """Which candidates of a component have a single loop above an item, such that less than two footprints do."""
    at = where.at_item[j]
    return (table[:, at + LOOPS] == 1) & (table[:, at + RING] < 2 * table[:, at + FOOTPRINT])


def segments_known(where: Layout, tables: list[Floats], case: Case) -> list[tuple[int, bool]]:
    """For every item the segment of its innermost loop, at least, and whether that is known to be so."""
    found = []
    for j, at in enumerate(where.at_item):
        known = case.inner[j]
        if known is not None:
            found.append((known, known <= where.barrier[j]))
        else:
            found.append((int(max(table[:, at + INNER].min() for table in tables)), False))
    return found
