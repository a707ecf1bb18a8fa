"""Arrays in DRAM: one after the other, in the order in which the plan first mentions them."""

from __future__ import annotations

from typing import Literal

from tilewright.arch.accelerator import Accelerator
from tilewright.plan.plan import DramArray
from tilewright.workload.storage import PlacedNetwork

ALIGNMENT_BYTES = 64  # of every array's start: a common DRAM burst


class ArrayTable:
    """Collects the arrays of a plan while it is lowered and gives them addresses."""

    def __init__(self, placed: PlacedNetwork, arch: Accelerator) -> None:
        self._arch = arch
        self._arrays: dict[str, DramArray] = {}
        self._next = 0
        self._sizes = dict(placed.bases)
        for base, elements in placed.bases:
            self._add(base, "feature map", base, elements, arch.widths.input)

    def _add(
        self,
        name: str,
        kind: Literal["feature map", "weight", "parameter", "partial sums"],
        tensor: str,
        elements: int,
        bits: int,
    ) -> str:
        if name not in self._arrays:
            self._arrays[name] = DramArray(name, kind, tensor, self._next, elements, bits)
            size = -(-elements * bits // 8)
            self._next += -(-size // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        return name

    def weight(self, tensor: str, program: str, elements: int) -> str:
        """The tile-by-tile image of a weight, as one program's tiles need it."""
        return self._add(f"{tensor}@{program}", "weight", tensor, elements, self._arch.widths.weight)

    def parameter(self, tensor: str, elements: int) -> str:
        return self._add(tensor, "parameter", tensor, elements, self._arch.widths.accumulator)

    def partial_sums(self, base: str) -> str:
        """Spilled partial sums: an array of their own, laid out like the storage the result goes to."""
        return self._add(f"{base}#partial", "partial sums", base, self._sizes[base], self._arch.widths.accumulator)

    def arrays(self) -> tuple[DramArray, ...]:
        return tuple(self._arrays.values())
