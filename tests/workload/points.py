"""Nests evaluated point by point in plain Python: indices come straight from the axes, nothing is vectorised."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tilewright.workload.nest import Axis, LoopNest, Operand
from tilewright.workload.network import Network, Operator, Tensor
from tilewright.workload.part import Part

Point = dict[str, int]
Index = tuple[int, ...]


def points_of(nest: LoopNest) -> Iterator[Point]:
    names = [name for name, _ in nest.dims]
    for values in product(*(range(extent) for _, extent in nest.dims)):
        yield dict(zip(names, values, strict=True))


def first_index(axis: Axis, point: Point) -> int:
    return (sum(coefficient * point[dim] for dim, coefficient in axis.terms) + axis.offset) // axis.divisor


def operand_indices(operand: Operand, point: Point) -> list[Index | None]:
    """What a point touches, in operand coordinates: one index, or several for resizes; None is padding."""
    ranges = []
    for axis in operand.axes:
        first = first_index(axis, point)
        touched = range(first, first + axis.reach + 1)
        if axis.clamp:
            touched = [min(max(index, 0), axis.size - 1) for index in touched]
        ranges.append([index if 0 <= index < axis.size else None for index in touched])
    return [None if None in found else tuple(found) for found in product(*ranges)]


def tensor_index(operand: Operand, index: Index, rank: int, taps: tuple[tuple[int, int], ...] = ()) -> Index:
    """From operand coordinates to tensor coordinates; taps are filter axes, the last ones of a weight."""
    found = [0] * rank
    for axis, i in zip(operand.axes, index, strict=True):
        filter_axis = axis.tensor_axis - (rank - len(taps))
        if taps and operand.role == "weight" and filter_axis >= 0:
            first, step = taps[filter_axis]
            i = first + step * i
        found[axis.tensor_axis] += axis.scale * i
    return tuple(found)


def one_index(operand: Operand, point: Point, rank: int, taps: tuple[tuple[int, int], ...] = ()) -> Index | None:
    (index,) = operand_indices(operand, point)
    return None if index is None else tensor_index(operand, index, rank, taps)


def windows(part: Part, name: str, array: np.ndarray, rank: int) -> dict[Index, list[tuple[Point, float | None]]]:
    """For each output element the values of one input that its points touch, None for padding."""
    found: dict[Index, list[tuple[Point, float | None]]] = {}
    operand = part.nest.operand(name)
    for point in points_of(part.nest):
        out = one_index(part.nest.output, point, rank)
        assert out is not None
        for index in operand_indices(operand, point):
            value = None if index is None else array[tensor_index(operand, index, array.ndim)]
            found.setdefault(out, []).append((point, value))
    return found


def contracted(parts: tuple[Part, ...], arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The sum of products of all points of multiply-accumulate parts; every output element must be complete."""
    result = np.zeros(shape, dtype=np.float64)
    visits = np.zeros(shape, dtype=np.int64)
    for part in parts:
        mine = np.zeros(shape, dtype=np.int64)
        x, w = arrays[part.tensor("input")], arrays[part.tensor("weight")]
        reads, weights, writes = (part.nest.operand(name) for name in ("input", "weight", "output"))
        for point in points_of(part.nest):
            out = one_index(writes, point, len(shape))
            at = one_index(reads, point, x.ndim)
            by = one_index(weights, point, w.ndim, part.taps)
            assert out is not None, "an output element outside the output"
            assert by is not None, "a weight outside the weights"
            mine[out] += 1
            if at is not None:
                result[out] += x[at] * w[by]
        written = mine[mine > 0]
        assert (written == np.prod([part.nest.extents[d] for d in part.nest.reduction_dims], dtype=int)).all()
        visits += mine > 0
    assert (visits == 1).all(), "an output element without a part, or with two"
    return result


def copied(
    parts: tuple[Part, ...], arrays: dict[str, np.ndarray], shape: tuple[int, ...], fill: float = 0.0
) -> np.ndarray:
    """What copy nests write; every output element exactly once."""
    result = np.zeros(shape)
    visits = np.zeros(shape, dtype=np.int64)
    for part in parts:
        source = arrays[part.tensor("input")]
        for out, window in windows(part, "input", source, len(shape)).items():
            ((_, value),) = window
            result[out] = fill if value is None else value
            visits[out] += 1
    assert (visits == 1).all()
    return result


def check_form(part: Part) -> None:
    """No dimension on two axes of an operand, no operand axis outside its tensor, every dimension used or reduced."""
    names = [name for name, _ in part.nest.dims]
    assert len(set(names)) == len(names)
    assert part.nest.output.role == "output"
    assert [name for name, _ in part.tensors] == [operand.name for operand in part.nest.operands]
    for operand in part.nest.operands:
        used = [dim for axis in operand.axes for dim in axis.dims]
        assert len(set(used)) == len(used)
        assert set(used) <= set(names)
        assert all(axis.size >= 1 for axis in operand.axes)


def single(
    kind: str,
    inputs: dict[str, tuple[int, ...]],
    out: tuple[int, ...],
    weights: frozenset[str] = frozenset(),
    **attributes: object,
) -> tuple[Operator, Network]:
    """A network of one operator named ``op`` that writes ``y``; ``weights`` names its constant inputs."""
    operator = Operator("op", kind, tuple(inputs), "y", tuple(attributes.items()))  # type: ignore[arg-type]
    tensors = tuple(Tensor(name, shape, constant=name in weights) for name, shape in inputs.items())
    variable = tuple(name for name in inputs if name not in weights)
    return operator, Network("one", (operator,), (*tensors, Tensor("y", out)), variable, ("y",))
