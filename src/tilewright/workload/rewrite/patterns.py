"""Recognise activations that exporters spell out: SiLU, h-swish and GELU as products of a tensor with its gate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isclose, sqrt

from tilewright.workload.attributes import arguments, scalars, text
from tilewright.workload.network import Network, Operator

TOLERANCE = 1e-6  # relative: the constants went through single precision


@dataclass(frozen=True)
class _Product:
    """A tree of multiplications and divisions by numbers: ``factor`` times ``leaves``, computed by ``operators``."""

    factor: float
    leaves: tuple[str, ...]
    operators: tuple[Operator, ...]


def fuse_activations(network: Network) -> Network:
    """Replace spelled-out activations by one elementwise operator each.

    SiLU is ``x * sigmoid(x)``; HardSwish ``x * hardsigmoid(x)`` with slope 1/6 and offset 1/2, or
    ``x * clip(x + 3, 0, 6) / 6``; GELU ``x * (1 + erf(x / sqrt 2)) / 2``. The numeric factors may stand anywhere in
    the product. Nothing but the pattern may read what is computed inside it. The exact function ``Gelu`` of a model
    becomes GELU, too.
    """
    fused: dict[str, Operator] = {}
    inside: set[str] = set()
    for operator in network.operators:
        found = _activation(network, operator)
        if found is not None:
            function, source, replaced = found
            attributes = (("function", function), ("constants", (None,)), ("arguments", ()))
            fused[operator.name] = replace(operator, inputs=(source,), attributes=attributes)
            inside.update(inner.name for inner in replaced)
    return network.with_operators(
        tuple(fused.get(operator.name, operator) for operator in network.operators if operator.name not in inside)
    )


def _activation(network: Network, root: Operator) -> tuple[str, str, tuple[Operator, ...]] | None:
    """The function that a product computes, of which tensor, and the operators inside it that it makes redundant."""
    if _is(root, "Gelu") and arguments(root) == (0.0,):
        return "GELU", root.inputs[0], ()
    product = _product(network, root)
    if product is None or len(product.leaves) != 2:
        return None
    for x, gated in (product.leaves, product.leaves[::-1]):
        gate = _inner(network, gated)
        found = _gate(network, gate, x) if gate is not None else None
        if found is not None:
            function, factor, inner = found
            if _close(product.factor, factor):
                return function, x, (*product.operators, *inner)
    return None


def _gate(network: Network, gate: Operator, x: str) -> tuple[str, float, tuple[Operator, ...]] | None:
    """The activation whose gate this is, the factor that must stand beside it, and the gate's operators."""
    if _is(gate, "Sigmoid") and gate.inputs == (x,):
        return "SiLU", 1.0, (gate,)
    if _is(gate, "HardSigmoid") and gate.inputs == (x,):
        slope, offset = arguments(gate)
        return ("HardSwish", 1.0, (gate,)) if _close(slope, 1 / 6) and _close(offset, 0.5) else None
    if _is(gate, "Clip") and arguments(gate) == (0.0, 6.0):
        shift = _inner(network, gate.inputs[0])
        if shift is not None and shift.inputs == (x,) and _addend(shift) == 3.0:
            return "HardSwish", 1 / 6, (gate, shift)
    if _addend(gate) == 1.0:
        erf = _inner(network, gate.inputs[0])
        if erf is not None and _is(erf, "Erf"):
            scaled = _inner(network, erf.inputs[0])
            rate = _multiplier(scaled) if scaled is not None else None
            if scaled is not None and rate is not None and scaled.inputs == (x,) and _close(rate, 1 / sqrt(2)):
                return "GELU", 0.5, (gate, erf, scaled)
    return None


def _product(network: Network, operator: Operator) -> _Product | None:
    """The largest tree of products that ends in an operator; None if it is not a product."""
    rate = _multiplier(operator)
    if rate is None and not (_is(operator, "Mul") and len(operator.inputs) == 2):
        return None
    factor = 1.0 if rate is None else rate
    leaves: list[str] = []
    inside: list[Operator] = []
    for name in operator.inputs:
        inner = _inner(network, name)
        branch = _product(network, inner) if inner is not None else None
        if inner is None or branch is None:
            leaves.append(name)
        else:
            factor *= branch.factor
            leaves += branch.leaves
            inside += (inner, *branch.operators)
    return _Product(factor, tuple(leaves), tuple(inside))


def _inner(network: Network, name: str) -> Operator | None:
    """The producer of a tensor that one operator reads, once, and nobody outside sees."""
    readers = network.consumers[name]
    alone = len(readers) == 1 and readers[0].reads.count(name) == 1 and name not in network.outputs
    return network.producer.get(name) if alone else None


def _is(operator: Operator, function: str) -> bool:
    return operator.kind == "Elementwise" and not operator.epilogue and text(operator, "function") == function


def _addend(operator: Operator) -> float | None:
    """The number that an operator adds to its only input, or None."""
    if not (_is(operator, "Add") and len(operator.inputs) == 1):
        return None
    return next((constant for constant in scalars(operator) if constant is not None), None)


def _multiplier(operator: Operator) -> float | None:
    """The number that an operator multiplies its only input by, or None."""
    if len(operator.inputs) != 1:
        return None
    if _is(operator, "Mul"):
        return next((constant for constant in scalars(operator) if constant is not None), None)
    if _is(operator, "Div"):
        first, second = scalars(operator)
        return 1 / second if first is None and second else None
    return None


def _close(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=TOLERANCE)
