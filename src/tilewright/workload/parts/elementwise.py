"""Nests that map each output element from the same place of the inputs."""

from __future__ import annotations

from tilewright.workload.attributes import scalars, text
from tilewright.workload.nest import LoopNest, VectorWork
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.parts.naming import broadcast_operand, dim_names, dims_of, plain_operand

N_ARY = frozenset({"Sum", "Max", "Min"})


def elementwise(operator: Operator, network: Network) -> tuple[Part, ...]:
    """Operands ``input``, ``input2``, ... broadcast against the output; one operation, n - 1 for n-ary functions."""
    operands = len(scalars(operator))
    operations = max(operands - 1, 1) if text(operator, "function") in N_ARY else 1
    return (mapped(operator, network, operations),)


def batch_normalisation(operator: Operator, network: Network) -> tuple[Part, ...]:
    """One pass of three operations: at inference mean and variance are constants (docs/model.md, section 5)."""
    return (mapped(operator, network, 3),)


def mapped(operator: Operator, network: Network, operations: int) -> Part:
    """A nest over the output's axes whose inputs are broadcast against it."""
    shape = network.shape(operator.output)
    names = dim_names(len(shape))
    inputs = [(f"input{i + 1}" if i else "input", tensor) for i, tensor in enumerate(operator.inputs)]
    nest = LoopNest(
        dims=dims_of(names, shape),
        operands=(
            *(broadcast_operand(name, names, network.shape(tensor), shape) for name, tensor in inputs),
            plain_operand("output", "output", names, shape),
        ),
        work=VectorWork("map", operations),
    )
    return Part("", nest, (*inputs, ("output", operator.output)))
