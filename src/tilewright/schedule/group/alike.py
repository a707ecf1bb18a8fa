"""What tells groups apart as far as their offers go, whatever their operators and tensors are called."""

from __future__ import annotations

from dataclasses import dataclass

from tilewright.schedule.group.members import Members
from tilewright.workload.storage import PlacedNetwork

Signature = tuple[object, ...]


@dataclass(frozen=True)
class Interface:
    """The bases that go into a group, in the order in which its operators read them first, and those that it writes and
    that are needed elsewhere, in the order in which they are written."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def interface(group: Members, maps: frozenset[str], outputs: frozenset[str]) -> Interface:
    """The interface of a group; ``maps`` are the bases it reads that are not constant."""
    read = dict.fromkeys(group.blocks[tensor].base for one in group.all for _, tensor in one.reads)
    written = dict.fromkeys(group.blocks[one.writes].base for one in group.all)
    return Interface(
        tuple(base for base in read if base in maps and base not in written),
        tuple(base for base in written if base in outputs),
    )


def signature(placed: PlacedNetwork, group: Members, at: Interface) -> Signature:
    """Equal for groups with equal offers: problems, and how operators, tensors and bases hang together."""
    sizes = dict(placed.bases)
    tensors = {tensor: k for k, tensor in enumerate(group.blocks)}
    bases = {base: k for k, base in enumerate(dict.fromkeys(block.base for block in group.blocks.values()))}
    return (
        tuple(
            (
                one.problem,
                tuple((operand.name, tensors[tensor]) for operand, tensor in one.reads),
                None if one.weights is None else one.weights.name,
                tuple(size for _, size in one.vectors),
                tensors[one.writes],
            )
            for one in group.all
        ),
        tuple(
            (bases[block.base], block.origin, block.shape, block.outer, placed.of[tensor].strides)
            for tensor, block in group.blocks.items()
        ),
        tuple(sizes.get(base) for base in bases),
        tuple(bases[base] for base in at.inputs),
        tuple(bases[base] for base in at.outputs),
    )
