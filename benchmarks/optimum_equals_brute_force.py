"""Holds the search against walking every mapping of small random nests on small random machines.

    python benchmarks/optimum_equals_brute_force.py --cases 125 --seed 1
    python benchmarks/optimum_equals_brute_force.py --cases 125 --seed 1 --windows

With ``--windows`` nests are random statements in which any factor may have windows, of dimensions that others use too.
Every case is judged for all four objectives. Prints how many agreed; exit code 1 if any did not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.mapping.test_optimal import MACHINES, agree

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import TilewrightError, UsageError
from tilewright.mapping.einsum import einsum
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.workload.nest import LoopNest


def nest_of(rng: Random) -> LoopNest:
    """A nest of at most a few dozen points: products, convolutions with stride, dilation and padding, depthwise."""
    kind = rng.choice(("product", "convolution", "convolution", "depthwise"))
    if kind == "product":
        return gemm(M=rng.randint(1, 4), N=rng.randint(1, 3), K=rng.randint(1, 3))
    rows, taps = rng.randint(2, 5), rng.randint(1, 3)
    options = {"R": taps, "stride": (rng.randint(1, 2), 1), "pad": (rng.randint(0, 1), 0, rng.randint(0, 1), 0)}
    if kind == "depthwise":
        return depthwise(G=rng.randint(1, 3), Y=rows, X=1, **options)
    return conv2d(K=rng.randint(1, 2), C=rng.randint(1, 2), Y=rows, X=1, **options)


def windows_of(rng: Random) -> LoopNest:
    """A statement of one to three factors, each of some dimensions in any axes: with strides, padding, two dimensions
    on an axis or three. UsageError where it says nothing that can be computed."""
    dims = {dim: rng.randint(1, 4) for dim in "yzrs"[: rng.randint(2, 4)]}
    factors = [_subscripts(rng, rng.sample(sorted(dims), rng.randint(1, len(dims)))) for _ in range(rng.randint(1, 3))]
    output = ",".join(rng.sample(sorted(dims), rng.randint(1, len(dims) - 1)))
    text = f"O[{output}] += " + " * ".join(f"{name}[{one}]" for name, one in zip("IWV", factors, strict=False))
    return einsum(text, dims=dims, roles={"W": "input"} if len(factors) == 2 and rng.random() < 0.2 else {})


def _subscripts(rng: Random, dims: list[str]) -> str:
    found = []
    while dims:
        number = rng.choice((1, 2, 2, 2, 3))
        own, dims = dims[:number], dims[number:]
        terms = "+".join(f"{rng.choice((1, 1, 1, 2, 3))}*{dim}" for dim in own)
        found.append(terms + (f"-{rng.randint(1, 2)}" if rng.random() < 0.2 else ""))
    return ",".join(found)


def machine_of(rng: Random) -> tuple[str, Accelerator]:
    """One of five shapes, with its scratchpad's size drawn anew."""
    name = rng.choice(sorted(set(MACHINES) - {"a bypass"}) * 2 + ["a bypass"])
    arch = MACHINES[name]
    memories = tuple(
        replace(memory, size_bytes=rng.randint(12, 48)) if memory.scratchpad else memory for memory in arch.memories
    )
    return name, replace(arch, memories=memories)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=125)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--windows", action="store_true", help="statements with windows in any factor")
    options = parser.parse_args()
    rng, began = Random(options.seed), time.perf_counter()
    seen: Counter[str] = Counter()
    judged = wrong = 0
    most = 24 if options.windows else 48
    while judged < options.cases:
        try:
            nest = windows_of(rng) if options.windows else nest_of(rng)
        except UsageError:
            continue  # more padding than rows
        name, arch = machine_of(rng)
        if nest.points > most or (name in ("a bypass", "registers of one operand") and nest.points > most * 3 // 8):
            continue
        try:
            faults = agree(default_problem(nest, arch, arch.layout))
        except (TilewrightError, ValueError):
            continue  # nothing fits
        judged += 1
        seen[name] += 4
        for fault in faults:
            wrong += 1
            print(f"{name}, {dict(nest.dims)}: {fault}", flush=True)
    seconds = time.perf_counter() - began
    print(f"{4 * judged - wrong} of {4 * judged} equal, seed {options.seed}, {seconds:.0f} s")
    for name, number in sorted(seen.items()):
        print(f"{number:8}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
