"""The model that results are compared with: the imported graph with given numbers for its constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tilewright.errors import InputError
from tilewright.workload.onnx_evaluate import Array
from tilewright.workload.onnx_import import ImportedModel

if TYPE_CHECKING:
    import onnx

LARGEST_MODEL_BYTES = 2**31 - 2**20
INITIALIZERS_ALONE_IR = 4  # from this IR version on, initializers need not be inputs too


def reference_model(imported: ImportedModel, value: Callable[[str], Array], replaced: set[str]) -> onnx.ModelProto:
    """A self-contained model of the nodes that were imported, with the input shapes and outputs of the network.

    Initializers and the ``replaced`` constants take their numbers from ``value``. InputError if the model would not
    fit the two gigabytes that the format allows.
    """
    from onnx import ModelProto, helper, numpy_helper

    values, network = imported.values, imported.network
    names = sorted(set(values.graph.initializers) | replaced)
    total = sum(values.types[name].elements * values.numpy_dtype(name).itemsize for name in names)
    if total > LARGEST_MODEL_BYTES:
        raise InputError(
            f"{imported.file.label}: its weights have {total} bytes, and a model for comparison may have "
            f"{LARGEST_MODEL_BYTES}; compare a part of the network, cut with --until"
        )
    source = imported.file.model
    model = ModelProto(ir_version=max(source.ir_version, INITIALIZERS_ALONE_IR))
    model.opset_import.extend(source.opset_import)
    graph = model.graph
    graph.name = source.graph.name or "reference"
    graph.node.extend(node.proto for node in values.graph.nodes if replaced.isdisjoint(node.writes))
    graph.initializer.extend(numpy_helper.from_array(value(name), name) for name in names)
    for entries, tensors in ((graph.input, network.inputs), (graph.output, network.outputs)):
        for name in tensors:
            kind = values.types[name]
            element_type = helper.np_dtype_to_tensor_dtype(values.numpy_dtype(name))
            entries.append(helper.make_tensor_value_info(name, element_type, list(kind.shape)))
    return model
