"""Where tensors live in DRAM: which own their storage, which are views of another's (docs/model.md, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tilewright.workload.network import Network


@dataclass(frozen=True)
class Storage:
    """A tensor's place: element (i0, i1, ...) is element ``offset + sum(i * stride)`` of the base's storage."""

    tensor: str
    base: str
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class PlacedNetwork:
    """A network whose tensors have storage. Operators named in ``views`` move nothing and take no time.

    ``storages`` has an entry for every feature map and for every constant that is loaded like one (weights of
    multiply-accumulates are stored tile by tile by the plan, parameters as vectors). ``bases`` are the owners of
    storage with their size in elements.
    """

    network: Network
    storages: tuple[Storage, ...]
    bases: tuple[tuple[str, int], ...]
    views: frozenset[str]

    @cached_property
    def of(self) -> dict[str, Storage]:
        return {storage.tensor: storage for storage in self.storages}
