"""What a case's candidates count for: one column of every feature that the costs of a structure are sums of."""

from __future__ import annotations

import numpy as np

from tilewright.mapping.optimal.assumed import Case, segments_known
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import Costs, Layout, turns_taken
from tilewright.mapping.optimal.forms import TINY, Feature
from tilewright.mapping.optimal.transfer_kernels import (
    FILLED,
    FILLED_SLIDING,
    FOOTPRINT,
    INNER,
    ITEM,
    OPENING,
    RING,
    WIDEST,
)

STILL = "still "  # before features of windows that do not slide
HALF = "half "  # before those of half as much


class Measured:
    """A case: what is known of it, and its features."""

    def __init__(self, where: Layout, cost: Costs, tables: list[Floats], case: Case) -> None:
        self.where, self.cost, self.tables, self.case = where, cost, tables, case
        self.inner = segments_known(where, tables, case)
        self.items = range(len(where.parent))
        self.before = where.before if case.before is None else turns_taken(where, case.inner, case.before)[0].before

    def column(self, feature: Feature, c: int) -> Floats:
        """One feature of every candidate of a component, in logarithms."""
        where, table = self.where, self.tables[c]
        what, j, segment = feature
        if what.startswith(HALF):
            return self.column((what[len(HALF) :], j, segment), c) - (np.log(2) if c == 0 else 0.0)
        if what == "one":
            values = np.ones(len(table))
        elif what == "points":
            values = table[:, where.at_points]
        elif what == "served":
            values = table[:, where.at_points + 5 + j]
        elif what == "last":
            values = table[:, where.at_points + 1]
        elif what == "lasting":
            values = np.minimum(table[:, where.at_lasting[j] + segment], 2)
        elif what == "step":
            values = table[:, where.at_points + 2]
        elif what == "used":
            values = table[:, where.at_used + j]
        elif what == "room":
            # Of mappings that need but one footprint none has two loops above the item.
            values = table[:, where.at_item[j] + (RING if j in self.case.once else FOOTPRINT)]
            values = values * segment if c == 0 else values
        elif what == "opening":
            values = table[:, where.at_item[j] + OPENING]
        elif what == "final":
            values = table[:, where.at_points + 3]
        elif what == "ending served":
            values = table[:, where.at_points + 5 + 2 * where.operands + j]
        elif what.endswith("filled"):
            values = self.filled(j, segment, c, still=what.startswith(STILL))
        elif what.endswith("ending"):
            values = self.ending(j, segment, c, still=what.startswith(STILL))
        elif what == "size":  # of an item's largest tile, of which a part of it all has at most so much
            values = (where.results if c == 0 else 1.0) / table[:, where.at_item[j] + WIDEST]
        elif what == "widest":
            values = self.widest(j, c)
        elif what == "visits":
            values = table[:, where.at_visits[j] + segment]
        elif what == "apart":
            # All compute steps are those of so many times as many tile steps, the longest ones, as an item has refills.
            values = table[:, where.at_points] / (
                table[:, where.at_visits[j] + segment] * table[:, where.at_points + 2]
            )
        else:
            values = self.moved(what.endswith("writes"), j, segment, c, still=what.startswith(STILL))
        found: Floats = np.log(np.maximum(values, TINY))
        return found

    def moved(self, writes: bool, j: int, segment: int, c: int, *, still: bool) -> Floats:
        where, table, at = self.where, self.tables[c], self.where.at_item[j]
        (inner, known), counted = self.inner[j], self.counted(j, segment, c)
        values = table[:, at + ITEM + (j + 1 if writes else 0) + counted]
        if self.slides(j, c) and not still:
            slides = at + ITEM + 2 * (j + 1) + (counted if where.repeated else 0)
            sliding = table[:, slides + (j + 1 if where.repeated else 1) * writes]
            if known:
                sliding = np.where(table[:, at + INNER] == inner, sliding, values)
            values = np.minimum(values, sliding)
        return values

    def counted(self, j: int, segment: int, c: int) -> int:
        """The segment before which loops of a component refill an item, where it may give way to others."""
        where, (inner, known) = self.where, self.inner[j]
        if known and 0 <= inner <= where.barrier[j]:
            for i in self.items:
                if self.before[i, j] and where.turns_all[i, j, c] and self.inner[i] == (inner, True):
                    return int(min(inner + 1, j))
        return segment

    def filled(self, j: int, segment: int, c: int, *, still: bool) -> Floats:
        """The refills of an item that bring anything."""
        where, table, at = self.where, self.tables[c], self.where.at_item[j]
        share: Floats = table[:, at + FILLED]
        if self.slides(j, c) and not still:
            inner, known = self.inner[j]
            sliding: Floats = table[:, at + FILLED_SLIDING]
            share = np.where(table[:, at + INNER] == inner, sliding, share) if known else np.minimum(share, sliding)
        found: Floats = table[:, where.at_visits[j] + self.counted(j, segment, c)] * share
        return found

    def ending(self, j: int, segment: int, c: int, *, still: bool) -> Floats:
        """What an item takes from the scratchpad in the last step, or hands it: nothing for sure unless every step
        refills it."""
        where, table = self.where, self.tables[c]
        at, (inner, known) = where.at_ending[j] + segment, self.inner[j]
        values: Floats = table[:, at]
        if self.slides(j, c) and not still:
            sliding = table[:, at + j + 1]
            values = np.where(table[:, where.at_item[j] + INNER] == inner, sliding, values) if known else sliding
        return values

    def slides(self, j: int, c: int) -> bool:
        """Whether the window of an item may slide along a component."""
        return bool(self.where.window[c, j]) and self.case.may_slide(j, c) and not self.where.output[j]

    def widest(self, j: int, c: int) -> Floats:
        found: Floats = self.tables[c][:, self.where.at_item[j] + WIDEST]
        return found
