"""Kernels that slide over spatial axes: strides, dilations, and padding made explicit.

Shared by convolutions and pooling. Lists have one entry per spatial axis; pads are all begins, then all ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint


@constraint("Conv", "ConvTranspose", "MaxPool", "AveragePool")
def one_or_two_spatial_axes(node: Node) -> bool:
    """The input has one or two spatial axes (rank 3 or 4)."""
    return node.rank() in (3, 4)


@constraint("Conv", "ConvTranspose", "MaxPool", "AveragePool")
def known_auto_pad(node: Node) -> bool:
    """The mode of automatic padding is NOTSET, SAME_UPPER, SAME_LOWER or VALID."""
    return node.text("auto_pad", "NOTSET") in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")


def per_axis(node: Node, name: str, default: int = 1) -> tuple[int, ...]:
    """A list attribute with one entry per spatial axis; the default where it is left out."""
    found = node.integers(name)
    return found if found is not None else (default,) * (node.rank() - 2)


def explicit_pads(
    node: Node, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...]:
    """The pads of a window operator, with ``auto_pad`` resolved to numbers.

    SAME asks for ``ceil(size / stride)`` positions; an odd pad goes to the end (SAME_UPPER) or begin (SAME_LOWER).
    """
    mode = node.text("auto_pad", "NOTSET")
    if mode == "NOTSET":
        return node.integers("pads") or (0,) * (2 * len(kernel))
    if mode == "VALID":
        return (0,) * (2 * len(kernel))
    sizes = node.shape()[2:]
    totals = [same_pad(*axis) for axis in zip(sizes, kernel, strides, dilations, strict=True)]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return tuple(small + large) if mode == "SAME_UPPER" else tuple(large + small)


def same_pad(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Padding elements, both ends together, with which an axis has ``ceil(size / stride)`` window positions.

    >>> same_pad(size=224, kernel=3, stride=2, dilation=1)
    1
    """
    positions = -(-size // stride)
    return max(0, (positions - 1) * stride + (kernel - 1) * dilation + 1 - size)
