"""Reading the attributes of canonical operators as the types that their kinds promise (``network.KINDS``)."""

from __future__ import annotations

from tilewright.workload.network import Operator


def integer(operator: Operator, key: str) -> int:
    """An attribute that is one integer.

    >>> integer(Operator("s", "Softmax", ("x",), "y", (("axis", 1),)), "axis")
    1
    """
    value = operator[key]
    if not isinstance(value, int):
        raise TypeError(f"attribute {key} of {operator.kind} operator {operator.name} is {value!r}, not an integer")
    return int(value)


def number(operator: Operator, key: str) -> float:
    """An attribute that is one number."""
    value = operator[key]
    if not isinstance(value, int | float):
        raise TypeError(f"attribute {key} of {operator.kind} operator {operator.name} is {value!r}, not a number")
    return float(value)


def text(operator: Operator, key: str) -> str:
    """An attribute that is a word."""
    value = operator[key]
    if not isinstance(value, str):
        raise TypeError(f"attribute {key} of {operator.kind} operator {operator.name} is {value!r}, not a word")
    return value


def integers(operator: Operator, key: str) -> tuple[int, ...]:
    """An attribute that is a tuple of integers.

    >>> integers(Operator("t", "Transpose", ("x",), "y", (("perm", (1, 0)),)), "perm")
    (1, 0)
    """
    value = operator[key]
    if not isinstance(value, tuple) or not all(isinstance(item, int) for item in value):
        raise TypeError(f"attribute {key} of {operator.kind} operator {operator.name} is {value!r}, not integers")
    return tuple(int(item) for item in value if isinstance(item, int))


def begins_and_ends(operator: Operator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The attribute ``pads``, begins of every axis then ends, taken apart."""
    pads = integers(operator, "pads")
    half = len(pads) // 2
    return pads[:half], pads[half:]


def scalars(operator: Operator) -> tuple[float | None, ...]:
    """The attribute ``constants`` of an elementwise operator: None where a tensor stands, else the scalar.

    >>> scalars(Operator("a", "Elementwise", ("x",), "y", (("function", "Add"), ("constants", (None, 3.0)))))
    (None, 3.0)
    """
    value = operator.get("constants")
    if value is None:
        return (None,) * len(operator.inputs)
    if not isinstance(value, tuple):
        raise TypeError(f"attribute constants of operator {operator.name} is {value!r}, not a tuple")
    return tuple(float(item) if isinstance(item, int | float) else None for item in value)


def arguments(operator: Operator) -> tuple[float, ...]:
    """The attribute ``arguments`` of an elementwise operator: limits of a Clip, slope of a LeakyRelu...

    >>> arguments(Operator("c", "Elementwise", ("x",), "y", (("function", "Clip"), ("arguments", (0, 6.0)))))
    (0.0, 6.0)
    """
    value = operator.get("arguments", ())
    if not isinstance(value, tuple):
        raise TypeError(f"attribute arguments of operator {operator.name} is {value!r}, not a tuple")
    return tuple(float(item) for item in value if isinstance(item, int | float))
