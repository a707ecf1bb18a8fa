"""What no schedule of a network can go below on a machine: compulsory traffic and peak compute."""

from __future__ import annotations

from tilewright.arch.accelerator import Accelerator
from tilewright.schedule.problems import vectors
from tilewright.workload.network import MAC_KINDS
from tilewright.workload.storage import PlacedNetwork, executed_parts


def compulsory_bytes(placed: PlacedNetwork, arch: Accelerator) -> tuple[int, int]:
    """DRAM bytes (read, written) that every schedule moves: weights and parameters that multiply-accumulates use
    once, and the network's outputs. Network inputs count only where an executed nest must touch every element; an
    input that a strided window skips may stay, so they are left out: the floor stays a floor."""
    widths = arch.widths
    read = 0
    for operator in placed.network.operators:
        read += sum(-(-elements * widths.accumulator // 8) for _, _, elements in vectors(placed, operator))
        if operator.kind not in MAC_KINDS:
            continue
        for part in executed_parts(placed, operator):
            for operand in part.nest.inputs:
                tensor = placed.network.by_name[part.tensor(operand.name)]
                if operand.role == "weight" and tensor.constant:
                    touched = 1
                    for axis in operand.axes:
                        touched *= axis.size
                    read += touched * widths.weight // 8
    outputs = sum(placed.network.by_name[name].elements * widths.output // 8 for name in placed.network.outputs)
    return read, outputs


def network_floor(placed: PlacedNetwork, arch: Accelerator, objective: str) -> float:
    """A lower bound of the objective (cycles, pJ, pJ * cycles or bytes) over every schedule (docs/model.md, 7)."""
    read, written = compulsory_bytes(placed, arch)
    if objective == "traffic":
        return float(read + written)
    points = 0
    for operator in placed.network.operators:
        if operator.kind in MAC_KINDS:
            points += sum(part.nest.points for part in executed_parts(placed, operator))
    bandwidths = [b for b in (arch.dram.read_bandwidth, arch.dram.write_bandwidth) if b is not None]
    transfer = float((read + written) / (max(bandwidths) * (1 if arch.dram.shared_port else 2))) if bandwidths else 0.0
    cycles = max(transfer, points / arch.array.size)
    energy = (
        read * arch.dram.read_pj
        + written * arch.dram.write_pj
        + points * arch.array.mac_pj
        + arch.leakage_pj_per_cycle * cycles
    )
    return {"latency": cycles, "energy": energy, "edp": energy * cycles}[objective]
