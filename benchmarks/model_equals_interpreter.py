"""Holds the fast model against the slow interpreter on random nests, machines and mappings.

    python benchmarks/model_equals_interpreter.py --cases 5000 --seed 1

Prints how many triples were equal in every count, and what they covered. Exit code 1 if any differed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from itertools import product
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.mapping.cases import random_mapping, random_problem
from tests.mapping.test_interpreter import differences

from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.text import format_mapping

MOST_SHOWN = 5


def features(problem: NestProblem, mapping: Mapping) -> list[str]:
    """What a triple exercises."""
    arch, nest = problem.arch, problem.nest
    pars = real_pars(problem, mapping)
    found = [
        f"{len(arch.memories)} levels",
        f"{len({par.axis for par in pars})} axes with pars",
        "roofline" if arch.timing == "roofline" else f"pipelined, {arch.buffering} buffering",
    ]
    roles = {operand.name: operand.role for operand in nest.operands}
    kept = {(keep.operand, keep.memory) for keep in mapping.keeps}
    for name, role in roles.items():
        if (name, arch.scratchpad.name) not in kept:
            found.append(f"{role} past the scratchpad")
        if any(role in m.may_keep and (name, m.name) not in kept for m in arch.memories):
            found.append("a memory passed by that may keep")
    if len({par.axis for par in pars}) < len(pars):
        found.append("several pars on an axis")
    if len({(par.dim, par.axis) for par in pars}) > len({par.dim for par in pars}):
        found.append("a dimension on two axes")
    reductions = [par for par in pars if par.dim in nest.reduction_dims]
    if any(par.axis in arch.array.reduce for par in reductions):
        found.append("sums along a reduce axis")
    if any(par.axis not in arch.array.reduce for par in reductions):
        found.append("sums along another axis")
    found += [
        name for name, test in (("ragged", ragged), ("padding", padded), ("sliding", slides)) if test(problem, mapping)
    ]
    return found


def real_pars(problem: NestProblem, mapping: Mapping) -> list[Par]:
    """Pars of more than one chunk."""
    ranges = dict(problem.nest.extents)
    found = []
    for node in mapping.nodes:
        if not isinstance(node, Keep):
            if isinstance(node, Par) and node.tile < ranges[node.dim]:
                found.append(node)
            ranges[node.dim] = min(node.tile, ranges[node.dim])
    return found


def ragged(problem: NestProblem, mapping: Mapping) -> bool:
    """Whether some chunk is shorter than others of its loop or par."""
    ranges = dict(problem.nest.extents)
    for node in mapping.nodes:
        if not isinstance(node, Keep):
            if ranges[node.dim] % node.tile and node.tile < ranges[node.dim]:
                return True
            ranges[node.dim] = min(node.tile, ranges[node.dim])
    return False


def padded(problem: NestProblem, _: Mapping) -> bool:
    """Whether some point of the nest lies on padding."""
    nest = problem.nest
    for axis in nest.inputs[0].axes:
        for values in product(*((0, nest.extents[dim] - 1) for dim in axis.dims)):
            index = axis.offset + sum(c * v for (_, c), v in zip(axis.terms, values, strict=True))
            if not 0 <= index < axis.size:
                return True
    return False


def slides(problem: NestProblem, mapping: Mapping) -> bool:
    """Whether the innermost loop that the input uses above one of its keeps moves a window."""
    ranges, operand = dict(problem.nest.extents), problem.nest.inputs[0]
    last: str | None = None
    for node in mapping.nodes:
        if isinstance(node, Keep):
            if node.operand == operand.name and any(
                last in axis.dims and all(problem.nest.extents[dim] > 1 for dim in axis.dims)
                for axis in operand.axes
                if axis.is_window
            ):
                return True
            continue
        if isinstance(node, Loop) and node.tile < ranges[node.dim] and node.dim in operand.dims:
            last = node.dim
        ranges[node.dim] = min(node.tile, ranges[node.dim])
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Holds the fast model against the slow interpreter.")
    parser.add_argument("--cases", type=int, default=5000, help="how many random triples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--levels", type=int, default=None, help="memories of every machine; 2 to 5 at random if absent"
    )
    parser.add_argument("--only", type=int, default=None, help="look at the case of this number alone")
    options = parser.parse_args()
    covered: Counter[str] = Counter()
    equal = refused = different = 0
    begun = time.monotonic()
    for number in range(options.cases) if options.only is None else [options.only]:
        rng = Random(f"{options.seed}/{number}")
        problem = random_problem(rng, options.levels)
        mapping = random_mapping(rng, problem)
        covered.update(features(problem, mapping))
        try:
            wrong = differences(problem, mapping)
        except Exception as error:  # whatever breaks is a difference, and the other cases are still looked at
            wrong = [f"{type(error).__name__}: {error}"]
        equal += wrong == []
        refused += wrong is None
        if wrong:
            different += 1
            if different <= MOST_SHOWN:
                print(f"case {number} differs:", *wrong, sep="\n  ")
                print(problem.nest.dims, *problem.arch.memories, problem.arch.array, sep="\n  ")
                print(format_mapping(mapping), end="\n\n")
    print(f"{equal} equal, {different} different, {refused} hazards that both refuse, seed {options.seed}, ", end="")
    print(f"{time.monotonic() - begun:.0f} s")
    for feature, count in sorted(covered.items()):
        print(f"  {count:6}  {feature}")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
