"""Nests of operators that only move data, for where they cannot be views (docs/model.md, section 8)."""

from __future__ import annotations

from tilewright.workload.attributes import begins_and_ends, integer, integers
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.elementwise import mapped
from tilewright.workload.parts.naming import dim_names, dims_of, plain_operand


def broadcast(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Expand and Identity: every output element from the same place of the input, repeated where it is smaller."""
    return (mapped(operator, network, 1),)


def transposition(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Output axis i runs along input axis ``perm[i]``."""
    shape = network.shape(operator.output)
    names = dim_names(len(shape))
    source = {axis: position for position, axis in enumerate(integers(operator, "perm"))}
    axes = tuple(Axis(((names[source[axis]], 1),), shape[source[axis]], axis) for axis in range(len(shape)))
    return (_copy(operator, network, axes),)


def slicing(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Input index ``start + step * i`` along every axis."""
    shape = network.shape(operator.inputs[0])
    names = dim_names(len(shape))
    starts, steps = integers(operator, "starts"), integers(operator, "steps")
    axes = tuple(
        Axis(((names[axis], steps[axis]),), size, axis, offset=starts[axis]) for axis, size in enumerate(shape)
    )
    return (_copy(operator, network, axes),)


def padding(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Input index ``i - begin``; indices outside the input stand for the padding value, which is not loaded."""
    shape = network.shape(operator.inputs[0])
    names = dim_names(len(shape))
    begins, _ = begins_and_ends(operator)
    axes = tuple(Axis(((names[axis], 1),), size, axis, offset=-begins[axis]) for axis, size in enumerate(shape))
    return (_copy(operator, network, axes),)


def concatenation(operator: Operator, network: Network) -> tuple[Part, ...]:
    """One part per input, labelled ``input i``, each writing its own range of the output's axis."""
    out = network.shape(operator.output)
    names = dim_names(len(out))
    along = integer(operator, "axis")
    found = []
    start = 0
    for position, tensor in enumerate(operator.inputs):
        shape = network.shape(tensor)
        writes = tuple(
            Axis(((names[axis], 1),), size, axis, offset=start if axis == along else 0) for axis, size in enumerate(out)
        )
        nest = LoopNest(
            dims=dims_of(names, shape),
            operands=(plain_operand("input", "input", names, shape), Operand("output", "output", writes)),
            work=VectorWork("map"),
        )
        found.append(Part(f"input {position}", nest, (("input", tensor), ("output", operator.output))))
        start += shape[along]
    return tuple(found)


def _copy(operator: Operator, network: Network, reads: tuple[Axis, ...]) -> Part:
    shape = network.shape(operator.output)
    names = dim_names(len(shape))
    nest = LoopNest(
        dims=dims_of(names, shape),
        operands=(Operand("input", "input", reads), plain_operand("output", "output", names, shape)),
        work=VectorWork("map"),
    )
    return Part("", nest, (("input", operator.inputs[0]), ("output", operator.output)))
