"""Nests of the vector unit's operators, point by point, against onnxruntime and numpy."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import helper
from tests.workload.points import check_form, one_index, operand_indices, points_of, single, tensor_index, windows
from tests.workload.runtime import run_graph, run_node, small_integers

from tilewright.workload.parts import parts


@pytest.mark.parametrize(
    ("shapes", "out"),
    [
        ([(2, 3, 4, 5), (2, 3, 4, 5)], (2, 3, 4, 5)),
        ([(2, 3, 4, 5), (3, 1, 1)], (2, 3, 4, 5)),
        ([(2, 3, 1, 1), (1, 3, 4, 5)], (2, 3, 4, 5)),
        ([(3, 4), (5, 1, 4)], (5, 3, 4)),
        ([(4,), (4,)], (4,)),
        ([(), (2, 1)], (2, 1)),
        ([(), ()], ()),
    ],
)
def test_elementwise_operands_are_broadcast(shapes, out):
    rng = np.random.default_rng(0)
    names = [f"x{i}" for i in range(len(shapes))]
    arrays = {name: small_integers(rng, shape) for name, shape in zip(names, shapes, strict=True)}
    operator, network = single(
        "Elementwise",
        {name: array.shape for name, array in arrays.items()},
        out,
        function="Mul",
        constants=(None, None),
    )
    (part,) = parts(operator, network)
    check_form(part)
    expected = arrays["x0"] * arrays["x1"]
    first = windows(part, "input", arrays["x0"], len(out))
    second = windows(part, "input2", arrays["x1"], len(out))
    assert set(first) == set(np.ndindex(*out))
    for index in np.ndindex(*out):
        ((_, a),), ((_, b),) = first[index], second[index]
        assert a * b == expected[index]


@pytest.mark.parametrize(
    ("function", "constants", "operations"),
    [("Relu", (None,), 1), ("Clip", (None,), 1), ("Add", (None, 3.0), 1), ("Sum", (None, None, 1.0), 2)],
)
def test_an_elementwise_function_counts_its_operations(function, constants, operations):
    inputs = {f"x{i}": (4,) for i, constant in enumerate(constants) if constant is None}
    operator, network = single("Elementwise", inputs, (4,), function=function, constants=constants)
    assert parts(operator, network)[0].nest.work.operations == operations


def test_a_tensor_read_twice_has_two_operands():
    operator, network = single("Elementwise", {"x": (4,)}, (4,), function="Mul", constants=(None, None))
    (part,) = parts(replace(operator, inputs=("x", "x")), network)
    assert part.tensors == (("input", "x"), ("input2", "x"), ("output", "y"))


@st.composite
def pools(draw: st.DrawFn) -> dict[str, object]:
    axes = draw(st.integers(1, 2))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * axes))
    pads = tuple(draw(st.integers(0, k - 1)) for k in kernel * 2)
    return {
        "sizes": draw(st.tuples(*[st.integers(1, 7)] * axes)),
        "kernel_shape": kernel,
        "strides": draw(st.tuples(*[st.integers(1, 3)] * axes)),
        "dilations": draw(st.tuples(*[st.integers(1, 2)] * axes)),
        "pads": pads,
        "seed": draw(st.integers(0, 99)),
    }


@settings(max_examples=50)
@given(pools(), st.sampled_from(["max", "average", "average with padding"]))
def test_a_pool_is_its_nest(case, function):
    axes = len(case["kernel_shape"])
    x = small_integers(np.random.default_rng(case["seed"]), (2, 2, *case["sizes"]))
    attributes = {name: case[name] for name in ("kernel_shape", "strides", "dilations", "pads")}
    for i in range(axes):
        span = (case["kernel_shape"][i] - 1) * case["dilations"][i] + 1
        assume(case["sizes"][i] + case["pads"][i] + case["pads"][axes + i] >= span)
    if function == "max":
        expected = run_node("MaxPool", {"x": x}, **attributes)
    else:
        expected = run_node(
            "AveragePool", {"x": x}, opset=19, count_include_pad=int(function != "average"), **attributes
        )
    operator, network = single(
        "Pool",
        {"x": x.shape},
        expected.shape,
        function=function.split()[0],
        kernel=case["kernel_shape"],
        strides=case["strides"],
        dilations=case["dilations"],
        pads=case["pads"],
        count_include_pad=function == "average with padding",
    )
    (part,) = parts(operator, network)
    check_form(part)
    assert part.nest.whole == {"S"} | ({"R"} if axes == 2 else set())
    assert part.nest.work.operations == np.prod(case["kernel_shape"])
    found = windows(part, "input", x, x.ndim)
    assert set(found) == set(np.ndindex(*expected.shape))
    for index, window in found.items():
        values = [value for _, value in window if value is not None]
        if function == "max":
            assert max(values, default=np.finfo(np.float32).min) == expected[index]
        elif values:  # onnxruntime divides 0 by 0 where a window holds nothing but padding
            count = len(window) if function == "average with padding" else len(values)
            assert sum(values) / count == pytest.approx(expected[index], abs=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_local_response_normalisation_reads_its_channels(size):
    x = small_integers(np.random.default_rng(size), (1, 4, 2, 3))
    expected = run_node("LRN", {"x": x}, size=size, alpha=0.5, beta=0.75, bias=2.0)
    operator, network = single("LRN", {"x": x.shape}, x.shape, size=size, alpha=0.5, beta=0.75, bias=2.0)
    (part,) = parts(operator, network)
    check_form(part)
    for index, window in windows(part, "input", x, 4).items():
        squares = sum(value**2 for _, value in window if value is not None)
        assert x[index] / (2.0 + 0.5 / size * squares) ** 0.75 == pytest.approx(expected[index], rel=1e-5)


def test_an_even_response_window_has_its_larger_half_behind_the_channel():
    x = np.arange(6.0).reshape(1, 6, 1)
    operator, network = single("LRN", {"x": x.shape}, x.shape, size=4, alpha=0.5, beta=0.75, bias=2.0)
    found = windows(parts(operator, network)[0], "input", x, 3)
    assert [value for _, value in found[0, 3, 0]] == [2, 3, 4, 5]
    assert [value for _, value in found[0, 0, 0]] == [None, 0, 1, 2]


def source_rule(mode: str, size: int, out: int) -> tuple[int, int, int]:
    """The source position as (numerator, addend, denominator), from the formulas of the ONNX standard."""
    scale = Fraction(out, size)
    if mode == "asymmetric":
        slope, shift = 1 / scale, Fraction(0)
    elif mode == "align_corners":
        slope, shift = (Fraction(size - 1, out - 1) if out > 1 else Fraction(0)), Fraction(0)
    else:
        slope, shift = 1 / scale, Fraction(1, 2) / scale - Fraction(1, 2)
    denominator = slope.denominator * shift.denominator
    return int(slope * denominator), int(shift * denominator), denominator


def reference_resize(x: np.ndarray, sizes: np.ndarray, mode: str, nearest: str, coordinates: str) -> np.ndarray:
    attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
    if mode == "nearest":
        attributes["nearest_mode"] = nearest
    constant = helper.make_node(
        "Constant", [], ["s"], value=helper.make_tensor("s", 7, (len(sizes),), [int(size) for size in sizes])
    )
    node = helper.make_node("Resize", ["x", "", "", "s"], ["y"], **attributes)
    return run_graph([constant, node], {"x": x}, ["y"], opset=13)[0]


SIZES = [(4, 8), (4, 4), (5, 10), (3, 7), (6, 4), (8, 2), (1, 3), (1, 1), (5, 1)]


@pytest.mark.parametrize("mode", ["asymmetric", "half_pixel", "align_corners"])
@pytest.mark.parametrize("nearest", ["floor", "ceil", "round_prefer_floor", "round_prefer_ceil"])
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_nearest_resizing_reads_one_exact_place(mode, nearest, size, out):
    x = np.arange(size, dtype=np.float32).reshape(1, 1, size, 1)
    sizes = np.array([1, 1, out, 1], dtype=np.int64)
    expected = reference_resize(x, sizes, "nearest", nearest, mode)
    operator, network = single(
        "Resize",
        {"x": x.shape},
        expected.shape,
        mode="nearest",
        nearest_mode=nearest,
        coordinates=((1, 0, 1), (1, 0, 1), source_rule(mode, size, out), (1, 0, 1)),
    )
    (part,) = parts(operator, network)
    check_form(part)
    assert part.nest.work.operations == 1
    for index, window in windows(part, "input", x, 4).items():
        ((_, value),) = window
        assert value == expected[index]


@pytest.mark.parametrize("mode", ["asymmetric", "half_pixel", "align_corners"])
@pytest.mark.parametrize(("size", "out"), SIZES)
def test_linear_resizing_reads_the_two_neighbours(mode, size, out):
    x = small_integers(np.random.default_rng(3), (1, 1, size, 1))
    expected = reference_resize(x, np.array([1, 1, out, 1], dtype=np.int64), "linear", "floor", mode)
    numerator, addend, denominator = rule = source_rule(mode, size, out)
    operator, network = single(
        "Resize",
        {"x": x.shape},
        expected.shape,
        mode="linear",
        nearest_mode="",
        coordinates=((1, 0, 1), (1, 0, 1), rule, (1, 0, 1)),
    )
    (part,) = parts(operator, network)
    assert part.nest.work.operations == 4
    for index, window in windows(part, "input", x, 4).items():
        values = [value for _, value in window]
        fraction = ((numerator * index[2] + addend) % denominator) / denominator
        low, high = values[0], values[-1]
        assert low * (1 - fraction) + high * fraction == pytest.approx(expected[index], abs=1e-5)


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("axes", [(2, 3), (1,), (0, 2), (0, 1, 2, 3)])
def test_a_reduction_adds_up_what_its_points_touch(axes, keepdims):
    x = small_integers(np.random.default_rng(5), (2, 3, 4, 2))
    expected = np.asarray(x.sum(axis=axes, keepdims=keepdims))
    operator, network = single("Reduce", {"x": x.shape}, expected.shape, function="sum", axes=axes, keepdims=keepdims)
    (part,) = parts(operator, network)
    check_form(part)
    assert part.nest.points == x.size
    assert set(part.nest.work.reduced) == part.nest.reduction_dims
    found = windows(part, "input", x, expected.ndim)
    assert set(found) == set(np.ndindex(*expected.shape))
    for index, window in found.items():
        assert sum(value for _, value in window) == expected[index]


@pytest.mark.parametrize(
    ("kind", "attributes", "shape", "axes"),
    [
        ("Softmax", {"axis": 1}, (2, 3, 4), (1,)),
        ("Softmax", {"axis": 3}, (1, 2, 3, 4), (3,)),
        ("LayerNormalization", {"axis": 2, "epsilon": 1e-5}, (1, 3, 4), (2,)),
        ("LayerNormalization", {"axis": 1, "epsilon": 1e-5}, (2, 3, 4), (1, 2)),
        ("InstanceNormalization", {"epsilon": 1e-5}, (1, 3, 4, 5), (2, 3)),
    ],
)
def test_a_normalisation_passes_three_times_over_its_rows(kind, attributes, shape, axes):
    operator, network = single(kind, {"x": shape}, shape, **attributes)
    (part,) = parts(operator, network)
    check_form(part)
    nest = part.nest
    assert nest.extents["pass"] == 3
    assert "pass" not in nest.operand("input").dims | nest.output.dims
    assert nest.points == 3 * np.prod(shape)
    assert nest.work.exponentials == (kind == "Softmax")
    names = [name for name, _ in nest.dims]
    assert all(names.index("pass") < names.index(name) for name in nest.work.reduced)
    x = np.arange(np.prod(shape), dtype=float).reshape(shape)
    rows: dict[tuple[int, ...], set[float]] = {}
    for point in points_of(nest):
        row = tuple(value for name, value in point.items() if name not in (*nest.work.reduced, "pass"))
        index = one_index(nest.operand("input"), point, len(shape))
        assert index == one_index(nest.output, point, len(shape))
        rows.setdefault(row, set()).add(x[index])
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    expected = x.transpose(*kept, *axes).reshape(-1, int(np.prod([shape[axis] for axis in axes])))
    assert sorted(map(sorted, rows.values())) == sorted(map(sorted, expected.tolist()))


def test_batch_normalisation_is_one_pass_of_three_operations():
    operator, network = single("BatchNormalization", {"x": (1, 3, 4, 4)}, (1, 3, 4, 4), epsilon=1e-5)
    (part,) = parts(operator, network)
    assert (part.nest.work.kind, part.nest.work.operations) == ("map", 3)
    for point in points_of(part.nest):
        (index,) = operand_indices(part.nest.operand("input"), point)
        assert tensor_index(part.nest.operand("input"), index, 4) == tuple(point.values())
