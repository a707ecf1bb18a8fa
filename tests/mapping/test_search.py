"""The search equals brute force on tiny nests, always finds something that fits, and says why if nothing does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, permutations, product
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mapping.cases import macs, problems_of, vectors
from tests.mapping.machines import MACHINES, machine, pad, weights_inside

from tilewright.errors import InfeasibleError, InputError, LimitError, UsageError
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.front import map_front
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.orders import assemble
from tilewright.mapping.problem import OBJECTIVES, NestProblem
from tilewright.mapping.search import Effort, evaluated, map_nest
from tilewright.mapping.smallest import smallest_mapping
from tilewright.workload.nest import LoopNest


def brute_force(problem: NestProblem) -> dict[str, float]:
    """The least value of every objective over all tiles, orders and keeps with each dimension split at most once."""
    nest = problem.nest
    dims = [dim for dim, extent in nest.dims if extent > 1]
    best = dict.fromkeys(OBJECTIVES, float("inf"))
    for sizes in product(*(range(1, nest.extents[dim] + 1) for dim in dims)):
        tile = dict(zip(dims, sizes, strict=True))
        split = [dim for dim in dims if tile[dim] < nest.extents[dim]]
        seen = set()
        for order in permutations(split):
            loops = tuple(Loop(dim, tile[dim]) for dim in order)
            for depths in product(range(len(split) + 1), repeat=len(nest.operands)):
                mapping = assemble(problem, loops, depths)
                if mapping in seen or seen.add(mapping) or problems(problem, mapping):  # type: ignore[func-returns-value]
                    continue
                cost = evaluate(problem, mapping)
                best = {objective: min(value, cost.value(objective)) for objective, value in best.items()}
    return best


TINY: list[tuple[LoopNest, str, int]] = [
    (gemm(4, 3, 3), "double", 50),
    (gemm(3, 3, 4), "roofline", 30),
    (conv2d(K=2, C=1, Y=4, X=1, R=2), "double", 30),
    (conv2d(K=2, C=1, Y=5, X=1, R=2, stride=2, pad=(1, 0, 0, 0)), "single", 20),
    (depthwise(G=3, Y=5, X=1, R=3, S=1, pad=(1, 0, 1, 0)), "double", 40),
    (gemm(4, 3, 4), "weights inside", 40),
    (gemm(3, 2, 3), "registers", 40),
]
LARGER: list[tuple[LoopNest, str, int]] = [
    (gemm(4, 4, 4), "double", 60),
    (gemm(5, 3, 4), "roofline", 40),
    (conv2d(K=2, C=2, Y=4, X=1, R=2), "double", 40),
    (conv2d(K=2, C=2, Y=5, X=1, R=2, stride=2, pad=(1, 0, 0, 0)), "single", 30),
    (gemm(3, 4, 5), "registers", 80),
]


@pytest.mark.parametrize(
    ("nest", "name", "size"),
    [pytest.param(*case, id=f"{case[1]}-{k}") for k, case in enumerate(TINY)]
    + [pytest.param(*case, id=f"{case[1]}-larger-{k}", marks=pytest.mark.long) for k, case in enumerate(LARGER)],
)
def test_tiny_nests_are_mapped_as_well_as_brute_force_maps_them(nest: LoopNest, name: str, size: int) -> None:
    problem = default_problem(nest, MACHINES[name].with_scratchpad(size), "nhwc")
    best = brute_force(problem)
    for objective, value in best.items():
        # Second splits may do better; the search promises no optimum.
        assert map_nest(problem, objective).cost.value(objective) <= 1.02 * value


@pytest.mark.parametrize(("examples", "timeout"), [(40, 0.3), pytest.param(60, None, marks=pytest.mark.long)])
def test_something_legal_is_found_whenever_the_smallest_tiles_fit(examples: int, timeout: float | None) -> None:
    # An unlucky draw has to be searched for a quarter of a minute until its proof is given up.
    @settings(max_examples=examples)
    @given(st.data(), st.sampled_from(OBJECTIVES), st.integers(4, 300))
    def found(data: st.DataObject, objective: str, size: int) -> None:
        problem = data.draw(problems_of(st.one_of(macs, vectors)))
        check_that_something_legal_is_found(
            replace(problem, arch=problem.arch.with_scratchpad(size)), objective, timeout
        )

    found()


@pytest.mark.parametrize("effort", ["quick", "proof"])
def test_a_search_without_time_still_finds_the_mapping_of_smallest_tiles(effort: Effort) -> None:
    every = (default_problem(gemm(1, 2, 3), MACHINES["registers"].with_scratchpad(n), "nhwc") for n in range(1, 100))
    problem = next(one for one in every if not problems(one, smallest_mapping(one)))
    assert problems(problem, map_nest(problem, effort=effort, timeout=0).mapping) == ()
    assert all(not problems(problem, point.mapping) for point in map_front(problem, timeout=0).points)


def check_that_something_legal_is_found(problem: NestProblem, objective: str, timeout: float | None) -> None:
    try:
        result = map_nest(problem, objective, timeout=timeout)
    except InfeasibleError as error:
        assert problems(problem, smallest_mapping(problem)) != ()
        assert " bytes" in str(error)
        return
    assert problems(problem, result.mapping) == ()
    assert evaluate(problem, result.mapping) == result.cost
    value = result.cost.value(objective)
    assert result.bound <= value * (1 + 1e-9)
    assert result.gap == pytest.approx(max(0.0, value / result.bound - 1) if result.bound else 0.0)
    assert (result.status == "optimal") == (value <= result.bound * (1 + 1e-12))


@pytest.mark.parametrize(
    ("nest", "size"),
    [
        (conv2d(K=12, C=9, Y=7, X=7, R=3, S=3, pad=1), 1000),
        pytest.param(conv2d(K=24, C=17, Y=13, X=13, R=3, S=3, pad=1), 3000, marks=pytest.mark.long),
    ],
    ids=["small", "large"],
)
def test_the_same_input_gives_the_same_mapping(nest: LoopNest, size: int) -> None:
    results = [map_nest(default_problem(nest, machine().with_scratchpad(size), "nhwc"), "edp") for _ in range(2)]
    assert results[0].mapping == results[1].mapping
    assert results[0].evaluated == results[1].evaluated


def test_more_room_is_never_used_to_move_more() -> None:
    nest = conv2d(K=24, C=16, Y=14, X=14, R=3, S=3, pad=1)
    moved = [
        map_nest(default_problem(nest, machine().with_scratchpad(size), "nhwc"), "traffic").cost.dram_bytes
        for size in (600, 1200, 2400, 4800, 9600, 19200, 38400)
    ]
    # A search without proof may waste a little, not much.
    assert all(after <= 1.03 * before for before, after in pairwise(moved))
    once = map_nest(default_problem(nest, machine().with_scratchpad(1 << 20), "nhwc"), "traffic")
    assert once.status == "optimal"
    assert once.cost.dram_bytes == sum(prod(a.size for a in o.axes) for o in nest.operands)


def test_a_nest_that_fits_nowhere_is_told_what_the_smallest_tiles_need() -> None:
    problem = default_problem(conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), machine().with_scratchpad(7), "nhwc")
    with pytest.raises(InfeasibleError) as raised:
        map_nest(problem)
    # One element of everything, twice: 8-bit inputs and weights, 32-bit sums.
    assert str(raised.value) == "no mapping fits: pad has 7 bytes, 12 are needed: input 2, weight 2, output 8"


def test_a_home_of_single_positions_that_is_too_small_is_named() -> None:
    arch = weights_inside(1, doubled=True)
    with pytest.raises(InfeasibleError, match="weights has 1 bytes at each position of k, 2 are needed: weight 2"):
        map_nest(default_problem(gemm(4, 4, 4), arch, "nhwc"))


def test_filters_are_split_where_weights_stream_into_small_memories() -> None:
    # Nine weights of a 3x3 filter do not fit into four bytes.
    problem = default_problem(conv2d(K=4, C=4, Y=6, X=6, R=3, S=3, pad=1), weights_inside(4), "nhwc")
    loops = {loop.dim for loop in map_nest(problem).mapping.loops}
    assert loops & {"R", "S"}


def test_a_limit_of_steps_is_respected_or_reported() -> None:
    problem = default_problem(gemm(12, 12, 12), machine().with_scratchpad(500), "nhwc")
    assert map_nest(problem, "energy", max_steps=6).cost.steps <= 6
    with pytest.raises(LimitError, match="only mappings of more than 5 tile steps fit"):
        map_nest(problem, "energy", max_steps=5)
    with pytest.raises(LimitError, match="only mappings of more than 2 tile steps fit"):
        map_nest(default_problem(gemm(3, 3, 3), machine().with_scratchpad(20), "nhwc"), max_steps=2)


def test_no_time_at_all_still_gives_a_legal_mapping() -> None:
    problem = default_problem(
        conv2d(K=64, C=64, Y=28, X=28, R=3, S=3, pad=1), machine().with_scratchpad(20_000), "nhwc"
    )
    assert problems(problem, map_nest(problem, timeout=0.0).mapping) == ()


@pytest.mark.parametrize("effort", ["quick", "good", pytest.param("proof", marks=pytest.mark.long)])
def test_partitions_bound_every_class_by_itself(effort: Effort) -> None:
    parts = (("input", 900), ("weight", 500), ("output", 700), ("other", 64))
    arch = machine(scratchpad=pad(2164, partitions=parts))
    problem = default_problem(conv2d(K=16, C=16, Y=14, X=14, R=3, S=3, pad=1), arch, "nhwc")
    assert problems(problem, map_nest(problem, "latency", effort=effort).mapping) == ()


def test_partitions_bound_every_class_by_itself_in_a_proof() -> None:
    arch = machine(scratchpad=pad(188, partitions=(("input", 24), ("weight", 28), ("output", 72), ("other", 64))))
    problem = default_problem(gemm(8, 7, 6), arch, "nhwc")
    result = map_nest(problem, "latency")
    assert result.status == "optimal"
    assert problems(problem, result.mapping) == ()


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no objective 'speed'; there are latency, energy, edp, traffic"):
        map_nest(default_problem(gemm(2, 2, 2), machine(), "nhwc"), "speed")


def test_a_mapping_of_somebody_else_is_judged_or_refused_in_full() -> None:
    problem = default_problem(gemm(8, 8, 8), machine(), "nhwc")
    keeps = tuple(Keep(operand.name, "pad") for operand in problem.nest.operands)
    good = Mapping((Loop("M", 2), *keeps))
    assert evaluated(problem, good, "traffic").cost == evaluate(problem, good)
    with pytest.raises(InputError) as raised:
        evaluated(problem, Mapping((Loop("M", 0), *keeps[1:])))
    assert len(raised.value.problems) == 2


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_layer_of_ordinary_size_takes_steps_in_the_thousands_at_most(objective: str) -> None:
    problem = default_problem(
        conv2d(K=128, C=128, Y=28, X=28, R=3, S=3, pad=1), machine().with_scratchpad(65536), "nhwc"
    )
    assert map_nest(problem, objective, effort="quick").cost.steps <= 9999
