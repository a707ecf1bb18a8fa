"""Windowed pooling, and local response normalisation."""

from __future__ import annotations

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports
from tilewright.workload.operators.windows import explicit_pads, per_axis

FUNCTIONS = {"MaxPool": "max", "AveragePool": "average"}


@constraint("MaxPool")
def no_indices(node: Node) -> bool:
    """The output with the indices of the maxima is not used."""
    return not node.used(1)


@constraint("MaxPool", "AveragePool")
def pads_smaller_than_kernel(node: Node) -> bool:
    """Every pad is smaller than the kernel's extent, so that every window touches the input."""
    kernel, dilations = node.integers("kernel_shape") or (), per_axis(node, "dilations")
    pads = explicit_pads(node, kernel, per_axis(node, "strides"), dilations)
    return all(
        max(pads[axis], pads[axis + len(kernel)]) < (size - 1) * dilations[axis] + 1 for axis, size in enumerate(kernel)
    )


@imports("MaxPool", "AveragePool", kind="Pool")
def pool(node: Node, emitter: Emitter) -> None:
    """Windowed pooling. A window may reach past the padded input (``ceil_mode``); what is outside it never counts."""
    kernel = node.integers("kernel_shape") or ()
    strides, dilations = per_axis(node, "strides"), per_axis(node, "dilations")
    emitter.emit(
        node,
        "Pool",
        node.inputs[:1],
        function=FUNCTIONS[node.op_type],
        kernel=kernel,
        strides=strides,
        dilations=dilations,
        pads=explicit_pads(node, kernel, strides, dilations),
        count_include_pad=bool(node.integer("count_include_pad", 0)),
    )


@constraint("LRN")
def odd_size(node: Node) -> bool:
    """The size is odd and positive, and the input has channels and spatial axes (rank 3 or more)."""
    return node.rank() >= 3 and node.integer("size", 0) > 0 and node.integer("size", 0) % 2 == 1


@imports("LRN", kind="LRN")
def lrn(node: Node, emitter: Emitter) -> None:
    """Division by a power of the squares of neighbouring channels."""
    emitter.emit(
        node,
        "LRN",
        node.inputs[:1],
        size=node.integer("size", 0),
        alpha=node.number("alpha", 1e-4),
        beta=node.number("beta", 0.75),
        bias=node.number("bias", 1.0),
    )
