"""How a nest begins and ends: what its first step loads, and what its last one computes (docs/model.md, section 6).

What comes next may start its first loads beside the last step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from tilewright.arch.accelerator import Memory
from tilewright.mapping.boundary import boundaries
from tilewright.mapping.cycles import rate_cycles, tile_cycles
from tilewright.mapping.evaluate import is_out, listed_moves, steps_done
from tilewright.mapping.homes import bypasses
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, without_single_loops
from tilewright.mapping.traffic import Moves
from tilewright.mapping.work import vector_passes


@dataclass(frozen=True)
class StepMove:
    """A transfer of one step: of what (an operand or a tensor), its bytes and its runs in DRAM."""

    name: str
    size_bytes: int
    runs: int


@dataclass(frozen=True)
class Ends:
    """The loads of a first step; of the last step, the cycles of its tile and those of the transfers beside it: the
    stores of the step before and what passes the scratchpad by."""

    first: tuple[StepMove, ...]
    tile_cycles: int
    beside_cycles: int


def dma_cycles(dram: Memory, moves: Iterable[StepMove], *, writing: bool = False) -> int:
    """dma(): the cycles of some transfers that go together.

    >>> from fractions import Fraction
    >>> dram = Memory("dram", None, (), read_bandwidth=Fraction(4), setup_cycles=3)
    >>> dma_cycles(dram, [StepMove("x", 5, 2), StepMove("w", 5, 1)]), dma_cycles(dram, [])
    (12, 0)
    """
    listed = list(moves)
    size = np.array([sum(move.size_bytes for move in listed)])
    rate = dram.write_bandwidth if writing else dram.read_bandwidth
    return dram.setup_cycles * sum(move.runs for move in listed) + int(rate_cycles(size, rate)[0])


def nest_ends(problem: NestProblem, mapping: Mapping) -> Ends:
    """The ends of a nest under a mapping, loads by their operands; those of its parameters are left out."""
    nest, dram = problem.nest, problem.arch.dram
    mapping = without_single_loops(nest, mapping)
    tiling = Tiling(nest, mapping.tile_loops(problem.arch.scratchpad.name))
    chains = tuple(boundaries(problem, mapping, operand) for operand in nest.operands)
    passing = frozenset(o.name for o in nest.operands if bypasses(problem, mapping, o.name))
    moves = listed_moves(problem, mapping, tiling, chains, passing)
    passes = vector_passes(problem, mapping, tiling) if nest.work is not None else ()
    tiles = tile_cycles(steps_done(problem, mapping, tiling, chains, passes), tiling.steps)
    first = _in_step(moves, 0, lambda move: not is_out(move) and move.operand not in passing)
    flows = _in_step(moves, tiling.steps - 1, lambda move: not is_out(move) and move.operand in passing)
    stores = _in_step(moves, tiling.steps - 2, is_out)
    return Ends(first, int(tiles[-1]), dma_cycles(dram, flows) + dma_cycles(dram, stores, writing=True))


def _in_step(moves: Iterable[Moves], step: int, which: Callable[[Moves], bool]) -> tuple[StepMove, ...]:
    """The transfers of one step of those that are meant."""
    found = []
    for move in moves:
        mine = move.step == step
        size = int(move.transfer_bytes[mine].sum()) if which(move) else 0
        if size:
            found.append(StepMove(move.operand, size, int(move.runs[mine].sum())))
    return tuple(found)
