"""A schedule: which operators run together, under which mappings, at what cost, and how far from the best possible."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestCost
from tilewright.schedule.tiled import GroupCost, Tiled
from tilewright.workload.storage import PlacedNetwork

Status = Literal["optimal", "feasible", "infeasible", "limit"]


@dataclass(frozen=True)
class PartSchedule:
    """One part of an operator: its mapping and what it costs. ``traffic`` names tensors: (tensor, cause, bytes)."""

    operator: str
    part: int
    mapping: Mapping
    cost: NestCost
    traffic: tuple[tuple[str, str, int], ...]


@dataclass(frozen=True)
class Group:
    """Operators that run together without their inner feature maps leaving the chip.

    Either ``parts`` are those of one operator, each with a mapping of its own and all feature maps through DRAM; or
    ``tiled`` says how the operators run tile by tile. ``tile`` is the step tile of the named output; ``resident_in``
    and ``resident_out`` are the bases that it finds and leaves on chip.
    """

    operators: tuple[str, ...]
    tile: tuple[tuple[str, int], ...]
    overlap: Literal["recompute", "cache_rows", "cache_all"]
    resident_in: tuple[str, ...]
    resident_out: tuple[str, ...]
    parts: tuple[PartSchedule, ...]
    tiled: Tiled | None = None

    @property
    def costs(self) -> tuple[NestCost | GroupCost, ...]:
        """What the parts cost, or all of them together."""
        return tuple(part.cost for part in self.parts) if self.tiled is None else (self.tiled.cost,)

    @property
    def cycles(self) -> int:
        return sum(cost.cycles for cost in self.costs)

    @property
    def energy_pj(self) -> float:
        return sum(cost.energy_pj for cost in self.costs)

    @property
    def dram_bytes(self) -> int:
        return sum(cost.dram_bytes for cost in self.costs)

    @property
    def macs(self) -> int:
        return sum(cost.macs for cost in self.costs)

    @property
    def steps(self) -> int:
        return sum(cost.steps for cost in self.costs)

    @property
    def traffic(self) -> tuple[tuple[str, str, int], ...]:
        """DRAM bytes by (tensor, cause); a pair may occur several times."""
        if self.tiled is not None:
            return self.tiled.cost.traffic
        return tuple(entry for part in self.parts for entry in part.traffic)

    @property
    def limited_by(self) -> Literal["compute", "memory"]:
        """What takes longer, all tiles' computes or all transfers."""
        compute = sum(cost.compute_cycles for cost in self.costs)
        return "compute" if compute >= sum(cost.dma_cycles for cost in self.costs) else "memory"


@dataclass(frozen=True)
class Early:
    """Tensors whose loads in the first step of a group, by its number, start while the last step of the group before
    computes, and the cycles that this saves (docs/model.md, section 9)."""

    group: int
    tensors: tuple[str, ...]
    saved_cycles: int


@dataclass(frozen=True)
class DramBytes:
    """Bytes between chip and DRAM. Weights include biases and other parameters, feature maps partial sums."""

    read: int
    write: int
    feature_maps: int
    weights: int

    @property
    def total(self) -> int:
        return self.read + self.write


@dataclass(frozen=True)
class Repacked:
    """What it took that a strategy's schedule has addresses (docs/model.md, section 10).

    ``failed``: schedules met that fit by the sum of bytes and cannot be packed, or that no addresses were found for;
    ``by_bytes`` is what the first of them costs in the objective's unit, None without any. ``searches``: how often the
    strategy searched again. ``repaired``: the answer is such a schedule, changed until it could be packed.
    """

    failed: int = 0
    searches: int = 0
    repaired: bool = False
    by_bytes: float | None = None


NEVER_FAILED = Repacked()


WEIGHT_CAUSES = frozenset({"weight", "parameter"})
WRITE_CAUSES = frozenset({"store", "spill"})


@dataclass(frozen=True)
class Schedule:
    """A whole network on one machine.

    ``bound`` is a lower bound of the objective over the strategy's space, ``floor`` over every schedule of the
    network on this machine (compulsory traffic and peak compute); both in the objective's unit. ``space`` says in words
    what the strategy searched, ``notes`` what else is worth telling of its search.

    ``early`` says which first loads of groups start while the group before computes, by the order of groups; it is None
    if that was not asked for. The plan executes them so and takes ``planned_cycles``. Everything else here, cost, bound
    and gap, is that of the space that was searched, in which no group starts before the one before it has ended.
    """

    placed: PlacedNetwork
    arch: Accelerator
    objective: str
    strategy: str
    status: Status
    groups: tuple[Group, ...]
    bound: float
    floor: float
    seconds: float
    space: str = ""
    notes: tuple[str, ...] = ()
    early: tuple[Early, ...] | None = None
    repacked: Repacked = NEVER_FAILED

    @property
    def parts(self) -> tuple[PartSchedule, ...]:
        return tuple(part for group in self.groups for part in group.parts)

    @cached_property
    def cycles(self) -> int:
        return sum(group.cycles for group in self.groups)

    @cached_property
    def energy_pj(self) -> float:
        return sum(group.energy_pj for group in self.groups)

    @property
    def edp(self) -> float:
        """Energy-delay product in pJ * cycles."""
        return self.energy_pj * self.cycles

    @property
    def planned_cycles(self) -> int:
        """What the plan takes: ``cycles`` less what early loads save."""
        return self.cycles - sum(early.saved_cycles for early in self.early or ())

    @property
    def planned_energy_pj(self) -> float:
        """``energy_pj`` less the leakage of the cycles that early loads save."""
        return self.energy_pj - (self.cycles - self.planned_cycles) * self.arch.leakage_pj_per_cycle

    @cached_property
    def macs(self) -> int:
        return sum(group.macs for group in self.groups)

    @cached_property
    def traffic(self) -> tuple[tuple[str, str, int], ...]:
        """DRAM bytes by (tensor, cause), sorted: what an execution must count."""
        found: dict[tuple[str, str], int] = {}
        for group in self.groups:
            for tensor, cause, moved in group.traffic:
                found[tensor, cause] = found.get((tensor, cause), 0) + moved
        return tuple((tensor, cause, moved) for (tensor, cause), moved in sorted(found.items()) if moved)

    @cached_property
    def accesses(self) -> tuple[tuple[str, int, int], ...]:
        """Bytes at every memory as (memory, read, written), outermost first: what an execution must count too."""
        found = {memory.name: [0, 0] for memory in self.arch.memories}
        for cost in (cost for group in self.groups for cost in group.costs):
            for entry in cost.accesses:
                found[entry.memory][0] += entry.read_bytes
                found[entry.memory][1] += entry.write_bytes
        return tuple((name, read, written) for name, (read, written) in found.items())

    @cached_property
    def bytes_by_cause(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for _, cause, moved in self.traffic:
            found[cause] = found.get(cause, 0) + moved
        return dict(sorted(found.items()))

    @cached_property
    def dram_bytes(self) -> DramBytes:
        causes = self.bytes_by_cause
        write = sum(moved for cause, moved in causes.items() if cause in WRITE_CAUSES)
        weights = sum(moved for cause, moved in causes.items() if cause in WEIGHT_CAUSES)
        total = sum(causes.values())
        return DramBytes(read=total - write, write=write, feature_maps=total - weights, weights=weights)

    @cached_property
    def pinned(self) -> tuple[str, ...]:
        """The bases that are held on chip between groups."""
        return tuple(sorted({base for group in self.groups for base in (*group.resident_in, *group.resident_out)}))

    @property
    def largest_group(self) -> int:
        """The most operators that run together."""
        return max((len(group.operators) for group in self.groups), default=0)

    @property
    def scratchpad_peak_bytes(self) -> int:
        return max((cost.scratchpad_bytes for group in self.groups for cost in group.costs), default=0)

    @property
    def value(self) -> float:
        """The schedule's cost in the objective's unit."""
        values = {"latency": self.cycles, "energy": self.energy_pj, "edp": self.edp, "traffic": self.dram_bytes.total}
        return float(values[self.objective])

    @property
    def lost_to_packing(self) -> float:
        """How far above what the strategy would have found by bytes alone, as a fraction of it."""
        return self.value / self.repacked.by_bytes - 1 if self.repacked.by_bytes else 0.0

    @property
    def gap(self) -> float:
        """How far above the bound, as a fraction of the bound."""
        return (self.value - self.bound) / self.bound if self.bound else 0.0
