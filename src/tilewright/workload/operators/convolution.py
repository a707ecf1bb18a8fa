"""Conv and ConvTranspose."""

from __future__ import annotations

from tilewright.workload.network import Parameter
from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports
from tilewright.workload.operators.windows import explicit_pads, per_axis


@constraint("Conv", "ConvTranspose")
def constant_weights(node: Node) -> bool:
    """Weights, and the bias if there is one, are constants."""
    return node.constant(1) and (not node.has(2) or node.constant(2))


@constraint("Conv", "ConvTranspose")
def kernel_is_the_weights(node: Node) -> bool:
    """The weights have the input's rank and the kernel's size."""
    kernel = node.integers("kernel_shape")
    return node.rank(1) == node.rank() and (kernel is None or kernel == node.shape(1)[2:])


@constraint("Conv")
def channels_fit_groups(node: Node) -> bool:
    """Input channels are the weights' second axis times the groups, and the groups divide the output channels."""
    groups = node.integer("group", 1)
    return node.shape()[1] == node.shape(1)[1] * groups and node.shape(1)[0] % groups == 0


@constraint("ConvTranspose")
def transposed_channels_fit_groups(node: Node) -> bool:
    """Input channels are the weights' first axis, and the groups divide them."""
    return node.shape()[1] == node.shape(1)[0] and node.shape()[1] % node.integer("group", 1) == 0


@constraint("Conv", "ConvTranspose")
def bias_per_channel(node: Node) -> bool:
    """The bias has one element per output channel."""
    return not node.has(2) or node.elements(2) == node.out_shape()[1]


@imports("Conv", kind="Conv")
def conv(node: Node, emitter: Emitter) -> None:
    """A convolution with explicit pads."""
    kernel = node.shape(1)[2:]
    strides, dilations = per_axis(node, "strides"), per_axis(node, "dilations")
    emitter.emit(
        node, "Conv", node.inputs[:2], parameters=bias(node), strides=strides, dilations=dilations,
        pads=explicit_pads(node, kernel, strides, dilations), groups=node.integer("group", 1),
    )


@imports("ConvTranspose", kind="ConvTranspose")
def conv_transpose(node: Node, emitter: Emitter) -> None:
    """A transposed convolution; an output shape that is asked for becomes pads and output padding."""
    kernel = node.shape(1)[2:]
    strides, dilations = per_axis(node, "strides"), per_axis(node, "dilations")
    extra = per_axis(node, "output_padding", 0)
    pads = node.integers("pads") or (0,) * (2 * len(kernel))
    mode = node.text("auto_pad", "NOTSET")
    if mode != "NOTSET" or node.integers("output_shape") is not None:
        pads, extra = _pads_for_output(node, kernel, strides, dilations, extra, odd_at_end=mode == "SAME_UPPER")
    emitter.emit(
        node, "ConvTranspose", node.inputs[:2], parameters=bias(node), strides=strides, dilations=dilations, pads=pads,
        groups=node.integer("group", 1), output_padding=extra,
    )


def _pads_for_output(
    node: Node, kernel: tuple[int, ...], strides: tuple[int, ...], dilations: tuple[int, ...], extra: tuple[int, ...],
    *, odd_at_end: bool,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads and output padding that give the output shape which was asked for.

    What the full result has too much is cut from both ends; what it lacks is appended as zeros.
    """
    begins, ends, appended = [], [], []
    for axis, taps in enumerate(kernel):
        full = strides[axis] * (node.shape()[2 + axis] - 1) + extra[axis] + (taps - 1) * dilations[axis] + 1
        surplus = max(0, full - node.out_shape()[2 + axis])
        begins.append(surplus // 2 if odd_at_end else surplus - surplus // 2)
        ends.append(surplus - begins[-1])
        appended.append(extra[axis] + max(0, node.out_shape()[2 + axis] - full))
    return (*begins, *ends), tuple(appended)


def bias(node: Node) -> tuple[Parameter, ...]:
    """The bias input as a parameter along the channels."""
    return (Parameter("bias", node.inputs[2], (1,)),) if node.has(2) else ()
