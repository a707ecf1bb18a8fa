"""What no schedule of a network can go below on a machine: compulsory traffic and peak compute."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.floor import floor, touched_elements
from tilewright.mapping.problem import NestProblem
from tilewright.schedule.problems import is_packed, vectors
from tilewright.workload.network import MAC_KINDS
from tilewright.workload.storage import PlacedNetwork, executed_parts


def floor_of(problems: Sequence[NestProblem], objective: str) -> float:
    """A lower bound of some nests run one after the other, each by itself."""
    if objective == "edp":
        return floor_of(problems, "energy") * floor_of(problems, "latency")
    return sum(floor(problem, objective) for problem in problems)


def network_floor(placed: PlacedNetwork, arch: Accelerator, objective: str) -> float:
    """A lower bound of the objective (cycles, pJ, pJ * cycles or bytes) over every schedule (docs/model.md, 7).

    Weights and parameters come in once, the network's outputs go out once, the array does one multiply-accumulate per
    position and cycle. The network's inputs are left out: strided windows may skip elements of theirs.
    """
    widths, dram = arch.widths, arch.dram
    read = points = 0
    for operator in placed.network.operators:
        read += sum(-(-elements * widths.accumulator // 8) for _, _, elements in vectors(placed, operator))
        for part in executed_parts(placed, operator) if operator.kind in MAC_KINDS else ():
            points += part.nest.points
            for operand in part.nest.inputs:
                if is_packed(placed, part, operand):
                    read += touched_elements(part.nest, operand) * widths.weight // 8
    written = sum(placed.network.by_name[name].elements * widths.output // 8 for name in placed.network.outputs)
    if objective == "traffic":
        return float(read + written)
    bandwidths = [rate for rate in (dram.read_bandwidth, dram.write_bandwidth) if rate is not None]
    ports = 1 if dram.shared_port else 2
    transfer = float((read + written) / (max(bandwidths) * ports)) if bandwidths else 0.0
    cycles = max(transfer, points / arch.array.size)
    energy = (
        read * dram.read_pj + written * dram.write_pj + points * arch.array.mac_pj + arch.leakage_pj_per_cycle * cycles
    )
    return {"latency": cycles, "energy": energy, "edp": energy * cycles}[objective]
