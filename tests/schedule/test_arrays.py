"""Array parts of groups: the same in every process, and never worse than the plain one they are tried beside."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import tilewright as tw
from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.nests import default_problem
from tilewright.mapping.tiling import without_single_chunks
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.book import StepBook

PARTS = """
import tilewright as tw
from tilewright.mapping.nests import default_problem
from tilewright.schedule.group.arrays import ArrayMapper
from tilewright.schedule.group.book import StepBook
for name in ("mobile-npu", "simba", "eyeriss"):
    arch = tw.load_arch(name)
    for nest in (tw.conv2d(K=48, C=20, Y=14, X=14, R=3, S=3, pad=1), tw.depthwise(G=32, Y=28, X=28, R=3, S=3, pad=1)):
        book = StepBook(default_problem(nest, arch, arch.layout))
        print(ArrayMapper("edp", {}).of(book, dict(nest.dims)))
"""


def test_array_parts_do_not_depend_on_how_a_process_orders_its_sets() -> None:
    """Found by reading: dimensions were tried in the order of a set, which is another in every process."""
    printed = {
        subprocess.run(
            [sys.executable, "-c", PARTS],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (0, 1)
    }
    assert len(printed) == 1
    assert "Par" in printed.pop()


@pytest.mark.parametrize("name", ["mobile-npu", "simba", "eyeriss", "tpu"])
def test_array_parts_are_at_least_as_good_as_the_plain_one(name: str) -> None:
    arch = tw.load_arch(name)
    for nest in (tw.conv2d(K=24, C=36, Y=9, X=11, stride=2), tw.gemm(M=10, N=12, K=14)):
        problem = default_problem(nest, arch, arch.layout)
        book, box = StepBook(problem), dict(nest.dims)
        found = ArrayMapper("energy", {}).of(book, box)
        assert found is not None
        mine, plain = (
            book.cost({}, nodes, moved=False)
            for nodes in (found, without_single_chunks(default_array_part(problem, box), box))
        )
        dram = arch.dram.read_pj
        energy = [cost.energy_pj(arch, 0) + cost.stream_bytes * dram for cost in (mine, plain)]
        assert energy[0] <= energy[1]
