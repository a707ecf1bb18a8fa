"""The four dataflows that dMazeRunner is compared with, each at its best mapping: two loops fixed on the array.

What is fixed beyond the two loops is not published, so there are two readings (section 5 of the published model).
"""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.errors import InfeasibleError, UsageError
from tilewright.mapping.published.dmazerunner import DIMS, FX, FY, OX, OY, PUBLISHED, C, Layer, M, Machine, Vector
from tilewright.mapping.published.dmazerunner_optimum import MAY, MUST, NOT, Answer, Restriction, optimum

READINGS = ("strict", "replicated")
# Least use of PEs, register files and scratchpad; the next row counts where no mapping satisfies one.
THRESHOLDS = ((0.8, 0.8, 0.5), (0.7, 0.7, 0.5), (0.5, 0.5, 0.3))


@dataclass(frozen=True)
class Dataflow:
    """A name, and the two loops on the array."""

    name: str
    pair: tuple[int, int]

    @property
    def title(self) -> str:
        """
        >>> DATAFLOWS[0].title
        'output stationary (Oy|Ox)'
        """
        return f"{self.name} ({DIMS[self.pair[0]]}|{DIMS[self.pair[1]]})"


DATAFLOWS = (
    Dataflow("output stationary", (OY, OX)),
    Dataflow("weight stationary", (FY, FX)),
    Dataflow("row stationary", (OY, FY)),
    Dataflow("TPU-like", (M, C)),
)


def restrictions(dataflow: Dataflow, reading: str) -> tuple[Restriction, ...]:
    """The sets of tilings of a dataflow, of which the first that is not empty counts.

    ``strict``: only the two loops have a spatial trip count above 1, and nothing else is asked. ``replicated``: both
    have one, other loops may fill the array, most of the machine is in use, and DRAM loops do not split filters.

    >>> [DIMS[d] for d, kind in enumerate(restrictions(DATAFLOWS[2], "strict")[0].spatial) if kind == MAY]
    ['Oy', 'Fy']
    """
    if reading not in READINGS:
        raise UsageError(f"reading {reading!r}: one of {', '.join(READINGS)} is needed")
    strict = reading == "strict"
    inside, outside = (MAY, NOT) if strict else (MUST, MAY)
    n, m, c, ox, oy, fx, fy = (inside if dim in dataflow.pair else outside for dim in range(7))
    spatial: Vector = (n, m, c, ox, oy, fx, fy)
    if strict:
        return (Restriction(spatial),)
    return tuple(Restriction(spatial, frozenset({FX, FY}), *least) for least in THRESHOLDS)


def best_of_dataflow(
    layer: Layer, dataflow: Dataflow, reading: str, machine: Machine = PUBLISHED, objective: str = "edp"
) -> Answer | None:
    """The proven best mapping of a layer under a dataflow; None where it has none, even with the last thresholds."""
    for restriction in restrictions(dataflow, reading):
        try:
            return optimum(layer, machine, objective, restriction)
        except InfeasibleError:
            continue
    return None
