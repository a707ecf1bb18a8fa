"""Every operator, executed in random tiles, against onnxruntime."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulate.build import flat, machine, tiled
from tests.simulate.models import normal, one_node, run

from tilewright.simulate.kernels.functions import erf, gelu

INT = np.int64


def positive(seed: int, *shape: int) -> np.ndarray:
    return np.abs(normal(seed, *shape)) + np.float32(0.5)


CASES: dict[str, onnx.ModelProto] = {
    "add": one_node("Add", [(2, 5, 4, 3), (2, 5, 4, 3)]),
    "add with broadcasting": one_node("Add", [(2, 5, 4, 3), (5, 1, 3)]),
    "sub a constant": one_node("Sub", [(2, 5, 4, 3)], [normal(1, 5, 1, 1)]),
    "mul by a scalar": one_node("Mul", [(3, 7)], [np.float32(0.3)]),
    "div": one_node("Div", [(3, 7)], [positive(2, 3, 1)]),
    "pow": one_node("Pow", [(3, 7)], [np.float32(2.0)]),
    "sum of three": one_node("Sum", [(3, 7), (3, 7), (1, 7)]),
    "max": one_node("Max", [(3, 7), (3, 7)]),
    "min": one_node("Min", [(3, 7), (3, 7)]),
    "abs": one_node("Abs", [(4, 6)]),
    "neg": one_node("Neg", [(4, 6)]),
    "relu": one_node("Relu", [(2, 3, 4, 5)]),
    "clip": one_node("Clip", [(2, 3, 4, 5)], [np.float32(-0.5), np.float32(0.7)]),
    "leaky relu": one_node("LeakyRelu", [(4, 6)], alpha=0.2),
    "prelu": one_node("PRelu", [(2, 3, 4, 5)], [normal(3, 3, 1, 1)]),
    "sigmoid": one_node("Sigmoid", [(4, 6)]),
    "hard sigmoid": one_node("HardSigmoid", [(4, 6)], alpha=0.3, beta=0.4),
    "hard swish": one_node("HardSwish", [(4, 6)]),
    "tanh": one_node("Tanh", [(4, 6)]),
    "erf": one_node("Erf", [(4, 6)]),
    "exp": one_node("Exp", [(4, 6)]),
    "softplus": one_node("Softplus", [(4, 6)]),
    "elu": one_node("Elu", [(4, 6)], alpha=0.7),
    "gelu": one_node("Gelu", [(4, 6)], opset=20),
    "gelu by tanh": one_node("Gelu", [(4, 6)], opset=20, approximate="tanh"),
    "batch normalization": one_node(
        "BatchNormalization", [(2, 5, 4, 3)], [normal(1, 5), normal(2, 5), normal(3, 5), positive(4, 5)]
    ),
    "lrn": one_node("LRN", [(2, 9, 3, 4)], size=5, alpha=0.02, beta=0.6, bias=1.5),
    "nearest resize": one_node(
        "Resize",
        [(1, 3, 5, 4)],
        [None, np.array([1, 1, 2, 3], np.float32)],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    ),
    "nearest resize, rounded": one_node(
        "Resize",
        [(1, 3, 5, 4)],
        [None, None, np.array([1, 3, 7, 9], INT)],
        mode="nearest",
        nearest_mode="round_prefer_ceil",
    ),
    "linear resize": one_node(
        "Resize",
        [(1, 3, 5, 4)],
        [None, np.array([1, 1, 2, 2], np.float32)],
        mode="linear",
    ),
    "linear resize, corners aligned": one_node(
        "Resize",
        [(1, 3, 5, 4)],
        [None, None, np.array([1, 3, 11, 7], INT)],
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "linear resize to less": one_node(
        "Resize",
        [(1, 3, 9, 8)],
        [None, None, np.array([1, 3, 4, 3], INT)],
        mode="linear",
    ),
    "global average pool": one_node("GlobalAveragePool", [(2, 5, 6, 7)]),
    "global max pool": one_node("GlobalMaxPool", [(2, 5, 6, 7)]),
    "reduce mean": one_node("ReduceMean", [(3, 5, 7)], axes=[1], keepdims=0),
    "reduce sum": one_node("ReduceSum", [(3, 5, 7)], [np.array([0, 2], INT)]),
    "reduce max": one_node("ReduceMax", [(3, 5, 7)], axes=[2]),
    "softmax": one_node("Softmax", [(3, 5, 7)], axis=-1),
    "softmax over channels": one_node("Softmax", [(2, 5, 3, 4)], axis=1),
    "layer normalization": one_node("LayerNormalization", [(2, 6, 8)], [normal(1, 8), normal(2, 8)]),
    "layer normalization over two axes": one_node("LayerNormalization", [(2, 6, 8)], [normal(1, 6, 8)], axis=1),
    "instance normalization": one_node("InstanceNormalization", [(2, 3, 5, 4)], [normal(1, 3), normal(2, 3)]),
    "transpose": one_node("Transpose", [(2, 3, 4, 5)], perm=[0, 3, 1, 2]),
    "pad": one_node("Pad", [(2, 3, 4, 5)], [np.array([0, 1, 2, 0, 0, 0, 1, 3], INT), np.float32(1.25)]),
    "crop": one_node("Pad", [(1, 3, 6, 5)], [np.array([0, 0, -2, 1, 0, 0, -1, 0], INT)]),
    "expand": one_node("Expand", [(3, 1, 5)], [np.array([2, 3, 4, 5], INT)]),
    "reshape": one_node("Reshape", [(2, 6, 4, 5)], [np.array([2, 3, 40], INT)]),
    "slice": one_node(
        "Slice",
        [(2, 9, 4, 5)],
        [np.array([1, 0], INT), np.array([8, 4], INT), np.array([1, 2], INT), np.array([3, 2], INT)],
    ),
    "concat": one_node("Concat", [(2, 3, 4), (2, 5, 4)], axis=1),
    "matmul": one_node("MatMul", [(7, 9)], [normal(5, 9, 6)]),
    "matmul of two inputs": one_node("MatMul", [(2, 3, 5, 4), (3, 4, 6)]),
    "matmul with a vector": one_node("MatMul", [(5, 4)], [normal(6, 4)]),
    "gemm": one_node("Gemm", [(4, 6)], [normal(7, 5, 6), normal(8, 5)], transB=1),
    "gemm, transposed and scaled": one_node(
        "Gemm", [(6, 4)], [normal(7, 6, 5), normal(8, 1, 5)], transA=1, alpha=0.5, beta=2.0
    ),
    "convolution of one axis": one_node("Conv", [(2, 4, 11)], [normal(9, 6, 2, 3)], group=2, strides=[2], pads=[2, 0]),
}


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
@pytest.mark.parametrize("name", CASES)
def test_operators_in_random_tiles_compute_what_onnxruntime_computes(name: str, layout: str, tmp_path: Path) -> None:
    for seed in range(6):
        errors = run(CASES[name], tmp_path, mapper=tiled(seed) if seed else flat, arch=machine(layout=layout))
        assert all(error.relative < 2e-6 for error in errors), (seed, errors)


@settings(max_examples=60)
@given(data=st.data())
def test_convolutions_of_any_form_compute_what_onnxruntime_computes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    channels, filters = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel = [draw(st.integers(1, 3)), draw(st.integers(1, 4))]
    dilations = [draw(st.integers(1, 2)), draw(st.integers(1, 3))]
    pads = [draw(st.integers(0, 2)) for _ in range(4)]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = [draw(st.integers(max(1, r - 1), r + 6)) for r in reach]
    size = [max(s, r - pads[i] - pads[i + 2]) for i, (s, r) in enumerate(zip(size, reach, strict=True))]
    made = one_node(
        "Conv",
        [(draw(st.integers(1, 2)), channels, *size)],
        [normal(1, filters, channels // groups, *kernel), normal(2, filters)],
        group=groups,
        dilations=dilations,
        pads=pads,
        strides=[draw(st.integers(1, 3)), draw(st.integers(1, 2))],
    )
    check(made, draw(st.integers(0, 10**6)), tmp_path_factory)


@settings(max_examples=30)
@given(data=st.data())
def test_transposed_convolutions_of_any_form_compute_what_onnxruntime_computes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    groups = draw(st.integers(1, 2))
    channels, filters = groups * draw(st.integers(1, 2)), draw(st.integers(1, 2))
    strides = [draw(st.integers(1, 3)), draw(st.integers(1, 2))]
    kernel = [draw(st.integers(s, 4)) for s in strides]
    pads = [draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)]
    made = one_node(
        "ConvTranspose",
        [(1, channels, draw(st.integers(3, 6)), draw(st.integers(4, 6)))],
        [normal(1, channels, filters, *kernel), normal(2, filters * groups)],
        group=groups,
        strides=strides,
        pads=pads,
        output_padding=[draw(st.integers(0, s - 1)) for s in strides],
    )
    check(made, draw(st.integers(0, 10**6)), tmp_path_factory)


@settings(max_examples=40)
@given(data=st.data())
def test_pools_of_any_form_compute_what_onnxruntime_computes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    draw = data.draw
    kernel = [draw(st.integers(1, 4)), draw(st.integers(1, 3))]
    attributes = {
        "kernel_shape": kernel,
        "strides": [draw(st.integers(1, 3)) for _ in kernel],
        "pads": [draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)],
        "ceil_mode": draw(st.integers(0, 1)),
    }
    average = draw(st.booleans())
    if average:
        attributes["count_include_pad"] = draw(st.integers(0, 1))
    else:
        attributes["dilations"] = [draw(st.integers(1, 2)) for _ in kernel]
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(7, 12)), draw(st.integers(5, 9)))
    made = one_node("AveragePool" if average else "MaxPool", [shape], opset=19, **attributes)
    check(made, draw(st.integers(0, 10**6)), tmp_path_factory)


def check(made: onnx.ModelProto, seed: int, folders: pytest.TempPathFactory) -> None:
    errors = run(made, folders.mktemp("model"), seed=seed)
    assert all(error.relative < 2e-6 for error in errors), errors


def test_the_error_function_is_exact_to_single_precision() -> None:
    x = np.linspace(-7, 7, 40_001)
    exact = np.array([math.erf(v) for v in x])
    assert np.abs(erf(x) - exact).max() < 2e-7
    assert np.abs(gelu(x) - 0.5 * x * (1 + np.array([math.erf(v / math.sqrt(2)) for v in x]))).max() < 1e-6
