"""One problem solved by ZigZag, in its own environment: see ``compare.py``.

Its multipliers always share what the unrolling lets them share, so that it can be asked about the ``free`` machine
only. Both ways of unrolling it offers are tried: one dimension on an axis, and several.
"""

from __future__ import annotations

import logging
import tempfile
from importlib.metadata import version
from pathlib import Path

import yaml
from problems import Answer, serve
from zigzag.api import get_hardware_performance_zigzag
from zigzag.cost_model.cost_model import CostModelEvaluation

NAMES = {"K": "K", "C": "C", "OY": "Y", "OX": "X", "FY": "R", "FX": "S"}


def memory(size_bytes: int, byte_pj: float, rate: int) -> dict:
    """One port for all; an access is as wide as the port and costs what its bytes cost."""
    moves = [f"{operand}, {way}" for operand, ways in (("I1", "fh tl"), ("I2", "fh tl"), ("O", "fh tl fl th"))
             for way in ways.split()]  # fmt: skip
    port = {"name": "rw_port_1", "type": "read_write", "bandwidth_min": 8, "bandwidth_max": 8 * rate}
    return {
        "size": 8 * size_bytes, "r_cost": byte_pj * rate, "w_cost": byte_pj * rate, "area": 0, "latency": 1,
        "auto_cost_extraction": False, "operands": ["I1", "I2", "O"], "ports": [port | {"allocation": moves}],
        "served_dimensions": ["D1", "D2"],
    }  # fmt: skip


def solve(machine: dict, layer: dict[str, int], objective: str) -> Answer:
    logging.disable(logging.WARNING)
    files = {
        "workload": [
            {
                "id": 0, "operator_type": "Conv", "name": "layer",
                "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
                "dimension_relations": [f"ix={layer['stride']}*ox+1*fx", f"iy={layer['stride']}*oy+1*fy"],
                "loop_dims": ["B", *NAMES], "loop_sizes": [1, *(layer[name] for name in NAMES.values())],
                "operand_precision": {"W": 8, "I": 8, "O": 8, "O_final": 8}, "operand_source": {"I": 0, "W": 0},
            }
        ],
        "accelerator": {
            "name": "free",
            "memories": {
                "pad": memory(machine["pad_bytes"], machine["pad_pj"], machine["pad_rate"]),
                "dram": memory(2**40, machine["dram_pj"], machine["dram_rate"]),
            },
            "operational_array": {
                "unit_energy": machine["mac_pj"], "unit_area": 0, "dimensions": ["D1", "D2"], "sizes": machine["axes"],
                "input_precision": [8, 8],
            },
        },
        "mapping": [{"name": "default", "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"}}],
    }  # fmt: skip
    found: list[tuple[float, CostModelEvaluation]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, document in files.items():
            (Path(folder) / f"{name}.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
        for mixed in (False, True):
            energy, cycles, results = get_hardware_performance_zigzag(
                *(f"{folder}/{name}.yaml" for name in files),
                opt={"energy": "energy", "latency": "latency", "edp": "EDP"}[objective],
                dump_folder=f"{folder}/out",
                loma_show_progress_bar=False,
                enable_mix_spatial_mapping=mixed,
            )
            value = {"energy": energy, "latency": cycles, "edp": energy * cycles}[objective]
            result = results[0][1]  # of the first layer, whatever it is wrapped in
            while isinstance(result, (list, tuple)):
                result = result[0]
            found.append((float(value), result))
    value, result = min(found, key=lambda one: one[0])
    return {"value": value, "mapping": as_mapping(result, layer), "version": version("zigzag-dse")}


def as_mapping(result: CostModelEvaluation, layer: dict[str, int]) -> str:
    """Its mapping in Tilewright's notation: loops from the outermost in, keeps where its loops change memories, and
    what is spread over the array last."""
    levels = {str(o): [[(NAMES[str(d)], int(n)) for d, n in level] for level in found]
              for o, found in result.temporal_mapping.mapping_dic_stationary.items()}  # fmt: skip
    unrolled = next(iter(result.spatial_mapping.mapping_dict_origin.values()))
    pars = [(NAMES[str(d)], round(float(n))) for d, n in unrolled[0] if float(n) > 1]
    loops = [loop for level in levels["O"] for loop in level][::-1]
    tiles = dict(layer)
    keeps = {operand: sum(map(len, found[1:])) for operand, found in levels.items()}
    lines = []
    for number in range(len(loops) + 1):
        for operand, name in (("W", "weight"), ("I", "input"), ("O", "output")):
            if keeps[operand] == number:
                lines.append(f"keep {name} in pad")
        if number < len(loops):
            dim, trips = loops[number]
            tiles[dim] //= trips
            lines.append(f"for {dim} in tiles of {tiles[dim]}")
    free = [16, 16]
    for dim, positions in pars:
        tiles[dim] //= positions
        axis = next(a for a, room in enumerate(free) if room // positions >= 1)
        free[axis] //= positions
        lines.append(f"par {dim} in tiles of {tiles[dim]} on {'xy'[axis]}")
    return "\n".join(lines) + "\n"


serve(solve)
