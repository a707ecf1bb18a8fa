"""Fold constant factors and addends per channel into the weights and bias of the multiply-accumulates before them."""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.network import Network, Operator
from tilewright.workload.rewrite.channels import ChannelStep, channel_axis, channel_step, takes_folds, weight_axis
from tilewright.workload.rewrite.editor import Editor, with_parameter


def fold_channel_constants(network: Network) -> Network:
    """``(W x + b) * c`` has the weights ``c W`` and the bias ``c b``; ``(W x + b) + c`` the bias ``b + c``.

    The constant is a number or varies along the output channels only; it may also divide, or be subtracted. Only
    where nothing else reads the producer's result, and nothing was applied to it in between.
    """
    return Editor(network).fold(_into)


def _into(editor: Editor, producer: Operator, operator: Operator) -> Operator | None:
    if not takes_folds(editor, producer):
        return None
    axis = channel_axis(editor, producer)
    step = channel_step(editor, operator, axis)
    if step is None:
        return None
    channels = editor.tensor(producer.output).shape[axis]
    folded = (
        _scaled(editor, producer, step, axis, channels)
        if step.product
        else _shifted(editor, producer, step, axis, channels)
    )
    return replace(folded, epilogue=operator.epilogue)


def _scaled(editor: Editor, producer: Operator, step: ChannelStep, axis: int, channels: int) -> Operator:
    weight = editor.tensor(producer.inputs[1])
    factor = step.constant(editor, weight.name)
    weight_channels, groups = weight_axis(producer, weight)
    folded = editor.derive(
        "scaled_weight",
        (weight.name, factor),
        weight.shape,
        axis=weight_channels,
        groups=groups,
        power=step.exponent,
    )
    before = producer.parameter("bias")
    parameters = producer.parameters
    if before is not None:
        bias = editor.derive("scaled_vector", (before.tensor, factor), (channels,), size=channels, power=step.exponent)
        parameters = with_parameter(producer, "bias", bias, axis)
    return replace(producer, inputs=(producer.inputs[0], folded), parameters=parameters)


def _shifted(editor: Editor, producer: Operator, step: ChannelStep, axis: int, channels: int) -> Operator:
    addend = step.constant(editor, producer.inputs[1])
    before = producer.parameter("bias")
    if before is not None:
        bias = editor.derive("summed_vectors", (before.tensor, addend), (channels,), size=channels, sign=step.exponent)
    else:
        bias = editor.derive("vector", (addend,), (channels,), size=channels, sign=step.exponent)
    return replace(producer, parameters=with_parameter(producer, "bias", bias, axis))
