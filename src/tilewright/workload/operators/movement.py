"""Operators that only move or rename data."""

from __future__ import annotations

from itertools import pairwise

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import constraint, imports


@constraint("Reshape", "Squeeze", "Unsqueeze", "Expand")
def shape_known(node: Node) -> bool:
    """The shape or the axes, if given as an input, are a constant."""
    return not node.has(1) or node.folds(1)


@constraint("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def same_elements(node: Node) -> bool:
    """The result has as many elements as the input; a changed batch does not fit a shape written into the model."""
    return _product(node.out_shape()) == _product(node.shape())


@imports("Reshape", "Flatten", "Squeeze", "Unsqueeze", kind="Reshape")
def reshape(node: Node, emitter: Emitter) -> None:
    """The same elements, in the same order, in another shape."""
    emitter.emit(node, "Reshape", node.inputs[:1])


@constraint("Dropout")
def dropout_for_inference(node: Node) -> bool:
    """It is in inference form: no training mode, and the mask is not used."""
    training = node.has(2) and not (node.folds(2) and not node.value_ints(2)[0])
    return not training and not node.used(1)


@imports("Identity", "Dropout", kind="Identity")
def identity(node: Node, emitter: Emitter) -> None:
    """The input as it is."""
    emitter.emit(node, "Identity", node.inputs[:1])


@constraint("Cast")
def same_type(node: Node) -> bool:
    """The element type stays the same: feature maps are not converted between types."""
    return node.dtype() == node.out_dtype()


@imports("Cast", kind="Identity")
def cast(node: Node, emitter: Emitter) -> None:
    """The input as it is, since the type is."""
    emitter.emit(node, "Identity", node.inputs[:1])


@imports("Expand", kind="Expand", opsets="8+")
def expand(node: Node, emitter: Emitter) -> None:
    """The input repeated along axes of size 1, or as it is."""
    emitter.emit(node, "Identity" if node.shape() == node.out_shape() else "Expand", node.inputs[:1])


@constraint("Transpose")
def every_axis_once(node: Node) -> bool:
    """The permutation, if given, names every axis once."""
    return sorted(node.integers("perm") or range(node.rank())) == list(range(node.rank()))


@imports("Transpose", kind="Transpose")
def transpose(node: Node, emitter: Emitter) -> None:
    """Axes in another order; reversed if none is given."""
    perm = node.integers("perm") or tuple(reversed(range(node.rank())))
    emitter.emit(node, "Transpose", node.inputs[:1], perm=perm)


@imports("Concat", kind="Concat")
def concat(node: Node, emitter: Emitter) -> None:
    """Inputs one after the other along an axis."""
    if len(node.inputs) == 1:
        emitter.emit(node, "Identity", node.inputs)
    else:
        emitter.emit(node, "Concat", node.inputs, axis=node.axis(node.integer("axis", 1)))


@constraint("Split")
def parts_known(node: Node) -> bool:
    """The sizes of the parts, if given as an input, are a constant."""
    return not node.has(1) or node.folds(1)


@imports("Split", kind="Slice")
def split(node: Node, emitter: Emitter) -> None:
    """One slice per part that anything uses."""
    axis, start = node.axis(node.integer("axis", 0)), 0
    for slot, output in enumerate(node.outputs):
        if node.used(slot):
            starts = tuple(start if k == axis else 0 for k in range(node.rank()))
            emitter.emit(
                node, "Slice", node.inputs[:1], output, part=str(slot), starts=starts, steps=(1,) * node.rank()
            )
        start += node.out_shape(slot)[axis]


@constraint("Slice")
def bounds_known(node: Node) -> bool:
    """Starts, ends, axes and steps are attributes or constants."""
    return all(not node.has(slot) or node.folds(slot) for slot in range(1, 5))


@constraint("Slice")
def forward(node: Node) -> bool:
    """Steps are positive."""
    return not node.has(4) or all(step > 0 for step in node.value_ints(4))


@imports("Slice", kind="Slice")
def slice_(node: Node, emitter: Emitter) -> None:
    """Starts inside the axes, one step per axis; ends show in the shape of the result."""
    if node.has(1):
        given = node.value_ints(1)
        axes = node.value_ints(3) if node.has(3) else tuple(range(len(given)))
        strides = node.value_ints(4) if node.has(4) else (1,) * len(given)
    else:
        given = node.integers("starts") or ()
        axes, strides = node.integers("axes") or tuple(range(len(given))), (1,) * len(given)
    starts, steps = [0] * node.rank(), [1] * node.rank()
    for start, axis, step in zip(given, axes, strides, strict=True):
        axis = node.axis(axis)
        extent = node.shape()[axis]
        starts[axis] = min(max(start + extent if start < 0 else start, 0), extent)
        steps[axis] = step
    if node.out_shape() == node.shape():
        emitter.emit(node, "Identity", node.inputs[:1])
    else:
        emitter.emit(node, "Slice", node.inputs[:1], starts=tuple(starts), steps=tuple(steps))


@constraint("Gather")
def regular_indices(node: Node) -> bool:
    """The indices are one constant number, or a constant vector of them with the same positive distance."""
    if not node.folds(1) or node.rank(1) > 1:
        return False
    indices = _indices(node)
    distances = {after - before for before, after in pairwise(indices)}
    return len(distances) <= 1 and all(distance > 0 for distance in distances)


@constraint("Gather")
def indices_inside(node: Node) -> bool:
    """The indices lie within the axis."""
    return all(0 <= index < node.shape()[_gather_axis(node)] for index in _indices(node))


@imports("Gather", kind="Slice")
def gather(node: Node, emitter: Emitter) -> None:
    """A slice; a single index drops the axis."""
    axis, indices = _gather_axis(node), _indices(node)
    starts = tuple(indices[0] if k == axis else 0 for k in range(node.rank()))
    step = indices[1] - indices[0] if len(indices) > 1 else 1
    steps = tuple(step if k == axis else 1 for k in range(node.rank()))
    if node.rank(1) == 1:
        emitter.emit(node, "Slice", node.inputs[:1], starts=starts, steps=steps)
        return
    shape = tuple(1 if k == axis else extent for k, extent in enumerate(node.shape()))
    kept = emitter.intermediate(node, "slice", shape, node.dtype())
    emitter.emit(node, "Slice", node.inputs[:1], kept, part="slice", starts=starts, steps=steps)
    emitter.emit(node, "Reshape", (kept,))


def _gather_axis(node: Node) -> int:
    return node.axis(node.integer("axis", 0))


def _indices(node: Node) -> tuple[int, ...]:
    extent = node.shape()[_gather_axis(node)]
    return tuple(index + extent if index < 0 else index for index in node.value_ints(1))


@constraint("Pad")
def constant_mode(node: Node) -> bool:
    """The mode is constant: padding by reflection, edge or wrapping is not supported."""
    return node.text("mode", "constant") == "constant"


@constraint("Pad")
def pads_known(node: Node) -> bool:
    """Pads, value and axes are attributes or constants."""
    return all(not node.has(slot) or node.folds(slot) for slot in (1, 2, 3))


@imports("Pad", kind="Pad")
def pad(node: Node, emitter: Emitter) -> None:
    """Pads for every axis; none at all make an identity."""
    given = node.value_ints(1) if node.has(1) else node.integers("pads") or ()
    axes = tuple(node.axis(a) for a in node.value_ints(3)) if node.has(3) else tuple(range(node.rank()))
    pads = [0] * (2 * node.rank())
    for position, axis in enumerate(axes):
        pads[axis] = given[position]
        pads[axis + node.rank()] = given[position + len(axes)]
    value = node.value_float(2) if node.has(2) else node.number("value", 0.0)
    if any(pads):
        emitter.emit(node, "Pad", node.inputs[:1], pads=tuple(pads), value=value)
    else:
        emitter.emit(node, "Identity", node.inputs[:1])


def _product(extents: tuple[int, ...]) -> int:
    total = 1
    for extent in extents:
        total *= extent
    return total
