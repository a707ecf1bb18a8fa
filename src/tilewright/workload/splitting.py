"""A reshape that no loop nest describes, taken in two steps: through all elements in a row."""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.network import Network, Operator, Tensor
from tilewright.workload.parts import shapes_have_a_common_refinement


def reshapes_to_split(network: Network, views: set[str]) -> tuple[str, ...]:
    """Reshapes that must be copied although their shapes have no common refinement (``workload.parts``)."""
    return tuple(
        operator.name
        for operator in network.operators
        if operator.kind == "Reshape"
        and operator.name not in views
        and not shapes_have_a_common_refinement(network.shape(operator.inputs[0]), network.shape(operator.output))
    )


def through_a_row(network: Network, names: tuple[str, ...]) -> Network:
    """The network with each of those reshapes as two, by way of a tensor of one axis.

    Such a tensor refines with any shape, and is row-major, so that the second reshape is usually a view.
    """
    operators: list[Operator] = []
    rows: list[Tensor] = []
    for operator in network.operators:
        if operator.name in names:
            source = network.by_name[operator.inputs[0]]
            row = Tensor(f"{operator.output}:row", (source.elements,), source.dtype)
            rows.append(row)
            operators.append(replace(operator, name=f"{operator.name}:row", output=row.name))
            operator = replace(operator, inputs=(row.name,))
        operators.append(operator)
    return network.with_operators(tuple(operators), tuple(rows))
