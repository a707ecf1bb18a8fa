"""The operators of a group and what each axis of their feature maps depends on (docs/model.md, section 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.problem import NestProblem
from tilewright.schedule.problems import is_packed, nest_problem, vectors
from tilewright.workload.nest import LoopNest, Operand
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork, executed_parts


class NoGroupError(Exception):
    """These operators cannot share a group; the message says why."""


@dataclass(frozen=True)
class Block:
    """A tensor as part of its base: where its first element lies among the base's indices, and both shapes."""

    tensor: str
    base: str
    origin: tuple[int, ...]
    shape: tuple[int, ...]
    outer: tuple[int, ...]


@dataclass(frozen=True)
class Member:
    """An operator with its only part. ``reads`` pairs its feature-map operands with what they read; ``weights`` is its
    operand of constants stored tile by tile, if it has one; ``vectors`` are its parameters as (tensor, bytes)."""

    operator: Operator
    part: Part
    problem: NestProblem
    reads: tuple[tuple[Operand, str], ...]
    weights: Operand | None
    vectors: tuple[tuple[str, int], ...]

    @property
    def name(self) -> str:
        return self.operator.name

    @property
    def nest(self) -> LoopNest:
        return self.part.nest

    @property
    def writes(self) -> str:
        return self.operator.output

    @cached_property
    def dim_of(self) -> tuple[str | None, ...]:
        """For every axis of the output tensor the dimension that its index is; None where it is made of several."""
        found: dict[int, list[str | None]] = {}
        for axis in self.nest.output.axes:
            plain = len(axis.terms) == 1 and axis.terms[0][1] == 1 and axis.offset == 0 and axis.scale == 1
            found.setdefault(axis.tensor_axis, []).append(axis.terms[0][0] if plain else None)
        rank = max(found, default=-1) + 1
        return tuple(found[k][0] if len(found.get(k, ())) == 1 else None for k in range(rank))


def member(placed: PlacedNetwork, arch: Accelerator, operator: Operator) -> Member:
    """An operator of one part whose constants aside are feature maps; NoGroupError for others."""
    parts = executed_parts(placed, operator)
    if len(parts) != 1:
        raise NoGroupError(f"{operator.name} has {len(parts)} parts")
    part = parts[0]
    reads, weights = [], None
    for operand in part.nest.inputs:
        if is_packed(placed, part, operand):
            weights = operand
        elif operand.role == "weight":
            raise NoGroupError(f"{operator.name} multiplies two feature maps")
        elif not arch.scratchpad.holds("input"):
            raise NoGroupError(f"{arch.scratchpad.name} holds no inputs")
        else:
            reads.append((operand, part.tensor(operand.name)))
    if not arch.scratchpad.holds("output"):
        raise NoGroupError(f"{arch.scratchpad.name} holds no outputs")
    loaded = tuple(
        (tensor, -(-elements * arch.widths.accumulator // 8)) for _, tensor, elements in vectors(placed, operator)
    )
    return Member(operator, part, nest_problem(placed, arch, operator, parts, 0), tuple(reads), weights, loaded)


def block(placed: PlacedNetwork, tensor: str, *, outside: bool) -> Block:
    """A tensor's place among the indices of its base; NoGroupError where it is no block of whole steps there.

    What the group does not write comes by its addresses, whatever it is of its base: it counts as a base of its own.
    """
    mine = placed.of[tensor]
    shape = placed.network.shape(tensor)
    if outside or mine.base == tensor:
        return Block(tensor, mine.base, (0,) * len(shape), shape, shape)
    own = placed.of[mine.base]
    outer = placed.network.shape(mine.base)
    if len(shape) != len(outer) or any(
        size > 1 and stride != step for size, stride, step in zip(shape, mine.strides, own.strides, strict=True)
    ):
        raise NoGroupError(f"{tensor} lies in {mine.base} in another shape")
    left, origin = mine.offset - own.offset, [0] * len(shape)
    for axis in sorted(range(len(shape)), key=lambda k: -own.strides[k]):
        if outer[axis] > 1:
            origin[axis], left = divmod(left, own.strides[axis])
    if left or any(o + size > whole for o, size, whole in zip(origin, shape, outer, strict=True)):
        raise NoGroupError(f"{tensor} is no block of {mine.base}")
    return Block(tensor, mine.base, tuple(origin), shape, outer)


@dataclass(frozen=True)
class Members:
    """Operators in order of execution. ``blocks`` has every feature map that they read or write.

    ``ties[tensor]`` says for each axis which dimension of the last operator it depends on; ``dims`` are the dimensions
    that may be split for all operators, outermost first.
    """

    all: tuple[Member, ...]
    blocks: dict[str, Block]
    batch: tuple[str, ...]
    dims: tuple[str, ...]
    ties: dict[str, tuple[str | None, ...]]

    @property
    def last(self) -> Member:
        return self.all[-1]

    @cached_property
    def written(self) -> frozenset[str]:
        """The bases that the group writes."""
        return frozenset(self.blocks[m.writes].base for m in self.all)

    @cached_property
    def channel_dims(self) -> tuple[str, ...]:
        """Dimensions of the last operator that its weights and output use and its feature maps do not."""
        last = self.last
        if last.weights is None:
            return ()
        read = {dim for operand, _ in last.reads for dim in operand.dims}
        return tuple(
            dim
            for dim, extent in last.nest.dims
            if extent > 1 and dim in last.weights.dims and dim in last.nest.output.dims and dim not in read
        )


def members(
    placed: PlacedNetwork, arch: Accelerator, operators: Sequence[Operator], dims: tuple[str, ...] | None = None
) -> Members:
    """Operators as a group in this order; NoGroupError where they are none.

    ``dims`` are dimensions of the last operator that must be such that shared loops may split them; without any, those
    of rows and columns that are.
    """
    found = tuple(member(placed, arch, operator) for operator in operators)
    if len(found) > 1:
        for one in found:
            if one.nest.work is not None and one.nest.work.kind != "map":
                raise NoGroupError(f"{one.name} reduces a whole map")
    written = {placed.of[one.writes].base for one in found}
    blocks = {one.writes: block(placed, one.writes, outside=False) for one in found}
    for _, tensor in (read for one in found for read in one.reads):
        blocks.setdefault(tensor, block(placed, tensor, outside=placed.of[tensor].base not in written))
    read = {blocks[tensor].base for one in found for _, tensor in one.reads}
    both, ours = read & written, placed.views | {one.name for one in found}
    for other in placed.network.operators if both else ():
        if other.name in ours or other.output not in placed.of or placed.of[other.output].base not in both:
            continue
        if executed_parts(placed, other):
            base = placed.of[other.output].base
            raise NoGroupError(f"{base} is written and read inside, and written by {other.name} outside")
    if any(blocks[one.writes].base not in read for one in found[:-1]):
        raise NoGroupError("what an operator writes is not read inside")
    if any(blocks[one.writes].base == blocks[found[-1].writes].base for one in found[:-1]):
        raise NoGroupError("the last operator shares its base with another")
    batch, usual = _dimensions(found[-1])
    if dims is not None:
        try:
            return Members(found, blocks, batch, dims, _ties(found, blocks, dims))
        except _UnsuitedError as wrong:
            raise NoGroupError(f"no shared loop splits {', '.join(wrong.dims)}") from None
    while True:  # leave out dimensions until none gets in another's way
        try:
            return Members(found, blocks, batch, usual, _ties(found, blocks, (*batch, *usual)))
        except _UnsuitedError as wrong:
            batch = tuple(dim for dim in batch if dim not in wrong.dims)
            usual = tuple(dim for dim in usual if dim not in wrong.dims)


def _dimensions(last: Member) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The dimension of the batch, and those of rows and columns, of the last operator's output."""
    if last.nest.work is not None and last.nest.work.kind != "map":
        return (), ()
    usable = [dim if dim is not None and dim not in last.nest.whole else None for dim in last.dim_of]
    many = [dim for dim in usable if dim is not None and last.nest.extents[dim] > 1]
    batch = tuple(dim for dim in usable[:1] if len(usable) > 2 and dim in many)
    return batch, tuple(dim for dim in usable[-2:] if dim in many and dim not in batch)


class _UnsuitedError(Exception):
    def __init__(self, *dims: str) -> None:
        super().__init__(dims)
        self.dims = dims


def _ties(
    found: tuple[Member, ...], blocks: dict[str, Block], dims: tuple[str, ...]
) -> dict[str, tuple[str | None, ...]]:
    """What every axis depends on, the last operator first; _UnsuitedError names dimensions that cannot be split."""
    last = found[-1]
    written = {blocks[one.writes].base for one in found}
    maps: dict[str, list[str | None]] = {}

    def name(at: Block) -> str:
        return at.base if at.base in written else at.tensor

    def note(at: Block, axis: int, tie: str | None) -> None:
        known = maps.setdefault(name(at), [None] * len(at.outer))
        if tie is not None:
            if known[axis] not in (None, tie) or (at.origin[axis], at.shape[axis]) != (0, at.outer[axis]):
                raise _UnsuitedError(tie)
            known[axis] = tie

    for place in range(len(found) - 1, -1, -1):
        one = found[place]
        mine = blocks[one.writes]
        if one is last:
            for place_of_axis, dim in enumerate(one.dim_of):
                note(mine, place_of_axis, dim if dim in dims else None)
        of_dim: dict[str, str] = {}
        for k, tie in enumerate(maps.get(mine.base, ())):
            if tie is not None:
                dim = one.dim_of[k] if k < len(one.dim_of) else None
                if dim is None or dim in one.nest.whole or (mine.origin[k], mine.shape[k]) != (0, mine.outer[k]):
                    raise _UnsuitedError(tie)
                of_dim[dim] = tie
        if missing := [dim for dim in dims if dim not in of_dim.values()]:
            raise _UnsuitedError(*missing)  # computed again as a whole for every chunk
        if one.weights is not None and (wrong := [of_dim[d] for d in one.weights.dims if d in of_dim]):
            raise _UnsuitedError(*wrong)
        for operand, tensor in one.reads:
            of_map = [dim for axis in operand.axes for dim in axis.dims if dim in of_dim]
            if of_map and (missing := [dim for dim in dims if dim not in {of_dim[d] for d in of_map}]):
                raise _UnsuitedError(*missing)
            for axis in operand.axes:
                on = {of_dim[dim] for dim in axis.dims if dim in of_dim}
                several = sum(a.tensor_axis == axis.tensor_axis for a in operand.axes) > 1
                if on and (len(on) > 1 or several or axis.scale != 1 or any(c < 0 for _, c in axis.terms)):
                    raise _UnsuitedError(*on)
                for tie in on:
                    note(blocks[tensor], axis.tensor_axis, tie)
    return {tensor: tuple(maps.get(name(b), [None] * len(b.outer))) for tensor, b in blocks.items()}
