"""Guesses of pipelined cycles are nearer to the truth than bounds, which have to hold."""

from __future__ import annotations

import numpy as np

from tilewright import load_arch
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.chains import FEW
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.optimum import Search
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.transfer_kernels import scratch_of
from tilewright.mapping.optimal.walks import walk
from tilewright.workload.nest import LoopNest

NESTS = {
    "pointwise": conv2d(K=64, C=32, Y=16, X=16),
    "strided": conv2d(K=48, C=20, Y=14, X=14, R=3, S=3, stride=2, pad=1),
}


def errors(machine: str, nest: LoopNest) -> list[tuple[float, float]]:
    """How far guess and bound of what walks find are from its cycles, in logarithms."""
    arch = load_arch(machine).with_scratchpad(6000)
    problem = default_problem(nest, arch, arch.layout)
    search = Search(problem, "latency", 10**6, rules=frozenset({"candidate"}))
    off: list[tuple[float, float]] = []
    for structure in [one for one in search.structures if None not in one.axis_places][:8]:
        node = search.root(structure, FEW)
        if node is None:
            continue
        starts = np.concatenate([[0], np.cumsum([len(rows) for rows in node.numbers])])[:-1]
        table, machine_costs = np.concatenate(node.tables), node.origin.machine
        for seed in range(5):
            rows, _ = walk(node, 3000, seed)
            exact = [
                evaluate(problem, one).cycles
                for one in mappings(structure, node.tiles(rows), 48)[0]
                if not problems(problem, one)
            ]
            if not exact:
                continue
            turns = turns_taken(node.origin.where)
            told = [
                min(bound(starts + rows, table, t._replace(guess=g), machine_costs, scratch_of(t))[2] for t in turns)
                for g in (True, False)
            ]
            if told[1] <= min(exact):  # else another order of keeps says of the best one what it costs
                off.append((abs(np.log(told[0] / min(exact))), abs(np.log(told[1] / min(exact)))))
    return off


def test_guesses_are_nearer_than_bounds() -> None:
    off = [errors(machine, nest) for machine in ("eyeriss", "simba", "mobile-npu") for nest in NESTS.values()]
    assert all(len(one) > 3 for one in off)
    guessed, bounded = np.array([pair for one in off for pair in one]).mean(axis=0)
    assert guessed < 0.7 * bounded
    assert guessed < 0.05
