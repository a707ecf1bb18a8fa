"""Nests of convolutions (docs/model.md, section 1)."""

from __future__ import annotations

from collections.abc import Sequence

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
    batch, _, *sizes = network.shape(x)
    filters, depth, *kernel = network.shape(w)
    outs = network.shape(operator.output)[2:]
    groups = integer(operator, "groups")
    strides, dilations = integers(operator, "strides"), integers(operator, "dilations")
    begins, _ = begins_and_ends(operator)
    nest = convolution_nest(
        batch=batch,
        groups=groups,
        filters=filters // groups,
        channels=depth,
        outs=outs,
        kernel=kernel,
        sizes=sizes,
        strides=strides,
        dilations=dilations,
        begins=begins,
    )
    return (Part("", nest, (("input", x), ("weight", w), ("output", operator.output))),)


def convolution_nest(
    *,
    batch: int,
    groups: int,
    filters: int,
    channels: int,
    outs: Sequence[int],
    kernel: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    begins: Sequence[int],
) -> LoopNest:
    """The nest of a convolution with ``filters`` and ``channels`` in each group; sequences have an entry per spatial
    axis: outputs, filter taps, input size, stride, dilation, and padding before the first element."""
    spatial, window = SPATIAL[len(kernel)], FILTER[len(kernel)]
    return channel_nest(
        batch,
        groups,
        filters,
        channels,
        dims=(*zip(spatial, outs, strict=True), *zip(window, kernel, strict=True)),
        reads=tuple(
            Axis(((y, strides[i]), (r, dilations[i])), sizes[i], 2 + i, offset=-begins[i])
            for i, (y, r) in enumerate(zip(spatial, window, strict=True))
        ),
        weights=(
            *grouped(groups, filters, "K", 0),
            plain("C", channels, 1),
            *(plain(r, kernel[i], 2 + i) for i, r in enumerate(window)),
        ),
        writes=tuple(plain(y, outs[i], 2 + i) for i, y in enumerate(spatial)),
    )


def channel_nest(
    batch: int,
    groups: int,
    filters: int,
    channels: int,
    *,
    dims: tuple[tuple[str, int], ...],
    reads: tuple[Axis, ...],
    weights: tuple[Axis, ...],
    writes: tuple[Axis, ...],
) -> LoopNest:
    """A nest over N, G, K, C and then ``dims``: input and output have a batch and a channel axis in groups, followed by
    the spatial axes given; ``weights`` are all axes of the weight."""
    image = plain("N", batch, 0)
    return LoopNest(
        dims=(("N", batch), ("G", groups), ("K", filters), ("C", channels), *dims),
        operands=(
            Operand("input", "input", (image, *grouped(groups, channels, "C", 1), *reads)),
            Operand("weight", "weight", weights),
            Operand("output", "output", (image, *grouped(groups, filters, "K", 1), *writes)),
        ),
    )


def grouped(groups: int, size: int, dim: str, tensor_axis: int) -> tuple[Axis, Axis]:
    """The two operand axes of a channel axis that holds ``groups`` runs of ``size`` channels.

    >>> grouped(2, 8, "K", 0)[0]
    Axis(terms=(('G', 1),), size=2, tensor_axis=0, offset=0, scale=8, divisor=1, reach=0, clamp=False)
    """
    return Axis((("G", 1),), groups, tensor_axis, scale=size), plain(dim, size, tensor_axis)
