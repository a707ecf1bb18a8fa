"""A mapping as text, one node per line, and back.

    keep weight in scratchpad
    for Y in tiles of 8
      keep input in scratchpad
      keep output in scratchpad
        par K in tiles of 2 on lane_k

Indentation is for the reader; ``#`` starts a comment.
"""

from __future__ import annotations

import re
from difflib import get_close_matches

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InputError
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.workload.nest import LoopNest

_FOR = re.compile(r"for\s+(\S+)\s+in\s+tiles\s+of\s+(\S+)$")
_PAR = re.compile(r"par\s+(\S+)\s+in\s+tiles\s+of\s+(\S+)\s+on\s+(\S+)$")
_KEEP = re.compile(r"keep\s+(\S+)\s+in\s+(\S+)$")
_FORMS = "`for DIM in tiles of N`, `keep OPERAND in MEMORY` or `par DIM in tiles of N on AXIS`"


def format_mapping(mapping: Mapping) -> str:
    """The mapping as text that ``parse_mapping`` reads back.

    >>> print(format_mapping(Mapping((Loop("Y", 8), Keep("input", "glb"), Par("K", 2, "mac")))))
    for Y in tiles of 8
      keep input in glb
      par K in tiles of 2 on mac
    """
    depth = 0
    lines = []
    for node in mapping.nodes:
        if isinstance(node, Loop):
            lines.append("  " * depth + f"for {node.dim} in tiles of {node.tile}")
            depth += 1
        elif isinstance(node, Par):
            lines.append("  " * depth + f"par {node.dim} in tiles of {node.tile} on {node.axis}")
        else:
            lines.append("  " * depth + f"keep {node.operand} in {node.memory}")
    return "\n".join(lines)


def parse_mapping(text: str, nest: LoopNest, arch: Accelerator) -> Mapping:
    """The mapping that a text describes; InputError lists every line that is wrong.

    Names must be the nest's dimensions and operands and the machine's memories and axes. Whether the mapping is legal
    is for ``legal.problems`` to say.
    """
    reader = Names(nest, arch)
    nodes: list[Node] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#", 1)[0].strip()
        if content:
            node = _node(reader, content, number)
            if node is not None:
                nodes.append(node)
    if not nodes and not reader.wrong:
        reader.wrong.append(f"the mapping is empty; write lines such as {_FORMS}")
    if reader.wrong:
        raise InputError(reader.wrong)
    return Mapping(tuple(nodes))


class Names:
    """The names that lines may use; collects in ``wrong`` what is wrong with them."""

    def __init__(self, nest: LoopNest, arch: Accelerator) -> None:
        self.wrong: list[str] = []
        self._dims = [dim for dim, _ in nest.dims]
        self._operands = [operand.name for operand in nest.operands]
        self._memories = [memory.name for memory in arch.memories[1:]]
        self._axes = [axis for axis, _ in arch.array.axes]

    def dimension(self, number: int, name: str) -> None:
        self._name(number, "dimension", name, self._dims)

    def operand(self, number: int, name: str) -> None:
        self._name(number, "operand", name, self._operands)

    def memory(self, number: int, name: str) -> None:
        self._name(number, "on-chip memory", name, self._memories)

    def axis(self, number: int, name: str) -> None:
        self._name(number, "array axis", name, self._axes)

    def _name(self, number: int, what: str, name: str, known: list[str]) -> None:
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            self.wrong.append(f"line {number}: there is no {what} '{name}'; {hint}")

    def tile(self, number: int, text: str) -> int:
        """The tile that is written; 1 where it is wrong."""
        if re.fullmatch(r"[0-9]{1,15}", text) and int(text) > 0:
            return int(text)
        self.wrong.append(f"line {number}: a tile is a whole number from 1, not '{text}'")
        return 1


def _node(names: Names, content: str, number: int) -> Node | None:
    before = len(names.wrong)
    node: Node | None = None
    if match := _FOR.match(content):
        names.dimension(number, match[1])
        node = Loop(match[1], names.tile(number, match[2]))
    elif match := _PAR.match(content):
        names.dimension(number, match[1])
        names.axis(number, match[3])
        node = Par(match[1], names.tile(number, match[2]), match[3])
    elif match := _KEEP.match(content):
        names.operand(number, match[1])
        names.memory(number, match[2])
        node = Keep(match[1], match[2])
    else:
        names.wrong.append(f"line {number}: '{content}' is none of {_FORMS}")
    return node if len(names.wrong) == before else None
