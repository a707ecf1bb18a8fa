"""One ONNX node, or a small graph, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper


def run_graph(
    nodes: Sequence[onnx.NodeProto], inputs: dict[str, np.ndarray], outputs: Sequence[str], opset: int = 17
) -> list[np.ndarray]:
    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in inputs.items()
        ],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(list(outputs), inputs))


def run_node(op_type: str, inputs: dict[str, np.ndarray], opset: int = 17, **attributes: Any) -> np.ndarray:
    """The first output of one node, whose inputs are in the order of the dictionary."""
    node = helper.make_node(op_type, list(inputs), ["y"], **attributes)
    return run_graph([node], inputs, ["y"], opset)[0]


def small_integers(rng: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Whole numbers in single precision: sums of their products are exact in any order."""
    return rng.integers(-4, 5, size=tuple(shape)).astype(np.float32)
