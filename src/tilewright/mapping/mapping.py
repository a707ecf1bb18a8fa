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

    def place(self, operand: str, memory: str | None = None) -> int:
        """Where among the nodes an operand's keep in a memory stands, its outermost keep if none is named."""
        for place, node in enumerate(self.nodes):
            if isinstance(node, Keep) and node.operand == operand and memory in (None, node.memory):
                return place
        raise KeyError((operand, memory))

    def loops_above(self, operand: str, memory: str | None = None) -> tuple[Loop, ...]:
        """The temporal loops above an operand's keep in a memory (its outermost one if none is named), outermost
        first."""
        return tuple(node for node in self.nodes[: self.place(operand, memory)] if isinstance(node, Loop))

    def array_place(self, scratchpad: str) -> int:
        """How many nodes stand above the array part: up to and with the innermost keep of the scratchpad."""
        return max(
            (k + 1 for k, n in enumerate(self.nodes) if isinstance(n, Keep) and n.memory == scratchpad), default=0
        )

    def tile_loops(self, scratchpad: str) -> tuple[Loop, ...]:
        """The loops whose iterations are the tile steps: those above the innermost keep of the scratchpad.

        >>> mapping = Mapping((Loop("K", 8), Keep("input", "glb"), Loop("Y", 4), Keep("input", "registers")))
        >>> mapping.tile_loops("glb"), mapping.array_part("glb")[0]
        ((Loop(dim='K', tile=8),), Loop(dim='Y', tile=4))
        """
        return tuple(node for node in self.nodes[: self.array_place(scratchpad)] if isinstance(node, Loop))

    def array_part(self, scratchpad: str) -> tuple[Node, ...]:
        """What happens within a tile step: everything inside the innermost keep of the scratchpad."""
        return self.nodes[self.array_place(scratchpad) :]
