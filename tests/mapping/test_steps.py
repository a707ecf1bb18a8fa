"""What bounds say of the scratchpad's port in single tile steps holds for every mapping of a combination."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from tests.mapping.test_relaxation import LAYER, roots, values

from tilewright.arch import load_arch
from tilewright.mapping.arraywork import array_done
from tilewright.mapping.boundary import boundaries
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.nests import default_problem, depthwise, gemm
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.profiles import profile
from tilewright.mapping.optimal.realize import every_mapping
from tilewright.mapping.optimal.transfer_kernels import busiest_words, ending_words, scratch_of, words_moved
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, without_single_loops

NESTS = {
    "convolution": LAYER,
    "depthwise": depthwise(G=4, Y=7, X=6, R=3, S=3, stride=2, pad=1),
    "one row": depthwise(G=6, Y=5, X=4, R=3, S=3, pad=1),
    "vector": gemm(M=1, N=10, K=12),
}


def through(problem: NestProblem, mapping: Mapping) -> tuple[Any, Any]:
    """The bytes that the scratchpad's array side reads and writes in every step, exactly."""
    clean = without_single_loops(problem.nest, mapping)
    tiling = Tiling(problem.nest, clean.tile_loops(problem.arch.scratchpad.name))
    chains = tuple(boundaries(problem, clean, operand) for operand in problem.nest.operands)
    done = array_done(problem, clean, tiling, chains)
    side = next(side for side in done.sides if side.memory.scratchpad)
    return tuple(np.broadcast_to(bits / 8, tiling.steps) for bits in (side.read_bits, side.write_bits))


def comes_back(problem: NestProblem, mapping: Mapping) -> bool:
    """Whether partial sums leave the scratchpad for the array again."""
    cost, pad, output = evaluate(problem, mapping), problem.arch.scratchpad.name, problem.nest.output.name
    read = sum(one.read_bytes for one in cost.accesses if (one.memory, one.operand) == (pad, output))
    return read > sum(one.bytes for one in cost.traffic if one.operand == output and one.cause in ("store", "spill"))


def said(node: Node, rows: list[int]) -> tuple[Any, Any, bool]:
    """(most bytes read and words written in a step, least of the last one, whether another order of keeps says it
    better)."""
    table = np.stack([own[row] for own, row in zip(node.tables, rows, strict=True)])
    where, picked = node.origin.where, np.arange(len(rows))
    most, least, moves = [], [], False
    for turn in turns_taken(where):
        scratch = scratch_of(where)
        words_moved(picked, table, turn, scratch)
        items = len(where.parent)
        inner = scratch[3 * items + where.operands :][:items]
        moves = moves or bool(((inner > where.barrier) & (inner < np.arange(items))).any())
        most.append(busiest_words(picked, table, turn, scratch))
        least.append(ending_words(picked, table, turn, scratch))
    return np.max(most, axis=0), np.min(least, axis=0), moves


@pytest.mark.parametrize("machine", ["mobile-npu", "simba", "eyeriss", "tpu"])
def test_no_step_is_busier_and_the_last_one_no_less_than_bounds_say(machine: str) -> None:
    arch = load_arch(machine).with_scratchpad(500)
    found = [judged_and_alike(default_problem(nest, arch, arch.layout)) for nest in NESTS.values()]
    judged, alike = np.sum(found, axis=0)
    assert min(number for number, _ in found) > 5
    assert alike > 0.01 * judged


def judged_and_alike(problem: NestProblem) -> tuple[int, int]:
    """How many mappings were compared, and for how many bounds say exactly what is read."""
    arch = problem.arch
    narrow, wide = sorted((arch.widths.output, arch.widths.accumulator))
    rng = np.random.default_rng(5)
    judged = alike = 0
    for root in roots(problem, "edp", 5):
        for _ in range(80):
            rows = [int(len(numbers) * rng.random() ** 2) for numbers in root.numbers]
            if not np.isfinite(values(root, rows)):
                continue
            most, least, moves = said(root, rows)
            for mapping in islice(every_mapping(root.origin.structure, root.tiles(rows)), 6):
                if problems(problem, mapping):
                    continue
                read, written = through(problem, mapping)
                known = profile(problem, mapping)
                if known is not None:
                    port = read + written if arch.scratchpad.shared_port else np.maximum(read, written)
                    rate = float(arch.scratchpad.read_bandwidth or 1)
                    assert known.kinds[:, 0] @ known.kinds[:, 3] <= np.ceil(np.ceil(port) / rate - 1e-9).sum()
                if moves:
                    continue
                judged += 1
                assert least[0] <= read[-1] + 1e-9
                assert least[1] * narrow / 8 <= written[-1] + 1e-9
                assert written.max() <= most[1] * wide / 8 + 1e-9
                if not comes_back(problem, mapping):
                    assert read.max() <= most[0] + 1e-9
                    alike += bool(least[0] == read[-1]) and bool(most[0] == read.max())
    return judged, alike
