"""Values of constants: initializers as arrays, and single ONNX nodes run by the reference evaluator of onnx itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tilewright.errors import InputError
from tilewright.workload.onnx_file import ModelFile, has_data, is_external, read_external
from tilewright.workload.onnx_graph import OnnxNode

if TYPE_CHECKING:
    import onnx

Array = npt.NDArray[Any]


def initializer_value(tensor: onnx.TensorProto, file: ModelFile, *, external: bool) -> Array | None:
    """The numbers of an initializer, or None if the file holds only its shape.

    With ``external`` false, data in another file is not read but refused with an InputError.
    """
    import onnx
    from onnx import numpy_helper

    elements = int(np.prod(tensor.dims, dtype=np.int64))
    if is_external(tensor):
        if not external:
            raise InputError(
                f"{file.label}: the value of '{tensor.name}' is needed to import the model, and it is kept in another "
                "file; save constants that are shapes, axes or limits inside the model"
            )
        copy = onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.ClearField("external_data")
        copy.data_location = onnx.TensorProto.DEFAULT
        copy.raw_data = read_external(tensor, file.folder, file.label)
        tensor = copy
    elif elements and not has_data(tensor):
        return None
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except (ValueError, TypeError):
        raise InputError(
            f"{file.label}: initializer '{tensor.name}' does not hold the {elements} elements of its shape "
            f"{list(tensor.dims)}; the file is damaged"
        ) from None


def evaluate(node: OnnxNode, inputs: Sequence[Array | None], file: ModelFile) -> dict[str, Array]:
    """The outputs of one node on given inputs (None where an optional input is left out).

    Raises InputError if the reference evaluator does not know the operator or the inputs do not suit it.
    """
    from onnx import TensorProto, helper
    from onnx.reference import ReferenceEvaluator

    graph = helper.make_graph(
        [node.proto],
        node.name,
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in dict.fromkeys(node.reads)],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.writes],
    )
    # A whole model, because the evaluator takes the operator set from it and not from a bare node.
    model = helper.make_model(graph, opset_imports=file.model.opset_import, ir_version=file.model.ir_version)
    feeds = {name: value for name, value in zip(node.inputs, inputs, strict=True) if value is not None}
    try:
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:  # the evaluator raises whatever numpy or its own operators raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{file.label}: constant node '{node.name}' ({node.op_type}) cannot be evaluated: {reason}"
        ) from error
    return {name: np.asarray(value) for name, value in zip(node.writes, values, strict=True)}
