"""What onnxruntime computes from the same weights and inputs: the numbers an execution is held against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tilewright.errors import InputError
from tilewright.simulate.regions import Array

if TYPE_CHECKING:
    import onnx


def reference_outputs(
    model: onnx.ModelProto, inputs: Mapping[str, Array], outputs: tuple[str, ...]
) -> dict[str, Array]:
    """The named outputs of a model, on one thread and with the graph as it stands.

    InputError if onnxruntime has no implementation of one of the model's operators as it is used there.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4  # what goes wrong comes back as an exception
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        known = {value.name for value in session.get_inputs()}
        values = session.run(list(outputs), {name: value for name, value in inputs.items() if name in known})
    except (
        failures.Fail,
        failures.InvalidArgument,
        failures.InvalidGraph,
        failures.NotImplemented,
        failures.RuntimeException,
    ) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"onnxruntime {onnxruntime.__version__} cannot run this model, so results cannot be compared: {reason}"
        ) from None
    return dict(zip(outputs, values, strict=True))
