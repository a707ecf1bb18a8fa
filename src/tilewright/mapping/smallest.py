"""The least room that any mapping of a nest needs: what an infeasible nest is told."""

from __future__ import annotations

from itertools import product

from tilewright.mapping.buffers import operand_buffers, overflows, scratchpad_bytes
from tilewright.mapping.evaluate import steps_of
from tilewright.mapping.homes import PASS
from tilewright.mapping.mapping import Loop, Mapping
from tilewright.mapping.orders import assemble, filter_taps
from tilewright.mapping.problem import NestProblem

CRAMPED = 8


def room_needed(problem: NestProblem) -> tuple[tuple[str, ...], int]:
    """Why the mapping of least room does not fit, sentence by sentence (none if it does), and its steps."""
    mapping = smallest_mapping(problem)
    return tuple(overflows(problem, mapping, operand_buffers(problem, mapping))), steps_of(problem, mapping)


def is_cramped(problem: NestProblem) -> bool:
    """Whether single points with whole filters take an eighth of the scratchpad or more."""
    size = problem.arch.scratchpad.size_bytes
    taps = filter_taps(problem)
    if size is None or not taps:
        return False
    dims = [
        dim for dim, extent in problem.nest.dims if extent > 1 and dim not in taps and dim not in problem.nest.whole
    ]
    return CRAMPED * scratchpad_bytes(problem, operand_buffers(problem, _tiled(problem, dims, []))) >= size


def smallest_mapping(problem: NestProblem) -> Mapping:
    """The mapping whose buffers take least room: every dimension whole or in tiles of one, all keeps innermost.

    Between these two a smaller tile never needs more room; a dimension left whole may need less than tiles of one
    because what is filled once needs no second footprint.
    """
    nest, work = problem.nest, problem.nest.work
    rows = work.reduced if work is not None and work.kind == "normalise" else ()
    free = [dim for dim, extent in nest.dims if extent > 1 and dim not in nest.whole and dim != PASS]
    best: tuple[int, int, Mapping] | None = None
    for choice in product((True, False), repeat=len(free)):
        split = {dim for dim, is_split in zip(free, choice, strict=True) if is_split}
        mapping = _tiled(
            problem, [dim for dim in free if dim in split and dim not in rows], [d for d in rows if d in split]
        )
        buffers = operand_buffers(problem, mapping)
        key = (len(overflows(problem, mapping, buffers)), scratchpad_bytes(problem, buffers))
        if best is None or key < best[:2]:
            best = (*key, mapping)
    assert best is not None
    return best[2]


def _tiled(problem: NestProblem, outer: list[str], rows: list[str]) -> Mapping:
    """Tiles of one over some dimensions and over the normalised ones, which a loop over passes stands above."""
    loops = [Loop(dim, 1) for dim in outer]
    if rows:
        loops += [Loop(PASS, 1), *(Loop(dim, 1) for dim in rows)]
    return assemble(problem, tuple(loops), (len(loops),) * len(problem.nest.operands))
