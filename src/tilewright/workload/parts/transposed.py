"""A transposed convolution as its phases: one ordinary convolution per residue of the output index.

Output index ``o`` receives input index ``i`` through filter index ``r`` where ``o + pad = i * stride + r * dilation``.
With ``o = phase + stride * q``, only the ``r`` of one residue class take part, and ``i`` is affine in q and in the
count of r: that is a convolution of stride 1, whose results lie ``stride`` apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import gcd

from tilewright.errors import InputError
from tilewright.workload.attributes import begins_and_ends, integer, integers
from tilewright.workload.nest import Axis
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.convolution import FILTER, SPATIAL, channel_nest, grouped
from tilewright.workload.parts.naming import plain


@dataclass(frozen=True)
class Phase:
    """One residue along one axis: ``points`` outputs, ``taps`` filter rows ``first + step * j`` (step negative).

    Output q of the phase reads the input rows ``q + spread * j + offset``.
    """

    residue: int
    points: int
    taps: int
    first: int
    step: int
    offset: int
    spread: int


def phases(size: int, kernel: int, stride: int, dilation: int, pad: int) -> tuple[Phase, ...]:
    """The phases of one axis that have outputs; ``size`` output rows, ``kernel`` filter rows.

    Filter rows are taken from the last to the first, so that the input index grows with both loops.

    >>> phases(size=8, kernel=4, stride=2, dilation=1, pad=1)[0]
    Phase(residue=0, points=4, taps=2, first=3, step=-2, offset=-1, spread=1)
    >>> [phase.taps for phase in phases(size=9, kernel=2, stride=3, dilation=1, pad=0)]   # one phase gets nothing
    [1, 1, 0]
    """
    found = []
    common = gcd(stride, dilation)
    for residue in range(min(stride, size)):
        points = -(-(size - residue) // stride)
        rows = [r for r in range(kernel) if (residue + pad - r * dilation) % stride == 0]
        last = rows[-1] if rows else 0
        offset = (residue + pad - last * dilation) // stride
        found.append(Phase(residue, points, len(rows), last, -(stride // common), offset, dilation // common))
    return tuple(found)


def kernel_reaches_every_phase(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
    begins: tuple[int, ...],
) -> bool:
    """The kernel must reach every output element: where stride and dilation leave rows of the output that no filter
    row contributes to (a stride larger than the kernel, a stride and a dilation with a common divisor), there is
    nothing to compute them from.

    >>> kernel_reaches_every_phase((8, 8), (4, 4), (2, 2), (1, 1), (1, 1))
    True
    >>> kernel_reaches_every_phase((9,), (2,), (3,), (1,), (0,))
    False
    """
    axes = zip(size, kernel, strides, dilations, begins, strict=True)
    return all(phase.taps for axis in axes for phase in phases(*axis))


def transposed_convolution(operator: Operator, network: Network) -> tuple[Part, ...]:
    """One part per phase, in (py, px) order, labelled ``phase(py,px)``; the weight is [C, K/groups, R, S]."""
    x, w = operator.inputs
    batch, channels, *heights = network.shape(x)
    _, per_group, *kernel = network.shape(w)
    outs = network.shape(operator.output)[2:]
    groups = integer(operator, "groups")
    strides, dilations = integers(operator, "strides"), integers(operator, "dilations")
    begins, _ = begins_and_ends(operator)
    if not kernel_reaches_every_phase(outs, tuple(kernel), strides, dilations, begins):
        raise InputError(
            f"ConvTranspose {operator.name}: a kernel of {kernel} with strides {list(strides)} and dilations"
            f" {list(dilations)} leaves rows of the output without any input; use a kernel at least as large as the"
            " stride, and a dilation that has no common divisor with it"
        )
    spatial, window = SPATIAL[len(kernel)], FILTER[len(kernel)]
    per_axis = [phases(outs[i], kernel[i], strides[i], dilations[i], begins[i]) for i in range(len(kernel))]
    found = []
    for chosen in product(*per_axis):
        reads = tuple(
            Axis(((y, 1), (r, phase.spread)), heights[i], 2 + i, offset=phase.offset)
            for i, (y, r, phase) in enumerate(zip(spatial, window, chosen, strict=True))
        )
        writes = tuple(
            Axis(((y, strides[i]),), outs[i], 2 + i, offset=phase.residue)
            for i, (y, phase) in enumerate(zip(spatial, chosen, strict=True))
        )
        nest = channel_nest(
            batch,
            groups,
            per_group,
            channels // groups,
            dims=(
                *((y, phase.points) for y, phase in zip(spatial, chosen, strict=True)),
                *((r, phase.taps) for r, phase in zip(window, chosen, strict=True)),
            ),
            reads=reads,
            weights=(
                *grouped(groups, channels // groups, "C", 0),
                plain("K", per_group, 1),
                *(plain(r, chosen[i].taps, 2 + i) for i, r in enumerate(window)),
            ),
            writes=writes,
        )
        label = f"phase({','.join(str(phase.residue) for phase in chosen)})"
        taps = tuple((phase.first, phase.step) for phase in chosen)
        found.append(Part(label, nest, (("input", x), ("weight", w), ("output", operator.output)), taps))
    return tuple(found)
