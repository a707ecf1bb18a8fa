"""Open axes, changed batches, cuts, names: the choices a user has when loading a model."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tilewright.errors import InputError
from tilewright.workload.onnx_import import import_model, load_model
from tilewright.workload.summary import summarise

LIGHT = Path(os.path.dirname(onnx.__file__)) / "backend" / "test" / "data" / "light"
WEIGHT = np.ones((4, 3, 3, 3), np.float32)


def conv(name: str = "conv", x: str = "x", y: str = "y", **attributes) -> onnx.NodeProto:
    return helper.make_node("Conv", [x, "w"], [y], name=name, **attributes)


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_light_models_of_the_onnx_package_import_with_the_shapes_of_onnx_itself(path):
    network = load_model(path)
    inferred = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
    known = {
        v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
        for v in (*inferred.value_info, *inferred.output)
    }
    compared = [t for t in network.tensors if t.name in known and 0 not in known[t.name]]
    assert len(compared) > len(network.operators) / 2
    assert all(t.shape == known[t.name] for t in compared)
    assert summarise(network).macs > 0


def test_light_models_are_nine():
    assert len(list(LIGHT.glob("*.onnx"))) == 9


@pytest.mark.parametrize(
    "options",
    [
        {"dims": {"N": 2, "H": 8, "W": 9}},
        {"batch": 2, "dims": {"H": 8, "W": 9}},
        {"input_shapes": {"x": (2, 3, 8, 9)}},
        {"input_shapes": {"x": (2, 3, 8, 9)}, "dims": {"H": 5}, "batch": 2},
    ],
)
def test_open_axes_are_set_by_name_by_batch_or_by_whole_shapes(options, save):
    path = save([conv()], {"x": ["N", 3, "H", "W"]}, ["y"], {"w": WEIGHT})
    network = load_model(path, **options)
    assert (network.shape("x"), network.shape("y")) == ((2, 3, 8, 9), (2, 4, 6, 7))


def test_an_axis_left_open_lists_the_input_and_how_to_set_it(save):
    path = save([conv()], {"x": ["N", 3, None, "W"]}, ["y"], {"w": WEIGHT})
    with pytest.raises(InputError, match=r"input 'x' has open axes, \[N, 3, \?, W\].*--dim N=VALUE.*--input-shape x="):
        load_model(path)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"dims": {"n": 1}}, "no symbolic dimension 'n'.*'N'"),
        ({"dims": {"N": 0}}, "dimension 'N' cannot be 0"),
        ({"batch": 0}, "batch of 0"),
        ({"input_shapes": {"z": (1, 3, 8, 8)}}, "no input 'z'"),
        ({"input_shapes": {"x": (1, 3, 8)}}, "4 axes .* has 3"),
        ({"input_shapes": {"x": (1, 3, 0, 8)}}, "below 1"),
        ({"input_shapes": {"x": (1, 3, 8, 8)}, "batch": 2}, "starts with 1, and the batch given is 2"),
    ],
)
def test_a_wrong_choice_of_shapes_is_said_so(options, text, save):
    path = save([conv()], {"x": ["N", 3, 8, 8]}, ["y"], {"w": WEIGHT})
    with pytest.raises(InputError, match=text):
        load_model(path, **options)


def test_all_wrong_choices_are_listed_together(save):
    path = save([conv()], {"x": ["N", 3, 8, 8]}, ["y"], {"w": WEIGHT})
    with pytest.raises(InputError) as caught:
        load_model(path, dims={"M": 2}, input_shapes={"z": (1,)})
    assert len(caught.value.problems) == 3


def test_a_fixed_batch_can_be_changed(shared):
    network = load_model(shared / "models" / "resnet18.onnx", batch=3)
    assert network.shape(network.outputs[0]) == (3, 1000)
    assert summarise(network).macs == 3 * summarise(load_model("resnet18")).macs
    assert network.notes == ()


def test_a_batch_written_into_the_model_names_the_node_that_does_not_fit(shared, single, save):
    with pytest.raises(InputError, match=r"node '/Add' \(Add: 1x393x192, constant 1x197x192 .*batch .* was changed"):
        load_model(shared / "models" / "vit_tiny.onnx", batch=2)
    path = save(single("Reshape", [1, 6], np.array([1, 2, 3])))
    with pytest.raises(InputError, match=r"node 'node' \(Reshape: 4x6, constant 3 -> 1x2x3\).*as many elements"):
        load_model(path, batch=4)


def test_an_output_that_ignores_the_batch_is_noted(save):
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    path = save(
        helper.make_model(
            helper.make_graph(
                [node],
                "g",
                [helper.make_tensor_value_info("x", 1, [1, 6])],
                [helper.make_tensor_value_info("y", 1, [1, 6])],
                [onnx.numpy_helper.from_array(np.array([1, -1]), "s")],
            ),
            opset_imports=[helper.make_opsetid("", 17)],
        )
    )
    network = load_model(path, batch=4)
    assert network.shape("y") == (1, 24)
    assert "output 'y' keeps 1 as its first axis although the batch is 4" in network.notes[0]


def test_until_makes_a_tensor_the_only_output_and_drops_what_it_does_not_need(shared):
    path = shared / "models" / "yolox_tiny.onnx"
    whole = load_model(path)
    cut = load_model(path, until="/backbone/backbone/stem/Concat_output_0")
    assert cut.outputs == ("/backbone/backbone/stem/Concat_output_0",)
    assert [o.kind for o in cut.operators] == ["Slice"] * 4 + ["Concat"]
    assert cut.operators == whole.operators[:5]
    assert cut.reference.until == cut.outputs[0]


@pytest.mark.parametrize(
    ("until", "text"),
    [
        ("/conv1/Conv_output_1", "did you mean '/conv1/Conv_output_0'"),
        ("/conv1/Conv", "did you mean '/conv1/Conv_output_0'"),
        ("input", "it is an input or an initializer"),
        ("zzz", "no node produces a tensor 'zzz' to stop at$"),
    ],
)
def test_an_unknown_tensor_to_stop_at_gets_the_nearest_names(until, text):
    with pytest.raises(InputError, match=text):
        load_model("resnet18", until=until)


def test_operators_get_unique_names(save):
    nodes = [
        conv("", "x", "a", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], name="same"),
        helper.make_node("Relu", ["b"], ["c"], name="same"),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    network = load_model(save(nodes, {"x": [1, 3, 8, 8]}, ["y"], {"w": WEIGHT}))
    assert [o.name for o in network.operators] == ["Conv@0", "same", "same#2", "Relu@0", "Relu@1"]


def test_nodes_out_of_order_are_sorted(save):
    nodes = [helper.make_node("Relu", ["a"], ["y"]), conv("", "x", "a")]
    network = load_model(save(nodes, {"x": [1, 3, 8, 8]}, ["y"], {"w": WEIGHT}))
    assert [o.kind for o in network.operators] == ["Conv", "Elementwise"]


def test_parts_without_use_are_left_out_even_if_they_are_not_supported(save):
    nodes = [conv("", "x", "y"), helper.make_node("NonZero", ["unused"], ["z"])]
    network = load_model(save(nodes, {"x": [1, 3, 8, 8], "unused": [2, 3]}, ["y"], {"w": WEIGHT}))
    assert network.inputs == ("x",)
    assert len(network.operators) == 1


def test_initializers_listed_as_inputs_are_weights(save):
    path = save([conv()], {"x": [1, 3, 8, 8], "w": [4, 3, 3, 3]}, ["y"], {"w": WEIGHT})
    network = load_model(path)
    assert network.inputs == ("x",)
    assert network.by_name["w"].constant


def test_constant_outputs_are_left_out_with_a_note(save):
    nodes = [conv(), helper.make_node("Shape", ["x"], ["s"])]
    network = load_model(save(nodes, {"x": [1, 3, 8, 8]}, ["y", "s", "x"], {"w": WEIGHT}))
    assert network.outputs == ("y",)
    assert len(network.notes) == 2


def test_functions_of_the_model_are_replaced_by_their_bodies(save):
    body = helper.make_function(
        "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    graph = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["y"], domain="local")],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 3])],
        [helper.make_tensor_value_info("y", 1, None)],
    )
    model = helper.make_model(
        graph,
        functions=[body],
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("local", 1)],
    )
    assert [o["function"] for o in load_model(save(model)).operators] == ["Add"]


def test_a_reference_loads_the_same_network_again_and_notices_a_changed_file(save):
    path = save([conv()], {"x": ["N", 3, 8, 8]}, ["y"], {"w": WEIGHT})
    network = load_model(path, dims={"N": 2})
    assert import_model(network.reference).network == network
    save([conv(pads=[1] * 4)], {"x": ["N", 3, 8, 8]}, ["y"], {"w": WEIGHT})
    with pytest.raises(InputError, match="has changed since"):
        import_model(network.reference)
