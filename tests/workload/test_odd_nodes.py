"""Nodes at the edge of what is supported: what no runtime would execute is refused by a documented constraint."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tilewright.errors import InputError
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


IMAGE = [1, 3, 4, 5]
REFUSED = {
    "a stride larger than the kernel": (
        ("ConvTranspose", IMAGE, floats(3, 2, 1, 2)),
        {"strides": [2, 2]},
        "reaches every row and column",
    ),
    "a stride and a dilation with a common divisor": (
        ("ConvTranspose", IMAGE, floats(3, 2, 3, 3)),
        {"strides": [2, 2], "dilations": [2, 2]},
        "reaches every row and column",
    ),
    "too much output padding": (
        ("ConvTranspose", IMAGE, floats(3, 2, 3, 3)),
        {"strides": [2, 2], "output_padding": [2, 0]},
        "Output padding is smaller",
    ),
    "an output shape below the input's": (
        ("ConvTranspose", IMAGE, floats(3, 2, 3, 3)),
        {"strides": [2, 2], "output_shape": [3, 3]},
        "An output shape",
    ),
    "an output shape out of reach": (
        ("ConvTranspose", IMAGE, floats(3, 2, 3, 3)),
        {"strides": [2, 2], "output_shape": [30, 30]},
        "An output shape",
    ),
    "a bias that is a matrix": (("Conv", IMAGE, floats(4, 3, 3, 3), floats(4, 1)), {}, "The bias is a vector"),
    "a third factor of another width": (("Gemm", [2, 5], floats(5, 3), floats(4)), {}, "The third input"),
    "a third factor with more rows": (("Gemm", [1, 5], floats(5, 3), floats(2, 3)), {}, "The third input"),
    "a slope for other channels": (("PRelu", IMAGE, floats(2, 1, 1)), {}, "The slope can be broadcast"),
    "a limit per element": (("Clip", [1, 4], floats(4)), {}, "Each limit is a single number"),
    "a permutation of some axes": (("Transpose", [1, 4, 5]), {"perm": [0, 1]}, "names every axis once"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_node_that_nothing_could_execute_is_refused_with_the_constraint(what, save, single):
    node, attributes, sentence = REFUSED[what]
    with pytest.raises(InputError, match=f"node 'node'.*needed: .*{sentence}"):
        load_model(save(single(*node, **attributes)))


def test_an_output_shape_just_beyond_the_reach_gets_output_padding(save, single):
    model = single("ConvTranspose", IMAGE, floats(3, 2, 3, 3), strides=[2, 2], output_shape=[10, 12])
    network = load_model(save(model))
    assert network.operators[0]["output_padding"] == (1, 1)
    assert network.operators[0]["pads"] == (0, 0, 0, 0)


def test_a_late_window_is_left_out_also_where_automatic_padding_is_set_to_none(save, single):
    model = single(
        "MaxPool", [1, 3, 6, 6], kernel_shape=[2, 2], strides=[4, 4], ceil_mode=1, pads=[0, 0, 1, 1], auto_pad="NOTSET"
    )
    network = load_model(save(model))
    assert network.shape(network.outputs[0]) == (1, 3, 2, 2)


def test_whole_numbers_are_divided_and_not_multiplied_by_the_inverse(save):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Div", ["a", "k"], ["y"])]
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [2, 3]) for name in "xby"]
    graph = helper.make_graph(nodes, "g", infos[:2], infos[2:], [onnx.numpy_helper.from_array(np.int64(2), "k")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert [operator["function"] for operator in rewrite(load_model(save(model))).operators] == ["Add", "Div"]
