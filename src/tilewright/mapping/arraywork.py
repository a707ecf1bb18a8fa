"""What the array does in each tile step: its compute cycles, and the bits through the ports of every on-chip memory
(docs/model.md, section 6)."""

from __future__ import annotations

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.boundary import Boundary, adding_bases
from tilewright.mapping.cycles import Done, Side
from tilewright.mapping.homes import accumulating_along
from tilewright.mapping.lattice import EACH, SUM, Cut
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.words import turns


def array_done(
    problem: NestProblem, mapping: Mapping, tiling: Tiling, chains: tuple[tuple[Boundary, ...], ...]
) -> Done:
    """The multiply-accumulates of each step; ``chains`` are the boundaries of every operand, the output's last."""
    level = tiling.levels[-1]
    sides = []
    for memory in problem.arch.memories[1:]:
        if memory.read_bandwidth is None and memory.write_bandwidth is None:
            continue
        reads, writes = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
        for chain in chains[:-1]:
            for boundary in chain:
                if boundary.parent == memory.name:
                    reads = reads + _read_bits(boundary, tiling)
                elif boundary.child == memory.name and not memory.scratchpad:
                    writes = writes + _fill_bits(boundary, tiling)
        out, into = _result_bits(problem, chains[-1], memory, tiling)
        sides.append(Side(memory, reads + out, writes + into))
    return Done(level.product(_compute_steps(problem, mapping)), tuple(sides))


def _compute_steps(problem: NestProblem, mapping: Mapping) -> dict[str, IntArray]:
    """For every dimension and tile chunk, how many of its points the first position works through."""
    inside = mapping.array_place(problem.arch.scratchpad.name)

    def cut(place: int, node: Node) -> Cut:
        assert not isinstance(node, Keep)
        # Where pars count as one position served together, turns are those of the first one.
        return ("shared" if not isinstance(node, Loop) else EACH if place < inside else SUM, node.tile)

    found = {}
    for dim, extent in problem.nest.dims:
        cuts = [cut(k, n) for k, n in enumerate(mapping.nodes) if not isinstance(n, Keep) and n.dim == dim]
        found[dim] = turns(extent, (*cuts, (SUM, 1))).first_instance
    return found


def _read_bits(boundary: Boundary, tiling: Tiling) -> IntArray:
    """Bits of an input that the busiest instance of the parent hands on in each step."""
    level = boundary.level(tiling)
    words = boundary.busiest_reads(level) * boundary.problem.bits(boundary.operand.name)
    return _by_step(words, level.first_step, level, tiling)


def _fill_bits(boundary: Boundary, tiling: Tiling) -> IntArray:
    """Bits of an input that the busiest instance of the child receives in each step."""
    level = boundary.level(tiling)
    words = boundary.busiest_fills(level) * boundary.problem.bits(boundary.operand.name)
    return _by_step(words, level.first_step, level, tiling)


def _result_bits(
    problem: NestProblem, chain: tuple[Boundary, ...], memory: Memory, tiling: Tiling
) -> tuple[IntArray, IntArray]:
    """Bits of results that the busiest instance of a memory reads and writes in each step.

    The first position is the busiest: its ranges are never shorter, and what was there before comes back to it.
    """
    widths = problem.arch.widths
    bits = widths.accumulator if memory.name in accumulating_along(chain) else widths.output
    reads, writes = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    for boundary, base in zip(chain, adding_bases(chain), strict=True):
        level = boundary.level(tiling)
        if boundary.parent == memory.name:
            arrived, found = boundary.arrivals(level, base)
            when = level.last_step if boundary.adds else level.first_step
            reads = reads + _by_step(found * bits, when, level, tiling)
            writes = writes + _by_step(arrived * bits, level.last_step, level, tiling)
        elif boundary.child == memory.name and not memory.scratchpad:
            own = widths.output if boundary.parent == problem.arch.dram.name else bits
            reads = reads + _by_step(boundary.busiest_fills(level) * own, level.last_step, level, tiling)
            if not boundary.adds:
                writes = writes + _by_step(boundary.back(level, base) * own, level.first_step, level, tiling)
    return reads, writes


def _by_step(values: IntArray, when: IntArray, level: Level, tiling: Tiling) -> IntArray:
    """Values of iterations as values of the steps to which they belong."""
    if len(level) == tiling.steps:
        return values
    found = np.zeros(tiling.steps, dtype=np.int64)
    found[when] = values
    return found
