"""The plan: an executable program of loads, computes and stores with addresses (docs/model.md, section 11).

A plan keeps the tile loops of each operator as loops; boxes are expressions of their counters, so that its size grows
with the number of operators and not of tiles. ``expand`` turns a program into its list of steps. How a schedule was
found is not known here.

Two rules say where the data of a mapping lies in a buffer. A *slot* buffer has one or two footprints; each refill (for
outputs: each visit) takes the next slot in turn. A *ring* buffer holds a window that slides along one axis: a refill
appends the new indices behind the last ones, modulo the ring's length, and the window is what was appended last. Inside
a slot, elements lie row-major over ``counts``; in a ring, over (ring axis, the other axes in order). In a fused group,
where several programs share a buffer, a ``Spot`` says where each element lies.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Node
from tilewright.plan.expr import ZERO, Expr, parse
from tilewright.workload.network import Derived, ModelReference, Operator, Tensor
from tilewright.workload.part import Part

ExprText = Annotated[
    Expr,
    BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "description": "integer expression of loop counters"}),
]
Exprs = tuple[ExprText, ...]
Cause = Literal["load", "weight", "parameter", "store", "spill", "readback"]


@dataclass(frozen=True)
class DramArray:
    """An array in DRAM: the storage of a feature map with all its views, weight tiles, a parameter, or partial sums.

    ``tensor`` is the network's tensor (for feature maps the owner of the storage).
    """

    name: str
    kind: Literal["feature map", "weight", "parameter", "partial sums"]
    tensor: str
    address_bytes: int
    elements: int
    bits: int


@dataclass(frozen=True)
class TensorPlace:
    """Element (i0, i1, ...) of a feature map is element ``offset + sum(i * stride)`` of its array."""

    tensor: str
    array: str
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Buffer:
    """Room for one operand of one operator, or for a feature map that several share, in an on-chip memory.

    ``counts`` are the largest footprint's extents per operand axis. ``ring_axis`` None: ``slots`` footprints side by
    side; otherwise the buffer is a ring of ``ring_length`` places along that axis, neighbouring places being
    ``ring_step`` indices apart. Lifetimes are half-open in sub-steps of the whole plan; one that early loads go to
    begins in the last step of the group before, in bytes of which that step makes no use any more. ``address_bytes`` is
    None in memories below the scratchpad: data stream into them and they have no addresses.
    """

    name: str
    operand: str
    memory: str
    kind_class: Literal["input", "weight", "output", "other"]
    counts: tuple[int, ...]
    slots: int
    ring_axis: int | None
    ring_length: int
    ring_step: int
    bits: int
    size_bytes: int
    address_bytes: int | None
    start: int
    end: int


@dataclass(frozen=True)
class Counter:
    """A tile loop: counter name, the dimension it splits, how many chunks there are at most, and their size."""

    name: str
    dim: str
    trips: int
    tile: int


@dataclass(frozen=True)
class Spot:
    """Where the elements of a box lie in their buffer: (i0, i1, ...) at ``base + sum(i * stride)``, except that along
    ``axis`` (if there is one) ``(i + shift) % length`` stands for i. Indices are those of the box's own axes."""

    base: ExprText
    strides: tuple[int, ...]
    axis: int | None = None
    length: int = 0
    shift: ExprText = ZERO


@dataclass(frozen=True)
class Transfer:
    """A box moved between DRAM and a buffer in every step in which ``when`` is not 0.

    A load or stream is listed at the step that needs it first, a store at the step in which its visit ends; the
    machine's timing decides when they run. ``starts``, ``counts`` and ``steps`` give the box in indices of the
    operand's axes; its first element is element ``offset`` of the array and neighbours along axis k lie
    ``strides[k]`` elements apart in DRAM. For a ring, the box holds only the new indices. Operands that bypass the
    scratchpad are streamed (results: stored) box by box too; how often its parts move, and to which positions, follows
    from the program's array part. With ``at`` the box has a place of its own, and where it is a feature map that is
    loaded, indices are those of the tensor's axes; a whole base names itself as ``operand`` and has one axis. A load
    that is ``early`` runs, in the first step of all of a section, beside the last step of the section before.
    """

    direction: Literal["load", "stream", "store"]
    cause: Cause
    operand: str
    array: str
    buffer: str
    when: ExprText
    starts: Exprs
    counts: Exprs
    steps: Exprs
    offset: ExprText
    strides: Exprs
    at: Spot | None = None
    early: bool = False


@dataclass(frozen=True)
class Access:
    """What a compute sees of an operand: the box in its buffer, in indices of the operand's axes.

    ``turn`` is not 0 in the first step of each refill (for outputs: of each visit), where slots change. With ``at``
    the box has a place of its own instead.
    """

    operand: str
    buffer: str
    starts: Exprs
    counts: Exprs
    steps: Exprs
    turn: ExprText
    at: Spot | None = None


@dataclass(frozen=True)
class DimRange:
    """The indices ``start .. start + count`` of a dimension in one step."""

    dim: str
    start: ExprText
    count: ExprText


@dataclass(frozen=True)
class Stay:
    """How long the data of one keep stay in a memory below the scratchpad.

    ``level`` of the tile loops bring it something new: those above it down to the innermost that its operand uses.
    ``begins`` is not 0 in the first step of a stay and ``ends`` in its last: both in every step where loops of the
    array part refill the memory. ``ranges`` are those of the stay's first step. For results, ``zero`` is not 0 where
    no earlier tile step has added to them when the stay begins. Where a window moves from stay to stay along a
    dimension, ``before`` is that dimension's range in the stay before, of which there is one if ``slides`` is not 0.
    """

    operand: str
    memory: str
    level: int
    begins: ExprText
    ends: ExprText
    zero: ExprText
    ranges: tuple[DimRange, ...]
    slides: ExprText
    before: tuple[DimRange, ...]


@dataclass(frozen=True)
class Compute:
    """The tile each step computes. ``first``: its output elements start from zero; ``last``: they are complete and
    the epilogue is applied. Accesses are in the nest's operand order, the output last. ``temporaries`` name buffers
    for statistics and exponentials, ``parameters`` pair roles (or slope tensors) with buffers. Results that are added
    up in a tile of their own before they move to their place are accessed ``through`` it; ``over`` names the operand
    whose elements they replace one by one."""

    ranges: tuple[DimRange, ...]
    accesses: tuple[Access, ...]
    first: ExprText
    last: ExprText
    temporaries: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    through: Access | None = None
    over: str = ""


@dataclass(frozen=True)
class Program:
    """One part of an operator: its loops (outermost first), transfers and computes.

    ``exists`` is 0 for counter values that a ragged outer chunk does not have. ``array`` is what happens within a step:
    loops, unrollings and keeps of memories below the scratchpad, outermost first; keeps that stand between tile loops
    come before all else. ``stays`` has an entry for each of those keeps. In a fused group the loops may be over another
    operator's dimensions; then ``largest`` are the most indices of each dimension that a step has. A step with no index
    of some dimension computes nothing.
    """

    operator: str
    part: int
    counters: tuple[Counter, ...]
    exists: ExprText
    array: tuple[Node, ...]
    stays: tuple[Stay, ...]
    transfers: tuple[Transfer, ...]
    compute: Compute
    largest: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Section:
    """Programs, by number, whose steps are one sequence: for every combination of the ``shared`` counters, with which
    the counters of each begin, each in turn runs its steps of that combination. Sections follow one another."""

    programs: tuple[int, ...]
    shared: tuple[Counter, ...] = ()


@dataclass(frozen=True)
class PlannedOperator:
    """An operator as the plan executes it, with its parts."""

    operator: Operator
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Plan:
    """Everything needed to run a network on a machine, but for the values of its inputs and constants."""

    model: ModelReference
    arch: Accelerator
    tensors: tuple[Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    derived: tuple[Derived, ...]
    operators: tuple[PlannedOperator, ...]
    arrays: tuple[DramArray, ...]
    places: tuple[TensorPlace, ...]
    buffers: tuple[Buffer, ...]
    programs: tuple[Program, ...]
    sections: tuple[Section, ...]

    @cached_property
    def buffer(self) -> dict[str, Buffer]:
        return {buffer.name: buffer for buffer in self.buffers}

    @cached_property
    def array(self) -> dict[str, DramArray]:
        return {array.name: array for array in self.arrays}

    @cached_property
    def place(self) -> dict[str, TensorPlace]:
        return {place.tensor: place for place in self.places}

    @cached_property
    def operator(self) -> dict[str, PlannedOperator]:
        return {planned.operator.name: planned for planned in self.operators}
