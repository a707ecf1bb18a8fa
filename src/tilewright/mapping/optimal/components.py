"""Which dimensions are chosen together, and what their windows are like (docs/model.md, section 7)."""

from __future__ import annotations

from tilewright.mapping.optimal.structure import Structure
from tilewright.workload.nest import LoopNest


def components(nest: LoopNest) -> list[tuple[str, ...]]:
    """Dimensions longer than one, those that share an axis together, in the nest's order (of one point: the first)."""
    group = {dim: {dim} for dim, extent in nest.dims if extent > 1}
    for operand in nest.operands:
        for axis in operand.axes:
            joined = {other for dim in axis.dims if dim in group for other in group[dim]}
            for dim in joined:
                group[dim] = joined
    found: list[tuple[str, ...]] = []
    for dim, _ in nest.dims:
        if dim in group and not any(dim in one for one in found):
            found.append(tuple(d for d, _ in nest.dims if d in group[dim]))
    return found or [(nest.dims[0][0],)]


def repeated_windows(nest: LoopNest) -> bool:
    """Whether an operand may slide in a component of which it does not use all dimensions: then what moves depends on
    how often the others repeat it."""
    return any(
        any(len(set(dims) & set(axis.dims)) == 2 for axis in operand.axes) and not set(dims) <= operand.dims
        for dims in components(nest)
        for operand in nest.inputs
    )


def one_slides(nest: LoopNest) -> bool:
    """Whether windows are of two dimensions, each apart from all others, and all of one operand: then words are counted
    exactly, and no operand slides in an order of loops in which another does not."""
    parts = components(nest)
    windows = [
        o for o in nest.operands if any(len(set(dims) & set(axis.dims)) > 1 for dims in parts for axis in o.axes)
    ]
    return len(windows) <= 1 and all(len(dims) <= 2 for dims in parts)


def alike(structure: Structure, some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    """Whether two components have equal features: rows and columns of a square convolution."""
    nest = structure.problem.nest

    def seen(dims: tuple[str, ...]) -> object:
        names = {dim: number for number, dim in enumerate(dims)}
        axes = [
            [
                (sorted((names[d], c) for d, c in axis.terms if d in names), len(axis.terms), axis.offset, axis.size)
                for axis in operand.axes
                if any(d in names for d in axis.dims)
            ]
            for operand in nest.operands
        ]
        return [(nest.extents[dim], structure.splits(dim)) for dim in dims], axes

    return seen(some) == seen(others)
