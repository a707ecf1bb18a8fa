"""Holds the search against walking every mapping of small random nests on small random machines.

    python benchmarks/optimum_equals_brute_force.py --cases 500 --seed 1 --mixed --most 3000
    python benchmarks/optimum_equals_brute_force.py --cases 125 --seed 1 --windows

With ``--windows`` nests are random statements in which any factor may have windows, of dimensions that others use too;
with ``--mixed`` every second one is. Every case is judged for all four objectives, by all pruning rules and by some of
them. Prints how many agreed, and how many were proven; exit code 1 if any did not agree.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, combinations, count
from multiprocessing import get_context
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.mapping.space import is_larger, walked
from tests.mapping.test_optimal import MACHINES, agree

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import UsageError
from tilewright.mapping.einsum import einsum
from tilewright.mapping.floor import floor
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.optimal.optimum import RULES, Search
from tilewright.mapping.problem import OBJECTIVES, NestProblem
from tilewright.mapping.search import BOUNDS
from tilewright.workload.nest import LoopNest

# Every set of rules but all of them.
SOME_RULES = [frozenset(one) for one in chain.from_iterable(combinations(sorted(RULES), n) for n in range(len(RULES)))]


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


@dataclass(frozen=True)
class Verdict:
    """Of one case: what was wrong, for how many objectives, and what the search said of its results."""

    faults: tuple[str, ...]
    wrong: int
    statuses: Counter[str]


def verdict(problem: NestProblem, turn: int, most: int) -> Verdict | None:
    """The search against a walk, for every objective; each also with some pruning rules, all sets of them in turn.
    None if nothing fits or there is too much to walk."""
    if is_larger(problem, most) or not walked(problem):
        return None
    statuses: Counter[str] = Counter()
    faults: list[str] = []
    wrong = 0
    for number, objective in enumerate(OBJECTIVES):
        mine = agree(problem, (objective,), statuses)
        rules = SOME_RULES[(len(OBJECTIVES) * turn + number) % len(SOME_RULES)]
        search = Search(problem, objective, 200_000, rules=rules)
        search.run(BOUNDS["proof"], floor(problem, objective))
        best = min(cost.value(objective) for cost in walked(problem).values())
        if search.judge.least > best * (1 + 1e-9):
            mine.append(f"{objective}: found {search.judge.least} by the rules {sorted(rules)}, the best is {best}")
        faults += mine
        wrong += bool(mine)
    walked.cache_clear()
    return Verdict(tuple(faults), wrong, statuses)


def drawn(seed: int, kind: str) -> Iterator[tuple[str, NestProblem]]:
    """Machines by name and problems, always the same ones for a seed."""
    rng = Random(seed)
    for turn in count():
        windows = kind == "windows" or (kind == "mixed" and turn % 2 == 1)
        most = 24 if windows else 48
        try:
            nest = windows_of(rng) if windows else nest_of(rng)
        except UsageError:
            continue  # more padding than rows
        name, arch = machine_of(rng)
        few = name in ("a bypass", "registers of one operand")
        if nest.points <= (most * 3 // 8 if few else most):
            yield name, default_problem(nest, arch, arch.layout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=125)
    parser.add_argument("--seed", type=int, default=1)
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--windows", action="store_true", help="statements with windows in any factor")
    kinds.add_argument("--mixed", action="store_true", help="every second one a statement with windows in any factor")
    parser.add_argument("--most", type=int, default=200_000, help="mappings of a space, legal or not, to be walked")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    kind = "windows" if options.windows else "mixed" if options.mixed else "plain"
    began, problems = time.perf_counter(), drawn(options.seed, kind)
    machines: Counter[str] = Counter()
    statuses: Counter[str] = Counter()
    judged = wrong = passed = 0
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        waiting: deque[tuple[str, NestProblem, Future[Verdict | None]]] = deque()
        for turn in count():
            while len(waiting) < 4 * options.processes:
                name, problem = next(problems)
                waiting.append((name, problem, pool.submit(verdict, problem, turn + len(waiting), options.most)))
            name, problem, future = waiting.popleft()
            found = future.result()
            if found is None:
                passed += 1
                continue
            judged, wrong = judged + 1, wrong + found.wrong
            machines[name] += 1
            statuses += found.statuses
            for fault in found.faults:
                print(f"{name}, {dict(problem.nest.dims)}: {fault}", flush=True)
            if judged % 25 == 0:
                print(f"{judged} of {options.cases} cases, {time.perf_counter() - began:.0f} s", file=sys.stderr)
            if judged >= options.cases:
                pool.shutdown(cancel_futures=True)
                break
    seconds = time.perf_counter() - began
    every = len(OBJECTIVES) * judged
    print(f"{judged} cases of {len(OBJECTIVES)} objectives, seed {options.seed}, {kind}, {seconds:.0f} s")
    print(f"{every - wrong:8}  of {every} equal, by all rules and by some")
    print(f"{statuses['optimal']:8}  of {every} proven, {statuses['feasible']} feasible")
    print(f"{passed:8}  cases passed over: nothing fits, or more than {options.most} mappings")
    for name, number in sorted(machines.items()):
        print(f"{number:8}  {name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
