"""Optima of four layers on ``flat-64k``, and of its 3x3 layer on a free 16x16 array, beside the published best.

    python benchmarks/flat_machine.py --timeout 12

The array shares operands along both axes, on a scratchpad of 128 KiB and 64 B/cycle and a DRAM of 16 B/cycle.
Everything is solved twice: the first time compiles.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from fractions import Fraction

import tilewright as tw
from tilewright.mapping.nests import conv2d, default_problem, gemm

LAYERS = {
    "gemm 512": (gemm(M=512, N=512, K=512), 1_367_867_392),
    "1x1": (conv2d(K=64, C=256, Y=56, X=56), 566_050_816),
    "3x3": (conv2d(K=64, C=64, Y=56, X=56, R=3, S=3), 1_086_240_256),
    "3x3 stride 2": (conv2d(K=128, C=64, Y=28, X=28, R=3, S=3, stride=2), 566_882_048),
}
ON_ARRAY = 277_001_728


def free_array() -> tw.Accelerator:
    flat = tw.load_arch("flat-64k")
    dram = replace(flat.dram, read_bandwidth=Fraction(16), write_bandwidth=Fraction(16))
    pad = replace(flat.scratchpad, size_bytes=128 * 1024, read_bandwidth=Fraction(64), write_bandwidth=Fraction(64))
    array = replace(flat.array, axes=(("x", 16), ("y", 16)), multicast=("x", "y"), reduce=("x", "y"))
    return replace(flat, name="free array", memories=(dram, pad), array=array)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timeout", type=float, default=12.0)
    options = parser.parse_args()
    jobs = [("flat-64k", tw.load_arch("flat-64k"), layer, "energy", known) for layer, (_, known) in LAYERS.items()]
    array = free_array()
    jobs += [
        ("free array", array, "3x3", objective, ON_ARRAY if objective == "energy" else None)
        for objective in ("energy", "latency", "edp")
    ]
    print("| machine | layer | objective | found | published | status | gap | seconds |")
    print("|---|---|---|--:|--:|---|--:|--:|")
    for machine, arch, layer, objective, known in jobs:
        problem = default_problem(LAYERS[layer][0], arch, arch.layout)
        for _ in range(2):
            began = time.perf_counter()
            found = tw.map_nest(problem.nest, arch, objective, effort="long", timeout=options.timeout, cache=False)
            seconds = time.perf_counter() - began
        print(
            f"| {machine} | {layer} | {objective} | {found.cost.value(objective):,.0f} |"
            f" {'' if known is None else f'{known:,}'} | {found.status} | {found.gap:.1%} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
