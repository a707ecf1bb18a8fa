"""The direct unrolling takes fewest steps of all assignments, then fewest positions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import prod

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mapping.machines import machine

from tilewright.arch.accelerator import Accelerator, Array
from tilewright.mapping.mapping import Par
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.unroll import direct_unrolling

DIMS = ("K", "C", "Y", "X")


@st.composite
def arrays(draw: st.DrawFn) -> Accelerator:
    axes = tuple((name, draw(st.sampled_from((1, 2, 3, 4, 8)))) for name in ("a", "b", "c")[: draw(st.integers(1, 3))])
    allowed = tuple(
        (axis, tuple(draw(st.lists(st.sampled_from(DIMS), unique=True)))) for axis, _ in axes if draw(st.booleans())
    )
    return machine(array=Array(axes, unroll=allowed))


def steps_and_positions(sizes: dict[str, int], tile: dict[str, int], by_axis: list[str | None]) -> tuple[int, int]:
    """Longest queue of any position, and positions spanned (per axis those of the longest queue), dealing out indices
    chunk by chunk."""
    steps = used = 1
    for dim, extent in tile.items():
        queues = [list(range(extent))]
        for (_, size), mine in zip(sizes.items(), by_axis, strict=True):
            if mine == dim:
                longest = max(len(queue) for queue in queues)
                chunk = -(-longest // size)
                dealt = [[queue[k : k + chunk] for k in range(0, len(queue), chunk)] for queue in queues]
                used *= max(len(pieces) for pieces in dealt)
                queues = [piece for pieces in dealt for piece in pieces]
        steps *= max(len(queue) for queue in queues)
    return steps, used


@settings(max_examples=150)
@given(arrays(), st.tuples(*(st.integers(1, 9) for _ in DIMS)))
def test_no_assignment_takes_fewer_steps_or_as_many_with_fewer_positions(
    arch: Accelerator, sizes: tuple[int, ...]
) -> None:
    tile = dict(zip(DIMS, sizes, strict=True))
    nest = conv2d(**tile)
    pars = direct_unrolling(default_problem(nest, arch, "nhwc"), nest.extents)
    axes = dict(arch.array.axes)
    chosen = [next((par.dim for par in pars if par.axis == axis), None) for axis in axes]
    assert all(dim is None or arch.array.may_unroll(axis, dim) for axis, dim in zip(axes, chosen, strict=True))
    every = product(*([None, *(dim for dim in DIMS if arch.array.may_unroll(axis, dim))] for axis in axes))
    steps, positions = steps_and_positions(axes, tile, chosen)
    assert (steps, positions) == min(steps_and_positions(axes, tile, list(assignment)) for assignment in every)
    assert steps == prod(min([tile[dim], *(par.tile for par in pars if par.dim == dim)]) for dim in DIMS)


def test_axes_take_their_dimensions_in_order_and_chunks_of_equal_size() -> None:
    arch = machine(array=Array((("row", 4), ("column", 3))))
    nest = conv2d(K=8, C=3, Y=1, X=1)
    assert direct_unrolling(default_problem(nest, arch, "nhwc"), nest.extents) == (
        Par("K", 2, "row"),
        Par("C", 1, "column"),
    )


def test_one_dimension_may_lie_on_several_axes() -> None:
    arch = machine(array=Array((("row", 4), ("column", 3)), unroll=(("row", ("K",)), ("column", ("K",)))))
    nest = conv2d(K=24, C=5, Y=2, X=2)
    assert direct_unrolling(default_problem(nest, arch, "nhwc"), nest.extents) == (
        Par("K", 6, "row"),
        Par("K", 2, "column"),
    )


def test_an_array_of_one_position_unrolls_nothing() -> None:
    arch = machine(array=Array((("mac", 1),)), clock_hz=Fraction(1))
    nest = conv2d(K=24, C=5, Y=2, X=2)
    assert direct_unrolling(default_problem(nest, arch, "nhwc"), nest.extents) == ()
