"""Softmax and the normalisations over batch, instance and layer."""

from __future__ import annotations

from tilewright.workload.network import Parameter
from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports

PER_AXIS_SOFTMAX_OPSET = 13


@imports("Softmax", kind="Softmax")
def softmax(node: Node, emitter: Emitter) -> None:
    """Before operator set 13, softmax runs over all axes from ``axis`` on, flattened to one."""
    if node.opset >= PER_AXIS_SOFTMAX_OPSET:
        emitter.emit(node, "Softmax", node.inputs[:1], axis=node.axis(node.integer("axis", -1)))
        return
    first, shape = node.axis(node.integer("axis", 1)), node.shape()
    extended = [axis for axis in range(first, node.rank()) if shape[axis] > 1]
    if len(extended) <= 1:
        emitter.emit(node, "Softmax", node.inputs[:1], axis=extended[0] if extended else node.rank() - 1)
        return
    flat = (*shape[:first], _product(shape[first:]))
    before = emitter.intermediate(node, "flat", flat, node.dtype())
    after = emitter.intermediate(node, "softmax", flat, node.dtype())
    emitter.emit(node, "Reshape", node.inputs[:1], before, part="flatten")
    emitter.emit(node, "Softmax", (before,), after, part="softmax", axis=first)
    emitter.emit(node, "Reshape", (after,))


@constraint("BatchNormalization")
def for_inference(node: Node) -> bool:
    """It is in inference form: no training mode, statistics per channel, one output."""
    return (
        node.integer("training_mode", 0) == 0
        and node.integer("spatial", 1) == 1
        and not any(node.used(slot) for slot in range(1, len(node.outputs)))
    )


@constraint("BatchNormalization")
def constant_statistics(node: Node) -> bool:
    """Scale, bias, mean and variance are constants with one element per channel (axis 1)."""
    return node.rank() >= 2 and all(
        node.constant(slot) and node.shape(slot) == node.shape()[1:2] for slot in range(1, 5)
    )


@imports("BatchNormalization", kind="BatchNormalization")
def batch_normalization(node: Node, emitter: Emitter) -> None:
    """Normalisation by stored statistics."""
    roles = ("scale", "bias", "mean", "variance")
    emitter.emit(
        node,
        "BatchNormalization",
        node.inputs[:1],
        parameters=[Parameter(role, node.inputs[slot], (1,)) for slot, role in enumerate(roles, 1)],
        epsilon=node.number("epsilon", 1e-5),
    )


@constraint("InstanceNormalization")
def constant_scale_and_bias(node: Node) -> bool:
    """Scale and bias are constants with one element per channel, and there is at least one spatial axis."""
    return node.rank() >= 3 and all(node.constant(slot) and node.shape(slot) == node.shape()[1:2] for slot in (1, 2))


@imports("InstanceNormalization", kind="InstanceNormalization")
def instance_normalization(node: Node, emitter: Emitter) -> None:
    """Normalisation over the spatial axes of each channel."""
    emitter.emit(
        node,
        "InstanceNormalization",
        node.inputs[:1],
        parameters=(Parameter("scale", node.inputs[1], (1,)), Parameter("bias", node.inputs[2], (1,))),
        epsilon=node.number("epsilon", 1e-5),
    )


@constraint("LayerNormalization")
def layer_outputs(node: Node) -> bool:
    """The outputs with mean and deviation are not used."""
    return not node.used(1) and not node.used(2)


@constraint("LayerNormalization")
def layer_parameters(node: Node) -> bool:
    """Scale, and bias if there is one, are constants with one element per normalised position."""
    positions = _product(node.shape()[node.axis(node.integer("axis", -1)) :])
    return all(not node.has(slot) or (node.constant(slot) and node.elements(slot) == positions) for slot in (1, 2))


@imports("LayerNormalization", kind="LayerNormalization", opsets="17+")
def layer_normalization(node: Node, emitter: Emitter) -> None:
    """Normalisation over all axes from ``axis`` on."""
    first = node.axis(node.integer("axis", -1))
    axes = tuple(range(first, node.rank()))
    emitter.emit(
        node,
        "LayerNormalization",
        node.inputs[:1],
        parameters=[
            Parameter(role, node.inputs[slot], axes) for slot, role in ((1, "scale"), (2, "bias")) if node.has(slot)
        ],
        axis=first,
        epsilon=node.number("epsilon", 1e-5),
    )


def _product(extents: tuple[int, ...]) -> int:
    total = 1
    for extent in extents:
        total *= extent
    return total
