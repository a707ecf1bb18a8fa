"""What makes a mapping illegal is said in full."""

from __future__ import annotations

import pytest
from tests.mapping.machines import machine, pad, weights_inside

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.problem import Binding, NestProblem
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork


def kept(*names: str, memory: str = "pad") -> tuple[Node, ...]:
    return tuple(Keep(name, memory) for name in names)


ALL = kept("input", "weight", "output")


def verdict(
    mapping: tuple[Node, ...], nest: LoopNest | None = None, arch: Accelerator | None = None
) -> tuple[str, ...]:
    return problems(default_problem(nest or gemm(8, 8, 8), arch or machine(), "nhwc"), Mapping(mapping))


def test_a_plain_mapping_is_legal() -> None:
    assert verdict((Loop("M", 4), *ALL)) == ()
    assert verdict((Loop("M", 4), *kept("input"), Loop("N", 3), *kept("weight", "output"))) == ()


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        ((Loop("Z", 4), *ALL), "there is a loop over Z, which the nest does not have"),
        ((Loop("M", 0), *ALL), "tiles of 0"),
        ((*ALL, Loop("M", 4)), "the loop over M stands inside every keep of pad"),
        (kept("input", "output"), "weight has 0 keeps; it needs exactly one, in pad"),
        ((*ALL, *kept("input")), "input has 2 keeps"),
        ((*kept("input", "output"), Keep("weight", "dram")), "weight is kept in dram; its home is pad"),
        ((*ALL, Keep("bias", "pad")), "bias is kept, but the nest has no such operand"),
        ((*ALL, Par("M", 1, "k")), "8 chunks of M do not fit on axis k of 4 positions"),
        ((*ALL, Par("M", 2, "k"), Par("N", 2, "k")), "axis k unrolls 2 dimensions; at most one"),
        ((*ALL, Par("M", 2, "rows")), "no such axis"),
        ((Par("M", 2, "k"), *ALL), "stands inside an unrolling"),
        ((Par("M", 2, "k"), Loop("N", 2), *ALL), "a loop stands inside an unrolling"),
    ],
)
def test_wrong_structure_is_named(mapping: tuple[Node, ...], words: str) -> None:
    assert any(words in sentence for sentence in verdict(mapping)), verdict(mapping)


def test_all_problems_come_at_once() -> None:
    assert len(verdict((Loop("Z", 4), *kept("input"), Par("M", 2, "rows")))) == 4


def test_homes_inside_the_scratchpad_stand_below_the_unrolling() -> None:
    arch = weights_inside()
    inner = kept("weight", memory="weights")
    outer = kept("input", "output")
    assert verdict((Loop("K", 2), *outer, Par("N", 2, "k"), *inner), arch=arch) == ()
    above = verdict((Loop("K", 2), *inner, *outer, Par("N", 2, "k")), arch=arch)
    assert any("stands above the unrolling" in sentence for sentence in above)
    outside = verdict((*inner, Loop("K", 2), *outer), arch=arch)
    assert any("a loop stands inside the keep of weight" in sentence for sentence in outside)


def test_a_capacity_that_is_exceeded_names_the_buffers() -> None:
    found = verdict(ALL, conv2d(K=4, C=2, Y=3, X=3), machine(scratchpad=pad(100)))
    # Outputs accumulate in the scratchpad: 36 elements of 32 bits.
    assert found == ("pad has 100 bytes, 170 are needed: input 18, weight 8, output 144",)


def test_every_partition_is_checked_by_itself() -> None:
    parts = (("input", 17), ("weight", 8), ("output", 100), ("other", 0))
    found = verdict(ALL, conv2d(K=4, C=2, Y=3, X=3), machine(scratchpad=pad(1000, partitions=parts)))
    assert found == (
        "partition `input` of pad has 17 bytes, 18 are needed: input 18",
        "partition `output` of pad has 100 bytes, 144 are needed: output 144",
    )


@pytest.mark.parametrize(("doubled", "fits"), [(False, True), (True, False)])
def test_a_home_of_single_positions_holds_one_share(doubled: bool, fits: bool) -> None:
    # 8 x 8 weights over 4 positions along k: 16 each.
    arch = weights_inside(16, doubled=doubled)
    mapping = (*kept("input", "output"), Par("N", 2, "k"), *kept("weight", memory="weights"))
    found = verdict(mapping, arch=arch)
    assert (found == ()) == fits
    assert fits or found == ("weights has 16 bytes at each position of k, 32 are needed: weight 32",)


def axes(*dims: tuple[str, int]) -> tuple[Axis, ...]:
    return tuple(Axis(((dim, 1),), extent, place) for place, (dim, extent) in enumerate(dims))


def vector_problem(work: VectorWork, dims: tuple[tuple[str, int], ...], out: tuple[Axis, ...]) -> NestProblem:
    read = Operand("input", "input", axes(*(d for d in dims if d[0] != "pass")))
    nest = LoopNest(dims, (read, Operand("output", "output", out)), work=work)
    bindings = tuple(Binding(o.name, tuple(1 for _ in o.axes)) for o in nest.operands)
    return NestProblem(nest, machine(), bindings)


def test_the_vector_unit_never_spills() -> None:
    problem = vector_problem(VectorWork("reduce"), (("A", 4), ("B", 4)), axes(("A", 4)))
    inside = Mapping((Loop("A", 2), *kept("output"), Loop("B", 2), *kept("input")))
    assert problems(problem, inside) == ()
    outside = Mapping((Loop("B", 2), Loop("A", 2), *kept("output", "input")))
    assert problems(problem, outside) == ("the vector unit cannot spill: a loop over B stands above the output's keep",)


def test_split_rows_need_one_loop_over_passes() -> None:
    dims = (("pass", 3), ("A", 4), ("B", 4))
    problem = vector_problem(VectorWork("normalise", reduced=("B",)), dims, axes(("A", 4), ("B", 4)))
    keeps = kept("input", "output")
    assert problems(problem, Mapping((Loop("A", 2), *keeps))) == ()
    assert problems(problem, Mapping((Loop("A", 2), Loop("pass", 1), Loop("B", 2), *keeps))) == ()
    for loops in (
        (Loop("B", 2),),
        (Loop("pass", 1), Loop("A", 2)),
        (Loop("B", 2), Loop("pass", 1)),
        (Loop("pass", 1), Loop("A", 2), Loop("B", 2)),
        (Loop("pass", 2), Loop("B", 2)),
    ):
        assert problems(problem, Mapping((*loops, *keeps))) != ()
    early = Mapping((Loop("pass", 1), *kept("input"), Loop("B", 2), *kept("output")))
    assert problems(problem, early) == ("with split rows the keep of input stands inside all loops",)
