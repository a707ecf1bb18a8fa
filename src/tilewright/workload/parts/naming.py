"""Names of the dimensions of nests that run over a tensor's axes, and the axes that simply follow them."""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.workload.nest import Axis, Operand, Role


def dim_names(rank: int) -> tuple[str, ...]:
    """The dimensions of a tensor's axes: those of a feature map for rank 3 and 4, numbered ones otherwise.

    >>> dim_names(4), dim_names(2)
    (('N', 'C', 'Y', 'X'), ('D0', 'D1'))
    """
    if rank == 4:
        return ("N", "C", "Y", "X")
    if rank == 3:
        return ("N", "C", "X")
    return tuple(f"D{axis}" for axis in range(rank))


def dims_of(names: Sequence[str], shape: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """Dimensions with extents; a scalar gets one dimension of extent 1, so that every nest has a point."""
    return tuple(zip(names, shape, strict=True)) or (("D0", 1),)


def plain(name: str, size: int, tensor_axis: int) -> Axis:
    """The axis that a dimension indexes directly."""
    return Axis(((name, 1),), size, tensor_axis)


def plain_operand(operand: str, role: Role, names: Sequence[str], shape: Sequence[int]) -> Operand:
    """An operand each of whose axes is indexed by its own dimension."""
    axes = (plain(name, size, axis) for axis, (name, size) in enumerate(zip(names, shape, strict=True)))
    return Operand(operand, role, tuple(axes))


def broadcast_operand(operand: str, names: Sequence[str], shape: Sequence[int], output: Sequence[int]) -> Operand:
    """An input that is repeated along axes that it lacks or has with extent 1 (aligned at the last axis).

    >>> [axis.terms for axis in broadcast_operand("input", ("N", "C", "X"), (4, 1), (2, 4, 5)).axes]
    [(('C', 1),), ()]
    """
    lead = len(output) - len(shape)
    axes = []
    for axis, size in enumerate(shape):
        repeated = size == 1 and output[lead + axis] != 1
        axes.append(Axis((), 1, axis) if repeated else plain(names[lead + axis], size, axis))
    return Operand(operand, "input", tuple(axes))
