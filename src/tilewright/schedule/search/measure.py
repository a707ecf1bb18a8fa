"""What is summed along a schedule for each objective, and what sums say about the objective at least."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tilewright.schedule.offers import Offer

Vector = tuple[float, ...]

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of delay in the mixed sums; more of them bound closer and cost time
_BOTH = [(s, 1 - s) for s in SHARES]
NEXT_TO = [(s, t, 1 - s, 1 - t, (t - s) ** -2) for s, t in pairwise(SHARES)]


@dataclass(frozen=True)
class Measure:
    """The sums of an objective: one of its own, or for energy * delay mixed sums (1 - s) E / energy + s C / cycles.

    ``energy`` (pJ) and ``cycles`` are about what the whole network takes, so that the mixed sums are steep where it
    matters. ``lines``: use all of them in ``value``, not just the first and the last.
    """

    objective: str
    energy: float = 1.0
    cycles: float = 1.0
    lines: bool = True

    @property
    def width(self) -> int:
        return len(SHARES) if self.objective == "edp" else 1

    def vector(self, offer: Offer) -> Vector:
        """The summands of an offer."""
        if self.objective == "edp":
            return self.mixed(offer.energy_pj, offer.cycles)
        if self.objective == "latency":
            return (offer.cycles,)
        return (offer.energy_pj if self.objective == "energy" else offer.dram_bytes,)

    def least(self, offers: Sequence[Offer]) -> Vector:
        """The least of every summand of some offers."""
        if self.objective != "edp":
            return (min(self.vector(offer)[0] for offer in offers),)
        e = np.array([offer.energy_pj for offer in offers]) / self.energy
        c = np.array([offer.cycles for offer in offers]) / self.cycles
        return tuple([float((rest * e + s * c).min()) for s, rest in _BOTH])

    def ends(self, offer: Offer) -> tuple[float, float]:
        """The first and the last of its summands."""
        if self.objective != "edp":
            (only,) = self.vector(offer)
            return only, only
        return offer.energy_pj / self.energy, offer.cycles / self.cycles

    def mixed(self, energy_pj: float, cycles: float) -> Vector:
        """The mixed sums of an energy and a delay."""
        e, c = energy_pj / self.energy, cycles / self.cycles
        return tuple([rest * e + s * c for s, rest in _BOTH])

    def value(self, sums: Sequence[float]) -> float:
        """The least value of the objective where each sum is at least this much.

        For energy * delay the points allowed lie above a chain of lines. A product falls towards both ends of a line,
        so it is least at a corner of the chain; corners of lines that touch nothing only lower the result.

        >>> Measure("latency").value((7,))
        7
        >>> m = Measure("edp", energy=10.0, cycles=5.0)
        >>> m.value(m.mixed(20.0, 5))  # a single point: its own product
        100.0
        """
        if self.objective != "edp":
            return sums[0]
        least = sums[0] * sums[-1]
        if self.lines:
            corners = 1e300
            low = sums[0]
            for high, (s, t, not_s, not_t, scale) in zip(sums[1:], NEXT_TO, strict=True):
                corner = (low * t - high * s) * (not_s * high - not_t * low) * scale
                if corner < corners:
                    corners = corner
                low = high
            if corners > least:
                least = corners
        return least * self.energy * self.cycles
