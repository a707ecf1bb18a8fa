"""Fold batch normalisation into the weights and bias of the multiply-accumulates before it."""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.attributes import number
from tilewright.workload.network import Network, Operator
from tilewright.workload.rewrite.channels import channel_axis, takes_folds, weight_axis
from tilewright.workload.rewrite.editor import Editor, with_parameter


def fold_batch_normalisation(network: Network) -> Network:
    """``scale * (W x + b - mean) / sqrt(variance + epsilon) + bias`` is another convolution.

    Only where nothing else reads the convolution's result, and nothing was applied to it in between.
    """
    return Editor(network).fold(_into)


def _into(editor: Editor, producer: Operator, norm: Operator) -> Operator | None:
    if norm.kind != "BatchNormalization" or not takes_folds(editor, producer) or channel_axis(editor, producer) != 1:
        return None
    weight = editor.tensor(producer.inputs[1])
    axis, groups = weight_axis(producer, weight)
    epsilon = number(norm, "epsilon")
    scale, bias, mean, variance = (_vector(norm, role) for role in ("scale", "bias", "mean", "variance"))
    before = producer.parameter("bias")
    folded = editor.derive(
        "bn_weight", (weight.name, scale, variance), weight.shape, epsilon=epsilon, axis=axis, groups=groups
    )
    shifted = editor.derive(
        "bn_bias",
        (scale, bias, mean, variance, *((before.tensor,) if before else ())),
        editor.tensor(bias).shape,
        epsilon=epsilon,
    )
    return replace(
        producer,
        inputs=(producer.inputs[0], folded),
        parameters=with_parameter(producer, "bias", shifted, 1),
        epilogue=norm.epilogue,
    )


def _vector(norm: Operator, role: str) -> str:
    parameter = norm.parameter(role)
    if parameter is None:
        raise KeyError(f"BatchNormalization operator {norm.name} has no parameter {role}")
    return parameter.tensor
