"""Decides which tensors are views of which (docs/model.md, section 8).

First the concatenations, last to first: an input's producer writes straight into its range of the output where
nothing stands against it, so that nested concatenations end up in the outermost one. Then everything else, first to
last: slices, reshapes and transpositions become views of where their input lies if the address map allows it.
"""

from __future__ import annotations

from collections.abc import Iterator

from tilewright.workload.attributes import integer, integers
from tilewright.workload.network import MAC_KINDS, Network, Operator
from tilewright.workload.views import (
    Layout,
    Storage,
    keeps_order,
    own_strides,
    permuted,
    reshaped,
    same_addresses,
    sliced,
    unpermuted,
)

RENAMING = frozenset({"Reshape", "Transpose", "Identity"})  # one to one: output and input can share storage


class Placement:
    """The state of one placement; after construction ``storages``, ``bases``, ``views`` and ``copied`` hold the result.

    ``free`` names transpositions that are views whatever layout that gives their output.
    """

    def __init__(self, network: Network, layout: Layout, free: frozenset[str] = frozenset()) -> None:
        self.network = network
        self.layout = layout
        self.free = free
        self.storages: dict[str, Storage] = {}
        self.bases: dict[str, int] = {}
        self.views: set[str] = set()
        self.copied: dict[str, tuple[int, ...]] = {}
        self._reserved: dict[str, Storage] = {}
        self._outputs = frozenset(network.outputs)
        self._bases_of_outputs: set[str] = set()
        self._taker = _takers(network)
        for operator in reversed(network.operators):
            if operator.kind == "Concat":
                self._place_inputs_of(operator)
        for tensor in (*network.inputs, *_loaded_constants(network)):
            self._own(tensor)
        for operator in network.operators:
            self._place_output_of(operator)
        for operator in network.operators:
            if operator.kind == "Concat":
                self._settle(operator)

    def _own(self, tensor: str) -> Storage:
        shape = self.network.shape(tensor)
        self.storages[tensor] = Storage(tensor, tensor, 0, own_strides(shape, self.layout))
        self.bases[tensor] = self.network.by_name[tensor].elements
        if tensor in self._outputs:
            self._bases_of_outputs.add(tensor)
        return self.storages[tensor]

    # Concatenations

    def _ranges(self, concat: Operator) -> Iterator[tuple[str, Storage]]:
        """Each input of a concatenation with the place in the output that it would have."""
        home = self.storages[concat.output]
        along = integer(concat, "axis")
        offset = home.offset
        for tensor in concat.inputs:
            yield tensor, Storage(tensor, home.base, offset, home.strides)
            offset += self.network.shape(tensor)[along] * home.strides[along]

    def _place_inputs_of(self, concat: Operator) -> None:
        if concat.output not in self.storages:
            self._own(concat.output)
        for tensor, place in self._ranges(concat):
            if self._taker.get(tensor) == concat.name:
                self._claim(place, concat)

    def _claim(self, place: Storage, concat: Operator) -> None:
        """Give a tensor that place if its producer can write there, through renamings if need be."""
        chain: list[Storage] = []
        renamings: list[str] = []
        current: Storage | None = place
        while current is not None:
            tensor = current.tensor
            producer = self.network.producer.get(tensor)
            if tensor in self.storages or producer is None or tensor in self._outputs or producer.kind == "Slice":
                break
            if self._taker.get(tensor, concat.name) != concat.name:
                break
            chain.append(current)
            if producer.kind not in RENAMING:
                self.storages.update((storage.tensor, storage) for storage in chain)
                self.views.update(renamings)
                return
            renamings.append(producer.name)
            current = self._before(producer, current)
        if chain and renamings:
            # The renaming cannot pass the place on; should it be copied anyway, the copy goes there.
            self._reserved[place.tensor] = place

    def _before(self, renaming: Operator, after: Storage) -> Storage | None:
        """The storage of a renaming's input that makes its output lie where it does, or None."""
        source = renaming.inputs[0]
        shape, out = self.network.shape(source), self.network.shape(renaming.output)
        strides: tuple[int, ...] | None = after.strides
        if renaming.kind == "Reshape":
            strides = reshaped(out, after.strides, shape)
        elif renaming.kind == "Transpose":
            perm = integers(renaming, "perm")
            strides = unpermuted(after.strides, perm) if keeps_order(shape, perm) else None
        return None if strides is None else Storage(source, after.base, after.offset, strides)

    def _settle(self, concat: Operator) -> None:
        """Which inputs of a concatenation are in place at the end, and which must be copied."""
        copied = tuple(
            position for position, (tensor, place) in enumerate(self._ranges(concat)) if self.storages[tensor] != place
        )
        if copied:
            self.copied[concat.name] = copied
        else:
            self.views.add(concat.name)

    # Everything else

    def _place_output_of(self, operator: Operator) -> None:
        tensor = operator.output
        if tensor in self.storages:
            return
        view = self._after(operator)
        if view is not None and self._may_be_view(tensor, view):
            self.storages[tensor] = view
            self.views.add(operator.name)
            if tensor in self._outputs:
                self._bases_of_outputs.add(view.base)
        elif tensor in self._reserved:
            self.storages[tensor] = self._reserved[tensor]
        else:
            self._own(tensor)

    def _after(self, operator: Operator) -> Storage | None:
        """Where an operator's output lies if it is a view of its input, or None."""
        if operator.kind not in RENAMING and operator.kind != "Slice":
            return None
        tensor = operator.output
        source = self.storages[operator.inputs[0]]
        shape, out = self.network.shape(operator.inputs[0]), self.network.shape(tensor)
        if operator.kind == "Slice":
            return sliced(source, tensor, integers(operator, "starts"), integers(operator, "steps"))
        strides: tuple[int, ...] | None = source.strides
        if operator.kind == "Reshape":
            strides = reshaped(shape, source.strides, out)
        elif operator.kind == "Transpose":
            perm = integers(operator, "perm")
            strides = permuted(source.strides, perm)
            if not (
                operator.name in self.free
                or keeps_order(shape, perm)
                or same_addresses(out, strides, own_strides(out, self.layout))
            ):
                return None
        return None if strides is None else Storage(tensor, source.base, source.offset, strides)

    def _may_be_view(self, tensor: str, view: Storage) -> bool:
        """A network output owns its storage, which only a tensor inside the network may share, and all of it."""
        if tensor not in self._outputs:
            return True
        return (
            self.network.producer.get(view.base) is not None
            and view.base not in self._bases_of_outputs
            and self.network.by_name[tensor].elements == self.bases[view.base]
        )


def _takers(network: Network) -> dict[str, str]:
    """For each tensor the concatenation that may take it in: the first of those that use it exactly once."""
    found: dict[str, str] = {}
    for operator in network.operators:
        if operator.kind == "Concat":
            for tensor in operator.inputs:
                if operator.inputs.count(tensor) == 1:
                    found.setdefault(tensor, operator.name)
    return found


def _loaded_constants(network: Network) -> tuple[str, ...]:
    """Constants that are loaded like feature maps: neither weights of multiply-accumulates nor parameters."""
    found: dict[str, None] = {}
    for operator in network.operators:
        inputs = operator.inputs[:1] if operator.kind in MAC_KINDS else operator.inputs
        found.update((name, None) for name in inputs if network.by_name[name].constant)
    return tuple(found)
