"""Multiply-accumulates: the product of two operands over dimensions, by matrix multiplication."""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.simulate.geometry import Grid
from tilewright.simulate.regions import Array


def contract(left: Grid, right: Grid, out: tuple[str, ...]) -> Array:
    """Sum of products over all dimensions that ``out`` lacks; shape: the extents of ``out``.

    A dimension of ``out`` may be missing in one operand, not in both.

    >>> a = Grid(np.ones((2, 5)), ("M", "K"))
    >>> contract(a, Grid(np.ones((5, 3)), ("K", "N")), ("N", "M")).shape
    (3, 2)
    """
    left, right = _drop(left, right, out), _drop(right, left, out)
    batch = [d for d in out if d in left.dims and d in right.dims]
    columns = [d for d in out if d in left.dims and d not in right.dims]
    rows = [d for d in out if d in right.dims and d not in left.dims]
    inner = [d for d in left.dims if d not in out]
    extent = dict(zip(left.dims, left.values.shape, strict=True)) | dict(
        zip(right.dims, right.values.shape, strict=True)
    )

    def size(dims: list[str]) -> int:
        return prod(extent[d] for d in dims)

    a = _ordered(left, batch + inner + columns).reshape(size(batch), size(inner), size(columns))
    b = _ordered(right, batch + rows + inner).reshape(size(batch), size(rows), size(inner))
    product: Array = np.matmul(b, a)
    order = batch + rows + columns
    result: Array = product.reshape([extent[d] for d in order]).transpose([order.index(d) for d in out])
    return result


def _ordered(grid: Grid, dims: list[str]) -> Array:
    return grid.values.transpose([grid.dims.index(d) for d in dims])


def _drop(grid: Grid, other: Grid, out: tuple[str, ...]) -> Grid:
    """Sum over dimensions that neither the result nor the other operand has."""
    alone = tuple(k for k, d in enumerate(grid.dims) if d not in out and d not in other.dims)
    if not alone:
        return grid
    return Grid(grid.values.sum(axis=alone), tuple(d for d in grid.dims if d in out or d in other.dims))
