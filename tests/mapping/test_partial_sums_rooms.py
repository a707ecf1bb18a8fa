"""Bounds know what room results take that a memory adds up: as wide as partial sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.mapping.test_relaxation import roots

from tilewright.arch import load_arch
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.forms import ROOM
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.relaxation import relaxed
from tilewright.mapping.optimal.transfer_kernels import scratch_of
from tilewright.workload.nest import LoopNest


def fits(node: Node, rows: list[int], turn: Any) -> bool:
    table = np.stack([own[row] for own, row in zip(node.tables, rows, strict=True)])
    return bool(np.isfinite(bound(np.arange(len(rows)), table, turn, node.origin.machine, scratch_of(turn))[0]))


@pytest.mark.parametrize("layer", [conv2d(K=256, C=32, Y=14, X=14), gemm(384, 96, 512)])
def test_a_combination_has_a_bound_where_it_has_a_legal_mapping(layer: LoopNest) -> None:
    """On a scratchpad of 64 KiB, of all that bounds would let pass if partial sums were as wide as results."""
    arch = load_arch("simba")
    problem = default_problem(layer, arch, arch.layout)
    rng, seen = np.random.default_rng(5), {True: 0, False: 0}
    for root in roots(problem, "edp", 5):
        turns = turns_taken(root.origin.where)
        narrow = [turn._replace(accumulator_bits=turn.output_bits) for turn in turns]
        for _ in range(250):
            rows = [int(len(numbers) * rng.random()) for numbers in root.numbers]
            if not any(fits(root, rows, turn) for turn in narrow):
                continue
            found, every = mappings(root.origin.structure, root.tiles(rows), 60)
            if not every:
                continue
            legal = any(not problems(problem, mapping) for mapping in found)
            assert any(fits(root, rows, turn) for turn in turns) == legal
            seen[legal] += 1
    assert min(seen.values()) > 5


def test_forms_know_it_as_well() -> None:
    """Where nothing is left open the rooms of forms are those of bounds, in every turn."""
    arch = load_arch("simba")
    problem = default_problem(gemm(384, 96, 512), arch, arch.layout)
    rng, crowded = np.random.default_rng(6), 0
    for root in roots(problem, "edp", 2):
        where = root.origin.where
        form, turns = relaxed(where, root.origin.machine, list(root.tables), root.case), turns_taken(where)
        assert form.sharp is not None
        for _ in range(200):
            rows = [int(len(numbers) * rng.random()) for numbers in root.numbers]
            for number, turn in enumerate(turns):
                logs = sum(one[0] for one in form.sharp.at(root.offsets, [np.array([row]) for row in rows], number))
                rooms = (form.coefficients @ np.exp(logs) + form.constants)[form.roles == ROOM]
                if rooms.max() > 1 + 1e-9:
                    assert not fits(root, rows, turn)
                    narrow = turn._replace(accumulator_bits=turn.output_bits)
                    crowded += fits(root, rows, narrow)
    assert crowded > 5
