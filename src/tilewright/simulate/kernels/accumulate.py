"""Operators whose results add up over tiles, multiply-accumulates and reductions; what is done to a finished sum."""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.simulate.kernels.contract import contract
from tilewright.simulate.kernels.functions import apply
from tilewright.simulate.kernels.tile import Tile
from tilewright.simulate.regions import Array
from tilewright.workload.network import MAC_KINDS

CHANNELS = 1  # the output axis that slopes of activations run along


def contribution(tile: Tile) -> Array:
    """What the tile adds to its output elements; shape: the extents of the output's dimensions."""
    if tile.operator.kind in MAC_KINDS:
        left, right = tile.inputs
        return contract(left, right, tile.out)
    grid = tile.inputs[0]
    over = tuple(d for d in grid.dims if d not in tile.out)
    values = grid.over((*over, *tile.out))
    axes = tuple(range(len(over)))
    result: Array = values.max(axis=axes) if _is_maximum(tile) else values.sum(axis=axes)
    return result


def combine(tile: Tile, so_far: Array, more: Array) -> Array:
    """What an output element holds after two contributions."""
    result: Array = np.maximum(so_far, more) if _is_maximum(tile) else so_far + more
    return result


def finish(tile: Tile, total: Array) -> Array:
    """The finished result of a complete sum: divided for a mean, with the bias added."""
    if tile.operator.kind == "Reduce" and tile.operator["function"] == "mean":
        total = total / prod(extent for dim, extent in tile.part.nest.dims if dim not in tile.out)
        return np.trunc(total) if tile.integer else total
    bias = tile.parameter("bias") if tile.operator.kind in MAC_KINDS else None
    return total if bias is None else total + bias


def epilogue(tile: Tile, result: Array) -> Array:
    """The activations that the operator applies to its result."""
    for activation in tile.operator.epilogue:
        operands = [result]
        if activation.slope is not None:
            operands.append(tile.along(tile.parameters[activation.slope], (CHANNELS,)))
        result = apply(activation.function, operands, activation.arguments)
    return result


def _is_maximum(tile: Tile) -> bool:
    return tile.operator.kind == "Reduce" and tile.operator["function"] == "max"
