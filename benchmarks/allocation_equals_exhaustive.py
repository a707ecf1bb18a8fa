"""Holds the complete search for addresses against trying every offset of every buffer, for every set of pruning rules.

    python benchmarks/allocation_equals_exhaustive.py --cases 2000 --seed 1

Each case is a random problem of up to seven buffers, some with alignments, fixed addresses or pairs that may share. The
least height is found by trying every offset; then every combination of the pruning rules has to find a placement at
that height, which the validator checks, and to rule out all placements one byte below. No greedy placement helps.
Prints how many judgements agreed; exit code 1 if any did not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.memory.test_exact import SWITCHES, lowest, tiny

from tilewright.memory import Problem, exact, problems


def stacked(piece: Any, kernels: Any) -> Iterator[Any]:
    """All buffers on top of each other: no help for the search."""
    yield kernels.stack_up(piece.size, piece.unit, piece.address, piece.low, piece.high, len(piece.total))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began, judged, wrong, collisions = time.perf_counter(), 0, 0, 0
    with mock.patch.object(exact, "_greedy", stacked):
        for case in range(options.cases):
            problem = tiny(Random(options.seed * 1_000_000 + case))
            best = lowest(problem)
            if best is None:  # fixed addresses collide
                collisions += 1
                wrong += exact.least(problem).status != "infeasible"
                continue
            for rules in SWITCHES:
                for height in (best, best - 1):
                    if height < 1:
                        continue
                    within = Problem(problem.buffers, height, problem.sharing)
                    found = exact.solve(within, rules=rules)
                    right = found.status == ("feasible" if height == best else "infeasible")
                    if height == best:
                        right = right and not problems(within.buffers, found.offsets, height, 1, within.sharing)
                    judged += 1
                    wrong += not right
    spent = time.perf_counter() - began
    print(f"{judged - wrong:,} of {judged:,} equal, {options.cases:,} problems, {len(SWITCHES)} sets of rules, "
          f"{collisions} problems with colliding addresses, seed {options.seed}, {spent:.0f} s")  # fmt: skip
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
