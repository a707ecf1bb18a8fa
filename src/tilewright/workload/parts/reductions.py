"""Nests with statistics over axes: reductions, softmax, layer and instance normalisation (docs/model.md, section 5)."""

from __future__ import annotations

from tilewright.workload.attributes import integer, integers
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.naming import dim_names, dims_of, plain, plain_operand


def reduction(operator: Operator, network: Network) -> tuple[Part, ...]:
    """One operation per element read; a reduced axis C has the dimension RC, which the output does not use."""
    x = operator.inputs[0]
    shape = network.shape(x)
    reduced = frozenset(integers(operator, "axes"))
    names = tuple("R" + name if axis in reduced else name for axis, name in enumerate(dim_names(len(shape))))
    writes: list[Axis] = []
    for axis, name in enumerate(names):
        if axis not in reduced:
            writes.append(plain(name, shape[axis], len(writes)))
        elif operator["keepdims"]:
            writes.append(Axis((), 1, len(writes)))
    nest = LoopNest(
        dims=dims_of(names, shape),
        operands=(plain_operand("input", "input", names, shape), Operand("output", "output", tuple(writes))),
        work=VectorWork("reduce", reduced=tuple(names[axis] for axis in sorted(reduced))),
    )
    return (Part("", nest, (("input", x), ("output", operator.output))),)


def softmax(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Maximum, exponential and sum, scale along one axis."""
    return (_normalised(operator, network, (integer(operator, "axis"),), exponentials=True),)


def layer_normalisation(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Mean, variance, apply over every axis from ``axis`` on."""
    rank = len(network.shape(operator.output))
    return (_normalised(operator, network, tuple(range(integer(operator, "axis"), rank))),)


def instance_normalisation(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Mean, variance, apply over the spatial axes of each channel."""
    return (_normalised(operator, network, tuple(range(2, len(network.shape(operator.output))))),)


def _normalised(operator: Operator, network: Network, axes: tuple[int, ...], exponentials: bool = False) -> Part:
    """Three passes over rows; the dimension ``pass`` stands directly above the reduced ones, where its loop goes."""
    shape = network.shape(operator.output)
    names = dim_names(len(shape))
    reduced = tuple(names[axis] for axis in axes)
    kept = tuple((name, size) for name, size in zip(names, shape, strict=True) if name not in reduced)
    nest = LoopNest(
        dims=(*kept, ("pass", 3), *((names[axis], shape[axis]) for axis in axes)),
        operands=(
            plain_operand("input", "input", names, shape),
            plain_operand("output", "output", names, shape),
        ),
        work=VectorWork("normalise", reduced=reduced, exponentials=exponentials),
    )
    return Part("", nest, (("input", operator.inputs[0]), ("output", operator.output)))
