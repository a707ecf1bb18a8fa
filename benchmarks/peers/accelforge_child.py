"""One problem solved by AccelForge, in its own environment: see ``compare.py``."""

from __future__ import annotations

import tempfile
from importlib.metadata import version
from pathlib import Path

import accelforge
import pydot
from accelforge.util import set_n_parallel_jobs
from problems import Answer, serve

ARCH = """
arch:
  nodes:
  - !Memory
    name: MainMemory
    size: inf
    leak_power: 0
    area: 0
    tensors: {{keep: All}}
    actions:
    - {{name: read, energy: {dram_pj}, bits_per_action: 8, throughput: {dram_rate}}}
    - {{name: write, energy: {dram_pj}, bits_per_action: 8, throughput: {dram_rate}}}
  - !Memory
    name: GlobalBuffer
    size: {pad_bits}
    leak_power: 0
    area: 0
    tensors: {{keep: All}}
    actions:
    - {{name: read, energy: {pad_pj}, bits_per_action: 8, throughput: {pad_rate}}}
    - {{name: write, energy: {pad_pj}, bits_per_action: 8, throughput: {pad_rate}}}
  - !Compute
    name: MAC
    leak_power: 0
    area: 0
@axes@
    actions:
    - {{name: compute, energy: {mac_pj}, throughput: {macs}}}
"""
WORKLOAD = """
workload:
  bits_per_value: {{All: 8}}
  einsums:
  - einsum: "Out[k, y, x] = In[c, H: y * {stride} + r, V: x * {stride} + s] * Wt[k, c, r, s]"
    iteration_space_shape:
{ranges}
    renames: {{output: Out, input: In, weight: Wt}}
"""


def solve(machine: dict, layer: dict[str, int], objective: str) -> Answer:
    pydot.Dot.create = lambda *_, **__: b"<svg></svg>"  # it draws every result, which needs a program of its own
    set_n_parallel_jobs(1)
    axes = "".join(
        f"    - {{name: {name}, fanout: {size}}}\n" for name, size in zip("XY", machine["axes"], strict=False)
    )
    arch = ARCH.format(
        **{key: value for key, value in machine.items() if key != "axes"},
        pad_bits=8 * machine["pad_bytes"],
        macs=1 if axes else 256,
    )
    arch = arch.replace("@axes@\n", "    spatial:\n" + axes if axes else "")
    ranges = "\n".join(f"    - 0 <= {dim.lower()} < {layer[dim]}" for dim in "KCYXRS")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "arch.yaml", Path(folder) / "workload.yaml"]
        files[0].write_text(arch)
        files[1].write_text(WORKLOAD.format(stride=layer["stride"], ranges=ranges))
        spec = accelforge.Spec.from_yaml(*map(str, files))
        metrics = accelforge.Metrics
        spec.mapper.metrics = {
            "energy": metrics.ENERGY, "latency": metrics.LATENCY, "edp": metrics.ENERGY_DELAY_PRODUCT,
        }[objective]  # fmt: skip
        table = spec.map_workload_to_arch(print_progress=False).data
    name = {"energy": "energy", "latency": "latency", "edp": "energy_delay_product"}[objective]
    return {"value": float(table[f"Total<SEP>{name}"].min()), "version": version("accelforge")}


serve(solve)
