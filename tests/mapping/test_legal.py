"""What makes a mapping illegal is said in full."""

from __future__ import annotations

import pytest
from tests.mapping.machines import machine, pad, weights_inside

from tilewright.arch.accelerator import Accelerator, Memory
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
        (kept("input", "output"), "weight has no keep in pad, which always keeps it"),
        ((*ALL, *kept("input")), "input has 2 keeps in pad; at most one is possible"),
        ((*kept("input", "output"), Keep("weight", "dram")), "weight cannot be kept in dram; it may be kept in pad"),
        ((*ALL, Keep("bias", "pad")), "bias is kept, but the nest has no such operand"),
        ((*ALL, Par("M", 1, "k")), "8 chunks of M do not fit on axis k of 4 positions"),
        ((*ALL, Par("M", 4, "k"), Par("N", 2, "k")), "8 chunks of M, N do not fit on axis k of 4 positions"),
        ((*ALL, Par("M", 2, "rows")), "no such axis"),
        ((Par("M", 2, "k"), *ALL), "the keep of output in pad must stand above the par over M on k: it exists once"),
    ],
)
def test_wrong_structure_is_named(mapping: tuple[Node, ...], words: str) -> None:
    assert any(words in sentence for sentence in verdict(mapping)), verdict(mapping)


@pytest.mark.parametrize(
    "mapping",
    [
        (*ALL, Loop("M", 4)),
        (*ALL, Loop("M", 4), Par("M", 2, "k"), Loop("K", 2), Par("N", 4, "k"), Par("K", 1, "c")),
        # Chunks are counted on the range that is left: four of eight fill the axis, one chunk is none.
        (*ALL, Loop("M", 4), Par("M", 1, "k"), Par("N", 8, "k")),
        (Par("M", 8, "k"), *ALL),
    ],
)
def test_loops_and_pars_stand_anywhere_in_the_array_part(mapping: tuple[Node, ...]) -> None:
    assert verdict(mapping) == ()


def test_all_problems_come_at_once() -> None:
    assert len(verdict((Loop("Z", 4), *kept("input"), Par("M", 2, "rows")))) == 4


def test_every_memory_that_always_keeps_a_role_has_a_keep_in_order() -> None:
    inner = kept("weight", memory="registers")
    outer = kept("weight")
    arch = machine(Memory("registers", 64, ("weight",), per=("k", "c")))
    others = kept("input", "output")
    assert verdict((*others, *outer, *inner), arch=arch) == ()
    assert verdict((*others, *outer), arch=arch) == ("weight has no keep in registers, which always keeps it",)
    assert verdict((*others, *inner, *outer), arch=arch) == (
        "the keeps of weight stand in the order registers, pad; they must follow pad, registers",
    )


def test_a_memory_that_may_keep_a_role_may_be_passed_by() -> None:
    arch = machine(
        Memory("weights", None, ("weight",)), scratchpad=pad(keeps=("input", "output"), may_keep=("weight",))
    )
    others, inner = kept("input", "output"), kept("weight", memory="weights")
    assert verdict((*others, *inner), arch=arch) == ()
    assert verdict((*others, *kept("weight"), *inner), arch=arch) == ()


def test_memories_of_single_positions_stand_below_their_axes_and_above_all_others() -> None:
    arch = weights_inside()
    outer = kept("input", "output")
    inner = (*kept("weight", memory="weights"), *kept("output", memory="sums"))
    assert verdict((Loop("K", 2), *outer, Par("N", 2, "k"), *inner, Loop("M", 2), Par("K", 1, "c")), arch=arch) == ()
    assert verdict((*kept("weight", memory="weights"), Loop("K", 2), *outer, *inner[1:]), arch=arch) == ()
    above = verdict((Loop("K", 2), *inner, *outer[:1], Par("N", 2, "k"), *outer[1:]), arch=arch)
    assert above == ("the keeps of output stand in the order sums, pad; they must follow pad, sums",)
    above = verdict((*outer, *inner, Par("N", 2, "k")), arch=arch)
    assert above[0] == (
        "the keep of weight in weights must stand below the par over N on k: one exists for each position of k"
    )
    below = verdict((*outer, Par("N", 2, "k"), Par("K", 4, "c"), *inner), arch=arch)
    assert below[0] == (
        "the keep of weight in weights must stand above the par over K on c: one exists for each position of k"
    )


def test_sums_are_added_up_on_the_chip() -> None:
    past = pad(keeps=("input", "weight"))
    arch = machine(Memory("sums", None, ("output",), per=("k", "c")), scratchpad=past)
    inner, outer = kept("output", memory="sums"), kept("input", "weight")
    assert verdict((*outer, Par("M", 2, "k"), Par("N", 4, "c"), *inner), arch=arch) == ()
    # c reduces, k does not.
    assert verdict((*outer, Par("K", 4, "c"), *inner), arch=arch) == ()
    assert verdict((*outer, Par("K", 2, "k"), *inner), arch=arch) == (
        "the par over K on k stands above the outermost keep of output, but the axis does not reduce: "
        "results can be added up on the chip only",
    )
    spilling = (Loop("K", 4), *outer, Loop("M", 2), *inner)
    assert verdict(spilling, arch=arch) == (
        "output bypasses pad, so no loop over K may split it into visits that leave partial sums",
    )
    assert verdict((Loop("K", 4), *outer, *inner), arch=arch) == ()


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
    inner = (*kept("weight", memory="weights"), *kept("output", memory="sums"))
    found = verdict((*kept("input", "output"), Par("N", 2, "k"), *inner), arch=arch)
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


def test_nothing_stands_inside_the_keeps_of_the_vector_unit() -> None:
    problem = vector_problem(VectorWork("reduce"), (("A", 4), ("B", 4)), axes(("A", 4)))
    inside = Mapping((*kept("output", "input"), Loop("A", 2)))
    assert problems(problem, inside) == ("the loop over A stands inside every keep of pad",)
    registers = Mapping((*kept("output", "input"), *kept("input", memory="registers")))
    assert problems(problem, registers) == ("input cannot be kept in registers; it may be kept in pad",)


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
