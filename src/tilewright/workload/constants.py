"""The numbers behind the constants of a network: stored in the model, computed from it, or seeded."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tilewright.errors import InputError, UsageError
from tilewright.workload.derive import derive
from tilewright.workload.network import Derived, Network
from tilewright.workload.onnx_evaluate import Array, evaluate, initializer_value
from tilewright.workload.onnx_import import ImportedModel, import_model
from tilewright.workload.onnx_reference import reference_model
from tilewright.workload.seeded import Role, roles, seeded_value

if TYPE_CHECKING:
    import onnx

FLOATS = frozenset({"float16", "bfloat16", "float32", "float64"})


class ConstantStore:
    """Values of constants, worked out when asked for and remembered until dropped.

    ``weights`` is ``stored`` (the file as it is), ``seeded:N`` (every weight drawn with seed N) or ``auto`` (only
    weights that are absent or all one value, with seed 0). Never replaced are integers, single numbers, and constants
    on which shapes or attributes of the network depend.
    """

    def __init__(self, network: Network, weights: str = "auto") -> None:
        self.network = network
        self.weights = weights
        self.seed, self.mode = _parse(weights)
        self._values: dict[str, Array] = {}
        self._derived: dict[str, Derived] = {derived.tensor: derived for derived in network.derived}

    def value(self, name: str) -> Array:
        """The numbers of a constant; read-only.

        InputError if they are external and missing, or were stripped from the file and ``weights`` is ``stored``;
        KeyError if no constant has that name.
        """
        if name not in self._values:
            value = self._compute(name)
            value.flags.writeable = False
            self._values[name] = value
        return self._values[name]

    def drop(self, name: str) -> None:
        """Forget one value; it is worked out again when asked for."""
        self._values.pop(name, None)

    def clear(self) -> None:
        """Forget all values."""
        self._values.clear()

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user: how many weights are not the model's own."""
        if not self.replaced:
            return ()
        why = "" if self.mode == "seeded" else " absent from the file or all one value and were"
        return (
            f"{len(self.replaced)} of {len(self._replaceable)} weights are{why} replaced by random numbers "
            f"(He-normal, seed {self.seed})",
        )

    @cached_property
    def replaced(self) -> dict[str, Role]:
        """The constants whose numbers are drawn, with the role that decides how."""
        if self.mode == "stored":
            return {}
        if self.mode == "seeded":
            return self._replaceable
        return {name: role for name, role in self._replaceable.items() if self._is_stripped(name)}

    def reference_model(self) -> onnx.ModelProto:
        """The ONNX model with this store's numbers as initializers, the network's input shapes and its cut.

        What onnxruntime computes from it is what the network has to compute.
        """
        return reference_model(self._model, self._passing_value, set(self.replaced))

    def _passing_value(self, name: str) -> Array:
        """A value that is remembered only if it was before, so that a copy of all weights costs no second one."""
        known = name in self._values
        value = self.value(name)
        if not known:
            self.drop(name)
        return value

    @cached_property
    def _model(self) -> ImportedModel:
        if not self.network.reference.path:
            raise InputError(
                f"network '{self.network.name}' was not loaded from a model, so its constants have no values"
            )
        return import_model(self.network.reference)

    @cached_property
    def _replaceable(self) -> dict[str, Role]:
        """Constants that may be replaced: floating-point, several elements, not needed to import the network."""
        values = self._model.values
        sources = set(values.graph.initializers)
        for node in values.graph.nodes:
            if node.op_type in ("Constant", "ConstantOfShape") and node.domain == "":
                sources.update(node.writes)
        return {
            name: role
            for name, role in sorted(roles(values).items())
            if name in sources
            and name not in values.consumed
            and values.types[name].dtype in FLOATS
            and values.types[name].elements > 1
        }

    def _is_stripped(self, name: str) -> bool:
        """Whether a source constant has no numbers in the file, or the same one everywhere."""
        values = self._model.values
        if name in values.graph.initializers:
            tensor = values.graph.initializers[name]
            stored = initializer_value(tensor, self._model.file, external=True)
            if stored is None:
                return True
            return bool((stored == stored.reshape(-1)[0]).all())
        producer = values.producer[name]
        return producer.op_type == "ConstantOfShape" or bool(np.ptp(self._stored(name)) == 0)

    def _compute(self, name: str) -> Array:
        if name in self._derived:
            derived = self._derived[name]
            return derive(derived, [self.value(source) for source in derived.inputs]).copy()
        values = self._model.values
        if name not in values.constants:
            raise KeyError(f"'{name}' is no constant of network '{self.network.name}'")
        if name in self.replaced:
            kind = values.types[name]
            drawn = seeded_value(name, kind.shape, self.replaced[name], self.seed)
            return drawn.astype(values.numpy_dtype(name), copy=False)
        return self._stored(name)

    def _stored(self, name: str) -> Array:
        """A constant that is not replaced, though what it is computed from may be."""
        values, file = self._model.values, self._model.file
        if name in values.consumed:
            return values.value(name).copy()
        if name in values.graph.initializers:
            stored = initializer_value(values.graph.initializers[name], file, external=True)
            if stored is None:
                raise InputError(
                    f"{file.label}: the numbers of '{name}' were stripped from the file; "
                    "run with --weights auto or --weights seeded:N"
                )
            return stored.copy()
        node = values.producer[name]
        results = evaluate(node, [self.value(source) if source else None for source in node.inputs], file)
        return results[name].copy()


def _parse(weights: str) -> tuple[int, str]:
    """Seed and mode of a ``--weights`` option."""
    mode, _, seed = weights.partition(":")
    if weights in ("auto", "stored"):
        return 0, mode
    if mode == "seeded" and seed.isascii() and seed.isdigit():
        return int(seed), mode
    raise UsageError(f"weights '{weights}' are not known; use auto, stored, or seeded:N with a number N")
