"""Nests of convolutions (docs/model.md, section 1)."""

from __future__ import annotations

from tilewright.workload.attributes import begins_and_ends, integer, integers
from tilewright.workload.nest import Axis, LoopNest, Operand
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.naming import plain

SPATIAL = {1: ("X",), 2: ("Y", "X")}
FILTER = {1: ("S",), 2: ("R", "S")}


def convolution(operator: Operator, network: Network) -> tuple[Part, ...]:
    """``output[n, gK+k, y, x] += weight[gK+k, c, r, s] * input[n, gC+c, y*stride + r*dilation - pad, ...]``.

    Dimensions N, G, K, C, Y, X, R, S, all present even where their extent is 1; one-dimensional ones lack Y and R.
    """
    x, w = operator.inputs
    batch, channels, *heights = network.shape(x)
    filters, depth, *kernel = network.shape(w)
    outs = network.shape(operator.output)[2:]
    groups = integer(operator, "groups")
    strides, dilations = integers(operator, "strides"), integers(operator, "dilations")
    begins, _ = begins_and_ends(operator)
    spatial, window = SPATIAL[len(kernel)], FILTER[len(kernel)]
    per_group = filters // groups
    reads = tuple(
        Axis(((y, strides[i]), (r, dilations[i])), heights[i], 2 + i, offset=-begins[i])
        for i, (y, r) in enumerate(zip(spatial, window, strict=True))
    )
    nest = LoopNest(
        dims=(
            ("N", batch),
            ("G", groups),
            ("K", per_group),
            ("C", channels // groups),
            *zip(spatial, outs, strict=True),
            *zip(window, kernel, strict=True),
        ),
        operands=(
            Operand(
                "input",
                "input",
                (plain("N", batch, 0), *grouped(groups, channels // groups, "C", 1), *reads),
            ),
            Operand(
                "weight",
                "weight",
                (
                    *grouped(groups, per_group, "K", 0),
                    plain("C", depth, 1),
                    *(plain(r, kernel[i], 2 + i) for i, r in enumerate(window)),
                ),
            ),
            Operand(
                "output",
                "output",
                (
                    plain("N", batch, 0),
                    *grouped(groups, per_group, "K", 1),
                    *(plain(y, outs[i], 2 + i) for i, y in enumerate(spatial)),
                ),
            ),
        ),
    )
    return (Part("", nest, (("input", x), ("weight", w), ("output", operator.output))),)


def grouped(groups: int, size: int, dim: str, tensor_axis: int) -> tuple[Axis, Axis]:
    """The two operand axes of a channel axis that holds ``groups`` runs of ``size`` channels.

    >>> grouped(2, 8, "K", 0)[0]
    Axis(terms=(('G', 1),), size=2, tensor_axis=0, offset=0, scale=8, divisor=1, reach=0, clamp=False)
    """
    return Axis((("G", 1),), groups, tensor_axis, scale=size), plain(dim, size, tensor_axis)
