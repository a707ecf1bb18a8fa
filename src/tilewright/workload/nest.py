"""A perfect loop nest: named dimensions, and operands indexed by affine forms of them (docs/model.md, section 1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Role = Literal["input", "weight", "output"]


@dataclass(frozen=True)
class Axis:
    """One axis of an operand's array: a point of the nest touches the index ``sum(coefficient * dim) + offset``.

    Indices outside ``[0, size)`` are padding: they read as zero and move no data. ``tensor_axis`` and ``scale`` say
    where the axis lies in the tensor: index i stands for index ``scale * i`` of that tensor axis, and several operand
    axes of one tensor axis add up (``gC + c`` is two axes stored as one).

    A resize touches the range ``[v, v + reach]`` with ``v = (sum(coefficient * dim) + offset) // divisor``, and with
    ``clamp`` an index outside the array stands for the nearest one inside.
    """

    terms: tuple[tuple[str, int], ...]
    size: int
    tensor_axis: int
    offset: int = 0
    scale: int = 1
    divisor: int = 1
    reach: int = 0
    clamp: bool = False

    @cached_property
    def dims(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.terms)

    @cached_property
    def is_window(self) -> bool:
        """Whether neighbouring tiles of one dimension may share indices."""
        return len(self.terms) > 1 or self.divisor > 1 or self.reach > 0


@dataclass(frozen=True)
class Operand:
    """An array that the nest reads or writes; its role decides which memories may keep it and at which width."""

    name: str
    role: Role
    axes: tuple[Axis, ...]

    @cached_property
    def dims(self) -> frozenset[str]:
        """The dimensions that the operand uses."""
        return frozenset(d for axis in self.axes for d in axis.dims)


@dataclass(frozen=True)
class VectorWork:
    """What an operator without multiply-accumulates does to a tile (docs/model.md, 5).

    ``map``: one pass of ``operations`` per output element. ``reduce``: one operation per point, results accumulate.
    ``normalise``: three passes over rows along the ``reduced`` dimensions; ``exponentials`` (softmax) keeps the
    second pass's results, one per element, for the third. When the reduced dimensions are split by loops, a loop
    over the dimension ``pass`` stands above them and the input is loaded again for each pass.
    """

    kind: Literal["map", "reduce", "normalise"]
    operations: int = 1
    reduced: tuple[str, ...] = ()
    exponentials: bool = False


@dataclass(frozen=True)
class LoopNest:
    """Dimensions with extents, in the nest's order, and operands: those read first, the one output last.

    ``whole`` names dimensions that no loop may split (pooling windows). ``work`` is None for multiply-accumulates.
    A ``normalise`` nest has ``pass`` (extent 3) as a dimension that no operand uses.
    """

    dims: tuple[tuple[str, int], ...]
    operands: tuple[Operand, ...]
    whole: frozenset[str] = frozenset()
    work: VectorWork | None = None

    @cached_property
    def extents(self) -> dict[str, int]:
        return dict(self.dims)

    @property
    def inputs(self) -> tuple[Operand, ...]:
        return self.operands[:-1]

    @property
    def output(self) -> Operand:
        return self.operands[-1]

    def operand(self, name: str) -> Operand:
        """The operand of that name; KeyError if there is none."""
        for operand in self.operands:
            if operand.name == name:
                return operand
        raise KeyError(name)

    @cached_property
    def reduction_dims(self) -> frozenset[str]:
        """Dimensions that the output does not use: their points add up into one element."""
        return frozenset(name for name, _ in self.dims) - self.output.dims

    @cached_property
    def points(self) -> int:
        """Points of the nest: one multiply-accumulate each, those on padding included."""
        total = 1
        for _, extent in self.dims:
            total *= extent
        return total
