"""Nests of multiply-accumulates, point by point, against onnxruntime and numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.workload.points import check_form, contracted, single
from tests.workload.runtime import run_node, small_integers

from tilewright.errors import InputError
from tilewright.workload.parts import parts
from tilewright.workload.parts.transposed import kernel_reaches_every_phase

POINTS = 6000  # at most so many points per example: they are walked in plain Python


@st.composite
def convolutions(draw: st.DrawFn) -> dict[str, tuple[int, ...] | int]:
    axes = draw(st.sampled_from([1, 2, 2]))
    small = st.integers(1, 3)
    kernel = draw(st.tuples(*[small] * axes))
    return {
        "batch": draw(st.integers(1, 2)),
        "groups": draw(small),
        "depth": draw(st.integers(1, 2)),
        "filters": draw(st.integers(1, 2)),
        "kernel": kernel,
        "strides": draw(st.tuples(*[small] * axes)),
        "dilations": draw(st.tuples(*[st.integers(1, 2)] * axes)),
        "pads": draw(st.tuples(*[st.integers(0, 2)] * (2 * axes))),
        "sizes": draw(st.tuples(*[st.integers(1, 6)] * axes)),
        "seed": draw(st.integers(0, 99)),
    }


@settings(max_examples=60)
@given(convolutions())
def test_a_convolution_is_its_nest(case):
    axes = len(case["kernel"])
    rng = np.random.default_rng(case["seed"])
    x = small_integers(rng, (case["batch"], case["groups"] * case["depth"], *case["sizes"]))
    w = small_integers(rng, (case["groups"] * case["filters"], case["depth"], *case["kernel"]))
    out = [
        (size + case["pads"][i] + case["pads"][axes + i] - (kernel - 1) * dilation - 1) // stride + 1
        for i, (size, kernel, stride, dilation) in enumerate(
            zip(case["sizes"], case["kernel"], case["strides"], case["dilations"], strict=True)
        )
    ]
    assume(min(out) >= 1 and w.size * np.prod(out) * case["batch"] <= POINTS)
    attributes = {name: case[name] for name in ("strides", "dilations", "pads")}
    expected = run_node("Conv", {"x": x, "w": w}, group=case["groups"], **attributes)
    operator, network = single(
        "Conv", {"x": x.shape, "w": w.shape}, expected.shape, frozenset("w"), groups=case["groups"], **attributes
    )
    (part,) = parts(operator, network)
    check_form(part)
    assert part.nest.points == expected.size * w.size // w.shape[0]
    assert np.array_equal(contracted((part,), {"x": x, "w": w}, expected.shape), expected)


@settings(max_examples=60)
@given(convolutions(), st.integers(0, 1))
def test_a_transposed_convolution_is_its_phases(case, extra):
    axes = len(case["kernel"])
    rng = np.random.default_rng(case["seed"])
    x = small_integers(rng, (case["batch"], case["groups"] * case["depth"], *case["sizes"]))
    w = small_integers(rng, (case["groups"] * case["depth"], case["filters"], *case["kernel"]))
    more = tuple(min(extra, stride - 1) for stride in case["strides"])
    out = tuple(
        (size - 1) * stride + more[i] + (kernel - 1) * dilation + 1 - case["pads"][i] - case["pads"][axes + i]
        for i, (size, kernel, stride, dilation) in enumerate(
            zip(case["sizes"], case["kernel"], case["strides"], case["dilations"], strict=True)
        )
    )
    assume(min(out) >= 1 and x.size * w.size <= POINTS)
    attributes = {name: case[name] for name in ("strides", "dilations", "pads")}
    expected = run_node("ConvTranspose", {"x": x, "w": w}, group=case["groups"], output_padding=more, **attributes)
    assert expected.shape[2:] == out
    operator, network = single(
        "ConvTranspose",
        {"x": x.shape, "w": w.shape},
        expected.shape,
        frozenset("w"),
        groups=case["groups"],
        output_padding=more,
        **attributes,
    )
    reached = kernel_reaches_every_phase(out, case["kernel"], case["strides"], case["dilations"], case["pads"][:axes])
    if not reached:
        with pytest.raises(InputError, match="without any input"):
            parts(operator, network)
        return
    found = parts(operator, network)
    for part in found:
        check_form(part)
        assert all(step < 0 for _, step in part.taps)
    assert len({part.label for part in found}) == len(found)
    assert np.array_equal(contracted(found, {"x": x, "w": w}, expected.shape), expected)


def test_phases_run_in_row_major_order():
    operator, network = single(
        "ConvTranspose",
        {"x": (1, 2, 3, 3), "w": (2, 1, 4, 4)},
        (1, 1, 6, 6),
        frozenset("w"),
        groups=1,
        strides=(2, 2),
        dilations=(1, 1),
        pads=(1, 1, 1, 1),
        output_padding=(0, 0),
    )
    labels = [part.label for part in parts(operator, network)]
    assert labels == ["phase(0,0)", "phase(0,1)", "phase(1,0)", "phase(1,1)"]


def test_an_output_smaller_than_the_stride_has_only_the_phases_that_write_something():
    operator, network = single(
        "ConvTranspose",
        {"x": (1, 1, 1), "w": (1, 1, 3)},
        (1, 1, 2),
        frozenset("w"),
        groups=1,
        strides=(3,),
        dilations=(1,),
        pads=(0, 1),
        output_padding=(0,),
    )
    assert [part.label for part in parts(operator, network)] == ["phase(0)", "phase(1)"]


@pytest.mark.parametrize(
    ("a", "b", "trans_a", "trans_b"),
    [
        ((3, 4), (4, 5), False, False),
        ((4, 3), (4, 5), True, False),
        ((3, 4), (5, 4), False, True),
        ((4, 3), (5, 4), True, True),
        ((2, 3, 4), (4, 5), False, False),
        ((2, 3, 4), (2, 4, 5), False, False),
        ((3, 4), (2, 4, 5), False, False),
        ((1, 2, 3, 4), (3, 1, 4, 5), False, False),
        ((1, 3, 4), (1, 4, 5), False, False),
        ((2, 1, 3, 4), (2, 4, 1), False, False),
    ],
)
def test_a_matrix_product_is_its_nest(a, b, trans_a, trans_b):
    rng = np.random.default_rng(1)
    left, right = small_integers(rng, a), small_integers(rng, b)
    expected = np.matmul(left.swapaxes(-1, -2) if trans_a else left, right.swapaxes(-1, -2) if trans_b else right)
    operator, network = single("MatMul", {"a": a, "b": b}, expected.shape, trans_a=trans_a, trans_b=trans_b)
    (part,) = parts(operator, network)
    check_form(part)
    assert [operand.role for operand in part.nest.operands] == ["input", "weight", "output"]
    assert np.array_equal(contracted((part,), {"a": left, "b": right}, expected.shape), expected)
