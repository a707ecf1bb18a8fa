"""The plain array part: it keeps what must be kept, in the order of the law, and whatever fits at all fits."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mapping.cases import macs
from tests.mapping.machines import MACHINES

from tilewright.arch.accelerator import Accelerator
from tilewright.arch.load import load_arch
from tilewright.mapping.arraypart import default_array_part, fits, inner_memories
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.unroll import direct_unrolling
from tilewright.workload.nest import LoopNest

SHIPPED = ("tiny", "flat-64k", "mobile-npu", "simba", "eyeriss", "tpu", "hwc", "dmazerunner")


def made(nest: LoopNest, arch: Accelerator, tile: dict[str, int] | None = None) -> tuple[Node, ...]:
    return default_array_part(default_problem(nest, arch, arch.layout), tile or dict(nest.dims))


def check(nest: LoopNest, arch: Accelerator, nodes: tuple[Node, ...]) -> None:
    """Section 2 of docs/model.md, word by word."""
    kept = Counter((node.operand, node.memory) for node in nodes if isinstance(node, Keep))
    assert kept == Counter((o.name, m.name) for o in nest.operands for m in inner_memories(arch, o))
    sizes = dict(arch.array.axes)
    ranges = dict(nest.dims)
    chunks: dict[str, int] = {}
    for place, node in enumerate(nodes):
        if isinstance(node, Keep):
            per = next(m for m in arch.memories if m.name == node.memory).per
            assert {n.axis for n in nodes[:place] if isinstance(n, Par)} <= set(per)
            assert not {n.axis for n in nodes[place:] if isinstance(n, Par)} & set(per)
            continue
        assert node.tile < ranges[node.dim]
        if isinstance(node, Par):
            assert arch.array.may_unroll(node.axis, node.dim)
            chunks[node.axis] = chunks.get(node.axis, 1) * -(-ranges[node.dim] // node.tile)
        ranges[node.dim] = node.tile
    assert all(number <= sizes[axis] for axis, number in chunks.items())
    for operand in nest.operands:
        order = [node.memory for node in nodes if isinstance(node, Keep) and node.operand == operand.name]
        assert order == [memory.name for memory in inner_memories(arch, operand)]


@given(macs, st.sampled_from(sorted(MACHINES)), st.data())
def test_random_tiles_get_an_array_part_that_the_law_allows(nest: LoopNest, machine: str, data: st.DataObject) -> None:
    arch = MACHINES[machine]
    tile = {dim: data.draw(st.integers(1, extent)) for dim, extent in nest.dims}
    smaller = replace(nest, dims=tuple(tile.items()))
    nodes = made(nest, arch, tile)
    check(smaller, arch, nodes)
    assert fits(nest, arch, tile, nodes)


@pytest.mark.parametrize("machine", SHIPPED)
def test_every_shipped_machine_has_room_for_its_array_part(machine: str) -> None:
    arch = load_arch(machine)
    nest = conv2d(K=40, C=72, Y=13, X=28, R=3, S=3, pad=1)
    nodes = made(nest, arch)
    check(nest, arch, nodes)
    assert fits(nest, arch, dict(nest.dims), nodes)
    assert any(isinstance(node, Par) for node in nodes) == (arch.array.size > 1)


def test_without_memories_below_the_scratchpad_the_array_is_unrolled_directly() -> None:
    arch = load_arch("flat-64k")
    nest = conv2d(K=40, C=72, Y=13, X=28)
    problem = default_problem(nest, arch, arch.layout)
    assert made(nest, arch) == direct_unrolling(problem, dict(nest.dims))


def test_results_stay_in_the_accumulators_while_reductions_run() -> None:
    """On this machine a column holds 1024 sums: no loop over a reduction stands above their keep."""
    nest = conv2d(K=64, C=256, Y=32, X=32, R=3, S=3, pad=1)
    mapping = Mapping(made(nest, load_arch("tpu")))
    above = {loop.dim for loop in mapping.loops_above("output", "accumulators")}
    assert not above & nest.reduction_dims
    held = dict(nest.dims) | {n.dim: n.tile for n in mapping.nodes[: mapping.place("output", "accumulators")]
                              if isinstance(n, Loop | Par)}  # fmt: skip
    assert 1024 >= prod(held[dim] for dim in ("K", "Y", "X")) > 100


def test_where_nothing_fits_the_smallest_array_part_comes_back() -> None:
    arch = load_arch("eyeriss")
    none = replace(arch, memories=tuple(replace(m, size_bytes=1) if m.per else m for m in arch.memories))
    nest = conv2d(K=4, C=4, Y=4, X=4)
    nodes = made(nest, none)
    assert not fits(nest, none, dict(nest.dims), nodes)
    innermost = dict(nest.dims) | {node.dim: node.tile for node in nodes if not isinstance(node, Keep)}
    assert set(innermost.values()) == {1}
