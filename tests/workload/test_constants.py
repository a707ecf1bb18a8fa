"""Where the numbers of constants come from, and that onnxruntime is given the same ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from tilewright.errors import InputError, UsageError
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Derived, Network, Tensor
from tilewright.workload.onnx_import import load_model


def weights_of(network: Network) -> list[str]:
    return [tensor.name for tensor in network.tensors if tensor.constant]


def external(path: Path, location: str, data: bytes | None = None, **entries: int) -> Path:
    """A MatMul whose weight is kept in another file."""
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4, 3], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in {"location": location, **entries}.items():
        weight.external_data.add(key=key, value=str(value))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 4])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    if data is not None:
        (path.parent / location).write_bytes(data)
    return path


def test_stored_weights_are_those_of_the_file(shared):
    path = shared / "models" / "ppocr_cls_mobilenetv3s_trained.onnx"
    store = ConstantStore(load_model(path), "stored")
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}
    assert all(np.array_equal(store.value(name), stored[name]) for name in weights_of(store.network))
    assert store.notes == ()


def test_trained_weights_stay_with_auto():
    store = ConstantStore(load_model("ocr_classifier"))
    assert store.replaced == {}
    assert store.notes == ()


def test_weights_of_one_value_are_replaced_with_auto_and_the_user_is_told():
    network = load_model("mobilenet_v2")
    store = ConstantStore(network)
    filters = [o.inputs[1] for o in network.operators if o.kind == "Conv"]
    assert all(np.ptp(store.value(name)) > 0 for name in filters)
    assert all(np.ptp(ConstantStore(network, "stored").value(name)) == 0 for name in filters)
    assert "absent from the file or all one value" in store.notes[0]


def test_filters_are_he_normal_by_their_fan_in():
    network = load_model("resnet18")
    store = ConstantStore(network)
    for operator in network.operators:
        if operator.kind == "Conv":
            weight = store.value(operator.inputs[1])
            fan_in = weight[0].size
            assert weight.std() == pytest.approx((2 / fan_in) ** 0.5, rel=0.05)


def test_statistics_of_batch_normalisation_are_drawn_around_one_and_zero(shared):
    network = load_model(shared / "models" / "mobilenet_v2_bn.onnx")
    store = ConstantStore(network, "seeded:5")
    for operator in network.operators:
        for role, low, high in (("variance", 1, 2), ("scale", 0.3, 2), ("bias", -1, 2), ("mean", -1, 2)):
            parameter = operator.parameter(role) if operator.kind == "BatchNormalization" else None
            if parameter is not None:
                value = store.value(parameter.tensor)
                assert low <= value.min() <= value.max() <= high


def test_values_depend_on_seed_and_name_and_not_on_the_order_of_asking():
    network = load_model("squeezenet")
    names = weights_of(network)
    first, second, other = (ConstantStore(network, weights) for weights in ("seeded:3", "seeded:3", "seeded:4"))
    forward = {name: first.value(name) for name in names}
    backward = {name: second.value(name) for name in reversed(names)}
    assert all(np.array_equal(forward[name], backward[name]) for name in names)
    assert not any(np.array_equal(forward[name], other.value(name)) for name in names)
    assert len({value.ravel()[0] for value in forward.values()}) == len(names)


def test_dropped_values_come_back_the_same():
    store = ConstantStore(load_model("squeezenet"))
    name = weights_of(store.network)[0]
    before = store.value(name)
    assert store.value(name) is before
    store.drop(name)
    assert store.value(name) is not before
    assert np.array_equal(store.value(name), before)
    store.clear()
    assert np.array_equal(store.value(name), before)


def test_values_cannot_be_written_to():
    store = ConstantStore(load_model("squeezenet"))
    with pytest.raises(ValueError, match="read-only"):
        store.value(weights_of(store.network)[0])[...] = 0


def test_integers_single_numbers_and_shapes_are_never_replaced(save):
    nodes = [
        helper.make_node("ConstantOfShape", ["sizes"], ["filled"]),
        helper.make_node("Add", ["x", "filled"], ["a"]),
        helper.make_node("Resize", ["a", "", "scales"], ["b"]),
        helper.make_node("Mul", ["b", "single"], ["y"]),
    ]
    path = save(
        nodes,
        {"x": [1, 1, 2, 3]},
        ["y"],
        {
            "sizes": np.array([2, 3]),
            "scales": np.array([1, 1, 2, 2], np.float32),
            "single": np.array([[3]], np.float32),
        },
    )
    network = load_model(path)
    store = ConstantStore(network, "seeded:0")
    assert set(store.replaced) == {"filled"}
    assert network.operators[-1]["constants"] == (None, 3.0)


def test_a_constant_that_is_computed_follows_the_seeded_numbers_it_is_computed_from(save):
    nodes = [helper.make_node("Transpose", ["w"], ["turned"]), helper.make_node("MatMul", ["x", "turned"], ["y"])]
    network = load_model(save(nodes, {"x": [2, 4]}, ["y"], {"w": np.zeros((3, 4), np.float32)}))
    store = ConstantStore(network)
    assert np.array_equal(store.value("turned"), store.value("w").T)
    assert store.replaced["w"].fan_in == 4


def test_derived_constants_are_computed_from_the_values_in_use(save, single):
    model = single("Gemm", [3, 4], np.ones((4, 5), np.float32), np.ones((1, 5), np.float32), alpha=0.5, beta=2.0)
    network = load_model(save(model))
    store = ConstantStore(network, "seeded:1")
    (operator,) = network.operators
    assert np.allclose(store.value(operator.inputs[1]), 0.5 * store.value("i1"))
    assert np.allclose(store.value(operator.parameter("bias").tensor), 2 * store.value("i2")[0])
    more = Network(
        network.name,
        network.operators,
        (*network.tensors, Tensor("half", (4, 5), constant=True)),
        network.inputs,
        network.outputs,
        network.reference,
        (*network.derived, Derived("half", "scale", (operator.inputs[1],), (("factor", 0.5),))),
    )
    assert np.allclose(ConstantStore(more, "seeded:1").value("half"), 0.25 * store.value("i1"))


def test_external_weights_are_read_only_when_their_value_is_asked_for(tmp_path):
    numbers = np.arange(12, dtype=np.float32)
    path = external(tmp_path / "m.onnx", "w.bin", b"skip" + numbers.tobytes(), offset=4, length=48)
    store = ConstantStore(load_model(path))
    assert np.array_equal(store.value("w"), numbers.reshape(4, 3))
    (tmp_path / "w.bin").unlink()
    network = load_model(path)
    assert network.shape("y") == (2, 3)
    for weights in ("auto", "stored"):
        with pytest.raises(InputError, match=r"external weights of 'w' are missing.*--weights seeded:N"):
            ConstantStore(network, weights).value("w")
    assert ConstantStore(network, "seeded:0").value("w").shape == (4, 3)


@pytest.mark.parametrize("location", ["../w.bin", "/etc/hostname", "a/../../w.bin", "C:\\w.bin", "..\\w.bin", ""])
def test_external_weights_outside_the_folder_of_the_model_are_refused(location, tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(48))
    network = load_model(external(folder / "m.onnx", location))
    with pytest.raises(InputError, match="outside the folder of the model"):
        ConstantStore(network).value("w")


def test_external_weights_behind_a_link_out_of_the_folder_are_refused(tmp_path):
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(48))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(InputError, match="outside the folder of the model"):
        ConstantStore(load_model(external(folder / "m.onnx", "link.bin"))).value("w")


def test_external_weights_that_are_too_short_are_said_so(tmp_path):
    path = external(tmp_path / "m.onnx", "w.bin", bytes(20), length=48)
    with pytest.raises(InputError, match="has 20 bytes from offset 0, 48 were needed"):
        ConstantStore(load_model(path)).value("w")


def test_stripped_initializers_are_seeded_with_auto_and_refused_as_stored(save):
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4, 3])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", 1, [2, 4])],
        [helper.make_tensor_value_info("y", 1, [2, 3])],
        [weight],
    )
    path = save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    assert ConstantStore(load_model(path)).value("w").std() > 0
    with pytest.raises(InputError, match="'w' were stripped from the file; run with --weights auto"):
        ConstantStore(load_model(path), "stored").value("w")


@pytest.mark.parametrize("weights", ["", "seeded", "seeded:", "seeded:-1", "seeded:x", "random", "auto:1"])
def test_an_unknown_source_of_weights_is_a_wrong_usage(weights):
    with pytest.raises(UsageError, match="use auto, stored, or seeded:N"):
        ConstantStore(load_model("squeezenet"), weights)


def test_a_name_that_is_no_constant_is_refused():
    with pytest.raises(KeyError, match="no constant"):
        ConstantStore(load_model("squeezenet")).value("input")


NETWORKS = ["resnet18", "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "squeezenet", "ocr_classifier"]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_reference_model_runs_and_its_outputs_are_finite_and_differ_from_channel_to_channel(name):
    network = load_model(name)
    model = ConstantStore(network).reference_model()
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(1).standard_normal(network.shape(network.inputs[0]), dtype=np.float32)
    (y,) = session.run(None, {network.inputs[0]: x})
    assert y.shape == network.shape(network.outputs[0])
    assert np.isfinite(y).all()
    assert len(np.unique(y)) > y.size / 2


def test_the_reference_model_has_the_shapes_and_the_cut_of_the_network(shared):
    path = shared / "models" / "unet_256.onnx"
    first = json.loads((shared / "models" / "layers.json").read_text())["unet_256"]["layers"][2]["name"]
    whole = load_model(path, input_shapes={"input": (2, 1, 16, 32)})
    cut = next(o.output for o in whole.operators if o.name == first)
    network = load_model(path, input_shapes={"input": (2, 1, 16, 32)}, until=cut)
    model = ConstantStore(network, "seeded:9").reference_model()
    assert [o.name for o in model.graph.output] == [cut]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"input": np.ones((2, 1, 16, 32), np.float32)})
    assert y.shape == network.shape(cut) == (2, 128, 8, 16)


def test_the_reference_model_holds_exactly_the_values_of_the_store():
    network = load_model("squeezenet")
    store = ConstantStore(network, "seeded:2")
    initializers = {t.name: numpy_helper.to_array(t) for t in store.reference_model().graph.initializer}
    assert all(np.array_equal(initializers[name], store.value(name)) for name in weights_of(network))


def test_a_network_without_a_model_has_no_values():
    network = Network("made", (), (Tensor("w", (2,), constant=True),), (), ())
    with pytest.raises(InputError, match="was not loaded from a model"):
        ConstantStore(network).value("w")
