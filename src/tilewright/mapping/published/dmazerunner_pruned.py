"""dMazeRunner's own search: generate the tilings that use enough of the machine, cost each under every order.

It is not a bounded search: what the thresholds cut is lost, and the best of the rest is returned. Section 4 of the
published model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilewright.errors import InfeasibleError, LimitError, UsageError
from tilewright.mapping.published.dmazerunner import FX, FY, INVARIANT, PUBLISHED, Layer, Machine, Vector
from tilewright.mapping.published.dmazerunner_optimum import (
    MAY,
    NOT,
    OBJECTIVES,
    Answer,
    Restriction,
    Space,
    answer,
    infeasible_text,
    space,
    split_table,
)

ENOUGH = 100
MOST_TILINGS = 50_000_000


@dataclass(frozen=True)
class Pruning:
    """The published switches: least shares in use, and whether two kinds of tilings are left out.

    ``whole_filters``: no DRAM loop over Fx or Fy. ``no_reduction``: no spatial loop that adds up over the array.
    """

    pe_use: float = 0.8
    rf_use: float = 0.8
    spm_use: float = 0.5
    whole_filters: bool = True
    no_reduction: bool = True

    def restriction(self, layer: Layer) -> Restriction:
        """The tilings that are left."""
        adding = INVARIANT[layer.kind][0] if self.no_reduction else frozenset()
        n, m, c, ox, oy, fx, fy = (NOT if dim in adding else MAY for dim in range(7))
        spatial: Vector = (n, m, c, ox, oy, fx, fy)
        whole = frozenset({FX, FY}) if self.whole_filters else frozenset()
        return Restriction(spatial, whole, self.pe_use, self.rf_use, self.spm_use)

    def lowered(self) -> Pruning:
        """The next switches of the automatic search: thresholds fall to 0.3, then the two kinds are let in.

        >>> Pruning(0.7, 0.7).lowered()
        Pruning(pe_use=0.6, rf_use=0.6, spm_use=0.4, whole_filters=True, no_reduction=True)
        """
        if self.enough == ENOUGH and min(self.pe_use, self.rf_use) <= 0.3:
            return Pruning(self.pe_use, self.rf_use, self.spm_use, whole_filters=False, no_reduction=False)
        pe, rf = round(max(0, self.pe_use - 0.1), 9), round(max(0, self.rf_use - 0.1), 9)
        spm = round(max(0, self.spm_use - 0.1), 9) if min(pe, rf) <= 0.6 else self.spm_use
        return Pruning(pe, rf, spm, self.whole_filters, self.no_reduction)

    @property
    def enough(self) -> int:
        """Tilings that must be left for the automatic search to stop lowering."""
        return ENOUGH if self.whole_filters or self.no_reduction else 1


EVERYTHING = Pruning(0, 0, 0, whole_filters=False, no_reduction=False)


def automatic(layer: Layer, machine: Machine = PUBLISHED, start: Pruning = Pruning()) -> Pruning:
    """The strictest switches that leave 100 tilings, or one once the two kinds are let in.

    Raises InfeasibleError where no tiling is legal at all.
    """
    pruning = start
    while True:
        seen, _ = _run(space(layer, machine, pruning.restriction(layer)), 0, pruning.enough, None)
        if seen >= pruning.enough:
            return pruning
        if pruning == pruning.lowered():
            raise InfeasibleError(infeasible_text(layer, machine))
        pruning = pruning.lowered()


def _run(found: Space, objective: int, enough: int, best: object) -> tuple[int, int]:
    import numpy as np

    from tilewright.mapping.published.dmazerunner_kernels import generate_and_test

    offsets, ints, _ = split_table(found, dominance=False)
    keys = ("shape", "bounds", "limits", "rates", "divisors", "strides", "inside", "insides")
    flat = [found.arrays[key] for key in keys]
    row = np.zeros(7, np.int64) if best is None else best
    run: Any = generate_and_test
    seen, whole = run(objective, *flat, found.tiles, offsets, ints, enough, MOST_TILINGS, row)
    return int(seen), int(whole)


def pruned_search(
    layer: Layer, machine: Machine = PUBLISHED, objective: str = "edp", pruning: Pruning | None = None
) -> Answer:
    """The best tiling that the switches leave, ``visited`` of them; without ``pruning`` the automatic ones.

    Its status is ``feasible``: nothing is known of what was cut, unless nothing was (``EVERYTHING``).
    """
    import dataclasses

    import numpy as np

    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}: one of {', '.join(OBJECTIVES)} is needed")
    switches = automatic(layer, machine) if pruning is None else pruning
    found = space(layer, machine, switches.restriction(layer))
    best = np.zeros(7, np.int64)
    seen, whole = _run(found, OBJECTIVES.index(objective), 0, best)
    if not whole:
        raise LimitError(f"{layer.name}: more than {MOST_TILINGS:,} tilings are left; too many to generate and test")
    if best[0] < 0:
        raise InfeasibleError(infeasible_text(layer, machine))
    status = "optimal" if switches == EVERYTHING else "feasible"
    return dataclasses.replace(answer(found, best, seen), status=status)
