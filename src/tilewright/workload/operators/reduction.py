"""Reductions over whole axes: global pooling and the Reduce operators."""

from __future__ import annotations

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports

REDUCTIONS = {"ReduceMean": "mean", "ReduceSum": "sum", "ReduceMax": "max"}
GLOBAL = {"GlobalAveragePool": "mean", "GlobalMaxPool": "max"}


@constraint("GlobalAveragePool", "GlobalMaxPool")
def has_spatial_axes(node: Node) -> bool:
    """The input has at least one spatial axis (rank 3 or more)."""
    return node.rank() >= 3


@imports("GlobalAveragePool", "GlobalMaxPool", kind="Reduce")
def global_pool(node: Node, emitter: Emitter) -> None:
    """A reduction over all spatial axes."""
    emitter.emit(
        node,
        "Reduce",
        node.inputs[:1],
        function=GLOBAL[node.op_type],
        axes=tuple(range(2, node.rank())),
        keepdims=True,
    )


@constraint("ReduceMean", "ReduceSum", "ReduceMax")
def axes_known(node: Node) -> bool:
    """The axes, if given, are an attribute or a constant."""
    return not node.has(1) or node.folds(1)


@imports("ReduceMean", "ReduceSum", "ReduceMax", kind="Reduce")
def reduce(node: Node, emitter: Emitter) -> None:
    """A reduction over the given axes, over all if there are none."""
    given = node.value_ints(1) if node.has(1) else node.integers("axes") or ()
    if not given and node.integer("noop_with_empty_axes", 0):
        emitter.emit(node, "Identity", node.inputs[:1])
        return
    axes = tuple(sorted({node.axis(axis) for axis in given})) or tuple(range(node.rank()))
    emitter.emit(
        node,
        "Reduce",
        node.inputs[:1],
        function=REDUCTIONS[node.op_type],
        axes=axes,
        keepdims=bool(node.integer("keepdims", 1)),
    )
