"""Drop operators whose result is their input: identities, and moves that move nothing."""

from __future__ import annotations

from dataclasses import replace

from tilewright.workload.attributes import integers
from tilewright.workload.network import Network, Operator


def drop_identities(network: Network) -> Network:
    """Readers of a dropped operator read its input instead.

    One that produces a network output gives its output's name to its input, unless that has to keep its own: it is an
    input, a constant or another output of the network.
    """
    stands_for: dict[str, str] = {}
    renamed: dict[str, str] = {}
    kept: list[Operator] = []
    for operator in network.operators:
        source = stands_for.get(operator.inputs[0], operator.inputs[0]) if operator.inputs else ""
        if not moves_nothing(operator, network):
            kept.append(operator)
        elif operator.output not in network.outputs:
            stands_for[operator.output] = source
        elif source in network.producer and source not in network.outputs and source not in renamed:
            renamed[source] = operator.output
        else:
            kept.append(operator)

    def final(name: str) -> str:
        source = stands_for.get(name, name)
        return renamed.get(source, source)

    return network.with_operators(
        tuple(
            replace(operator, inputs=tuple(final(name) for name in operator.inputs), output=final(operator.output))
            for operator in kept
        )
    )


def moves_nothing(operator: Operator, network: Network) -> bool:
    """Whether the operator's output equals its first input, element by element, in the same shape."""
    same_shape = network.shape(operator.output) == network.shape(operator.inputs[0])
    if operator.epilogue:
        return False
    match operator.kind:
        case "Identity":
            return True
        case "Reshape" | "Expand" | "Slice":
            return same_shape  # steps are positive, so a slice of the same size takes everything in order
        case "Transpose":
            perm = integers(operator, "perm")
            return perm == tuple(range(len(perm)))
        case "Pad":
            return not any(integers(operator, "pads"))
        case "Concat":
            return len(operator.inputs) == 1
        case _:
            return False
