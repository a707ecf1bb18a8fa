"""Operators that compute each output element from a few input elements, in one pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tilewright.simulate.kernels.functions import apply
from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.regions import Array
from tilewright.workload.attributes import begins_and_ends, integer, number, scalars, text
from tilewright.workload.network import Operator
from tilewright.workload.parts.resize import coordinates


def padding_value(operator: Operator) -> float:
    """What stands outside an operator's input: nothing counts for a maximum, a pad has its value, else zero."""
    if operator.kind == "Pool" and operator["function"] == "max":
        return float("-inf")
    return number(operator, "value") if operator.kind == "Pad" else 0.0


def elementwise(tile: Tile) -> Array:
    """A function of tensors and immediates, which broadcast."""
    tensors = iter(grid.over(tile.out) for grid in tile.inputs)
    operands = [
        next(tensors) if scalar is None else np.asarray(scalar, tile.inputs[0].values.dtype)
        for scalar in scalars(tile.operator)
    ]
    arguments = tile.operator.get("arguments", ())
    values = tuple(float(a) for a in arguments if isinstance(a, int | float)) if isinstance(arguments, tuple) else ()
    result = apply(text(tile.operator, "function"), operands, values)
    return np.trunc(result) if tile.integer else result


def pool(tile: Tile) -> Array:
    """Maximum or average of each window; padding never is the maximum."""
    grid = tile.inputs[0]
    window = tuple(d for d in grid.dims if d not in tile.out)
    values = grid.over((*window, *tile.out)).reshape(-1, *tile.out_extents)
    if tile.operator["function"] == "max":
        largest: Array = values.max(axis=0)
        return largest
    average: Array = values.sum(axis=0) / _window_sizes(tile)
    return average


def _window_sizes(tile: Tile) -> Array:
    """How many elements an average is over: those inside the input, or inside the input and its stated padding."""
    begins, ends = begins_and_ends(tile.operator)
    total: Array = np.ones((1,) * len(tile.out))
    axes = [axis for axis in tile.part.nest.inputs[0].axes if len(axis.terms) == 2]
    for axis, begin, end in zip(axes, begins, ends, strict=True):
        (y, stride), (r, dilation) = axis.terms
        (start, count), (first, taps) = tile.ranges[y], tile.ranges[r]
        index = np.add.outer(stride * np.arange(start, start + count), dilation * np.arange(first, first + taps))
        index += axis.offset
        low, high = (-begin, axis.size + end) if tile.operator["count_include_pad"] else (0, axis.size)
        shape = [1] * len(tile.out)
        shape[tile.out.index(y)] = count
        total = total * ((index >= low) & (index < high)).sum(axis=1).reshape(shape)
    return total


def local_response(tile: Tile) -> Array:
    """x / (bias + alpha / size * sum of squares over neighbouring channels) ** beta."""
    operator, grid = tile.operator, tile.inputs[0]
    size = integer(operator, "size")
    values = grid.over(("R", *tile.out))
    scale = number(operator, "alpha") / size
    norm = number(operator, "bias") + scale * np.square(values).sum(axis=0)
    result: Array = values[(size - 1) // 2] / norm ** number(operator, "beta")
    return result


def resize(tile: Tile) -> Array:
    """The nearest element, or a linear mixture of neighbours; positions are exact fractions."""
    grid = tile.inputs[0]
    rules = coordinates(tile.operator)
    values = grid.over((*tile.out, *(d for d in grid.dims if d not in tile.out)))
    for dim in reversed([d for d in grid.dims if d not in tile.out]):
        if values.shape[-1] == 1:
            values = values[..., 0]
            continue
        axis = next(axis for axis in tile.part.nest.inputs[0].axes if axis.dims == (dim[:-1],))
        numerator, addend, denominator = rules[axis.tensor_axis]
        start, count = tile.ranges[dim[:-1]]
        position = numerator * np.arange(start, start + count) + addend
        share = (position % denominator / denominator).astype(values.dtype)
        shape = [1] * (values.ndim - 1)
        shape[tile.out.index(dim[:-1])] = count
        share = share.reshape(shape)
        values = values[..., 0] * (1 - share) + values[..., 1] * share
    return values


def batch_normalisation(tile: Tile) -> Array:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, all per channel."""
    scale, bias, mean, variance = (tile.parameter(role) for role in ("scale", "bias", "mean", "variance"))
    if scale is None or bias is None or mean is None or variance is None:
        raise KeyError(f"{tile.operator.name} lacks a parameter")
    values = tile.inputs[0].over(tile.out)
    return (values - mean) / np.sqrt(variance + number(tile.operator, "epsilon")) * scale + bias


def copy(tile: Tile) -> Array:
    """The input's element."""
    return tile.inputs[0].over(tile.out)


MAPS: dict[str, Callable[[Tile], Array]] = {
    "Elementwise": elementwise,
    "Pool": pool,
    "LRN": local_response,
    "Resize": resize,
    "BatchNormalization": batch_normalisation,
    **dict.fromkeys(("Reshape", "Slice", "Concat", "Transpose", "Pad", "Expand", "Identity"), copy),
}
