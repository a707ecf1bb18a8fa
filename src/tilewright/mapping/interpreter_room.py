"""The room that an interpreted mapping needs in every memory: the largest footprints that were seen (docs/model.md,
section 6, Buffers). Nothing of the fast formulas is used here."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import ceil, prod

from tilewright.mapping.interpreter_contents import Contents, Stage
from tilewright.mapping.interpreter_walk import Box, Ranges, axis_indices, size
from tilewright.workload.nest import Axis, Operand


def room_bytes(contents: Contents, tiles: list[Ranges]) -> dict[str, int]:
    """Bytes needed in each memory on the chip (in one instance of it), by its name; ``tiles`` are the steps' ranges."""
    problem = contents.problem
    pad = problem.arch.scratchpad
    found = {memory.name: 0 for memory in problem.arch.memories[1:]}
    memories = {memory.name: memory for memory in problem.arch.memories}
    for operand in problem.nest.operands:
        for stage in contents.stages[operand.name][1:]:
            bits = contents.held_bits(operand, stage.memory)
            if stage.memory == pad.name:
                found[pad.name] += _aligned(contents, ceil(_places(contents, operand, stage) * bits / 8))
                continue
            largest = max(size(box) for _, seen in stage.footprints for box in seen.values())
            slots = 2 if memories[stage.memory].double_buffered else 1
            found[stage.memory] += ceil(largest * slots * bits / 8)
    for elements in (*_temporaries(contents, tiles), *problem.parameters, *problem.held_parameters):
        found[pad.name] += _aligned(contents, ceil(elements * problem.arch.widths.accumulator / 8))
    return found


def _aligned(contents: Contents, size_bytes: int) -> int:
    alignment = contents.problem.arch.alignment_bytes
    return ceil(size_bytes / alignment) * alignment


def _places(contents: Contents, operand: Operand, stage: Stage) -> int:
    """Elements of room in the scratchpad: one or two footprints, or a ring."""
    arch = contents.problem.arch
    double = arch.overlaps
    boxes = [(counters, seen[()]) for counters, seen in stage.footprints]
    if stage.slides is None:
        return max(size(box) for _, box in boxes) * (2 if double and stage.used else 1)
    window, increment = _ring(operand.axes[stage.slides], stage.slides, boxes, stage.largest)
    length = window
    if double:
        length += min(window, increment) if stage.used == 1 else window
    others = max(prod(len(along) for k, along in enumerate(box) if k != stage.slides) for _, box in boxes)
    return others * length


def _ring(axis: Axis, place: int, boxes: list[tuple[tuple[int, ...], Box]], largest_tile: Ranges) -> tuple[int, int]:
    """Places that the longest window takes up along an axis, and the most that one move of it adds."""
    # Without edges, to see how far apart the indices of the largest tile lie.
    endless = sorted(axis_indices(replace(axis, size=1 << 40, offset=1 << 20), largest_tile))
    apart = endless[1] - endless[0] if len(endless) > 1 else 1

    def span(indices: frozenset[int]) -> int:
        return (max(indices) - min(indices)) // apart + 1 if indices else 0

    increment = 0
    for (before, old), (after, new) in pairwise(boxes):
        if before[:-1] != after[:-1]:
            continue
        fresh = new[place] - old[place]
        if fresh == new[place]:
            increment = max(increment, span(fresh))
        elif fresh:
            increment = max(increment, (max(new[place]) - max(old[place])) // apart)
    return max(span(box[place]) for _, box in boxes), increment


def _temporaries(contents: Contents, tiles: list[Ranges]) -> list[int]:
    """Elements that a normalisation keeps between its passes: two statistics a row, and the exponentials of a softmax
    whose rows are whole."""
    nest, work = contents.nest, contents.nest.work
    if work is None or work.kind != "normalise":
        return []
    found = [2 * max(prod(len(v) for d, v in t.items() if d != "pass" and d not in work.reduced) for t in tiles)]
    if work.exponentials and all(len(tile["pass"]) == nest.extents["pass"] for tile in tiles):
        found.append(max(size(contents.needs(nest.inputs[0], tile)[0]) for tile in tiles))
    return found
