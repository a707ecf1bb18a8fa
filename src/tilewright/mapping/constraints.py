"""Constraints on a mapping, in the notation of mappings (docs/constraints.md).

    keep weight in rf                  an operand must be kept there
    pass input by rf                   an operand must not be kept there
    for Y in tiles of 8                there must be this loop
    par K in tiles of any on lane_k    there must be such an unrolling
    only K, C on lane_k                nothing else may be unrolled there; `only nothing on` forbids unrolling
    no loop over R                     no loop may split R

Loops and unrollings must stand in the order of their lines, and so must a keep and a loop over a dimension that its
operand uses. The order of a keep and other loops changes no cost and is not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InputError
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.text import Names
from tilewright.workload.nest import LoopNest

_FOR = re.compile(r"for\s+(\S+)\s+in\s+tiles\s+of\s+(\S+)$")
_PAR = re.compile(r"par\s+(\S+)\s+in\s+tiles\s+of\s+(\S+)\s+on\s+(\S+)$")
_KEEP = re.compile(r"keep\s+(\S+)\s+in\s+(\S+)$")
_PASS = re.compile(r"pass\s+(\S+)\s+by\s+(\S+)$")
_ONLY = re.compile(r"only\s+(.+?)\s+on\s+(\S+)$")
_NO_LOOP = re.compile(r"no\s+loop\s+over\s+(\S+)$")
_FORMS = (
    "`keep OPERAND in MEMORY`, `pass OPERAND by MEMORY`, `for DIM in tiles of N|any`, `par DIM in tiles of N|any on"
    " AXIS`, `only DIMS on AXIS`, `no loop over DIM`"
)
NOTHING = "nothing"
ANY = 0  # the tile of a loop or an unrolling of any size


@dataclass(frozen=True)
class Constraints:
    """What a mapping has to be like. ``wanted`` are nodes in order, with tile ``ANY`` where any will do; ``passed``
    pairs of operand and memory; ``only`` the dimensions that an axis may unroll; ``unsplit`` dimensions without loops.
    """

    wanted: tuple[Node, ...] = ()
    passed: frozenset[tuple[str, str]] = frozenset()
    only: tuple[tuple[str, frozenset[str]], ...] = ()
    unsplit: frozenset[str] = frozenset()

    @property
    def loops(self) -> tuple[Node, ...]:
        """The wanted loops and unrollings."""
        return tuple(node for node in self.wanted if not isinstance(node, Keep))

    def tiles(self, dim: str) -> frozenset[int]:
        """The tiles that are asked for of a dimension."""
        return frozenset(
            node.tile for node in self.wanted if not isinstance(node, Keep) and node.dim == dim and node.tile != ANY
        )


UNCONSTRAINED = Constraints()


def both(one: Constraints, other: Constraints) -> Constraints:
    """What satisfies the one and the other; the nodes of the one stand before those of the other."""
    only = dict(one.only)
    for axis, dims in other.only:
        only[axis] = only.get(axis, dims) & dims
    return Constraints(
        one.wanted + other.wanted, one.passed | other.passed, tuple(sorted(only.items())), one.unsplit | other.unsplit
    )


def parse_constraints(text: str, nest: LoopNest, arch: Accelerator) -> Constraints:
    """The constraints that a text gives, one a line; InputError lists every line that is wrong.

    >>> import tilewright as tw
    >>> nest, arch = tw.gemm(M=4, N=4, K=4), tw.load_arch("tiny")
    >>> parse_constraints("for M in tiles of any  # a comment", nest, arch).wanted
    (Loop(dim='M', tile=0),)
    """
    names = Names(nest, arch)
    wanted: list[Node] = []
    passed: set[tuple[str, str]] = set()
    only: dict[str, frozenset[str]] = {}
    unsplit: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        content = line.split("#", 1)[0].strip()
        if match := _FOR.match(content):
            names.dimension(number, match[1])
            wanted.append(Loop(match[1], _tile(names, number, match[2])))
        elif match := _PAR.match(content):
            names.dimension(number, match[1])
            names.axis(number, match[3])
            wanted.append(Par(match[1], _tile(names, number, match[2]), match[3]))
        elif match := _KEEP.match(content):
            names.operand(number, match[1])
            names.memory(number, match[2])
            wanted.append(Keep(match[1], match[2]))
        elif match := _PASS.match(content):
            names.operand(number, match[1])
            names.memory(number, match[2])
            passed.add((match[1], match[2]))
        elif match := _ONLY.match(content):
            names.axis(number, match[2])
            dims = [] if match[1].strip() == NOTHING else re.split(r"\s*,\s*|\s+", match[1].strip())
            for dim in dims:
                names.dimension(number, dim)
            only[match[2]] = only.get(match[2], frozenset(dims)) & frozenset(dims)
        elif match := _NO_LOOP.match(content):
            names.dimension(number, match[1])
            unsplit.add(match[1])
        elif content:
            names.wrong.append(f"line {number}: '{content}' is none of {_FORMS}")
    if names.wrong:
        raise InputError(names.wrong)
    return Constraints(tuple(wanted), frozenset(passed), tuple(sorted(only.items())), frozenset(unsplit))


def _tile(names: Names, number: int, text: str) -> int:
    return ANY if text == "any" else names.tile(number, text)


def format_constraints(constraints: Constraints) -> str:
    """The constraints as text that ``parse_constraints`` reads back.

    >>> print(format_constraints(Constraints((Keep("weight", "rf"), Par("K", ANY, "x")), unsplit=frozenset("R"))))
    keep weight in rf
    par K in tiles of any on x
    no loop over R
    """
    lines = []
    for node in constraints.wanted:
        if isinstance(node, Keep):
            lines.append(f"keep {node.operand} in {node.memory}")
            continue
        tile = "any" if node.tile == ANY else str(node.tile)
        word, place = ("par", f" on {node.axis}") if isinstance(node, Par) else ("for", "")
        lines.append(f"{word} {node.dim} in tiles of {tile}{place}")
    lines += [f"pass {operand} by {memory}" for operand, memory in sorted(constraints.passed)]
    lines += [f"only {', '.join(sorted(dims)) or NOTHING} on {axis}" for axis, dims in constraints.only]
    lines += [f"no loop over {dim}" for dim in sorted(constraints.unsplit)]
    return "\n".join(lines)


def satisfied(constraints: Constraints, mapping: Mapping, nest: LoopNest) -> bool:
    """Whether a mapping is as the constraints want it."""
    only = dict(constraints.only)
    for node in mapping.nodes:
        if isinstance(node, Keep) and (node.operand, node.memory) in constraints.passed:
            return False
        if isinstance(node, Par) and node.dim not in only.get(node.axis, {node.dim}):
            return False
        if isinstance(node, Loop) and node.dim in constraints.unsplit:
            return False
    return _placed(constraints.wanted, mapping.nodes, nest, ())


def _placed(wanted: tuple[Node, ...], nodes: tuple[Node, ...], nest: LoopNest, places: tuple[int, ...]) -> bool:
    """Whether the wanted nodes not yet placed can be found among the nodes, in order where order counts."""
    if len(places) == len(wanted):
        return True
    want = wanted[len(places)]
    after = max(
        (place for place, other in zip(places, wanted, strict=False) if in_order(other, want, nest)), default=-1
    )
    return any(
        _matches(want, nodes[k]) and k not in places and _placed(wanted, nodes, nest, (*places, k))
        for k in range(after + 1, len(nodes))
    )


def in_order(one: Node, other: Node, nest: LoopNest) -> bool:
    """Whether the order of two nodes counts: that of loops, and of a keep and a loop that its operand uses."""
    keeps = [node for node in (one, other) if isinstance(node, Keep)]
    loops = [node for node in (one, other) if not isinstance(node, Keep)]
    if not keeps:
        return True
    return len(keeps) == 1 and loops[0].dim in nest.operand(keeps[0].operand).dims


def _matches(want: Node, node: Node) -> bool:
    if isinstance(want, Keep) or isinstance(node, Keep):
        return want == node
    return replace(want, tile=node.tile) == node and want.tile in (ANY, node.tile)


def single(constraints: Constraints) -> list[tuple[str, Constraints]]:
    """Every constraint by itself, with its text."""
    alone = [Constraints((node,)) for node in constraints.wanted]
    alone += [Constraints(passed=frozenset({pair})) for pair in sorted(constraints.passed)]
    alone += [Constraints(only=(entry,)) for entry in constraints.only]
    alone += [Constraints(unsplit=frozenset({dim})) for dim in sorted(constraints.unsplit)]
    return [(format_constraints(one), one) for one in alone]


# What a search can leave out.


def applied(constraints: Constraints, problem: NestProblem) -> NestProblem:
    """The problem on an array whose axes unroll only what they may."""
    array = problem.arch.array
    unroll = dict(array.unroll)
    for axis, dims in constraints.only:
        allowed = sorted(dim for dim in dims if array.may_unroll(axis, dim))
        unroll[axis] = tuple(allowed) or ("",)  # the name of no dimension
    own = replace(array, unroll=tuple((axis, unroll[axis]) for axis, _ in array.axes if axis in unroll))
    return replace(problem, arch=replace(problem.arch, array=own))


def keeps_allowed(constraints: Constraints, kept: Iterable[tuple[str, str]]) -> bool:
    """Whether operands may be kept in exactly these memories."""
    pairs = set(kept)
    wanted = {(node.operand, node.memory) for node in constraints.wanted if isinstance(node, Keep)}
    return wanted <= pairs and not pairs & constraints.passed


def chains_allowed(constraints: Constraints, structure: Any, dim: str, table: Any) -> Any:
    """Which rows of a table of chains (a tile at each of the dimension's places in a structure) may satisfy the
    constraints: a necessary condition for every dimension by itself."""
    nest, axes = structure.problem.nest, structure.problem.arch.array.axes
    splits = structure.splits(dim)
    outer = np.hstack([np.full((len(table), 1), nest.extents[dim]), table[:, :-1]]) if splits else table
    real = table < outer
    mask = np.ones(len(table), bool)
    if dim in constraints.unsplit:
        for place, split in enumerate(splits):
            if split.axis < 0:
                mask &= ~real[:, place]
    number = {(item.operand, item.memory): k for k, item in enumerate(structure.items)}
    for at, want in enumerate(constraints.wanted):
        if isinstance(want, Keep) or want.dim != dim:
            continue
        low, high = 0, len(structure.items)
        for k, other in enumerate(constraints.wanted):
            if isinstance(other, Keep) and in_order(other, want, nest):
                item = number[other.operand, other.memory]
                low, high = (max(low, item + 1), high) if k < at else (low, min(high, item))
        found = np.zeros(len(table), bool)
        for place, split in enumerate(splits):
            axis = axes[split.axis][0] if split.axis >= 0 else None
            if axis == (want.axis if isinstance(want, Par) else None) and low <= split.segment <= high:
                found |= real[:, place] & ((table[:, place] == want.tile) | (want.tile == ANY))
        mask &= found
    return mask
