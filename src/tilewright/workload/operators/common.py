"""Constraints on every operator."""

from __future__ import annotations

from tilewright.workload.operators.node import Node
from tilewright.workload.operators.registry import ALL, constraint

NUMERIC = frozenset(
    {
        "float16",
        "bfloat16",
        "float32",
        "float64",
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
    }
)


@constraint(ALL)
def numeric_results(node: Node) -> bool:
    """Results are floating-point or integer numbers of 8 to 64 bits."""
    return all(node.out_dtype(slot) in NUMERIC for slot in range(len(node.outputs)) if node.used(slot))
