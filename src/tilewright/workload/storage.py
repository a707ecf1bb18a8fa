"""Where tensors live in DRAM: which own their storage, which are views of another's (docs/model.md, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tilewright.workload.flattening import flattens_for_products, in_memory_order
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts import parts
from tilewright.workload.placement import Placement
from tilewright.workload.splitting import reshapes_to_split, through_a_row
from tilewright.workload.views import Layout, Storage

__all__ = ["Layout", "PlacedNetwork", "Storage", "executed_parts", "place"]


@dataclass(frozen=True)
class PlacedNetwork:
    """A network whose tensors have storage. Operators named in ``views`` move nothing and take no time.

    ``storages`` has an entry for every feature map and for every constant that is loaded like one (weights of
    multiply-accumulates are stored tile by tile by the plan, parameters as vectors). ``bases`` are the owners of
    storage with their size in elements. ``copied_inputs`` lists, for each concatenation that is not a view, the
    positions of the inputs that must be copied; the producers of the others write in place.
    """

    network: Network
    storages: tuple[Storage, ...]
    bases: tuple[tuple[str, int], ...]
    views: frozenset[str]
    copied_inputs: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @cached_property
    def of(self) -> dict[str, Storage]:
        return {storage.tensor: storage for storage in self.storages}

    @cached_property
    def copied(self) -> dict[str, tuple[int, ...]]:
        return dict(self.copied_inputs)


def place(network: Network, layout: Layout) -> PlacedNetwork:
    """Give every tensor of a network storage, with as many views as possible (docs/model.md, section 8).

    Tensors that own their storage are row-major; those of rank 4 have their channels innermost in ``nhwc``. Where a
    flatten before constant matrix products can be a view only in the order of memory, the network in the result has
    a transposition before it and other weights after it (``workload.flattening``); a reshape that must be copied
    and that no nest describes is two there (``workload.splitting``).
    """
    placement = Placement(network, layout)
    splits = reshapes_to_split(network, placement.views)
    if splits:
        network = through_a_row(network, splits)
        placement = Placement(network, layout)
    if layout == "nhwc":
        flattens = flattens_for_products(network, placement.storages, placement.views)
        if flattens:
            network, transpositions = in_memory_order(network, flattens)
            placement = Placement(network, layout, transpositions)
    return PlacedNetwork(
        network=network,
        storages=tuple(placement.storages[name] for name in network.by_name if name in placement.storages),
        bases=tuple((name, placement.bases[name]) for name in network.by_name if name in placement.bases),
        views=frozenset(placement.views),
        copied_inputs=tuple(placement.copied.items()),
    )


def executed_parts(placed: PlacedNetwork, operator: Operator) -> tuple[Part, ...]:
    """The nests of an operator that really run: none for views, of a concatenation only the copies it needs."""
    if operator.name in placed.views:
        return ()
    found = parts(operator, placed.network)
    if operator.kind == "Concat":
        return tuple(found[position] for position in placed.copied[operator.name])
    return found
