"""Random numbers in place of missing weights: which part a constant plays in the network decides how they spread.

A constant's numbers depend only on the seed and on its name, not on the order in which constants are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tilewright.workload.onnx_evaluate import Array

if TYPE_CHECKING:
    from tilewright.workload.onnx_graph import OnnxNode
    from tilewright.workload.onnx_shapes import Values

STRONGEST_FIRST = ("variance", "scale", "slope", "weight", "bias")
POSITIVE_ONLY = frozenset({"Sqrt", "Log", "Pow", "Reciprocal"})
PARAMETERS: dict[str, dict[int, str]] = {
    # Role by operator type and input position; weights are told by WEIGHTS, anything else is a bias.
    "BatchNormalization": {1: "scale", 2: "bias", 3: "bias", 4: "variance"},
    "InstanceNormalization": {1: "scale", 2: "bias"},
    "LayerNormalization": {1: "scale", 2: "bias"},
    "PRelu": {1: "slope"},
    "Mul": {0: "scale", 1: "scale"},
    "Div": {0: "scale", 1: "variance"},
}


@dataclass(frozen=True)
class Role:
    """What a constant is used as; ``fan_in`` is the number of products in a sum, for weights."""

    name: str
    fan_in: int = 1


def seeded_value(name: str, shape: tuple[int, ...], role: Role, seed: int) -> Array:
    """Numbers for one constant, as float32, with n standard normal and drawn anew for each name.

    Weights are He-normal, ``n * sqrt(2 / fan_in)``; scales ``1 + 0.1 n``; variances ``1 + 0.1 |n|``; slopes
    ``0.25 + 0.05 n``; biases and means ``0.1 n``.

    >>> float(seeded_value("w", (1000,), Role("weight", fan_in=8), seed=0).std().round(1))
    0.5
    """
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    normal = np.random.default_rng(int.from_bytes(digest[:16])).standard_normal(shape, dtype=np.float32)
    if role.name == "weight":
        return normal * np.float32(np.sqrt(2 / role.fan_in))
    if role.name == "scale":
        return 1 + np.float32(0.1) * normal
    if role.name == "variance":
        return 1 + np.float32(0.1) * np.abs(normal)
    if role.name == "slope":
        return np.float32(0.25) + np.float32(0.05) * normal
    return np.float32(0.1) * normal


def roles(values: Values) -> dict[str, Role]:
    """The role of every constant that reaches a node which works on activations, directly or through constants.

    A constant with several roles takes the one whose numbers suit all of them: positive ones first.
    """
    found: dict[str, Role] = {}
    for node in reversed(values.graph.nodes):
        constant = all(name in values.constants for name in node.writes)
        for slot, name in enumerate(node.inputs):
            if name not in values.constants:
                continue
            if not constant:
                offers = [_role_at(node, slot, values)]
            elif node.op_type in POSITIVE_ONLY or (node.op_type, slot) == ("Div", 1):
                offers = [Role("variance")]
            else:
                offers = [found[output] for output in node.writes if output in found]
            if offers:
                known = [found[name]] if name in found else []
                found[name] = _strongest([*known, *offers])
    return found


def _strongest(offers: Iterable[Role]) -> Role:
    return min(offers, key=lambda role: (STRONGEST_FIRST.index(role.name), -role.fan_in))


def _role_at(node: OnnxNode, slot: int, values: Values) -> Role:
    """The role of a constant that the node combines with activations."""
    fan_in = _fan_in(node, slot, values)
    if fan_in:
        return Role("weight", fan_in)
    if node.op_type in POSITIVE_ONLY:
        return Role("variance")
    return Role(PARAMETERS.get(node.op_type, {}).get(slot, "bias"))


def _fan_in(node: OnnxNode, slot: int, values: Values) -> int:
    """How many products with elements of this weight are summed into one result; 0 if it is no weight.

    A transposed convolution spreads its taps over stride * stride results.
    """
    shape = values.types[node.inputs[slot]].shape
    attributes = {attribute.name: attribute for attribute in node.proto.attribute}
    total = 0
    if node.op_type == "Conv" and slot == 1:
        total = _product(shape[1:])
    elif node.op_type == "ConvTranspose" and slot == 1:
        groups = attributes["group"].i if "group" in attributes else 1
        strides = attributes["strides"].ints if "strides" in attributes else ()
        total = max(1, shape[0] // groups * _product(shape[2:]) // _product(strides))
    elif node.op_type == "Gemm" and slot < 2:
        flag = attributes.get(("transA", "transB")[slot])
        inner = 1 - slot if flag is None or not flag.i else slot
        total = shape[inner]
    elif node.op_type == "MatMul" and slot < 2:
        total = shape[-2] if slot == 1 and len(shape) > 1 else shape[-1]
    return total


def _product(extents: Iterable[int]) -> int:
    total = 1
    for extent in extents:
        total *= extent
    return total
