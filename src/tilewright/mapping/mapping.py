"""A mapping: how one nest runs on one accelerator, as loops, unrollings and keeps (docs/model.md, section 2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loop:
    """Split the current range of a dimension into chunks of ``tile``, run in order; the last may be shorter."""

    dim: str
    tile: int


@dataclass(frozen=True)
class Par:
    """The same split, the chunks going to positions along an axis of the array."""

    dim: str
    tile: int
    axis: str


@dataclass(frozen=True)
class Keep:
    """From here inward the operand is served by this memory."""

    operand: str
    memory: str


Node = Loop | Par | Keep


@dataclass(frozen=True)
class Mapping:
    """Nodes outermost first. ``text.format_mapping`` prints one, ``text.parse_mapping`` reads it back."""

    nodes: tuple[Node, ...]

    @property
    def loops(self) -> tuple[Loop, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Loop))

    @property
    def pars(self) -> tuple[Par, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Par))

    @property
    def keeps(self) -> tuple[Keep, ...]:
        return tuple(node for node in self.nodes if isinstance(node, Keep))

    def loops_above(self, operand: str) -> tuple[Loop, ...]:
        """The temporal loops above an operand's keep, outermost first."""
        found: list[Loop] = []
        for node in self.nodes:
            if isinstance(node, Keep) and node.operand == operand:
                return tuple(found)
            if isinstance(node, Loop):
                found.append(node)
        raise KeyError(operand)
