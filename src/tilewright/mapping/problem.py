"""What a mapping is judged on: a nest, a machine, and where the nest's operands lie in DRAM; and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from tilewright.arch.accelerator import Accelerator
from tilewright.workload.nest import LoopNest

OBJECTIVES = ("latency", "energy", "edp", "traffic")


@dataclass(frozen=True)
class Within:
    """An objective: how much of two limits a mapping takes, the larger share. Below 1 it stays inside both.

    >>> cost = NestCost(100, 30.0, 1, 1, 1, 1, 1, (), ())
    >>> cost.value(Within(energy_pj=40.0, cycles=1000)), cost.value(Within(energy_pj=40.0, cycles=50))
    (0.75, 2.0)
    """

    energy_pj: float
    cycles: float


@dataclass(frozen=True)
class Binding:
    """An operand's array in DRAM: elements between neighbours along each operand axis, or stored tile by tile.

    ``strides`` counts elements between index i and i + 1 of the operand axis; empty when ``packed``. ``constant``
    tells a weight from a feature map in the weight's place (which has feature-map width).
    """

    operand: str
    strides: tuple[int, ...] = ()
    packed: bool = False
    constant: bool = False


@dataclass(frozen=True)
class NestProblem:
    """One part of an operator on one machine. ``parameters`` are the sizes in elements of the vectors loaded with it
    (first part only); ``held_parameters`` those that merely occupy room (later parts); ``activations`` counts the
    elementwise functions of the epilogue."""

    nest: LoopNest
    arch: Accelerator
    bindings: tuple[Binding, ...]
    parameters: tuple[int, ...] = ()
    held_parameters: tuple[int, ...] = ()
    activations: int = 0

    @cached_property
    def binding(self) -> dict[str, Binding]:
        return {binding.operand: binding for binding in self.bindings}

    @property
    def parameter_bytes(self) -> tuple[int, ...]:
        """The bytes of each of ``parameters``, at accumulator width."""
        return tuple(-(-size * self.arch.widths.accumulator // 8) for size in self.parameters)

    def bits(self, operand: str) -> int:
        """Bits of one element of an operand, as moved to and from DRAM in final form."""
        role = self.nest.operand(operand).role
        if role == "weight" and not self.binding[operand].constant:
            return self.arch.widths.input
        return self.arch.widths.of(role)


@dataclass(frozen=True)
class Traffic:
    """DRAM bytes of one operand (or ``parameters``) in one direction for one cause.

    Causes: ``load`` (feature map in), ``weight``, ``parameter``, ``store`` (final results), ``spill`` (partial sums
    out), ``readback`` (partial sums in).
    """

    operand: str
    cause: str
    bytes: int


@dataclass(frozen=True)
class Accesses:
    """Bytes read and written at one memory for one operand."""

    memory: str
    operand: str
    read_bytes: int
    write_bytes: int


@dataclass(frozen=True)
class NestCost:
    """What a mapping costs, exactly (docs/model.md, sections 4 to 6).

    ``compute_cycles`` is the sum of tile times, ``dma_cycles`` the sum of all transfers' times: whichever is larger
    tells what limits the nest. ``scratchpad_bytes`` is the room taken by all buffers, aligned. ``accesses`` covers
    every memory and operand, ``delivered_bytes`` what passes the array's links, ``vector_operations`` also those of
    absorbed activations. ``ports`` are the cycles that each on-chip memory takes by itself.
    """

    cycles: int
    energy_pj: float
    macs: int
    steps: int
    compute_cycles: int
    dma_cycles: int
    scratchpad_bytes: int
    traffic: tuple[Traffic, ...]
    accesses: tuple[Accesses, ...]
    delivered_bytes: int = 0
    vector_operations: int = 0
    ports: tuple[tuple[str, int], ...] = ()

    @property
    def dram_read_bytes(self) -> int:
        return sum(t.bytes for t in self.traffic if t.cause not in ("store", "spill"))

    @property
    def dram_write_bytes(self) -> int:
        return sum(t.bytes for t in self.traffic if t.cause in ("store", "spill"))

    @property
    def dram_bytes(self) -> int:
        return self.dram_read_bytes + self.dram_write_bytes

    @property
    def edp(self) -> float:
        return self.energy_pj * self.cycles

    def value(self, objective: str | Within) -> float:
        """The cost in the unit of an objective of ``OBJECTIVES``: cycles, pJ, pJ*cycles or bytes; or a share."""
        if isinstance(objective, Within):
            return max(self.energy_pj / objective.energy_pj, self.cycles / objective.cycles)
        return {"latency": self.cycles, "energy": self.energy_pj, "edp": self.edp, "traffic": self.dram_bytes}[
            objective
        ]
