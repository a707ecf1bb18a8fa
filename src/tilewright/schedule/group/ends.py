"""How a tiled group begins and ends: the loads of its first step, and what its last one takes (docs/model.md, 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.ends import Ends, StepMove, dma_cycles
from tilewright.schedule.group.cost import prepared_group
from tilewright.schedule.group.prepared import Setting, Transfer
from tilewright.schedule.schedule import Group
from tilewright.workload.storage import PlacedNetwork


def tiled_ends(placed: PlacedNetwork, arch: Accelerator, group: Group) -> Ends:
    """The ends of a group that says how it runs, loads by their tensors. NoGroupError if it is no group."""
    prepared, places = prepared_group(placed, arch, group)
    at, tiles = prepared.at, prepared.tile_cycles(places)
    first = _in_step(at, prepared.loads(places), 0)
    flows = _in_step(at, prepared.flows, len(tiles) - 1)
    stores = _in_step(at, prepared.stores(places), len(tiles) - 2)
    return Ends(first, int(tiles[-1]), dma_cycles(arch.dram, flows) + dma_cycles(arch.dram, stores, writing=True))


def _in_step(at: Setting, transfers: Sequence[Transfer], step: int) -> tuple[StepMove, ...]:
    """What moves of some transfers in one step; nothing in step -1."""
    found = []
    for transfer in transfers if step >= 0 else ():
        size, runs = np.zeros(at.shape, dtype=np.int64), np.zeros(at.shape, dtype=np.int64)
        transfer.add_to(size, runs)
        if size.flat[step]:
            found.append(StepMove(transfer.tensor, int(size.flat[step]), int(runs.flat[step])))
    return tuple(found)
