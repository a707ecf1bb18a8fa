"""From an operator's part to the problem its mapping is judged on, and from operand traffic to tensor traffic."""

from __future__ import annotations

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.problem import Binding, NestCost, NestProblem
from tilewright.workload.nest import Operand
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork


def is_packed(placed: PlacedNetwork, part: Part, operand: Operand) -> bool:
    """Whether an operand is a constant weight, stored tile by tile."""
    return operand.role == "weight" and placed.network.by_name[part.tensor(operand.name)].constant


def dram_strides(placed: PlacedNetwork, part: Part, operand: Operand) -> tuple[int, ...]:
    """Elements in DRAM between neighbouring indices of each axis of a feature-map operand."""
    strides = placed.of[part.tensor(operand.name)].strides
    return tuple(strides[axis.tensor_axis] * axis.scale if strides else 1 for axis in operand.axes)


def vectors(placed: PlacedNetwork, operator: Operator) -> tuple[tuple[str, str, int], ...]:
    """The constant vectors an operator loads once: (role or slope tensor, tensor, elements)."""
    shapes = placed.network.by_name
    own = [(p.role, p.tensor, shapes[p.tensor].elements) for p in operator.parameters]
    slopes = [(a.slope, a.slope, shapes[a.slope].elements) for a in operator.epilogue if a.slope is not None]
    return tuple(own + slopes)


def nest_problem(
    placed: PlacedNetwork, arch: Accelerator, operator: Operator, parts: tuple[Part, ...], index: int
) -> NestProblem:
    """The mapping problem of one part; parameters are loaded with the first part and held for the others."""
    part = parts[index]
    bindings = tuple(
        Binding(operand.name, packed=True, constant=True)
        if is_packed(placed, part, operand)
        else Binding(operand.name, dram_strides(placed, part, operand))
        for operand in part.nest.operands
    )
    sizes = tuple(elements for _, _, elements in vectors(placed, operator))
    return NestProblem(
        nest=part.nest,
        arch=arch,
        bindings=bindings,
        parameters=sizes if index == 0 else (),
        held_parameters=() if index == 0 else sizes,
        activations=len(operator.epilogue),
    )


def tensor_traffic(
    placed: PlacedNetwork, arch: Accelerator, operator: Operator, part: Part, index: int, cost: NestCost
) -> tuple[tuple[str, str, int], ...]:
    """A part's DRAM traffic by (tensor, cause, bytes)."""
    found: dict[tuple[str, str], int] = {}
    if index == 0:
        for _, tensor, elements in vectors(placed, operator):
            moved = -(-elements * arch.widths.accumulator // 8)
            found[tensor, "parameter"] = found.get((tensor, "parameter"), 0) + moved
    for entry in cost.traffic:
        if entry.cause == "parameter":
            continue
        tensor = part.tensor(entry.operand)
        cause = entry.cause
        if cause in ("load", "weight"):
            cause = "weight" if is_packed(placed, part, part.nest.operand(entry.operand)) else "load"
        found[tensor, cause] = found.get((tensor, cause), 0) + entry.bytes
    return tuple((tensor, cause, moved) for (tensor, cause), moved in sorted(found.items()))
