"""Nests whose output elements each read a window: pooling and local response normalisation."""

from __future__ import annotations

from math import prod

from tilewright.workload.attributes import begins_and_ends, integer, integers
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.convolution import FILTER, SPATIAL
from tilewright.workload.parts.naming import dim_names, plain, plain_operand


def pooling(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Dimensions N, C, Y, X and the window R, S, which no loop splits; one operation per element of the window."""
    shape, out = network.shape(operator.inputs[0]), network.shape(operator.output)
    kernel, strides = integers(operator, "kernel"), integers(operator, "strides")
    dilations = integers(operator, "dilations")
    begins, _ = begins_and_ends(operator)
    spatial, window = SPATIAL[len(kernel)], FILTER[len(kernel)]
    names = ("N", "C", *spatial)
    reads = (
        Axis(((y, strides[i]), (r, dilations[i])), shape[2 + i], 2 + i, offset=-begins[i])
        for i, (y, r) in enumerate(zip(spatial, window, strict=True))
    )
    nest = LoopNest(
        dims=(*zip(names, out, strict=True), *zip(window, kernel, strict=True)),
        operands=(
            Operand("input", "input", (plain("N", shape[0], 0), plain("C", shape[1], 1), *reads)),
            plain_operand("output", "output", names, out),
        ),
        whole=frozenset(window),
        work=VectorWork("map", prod(kernel)),
    )
    return (Part("", nest, (("input", operator.inputs[0]), ("output", operator.output))),)


def local_response(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Each element divided by a norm over ``size`` neighbouring channels, ``(size - 1) // 2`` of them before it."""
    out = network.shape(operator.output)
    size = integer(operator, "size")
    names = dim_names(len(out))
    axes = list(plain_operand("input", "input", names, out).axes)
    axes[1] = Axis(((names[1], 1), ("R", 1)), out[1], 1, offset=-((size - 1) // 2))
    nest = LoopNest(
        dims=(*zip(names, out, strict=True), ("R", size)),
        operands=(Operand("input", "input", tuple(axes)), plain_operand("output", "output", names, out)),
        whole=frozenset({"R"}),
        work=VectorWork("map", size),
    )
    return (Part("", nest, (("input", operator.inputs[0]), ("output", operator.output))),)
