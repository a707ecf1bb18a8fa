"""What every rewrite must leave true of a network."""

from __future__ import annotations

from collections import Counter

from tilewright.workload.network import Network


def structural_faults(network: Network) -> tuple[str, ...]:
    """Sentences about what is wrong with the graph: each tensor written once, before it is read, and in the table.

    >>> from tilewright.workload.network import Operator, Tensor
    >>> relu = Operator("relu", "Elementwise", ("x",), "y", (("function", "Relu"), ("constants", (None,))))
    >>> tensors = (Tensor("x", (4,)), Tensor("y", (4,)))
    >>> structural_faults(Network("ok", (relu,), tensors, ("x",), ("y",)))
    ()
    >>> structural_faults(Network("twice", (relu, relu), tensors, ("x",), ("y",)))
    ('2 operators are called relu', '2 operators write y')
    """
    names = Counter(operator.name for operator in network.operators)
    outputs = Counter(operator.output for operator in network.operators)
    found = [f"{count} operators are called {name}" for name, count in names.items() if count > 1]
    found += [f"{count} operators write {name}" for name, count in outputs.items() if count > 1]
    available = set(network.inputs) | {tensor.name for tensor in network.tensors if tensor.constant}
    for operator in network.operators:
        for name in dict.fromkeys(operator.reads):
            if name not in network.by_name:
                found.append(f"{operator.name} reads {name}, which is in no table of tensors")
            elif name not in available:
                found.append(f"{operator.name} reads {name} before anything writes it")
        if operator.output not in network.by_name:
            found.append(f"{operator.name} writes {operator.output}, which is in no table of tensors")
        elif network.by_name[operator.output].constant:
            found.append(f"{operator.name} writes the constant {operator.output}")
        available.add(operator.output)
    found += [f"nothing writes the output {name}" for name in network.outputs if name not in available]
    return tuple(found)
