"""How a group of operators runs tile by tile, and what that costs (docs/model.md, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tilewright.mapping.mapping import Loop, Node
from tilewright.mapping.problem import Accesses

Overlap = Literal["recompute", "cache_rows", "cache_all"]
Weights = Literal["none", "stay", "stream", "pass"]


@dataclass(frozen=True)
class Run:
    """An operator in a group. ``array`` is its array part, inside all loops: keeps below the scratchpad, loops, pars.

    Its constant weights ``stay`` for the whole group, are ``stream``\\ ed for each of its steps, ``pass`` the
    scratchpad by, or there are ``none``.
    """

    operator: str
    array: tuple[Node, ...]
    weights: Weights


@dataclass(frozen=True)
class GroupCost:
    """What a tiled group costs, exactly.

    ``compute_cycles`` is the sum of step times, ``dma_cycles`` of all transfers' times. ``room_bytes`` is the room
    taken beside held bases, aligned, ``scratchpad_bytes`` all that is taken while the group runs. ``traffic`` names
    tensors: (tensor, cause, bytes). ``accesses`` has operands named ``operator/operand``.
    """

    cycles: int
    energy_pj: float
    macs: int
    steps: int
    compute_cycles: int
    dma_cycles: int
    room_bytes: int
    scratchpad_bytes: int
    traffic: tuple[tuple[str, str, int], ...]
    accesses: tuple[Accesses, ...]
    loose_cycles: int = 0

    @property
    def dram_bytes(self) -> int:
        return sum(moved for _, _, moved in self.traffic)


@dataclass(frozen=True)
class Tiled:
    """A group's operators in order of execution, the last one's output being the named output.

    ``loops`` are the shared loops over dimensions of the last operator's nest, outermost first, each of more than one
    chunk; ``channels`` splits its steps further. Bases: ``loaded`` whole from DRAM at the start and held, ``stored``
    to DRAM; which are found and left on chip the group says. ``over`` pairs a held output with the resident input whose
    place it takes.
    """

    runs: tuple[Run, ...]
    loops: tuple[Loop, ...]
    channels: Loop | None
    overlap: Overlap
    loaded: tuple[str, ...]
    stored: tuple[str, ...]
    over: tuple[tuple[str, str], ...]
    cost: GroupCost
