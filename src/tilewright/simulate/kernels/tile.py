"""What a kernel is given: one tile of one part of an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tilewright.simulate.geometry import Grid, Ranges
from tilewright.simulate.regions import Array
from tilewright.workload.network import Operator, Parameter
from tilewright.workload.part import Part


@dataclass(frozen=True)
class Tile:
    """The operands a tile reads, over dimensions, and the vectors loaded with the operator.

    ``parameters`` holds vectors by role, slopes of activations by tensor. ``output_shape`` is the shape of the
    operator's output tensor, ``integer`` whether its elements are whole numbers.
    """

    operator: Operator
    part: Part
    ranges: Ranges
    inputs: tuple[Grid, ...]
    parameters: Mapping[str, Array]
    output_shape: tuple[int, ...]
    integer: bool

    @cached_property
    def out(self) -> tuple[str, ...]:
        """The dimensions of the output, in the order of its axes."""
        return tuple(d for axis in self.part.nest.output.axes for d in axis.dims)

    @cached_property
    def out_extents(self) -> tuple[int, ...]:
        return tuple(self.ranges[d][1] for d in self.out)

    def indices(self, tensor_axis: int) -> Array:
        """Index along an axis of the output tensor, for every element of the tile; broadcasts over ``out``."""
        total: Array = np.zeros((1,) * len(self.out), dtype=np.int64)
        for axis in self.part.nest.output.axes:
            if axis.tensor_axis != tensor_axis:
                continue
            total = total + axis.scale * axis.offset
            for dim, coefficient in axis.terms:
                start, count = self.ranges[dim]
                shape = [1] * len(self.out)
                shape[self.out.index(dim)] = count
                total = total + (axis.scale * coefficient * np.arange(start, start + count)).reshape(shape)
        return total

    def along(self, vector: Array, axes: tuple[int, ...]) -> Array:
        """A vector that runs along axes of the output tensor, picked for the tile; broadcasts over ``out``."""
        table = vector.reshape([self.output_shape[axis] for axis in axes])
        return table[tuple(self.indices(axis) for axis in axes)]

    def parameter(self, role: str) -> Array | None:
        """The parameter of that role for each output element of the tile, or None if the operator has none."""
        found: Parameter | None = self.operator.parameter(role)
        return None if found is None else self.along(self.parameters[role], found.axes)
