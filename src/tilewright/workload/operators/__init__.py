"""Supported ONNX operators: constraints, importers, and the table of both."""

from tilewright.workload.operators import (
    common,
    convolution,
    elementwise,
    movement,
    normalisation,
    pooling,
    product,
    reduction,
    resize,
    windows,
)
from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import (
    OperatorRow,
    import_node,
    is_supported,
    supported,
    table,
    violation,
)

__all__ = [
    "Emitter",
    "Node",
    "OperatorRow",
    "common",
    "convolution",
    "elementwise",
    "import_node",
    "is_supported",
    "movement",
    "normalisation",
    "pooling",
    "product",
    "reduction",
    "resize",
    "supported",
    "table",
    "violation",
    "windows",
]
