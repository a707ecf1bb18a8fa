"""Let producers apply the elementwise functions that follow them before they store their result."""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.attributes import arguments, scalars, text
from tilewright.workload.network import MOVE_KINDS, Activation, Network, Operator
from tilewright.workload.rewrite.channels import varies_along
from tilewright.workload.rewrite.editor import Editor

PLAIN = frozenset({"Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "HardSwish", "SiLU", "GELU"})
WITH_ARGUMENTS = frozenset({"Clip", "LeakyRelu", "HardSigmoid"})


def absorb_activations(network: Network) -> Network:
    """An elementwise function of one tensor joins the epilogue of the operator that produces it.

    Not where the producer only moves data, or where anything else needs the result before the function.
    """
    return Editor(network).fold(_into)


def _into(editor: Editor, producer: Operator, operator: Operator) -> Operator | None:
    if producer.kind in MOVE_KINDS or operator.kind != "Elementwise":
        return None
    before, after = editor.tensor(producer.output), editor.tensor(operator.output)
    if (before.shape, before.dtype) != (after.shape, after.dtype):
        return None
    found = activation(editor, operator)
    if found is None:
        return None
    return replace(producer, epilogue=(*_appended(producer.epilogue, found), *operator.epilogue))


def activation(editor: Editor, operator: Operator) -> Activation | None:
    """The elementwise operator as a function of its one variable input, or None if it is not of the known ones."""
    function = text(operator, "function")
    if function in PLAIN and len(scalars(operator)) == 1:
        return Activation(function)
    if function in WITH_ARGUMENTS:
        return Activation(function, arguments(operator))
    if function == "PRelu":
        return _prelu(editor, operator)
    if len(operator.inputs) == 1 and "float" in editor.tensor(operator.output).dtype:  # integers divide otherwise
        return _affine(function, scalars(operator))
    return None


def _prelu(editor: Editor, operator: Operator) -> Activation | None:
    """PRelu with a constant slope for each channel; its vector runs along output axis 1."""
    x, slope = operator.inputs
    shape = editor.tensor(operator.output).shape
    if editor.tensor(x).constant or len(shape) < 2 or not varies_along(editor.tensor(slope).shape, shape, 1):
        return None
    return Activation("PRelu", slope=editor.derive("vector", (slope,), (shape[1],), size=shape[1]))


def _affine(function: str, constants: tuple[float | None, ...]) -> Activation | None:
    """``scale * x + shift`` from an operation with a number.

    >>> _affine("Sub", (3.0, None))
    Activation(function='Affine', arguments=(-1.0, 3.0), slope=None)
    """
    match function, constants:
        case "Mul", (None, float(factor)) | (float(factor), None):
            return Activation("Affine", (factor, 0.0))
        case "Div", (None, float(divisor)) if divisor:
            return Activation("Affine", (1 / divisor, 0.0))
        case "Add", (None, float(addend)) | (float(addend), None):
            return Activation("Affine", (1.0, addend))
        case "Sub", (None, float(addend)):
            return Activation("Affine", (1.0, -addend))
        case "Sub", (float(addend), None):
            return Activation("Affine", (-1.0, addend))
        case "Neg", (None,):
            return Activation("Affine", (-1.0, 0.0))
        case _:
            return None


def _appended(epilogue: tuple[Activation, ...], last: Activation) -> tuple[Activation, ...]:
    """The epilogue with one more function; two affine ones in a row are one."""
    if epilogue and epilogue[-1].function == last.function == "Affine":
        (scale, shift), (scale2, shift2) = epilogue[-1].arguments, last.arguments
        return (*epilogue[:-1], Activation("Affine", (scale * scale2, shift * scale2 + shift2)))
    return (*epilogue, last)
