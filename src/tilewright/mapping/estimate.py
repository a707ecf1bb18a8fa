"""Objective, room and legality of every tile vector of a grid under one order of loops: the search's estimate.

Bytes between DRAM and the chip are exact (for widths of whole bytes); cycles and energy are close.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from tilewright.mapping.grid import Grid
from tilewright.mapping.gridwork import GridWork, grid_work
from tilewright.mapping.homes import PASS, accumulated_dims, memories_below, streams
from tilewright.mapping.orders import Order, Placement
from tilewright.mapping.tiling import FloatArray
from tilewright.workload.nest import Operand


@dataclass(frozen=True, eq=False)
class Flow:
    """What one operand costs at its keep: refills, DRAM bytes read and written, transfer cycles, energy, room."""

    refills: FloatArray
    read: FloatArray
    written: FloatArray
    cycles: FloatArray
    energy: FloatArray
    room: FloatArray


class Estimate:
    """Costs over one grid, order by order; what an operand costs is computed once per placement."""

    def __init__(self, grid: Grid, max_steps: int) -> None:
        self.grid = grid
        self.work: GridWork = grid_work(grid)
        problem = grid.problem
        arch = problem.arch
        self._allowed = self.work.fits & (grid.steps <= max_steps)
        self._flows: dict[tuple[str, Placement], Flow] = {}
        self._double = arch.overlaps
        self._vectors = sum(
            self._aligned(np.asarray(float(-(-size * arch.widths.accumulator // 8))))
            for size in (*problem.parameters, *problem.held_parameters)
        )
        self._parameter_bytes = float(sum(problem.parameter_bytes))

    def _aligned(self, size: FloatArray) -> FloatArray:
        alignment = self.grid.problem.arch.alignment_bytes
        return np.ceil(np.ceil(size) / alignment) * alignment

    def _cycles(self, bytes_moved: FloatArray, runs: FloatArray, *, writing: bool) -> FloatArray:
        arch = self.grid.problem.arch
        rate = arch.dram.write_bandwidth if writing else arch.dram.read_bandwidth
        moving = bytes_moved / float(rate) if rate is not None else bytes_moved * 0.0
        return moving + (arch.dram.setup_cycles * runs if arch.timing == "pipelined" else 0.0)

    def flow(self, operand: Operand, place: Placement) -> Flow:
        """The flow of an operand at a placement."""
        key = (operand.name, place)
        if key not in self._flows:
            output = operand is self.grid.problem.nest.output
            self._flows[key] = self._results(operand, place) if output else self._inflow(operand, place)
        return self._flows[key]

    def _inflow(self, operand: Operand, place: Placement) -> Flow:
        grid, problem = self.grid, self.grid.problem
        arch, width = problem.arch, problem.bits(operand.name) / 8
        words = grid.words(operand, place.above, place.sliding)
        refills = grid.product(dim for dim in grid.dims if dim in place.above)
        moved = words * width
        runs = np.maximum(words / grid.run(operand, place.above), np.minimum(refills, words))
        footprint = grid.footprint(operand, place.above)
        if streams(problem, operand.name):
            room = np.zeros((1,) * len(grid.dims))
            inner = memories_below(problem, operand.name)[0]
            energy = moved * (
                arch.dram.read_pj + self.work.copies[operand.name] * (inner.write_pj + arch.array.link_pj)
            )
        else:
            held = footprint
            if self._double:
                held = footprint * np.where(refills > 1, 2.0, 1.0)
                if place.sliding is not None and len(place.above) == 1:
                    held = grid.ring(operand, place.above, place.sliding)
            room = self._aligned(held * width)
            energy = moved * (arch.dram.read_pj + arch.scratchpad.write_pj)
        return Flow(refills, moved, moved * 0.0, self._cycles(moved, runs, writing=False), energy, room)

    def _results(self, operand: Operand, place: Placement) -> Flow:
        grid, problem = self.grid, self.grid.problem
        arch, nest = problem.arch, problem.nest
        final, spilled = arch.widths.output / 8, arch.widths.accumulator / 8
        counted = place.above - {PASS} if nest.work is not None else place.above
        elements = float(prod(nest.extents[dim] for dim in operand.dims))
        words = grid.words(operand, counted)
        visits = grid.product(dim for dim in grid.dims if dim in counted)
        again = np.maximum(words - elements, 0.0) if accumulated_dims(nest) else words * 0.0
        run = grid.run(operand, place.above)
        read, written = again * spilled, elements * final + again * spilled
        cycles = self._cycles(written, words / run, writing=True) + self._cycles(read, again / run, writing=False)
        held = grid.footprint(operand, place.above) * (np.where(visits > 1, 2.0, 1.0) if self._double else 1.0)
        room = self._aligned(held * self.work.output_bits / 8)
        pad = arch.scratchpad
        energy = written * (arch.dram.write_pj + pad.read_pj) + read * (arch.dram.read_pj + pad.write_pj)
        return Flow(visits, read, written, cycles, energy, room)

    def temporaries(self) -> FloatArray:
        """Room of statistics and exponentials, and of parameters."""
        grid, problem = self.grid, self.grid.problem
        work, wide = problem.nest.work, problem.arch.widths.accumulator / 8
        room: FloatArray = np.full((1,) * len(grid.dims), float(self._vectors))
        if work is not None and work.kind == "normalise":
            rows = np.ones((1,) * len(grid.dims))
            for dim, _ in problem.nest.dims:
                if dim != PASS and dim not in work.reduced:
                    rows = rows * grid.tile[dim]
            room = room + self._aligned(2 * rows * wide)
            if work.exponentials and PASS not in grid.dims:
                room = room + self._aligned(grid.footprint(problem.nest.inputs[0], frozenset(grid.dims)) * wide)
        return room

    def rooms(self, order: Order) -> dict[str, FloatArray]:
        """Scratchpad bytes of each class of buffers."""
        found: dict[str, FloatArray] = {"other": self.temporaries()}
        for operand, place in zip(self.grid.problem.nest.operands, order.places, strict=True):
            room = self.flow(operand, place).room
            found[operand.role] = found[operand.role] + room if operand.role in found else room
        return found

    def values(self, order: Order, objective: str) -> FloatArray:
        """The objective of every tile vector of the grid; infinite where it is not legal."""
        pad = self.grid.problem.arch.scratchpad
        legal = self._allowed
        rooms = self.rooms(order)
        if pad.partitions:
            for kind, size in pad.partitions:
                if kind in rooms:
                    legal = legal & (rooms[kind] <= size)
        elif pad.size_bytes is not None:
            legal = legal & (sum(rooms.values()) <= pad.size_bytes)
        value = self._value(order, objective)
        return np.where(legal, np.broadcast_to(value, self.grid.shape), np.inf)

    def _value(self, order: Order, objective: str) -> FloatArray:
        flows = [self.flow(o, place) for o, place in zip(self.grid.problem.nest.operands, order.places, strict=True)]
        total: FloatArray = np.zeros((1,) * len(self.grid.dims))
        if objective == "traffic":
            for flow in flows:
                total = total + flow.read + flow.written
            return total + self._parameter_bytes
        cycles = self._latency(order, flows)
        if objective == "latency":
            return cycles
        arch = self.grid.problem.arch
        for flow in flows:
            total = total + flow.energy
        energy = total + self.work.energy + cycles * arch.leakage_pj_per_cycle
        energy = energy + self._parameter_bytes * (arch.dram.read_pj + arch.scratchpad.write_pj)
        return energy if objective == "energy" else energy * cycles

    def _latency(self, order: Order, flows: list[Flow]) -> FloatArray:
        arch = self.grid.problem.arch
        tiles = np.maximum(self.work.busy, self.work.port)
        if arch.timing == "roofline":
            return self._roofline(flows)
        zero: FloatArray = np.zeros((1,) * len(self.grid.dims))
        names = [operand.name for operand in self.grid.problem.nest.operands]
        flowing = [streams(self.grid.problem, name) for name in names]
        if arch.buffering == "single":
            inside = sum((flow.cycles for flow, inner in zip(flows, flowing, strict=True) if inner), zero)
            outside = sum((flow.cycles for flow, inner in zip(flows, flowing, strict=True) if not inner), zero)
            return outside + np.maximum(tiles, inside)
        each = [flow.cycles / flow.refills for flow in flows]
        # The first loads and the last stores overlap nothing; streams flow inside their own steps.
        edges = zero + (self._parameter_bytes / float(arch.dram.read_bandwidth) if arch.dram.read_bandwidth else 0.0)
        edges = edges + sum((one for one, inner in zip(each, flowing, strict=True) if not inner), zero)
        first = sum((one for one, inner in zip(each, flowing, strict=True) if inner), zero)
        tile = tiles / self.grid.steps
        total = edges + np.maximum(tile, first)
        # Refills of an outer keep fall into steps in which all keeps further in are refilled too.
        burst: FloatArray = sum(each, zero)
        done: FloatArray = zero + 1.0
        ranked = sorted(range(len(flows)), key=lambda k: len(order.places[k].above))
        for k in ranked:
            times = np.maximum(flows[k].refills - done, 0.0)
            total = total + times * np.maximum(tile, burst)
            burst = burst - each[k]
            done = np.maximum(done, flows[k].refills)
        return total + (self.grid.steps - done) * tile

    def _roofline(self, flows: list[Flow]) -> FloatArray:
        arch = self.grid.problem.arch
        zero: FloatArray = np.zeros((1,) * len(self.grid.dims))
        read = sum((flow.read for flow in flows), zero) + self._parameter_bytes
        written = sum((flow.written for flow in flows), zero)
        reading, writing = self._cycles(read, zero, writing=False), self._cycles(written, zero, writing=True)
        dram = reading + writing if arch.dram.shared_port else np.maximum(reading, writing)
        rate = arch.scratchpad.read_bandwidth
        served = (self.work.pad_bytes + read + written) / float(rate) if rate is not None else zero
        return np.maximum(np.maximum(dram, served), self.work.busy)
