"""A flatten in front of a constant matrix product, taken in the order in which the feature map lies in memory.

With channels innermost, flattening [N, C, H, W] to [N, C*H*W] would move every element. Flattening [N, H, W, C] moves
none, and the matrix product gives the same result if the rows of its weight are permuted alike.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from tilewright.workload.network import Derived, Network, Operator, Tensor
from tilewright.workload.views import Storage, permuted, reshaped

MEMORY_ORDER = (0, 2, 3, 1)


def flattens_for_products(network: Network, storages: dict[str, Storage], views: set[str]) -> tuple[str, ...]:
    """Reshapes that would be copied, and that only constant matrix products read, from maps dense in memory order."""
    return tuple(
        operator.name
        for operator in network.operators
        if operator.kind == "Reshape"
        and operator.name not in views
        and _is_flatten(network.shape(operator.inputs[0]), network.shape(operator.output))
        and operator.output not in network.outputs
        and network.consumers[operator.output]
        and all(_can_permute(network, consumer, operator.output) for consumer in network.consumers[operator.output])
        and _lies_in_memory_order(network, storages[operator.inputs[0]], network.shape(operator.output))
    )


def in_memory_order(network: Network, flattens: tuple[str, ...]) -> tuple[Network, frozenset[str]]:
    """The network with a transposition before each of those reshapes and permuted weights after it.

    Also the names of the transpositions, which are views by construction: their output lies where their input does.
    """
    operators: list[Operator] = []
    tensors: list[Tensor] = []
    derived: list[Derived] = []
    transpositions: list[str] = []
    permuted_from: dict[str, tuple[int, int, int]] = {}
    for operator in network.operators:
        if operator.name in flattens:
            source = network.by_name[operator.inputs[0]]
            batch, channels, height, width = source.shape
            ordered = Tensor(f"{operator.output}:memory_order", (batch, height, width, channels), source.dtype)
            name = f"{operator.name}:memory_order"
            tensors.append(ordered)
            transpositions.append(name)
            permuted_from[operator.output] = (channels, height, width)
            operators.append(Operator(name, "Transpose", (source.name,), ordered.name, (("perm", MEMORY_ORDER),)))
            operators.append(replace(operator, inputs=(ordered.name,)))
        elif operator.kind == "MatMul" and operator.inputs[0] in permuted_from:
            weight = network.by_name[operator.inputs[1]]
            renamed = f"{weight.name}:memory_order:{operator.name}"
            tensors.append(Tensor(renamed, weight.shape, weight.dtype, constant=True))
            arguments = (("shape", permuted_from[operator.inputs[0]]), ("transposed", bool(operator["trans_b"])))
            derived.append(Derived(renamed, "permute_rows", (weight.name,), arguments))
            operators.append(replace(operator, inputs=(operator.inputs[0], renamed)))
        else:
            operators.append(operator)
    return network.with_operators(tuple(operators), tuple(tensors), tuple(derived)), frozenset(transpositions)


def _is_flatten(shape: tuple[int, ...], out: tuple[int, ...]) -> bool:
    return len(shape) == 4 and out == (shape[0], prod(shape[1:]))


def _can_permute(network: Network, consumer: Operator, tensor: str) -> bool:
    if consumer.kind != "MatMul" or consumer.inputs[0] != tensor or consumer.inputs[1] == tensor:
        return False
    weight = network.by_name[consumer.inputs[1]]
    return weight.constant and len(weight.shape) == 2 and not consumer["trans_a"]


def _lies_in_memory_order(network: Network, storage: Storage, out: tuple[int, ...]) -> bool:
    shape = network.shape(storage.tensor)
    return reshaped(permuted(shape, MEMORY_ORDER), permuted(storage.strides, MEMORY_ORDER), out) is not None
