"""An imported network, written back to ONNX from nothing but its canonical operators, computes what the model did."""

from __future__ import annotations

import os
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network, Operator
from tilewright.workload.onnx_import import load_model

R = np.random.default_rng(7)


def floats(*shape: int) -> np.ndarray:
    return R.standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


class WriteBack:
    """Canonical operators as ONNX nodes with every choice explicit; the source positions of a resize by Gather."""

    def __init__(self, network: Network, store: ConstantStore) -> None:
        self.network, self.nodes, self.constants, self.store = network, [], {}, store
        for tensor in network.tensors:
            if tensor.constant:
                self.constants[tensor.name] = store.value(tensor.name)
        for operator in network.operators:
            getattr(self, operator.kind.lower())(operator, list(operator.inputs), dict(operator.attributes))

    def model(self) -> onnx.ModelProto:
        def info(name: str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, 1, self.network.shape(name))

        graph = helper.make_graph(
            self.nodes,
            "back",
            [info(n) for n in self.network.inputs],
            [info(n) for n in self.network.outputs],
            [numpy_helper.from_array(value, name) for name, value in self.constants.items()],
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

    def add(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], **attributes))
        return output

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        name = f"constant/{len(self.constants)}"
        self.constants[name] = np.asarray(value, dtype=dtype)
        return name

    def with_bias(self, o: Operator, op_type: str, inputs: list[str], **attributes: Any) -> None:
        bias = o.parameter("bias")
        self.add(op_type, inputs + ([bias.tensor] if bias else []), o.output, **attributes)

    def conv(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.with_bias(o, "Conv", x, strides=a["strides"], dilations=a["dilations"], pads=a["pads"], group=a["groups"])

    def convtranspose(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.with_bias(
            o,
            "ConvTranspose",
            x,
            strides=a["strides"],
            dilations=a["dilations"],
            pads=a["pads"],
            group=a["groups"],
            output_padding=a["output_padding"],
        )

    def matmul(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        for slot, flag in enumerate(("trans_a", "trans_b")):
            if a[flag]:
                perm = list(range(len(self.network.shape(x[slot]))))
                perm[-2:] = reversed(perm[-2:])
                x[slot] = self.add("Transpose", [x[slot]], f"{o.output}/{flag}", perm=perm)
        bias = o.parameter("bias")
        product = self.add("MatMul", x, f"{o.output}/product" if bias else o.output)
        if bias:
            assert len(self.network.shape(bias.tensor)) == 1
            self.add("Add", [product, bias.tensor], o.output)

    def elementwise(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        left = iter(x)
        operands = [next(left) if c is None else self.constant(c, np.float32) for c in a["constants"]]
        function, arguments = a["function"], a["arguments"]
        if function == "Clip":
            self.add("Clip", [*operands, *(self.constant(v, np.float32) for v in arguments)], o.output)
        elif function == "Gelu":
            self.add("Gelu", operands, o.output, approximate="tanh" if arguments[0] else "none")
        else:
            self.add(function, operands, o.output, **dict(zip(("alpha", "beta"), arguments, strict=False)))

    def pool(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        spatial = len(a["kernel"])
        shape, out = self.network.shape(x[0]), self.network.shape(o.output)
        extra = {"count_include_pad": int(a["count_include_pad"])} if a["function"] == "average" else {}

        def covers(ceil: bool) -> bool:
            sizes = [
                shape[2 + k] + a["pads"][k] + a["pads"][k + spatial] - (a["kernel"][k] - 1) * a["dilations"][k] - 1
                for k in range(spatial)
            ]
            return all(
                (-(-s // d) if ceil else s // d) + 1 == out[2 + k]
                for k, (s, d) in enumerate(zip(sizes, a["strides"], strict=True))
            )

        self.add(
            {"max": "MaxPool", "average": "AveragePool"}[a["function"]],
            x,
            o.output,
            kernel_shape=a["kernel"],
            strides=a["strides"],
            dilations=a["dilations"],
            pads=a["pads"],
            ceil_mode=int(not covers(False)),
            **extra,
        )

    def lrn(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("LRN", x, o.output, **a)

    def resize(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        current = x[0]
        shape, out = self.network.shape(x[0]), self.network.shape(o.output)
        for axis, (numerator, addend, denominator) in enumerate(a["coordinates"]):
            matrix = np.zeros((out[axis], shape[axis]), np.float32)
            for y in range(out[axis]):
                source = Fraction(numerator * y + addend, denominator)
                for index, weight in taps(source, a["mode"], a["nearest_mode"]):
                    matrix[y, min(max(index, 0), shape[axis] - 1)] += float(weight)
            moved = list(range(len(shape)))
            moved[axis], moved[-1] = moved[-1], moved[axis]
            turned = self.add("Transpose", [current], f"{o.output}/t{axis}", perm=moved)
            mixed = self.add("MatMul", [turned, self.constant(matrix.T, np.float32)], f"{o.output}/m{axis}")
            current = self.add("Transpose", [mixed], f"{o.output}/a{axis}", perm=moved)
        self.add("Identity", [current], o.output)

    def batchnormalization(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        names = [o.parameter(role).tensor for role in ("scale", "bias", "mean", "variance")]
        self.add("BatchNormalization", x + names, o.output, epsilon=a["epsilon"])

    def reduce(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        op_type = {"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax"}[a["function"]]
        self.add(op_type, [*x, self.constant(a["axes"])], o.output, keepdims=int(a["keepdims"]))

    def softmax(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Softmax", x, o.output, axis=a["axis"])

    def layernormalization(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        scale, bias = o.parameter("scale"), o.parameter("bias")
        names = [scale.tensor] + ([bias.tensor] if bias else [])
        self.add("LayerNormalization", x + names, o.output, **a)

    def instancenormalization(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        names = [o.parameter(role).tensor for role in ("scale", "bias")]
        self.add("InstanceNormalization", x + names, o.output, epsilon=a["epsilon"])

    def reshape(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Reshape", [*x, self.constant(self.network.shape(o.output))], o.output)

    def slice(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        out = self.network.shape(o.output)
        ends = [s + (n - 1) * d + 1 for s, n, d in zip(a["starts"], out, a["steps"], strict=True)]
        axes = range(len(out))
        self.add("Slice", [*x, *(self.constant(v) for v in (a["starts"], ends, axes, a["steps"]))], o.output)

    def concat(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Concat", x, o.output, axis=a["axis"])

    def transpose(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Transpose", x, o.output, perm=a["perm"])

    def pad(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Pad", [*x, self.constant(a["pads"]), self.constant(a["value"], np.float32)], o.output)

    def expand(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Expand", [*x, self.constant(self.network.shape(o.output))], o.output)

    def identity(self, o: Operator, x: list[str], a: dict[str, Any]) -> None:
        self.add("Identity", x, o.output)


def taps(source: Fraction, mode: str, nearest: str) -> list[tuple[int, Fraction]]:
    """Source indices of one output position, not yet clamped, with their weights."""
    below = source.numerator // source.denominator
    part = source - below
    if mode == "linear":
        return [(below, 1 - part), (below + 1, part)]
    half = Fraction(1, 2)
    up = {"floor": False, "ceil": part > 0, "round_prefer_floor": part > half, "round_prefer_ceil": part >= half}
    return [(below + up[nearest], Fraction(1))]


def run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


def check(path: Path, *, weights: str = "auto", **options: Any) -> Network:
    """Compare shapes and numbers of the model and of its network written back; returns the network."""
    network = load_model(path, **options)
    store = ConstantStore(network, weights)
    inputs = {name: floats(*network.shape(name)) for name in network.inputs}
    expected = run(store.reference_model(), inputs)
    found = run(WriteBack(network, store).model(), inputs)
    for name, before, after in zip(network.outputs, expected, found, strict=True):
        assert before.shape == network.shape(name)
        scale = max(float(np.abs(before).max()), 1e-6)
        assert np.abs(before - after).max() <= 2e-5 * scale, (name, before.ravel()[:8], after.ravel()[:8])
    return network


W4 = floats(4, 3, 3, 3)
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Conv", ([2, 3, 9, 8], W4, floats(4)), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    ("Conv", ([1, 3, 9, 8], W4), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ("Conv", ([1, 3, 9, 8], W4), {"auto_pad": "SAME_LOWER", "strides": [2, 2]}),
    ("Conv", ([1, 3, 9, 8], W4), {"auto_pad": "VALID", "dilations": [2, 1]}),
    ("Conv", ([1, 4, 6, 6], floats(4, 1, 3, 3), floats(4)), {"group": 4, "pads": [1, 1, 1, 1]}),
    ("Conv", ([1, 6, 6, 6], floats(4, 3, 3, 3)), {"group": 2}),
    ("Conv", ([1, 3, 12], floats(4, 3, 3), floats(4)), {"strides": [2], "pads": [0, 1]}),
    ("ConvTranspose", ([1, 4, 5, 6], floats(4, 2, 3, 3), floats(2)), {"strides": [2, 3], "pads": [1, 0, 0, 1]}),
    ("ConvTranspose", ([1, 4, 5, 6], floats(4, 2, 3, 3)), {"strides": [2, 2], "output_padding": [1, 1]}),
    ("ConvTranspose", ([1, 4, 5, 6], floats(4, 2, 3, 3)), {"strides": [2, 2], "output_shape": [10, 13]}),
    (
        "ConvTranspose",
        ([1, 4, 5, 6], floats(4, 2, 3, 3)),
        {"strides": [2, 2], "output_shape": [10, 12], "auto_pad": "SAME_UPPER"},
    ),
    ("ConvTranspose", ([1, 4, 5, 6], floats(4, 2, 4, 3)), {"strides": [2, 3], "auto_pad": "SAME_LOWER"}),
    ("ConvTranspose", ([1, 4, 5, 6], floats(4, 2, 3, 3)), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("ConvTranspose", ([1, 4, 5], floats(4, 3, 4)), {"strides": [2], "group": 2, "dilations": [3]}),
    ("Gemm", ([3, 4], floats(4, 5), floats(5)), {}),
    ("Gemm", ([4, 3], floats(5, 4), floats(1, 5)), {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
    ("Gemm", ([3, 4], floats(4, 5), floats(3, 5)), {"beta": 0.25}),
    ("Gemm", ([3, 4], floats(4, 5), floats(3, 1)), {}),
    ("Gemm", ([3, 4], floats(4, 5), floats(1)), {"alpha": 3.0}),
    ("Gemm", ([3, 4], floats(4, 5), np.float32(2.5)), {}),
    ("Gemm", ([3, 4], floats(4, 5)), {}),
    ("Gemm", ([3, 4], [4, 5], [3, 5]), {"alpha": 0.5, "beta": 2.0}),
    ("Gemm", ([3, 4], [4, 5]), {"alpha": 0.5}),
    ("Gemm", (floats(3, 4), [4, 5], floats(5)), {"alpha": 0.5}),
    ("MatMul", ([2, 3, 4], floats(4, 5)), {}),
    ("MatMul", ([2, 3, 4], [2, 4, 5]), {}),
    ("MatMul", ([2, 1, 3, 4], [5, 4, 6]), {}),
    ("MatMul", ([4], floats(4, 5)), {}),
    ("MatMul", ([2, 3, 4], [4]), {}),
    ("MatMul", ([4], [2, 4, 3]), {}),
    ("MatMul", ([2, 3, 4], floats(4)), {}),
    ("MaxPool", ([1, 2, 9, 8],), {"kernel_shape": [3, 2], "strides": [2, 3], "pads": [1, 0, 1, 1]}),
    ("MaxPool", ([1, 2, 9, 8],), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    ("MaxPool", ([1, 2, 9, 8],), {"kernel_shape": [2, 3], "dilations": [2, 2]}),
    ("MaxPool", ([1, 2, 9, 8],), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    ("MaxPool", ([1, 2, 9],), {"kernel_shape": [3]}),
    ("AveragePool", ([1, 2, 9, 8],), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    (
        "AveragePool",
        ([1, 2, 9, 8],),
        {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1, "ceil_mode": 1},
    ),
    ("AveragePool", ([1, 2, 9, 8],), {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}),
    ("GlobalAveragePool", ([1, 2, 5, 4],), {}),
    ("GlobalMaxPool", ([1, 2, 5, 4],), {}),
    ("ReduceMean", ([2, 3, 4],), {"axes": [-1], "keepdims": 0}),
    ("ReduceMean", ([2, 3, 4],), {}),
    ("ReduceMax", ([2, 3, 4],), {"axes": [0, 2]}),
    ("ReduceSum", ([2, 3, 4], ints(1)), {"keepdims": 0}),
    ("ReduceSum", ([2, 3, 4],), {"noop_with_empty_axes": 1}),
    ("Add", ([2, 3, 4], [3, 1]), {}),
    ("Add", ([2, 3], np.float32(2)), {}),
    ("Add", ([2, 3], floats(1, 1, 1)), {}),
    ("Sub", (np.float32(2), [2, 3]), {}),
    ("Mul", ([2, 3, 4], floats(3, 1)), {}),
    ("Div", ([2, 3], np.array([4], np.float32)), {}),
    ("Sum", ([2, 3], [3], np.float32(1)), {}),
    ("Sum", ([2, 3],), {}),
    ("Max", ([2, 3], [2, 1]), {}),
    ("Min", ([2, 3], np.float32(0.25), [3]), {}),
    ("Pow", ([2, 3], np.float32(2)), {}),
    ("Relu", ([2, 3],), {}),
    ("Clip", ([2, 3], np.float32(-0.5), np.float32(0.5)), {}),
    ("Clip", ([2, 3], None, np.float32(0.5)), {}),
    ("LeakyRelu", ([2, 3],), {"alpha": 0.3}),
    ("PRelu", ([1, 3, 2, 2], floats(3, 1, 1)), {}),
    ("PRelu", ([1, 3, 2, 2], np.array([0.1], np.float32)), {}),
    ("Sigmoid", ([2, 3],), {}),
    ("HardSigmoid", ([2, 3],), {}),
    ("HardSwish", ([2, 3],), {}),
    ("Tanh", ([2, 3],), {}),
    ("Erf", ([2, 3],), {}),
    ("Exp", ([2, 3],), {}),
    ("Softplus", ([2, 3],), {}),
    ("Elu", ([2, 3],), {"alpha": 0.5}),
    ("Abs", ([2, 3],), {}),
    ("Neg", ([2, 3],), {}),
    ("Gelu", ([2, 3],), {"opset": 20}),
    ("Gelu", ([2, 3],), {"opset": 20, "approximate": "tanh"}),
    ("Softmax", ([2, 3, 4],), {"axis": 1}),
    ("Softmax", ([2, 3, 4],), {"opset": 12}),
    ("Softmax", ([2, 3, 1],), {"opset": 12}),
    ("Softmax", ([2, 3, 4],), {"opset": 12, "axis": -1}),
    ("BatchNormalization", ([2, 3, 4, 4], floats(3), floats(3), floats(3), np.abs(floats(3))), {"epsilon": 0.1}),
    ("InstanceNormalization", ([2, 3, 4, 4], floats(3), floats(3)), {"epsilon": 0.1}),
    ("LayerNormalization", ([2, 3, 4], floats(4), floats(4)), {}),
    ("LayerNormalization", ([2, 3, 4], floats(3, 4)), {"axis": 1, "epsilon": 0.1}),
    ("LRN", ([1, 6, 3, 3],), {"size": 3, "alpha": 0.5, "beta": 0.6, "bias": 2.0}),
    ("Concat", ([1, 2, 3], floats(1, 4, 3)), {"axis": -2}),
    ("Concat", ([1, 2, 3],), {"axis": 0}),
    ("Split", ([2, 6], ints(1, 5)), {"axis": 1, "outputs": 2}),
    ("Split", ([6, 2],), {"outputs": 3}),
    ("Slice", ([6, 7], ints(-5, 1), ints(100, -1), ints(0, 1), ints(2, 3)), {}),
    ("Slice", ([6, 7], ints(1), ints(4)), {}),
    ("Slice", ([6, 7],), {"opset": 9, "starts": [0, 1], "ends": [3, -1], "axes": [0, 1]}),
    ("Slice", ([6, 7], ints(0), ints(9)), {}),
    ("Pad", ([2, 3], ints(1, 0, 2, 1), np.float32(5)), {}),
    ("Pad", ([2, 3], ints(1, 2), None, ints(-1)), {"opset": 18}),
    ("Pad", ([4, 3], ints(-1, 0, 2, 0)), {}),
    ("Pad", ([2, 3],), {"opset": 9, "pads": [0, 1, 0, 0], "value": 2.0}),
    ("Pad", ([2, 3], ints(0, 0, 0, 0)), {}),
    ("Transpose", ([2, 3, 4],), {"perm": [2, 0, 1]}),
    ("Transpose", ([2, 3, 4],), {}),
    ("Reshape", ([2, 3, 4], ints(0, -1)), {}),
    ("Flatten", ([2, 3, 4],), {"axis": 2}),
    ("Squeeze", ([2, 1, 4], ints(1)), {}),
    ("Squeeze", ([2, 1, 4],), {"opset": 11, "axes": [1]}),
    ("Unsqueeze", ([2, 4], ints(0, 3)), {}),
    ("Dropout", ([2, 4],), {}),
    ("Identity", ([2, 4],), {}),
    ("Cast", ([2, 4],), {"to": 1}),
    ("Expand", ([2, 1, 4], ints(3, 1, 5, 1)), {}),
    ("Expand", ([2, 4], ints(1, 1)), {}),
    ("Gather", ([2, 5, 3], np.int64(-2)), {"axis": 1}),
    ("Gather", ([2, 5, 3], ints(1, 3)), {"axis": 1}),
    ("Gather", ([2, 5, 3], ints(4)), {"axis": 1}),
    ("Upsample", ([1, 2, 3, 4], np.array([1, 1, 2, 3], np.float32)), {"opset": 9}),
    ("Upsample", ([1, 2, 3, 4], np.array([1, 1, 2, 3], np.float32)), {"opset": 9, "mode": "linear"}),
    ("Upsample", ([1, 2, 3, 4],), {"opset": 8, "scales": [1.0, 1.0, 2.0, 2.0]}),
    ("Resize", ([1, 2, 6, 4], np.array([1, 1, 0.5, 0.5], np.float32)), {"opset": 10}),
    ("Resize", ([1, 2, 6, 4], None, None, ints(1, 2, 3, 4)), {}),
    ("Resize", ([1, 2, 6, 4], None, np.array([2, 1.5], np.float32)), {"opset": 18, "axes": [2, 3]}),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes"), CASES, ids=[f"{c[0]}-{k}" for k, c in enumerate(CASES)])
def test_a_model_of_one_node_computes_the_same_after_import(op_type, inputs, attributes, single, save):
    check(save(single(op_type, *inputs, **attributes)))


@settings(max_examples=60)
@given(st.data())
def test_resized_positions_are_those_of_the_runtime(data):
    mode = data.draw(st.sampled_from(["nearest", "linear"]))
    coordinates = data.draw(st.sampled_from(["asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel"]))
    sizes = [data.draw(st.integers(1, 7)) for _ in range(2)]
    targets = [data.draw(st.integers(1, 12)) for _ in range(2)]
    nearest = data.draw(st.sampled_from(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]))
    position = {"sizes": ints(1, 1, *targets)}
    if data.draw(st.booleans()):
        position = {
            "scales": np.array([1, 1, *(data.draw(st.sampled_from([0.5, 1, 1.5, 2, 3, 4])) for _ in "yx")], np.float32)
        }
    node = helper.make_node(
        "Resize",
        ["x", "", *(["", "sizes"] if "sizes" in position else ["scales"])],
        ["y"],
        mode=mode,
        coordinate_transformation_mode=coordinates,
        nearest_mode=nearest,
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", 1, [1, 1, *sizes])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in position.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    if 0 in [int(s * k) for s, k in zip(sizes, position.get("scales", [1, 1, 1, 1])[2:], strict=True)]:
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        check(path)


SMALL = [
    "googlenet",
    "mobilenet_v2_bn",
    "mobilenet_v3_large",
    "ppocr_cls_mobilenetv3s_trained",
    "resnet18",
    "shufflenet_v2",
    "squeezenet1_1",
    "vit_tiny",
]


@pytest.mark.parametrize("name", SMALL)
def test_a_shared_network_computes_the_same_after_import(name, shared):
    check(shared / "models" / f"{name}.onnx")


@pytest.mark.parametrize("name", ["yolox_tiny", "ppocr_v4_det", "fsrcnn_x2", "unet_256"])
def test_a_large_shared_network_computes_the_same_at_a_smaller_input(name, shared):
    small = {
        "yolox_tiny": None,
        "ppocr_v4_det": (1, 3, 64, 64),
        "fsrcnn_x2": (1, 1, 10, 12),
        "unet_256": (1, 1, 16, 32),
    }[name]
    path = shared / "models" / f"{name}.onnx"
    network = load_model(path)
    check(path, input_shapes={network.inputs[0]: small} if small else None)


@pytest.mark.parametrize("name", ["densenet121", "inception_v2", "shufflenet", "squeezenet"])
def test_a_light_network_of_the_onnx_package_computes_the_same_after_import(name):
    folder = Path(os.path.dirname(onnx.__file__)) / "backend" / "test" / "data" / "light"
    check(folder / f"light_{name}.onnx")
