"""Collects the canonical operators, tensors and derived constants that an import produces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tilewright.workload.network import Derived, Operator, Parameter, Tensor, Value
from tilewright.workload.operators.node import Node


class Emitter:
    """The network under construction; names of operators and tensors stay unique."""

    def __init__(self, tensor_names: Iterable[str], operator_names: Iterable[str]) -> None:
        self.operators: list[Operator] = []
        self.tensors: dict[str, Tensor] = {}
        self.derived: list[Derived] = []
        self._tensor_names = set(tensor_names)
        self._operator_names = set(operator_names)

    def emit(
        self,
        node: Node,
        kind: str,
        inputs: Sequence[str],
        output: str | None = None,
        *,
        part: str = "",
        parameters: Sequence[Parameter] = (),
        **attributes: Value,
    ) -> None:
        """Add an operator for a node, by default the one that writes its first output.

        A node that becomes several operators tells them apart by ``part``.
        """
        name = node.name
        if part:
            name = _free(f"{node.name}:{part}", self._operator_names)
            self._operator_names.add(name)
        self.operators.append(
            Operator(
                name,
                kind,
                tuple(inputs),
                output if output is not None else node.outputs[0],
                tuple(attributes.items()),
                tuple(parameters),
            )
        )

    def intermediate(self, node: Node, part: str, shape: Sequence[int], dtype: str) -> str:
        """A new feature map between two operators of one node; returns its name."""
        return self._new(f"{node.outputs[0]}:{part}", shape, dtype, constant=False)

    def derive(
        self, source: str, function: str, arguments: Mapping[str, Value], shape: Sequence[int], dtype: str
    ) -> str:
        """A new constant, computed from another one by a function of ``workload.derive``; returns its name.

        Asking twice for the same constant gives the same name.
        """
        pairs = tuple(arguments.items())
        for known in self.derived:
            if (known.function, known.inputs, known.arguments) == (function, (source,), pairs):
                return known.tensor
        name = self._new(f"{source}:{function}", shape, dtype, constant=True)
        self.derived.append(Derived(name, function, (source,), pairs))
        return name

    def _new(self, wanted: str, shape: Sequence[int], dtype: str, *, constant: bool) -> str:
        name = _free(wanted, self._tensor_names)
        self._tensor_names.add(name)
        self.tensors[name] = Tensor(name, tuple(shape), dtype, constant)
        return name


def _free(wanted: str, taken: set[str]) -> str:
    """The wanted name, with a number behind it if another has it.

    >>> _free("a", {"a", "a#2"})
    'a#3'
    """
    name, repeat = wanted, 1
    while name in taken:
        repeat += 1
        name = f"{wanted}#{repeat}"
    return name
