"""Small ONNX models made on the spot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper


def make_model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str | None]],
    outputs: Sequence[str],
    constants: Mapping[str, Any] | None = None,
    opset: int = 17,
) -> onnx.ModelProto:
    """A model with float inputs; output types are left open."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a model (or what ``make_model`` takes) to a file and returns its path."""

    def write(model: Any, *args: Any, name: str = "model.onnx", **kwargs: Any) -> Path:
        if not isinstance(model, onnx.ModelProto):
            model = make_model(model, *args, **kwargs)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return path

    return write


def _single(op_type: str, *inputs: Any, opset: int = 17, outputs: int = 1, **attributes: Any) -> onnx.ModelProto:
    names, shapes, constants = [], {}, {}
    for position, value in enumerate(inputs):
        name = "" if value is None else f"i{position}"
        names.append(name)
        if isinstance(value, list):
            shapes[name] = value
        elif value is not None:
            constants[name] = value
    results = [f"o{position}" for position in range(outputs)]
    node = helper.make_node(op_type, names, results, name="node", **attributes)
    return make_model([node], shapes, results[:1] if op_type != "Split" else results, constants, opset)


@pytest.fixture
def single() -> Callable[..., onnx.ModelProto]:
    """A model of one node ``node``: lists are shapes of network inputs, arrays constants, None is left out."""
    return _single
