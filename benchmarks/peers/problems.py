"""The problems that all tools solve: layers, machines in plain numbers, objectives. Standard library only, since every
tool's own environment reads it.

Energies are per byte and per multiply-accumulate, without a unit; rates are bytes and multiply-accumulates per cycle.
No layer is padded: inputs are as large as their windows need.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

LAYERS = {
    "gemm 512": {"K": 512, "C": 512, "Y": 512, "X": 1, "R": 1, "S": 1, "stride": 1},
    "1x1": {"K": 64, "C": 256, "Y": 56, "X": 56, "R": 1, "S": 1, "stride": 1},
    "3x3": {"K": 64, "C": 64, "Y": 56, "X": 56, "R": 3, "S": 3, "stride": 1},
    "3x3 stride 2": {"K": 128, "C": 64, "Y": 28, "X": 28, "R": 3, "S": 3, "stride": 2},
}
# Two levels. On ``flat`` 256 multipliers share nothing; ``free`` has 16 by 16 of them, any dimension on either axis,
# words shared and results added up along both.
MACHINES = {
    "flat": {
        "dram_pj": 100, "dram_rate": 4, "pad_pj": 2, "pad_rate": 4096, "pad_bytes": 64 * 1024, "mac_pj": 1, "axes": [],
    },
    "free": {
        "dram_pj": 100, "dram_rate": 16, "pad_pj": 2, "pad_rate": 64, "pad_bytes": 128 * 1024, "mac_pj": 1,
        "axes": [16, 16],
    },
}  # fmt: skip
PROBLEMS = [
    *(("flat", layer, objective) for layer in LAYERS for objective in ("energy", "latency")),
    *(("free", "3x3", objective) for objective in ("energy", "latency", "edp")),
]

Answer = dict[str, object]


def serve(solve: Callable[[dict[str, object], dict[str, int], str], Answer]) -> None:
    """Solve the problem that the command line names (machine, layer, objective) and print the answer as JSON, with the
    seconds of processor time that it took, those of finished child processes included."""
    machine, layer, objective = sys.argv[1:4]
    before, began = os.times(), time.perf_counter()
    answer = solve(MACHINES[machine], LAYERS[layer], objective)
    after = os.times()
    answer["cpu_seconds"] = sum(after[:4]) - sum(before[:4])
    answer["wall_seconds"] = time.perf_counter() - began
    print("\n" + json.dumps(answer))
