"""The table of supported operators, and that a node which breaks a constraint quotes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tilewright.errors import InputError
from tilewright.workload import operators
from tilewright.workload.network import KINDS
from tilewright.workload.onnx_import import load_model

REQUIRED = """
    Conv ConvTranspose Gemm MatMul MaxPool AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax
    Add Sub Mul Div Sum Pow Sqrt Max Min Relu Clip LeakyRelu PRelu Sigmoid HardSigmoid HardSwish Tanh Erf Exp Softplus
    Elu Abs Neg Gelu Softmax BatchNormalization InstanceNormalization LayerNormalization LRN Concat Split Slice Pad
    Transpose Resize Upsample Reshape Flatten Squeeze Unsqueeze Dropout Identity Cast Gather Expand
"""


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


BROKEN = [
    # (operator, inputs, attributes, words of the constraint)
    ("Conv", ([1, 3, 4, 4, 4], zeros(2, 3, 1, 1, 1)), {}, "one or two spatial axes"),
    ("Conv", ([1, 3, 4, 4], zeros(2, 3, 1, 1)), {"auto_pad": "SAME"}, "The mode of automatic padding is"),
    ("LRN", ([1, 3, 4, 4],), {"size": 2}, "The size is odd"),
    ("Conv", ([1, 3, 4, 4], [2, 3, 1, 1]), {}, "Weights, and the bias if there is one, are constants"),
    ("Conv", ([1, 3, 4, 4], zeros(2, 4, 1, 1)), {}, "Input channels are the weights' second axis times the groups"),
    ("Conv", ([1, 3, 4, 4], zeros(2, 3, 2, 2)), {"kernel_shape": [3, 3]}, "the kernel's size"),
    ("Conv", ([1, 3, 4, 4], zeros(2, 3, 2, 2), zeros(3)), {}, "one element per output channel"),
    ("ConvTranspose", ([1, 3, 4, 4], zeros(2, 3, 2, 2)), {}, "Input channels are the weights' first axis"),
    ("MaxPool", ([1, 1, 4, 4],), {"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]}, "Every pad is smaller"),
    ("PRelu", ([1, 3], [3]), {}, "The slope is a constant"),
    ("Clip", ([1, 3], [], None), {}, "The limits, if given, are attributes or constants"),
    ("BatchNormalization", ([1, 3, 2], [3], zeros(3), zeros(3), zeros(3)), {}, "Scale, bias, mean and variance"),
    ("InstanceNormalization", ([1, 3, 2], [3], zeros(3)), {}, "Scale and bias are constants"),
    ("LayerNormalization", ([1, 3, 2], zeros(1)), {}, "one element per normalised position"),
    ("Slice", ([4, 4], ints(3), ints(0), ints(0), ints(-1)), {}, "Steps are positive"),
    ("Pad", ([4, 4], ints(1, 1, 1, 1)), {"mode": "reflect"}, "The mode is constant"),
    ("Resize", ([1, 1, 4, 4], None, np.array([1, 1, 2, 2], np.float32)), {"mode": "cubic"}, "nearest or linear"),
    ("Resize", ([1, 1, 4, 4], None, np.array([1, 2, 2, 2], np.float32)), {}, "only the last two change"),
    (
        "Resize",
        ([1, 1, 4, 4], None, np.array([1, 1, 2, 2], np.float32)),
        {"coordinate_transformation_mode": "tf_crop_and_resize"},
        "Coordinates are asymmetric",
    ),
    ("Resize", ([1, 1, 4, 4], None, np.array([1, 1, 2, 2], np.float32)), {"opset": 18, "antialias": 1}, "Antialiasing"),
    ("Upsample", ([1, 1, 4, 4], np.array([1, 1, 2, 0.5], np.float32)), {"opset": 9}, "does not enlarge one axis"),
    ("Gather", ([4, 4], ints(0, 1, 3)), {}, "with the same positive distance"),
    ("Gather", ([4, 4], ints(7)), {}, "The indices lie within the axis"),
    ("Cast", ([4, 4],), {"to": onnx.TensorProto.FLOAT16}, "The element type stays the same"),
    ("MatMul", ([4], [4]), {}, "at least one axis"),
    ("Reshape", ([4, 4], ints(3, 5)), {}, "as many elements"),
]


@pytest.mark.parametrize(("op_type", "inputs", "attributes", "words"), BROKEN)
def test_a_broken_constraint_is_quoted_with_node_operator_and_shapes(op_type, inputs, attributes, words, single, save):
    with pytest.raises(InputError) as caught:
        load_model(save(single(op_type, *inputs, **attributes)))
    (problem,) = caught.value.problems
    assert words in problem
    assert f"node 'node' ({op_type}: " in problem
    assert "x".join(str(extent) for extent in inputs[0]) in problem
    quoted = problem.split("needed: ")[1]
    assert quoted in {sentence for row in operators.table() for sentence in row.constraints if row.op_type == op_type}


def test_used_indices_of_a_pooling_are_refused(single, save):
    model = single("MaxPool", [1, 1, 4, 4], outputs=2, kernel_shape=[2, 2])
    model.graph.output.append(helper.make_tensor_value_info("o1", onnx.TensorProto.INT64, None))
    with pytest.raises(InputError, match="indices of the maxima is not used"):
        load_model(save(model))


def test_all_rejected_nodes_are_reported_at_once(save):
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=10, name="first"),
        helper.make_node("Pad", ["x", "p"], ["b"], mode="edge", name="second"),
        helper.make_node("Fancy", ["b"], ["c"], domain="com.example", name="third"),
        helper.make_node("Einsum", ["b"], ["d"], equation="ij->ji", name="fourth"),
        helper.make_node("Relu", ["c"], ["e"], name="behind"),
    ]
    path = save(nodes, {"x": [4, 4]}, ["a", "d", "e"], {"p": ints(1, 1, 1, 1)})
    with pytest.raises(InputError) as caught:
        load_model(path)
    problems = caught.value.problems
    assert len(problems) == 4
    assert all(str(path) in problem for problem in problems)
    for name, problem in zip(("first", "second", "third", "fourth"), problems, strict=True):
        assert f"'{name}'" in problem
    assert "Fancy of domain 'com.example'" in problems[2]


def test_the_table_has_every_required_operator_with_a_canonical_kind_and_sentences():
    rows = {row.op_type: row for row in operators.table()}
    assert sorted(rows) == sorted(REQUIRED.split())
    for row in rows.values():
        assert row.kind in KINDS
        assert row.constraints
        for sentence in row.constraints:
            assert sentence.endswith(".")
            assert sentence[0].isupper()
        assert onnx.defs.has(row.op_type)


def test_versions_of_the_table_agree_with_the_standard():
    for row in operators.table():
        first = int(row.opsets.rstrip("+").split("-")[0])
        since = min(
            s.since_version
            for s in onnx.defs.get_all_schemas_with_history()
            if s.name == row.op_type and s.domain == ""
        )
        assert first == max(7, since)


def test_every_operator_of_the_table_is_imported_by_some_test():
    text = (Path(__file__).parent / "test_import_numbers.py").read_text()
    assert [op_type for op_type in operators.supported() if f'("{op_type}"' not in text and op_type != "Sqrt"] == []
