"""From the paper's schedules to mappings: the scratchpad holds its buffers, and chains of boxes are loops and keeps.

The paper says nothing of what is inside its innermost buffer: there a plain array part stands.
"""

from __future__ import annotations

from math import prod

from tilewright.errors import UsageError
from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.published.stoutchinin import DIMS, USES, Widths
from tilewright.mapping.published.stoutchinin_space import Box, Combination, Shape, Store
from tilewright.mapping.tiling import step_tile


def store_of(problem: NestProblem) -> Store:
    """The scratchpad as the formulas see it: less the room of parameters, by partition where it has any.

    UsageError if it does not hold all operands.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> hwc = tw.load_arch("hwc")
    >>> store = store_of(default_problem(tw.conv2d(K=8, C=4, Y=6, X=6), hwc, hwc.layout))
    >>> store.shared_bytes, store.input_bytes, store.weight_bytes, store.output_bytes, store.doubled
    (None, 16384, 8192, 8192, True)
    """
    arch, pad = problem.arch, problem.arch.scratchpad
    missing = [operand.name for operand in problem.nest.operands if not pad.holds(operand.role)]
    if missing:
        raise UsageError(
            f"the schedules of Stoutchinin et al. buffer every operand in {pad.name}, and {arch.name} does not let it"
            f" hold {' and '.join(missing)}; take a machine that does, or another method"
        )
    widths = Widths(problem.bits("input"), problem.bits("weight"), arch.widths.output, arch.widths.accumulator)
    sizes = [-(-size * widths.accumulator // 8) for size in (*problem.parameters, *problem.held_parameters)]
    others = sum(-(-size // arch.alignment_bytes) * arch.alignment_bytes for size in sizes)
    return Store(
        None if pad.partitions or pad.size_bytes is None else pad.size_bytes - others,
        pad.partition_bytes("input"),
        pad.partition_bytes("weight"),
        pad.partition_bytes("output"),
        widths,
        arch.alignment_bytes,
        arch.overlaps,
    )


def mapping_of(problem: NestProblem, shape: Shape, chosen: Combination) -> Mapping:
    """The loops of a combination's chain, outermost first, with every operand kept at its box."""
    loops: list[Loop] = []
    depths: dict[str, int] = {}
    now = shape.extents
    for array, inside in sorted(zip("IWO", chosen.boxes, strict=True), key=lambda item: -prod(item[1])):
        for stop in (chosen.after, inside) if array == "I" else (inside,):
            loops += _loops(shape, array, now, stop)
            now = stop
        depths[array] = len(loops)
    return kept_at(problem, tuple(loops), (depths["I"], depths["W"], depths["O"]))


def _loops(shape: Shape, array: str, outer: Box, inner: Box) -> list[Loop]:
    """Loops from one box to another; those that the array uses stand inside, where each of them refills it."""
    changed = [place for place in range(len(DIMS)) if outer[place] > inner[place]]
    changed.sort(key=lambda place: (DIMS[place] in USES[array], place))
    return [Loop(shape.names[place], inner[place]) for place in changed]


def kept_at(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, int, int]) -> Mapping:
    """Some loops with input, weight and output kept in the scratchpad below so many of them, the array part inside.

    A keep with no loop inside that its operand uses stands innermost, which is the same.
    """
    keeps: dict[int, list[Keep]] = {}
    for operand, depth in zip(problem.nest.operands, depths, strict=True):
        idle = not any(loop.dim in operand.dims for loop in loops[depth:])
        keep = Keep(operand.name, problem.arch.scratchpad.name)
        keeps.setdefault(len(loops) if idle else depth, []).append(keep)
    nodes: list[Node] = []
    for place in range(len(loops) + 1):
        nodes += keeps.get(place, [])
        nodes += loops[place : place + 1]
    return Mapping((*nodes, *default_array_part(problem, step_tile(problem.nest, loops))))
