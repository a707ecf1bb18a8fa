"""The room that a mapping's buffers take: one record per operand, temporary and parameter (docs/model.md, 6 and 7).

Double-buffered pipelined timing: an operand that is refilled more than once has two footprints, one that is filled
once has one. A window that slides has a ring: one footprint and the largest increment where nothing stands above the
sliding loop, otherwise two footprints. Single buffering and roofline timing: one footprint of everything. Memories
further in hold one footprint of each operand kept there, or two where they are double-buffered.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from tilewright.mapping.boundary import boundaries
from tilewright.mapping.footprint import footprint_table, fresh_table
from tilewright.mapping.homes import PASS, bypasses, held_bits
from tilewright.mapping.mapping import Mapping
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
    ``size_bytes`` counts the alignment.
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
    """The buffers of a mapping in the scratchpad: operands kept there in the nest's order, temporaries, parameters.

    Only tables over the chunks of each dimension are needed, so this is cheap however many steps there are.
    """
    mapping = without_single_loops(problem.nest, mapping)
    tiling = Tiling(problem.nest, mapping.tile_loops(problem.arch.scratchpad.name))
    kept = [operand for operand in problem.nest.operands if not bypasses(problem, mapping, operand.name)]
    operands = [_operand_buffer(problem, mapping, tiling, operand) for operand in kept]
    return (*operands, *_temporaries(problem, tiling), *_parameters(problem))


def _operand_buffer(problem: NestProblem, mapping: Mapping, tiling: Tiling, operand: Operand) -> OperandBuffer:
    arch, pad = problem.arch, problem.arch.scratchpad.name
    last_used = tiling.last_used(len(mapping.loops_above(operand.name, pad)), operand.dims)
    chunks = tiling.chunks[last_used]
    counts = tuple(int(footprint_table(axis, chunks).count.max()) for axis in operand.axes)
    double = arch.overlaps
    ring_axis = None if operand.role == "output" else sliding_axis(operand, tiling, last_used)
    ring_length, ring_step = 0, 1
    if ring_axis is not None:
        ring_step, window, increment = ring_places(operand.axes[ring_axis], chunks, tiling.loops[last_used - 1].dim)
        ring_length = window
        if double:
            ring_length += increment if last_used == 1 else window
    slots = 2 if double and last_used > 0 and ring_axis is None else 1
    return _buffer(
        problem,
        OperandBuffer(
            operand.name,
            pad,
            operand.role,
            counts,
            ring_axis,
            ring_length,
            slots,
            held_bits(problem, mapping, operand.name, pad),
            0,
            ring_step,
        ),
    )


def _buffer(problem: NestProblem, buffer: OperandBuffer) -> OperandBuffer:
    size = -(-buffer.elements * buffer.bits // 8)
    return replace(buffer, size_bytes=aligned(size, problem.arch.alignment_bytes))


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


def _temporaries(problem: NestProblem, tiling: Tiling) -> list[OperandBuffer]:
    """What a normalisation keeps between its passes: two statistics a row, and for softmax one exponential an
    element where its rows are not split."""
    nest = problem.nest
    if nest.work is None or nest.work.kind != "normalise":
        return []
    tile = step_tile(nest, tiling.loops)
    rows = prod(length for dim, length in tile.items() if dim != PASS and dim not in nest.work.reduced)
    found = [_other(problem, "statistics", (2, rows))]
    if nest.work.exponentials and tile[PASS] == nest.extents[PASS]:
        counts = tuple(int(footprint_table(axis, tiling.chunks[-1]).count.max()) for axis in nest.inputs[0].axes)
        found.append(_other(problem, "exponentials", counts))
    return found


def _parameters(problem: NestProblem) -> list[OperandBuffer]:
    sizes = (*problem.parameters, *problem.held_parameters)
    return [_other(problem, f"parameter{number}", (size,)) for number, size in enumerate(sizes)]


def _other(problem: NestProblem, name: str, counts: tuple[int, ...]) -> OperandBuffer:
    memory, bits = problem.arch.scratchpad, problem.arch.widths.accumulator
    return _buffer(problem, OperandBuffer(name, memory.name, "other", counts, None, 0, 1, bits, 0))


def inner_bytes(problem: NestProblem, mapping: Mapping) -> dict[tuple[str, str], int]:
    """Bytes that one instance of a memory further in than the scratchpad needs, by (memory, operand): the largest
    footprint of any of its instances, twice where it is double-buffered."""
    nest = problem.nest
    mapping = without_single_loops(nest, mapping)
    memories = {memory.name: memory for memory in problem.arch.below(problem.arch.scratchpad)}
    found = {}
    for operand in nest.operands:
        for boundary in boundaries(problem, mapping, operand):
            if boundary.child in memories:
                assert boundary.child is not None
                elements = boundary.largest * (2 if memories[boundary.child].double_buffered else 1)
                bits = held_bits(problem, mapping, operand.name, boundary.child)
                found[boundary.child, operand.name] = -(-elements * bits // 8)
    return found


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
    rooms = inner_bytes(problem, mapping)
    for memory in problem.arch.below(pad):
        shares = {operand: size for (name, operand), size in rooms.items() if name == memory.name}
        needed = sum(shares.values())
        if memory.size_bytes is not None and needed > memory.size_bytes:
            where = f" at each position of {', '.join(memory.per)}" if memory.per else ""
            parts = ", ".join(f"{name} {size}" for name, size in shares.items())
            found.append(f"{memory.name} has {memory.size_bytes} bytes{where}, {needed} are needed: {parts}")
    return found
