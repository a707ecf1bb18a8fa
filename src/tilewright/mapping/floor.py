"""What no mapping of a nest can go below: compulsory traffic and peak compute (docs/model.md, section 7).

Every element that a nest touches is loaded once, every weight and parameter once, every result is stored once.
"""

from __future__ import annotations

from math import prod

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.footprint import footprint_table
from tilewright.mapping.homes import chain
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling
from tilewright.workload.nest import Axis, LoopNest, Operand

MOST_LISTED = 2**24
Kept = tuple[tuple[str, ...], ...]  # the memories of every operand, outermost first


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


def in_bounds(axis: Axis, extents: dict[str, int]) -> bool:
    """Whether no point touches an index outside an axis.

    >>> rows = Axis((("Y", 2), ("R", 1)), 8, 2)
    >>> in_bounds(rows, {"Y": 3, "R": 3}), in_bounds(rows, {"Y": 4, "R": 3})
    (True, False)
    """
    return axis.offset >= 0 and axis.offset + sum(c * (extents[dim] - 1) for dim, c in axis.terms) < axis.size


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
    read += sum(problem.parameter_bytes)
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


def floor(problem: NestProblem, objective: str, kept: Kept | None = None) -> float:
    """A lower bound of an objective: cycles, pJ, pJ * cycles or bytes; with ``kept`` of mappings that keep every
    operand in exactly these memories."""
    read, written = compulsory_bytes(problem)
    if objective == "traffic":
        return float(read + written)
    cycles = max(_dma_floor(problem, read, written), _work_floor(problem))
    if objective == "latency":
        return float(cycles)
    energy = _energy_floor(problem, read, written, kept) + cycles * problem.arch.leakage_pj_per_cycle
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


def _energy_floor(problem: NestProblem, read: int, written: int, kept: Kept | None) -> float:
    """DRAM once for every compulsory byte, the work itself, and accesses that no mapping avoids."""
    nest, arch, pad = problem.nest, problem.arch, problem.arch.scratchpad
    total = read * arch.dram.read_pj + written * arch.dram.write_pj
    total += sum(problem.parameter_bytes) * pad.write_pj
    operations = vector_operations(problem) + problem.activations * touched_elements(nest, nest.output)
    total += operations * arch.vector.operation_pj
    if nest.work is None:
        total += nest.points * arch.array.mac_pj
        chains = {
            operand.name: [
                chain
                for chain in _chains(problem, operand)
                if kept is None or tuple(memory.name for memory in chain) == kept[number]
            ]
            for number, operand in enumerate(nest.operands)
        }
        total += min(_result_floor(problem, chain) for chain in chains[nest.output.name])
        return total + sum(
            min(_operand_floor(problem, operand, chain) for chain in chains[operand.name]) for operand in nest.inputs
        )
    for operand in nest.operands:
        once = touched_elements(nest, operand) * problem.bits(operand.name) / 8
        total += once * (pad.write_pj + pad.read_pj)
    return total


def _chains(problem: NestProblem, operand: Operand) -> list[tuple[Memory, ...]]:
    """Every chain of on-chip memories that may hold an operand, outermost first."""
    memories = {memory.name: memory for memory in problem.arch.memories}
    found: list[tuple[Memory, ...]] = [()]
    for name, holding in chain(problem, operand.name):
        longer = [(*so_far, memories[name]) for so_far in found]
        found = longer if holding == "must" else found + longer
    return found


def _together(problem: NestProblem, memory: Memory, axes: tuple[str, ...]) -> int:
    """Positions that one access of a memory can serve at most: those along the given axes of which it has no instances
    of its own."""
    return prod(size for axis, size in problem.arch.array.axes if axis in axes and axis not in memory.per)


def points_in_bounds(nest: LoopNest, operand: Operand) -> int:
    """Points of a nest whose index into an operand lies inside its array.

    >>> from tilewright.mapping.nests import conv2d
    >>> nest = conv2d(K=1, C=1, Y=4, X=1, R=3, S=1, pad=(1, 0, 1, 0))
    >>> nest.points, points_in_bounds(nest, nest.operand("input"))
    (12, 10)
    """
    total = prod(extent for dim, extent in nest.dims if dim not in operand.dims)
    return total * prod(_pairs_in_bounds(axis, nest.extents) for axis in operand.axes)


def _pairs_in_bounds(axis: Axis, extents: dict[str, int]) -> int:
    """Combinations of an axis' dimensions whose index is in bounds; too few where they are too many to list."""
    terms = sorted(axis.terms, key=lambda term: extents[term[0]])
    if not terms:
        return 1
    if prod(extents[dim] for dim, _ in terms[:-1]) > MOST_LISTED:
        return 0
    first = np.array([axis.offset])
    for dim, coefficient in terms[:-1]:
        first = (first[:, None] + coefficient * np.arange(extents[dim])[None, :]).reshape(-1)
    dim, coefficient = terms[-1]
    begin = np.maximum(0, -(first // coefficient))
    end = np.minimum(extents[dim], -((first - axis.size) // coefficient))
    return int(np.maximum(0, end - begin).sum())


def _operand_floor(problem: NestProblem, operand: Operand, chain: tuple[Memory, ...]) -> float:
    """On-chip energy of an input through a chain: into every memory and on to the next one once, and from the last
    one, for every point that is not padding, a word that positions along multicast axes share."""
    nest = problem.nest
    width = problem.bits(operand.name) / 8
    once = touched_elements(nest, operand) * width
    served = points_in_bounds(nest, operand) * width / _together(problem, chain[-1], problem.arch.array.multicast)
    passed = sum(once * (memory.write_pj + memory.read_pj) for memory in chain[:-1])
    return passed + once * chain[-1].write_pj + max(once, served) * chain[-1].read_pj


def _result_floor(problem: NestProblem, chain: tuple[Memory, ...]) -> float:
    """On-chip energy of the output through a chain, drains included.

    The innermost memory takes one result for each point, summed along reduce axes. Those that start from zero are not
    read for it, but every stay in the memory that starts from zero is read in the end: together as many reads as
    writes, the last ones at output width where they go to DRAM.
    """
    widths = problem.arch.widths
    results = touched_elements(problem.nest, problem.nest.output)
    last = chain[-1]
    words = max(results, problem.nest.points / _together(problem, last, problem.arch.array.reduce))
    narrow = min(widths.output, widths.accumulator)
    total = words * widths.accumulator * last.write_pj
    if len(chain) > 1:
        total += words * widths.accumulator * last.read_pj
    elif last.scratchpad:
        total += ((words - results) * widths.accumulator + results * widths.output) * last.read_pj
    else:
        total += words * narrow * last.read_pj
    total += sum(results * narrow * (memory.write_pj + memory.read_pj) for memory in chain[:-1])
    return total / 8
