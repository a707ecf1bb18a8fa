"""What depends on shapes only is folded; weights are recognised through any chain of constants, and not evaluated."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tilewright.workload.constants import ConstantStore
from tilewright.workload.onnx_import import load_model

STEPS = ("add", "multiply", "reverse", "concat", "where", "cast", "slice", "expand", "gather", "range")


def node(op_type: str, inputs: list[str], output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(op_type, inputs, [output], **attributes)


class Chain:
    """A random chain of integer arithmetic that starts at the shape of an activation."""

    def __init__(self) -> None:
        self.nodes = [node("Shape", ["x"], "v0")]
        self.constants: dict[str, np.ndarray] = {}
        self.last = "v0"

    def constant(self, *values: int, shape: tuple[int, ...] | None = None) -> str:
        name = f"c{len(self.constants)}"
        array = np.array(values, np.int64)
        self.constants[name] = array.reshape(shape) if shape is not None else array
        return name

    def then(self, op_type: str, *inputs: str, **attributes) -> str:
        output = f"v{len(self.nodes)}"
        self.nodes.append(node(op_type, list(inputs), output, **attributes))
        self.last = output
        return output

    def step(self, kind: str) -> None:
        last = self.last
        if kind == "add":
            self.then("Add", last, self.constant(1))
        elif kind == "multiply":
            self.then("Mul", last, self.constant(2, shape=()))
        elif kind == "reverse":
            self.then("Slice", last, self.constant(-1), self.constant(-(2**62)), self.constant(0), self.constant(-1))
        elif kind == "concat":
            self.then("Concat", last, self.constant(2), axis=0)
        elif kind == "where":
            self.then("Where", self.then("Greater", last, self.constant(2)), last, self.constant(3))
        elif kind == "cast":
            self.then("Cast", self.then("Cast", last, to=1), to=7)
        elif kind == "slice":
            self.then("Slice", last, self.constant(0), self.constant(4))
        elif kind == "expand":
            self.then("Reshape", self.then("Expand", last, self.constant(2, 1)), self.constant(-1))
        elif kind == "gather":
            self.then("Gather", last, self.constant(0, -1), axis=0)
        elif kind == "range":
            first = self.then("Gather", last, self.constant(0, shape=()), axis=0)
            span = self.then(
                "Range",
                self.constant(1, shape=()),
                self.then("Add", first, self.constant(1, shape=())),
                self.constant(1, shape=()),
            )
            self.then("Slice", span, self.constant(0), self.constant(3))


@settings(max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.lists(st.sampled_from(STEPS), max_size=6))
def test_a_chain_of_shape_arithmetic_folds_to_what_the_runtime_computes(shape, kinds):
    chain = Chain()
    for kind in kinds:
        chain.step(kind)
    # The chain's result becomes visible as the sizes that the sum of the input is expanded to.
    small = chain.then("Add", chain.then("Mod", chain.last, chain.constant(3)), chain.constant(1))
    sizes = chain.then("Slice", small, chain.constant(0), chain.constant(4))
    nodes = [*chain.nodes, node("ReduceSum", ["x"], "sum", keepdims=0), node("Expand", ["sum", sizes], "y")]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in chain.constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"x": np.ones(shape, np.float32)})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        network = load_model(path)
    assert network.shape("y") == expected.shape
    assert {o.kind for o in network.operators} <= {"Reduce", "Expand", "Identity"}


def test_a_weight_is_known_through_constant_nodes_and_evaluated_only_on_demand(save):
    nodes = [
        node("Constant", [], "raw", value=numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4))),
        node("Mul", ["raw", "two"], "doubled"),
        node("Transpose", ["doubled"], "w"),
        node("Identity", ["w"], "same"),
        node("MatMul", ["x", "same"], "y"),
    ]
    path = save(nodes, {"x": [2, 4]}, ["y"], {"two": np.float32(2)})
    network = load_model(path)
    assert [o.kind for o in network.operators] == ["MatMul"]
    assert network.by_name["same"].constant
    assert network.shape("same") == (4, 3)
    expected = 2 * np.arange(12).reshape(3, 4).T
    assert np.array_equal(ConstantStore(network, "stored").value("same"), expected)


def test_constants_of_a_shape_are_weights_and_cost_no_memory_at_import(save):
    nodes = [node("ConstantOfShape", ["sizes"], "w"), node("MatMul", ["x", "w"], "y")]
    path = save(nodes, {"x": [1, 2**18]}, ["y"], {"sizes": np.array([2**18, 2**17])})
    network = load_model(path)
    assert network.by_name["w"].elements == 2**35
    assert network.by_name["w"].constant


def test_only_the_shape_of_an_activation_makes_no_activation(save):
    nodes = [
        node("Shape", ["x"], "s", start=1),
        node("ConstantOfShape", ["s"], "zeros"),
        node("Add", ["x", "zeros"], "y"),
    ]
    network = load_model(save(nodes, {"x": [2, 3, 4]}, ["y"]))
    assert [o.kind for o in network.operators] == ["Elementwise"]
    assert network.shape("zeros") == (3, 4)
