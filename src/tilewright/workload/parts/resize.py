"""Nests of resizing: the input index is the floor of a rational function of the output index."""

from __future__ import annotations

from math import gcd

from tilewright.workload.attributes import text
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.naming import dim_names, dims_of, plain_operand


def resize(operator: Operator, network: Network) -> tuple[Part, ...]:
    """One operation per element for nearest, four for linear (docs/model.md, section 5)."""
    x = operator.inputs[0]
    shape, out = network.shape(x), network.shape(operator.output)
    names = dim_names(len(out))
    linear = text(operator, "mode") == "linear"
    rounding = "linear" if linear else text(operator, "nearest_mode")
    axes = (
        source_axis(names[axis], rule, shape[axis], out[axis], axis, rounding)
        for axis, rule in enumerate(coordinates(operator))
    )
    nest = LoopNest(
        dims=dims_of(names, out),
        operands=(Operand("input", "input", tuple(axes)), plain_operand("output", "output", names, out)),
        work=VectorWork("map", 4 if linear else 1),
    )
    return (Part("", nest, (("input", x), ("output", operator.output))),)


def coordinates(operator: Operator) -> tuple[tuple[int, int, int], ...]:
    """Per axis (numerator, addend, denominator): output index y comes from ``(numerator*y + addend)/denominator``."""
    value = operator["coordinates"]
    if not isinstance(value, tuple):
        raise TypeError(f"attribute coordinates of operator {operator.name} is {value!r}, not a tuple")
    rules = []
    for rule in value:
        if not isinstance(rule, tuple) or len(rule) != 3:
            raise TypeError(f"attribute coordinates of operator {operator.name} holds {rule!r}, not three integers")
        numerator, addend, denominator = (int(item) for item in rule if isinstance(item, int))
        rules.append((numerator, addend, denominator))
    return tuple(rules)


def source_axis(dim: str, rule: tuple[int, int, int], size: int, out: int, tensor_axis: int, rounding: str) -> Axis:
    """The axis that an output dimension of extent ``out`` reads, rounded as asked; ``linear`` reads two neighbours.

    Positions between whole numbers are rounded by the floor of a fraction, exactly:

    >>> axis = source_axis("Y", (1, 0, 2), size=4, out=8, tensor_axis=2, rounding="floor")
    >>> axis.terms, axis.offset, axis.divisor, axis.reach, axis.clamp
    ((('Y', 1),), 0, 2, 0, False)
    >>> axis = source_axis("Y", (2, -1, 4), size=4, out=8, tensor_axis=2, rounding="linear")
    >>> axis.terms, axis.offset, axis.divisor, axis.reach, axis.clamp
    ((('Y', 2),), -1, 4, 1, True)
    """
    numerator, addend, denominator = rule
    reach = 0
    if numerator % denominator == 0 and addend % denominator == 0:
        pass  # every position is a whole number: nothing to round, one element is read
    elif rounding == "linear":
        reach = 1
    elif rounding == "ceil":
        addend += denominator - 1
    elif rounding == "round_prefer_floor":
        numerator, addend, denominator = 2 * numerator, 2 * addend + denominator - 1, 2 * denominator
    elif rounding == "round_prefer_ceil":
        numerator, addend, denominator = 2 * numerator, 2 * addend + denominator, 2 * denominator
    common = gcd(numerator, addend, denominator)
    numerator, addend, denominator = numerator // common, addend // common, denominator // common
    first, last = addend // denominator, (numerator * (out - 1) + addend) // denominator + reach
    if size == 1 < out:
        return Axis((), 1, tensor_axis)  # there is only one element to read, whatever the position
    return Axis(
        ((dim, numerator or 1),),  # a numerator of 0 stands for a single position, index 0 of an extent of 1
        size,
        tensor_axis,
        offset=addend,
        divisor=denominator,
        reach=reach,
        clamp=first < 0 or last >= size,
    )
