"""The room that a mapping's buffers take: one record per operand, temporary and parameter (docs/model.md, 6 and 7).

Double-buffered pipelined timing: an operand that is refilled more than once has two footprints, one that is filled
once has one. A window that slides has a ring: one footprint and the largest increment where nothing stands above the
sliding loop, otherwise two footprints. Single buffering and roofline timing: one footprint of everything.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.footprint import footprint_table, fresh_table, progression
from tilewright.mapping.homes import PASS, buffer_bits, home
from tilewright.mapping.mapping import Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Chunks, Tiling, step_tile, without_single_loops
from tilewright.mapping.traffic import sliding_axis
from tilewright.workload.nest import Axis, Operand

KindClass = Literal["input", "weight", "output", "other"]


@dataclass(frozen=True)
class OperandBuffer:
    """Room for one operand, temporary (``statistics``, ``exponentials``) or parameter (``parameter0``...).

    ``counts`` are the largest extents per axis. ``slots`` footprints lie side by side; with ``ring_axis`` the buffer
    is one ring of ``ring_length`` places along that axis, ``ring_step`` indices apart (then ``slots`` is 1).
    ``size_bytes`` counts the alignment in the scratchpad; in memories further in it is the size of the streamed tile,
    all positions together.
    """

    operand: str
    memory: str
    kind_class: KindClass
    counts: tuple[int, ...]
    ring_axis: int | None
    ring_length: int
    slots: int
    bits: int
    size_bytes: int
    ring_step: int = 1

    @property
    def elements(self) -> int:
        """Elements of room: all slots, or the whole ring."""
        if self.ring_axis is None:
            return prod(self.counts) * self.slots
        return prod(c for k, c in enumerate(self.counts) if k != self.ring_axis) * self.ring_length


def aligned(size_bytes: int, alignment: int) -> int:
    """A size rounded up to the scratchpad's alignment.

    >>> aligned(65, 64), aligned(64, 64)
    (128, 64)
    """
    return -(-size_bytes // alignment) * alignment


def operand_buffers(problem: NestProblem, mapping: Mapping) -> tuple[OperandBuffer, ...]:
    """The buffers of a mapping: operands in the nest's order, then temporaries, then parameters.

    Only tables over the chunks of each dimension are needed, so this is cheap however many steps there are.
    """
    mapping = without_single_loops(problem.nest, mapping)
    tiling = Tiling(problem.nest, mapping.loops)
    operands = [_operand_buffer(problem, mapping, tiling, operand) for operand in problem.nest.operands]
    return (*operands, *_temporaries(problem, mapping), *_parameters(problem))


def _operand_buffer(problem: NestProblem, mapping: Mapping, tiling: Tiling, operand: Operand) -> OperandBuffer:
    arch, memory = problem.arch, home(problem, operand.name)
    last_used = tiling.last_used(len(mapping.loops_above(operand.name)), operand.dims)
    chunks = tiling.chunks[last_used]
    counts = tuple(int(footprint_table(axis, chunks).count.max()) for axis in operand.axes)
    double = arch.timing == "pipelined" and arch.buffering == "double"
    several = last_used > 0
    if not memory.scratchpad:
        double, several = memory.double_buffered, True
    ring_axis = None if operand.role == "output" else sliding_axis(operand, tiling, last_used)
    ring_length, ring_step = 0, 1
    if ring_axis is not None:
        ring_step, window, increment = ring_places(operand.axes[ring_axis], chunks, tiling.loops[last_used - 1].dim)
        ring_length = window
        if double:
            ring_length += increment if last_used == 1 else window
    slots = 2 if double and several and ring_axis is None else 1
    return _buffer(
        problem,
        memory,
        OperandBuffer(
            operand.name,
            memory.name,
            operand.role,
            counts,
            ring_axis,
            ring_length,
            slots,
            buffer_bits(problem, mapping, operand.name),
            0,
            ring_step,
        ),
    )


def _buffer(problem: NestProblem, memory: Memory, buffer: OperandBuffer) -> OperandBuffer:
    size = -(-buffer.elements * buffer.bits // 8)
    return replace(buffer, size_bytes=aligned(size, problem.arch.alignment_bytes if memory.scratchpad else 1))


def ring_places(axis: Axis, chunks: Dict[str, Chunks], dim: str) -> tuple[int, int, int]:
    """The distance of a ring's places, the most places that a window takes up, and the most that a move along ``dim``
    adds.

    Places lie one step of the largest tile apart. A ragged last tile may have a wider step (its rows have holes that
    the tile before filled), so that its few indices reach further than their number says.
    """
    place = axis.dims.index(dim)
    held, new = footprint_table(axis, chunks), fresh_table(axis, chunks, dim)
    apart = int(np.broadcast_to(held.step, held.count.shape).reshape(-1)[0])
    last = held.start + (held.count - 1) * held.step
    span = np.where(held.count > 0, (last - held.start) // apart + 1, 0)
    advance = (last - np.roll(last, 1, axis=place)) // apart
    reach = np.where(new.count == held.count, span, np.where(new.count > 0, advance, 0))
    later = np.moveaxis(np.broadcast_to(reach, new.count.shape), place, 0)[chunks[dim].counter > 0]
    return apart, int(span.max()), int(later.max())


def _temporaries(problem: NestProblem, mapping: Mapping) -> list[OperandBuffer]:
    """What a normalisation keeps between its passes: two statistics a row, and for softmax one exponential an
    element where its rows are not split."""
    nest = problem.nest
    if nest.work is None or nest.work.kind != "normalise":
        return []
    tile = step_tile(nest, mapping.loops)
    rows = prod(length for dim, length in tile.items() if dim != PASS and dim not in nest.work.reduced)
    found = [_other(problem, "statistics", (2, rows))]
    if nest.work.exponentials and tile[PASS] == nest.extents[PASS]:
        chunks = Tiling(nest, mapping.loops).chunks[-1]
        counts = tuple(int(footprint_table(axis, chunks).count.max()) for axis in nest.inputs[0].axes)
        found.append(_other(problem, "exponentials", counts))
    return found


def _parameters(problem: NestProblem) -> list[OperandBuffer]:
    sizes = (*problem.parameters, *problem.held_parameters)
    return [_other(problem, f"parameter{number}", (size,)) for number, size in enumerate(sizes)]


def _other(problem: NestProblem, name: str, counts: tuple[int, ...]) -> OperandBuffer:
    memory, bits = problem.arch.scratchpad, problem.arch.widths.accumulator
    return _buffer(problem, memory, OperandBuffer(name, memory.name, "other", counts, None, 0, 1, bits, 0))


def position_bytes(problem: NestProblem, mapping: Mapping, operand: str) -> int:
    """Bytes of one position's share of an operand whose home exists once per position of some axes."""
    nest, memory = problem.nest, home(problem, operand)
    tile = step_tile(nest, mapping.loops_above(operand))
    share = position_ranges(mapping.pars, tile, memory.per)
    elements = prod(_largest(axis, share) for axis in nest.operand(operand).axes)
    return -(-elements * problem.bits(operand) // 8) * (2 if memory.double_buffered else 1)


def position_ranges(pars: tuple[Par, ...], tile: Dict[str, int], per: tuple[str, ...]) -> dict[str, int]:
    """The largest range of every dimension at one position along some axes, the other axes taken together."""
    ranges, share = dict(tile), dict(tile)
    for par in pars:
        used = -(-ranges[par.dim] // par.tile)
        ranges[par.dim] = min(par.tile, ranges[par.dim])
        if par.axis in per:
            share[par.dim] = -(-share[par.dim] // used)
    return share


def _largest(axis: Axis, ranges: Dict[str, int]) -> int:
    """Indices of an axis that ranges of those lengths need, wherever they stand (padding not cut off)."""
    one = np.zeros(1, dtype=np.int64)
    indices = progression(axis, [(one, one + ranges[dim]) for dim in axis.dims])
    return min(axis.size, int(((indices.last - indices.first) // indices.step).max()) + 1)


def scratchpad_bytes(problem: NestProblem, buffers: tuple[OperandBuffer, ...]) -> int:
    """Room taken in the scratchpad by all buffers."""
    return sum(b.size_bytes for b in buffers if b.memory == problem.arch.scratchpad.name)


def overflows(problem: NestProblem, mapping: Mapping, buffers: tuple[OperandBuffer, ...]) -> list[str]:
    """A sentence for every memory or partition that the buffers do not fit into; empty if all fit."""
    found = []
    pad = problem.arch.scratchpad
    mine = [b for b in buffers if b.memory == pad.name]
    classes: list[tuple[str, int | None, list[OperandBuffer]]] = [(pad.name, pad.size_bytes, mine)]
    if pad.partitions:
        classes = [
            (f"partition `{kind}` of {pad.name}", size, [b for b in mine if b.kind_class == kind])
            for kind, size in pad.partitions
        ]
    for name, size, inside in classes:
        needed = sum(b.size_bytes for b in inside)
        if size is not None and needed > size:
            parts = ", ".join(f"{b.operand} {b.size_bytes}" for b in inside)
            found.append(f"{name} has {size} bytes, {needed} are needed: {parts}")
    for memory in problem.arch.memories:
        operands = [o.name for o in problem.nest.operands if home(problem, o.name) == memory]
        if memory.scratchpad or memory.size_bytes is None or not operands:
            continue
        shares = {name: position_bytes(problem, mapping, name) for name in operands}
        needed = sum(shares.values())
        if needed > memory.size_bytes:
            where = f" at each position of {', '.join(memory.per)}" if memory.per else ""
            parts = ", ".join(f"{name} {size}" for name, size in shares.items())
            found.append(f"{memory.name} has {memory.size_bytes} bytes{where}, {needed} are needed: {parts}")
    return found
