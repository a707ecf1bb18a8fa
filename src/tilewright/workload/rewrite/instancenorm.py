"""Constant factors around instance normalisation: one behind it folds, one before it does not.

With ``IN(x; g, b) = g (x - mean) / sqrt(variance + epsilon) + b``, a factor a behind it gives ``IN(x; a g, a b)``
exactly. A factor before it scales the variance by ``a * a`` but not epsilon, so that no choice of g and b gives the
same result.
"""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.network import Network, Operator
from tilewright.workload.rewrite.channels import channel_step
from tilewright.workload.rewrite.editor import FLOATS, Editor, with_parameter

KIND = "InstanceNormalization"


def fold_scale_after_instance_norm(network: Network) -> Network:
    """``a * IN(x; g, b)`` becomes ``IN(x; a g, a b)`` for a constant a, one number or one per channel."""
    return Editor(network).fold(_into)


def _into(editor: Editor, norm: Operator, operator: Operator) -> Operator | None:
    if norm.kind != KIND or norm.epilogue or editor.tensor(norm.output).dtype not in FLOATS:
        return None
    step = channel_step(editor, operator, 1)
    if step is None or not step.product:
        return None
    channels = editor.tensor(norm.output).shape[1]
    folded = norm
    factor = step.constant(editor, norm.parameters[0].tensor)
    for parameter in norm.parameters:
        scaled = editor.derive(
            "scaled_vector", (parameter.tensor, factor), (channels,), size=channels, power=step.exponent
        )
        folded = replace(folded, parameters=with_parameter(folded, parameter.role, scaled, 1))
    return replace(folded, epilogue=operator.epilogue)


def note_scale_before_instance_norm(network: Network) -> Network:
    """Say of every constant factor before an instance normalisation that it stays, and why."""
    editor = Editor(network)
    notes = []
    for norm in network.operators:
        before = network.producer.get(norm.inputs[0]) if norm.kind == KIND else None
        step = channel_step(editor, before, 1) if before is not None else None
        if before is not None and step is not None and step.product:
            notes.append(
                f"the constant factor of {before.name} stays in front of the instance normalisation {norm.name}:"
                " it scales the variance but not epsilon, so folding it would change the result"
            )
    return replace(network, notes=tuple(dict.fromkeys((*network.notes, *notes))))
