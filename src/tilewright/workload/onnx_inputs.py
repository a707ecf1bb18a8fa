"""Concrete shapes for the inputs of a model: what the file declares, and what the user sets for its open axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from tilewright.errors import InputError

if TYPE_CHECKING:
    import onnx

Declared = tuple[int | str | None, ...]


def declared_shape(value: onnx.ValueInfoProto) -> Declared | None:
    """The shape in the file: a size, the name of a symbolic axis, or None for an open one; None if it has no rank."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    axes: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value") and dim.dim_value >= 0:
            axes.append(dim.dim_value)
        else:
            axes.append(dim.dim_param or None)
    return tuple(axes)


def resolve_inputs(
    values: Sequence[onnx.ValueInfoProto],
    *,
    batch: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    dims: Mapping[str, int] | None = None,
) -> dict[str, tuple[int, ...]]:
    """The shape of every input: a whole shape wins over ``dims``, ``batch`` sets the first axis of each input.

    Raises one InputError listing every contradiction, unknown name, and axis that is still open.
    """
    input_shapes, dims = dict(input_shapes or {}), dict(dims or {})
    declared = {value.name: declared_shape(value) for value in values}
    problems = _unknown_names(declared, input_shapes, dims)
    if batch is not None and batch < 1:
        problems.append(f"a batch of {batch} is not a size; it has to be 1 or more")
    problems += [
        f"dimension '{name}' cannot be {size}; it has to be 1 or more" for name, size in dims.items() if size < 1
    ]
    shapes: dict[str, tuple[int, ...]] = {}
    for name, axes in declared.items():
        found, wrong = _resolve(name, axes, batch, input_shapes.get(name), dims)
        problems += wrong
        if not wrong:
            shapes[name] = found
    if problems:
        raise InputError(problems)
    return shapes


def _resolve(
    name: str, axes: Declared | None, batch: int | None, given: Sequence[int] | None, dims: Mapping[str, int]
) -> tuple[tuple[int, ...], list[str]]:
    """One input's shape, or what is wrong with it."""
    if given is not None:
        if axes is not None and len(given) != len(axes):
            return (), [f"input '{name}' has {len(axes)} axes {show(axes)}, and the shape given has {len(given)}"]
        if any(size < 1 for size in given):
            return (), [f"input '{name}': the shape given, {list(given)}, has a size below 1"]
        if batch is not None and given and given[0] != batch:
            return (), [f"input '{name}': the shape given starts with {given[0]}, and the batch given is {batch}"]
        return tuple(given), []
    if axes is None:
        return (), [f"input '{name}' has no declared shape; give one with --input-shape {name}=..."]
    sizes = [dims.get(axis, axis) if isinstance(axis, str) else axis for axis in axes]
    if batch is not None and sizes:
        sizes[0] = batch
    closed = tuple(size for size in sizes if isinstance(size, int))
    if len(closed) < len(sizes):
        names = [axis for axis in sizes if isinstance(axis, str)]
        first = f"--dim {names[0]}=VALUE or " if names else ""
        return (), [f"input '{name}' has open axes, {show(axes)}; set them with {first}--input-shape {name}=..."]
    if 0 in closed:
        return (), [f"input '{name}' has an axis of size 0, {show(closed)}; give a shape with --input-shape {name}=..."]
    return closed, []


def _unknown_names(
    declared: Mapping[str, Declared | None], shapes: Mapping[str, object], dims: Mapping[str, int]
) -> list[str]:
    symbols = list(dict.fromkeys(a for axes in declared.values() for a in axes or () if isinstance(a, str)))
    problems = []
    for given, known, what in ((shapes, list(declared), "input"), (dims, symbols, "symbolic dimension")):
        for name in given:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                listed = ", ".join(f"'{k}'" for k in known) or "none"
                hint = f"; did you mean '{near[0]}'?" if near else f"; it has: {listed}"
                problems.append(f"the model has no {what} '{name}'{hint}")
    return problems


def show(axes: Declared) -> str:
    """A shape as text, open axes by their names.

    >>> show((None, 3, "H", "W"))
    '[?, 3, H, W]'
    """
    return "[" + ", ".join("?" if axis is None else str(axis) for axis in axes) + "]"
