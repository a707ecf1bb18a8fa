"""Resize and Upsample, with source coordinates as exact fractions.

Output index y of an axis reads at ``(numerator * y + addend) / denominator``. For a scale of p / q:
asymmetric is ``q * y / p``; half_pixel ``(2q * y + q - p) / 2p``; align_corners ``(in - 1) * y / (out - 1)``.
"""

from __future__ import annotations

from fractions import Fraction
from math import gcd

import numpy as np

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports

MODES = {"nearest": "nearest", "linear": "linear", "bilinear": "linear"}
COORDINATES = ("asymmetric", "half_pixel", "align_corners", "pytorch_half_pixel")
UNIT = (1, 0, 1)


@constraint("Resize", "Upsample")
def four_axes(node: Node) -> bool:
    """The input has four axes, and only the last two change their size."""
    return node.rank() == 4 and node.shape()[:2] == node.out_shape()[:2]


@constraint("Resize", "Upsample")
def nearest_or_linear(node: Node) -> bool:
    """The mode is nearest or linear: cubic interpolation is not supported."""
    return node.text("mode", "nearest") in MODES


@constraint("Resize", "Upsample")
def sizes_known(node: Node) -> bool:
    """Scales and sizes are attributes or constants."""
    return all(not node.has(slot) or node.folds(slot) for slot in ((1,) if _is_old(node) else (2, 3)))


@constraint("Resize")
def known_coordinates(node: Node) -> bool:
    """Coordinates are asymmetric, half_pixel, align_corners or pytorch_half_pixel."""
    return _coordinate_mode(node) in COORDINATES


@constraint("Resize")
def no_extras(node: Node) -> bool:
    """Antialiasing, exclude_outside and the aspect ratio policies other than stretch are off."""
    return (
        node.integer("antialias", 0) == 0
        and node.integer("exclude_outside", 0) == 0
        and node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
    )


@constraint("Resize", "Upsample")
def one_direction(node: Node) -> bool:
    """Before operator set 11, nearest does not enlarge one axis and reduce the other."""
    if not _is_old(node) or node.text("mode", "nearest") != "nearest":
        return True
    scales = _scales(node)
    return all(scale >= 1 for scale in scales) or all(scale <= 1 for scale in scales)


@imports("Resize", kind="Resize", opsets="10+")
def resize(node: Node, emitter: Emitter) -> None:
    """Nearest or linear interpolation at exact source positions."""
    mode, nearest = MODES[node.text("mode", "nearest")], ""
    if mode == "nearest":
        nearest = node.text("nearest_mode", "round_prefer_floor")
        if _is_old(node):
            nearest = "floor" if all(scale >= 1 for scale in _scales(node)) else "ceil"
    coordinates = tuple(
        source_position(_coordinate_mode(node), scale, before, after)
        for scale, before, after in zip(_scales(node), node.shape(), node.out_shape(), strict=True)
    )
    if node.shape() == node.out_shape() and all(axis == UNIT for axis in coordinates):
        emitter.emit(node, "Identity", node.inputs[:1])
    else:
        emitter.emit(node, "Resize", node.inputs[:1], mode=mode, nearest_mode=nearest, coordinates=coordinates)


imports("Upsample", kind="Resize", opsets="7-9")(resize)


def source_position(mode: str, scale: Fraction, before: int, after: int) -> tuple[int, int, int]:
    """The (numerator, addend, denominator) of one axis in lowest terms; an axis that keeps its size reads 1:1.

    >>> source_position("half_pixel", Fraction(2), 10, 20)
    (2, -1, 4)
    >>> source_position("align_corners", Fraction(2), 10, 20)
    (9, 0, 19)
    """
    p, q = scale.numerator, scale.denominator
    if mode == "align_corners":
        position = (before - 1, 0, after - 1) if after > 1 else (0, 0, 1)
    elif mode == "asymmetric":
        position = (q, 0, p)
    elif mode == "pytorch_half_pixel" and after == 1:
        position = (0, 0, 1)
    else:
        position = (2 * q, q - p, 2 * p)
    common = gcd(*position)
    return position[0] // common, position[1] // common, position[2] // common


def _is_old(node: Node) -> bool:
    """Whether the node has no choice of coordinates: Upsample, and Resize of operator set 10."""
    return node.opset < 11


def _coordinate_mode(node: Node) -> str:
    return "asymmetric" if _is_old(node) else node.text("coordinate_transformation_mode", "half_pixel")


def _scales(node: Node) -> tuple[Fraction, ...]:
    """The scale of every axis: as given, or output size over input size."""
    slot = 1 if _is_old(node) else 2
    sizes = tuple(Fraction(after, before) for before, after in zip(node.shape(), node.out_shape(), strict=True))
    if "scales" in node.attributes:
        return tuple(simple_fraction(float(s)) for s in node.attributes["scales"])  # type: ignore[attr-defined]
    if not (node.has(slot) and node.elements(slot)):
        return sizes
    given = [simple_fraction(float(scale)) for scale in node.value(slot).reshape(-1)]
    axes = [node.axis(axis) for axis in node.integers("axes") or range(node.rank())]
    return tuple(given[axes.index(axis)] if axis in axes else Fraction(1) for axis in range(node.rank()))


def simple_fraction(scale: float) -> Fraction:
    """The fraction with the smallest denominator, at most 1000, that rounds to the same float32; else the exact one.

    >>> simple_fraction(float(np.float32(1 / 3)))
    Fraction(1, 3)
    """
    simple = Fraction(scale).limit_denominator(1000)
    return simple if np.float32(simple.numerator / simple.denominator) == np.float32(scale) else Fraction(scale)
