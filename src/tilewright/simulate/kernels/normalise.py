"""Softmax, layer and instance normalisation: two statistics of each row, then each element scaled by them.

The statistics can be gathered over several tiles: the maximum (softmax) or sum of a row, then the sum of exponentials
or of squared deviations.
"""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.regions import Array
from tilewright.workload.attributes import number
from tilewright.workload.nest import LoopNest


def reduced_axes(tile: Tile) -> tuple[int, ...]:
    """The axes of an array over the output's dimensions along which rows run."""
    work = tile.part.nest.work
    return tuple(tile.out.index(d) for d in (work.reduced if work else ()))


def row_length(nest: LoopNest) -> int:
    """Elements of one whole row."""
    return prod(nest.extents[d] for d in (nest.work.reduced if nest.work else ()))


def first_statistic(tile: Tile, values: Array) -> Array:
    """Maximum or sum of each row's part in the tile; reduced axes keep extent 1."""
    axes = reduced_axes(tile)
    result: Array = values.max(axes, keepdims=True) if _is_softmax(tile) else values.sum(axes, keepdims=True)
    return result


def combine_first(tile: Tile, so_far: Array, more: Array) -> Array:
    """The first statistic of two parts of each row."""
    return np.maximum(so_far, more) if _is_softmax(tile) else so_far + more


def second_statistic(tile: Tile, values: Array, first: Array) -> Array:
    """Sum of exponentials or of squared deviations of each row's part in the tile, given the complete first one."""
    result: Array = spread(tile, values, first).sum(reduced_axes(tile), keepdims=True)
    return result


def spread(tile: Tile, values: Array, first: Array) -> Array:
    """What the second statistic is the sum of: one exponential or squared deviation per element."""
    if _is_softmax(tile):
        return np.asarray(np.exp(values - first))
    return np.square(values - first / row_length(tile.part.nest))


def scaled(tile: Tile, values: Array, first: Array, second: Array) -> Array:
    """The result, given both complete statistics of each row."""
    if _is_softmax(tile):
        return np.asarray(np.exp(values - first) / second)
    length = row_length(tile.part.nest)
    result: Array = (values - first / length) / np.sqrt(second / length + number(tile.operator, "epsilon"))
    scale, bias = tile.parameter("scale"), tile.parameter("bias")
    result = result if scale is None else result * scale
    return result if bias is None else np.asarray(result + bias)


def _is_softmax(tile: Tile) -> bool:
    return tile.operator.kind == "Softmax"
