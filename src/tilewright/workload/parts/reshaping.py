"""The copy of a reshape as a nest over the common refinement of the two shapes."""

from __future__ import annotations

from itertools import pairwise

from tilewright.errors import InputError
from tilewright.workload.nest import Axis, LoopNest, Operand, Role, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part


def refinement(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...] | None:
    """The coarsest shape of which both shapes merge neighbouring axes, or None where there is none.

    >>> refinement((1, 6, 4), (2, 12))
    (2, 3, 4)
    >>> refinement((2, 3), (3, 2)) is None
    True
    """
    cuts = sorted({*_suffix_products(first), *_suffix_products(second)})
    if any(large % small for small, large in pairwise(cuts)):
        return None
    return tuple(large // small for small, large in reversed(list(pairwise(cuts))))


def shapes_have_a_common_refinement(first: tuple[int, ...], second: tuple[int, ...]) -> bool:
    """A reshape that must be copied may only split axes and merge neighbouring ones, as from (6, 4) to (2, 12); one
    from (2, 3) to (3, 2) cuts through axes, and no loop nest describes it.

    >>> shapes_have_a_common_refinement((6, 4), (2, 12)), shapes_have_a_common_refinement((2, 3), (3, 2))
    (True, False)
    """
    return refinement(first, second) is not None


def reshaping(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Dimensions D0, D1, ... of the refinement; an axis of either tensor is made of one or several of them."""
    x = operator.inputs[0]
    shape, out = network.shape(x), network.shape(operator.output)
    digits = refinement(shape, out)
    if digits is None:
        raise InputError(
            f"Reshape {operator.name}: from {list(shape)} to {list(out)} cuts through axes, and where its tensors lie"
            " it cannot be a view; reshape in two steps through a shape that both merge from"
        )
    dims = tuple((f"D{i}", size) for i, size in enumerate(digits or (1,)))
    nest = LoopNest(
        dims=dims,
        operands=(_merged("input", "input", dims, shape), _merged("output", "output", dims, out)),
        work=VectorWork("map"),
    )
    return (Part("", nest, (("input", x), ("output", operator.output))),)


def _merged(name: str, role: Role, dims: tuple[tuple[str, int], ...], shape: tuple[int, ...]) -> Operand:
    """An operand whose tensor axes each merge as many dimensions as their extent takes, from the last backwards."""
    remaining = [dim for dim in dims if dim[1] > 1]
    axes: list[Axis] = []
    for tensor_axis in reversed(range(len(shape))):
        if shape[tensor_axis] == 1:
            axes.append(Axis((), 1, tensor_axis))
        scale = 1
        while scale < shape[tensor_axis]:
            dim, size = remaining.pop()
            axes.append(Axis(((dim, 1),), size, tensor_axis, scale=scale))
            scale *= size
    return Operand(name, role, tuple(reversed(axes)))


def _suffix_products(shape: tuple[int, ...]) -> tuple[int, ...]:
    products = [1]
    for size in reversed(shape):
        products.append(products[-1] * size)
    return tuple(products)
