"""What onnxruntime computes from the same weights and inputs: the numbers an execution is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tilewright.simulate.regions import Array

if TYPE_CHECKING:
    import onnx


def reference_outputs(
    model: onnx.ModelProto, inputs: Mapping[str, Array], outputs: tuple[str, ...]
) -> dict[str, Array]:
    """The named outputs of a model, on one thread and with the graph as it stands."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    known = {value.name for value in session.get_inputs()}
    values = session.run(list(outputs), {name: value for name, value in inputs.items() if name in known})
    return dict(zip(outputs, values, strict=True))
