"""An accelerator: memories outermost first, an array, a vector unit. Plain immutable data; files are read in ``load``.

All sizes are bytes, bandwidths are exact fractions of bytes per cycle, energies are picojoules per byte or operation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Literal

from pydantic import WithJsonSchema

OperandRole = Literal["input", "weight", "output"]
# In JSON an exact fraction is text such as "267/10"; the schema says so in the same words whatever pydantic's version.
Rational = Annotated[Fraction, WithJsonSchema({"type": "string", "description": "an exact fraction, such as 267/10"})]
ROLES: tuple[OperandRole, ...] = ("input", "weight", "output")


@dataclass(frozen=True)
class Widths:
    """Bits of an element of each kind, as accounted."""

    input: int = 8
    weight: int = 8
    output: int = 8
    accumulator: int = 32

    def of(self, role: str) -> int:
        """Bits of one element of an operand of that role."""
        return int(getattr(self, role))


@dataclass(frozen=True)
class Memory:
    """One level of memory; ``per`` names the array axes for each position of which there is an instance.

    ``read_bandwidth == write_bandwidth`` with ``shared_port`` means one port for both; None means unlimited.
    ``partitions`` are (class, bytes) pairs with classes input, weight, output, other; empty for one shared space.
    """

    name: str
    size_bytes: int | None
    keeps: tuple[OperandRole, ...]
    may_keep: tuple[OperandRole, ...] = ()
    per: tuple[str, ...] = ()
    read_bandwidth: Rational | None = None
    write_bandwidth: Rational | None = None
    shared_port: bool = True
    read_pj: float = 0.0
    write_pj: float = 0.0
    setup_cycles: int = 0
    double_buffered: bool = False
    scratchpad: bool = False
    partitions: tuple[tuple[str, int], ...] = ()

    def holds(self, role: str) -> bool:
        """Whether operands of that role are or may be held here."""
        return role in self.keeps or role in self.may_keep

    @property
    def regions(self) -> tuple[tuple[str | None, int, int], ...]:
        """The partitions as (class, first address, bytes), or the whole of it, for every class (None)."""
        if not self.partitions:
            return ((None, 0, self.size_bytes or 0),)
        begins = accumulate((size for _, size in self.partitions), initial=0)
        return tuple((kind, begin, size) for (kind, size), begin in zip(self.partitions, begins, strict=False))

    def partition_bytes(self, kind: str) -> int | None:
        """The bytes of a partition, or None where the memory is one shared space."""
        return dict(self.partitions).get(kind)


@dataclass(frozen=True)
class Array:
    """The multipliers: axes with sizes, what each may unroll (absent: anything), which multicast and which reduce."""

    axes: tuple[tuple[str, int], ...]
    unroll: tuple[tuple[str, tuple[str, ...]], ...] = ()
    multicast: tuple[str, ...] = ()
    reduce: tuple[str, ...] = ()
    link_pj: float = 0.0
    mac_pj: float = 0.0

    @cached_property
    def size(self) -> int:
        """Positions of the array."""
        total = 1
        for _, extent in self.axes:
            total *= extent
        return total

    def may_unroll(self, axis: str, dim: str) -> bool:
        allowed = dict(self.unroll).get(axis)
        return allowed is None or dim in allowed


@dataclass(frozen=True)
class VectorUnit:
    """Operations per cycle, picojoules per operation."""

    lanes: int
    operation_pj: float


@dataclass(frozen=True)
class Accelerator:
    """A whole machine, as its file says."""

    name: str
    clock_hz: Rational
    memories: tuple[Memory, ...]
    array: Array
    vector: VectorUnit
    widths: Widths = Widths()
    timing: Literal["pipelined", "roofline"] = "pipelined"
    buffering: Literal["double", "single"] = "double"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    alignment_bytes: int = 1
    leakage_mw: float = 0.0
    source: str = ""

    @property
    def dram(self) -> Memory:
        """The backing store."""
        return self.memories[0]

    @cached_property
    def scratchpad(self) -> Memory:
        return next(memory for memory in self.memories if memory.scratchpad)

    @property
    def overlaps(self) -> bool:
        """Whether transfers of one step run beside the computing of another: pipelined and double-buffered."""
        return self.timing == "pipelined" and self.buffering == "double"

    def home(self, role: str) -> Memory:
        """The outermost on-chip memory that always keeps operands of that role (the scratchpad, or one below it)."""
        return next(memory for memory in self.memories[1:] if role in memory.keeps)

    def below(self, memory: Memory) -> tuple[Memory, ...]:
        """The memories further in than the given one, outermost first."""
        return self.memories[self.memories.index(memory) + 1 :]

    @property
    def leakage_pj_per_cycle(self) -> float:
        return self.leakage_mw * 1e9 / float(self.clock_hz)

    def with_widths(self, widths: Widths) -> Accelerator:
        return replace(self, widths=widths)

    def with_scratchpad(self, size_bytes: int | None) -> Accelerator:
        """The machine with a scratchpad of so many bytes, or of no limit; its partitions, if any, stay as they are."""
        memories = tuple(replace(m, size_bytes=size_bytes) if m.scratchpad else m for m in self.memories)
        return replace(self, memories=memories)
