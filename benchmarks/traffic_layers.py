"""Time of the optimal scratchpad-level search: least DRAM traffic of every distinct layer at several sizes.

    python benchmarks/traffic_layers.py --models resnet18 mobilenet_v2 --kib 16 32 128 512

The machine is ``flat-64k`` (one scratchpad, 256 multipliers) with another scratchpad. Prints a markdown table in
milliseconds a layer, the first call for a layer and the quickest of three later ones apart; what loads compiled code
(or compiles) comes before, with other layers. Exit code 1 if a layer is not proven.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

import tilewright as tw
from optimal_layers import layers
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import map_nest

# Other layers than those that are measured, which take every path through the search.
WARM_UP = (
    conv2d(K=72, C=60, Y=54, X=54, R=3, S=3),
    conv2d(K=40, C=30, Y=18, X=18),
    depthwise(G=40, Y=22, X=22, R=3, S=3),
    gemm(M=1, N=300, K=200),
)

LATER = 3


def sized(problem: NestProblem, kib: int) -> NestProblem:
    """The problem on a machine with another scratchpad."""
    return replace(problem, arch=problem.arch.with_scratchpad(1024 * kib))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--kib", nargs="+", type=int, default=[16, 32, 128, 512])
    options = parser.parse_args()
    problems = {model: layers(model, "flat-64k") for model in options.models}
    began = time.perf_counter()
    flat = tw.load_arch("flat-64k")
    for nest in WARM_UP:
        for kib in (4, 16):
            map_nest(sized(default_problem(nest, flat, flat.layout), kib), "traffic")
    first = time.perf_counter() - began
    print(
        "| network | scratchpad, KiB | layers | proven | at the floor | first call: median, ms | slowest, ms |", end=""
    )
    print(" later calls: median, ms | slowest, ms | slowest layer |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|")
    missing = 0
    for model in options.models:
        for kib in options.kib:
            rows = []
            for problem in problems[model]:
                own, seconds = sized(problem, kib), []
                for _ in range(1 + LATER):
                    began = time.perf_counter()
                    found = map_nest(own, "traffic")
                    seconds.append(1000 * (time.perf_counter() - began))
                rows.append((min(seconds[1:]), seconds[0], found, own))
            rows.sort(key=lambda row: row[0])
            proven = sum(found.status == "optimal" for _, _, found, _ in rows)
            easy = sum(not found.nodes or found.cost.dram_bytes <= least(own) for _, _, found, own in rows)
            slow = " ".join(f"{dim}={extent}" for dim, extent in rows[-1][3].nest.dims if extent > 1)
            missing += len(rows) - proven
            later, firsts = [row[0] for row in rows], [row[1] for row in rows]
            print(
                f"| {model} | {kib} | {len(rows)} | {proven} | {easy} | {median(firsts):.0f} | {max(firsts):.0f} |"
                f" {median(later):.0f} | {max(later):.0f} | {slow} |",
                flush=True,
            )
    print(f"\nloading compiled code, in other layers: {first:.1f} s")
    return 1 if missing else 0


def least(problem: NestProblem) -> float:
    from tilewright.mapping.floor import floor

    return floor(problem, "traffic")


if __name__ == "__main__":
    sys.exit(main())
