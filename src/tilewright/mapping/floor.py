"""What no mapping of a nest can go below: compulsory traffic and peak compute (docs/model.md, section 7).

Every element that a nest touches is loaded once, every weight and parameter once, every result is stored once.
"""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.mapping.footprint import footprint_table
from tilewright.mapping.homes import home, memories_below, streams
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling
from tilewright.workload.nest import Axis, LoopNest, Operand

MOST_LISTED = 2**24


def touched_indices(axis: Axis, extents: dict[str, int]) -> int:
    """Indices of an axis that at least one point touches.

    With a stride larger than the filter some rows lie between windows and need never be moved. Windows too many to
    be listed are counted too low.

    >>> rows = Axis((("Y", 2), ("R", 1)), 8, 2)
    >>> touched_indices(rows, {"Y": 4, "R": 1}), touched_indices(rows, {"Y": 4, "R": 2})
    (4, 8)
    >>> touched_indices(Axis((("Y", 3),), 8, 2, offset=-1), {"Y": 10**12})   # 2, 5
    2
    """
    if len(axis.terms) == 1 and axis.divisor == 1 and axis.reach == 0 and not axis.clamp:
        return _touched_in_steps(axis, *axis.terms[0], extents)
    if prod(extents[dim] for dim in axis.dims) > MOST_LISTED:  # those of one dimension alone: not too many
        free = len(axis.terms) > 0 and axis.divisor == 1 and not axis.clamp
        return max(_touched_in_steps(axis, *term, extents) for term in axis.terms) if free else 1
    first = np.array([axis.offset])
    for dim, coefficient in axis.terms:
        first = np.unique((first[:, None] + coefficient * np.arange(extents[dim])[None, :]).reshape(-1))
    if axis.divisor > 1 or axis.reach > 0:
        first = np.unique(first // axis.divisor + np.arange(axis.reach + 1)[:, None])
    if axis.clamp:
        first = np.unique(np.clip(first, 0, axis.size - 1))
    return int(((first >= 0) & (first < axis.size)).sum())


def _touched_in_steps(axis: Axis, dim: str, coefficient: int, extents: dict[str, int]) -> int:
    """In-bounds indices of an axis along one of its dimensions, the others standing at 0."""
    begin = max(0, -(axis.offset // coefficient))
    return max(0, min(extents[dim], -((axis.offset - axis.size) // coefficient)) - begin)


def touched_elements(nest: LoopNest, operand: Operand) -> int:
    """Elements of an operand that at least one point touches."""
    return prod(touched_indices(axis, nest.extents) for axis in operand.axes)


def compulsory_bytes(problem: NestProblem) -> tuple[int, int]:
    """DRAM bytes (read, written) of every mapping."""
    nest, widths = problem.nest, problem.arch.widths
    read = sum(-(-touched_elements(nest, operand) * problem.bits(operand.name) // 8) for operand in nest.inputs)
    read += sum(-(-size * widths.accumulator // 8) for size in problem.parameters)
    return read, -(-touched_elements(nest, nest.output) * widths.output // 8)


def vector_operations(problem: NestProblem) -> int:
    """Operations of the vector unit in every mapping, absorbed activations left out."""
    nest, work = problem.nest, problem.nest.work
    if work is None:
        return 0
    if work.kind == "map":
        level = Tiling(nest, ()).chunks[0]
        return work.operations * prod(int(footprint_table(axis, level).count.sum()) for axis in nest.output.axes)
    return nest.points  # of a normalisation: all three passes


def floor(problem: NestProblem, objective: str) -> float:
    """A lower bound of an objective: cycles, pJ, pJ * cycles or bytes."""
    read, written = compulsory_bytes(problem)
    if objective == "traffic":
        return float(read + written)
    cycles = max(_dma_floor(problem, read, written), _work_floor(problem))
    if objective == "latency":
        return float(cycles)
    energy = _energy_floor(problem, read, written) + cycles * problem.arch.leakage_pj_per_cycle
    return energy if objective == "energy" else energy * cycles


def _dma_floor(problem: NestProblem, read: int, written: int) -> float:
    """Cycles of the bytes alone. Pipelined transfers never overlap each other; under a roofline two ports do."""
    dram = problem.arch.dram
    reading = 0.0 if dram.read_bandwidth is None else float(read / dram.read_bandwidth)
    writing = 0.0 if dram.write_bandwidth is None else float(written / dram.write_bandwidth)
    both_at_once = problem.arch.timing == "roofline" and not dram.shared_port
    return max(reading, writing) if both_at_once else reading + writing


def _work_floor(problem: NestProblem) -> float:
    if problem.nest.work is None:
        return problem.nest.points / problem.arch.array.size
    return vector_operations(problem) / problem.arch.vector.lanes


def _energy_floor(problem: NestProblem, read: int, written: int) -> float:
    """DRAM and its far end once for every compulsory byte, the work itself, and accesses that no mapping avoids."""
    nest, arch, pad = problem.nest, problem.arch, problem.arch.scratchpad
    total = read * arch.dram.read_pj + written * (arch.dram.write_pj + home(problem, nest.output.name).read_pj)
    total += sum(-(-size * arch.widths.accumulator // 8) for size in problem.parameters) * pad.write_pj
    operations = vector_operations(problem) + problem.activations * touched_elements(nest, nest.output)
    total += operations * arch.vector.operation_pj
    if nest.work is None:
        total += nest.points * arch.array.mac_pj + _result_floor(problem)
        return total + sum(_operand_floor(problem, operand) for operand in nest.inputs)
    for operand in nest.operands:
        once = touched_elements(nest, operand) * problem.bits(operand.name) / 8
        total += once * (pad.write_pj if operand.role == "output" else pad.write_pj + pad.read_pj)
    return total


def _operand_floor(problem: NestProblem, operand: Operand) -> float:
    """On-chip energy of an input: into its home and to the next memory once, one access of the innermost a point.

    Where no memory further in keeps its role, every point takes its word from the scratchpad, shared at most over all
    positions of the axes that multicast.
    """
    nest, array, pad = problem.nest, problem.arch.array, problem.arch.scratchpad
    width = problem.bits(operand.name) / 8
    once = touched_elements(nest, operand) * width
    below = memories_below(problem, operand.name)
    if below:
        passed = 0.0 if streams(problem, operand.name) else once * (pad.write_pj + pad.read_pj)
        return passed + once * below[0].write_pj + nest.points * width * below[-1].read_pj
    shared = prod(size for axis, size in array.axes if axis in array.multicast)
    return once * pad.write_pj + nest.points * width / shared * pad.read_pj


def _result_floor(problem: NestProblem) -> float:
    """On-chip energy of the output before it is drained, likewise; reduce axes sum on the way."""
    nest, array, pad, widths = problem.nest, problem.arch.array, problem.arch.scratchpad, problem.arch.widths
    results = touched_elements(nest, nest.output)
    below = memories_below(problem, nest.output.name)
    width = widths.accumulator / 8
    if below:
        passed = 0.0 if streams(problem, nest.output.name) else results * widths.output / 8 * pad.write_pj
        inner = nest.points * width * (below[-1].read_pj + below[-1].write_pj)
        return passed + results * width * below[0].read_pj * (not streams(problem, nest.output.name)) + inner
    words = nest.points / prod(size for axis, size in array.axes if axis in array.reduce)
    return width * (words * pad.write_pj + max(0.0, words - results) * pad.read_pj)
