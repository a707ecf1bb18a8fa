"""Rewritten networks compute what onnxruntime computes from the original model, and are as short as they should be."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from tests.workload.conftest import make_model
from tests.workload.evaluate import evaluate

from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite


class Graph:
    """An ONNX model written node by node, with random constants."""

    def __init__(self, *shape: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.rng = np.random.default_rng(0)
        self.shape = shape

    def constant(self, *shape: int, value: float | None = None, positive: bool = False) -> str:
        name = f"c{len(self.constants)}"
        drawn = self.rng.normal(size=shape) if value is None else np.full(shape, value)
        self.constants[name] = (np.abs(drawn) + 0.5 if positive else drawn).astype(np.float32)
        return name

    def op(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name=f"node{len(self.nodes)}", **attributes))
        return name

    def conv(self, x: str = "x", channels: int = 3, filters: int = 4, bias: bool = True, groups: int = 1) -> str:
        extra = [self.constant(filters)] if bias else []
        weight = self.constant(filters, channels // groups, 3, 3)
        return self.op("Conv", x, weight, *extra, pads=[1, 1, 1, 1], group=groups)

    def batch_norm(self, x: str, channels: int = 4) -> str:
        scale, bias, mean = (self.constant(channels) for _ in range(3))
        return self.op("BatchNormalization", x, scale, bias, mean, self.constant(channels, positive=True), epsilon=1e-3)

    def number(self, value: float) -> str:
        return self.constant(value=value)

    def model(self, *outputs: str) -> onnx.ModelProto:
        return make_model(self.nodes, {"x": self.shape}, outputs or [self.nodes[-1].output[0]], self.constants)


def compare(model: onnx.ModelProto, path: Path) -> Network:
    """Rewrite the model's network, evaluate it, compare all outputs with onnxruntime; returns the network."""
    path = path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    network = rewrite(load_model(path))
    store = ConstantStore(network, "stored")
    names = {tensor.name for tensor in network.tensors if tensor.constant}
    names |= {name for derived in network.derived for name in derived.inputs}
    rng = np.random.default_rng(1)
    inputs = {name: 2 * rng.normal(size=network.shape(name)).astype(np.float32) for name in network.inputs}
    values = evaluate(network, inputs, {name: store.value(name) for name in names})
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    for name, expected in zip(network.outputs, session.run(list(network.outputs), inputs), strict=True):
        assert expected.shape == network.shape(name)
        np.testing.assert_allclose(values[name], expected, rtol=2e-4, atol=2e-4 * np.abs(expected).max())
    return network


def kinds(network: Network) -> list[str]:
    return [operator.kind for operator in network.operators]


def epilogue(network: Network, at: int = 0) -> list[str]:
    return [activation.function for activation in network.operators[at].epilogue]


# Folding into multiply-accumulates


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("groups", [1, 2])
def test_batch_normalisation_folds_into_a_convolution(tmp_path, bias, groups):
    g = Graph(1, 4, 5, 5)
    g.batch_norm(g.conv(channels=4, groups=groups, bias=bias))
    assert kinds(compare(g.model(), tmp_path)) == ["Conv"]


@pytest.mark.parametrize("groups", [1, 2])
def test_batch_normalisation_folds_into_a_transposed_convolution(tmp_path, groups):
    g = Graph(1, 4, 3, 3)
    y = g.op("ConvTranspose", "x", g.constant(4, 3, 2, 2), strides=[2, 2], group=groups)
    g.batch_norm(y, channels=3 * groups)
    assert kinds(compare(g.model(), tmp_path)) == ["ConvTranspose"]


@pytest.mark.parametrize("transposed", [0, 1])
def test_batch_normalisation_folds_into_a_matrix_product(tmp_path, transposed):
    g = Graph(3, 6)
    weight = g.constant(*((4, 6) if transposed else (6, 4)))
    g.batch_norm(g.op("Gemm", "x", weight, g.constant(4), transB=transposed))
    assert kinds(compare(g.model(), tmp_path)) == ["MatMul"]


def test_batch_normalisation_along_the_rows_of_a_product_does_not_fold(tmp_path):
    g = Graph(1, 4, 6)
    g.batch_norm(g.op("MatMul", "x", g.constant(6, 5)))
    assert kinds(compare(g.model(), tmp_path)) == ["MatMul", "BatchNormalization"]


def test_batch_normalisation_does_not_fold_past_a_nonlinearity(tmp_path):
    g = Graph(1, 3, 5, 5)
    g.batch_norm(g.op("Relu", g.conv()))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv", "BatchNormalization"]
    assert epilogue(network) == ["Relu"]


def test_nothing_folds_into_a_result_that_something_else_reads(tmp_path):
    g = Graph(1, 3, 5, 5)
    y = g.conv()
    g.op("Add", g.batch_norm(y), y)
    assert kinds(compare(g.model(), tmp_path)) == ["Conv", "BatchNormalization", "Elementwise"]


def test_nothing_folds_into_an_output_of_the_network(tmp_path):
    g = Graph(1, 3, 5, 5)
    y = g.conv()
    z = g.op("Relu", g.batch_norm(y))
    network = compare(g.model(y, z), tmp_path)
    assert kinds(network) == ["Conv", "BatchNormalization"]
    assert network.outputs == (y, z)


STEPS = [("Mul", False), ("Div", False), ("Add", False), ("Sub", False), ("Mul", True), ("Add", True)]


@pytest.mark.parametrize(("step", "constant_first"), STEPS)
@pytest.mark.parametrize("shape", [(4, 1, 1), (1, 4, 1, 1), (1,), ()])
@pytest.mark.parametrize("bias", [True, False])
def test_constants_per_channel_fold_into_a_convolution(tmp_path, step, constant_first, shape, bias):
    g = Graph(2, 3, 5, 5)
    operands = [g.conv(bias=bias), g.constant(*shape, positive=True)]
    g.op(step, *(reversed(operands) if constant_first else operands))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv"]
    assert network.operators[0].epilogue == ()


@pytest.mark.parametrize("step", ["Mul", "Div", "Add", "Sub"])
@pytest.mark.parametrize("shape", [(4,), (1, 1, 4), ()])
def test_constants_per_column_fold_into_a_matrix_product(tmp_path, step, shape):
    g = Graph(2, 3, 6)
    g.op(step, g.op("MatMul", "x", g.constant(6, 4)), g.constant(*shape, positive=True))
    assert kinds(compare(g.model(), tmp_path)) == ["MatMul"]


@pytest.mark.parametrize("step", ["Mul", "Add"])
def test_constants_per_channel_fold_into_a_grouped_transposed_convolution(tmp_path, step):
    g = Graph(1, 4, 3, 3)
    y = g.op("ConvTranspose", "x", g.constant(4, 3, 2, 2), g.constant(6), strides=[2, 2], group=2)
    g.op(step, y, g.constant(6, 1, 1))
    assert kinds(compare(g.model(), tmp_path)) == ["ConvTranspose"]


@pytest.mark.parametrize("shape", [(5, 5), (4, 1, 5), (1, 4, 5, 5), (2, 4, 1, 1)])
def test_constants_that_differ_within_a_channel_do_not_fold(tmp_path, shape):
    g = Graph(2, 3, 5, 5)
    g.op("Add", g.conv(), g.constant(*shape))
    assert kinds(compare(g.model(), tmp_path)) == ["Conv", "Elementwise"]


@pytest.mark.parametrize("step", ["Div", "Sub"])
def test_a_constant_divided_by_a_result_or_less_a_result_does_not_fold(tmp_path, step):
    g = Graph(1, 3, 5, 5)
    y = g.op("Conv", "x", g.constant(4, 3, 1, 1, value=1e-3), g.constant(4, positive=True))  # far from zero
    g.op(step, g.constant(4, 1, 1), y)
    assert kinds(compare(g.model(), tmp_path)) == ["Conv", "Elementwise"]


def test_a_chain_of_constants_and_normalisations_folds_as_a_whole(tmp_path):
    g = Graph(1, 3, 5, 5)
    y = g.op("Mul", g.conv(), g.constant(4, 1, 1))
    y = g.batch_norm(g.op("Add", y, g.number(0.5)))
    y = g.op("Add", g.op("Mul", y, g.number(2.0)), g.constant(1, 4, 1, 1))
    g.op("Relu", y)
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv"]
    assert epilogue(network) == ["Relu"]


# Activations


ACTIVATIONS: dict[str, tuple[Callable[[Graph, str], str], str]] = {
    "Relu": (lambda g, x: g.op("Relu", x), "Relu"),
    "Clip": (lambda g, x: g.op("Clip", x, g.number(0.0), g.number(6.0)), "Clip"),
    "Clip from below": (lambda g, x: g.op("Clip", x, g.number(-0.5)), "Clip"),
    "LeakyRelu": (lambda g, x: g.op("LeakyRelu", x, alpha=0.3), "LeakyRelu"),
    "Sigmoid": (lambda g, x: g.op("Sigmoid", x), "Sigmoid"),
    "HardSigmoid": (lambda g, x: g.op("HardSigmoid", x, alpha=0.3, beta=0.4), "HardSigmoid"),
    "HardSwish": (lambda g, x: g.op("HardSwish", x), "HardSwish"),
    "Tanh": (lambda g, x: g.op("Tanh", x), "Tanh"),
    "Erf": (lambda g, x: g.op("Erf", x), "Erf"),
    "PRelu per channel": (lambda g, x: g.op("PRelu", x, g.constant(4, 1, 1)), "PRelu"),
    "PRelu with one slope": (lambda g, x: g.op("PRelu", x, g.constant(1, 1, 1)), "LeakyRelu"),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_joins_its_producer(tmp_path, name):
    build, function = ACTIVATIONS[name]
    g = Graph(1, 3, 5, 5)
    build(g, g.conv())
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv"]
    assert epilogue(network) == [function]


def clipped(g: Graph, x: str) -> str:
    return g.op("Clip", g.op("Add", x, g.number(3.0)), g.number(0.0), g.number(6.0))


def normal(g: Graph, x: str, divide: bool = True) -> str:
    """1 + erf(x / sqrt 2)."""
    y = g.op("Div", x, g.number(sqrt(2))) if divide else g.op("Mul", g.number(1 / sqrt(2)), x)
    return g.op("Add", g.op("Erf", y), g.number(1.0))


PATTERNS: dict[str, tuple[Callable[[Graph, str], str], str]] = {
    "x*sigmoid": (lambda g, x: g.op("Mul", x, g.op("Sigmoid", x)), "SiLU"),
    "sigmoid*x": (lambda g, x: g.op("Mul", g.op("Sigmoid", x), x), "SiLU"),
    "x*hardsigmoid": (lambda g, x: g.op("Mul", x, g.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)), "HardSwish"),
    "x*clip/6": (lambda g, x: g.op("Div", g.op("Mul", x, clipped(g, x)), g.number(6.0)), "HardSwish"),
    "x*(clip/6)": (lambda g, x: g.op("Mul", x, g.op("Div", clipped(g, x), g.number(6.0))), "HardSwish"),
    "clip*x*(1/6)": (lambda g, x: g.op("Mul", g.op("Mul", clipped(g, x), x), g.number(1 / 6)), "HardSwish"),
    "x*normal*.5": (lambda g, x: g.op("Mul", g.op("Mul", x, normal(g, x)), g.number(0.5)), "GELU"),
    "x*.5*normal": (lambda g, x: g.op("Mul", g.op("Mul", x, g.number(0.5)), normal(g, x)), "GELU"),
    "x*(normal*.5)": (lambda g, x: g.op("Mul", x, g.op("Mul", normal(g, x, False), g.number(0.5))), "GELU"),
    "x*(normal/2)": (lambda g, x: g.op("Mul", x, g.op("Div", normal(g, x, False), g.number(2.0))), "GELU"),
    "normal*(.5*x)": (lambda g, x: g.op("Mul", normal(g, x), g.op("Mul", g.number(0.5), x)), "GELU"),
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_spelled_out_activation_joins_its_producer(tmp_path, name):
    build, function = PATTERNS[name]
    g = Graph(1, 3, 5, 5)
    build(g, g.conv())
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv"]
    assert epilogue(network) == [function]


@pytest.mark.parametrize("name", PATTERNS)
def test_a_spelled_out_activation_of_an_input_is_one_operator(tmp_path, name):
    build, function = PATTERNS[name]
    g = Graph(1, 3, 5, 5)
    build(g, "x")
    network = compare(g.model(), tmp_path)
    assert [(operator.kind, operator["function"]) for operator in network.operators] == [("Elementwise", function)]


NEAR_MISSES: dict[str, Callable[[Graph, str], str]] = {
    "sigmoid of something else": lambda g, x: g.op("Mul", x, g.op("Sigmoid", g.op("Relu", x))),
    "another slope": lambda g, x: g.op("Mul", x, g.op("HardSigmoid", x, alpha=0.2, beta=0.5)),
    "no division by six": lambda g, x: g.op("Mul", x, clipped(g, x)),
    "a seventh": lambda g, x: g.op("Div", g.op("Mul", x, clipped(g, x)), g.number(7.0)),
    "not halved": lambda g, x: g.op("Mul", x, normal(g, x)),
    "x twice": lambda g, x: g.op("Mul", g.op("Mul", g.op("Mul", x, normal(g, x)), x), g.number(0.5)),
}


@pytest.mark.parametrize("name", NEAR_MISSES)
def test_what_only_looks_like_an_activation_is_left_alone(tmp_path, name):
    g = Graph(1, 3, 5, 5)
    NEAR_MISSES[name](g, "x")
    network = compare(g.model(), tmp_path)
    functions = {operator["function"] for operator in network.operators}
    functions |= {activation.function for operator in network.operators for activation in operator.epilogue}
    assert not functions & {"SiLU", "HardSwish", "GELU"}


def test_a_gate_that_something_else_reads_is_not_swallowed(tmp_path):
    g = Graph(1, 3, 5, 5)
    gate = g.op("Sigmoid", "x")
    g.op("Add", g.op("Mul", "x", gate), gate)
    network = compare(g.model(), tmp_path)
    assert "SiLU" not in {operator["function"] for operator in network.operators}


def test_activations_and_numbers_chain_in_an_epilogue(tmp_path):
    g = Graph(1, 3, 5, 5)
    y = g.op("Relu", g.conv())
    y = g.op("Sub", g.number(1.0), g.op("Add", g.op("Mul", y, g.number(2.0)), g.number(0.25)))
    g.op("Tanh", y)
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Conv"]
    assert epilogue(network) == ["Relu", "Affine", "Tanh"]


def test_every_executed_producer_takes_an_activation_and_no_move_does(tmp_path):
    g = Graph(1, 4, 4, 4)
    y = g.op("Relu", g.op("Add", "x", g.op("MaxPool", "x", kernel_shape=[1, 1])))
    y = g.op("Relu", g.op("AveragePool", y, kernel_shape=[2, 2], strides=[2, 2]))
    g.op("Relu", g.op("Transpose", y, perm=[0, 3, 1, 2]))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Pool", "Elementwise", "Pool", "Transpose", "Elementwise"]
    assert [epilogue(network, i) for i in range(5)] == [[], ["Relu"], ["Relu"], [], []]


def test_a_product_of_two_results_is_no_activation(tmp_path):
    g = Graph(1, 3, 5, 5)
    g.op("Mul", g.conv(), g.conv())
    assert kinds(compare(g.model(), tmp_path)) == ["Conv", "Conv", "Elementwise"]


# Instance normalisation


def instance_norm(g: Graph, x: str, epsilon: float = 0.5) -> str:
    return g.op("InstanceNormalization", x, g.constant(3), g.constant(3), epsilon=epsilon)


@pytest.mark.parametrize("step", ["Mul", "Div"])
@pytest.mark.parametrize("shape", [(3, 1, 1), ()])
def test_a_scale_after_instance_normalisation_folds(tmp_path, step, shape):
    g = Graph(1, 3, 5, 5)
    g.op(step, instance_norm(g, "x"), g.constant(*shape, positive=True))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["InstanceNormalization"]
    assert network.notes == ()


def test_a_scale_before_instance_normalisation_stays_and_a_note_says_why(tmp_path):
    g = Graph(1, 3, 5, 5)
    instance_norm(g, g.op("Mul", "x", g.number(0.1)))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Elementwise", "InstanceNormalization"]
    (note,) = network.notes
    assert "node0" in note
    assert "node1" in note
    assert "epsilon" in note


def test_folding_a_scale_before_instance_normalisation_would_be_wrong():
    """Without epsilon the scale cancels, with it no scale and bias of the normalisation give the same result."""
    x = np.random.default_rng(0).normal(size=(1, 1, 6))

    def norm(value: np.ndarray, epsilon: float) -> np.ndarray:
        return (value - value.mean()) / np.sqrt(value.var() + epsilon)

    for epsilon, equal in ((0.0, True), (0.5, False)):
        behind, before = 0.1 * norm(x, epsilon), norm(0.1 * x, epsilon)
        assert np.allclose(0.1 * norm(x, epsilon), behind)
        assert np.allclose(before, norm(x, epsilon)) == equal
        assert np.allclose(before, behind) is False


# Identities


def test_identities_dropout_and_moves_that_move_nothing_are_dropped(tmp_path):
    g = Graph(1, 3, 5, 5)
    g.constants["shape"] = np.array([1, 3, 5, 5])
    g.constants["pads"] = np.zeros(8, dtype=np.int64)
    y = g.op("Dropout", g.op("Identity", "x"))
    y = g.op("Pad", g.op("Reshape", y, "shape"), "pads")
    g.op("Relu", g.op("Transpose", y, perm=[0, 1, 2, 3]))
    network = compare(g.model(), tmp_path)
    assert kinds(network) == ["Elementwise"]


def test_an_identity_before_an_output_gives_its_name_to_the_result(tmp_path):
    g = Graph(1, 3, 5, 5)
    inner = g.op("Relu", "x")
    kept, other = g.op("Identity", inner), g.op("Sigmoid", inner)
    network = compare(g.model(kept, other), tmp_path)
    assert kinds(network) == ["Elementwise", "Elementwise"]
    assert network.outputs == (kept, other)


def test_an_identity_between_two_names_that_must_stay_is_kept(tmp_path):
    g = Graph(1, 3, 5, 5)
    inner = g.op("Relu", "x")
    network = compare(g.model(inner, g.op("Identity", inner), g.op("Identity", "x")), tmp_path)
    assert kinds(network) == ["Elementwise", "Identity", "Identity"]


def test_of_two_identities_before_outputs_one_is_kept(tmp_path):
    g = Graph(1, 3, 5, 5)
    inner = g.op("Relu", "x")
    outputs = g.op("Identity", inner), g.op("Identity", inner)
    network = compare(g.model(*outputs), tmp_path)
    assert kinds(network) == ["Elementwise", "Identity"]
    assert network.outputs == outputs
