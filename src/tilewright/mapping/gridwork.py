"""What every tile vector of a grid costs inside the chip, whatever the order of its loops: an estimate for the search.

Sums over all steps are exact where footprints are concerned; the sharing of words along the array is that of the
largest tile.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.mapping.grid import Grid
from tilewright.mapping.homes import PASS, accumulated_dims, home, memories_below, streams
from tilewright.mapping.tiling import BoolArray, FloatArray
from tilewright.mapping.unroll import assignments
from tilewright.workload.nest import Operand


@dataclass(frozen=True, eq=False)
class GridWork:
    """Arrays over the whole grid: busy cycles and scratchpad bytes of all steps, picojoules inside the chip (transfers
    left out), whether homes of single positions hold their share, the output buffer's width, and for every operand
    that streams past the scratchpad the positions that receive a copy."""

    busy: FloatArray
    pad_bytes: FloatArray
    port: FloatArray
    energy: FloatArray
    fits: BoolArray
    output_bits: FloatArray
    copies: dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class _Side:
    """Bytes read and written at the scratchpad's array side."""

    read: FloatArray
    written: FloatArray


def grid_work(grid: Grid) -> GridWork:
    """The work of every tile vector of a grid."""
    return _mac_work(grid) if grid.problem.nest.work is None else _vector_work(grid)


def output_width(grid: Grid) -> FloatArray:
    """Bits of the output buffer's elements: accumulator width where partial sums lie in it between steps."""
    problem = grid.problem
    widths = problem.arch.widths
    bits = np.full((1,) * len(grid.dims), float(widths.output))
    if problem.nest.work is None and not memories_below(problem, problem.nest.output.name):
        return np.full_like(bits, float(widths.accumulator))
    for dim in accumulated_dims(problem.nest):
        bits = np.where(grid.chunks[dim] > 1, float(widths.accumulator), bits)
    return bits


def _port(grid: Grid, side: _Side) -> FloatArray:
    pad = grid.problem.arch.scratchpad
    if pad.read_bandwidth is None or pad.write_bandwidth is None:
        return np.zeros(grid.shape)
    if pad.shared_port:
        return np.asarray((side.read + side.written) / float(pad.read_bandwidth))
    return np.maximum(side.read / float(pad.read_bandwidth), side.written / float(pad.write_bandwidth))


class _Unrolled:
    """The direct unrolling of every tile vector: ranges of one position, and positions along every axis."""

    def __init__(self, grid: Grid) -> None:
        array = grid.problem.arch.array
        nest = grid.problem.nest
        dims = tuple(dim for dim, extent in nest.dims if extent > 1)
        best = np.full(grid.shape, np.inf)
        chosen = np.zeros(grid.shape, dtype=np.int64)
        # Assignments that give every dimension the same positions cost the same; the first of them stands for all.
        choices: dict[tuple[tuple[str, int], ...], tuple[str | None, ...]] = {}
        for assignment in assignments(array, dims):
            widths: dict[str, int] = {}
            for (_, size), dim in zip(array.axes, assignment, strict=True):
                if dim is not None:
                    widths[dim] = widths.get(dim, 1) * size
            choices.setdefault(tuple(sorted(widths.items())), assignment)
        for number, spread in enumerate(choices):
            # Steps as a fraction of those without unrolling; among equals, fewer positions.
            left, used = np.ones((1,) * len(grid.dims)), np.ones((1,) * len(grid.dims))
            for dim, width in spread:
                share = np.ceil(grid.tile[dim] / width)
                left = left * (share / grid.tile[dim])
                used = used * np.ceil(grid.tile[dim] / share)
            key = left * (1 + used * 1e-9)
            better = key < best
            np.copyto(chosen, number, where=better)
            np.copyto(best, key, where=better)
        taken = list(choices.values())
        self._grid = grid
        self.busy = np.zeros(grid.shape)
        self.positions = {axis: np.ones(grid.shape) for axis, _ in array.axes}
        self.unrolls: dict[str, dict[str, BoolArray]] = {axis: {} for axis, _ in array.axes}
        for number in np.unique(chosen).tolist():
            self._take(taken[number], chosen == number)

    def _take(self, assignment: tuple[str | None, ...], mask: BoolArray) -> None:
        grid = self._grid
        total = np.ones((1,) * len(grid.dims))
        left = dict(grid.tile)
        for (axis, size), dim in zip(grid.problem.arch.array.axes, assignment, strict=True):
            if dim is None:
                continue
            chunk = np.ceil(left[dim] / size)
            np.copyto(self.positions[axis], np.ceil(left[dim] / chunk), where=mask)
            self.unrolls[axis].setdefault(dim, np.zeros(grid.shape, dtype=bool))
            self.unrolls[axis][dim] |= mask
            left[dim] = chunk
        for dim, extent in grid.problem.nest.dims:
            chunks = grid.chunks[dim]
            tail = extent - (chunks - 1) * grid.tile[dim]
            total = total * ((chunks - 1) * left[dim] + np.minimum(left[dim], tail))
        np.copyto(self.busy, total, where=mask)

    def shared(self, operand: Operand, axes: tuple[str, ...]) -> FloatArray:
        """Positions along some axes that need the same words of an operand."""
        total = np.ones(self._grid.shape)
        for axis in axes:
            for dim, mask in self.unrolls[axis].items():
                if dim not in operand.dims:
                    total = np.where(mask, total * self.positions[axis], total)
        return total

    def ranges(self, axes: tuple[str, ...]) -> dict[str, FloatArray]:
        """The largest range of every dimension at one position along some axes."""
        found = {dim: np.broadcast_to(tile, self._grid.shape).copy() for dim, tile in self._grid.tile.items()}
        for axis in axes:
            for dim, mask in self.unrolls[axis].items():
                found[dim] = np.where(mask, np.ceil(found[dim] / self.positions[axis]), found[dim])
        return found


def _mac_work(grid: Grid) -> GridWork:
    problem = grid.problem
    nest, arch = problem.nest, problem.arch
    pad, array = arch.scratchpad, arch.array
    every = frozenset(grid.dims)
    unrolled = _Unrolled(grid)
    zero = np.zeros(grid.shape)
    energy = np.full(grid.shape, nest.points * array.mac_pj)
    read, written = zero, zero
    copies: dict[str, FloatArray] = {}
    fits = np.ones(grid.shape, dtype=bool)
    bits = output_width(grid)
    for operand in nest.inputs:
        width = problem.bits(operand.name) / 8
        below = memories_below(problem, operand.name)
        if streams(problem, operand.name):
            copies[operand.name] = unrolled.shared(operand, below[0].per)
            fits &= _share_fits(grid, unrolled, operand)
        elif below:
            moved = grid.words(operand, every) * width
            received = moved * unrolled.shared(operand, below[0].per)
            read = read + moved
            energy = energy + received * (below[0].write_pj + array.link_pj)
        else:
            read = read + nest.points * width / unrolled.shared(operand, array.multicast)
            energy = energy + nest.points * width * array.link_pj
        if below:
            energy = energy + nest.points * width * below[-1].read_pj
    output, width = nest.output, arch.widths.accumulator / 8
    visited = grid.words(output, every)
    first = float(prod(nest.extents[dim] for dim in output.dims))
    below = memories_below(problem, output.name)
    if below:
        written = written + visited * bits / 8
        read = read + (visited - first) * bits / 8
        energy = energy + visited * width * below[0].read_pj + (visited - first) * width * below[0].write_pj
        energy = energy + nest.points * width * (below[-1].read_pj + below[-1].write_pj)
    else:
        words = nest.points / unrolled.shared(output, array.reduce)
        written = written + words * width
        read = read + np.maximum(words - first, 0) * width
    energy = energy + read * pad.read_pj + written * pad.write_pj
    energy = energy + problem.activations * first * arch.vector.operation_pj
    side = _Side(read, written)
    return GridWork(unrolled.busy, read + written, _port(grid, side), energy, fits, bits, copies)


def _share_fits(grid: Grid, unrolled: _Unrolled, operand: Operand) -> BoolArray:
    """Whether a home of single positions holds their share of an operand."""
    memory = home(grid.problem, operand.name)
    if memory.size_bytes is None:
        return np.ones(grid.shape, dtype=bool)
    ranges = unrolled.ranges(memory.per)
    elements = np.ones(grid.shape)
    for axis in operand.axes:
        span: FloatArray = np.ones(grid.shape)
        for dim, coefficient in axis.terms:
            span = span + (ranges[dim] - 1) * (coefficient if len(axis.terms) > 1 else 1)
        elements = elements * np.minimum(span, axis.size)
    needed = np.ceil(elements * grid.problem.bits(operand.name) / 8) * (2 if memory.double_buffered else 1)
    return np.asarray(needed <= memory.size_bytes)


def _vector_work(grid: Grid) -> GridWork:
    problem = grid.problem
    nest, arch, work = problem.nest, problem.arch, problem.nest.work
    assert work is not None
    every = frozenset(grid.dims)
    bits, wide = output_width(grid), arch.widths.accumulator / 8
    inputs = sum(
        (grid.words(operand, every) * problem.bits(operand.name) / 8 for operand in nest.inputs), np.zeros(grid.shape)
    )
    results = float(prod(nest.extents[dim] for dim in nest.output.dims))
    read, written = inputs, np.zeros(grid.shape)
    rows = results / prod(nest.extents[dim] for dim in work.reduced) if work.kind == "normalise" else 0.0
    if work.kind == "map":
        operations, written = work.operations * results, written + results * bits / 8
    elif work.kind == "reduce":
        visited = grid.words(nest.output, every)
        operations = float(nest.points)
        written, read = visited * bits / 8, read + (visited - results) * bits / 8
    else:
        operations = float(nest.points)
        split = PASS in grid.dims
        kept = results * wide if work.exponentials and not split else 0.0
        read = inputs if split else inputs * (2 if kept else 3)
        read = read + kept + 3 * rows * wide
        written = written + kept + 2 * rows * wide + results * arch.widths.output / 8
    passes = 3 if work.kind == "normalise" and PASS not in grid.dims else 1
    busy = operations / arch.vector.lanes + 0.5 * passes * grid.steps
    operations += problem.activations * results
    energy = read * arch.scratchpad.read_pj + written * arch.scratchpad.write_pj + operations * arch.vector.operation_pj
    return GridWork(
        np.broadcast_to(busy, grid.shape),
        np.broadcast_to(read + written, grid.shape),
        np.broadcast_to(_port(grid, _Side(read, written)), grid.shape),
        np.broadcast_to(energy, grid.shape),
        np.ones(grid.shape, dtype=bool),
        bits,
        {},
    )
