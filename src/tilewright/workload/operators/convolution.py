"""Conv and ConvTranspose."""

from __future__ import annotations

from tilewright.workload.network import Parameter
from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports
from tilewright.workload.operators.windows import explicit_pads, per_axis
from tilewright.workload.parts.transposed import kernel_reaches_every_phase


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
    """The bias is a vector with one element per output channel."""
    return not node.has(2) or node.shape(2) == node.out_shape()[1:2]


@constraint("ConvTranspose")
def little_output_padding(node: Node) -> bool:
    """Output padding is smaller than the stride or the dilation of its axis."""
    axes = zip(per_axis(node, "output_padding", 0), per_axis(node, "strides"), per_axis(node, "dilations"), strict=True)
    return all(0 <= extra < max(stride, dilation) for extra, stride, dilation in axes)


@constraint("ConvTranspose")
def output_within_reach(node: Node) -> bool:
    """An output shape, if asked for, has one size per spatial axis, at least that of the input and less than a stride
    beyond what the input reaches through kernel and output padding."""
    asked = node.integers("output_shape")
    if asked is None or len(asked) != node.rank() - 2:
        return asked is None
    axes = zip(node.shape()[2:], asked, _full_sizes(node), per_axis(node, "strides"), strict=True)
    return all(least <= size < full + stride for least, size, full, stride in axes)


@constraint("ConvTranspose")
def kernel_reaches_the_output(node: Node) -> bool:
    """The kernel reaches every row and column of the output: where a stride is larger than the kernel, or has a common
    divisor with the dilation, some get nothing but the bias."""
    pads, _ = _pads(node)
    begins = pads[: len(pads) // 2]
    return kernel_reaches_every_phase(
        node.out_shape()[2:], node.shape(1)[2:], per_axis(node, "strides"), per_axis(node, "dilations"), begins
    )


@imports("Conv", kind="Conv")
def conv(node: Node, emitter: Emitter) -> None:
    """A convolution with explicit pads."""
    kernel = node.shape(1)[2:]
    strides, dilations = per_axis(node, "strides"), per_axis(node, "dilations")
    emitter.emit(
        node,
        "Conv",
        node.inputs[:2],
        parameters=bias(node),
        strides=strides,
        dilations=dilations,
        pads=explicit_pads(node, kernel, strides, dilations),
        groups=node.integer("group", 1),
    )


@imports("ConvTranspose", kind="ConvTranspose")
def conv_transpose(node: Node, emitter: Emitter) -> None:
    """A transposed convolution; an output shape that is asked for becomes pads and output padding."""
    pads, extra = _pads(node)
    emitter.emit(
        node,
        "ConvTranspose",
        node.inputs[:2],
        parameters=bias(node),
        strides=per_axis(node, "strides"),
        dilations=per_axis(node, "dilations"),
        pads=pads,
        groups=node.integer("group", 1),
        output_padding=extra,
    )


def _pads(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads and output padding; where an output shape was asked for, those that give it.

    What the full result has too much is cut from both ends; what it lacks is appended as zeros.
    """
    extra = per_axis(node, "output_padding", 0)
    mode = node.text("auto_pad", "NOTSET")
    if mode == "NOTSET" and node.integers("output_shape") is None:
        return node.integers("pads") or (0,) * (2 * len(extra)), extra
    begins, ends, appended = [], [], []
    for more, full, size in zip(extra, _full_sizes(node), node.out_shape()[2:], strict=True):
        surplus = max(0, full - size)
        begins.append(surplus // 2 if mode == "SAME_UPPER" else surplus - surplus // 2)
        ends.append(surplus - begins[-1])
        appended.append(more + max(0, size - full))
    return (*begins, *ends), tuple(appended)


def _full_sizes(node: Node) -> tuple[int, ...]:
    """The size of every spatial axis of a transposed convolution before anything is cut."""
    axes = zip(
        node.shape()[2:],
        node.shape(1)[2:],
        per_axis(node, "strides"),
        per_axis(node, "dilations"),
        per_axis(node, "output_padding", 0),
        strict=True,
    )
    return tuple(stride * (size - 1) + more + (taps - 1) * dilation + 1 for size, taps, stride, dilation, more in axes)


def bias(node: Node) -> tuple[Parameter, ...]:
    """The bias input as a parameter along the channels."""
    return (Parameter("bias", node.inputs[2], (1,)),) if node.has(2) else ()
