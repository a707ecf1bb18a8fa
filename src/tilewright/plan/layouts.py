"""Where the feature maps of a group lie on chip, for how many phases, in buffers of which size (docs/model.md, 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError
from tilewright.mapping.buffers import aligned
from tilewright.plan.expr import ZERO, Expr, counter
from tilewright.plan.plan import Buffer, Spot
from tilewright.plan.spans import said
from tilewright.plan.windows import SharedLoop, Window, Windows, block_of, shape_of
from tilewright.workload.nest import Operand
from tilewright.workload.storage import PlacedNetwork

Kind = Literal["input", "weight", "output", "other"]


@dataclass(frozen=True)
class Layout:
    """The places of a map: those of a ``Spot`` whose axes are the map's."""

    buffer: str
    spot: Spot

    def of_block(self, at: Sequence[int]) -> Layout:
        """The places of a block that begins at these indices of the map."""
        spot = self.spot
        base, shift = spot.base, spot.shift
        for axis, (first, stride) in enumerate(zip(at, spot.strides, strict=True)):
            if axis == spot.axis:
                shift = shift + first
            else:
                base = base + first * stride
        return Layout(self.buffer, replace(spot, base=base, shift=shift))

    def of_operand(self, operand: Operand) -> Spot:
        """The places of an operand, by the indices of its own axes."""
        spot = self.spot
        strides = tuple(spot.strides[axis.tensor_axis] * axis.scale for axis in operand.axes)
        if spot.axis is None:
            return replace(spot, strides=strides)
        wound = [k for k, axis in enumerate(operand.axes) if axis.tensor_axis == spot.axis and axis.size > 1]
        if len(wound) != 1 or operand.axes[wound[0]].scale != 1:
            raise InfeasibleError(f"'{operand.name}' is read along a ring by more than one dimension")
        return replace(spot, strides=strides, axis=wound[0])


def buffer(
    arch: Accelerator,
    name: str,
    operand: str,
    kind: Kind,
    counts: Sequence[int],
    bits: int,
    phases: tuple[int, int],
    slots: int = 1,
) -> Buffer:
    """A buffer in the scratchpad with its lifetime in phases of the group, and without an address yet."""
    size = -(-prod(counts) * slots * bits // 8)
    return Buffer(
        name=name,
        operand=operand,
        memory=arch.scratchpad.name,
        kind_class=kind,
        counts=tuple(counts),
        slots=slots,
        ring_axis=None,
        ring_length=0,
        ring_step=1,
        bits=bits,
        size_bytes=aligned(size, arch.alignment_bytes),
        address_bytes=None,
        start=phases[0],
        end=phases[1],
    )


def dense(counts: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides.

    >>> dense((2, 3, 4))
    (12, 4, 1)
    """
    return tuple(prod(counts[k + 1 :]) for k in range(len(counts)))


def number_of(loops: Sequence[SharedLoop]) -> Expr:
    """How many combinations of these loops' chunks have come before."""
    found: Expr = ZERO
    for loop in loops:
        found = found * loop.trips + counter(loop.name)
    return found


def held_layout(placed: PlacedNetwork, tensor: str, name: str) -> Layout:
    """A tensor in its base, held as it lies in DRAM."""
    storage = placed.of[tensor]
    return Layout(name, Spot(ZERO + storage.offset, storage.strides or (1,)))


def inner_map(
    windows: Windows, arch: Accelerator, base: str, name: str, phases: tuple[int, int]
) -> tuple[Buffer, Layout]:
    """A base written and read in the group: whole along its axes, or the longest window; where windows are cached
    along a loop that no cached one surrounds, a ring."""
    placed, shape = windows.placed, shape_of(windows.placed, base)
    parts = [(block_of(placed, t), w) for t, w in windows.written.items() if placed.of[t].base == base]
    counts = list(shape)
    origins: list[tuple[int, ...]] = [(0,)] * len(shape)
    loops: list[int | None] = [None] * len(shape)
    axis, length = None, 0
    for k in range(len(shape)):
        tied = [(at[k], written[k]) for at, written in parts if written[k].loop is not None]
        if not tied:
            continue
        loop = loops[k] = tied[0][1].loop
        assert loop is not None
        if windows.inside_cached(loop):
            loops[k] = None
            continue
        lows, highs = _hull(tied, windows.loops[loop].trips)
        counts[k] = max(1, *(b - a for a, b in zip(lows, highs, strict=True)))
        if not windows.loops[loop].cached:
            origins[k] = tuple(lows)
        elif counts[k] < shape[k]:
            axis, length = k, counts[k]
    strides, start = dense(counts), ZERO
    for k, stride in enumerate(strides):
        start = start + said(origins[k], loops[k], windows.names) * -stride if len(origins[k]) > 1 else start
    room = buffer(arch, name, base, "input", counts, arch.widths.output, phases)
    return room, Layout(name, Spot(start, strides, axis, length))


def _hull(tied: Sequence[tuple[int, Window]], chunks: int) -> tuple[list[int], list[int]]:
    """What must be there of several blocks along an axis, in every chunk."""
    lows, highs = [], []
    for i in range(chunks):
        there = [(at + w.held.starts[i], at + w.held.ends()[i]) for at, w in tied if w.held.counts[i]]
        lows.append(min((a for a, _ in there), default=0))
        highs.append(max((b for _, b in there), default=0))
    return lows, highs


def streamed_map(
    windows: Windows, arch: Accelerator, tensor: str, name: str, phases: tuple[int, int]
) -> tuple[Buffer, Layout]:
    """A map that comes from DRAM piece by piece: one footprint, two in turn, or a ring."""
    shape, axes = shape_of(windows.placed, tensor), windows.streamed[tensor]
    ring = next((n for n, loop in enumerate(windows.loops) if loop.cached), None)
    counts = list(shape)
    start: Expr = ZERO
    origins: list[tuple[int, Window]] = []
    axis, length, shift = None, 0, ZERO
    for k, window in enumerate(axes):
        if window.loop is None or windows.inside_cached(window.loop):
            continue
        if window.loop == ring:
            length = counts[k] = _ring_length(arch, window, ring)
            axis = k
            shift = number_of(windows.loops[:ring]) * (window.held.ends()[-1] - window.held.starts[0])
            continue
        counts[k] = max(1, window.held.most)
        origins.append((k, window))
    strides = dense(counts)
    for k, window in origins:
        start = start + said(window.held.starts, window.loop, windows.names) * -strides[k]
    slots = 1
    if axis is None and any(window.loop is not None for window in axes) and arch.overlaps:
        slots = 2
        start = start + number_of(windows.loops) % 2 * prod(counts)
    room = buffer(arch, name, tensor, "input", counts, arch.widths.input, phases, slots)
    return room, Layout(name, Spot(start, strides, axis, length, shift if axis is not None else ZERO))


def _ring_length(arch: Accelerator, window: Window, ring: int) -> int:
    """As many places as a window has, or two successive ones where one is loaded beside the other."""
    held = window.held
    if not arch.overlaps:
        return max(1, held.most)
    pairs = zip(held.ends()[1:], held.starts, strict=False)
    found = max(held.most, *(end - start for end, start in pairs))
    if ring:  # an outer loop starts it anew
        found = max(found, held.counts[-1] + held.counts[0])
    return max(1, found)
