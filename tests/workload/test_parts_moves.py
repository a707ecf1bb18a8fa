"""Copies of data-moving operators, point by point, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workload.points import check_form, copied, single

from tilewright.errors import InputError
from tilewright.workload.parts import parts
from tilewright.workload.parts.reshaping import refinement, shapes_have_a_common_refinement


def numbered(shape: tuple[int, ...]) -> np.ndarray:
    return np.arange(1, 1 + int(np.prod(shape)), dtype=float).reshape(shape)


def check_copy(kind: str, x: np.ndarray, expected: np.ndarray, fill: float = 0.0, **attributes: object) -> None:
    operator, network = single(kind, {"x": x.shape}, expected.shape, **attributes)
    found = parts(operator, network)
    for part in found:
        check_form(part)
    assert np.array_equal(copied(found, {"x": x}, expected.shape, fill), expected)


@pytest.mark.parametrize("perm", [(0, 2, 3, 1), (3, 2, 1, 0), (0, 1, 2, 3)])
def test_a_transposition_is_its_nest(perm):
    x = numbered((2, 3, 4, 5))
    check_copy("Transpose", x, x.transpose(perm), perm=perm)


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=4))
@settings(max_examples=40)
def test_a_slice_is_its_nest(axes):
    x = numbered(tuple(size for size, _, _ in axes))
    starts = tuple(min(start, size - 1) for size, start, _ in axes)
    steps = tuple(step for _, _, step in axes)
    expected = x[tuple(slice(start, None, step) for start, step in zip(starts, steps, strict=True))]
    check_copy("Slice", x, expected, starts=starts, steps=steps)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(-1, 2), st.integers(-1, 2)), min_size=1, max_size=4))
@settings(max_examples=40)
def test_a_pad_is_its_nest(axes):
    axes = [(size + 2, begin, end) for size, begin, end in axes]  # negative pads must leave something
    x = numbered(tuple(size for size, _, _ in axes))
    begins, ends = tuple(begin for _, begin, _ in axes), tuple(end for _, _, end in axes)
    grown = np.pad(x, [(max(b, 0), max(e, 0)) for b, e in zip(begins, ends, strict=True)], constant_values=-7)
    expected = grown[
        tuple(slice(max(-b, 0), n - max(-e, 0)) for b, e, n in zip(begins, ends, grown.shape, strict=True))
    ]
    check_copy("Pad", x, expected, fill=-7, pads=begins + ends, value=-7.0)


@pytest.mark.parametrize(("shape", "out"), [((3, 1), (2, 3, 4)), ((1,), (5,)), ((), (2, 2)), ((2, 3), (2, 3))])
def test_an_expansion_is_its_nest(shape, out):
    x = numbered(shape)
    check_copy("Expand", x, np.broadcast_to(x, out))


def test_an_identity_is_its_nest():
    x = numbered((2, 3))
    check_copy("Identity", x, x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_concatenation_is_one_nest_per_input(axis):
    shapes = []
    for size in (2, 1, 3):
        shape = [2, 3, 2]
        shape[axis] = size
        shapes.append(tuple(shape))
    arrays = {f"x{i}": numbered(shape) + 100 * i for i, shape in enumerate(shapes)}
    expected = np.concatenate(list(arrays.values()), axis=axis)
    operator, network = single("Concat", {n: a.shape for n, a in arrays.items()}, expected.shape, axis=axis)
    found = parts(operator, network)
    assert [part.label for part in found] == ["input 0", "input 1", "input 2"]
    for part in found:
        check_form(part)
    assert np.array_equal(copied(found, arrays, expected.shape), expected)


@st.composite
def shape_pairs(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of the same number of elements, often with a common refinement and often without."""
    factors = draw(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=5))

    def merged(items: list[int]) -> tuple[int, ...]:
        cuts = draw(st.lists(st.booleans(), min_size=len(items), max_size=len(items)))
        shape = [1]
        for item, cut in zip(items, cuts, strict=True):
            if cut:
                shape.append(item)
            else:
                shape[-1] *= item
        return tuple(shape)

    other = draw(st.permutations(factors)) if draw(st.booleans()) else factors
    return merged(factors), merged(other)


@given(shape_pairs())
@settings(max_examples=100)
def test_a_reshape_is_its_nest_wherever_the_shapes_have_a_common_refinement(pair):
    shape, out = pair
    x = numbered(shape)
    if shapes_have_a_common_refinement(shape, out):
        check_copy("Reshape", x, x.reshape(out))
    else:
        operator, network = single("Reshape", {"x": shape}, out)
        with pytest.raises(InputError, match="cuts through axes"):
            parts(operator, network)


@given(shape_pairs())
@settings(max_examples=100)
def test_a_refinement_can_be_merged_into_both_shapes(pair):
    digits = refinement(*pair)
    if digits is not None:
        for shape in pair:
            remaining = list(digits)
            for size in shape:
                taken = 1
                while taken < size:
                    taken *= remaining.pop(0)
                assert taken == size
            assert not remaining
