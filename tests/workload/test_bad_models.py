"""Files and graphs that are no usable model: one clear InputError each, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from tilewright.errors import InputError
from tilewright.workload import onnx_file, zoo
from tilewright.workload.onnx_import import load_model


def relu(x: str, y: str, name: str = "") -> onnx.NodeProto:
    return helper.make_node("Relu", [x], [y], name=name)


def refused(path: Path | str, text: str, problems: int = 1, **options) -> None:
    with pytest.raises(InputError, match=text) as caught:
        load_model(path, **options)
    assert len(caught.value.problems) == problems
    assert all(str(path) in problem for problem in caught.value.problems)


def test_a_missing_file(tmp_path):
    refused(tmp_path / "none.onnx", "no such file")


def test_a_name_that_is_neither_a_file_nor_shipped_lists_the_shipped_ones():
    refused("resnet19", "no such file, and no shipped network.*did you mean 'resnet18'")


def test_a_folder(tmp_path):
    refused(tmp_path, "is a folder")


def test_an_empty_file(tmp_path):
    path = tmp_path / "m.onnx"
    path.touch()
    refused(path, "is empty")


def test_a_text_file(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("layers:\n  - conv\n" * 20)
    refused(path, "truncated or of another format")


def test_a_file_above_two_gigabytes_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.truncate(2**31 + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("was read"))
    refused(path, "2147483649 bytes.*external data")


def test_a_path_that_cannot_be_read(tmp_path):
    path = tmp_path / "file" / "m.onnx"
    path.parent.write_text("")
    refused(path, "cannot be read")


@settings(max_examples=120)
@given(st.integers(0, 13000))
def test_a_truncated_file_is_an_input_error_wherever_it_ends(size):
    data = zoo.path("resnet18").read_bytes()
    assert size < len(data)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(data[:size])
        refused(path, "is empty|truncated or of another format")


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_loaded_or_refused_and_never_crashes(data):
    import tempfile

    original = bytearray(zoo.path("squeezenet").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.onnx"
        path.write_bytes(original)
        try:
            assert load_model(path).operators
        except InputError as error:
            assert error.problems


def test_a_model_without_nodes(save):
    refused(save(onnx.ModelProto(ir_version=8)), "holds no graph")


def test_an_operator_set_that_is_too_old_or_too_new(save):
    refused(save([relu("x", "y")], {"x": [2]}, ["y"], opset=6), "operator set 6, and the oldest one supported is 7")
    refused(save([relu("x", "y")], {"x": [2]}, ["y"], opset=999), "operator set 999, and the newest")


def test_a_model_that_names_no_operator_set(save):
    model = onnx.load(zoo.path("resnet18"))
    del model.opset_import[:]
    refused(save(model), "names no operator set version")


def test_an_unknown_operator_names_its_domain(save):
    node = helper.make_node("FusedConv", ["x"], ["y"], domain="com.microsoft", name="n")
    refused(save([node], {"x": [2]}, ["y"]), "node 'n' has the operator FusedConv of domain 'com.microsoft'")


def test_an_operator_newer_than_the_model_says(save):
    path = save([helper.make_node("Gelu", ["x"], ["y"])], {"x": [2]}, ["y"], opset=17)
    refused(path, "operator set 17 does not have")


def test_a_cycle(save):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"], name="first"), relu("a", "b", "second"), relu("b", "y")]
    refused(save(nodes, {"x": [2]}, ["y"]), "cycle.*'first', 'second'")


def test_a_value_that_nothing_produces(save):
    refused(
        save([helper.make_node("Add", ["x", "ghost"], ["y"], name="n")], {"x": [2]}, ["y"]),
        r"node 'n' \(Add\) reads 'ghost'",
    )


def test_an_output_that_nothing_produces(save):
    refused(save([relu("x", "y")], {"x": [2]}, ["y", "ghost"]), "output 'ghost' is produced by no node")


def test_a_value_that_is_produced_twice(save):
    path = save([relu("x", "y", "a"), relu("x", "y", "b")], {"x": [2]}, ["y"])
    refused(path, "'y' is produced by node 'b'.*node 'a'")
    refused(save([relu("x", "x")], {"x": [2]}, ["x"]), "a graph input", problems=2)


def test_two_initializers_of_one_name(save):
    model = onnx.load(zoo.path("resnet18"))
    model.graph.initializer.append(model.graph.initializer[0])
    refused(save(model), "two initializers are called")


def test_all_problems_of_a_graph_are_listed(save):
    nodes = [helper.make_node("Add", ["x", "ghost"], ["a"]), helper.make_node("Add", ["a", "other"], ["y"])]
    refused(save(nodes, {"x": [2]}, ["y", "more"]), "ghost", problems=3)


def test_an_axis_of_size_zero(save, single):
    refused(save([relu("x", "y")], {"x": [2, 0]}, ["y"]), r"axis of size 0, \[2, 0\]")
    empty = single("Slice", [4], np.array([3]), np.array([1]))
    refused(save(empty), r"node 'node' .*shape \[0\], which holds no elements")


def test_a_kernel_larger_than_its_input(save, single):
    refused(save(single("Conv", [1, 3, 4, 4], np.zeros((2, 3, 7, 7), np.float32))), "node 'node'")
    refused(save(single("MaxPool", [1, 3, 4, 4], kernel_shape=[7, 7])), "node 'node'")


def test_tensors_of_absurd_size(save, single):
    refused(save([relu("x", "y")], {"x": [2**30, 2**30]}, ["y"]), "input 'x' gives 'x' 1152921504606846976 elements")
    refused(save(single("Expand", [1, 1], np.array([2**30, 2**30]))), "more than the 1099511627776")


def test_a_shape_that_depends_on_numbers(save):
    nodes = [
        helper.make_node("Shape", ["x"], ["s"]),
        helper.make_node("Cast", ["x"], ["c"], to=7),
        helper.make_node("Reshape", ["x", "c"], ["y"]),
    ]
    refused(save(nodes, {"x": [2]}, ["y"]), "Cast.*element type stays the same|cannot be told", problems=2)


def test_a_shape_that_is_kept_in_another_file(save):
    shape = onnx.TensorProto(name="s", data_type=7, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
    shape.external_data.add(key="location", value="w.bin")
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, None)],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    refused(save(model), "value of 's' is needed to import the model, and it is kept in another file")


def test_an_initializer_with_too_few_numbers(save, single):
    model = single("Reshape", [2, 3], np.array([6]))
    model.graph.initializer[0].dims[0] = 3
    refused(save(model), "does not hold the 3 elements of its shape")


def test_random_numbers_inside_the_model(save):
    nodes = [helper.make_node("RandomNormal", [], ["r"], shape=[2]), helper.make_node("Add", ["x", "r"], ["y"])]
    refused(save(nodes, {"x": [2]}, ["y"]), "RandomNormal")


def test_graphs_inside_nodes(save):
    body = helper.make_graph([relu("x", "z")], "b", [], [helper.make_tensor_value_info("z", 1, [2])])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body, name="n")]
    refused(save(nodes, {"x": [2]}, ["y"], {"c": np.array(True)}), "node 'n' has the operator If")


def test_inputs_that_are_no_dense_tensors(save):
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, [2]))
    graph = helper.make_graph(
        [helper.make_node("SequenceAt", ["x", "k"], ["y"])],
        "g",
        [helper.make_value_info("x", kind)],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(np.array(0), "k")],
    )
    refused(save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])), "input 'x'")


def test_a_model_that_computes_nothing_from_its_inputs(save):
    refused(save([helper.make_node("Shape", ["x"], ["y"])], {"x": [2]}, ["y"]), "nothing is computed")


def test_the_limit_of_file_size_is_that_of_the_format():
    assert onnx_file.LARGEST_FILE_BYTES == 2**31
