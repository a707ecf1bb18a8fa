"""The memories that an operand passes through below DRAM, and what refills whom (docs/model.md, sections 2 and 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.plan.plan import Counter
from tilewright.simulate.lockstep import EVERYTHING
from tilewright.workload.nest import LoopNest, Operand


@dataclass(frozen=True)
class Link:
    """A boundary between a memory and the next one further in, or (without a stay) the multipliers.

    Places are among the nodes of the array part: ``parent_place`` and ``child_place`` of the keeps (-1 for a parent
    outside it), ``upto`` of the loop that refills the child (-1 where a tile loop does, or nothing) and ``slides`` its
    dimension. ``stay`` is the number of the child's keep; ``outside`` tells that no node of the array part stands
    above it, so that there is one instance of it as of the scratchpad. Words pass positions along ``shared`` axes
    together.

    Widths are bits of an element at the parent's end, at the child's, and as it lies there. For results, ``adds``
    says that the parent adds up what arrives, and ``base`` is the nearest link further out (by its place in the chain)
    of which that is true.
    """

    number: int
    parent: str
    parent_place: int
    from_dram: bool
    child: str
    child_place: int
    stay: int | None
    upto: int
    shared: frozenset[str]
    slides: str
    outside: bool = False
    parent_bits: int = 0
    child_bits: int = 0
    held_bits: int = 0
    adds: bool = False
    base: int | None = None


@dataclass(frozen=True)
class Surroundings:
    """What links are made from: the machine, the nest, the array part, and the tile loops.

    ``levels`` says of each keep how many of the tile loops bring it something new.
    """

    arch: Accelerator
    nest: LoopNest
    array: tuple[Node, ...]
    counters: tuple[Counter, ...]
    levels: tuple[int, ...]


def links(around: Surroundings, operand: Operand, *, kept: bool, bits: int) -> tuple[Link, ...]:
    """An operand's boundaries on chip, outermost first.

    ``kept`` tells whether the scratchpad holds it, ``bits`` at which width (otherwise how it comes from DRAM).
    """
    arch, array = around.arch, around.array
    output = operand is around.nest.output
    keeps = [(place, node) for place, node in enumerate(array) if isinstance(node, Keep)]
    mine = [(number, place, k.memory) for number, (place, k) in enumerate(keeps) if k.operand == operand.name]
    # Twice as many numbers as an operand can have links: one per memory and one for the multipliers.
    number = around.nest.operands.index(operand) * 2 * len(arch.memories)
    parent, parent_place = (arch.scratchpad.name if kept else arch.dram.name), -1
    found: list[Link] = []
    for stay, place, memory in mine:
        upto = _refilling(array, operand, place)
        node = array[upto] if upto >= 0 else None
        found.append(
            Link(
                number=number + len(found),
                parent=parent,
                parent_place=parent_place,
                from_dram=not kept and not found,
                child=memory,
                child_place=place,
                stay=stay,
                upto=upto,
                shared=frozenset(arch.array.reduce if output else arch.array.multicast),
                outside=all(isinstance(before, Keep) for before in array[:place]),
                slides=node.dim if isinstance(node, Loop) and not output else "",
            )
        )
        parent, parent_place = memory, place
    shared = frozenset(arch.array.reduce if output else arch.array.multicast)
    found.append(Link(number + len(found), parent, parent_place, False, "", EVERYTHING, None, EVERYTHING, shared, ""))
    if output:
        return _with_widths(around, _adding(around, found), bits)
    return tuple(replace(link, parent_bits=bits, child_bits=bits, held_bits=bits) for link in found)


def _refilling(array: Sequence[Node], operand: Operand, place: int) -> int:
    """The innermost loop above a keep whose dimension the operand uses."""
    above = enumerate(array[:place])
    return max((k for k, node in above if isinstance(node, Loop) and node.dim in operand.dims), default=-1)


def _adding(around: Surroundings, chain: list[Link]) -> list[Link]:
    """The links of a result, with those marked whose parent adds up: partial results arrive there one by one."""
    base: int | None = None
    found = []
    for number, link in enumerate(chain):
        between = around.array[link.parent_place + 1 : link.child_place]
        adds = link.stay is not None and any(
            isinstance(node, Par)
            and node.dim in around.nest.reduction_dims
            and node.axis not in around.arch.array.reduce
            for node in between
        )
        found.append(replace(link, adds=adds, base=base))
        base = number if adds else base
    return found


def _with_widths(around: Surroundings, chain: list[Link], bits: int) -> tuple[Link, ...]:
    """Results lie at accumulator width in the innermost memory, and further out where visits below leave partial sums.

    What goes to DRAM directly is complete, and has output width at both ends.
    """
    widths = around.arch.widths
    held: list[int] = []
    for below in chain[1:]:
        last = below.stay is None
        held.append(widths.output if not last and completes(around, below) else widths.accumulator)
    found = []
    for number, link in enumerate(chain):
        outer = held[number - 1] if number else bits
        inner = held[number] if number < len(held) else widths.accumulator
        if link.from_dram:
            found.append(replace(link, parent_bits=widths.output, child_bits=widths.output, held_bits=inner))
        else:
            found.append(replace(link, parent_bits=outer, child_bits=inner, held_bits=inner))
    return tuple(found)


def completes(around: Surroundings, link: Link) -> bool:
    """Whether every visit of a link's child completes elements of its parent: no loop over a reduction repeats it, and
    the parent has no mere share of the sum."""
    level = 0 if link.stay is None else around.levels[link.stay]
    tiles = [counter.dim for counter in around.counters[:level]]
    within = [node.dim for node in around.array[: link.upto + 1] if isinstance(node, Loop)]
    shares = [node.dim for node in around.array[: link.parent_place + 1] if isinstance(node, Par)]
    return not link.adds and not {*tiles, *within, *shares} & around.nest.reduction_dims
