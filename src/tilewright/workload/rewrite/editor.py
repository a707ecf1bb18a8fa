"""A network being rewritten: operators folded into the producers of their inputs, constants derived on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tilewright.workload.network import Derived, Network, Operator, Parameter, Tensor, Value

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


class Editor:
    """Collects what a pass changes; ``finish`` gives the new network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.operators: list[Operator] = []
        self._tensors: dict[str, Tensor] = {}
        self._derived: list[Derived] = []

    def tensor(self, name: str) -> Tensor:
        """A tensor of the network or one that this pass introduced."""
        return self._tensors.get(name) or self.network.by_name[name]

    def used_only_by(self, name: str, reader: Operator) -> bool:
        """Whether that operator alone reads the tensor, once, and nobody outside the network sees it."""
        readers = self.network.consumers[name]
        return (
            len(readers) == 1
            and readers[0].reads.count(name) == 1 == reader.reads.count(name)
            and (name not in self.network.outputs)
        )

    def derive(self, function: str, inputs: Sequence[str], shape: Sequence[int], **arguments: Value) -> str:
        """A new constant computed from others by a function of ``workload.derive``, in the type of the first one."""
        stem = f"{inputs[0]}:{function}"
        name, repeat = stem, 1
        while name in self._tensors or name in self.network.by_name or self._is_derived(name):
            repeat += 1
            name = f"{stem}#{repeat}"
        self._tensors[name] = Tensor(name, tuple(shape), self.tensor(inputs[0]).dtype, constant=True)
        self._derived.append(Derived(name, function, tuple(inputs), tuple(arguments.items())))
        return name

    def _is_derived(self, name: str) -> bool:
        return any(derived.tensor == name for derived in self.network.derived)

    def fold(self, into_producer: Callable[[Editor, Operator, Operator], Operator | None]) -> Network:
        """Go through the operators in order and let each, where the function allows it, merge into its producer.

        The function gets the producer of the operator's only variable input, which nobody else reads, and the
        operator; it returns the merged operator (its output will be the operator's) or None.
        """
        position: dict[str, int] = {}
        merged: list[Operator | None] = []
        for operator in self.network.operators:
            source = variable_input(self, operator)
            at = position.get(source) if source is not None else None
            if source is not None and at is not None and self.used_only_by(source, operator):
                producer = merged[at]
                both = into_producer(self, producer, operator) if producer is not None else None
                if both is not None:
                    merged[at] = replace(both, output=operator.output)
                    position[operator.output] = at
                    continue
            position[operator.output] = len(merged)
            merged.append(operator)
        self.operators = [operator for operator in merged if operator is not None]
        return self.finish()

    def finish(self) -> Network:
        """The network with the collected operators; derivations that no constant needs any more are dropped."""
        network = self.network.with_operators(
            tuple(self.operators), tuple(self._tensors.values()), tuple(self._derived)
        )
        needed = set(network.by_name)
        kept: list[Derived] = []
        for derived in reversed(network.derived):
            if derived.tensor in needed:
                needed.update(derived.inputs)
                kept.append(derived)
        return replace(network, derived=tuple(reversed(kept)))


def variable_input(editor: Editor, operator: Operator) -> str | None:
    """The one tensor among an operator's inputs that is not a constant, or None if there are several or none."""
    variable = [name for name in operator.inputs if not editor.tensor(name).constant]
    return variable[0] if len(variable) == 1 else None


def with_parameter(operator: Operator, role: str, tensor: str, axis: int) -> tuple[Parameter, ...]:
    """The operator's parameters with one vector along an output axis added, or another in its place."""
    others = tuple(parameter for parameter in operator.parameters if parameter.role != role)
    return (*others, Parameter(role, tensor, (axis,)))
