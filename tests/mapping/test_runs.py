"""Runs of transfers are what they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from tests.mapping.test_relaxation import LAYER, roots

from tilewright.arch import load_arch
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem, depthwise
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.realize import every_mapping
from tilewright.mapping.optimal.transfer_kernels import BESIDE, INNER, moved_runs, scratch_of, words_moved
from tilewright.workload.nest import LoopNest

STRIDED = depthwise(G=12, Y=6, X=6, R=3, S=3, stride=2, pad=1)
SQUARE = conv2d(K=4, C=6, Y=8, X=8, R=3, S=3, pad=1)


def counted(node: Node, rows: list[int]) -> float:
    """What is said of the runs of a combination's transfers, in the best of the orders in which items give way."""
    table, every = np.stack([own[row] for own, row in zip(node.tables, rows, strict=True)]), np.arange(len(rows))
    found = []
    for where in turns_taken(node.origin.where):
        scratch = scratch_of(where)
        words_moved(every, table, where, scratch)
        fed = [j for j, parent in enumerate(where.parent) if parent < 0]
        found.append(sum(float(moved_runs(every, table, where, scratch, j, scratch[j])) for j in fed))
    return min(found) + node.origin.where.parameters


def further_out(node: Node, rows: list[int]) -> bool:
    """Whether an item could stand further out, above loops that it does not use: another order of keeps has that."""
    where = node.origin.where
    for j, parent in enumerate(where.parent):
        own = [table[row, where.at_item[j] :] for table, row in zip(node.tables, rows, strict=True)]
        inner = max(int(one[INNER]) for one in own)
        if parent < 0 and any(int(one[BESIDE]) & ((1 << j) - (1 << max(inner, 0))) for one in own):
            return True
    return False


@pytest.mark.parametrize("layer", [STRIDED, SQUARE, LAYER])
@pytest.mark.parametrize("machine", ["simba", "eyeriss", "mobile-npu"])
def test_runs_are_no_more_than_there_are_and_as_many_without_read_backs(machine: str, layer: LoopNest) -> None:
    arch = load_arch(machine)
    dram = replace(arch.dram, setup_cycles=1, read_bandwidth=None, write_bandwidth=None)  # cycles of transfers are runs
    arch = replace(arch, memories=(dram, *arch.memories[1:]))
    problem = default_problem(layer, arch, arch.layout)
    rng = np.random.default_rng(3)
    judged = equal = 0
    for root in roots(problem, "latency", 4):
        for _ in range(60):
            rows = [int(len(numbers) * rng.random() ** 2) for numbers in root.numbers]
            found = islice(every_mapping(root.origin.structure, root.tiles(rows)), 200)
            costs = [evaluate(problem, mapping) for mapping in found if not problems(problem, mapping)]
            if not costs or further_out(root, rows):
                continue
            runs, real = counted(root, rows), min(cost.dma_cycles for cost in costs)
            assert runs <= real + 1e-6
            if not any(traffic.cause == "readback" for traffic in costs[0].traffic):  # those of read-backs are left out
                judged += 1
                equal += runs > real - 0.5
    assert judged > 10
    assert equal >= 0.95 * judged
