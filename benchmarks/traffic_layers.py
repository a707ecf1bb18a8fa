"""Time of the optimal scratchpad-level search: least DRAM traffic of every distinct layer at several sizes.

    python benchmarks/traffic_layers.py --models resnet18 mobilenet_v2 --kib 16 32 128 512

The machine is ``flat-64k`` (one scratchpad, 256 multipliers) with another scratchpad. Prints a markdown table in
milliseconds a layer; the first call of all, which loads compiled code (or compiles), stands apart. Exit code 1 if a
layer is not proven.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from optimal_layers import layers
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import map_nest


def sized(problem: NestProblem, kib: int) -> NestProblem:
    """The problem on a machine with another scratchpad."""
    arch = problem.arch
    memories = tuple(replace(m, size_bytes=1024 * kib) if m.scratchpad else m for m in arch.memories)
    return replace(problem, arch=replace(arch, memories=memories))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--kib", nargs="+", type=int, default=[16, 32, 128, 512])
    options = parser.parse_args()
    problems = {model: layers(model, "flat-64k") for model in options.models}
    began = time.perf_counter()
    map_nest(sized(problems[options.models[0]][0], options.kib[0]), "traffic")
    first = time.perf_counter() - began
    print("| network | scratchpad, KiB | layers | proven | at the floor | median, ms | slowest, ms | slowest layer |")
    print("|---|--:|--:|--:|--:|--:|--:|---|")
    missing = 0
    for model in options.models:
        for kib in options.kib:
            rows = []
            for problem in problems[model]:
                own = sized(problem, kib)
                began = time.perf_counter()
                found = map_nest(own, "traffic")
                rows.append((time.perf_counter() - began, found, own))
            rows.sort(key=lambda row: row[0])
            proven = sum(found.status == "optimal" for _, found, _ in rows)
            easy = sum(not found.nodes or found.cost.dram_bytes <= least(own) for _, found, own in rows)
            slow = " ".join(f"{dim}={extent}" for dim, extent in rows[-1][2].nest.dims if extent > 1)
            missing += len(rows) - proven
            print(
                f"| {model} | {kib} | {len(rows)} | {proven} | {easy} | {1000 * rows[len(rows) // 2][0]:.0f} |"
                f" {1000 * rows[-1][0]:.0f} | {slow} |",
                flush=True,
            )
    print(f"\nfirst call of all: {first:.1f} s")
    return 1 if missing else 0


def least(problem: NestProblem) -> float:
    from tilewright.mapping.floor import floor

    return floor(problem, "traffic")


if __name__ == "__main__":
    sys.exit(main())
