"""Arrays in DRAM during an execution: values, what has been written, and whose identity every element has."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tilewright.plan.plan import DramArray, Plan, TensorPlace
from tilewright.plan.step import Move
from tilewright.simulate.numbering import Numbering
from tilewright.simulate.regions import Array
from tilewright.workload.nest import Operand


class IdSpace:
    """Hands out ranges of identities, from 1, and tells what an identity stands for.

    >>> ids = IdSpace()
    >>> ids.take("x", 10), ids.take("y", 5), ids.describe(12), ids.describe(-3)
    (1, 11, "element 1 of 'y'", "the unfinished element 2 of 'x'")
    """

    def __init__(self) -> None:
        self._next = 1
        self._names: list[tuple[int, str]] = []

    def take(self, name: str, elements: int) -> int:
        """The first of as many fresh identities in a row."""
        first = self._next
        self._names.append((first, name))
        self._next += max(elements, 1)
        return first

    def describe(self, identity: int) -> str:
        if identity == 0:
            return "nothing"
        first, name = max(entry for entry in self._names if entry[0] <= abs(identity))
        kind = "element" if identity > 0 else "the unfinished element"
        return f"{kind} {abs(identity) - first} of '{name}'"


class FeatureMaps:
    """The arrays that hold feature maps and partial sums; values come into being when first touched.

    ``initial`` gives the values of network inputs and constants by tensor name.
    """

    def __init__(self, plan: Plan, ids: IdSpace, dtype: np.dtype[Any], initial: Callable[[str], Array | None]) -> None:
        self._plan, self._dtype, self._initial = plan, dtype, initial
        self.numbering = Numbering()
        self.first_id = {a.name: ids.take(a.name, a.elements) for a in plan.arrays if a.kind == "feature map"}
        self._values: dict[str, Array] = {}
        self._written: dict[str, Array] = {}
        self._ids: dict[str, Array] = {}
        self._tallies: dict[str, Array] = {}
        self._places: dict[str, list[TensorPlace]] = {}
        for place in plan.places:
            self._places.setdefault(place.array, []).append(place)

    def _touch(self, name: str) -> None:
        if name in self._values:
            return
        array = self._plan.array[name]
        self._values[name] = np.zeros(array.elements, self._dtype)
        self._written[name] = np.zeros(array.elements, np.bool_)
        if array.kind == "partial sums":
            self._ids[name] = np.zeros(array.elements, np.int64)
            self._tallies[name] = np.zeros(array.elements, np.int64)
        for place in self._places.get(name, ()):
            value = self._initial(place.tensor)
            if value is not None:
                counts = np.shape(value)
                _box(self._values[name], place.offset, place.strides, counts)[...] = value
                _box(self._written[name], place.offset, place.strides, counts)[...] = True

    def contains(self, move: Move) -> bool:
        """Whether a transfer stays inside its array."""
        low = high = move.offset
        for count, stride in zip(move.counts, move.strides, strict=True):
            low, high = low + min(0, (count - 1) * stride), high + max(0, (count - 1) * stride)
        return low >= 0 and high < self._plan.array[move.array].elements

    def values(self, move: Move) -> Array:
        """A view of the values of a transfer's box."""
        self._touch(move.array)
        return _box(self._values[move.array], move.offset, move.strides, move.counts)

    def written(self, move: Move) -> Array:
        """A view of which elements of a transfer's box have been written."""
        self._touch(move.array)
        return _box(self._written[move.array], move.offset, move.strides, move.counts)

    def identities(self, move: Move) -> Array:
        """The identities of a transfer's box: its elements' own, or what a partial-sum array was given."""
        self._touch(move.array)
        if move.array in self._ids:
            return _box(self._ids[move.array], move.offset, move.strides, move.counts)
        return self.numbering.of(self.first_id[move.array] + move.offset, move.counts, move.strides)

    def tallies(self, move: Move) -> Array:
        """A view of the tallies of a transfer's box in a partial-sum array."""
        self._touch(move.array)
        return _box(self._tallies[move.array], move.offset, move.strides, move.counts)

    def tensor(self, name: str) -> tuple[Array, bool]:
        """A tensor's values in its own shape, and whether all of them have been written."""
        place = self._plan.place[name]
        shape = next(t.shape for t in self._plan.tensors if t.name == name)
        self._touch(place.array)
        written = _box(self._written[place.array], place.offset, place.strides, shape)
        return _box(self._values[place.array], place.offset, place.strides, shape).copy(), bool(written.all())

    def forget(self, names: Iterable[str]) -> None:
        """Free arrays that nothing will touch again."""
        for name in names:
            for table in (self._values, self._written, self._ids, self._tallies):
                table.pop(name, None)


def operand_strides(place: TensorPlace, operand: Operand) -> tuple[int, ...]:
    """Elements in DRAM between index i and i + 1 of each axis of an operand."""
    return tuple(place.strides[axis.tensor_axis] * axis.scale if place.strides else 1 for axis in operand.axes)


def last_uses(plan: Plan) -> dict[int, list[str]]:
    """For each section's number, the arrays that no later section touches; outputs of the network stay."""
    last: dict[str, int] = {}
    for number, section in enumerate(plan.sections):
        for program in section.programs:
            for transfer in plan.programs[program].transfers:
                last[transfer.array] = number
    keep = {plan.place[name].array for name in plan.outputs if name in plan.place}
    found: dict[int, list[str]] = {}
    for name, number in last.items():
        if name not in keep:
            found.setdefault(number, []).append(name)
    return found


def value_type(arrays: Iterable[DramArray], plan: Plan) -> np.dtype[Any]:
    """The type that values are kept in: float32, or float64 where a tensor is wider or holds whole numbers."""
    names = {array.tensor for array in arrays}
    narrow = {"float16", "bfloat16", "float32"}
    wide = any(t.dtype not in narrow for t in plan.tensors if t.name in names or t.name in plan.place)
    return np.dtype(np.float64 if wide else np.float32)


def _box(array: Array, offset: int, strides: tuple[int, ...], counts: tuple[int, ...]) -> Array:
    size = array.itemsize
    return np.ndarray(counts, array.dtype, array, size * offset, tuple(size * s for s in strides))
