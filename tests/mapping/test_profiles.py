"""What tiles of the scratchpad's keeps say of cycles holds for every mapping that has them, and cuts nothing else."""

from __future__ import annotations

from itertools import islice, product

import numpy as np
import pytest
from tests.mapping.test_lattice import some
from tests.mapping.test_relaxation import LAYER, roots, values

from tilewright.arch.load import load_arch
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.nests import default_problem, depthwise
from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.glances import ruled_out, searched
from tilewright.mapping.optimal.lattice import shortest_paths
from tilewright.mapping.optimal.profiles import Profiles
from tilewright.mapping.optimal.realize import every_mapping

NESTS = {"convolution": LAYER, "depthwise": depthwise(G=4, Y=7, X=6, R=3, S=3, stride=2, pad=1)}


@pytest.mark.parametrize("nest", NESTS)
@pytest.mark.parametrize("machine", ["mobile-npu", "simba", "eyeriss", "tpu"])
def test_no_mapping_takes_fewer_cycles_than_its_tiles_say(machine: str, nest: str) -> None:
    arch = load_arch(machine).with_scratchpad(500)
    problem = default_problem(NESTS[nest], arch, arch.layout)
    rng = np.random.default_rng(2)
    judged = exact = 0
    for root in roots(problem, "edp", 8):
        profiles, structure = Profiles(problem), root.origin.structure
        for _ in range(150):
            rows = [int(len(numbers) * rng.random() ** 2) for numbers in root.numbers]
            if not np.isfinite(values(root, rows)):
                continue
            least = profiles.least(root, rows)
            every = [
                one for one in islice(every_mapping(structure, root.tiles(rows)), 24) if not problems(problem, one)
            ]
            cycles = [evaluate(problem, mapping).cycles for mapping in every]
            if cycles:
                assert least <= min(cycles)
                judged += 1
                exact += least == min(cycles)
    assert judged > 10
    assert exact > 0.1 * judged


@pytest.mark.parametrize("objective", ["edp", "latency"])
@pytest.mark.parametrize("machine", ["mobile-npu", "simba", "eyeriss"])
def test_cuts_leave_out_what_their_tiles_rule_out_and_nothing_else(machine: str, objective: str) -> None:
    arch = load_arch(machine).with_scratchpad(700)
    problem = default_problem(LAYER, arch, arch.layout)
    judged = gone = 0
    for number, root in enumerate(roots(problem, objective, 6)):
        node = some(root, number)
        costs = {rows: values(node, list(rows)) for rows in product(*(range(len(own)) for own in node.numbers))}
        finite = sorted(cost for cost in costs.values() if np.isfinite(cost))
        if len(finite) < 20:
            continue
        limit = finite[len(finite) // 2] * (1 + 1e-9)
        profiles = Profiles(problem)
        below = [rows for rows, cost in costs.items() if cost < limit]
        for rows in below[::2]:  # half of them are known
            profiles.least(node, rows)
        found = shortest_paths(node, limit, 10_000, 10**9, None, profiles.cuts(node))
        seen = {tuple(rows.tolist()) for rows in found.rows}
        assert found.rest >= limit
        for rows in below:
            judged += 1
            if rows not in seen:
                gone += 1
                assert ruled_out(node, rows, limit, profiles)
        left = searched(node, limit, profiles)
        assert left.rest >= limit or left.rows or all(ruled_out(node, rows, limit, profiles) for rows in below)
    assert judged > 50
    assert gone > 0 or machine != "mobile-npu"


def test_jobs_learn_by_themselves_and_hand_over_what_they_know() -> None:
    arch = load_arch("mobile-npu")
    problem = default_problem(LAYER, arch, arch.layout)
    node: Node = roots(problem, "edp", 1)[0]
    profiles = Profiles(problem)
    own = profiles.copy(node.origin)
    assert own.least(node, [0] * len(node.numbers)) > 0
    assert not len(profiles.cuts(node).keys)
    profiles.take(own)
    assert len(profiles.cuts(node).keys) == 1


def test_time_that_is_not_pipelined_has_no_profiles() -> None:
    arch = load_arch("flat-64k")
    problem = default_problem(LAYER, arch, arch.layout)
    node = roots(problem, "edp", 1)[0]
    assert Profiles(problem).least(node, [0] * len(node.numbers)) == 0.0
