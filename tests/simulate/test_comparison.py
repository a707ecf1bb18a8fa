"""What counts as agreement with the reference, and what the reference cannot say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

from tilewright.errors import InputError
from tilewright.simulate.reference import reference_outputs
from tilewright.simulate.run import output_error

ONES = np.ones(4, np.float32)


def with_value(value: float, at: int = 0) -> np.ndarray:
    found = ONES.copy()
    found[at] = value
    return found


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_agrees_only_with_itself(value: float) -> None:
    assert output_error("y", with_value(value), with_value(value)).agrees
    assert not output_error("y", with_value(value), ONES).agrees
    assert not output_error("y", ONES, with_value(value)).agrees


def test_an_infinity_does_not_hide_the_errors_beside_it() -> None:
    wanted = with_value(np.inf)
    computed = wanted.copy()
    computed[1] = 2.0
    assert output_error("y", computed, wanted).relative == 1.0


def test_a_reference_without_a_finite_value_shows_nothing() -> None:
    nothing = np.full(4, np.nan, np.float32)
    assert not output_error("y", nothing, nothing).agrees


def test_half_precision_may_differ_by_its_own_rounding() -> None:
    wanted = np.array([1.0, 0.5], np.float16)
    off = np.array([1.0 + 2 * np.finfo(np.float16).eps, 0.5], np.float32)
    assert output_error("y", off, wanted).agrees
    assert not output_error("y", off, wanted.astype(np.float32)).agrees
    assert not output_error("y", np.array([1.0, 0.6]), wanted).agrees


def test_what_onnxruntime_cannot_run_is_an_error_in_one_sentence() -> None:
    infos = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", infos[:1], infos[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(InputError, match=r"onnxruntime .* cannot run this model.*Relu"):
        reference_outputs(model, {"x": np.array([1, 2])}, ("y",))
