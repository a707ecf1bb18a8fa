"""Which memories hold an operand, and at which width (docs/model.md, sections 2 and 4).

An operand has a chain of keeps through the on-chip memories: those that keep its role always, those that may keep it
where the mapping says so. Operators of the vector unit work on data in the scratchpad.
"""

from __future__ import annotations

from typing import Literal

from tilewright.arch.accelerator import Memory
from tilewright.mapping.boundary import Boundary, boundaries, loops_within
from tilewright.mapping.mapping import Mapping, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import without_single_loops
from tilewright.workload.nest import LoopNest

PASS = "pass"
Holding = Literal["must", "may"]


def chain(problem: NestProblem, operand: str) -> tuple[tuple[str, Holding], ...]:
    """The on-chip memories, outermost first, that must or may keep an operand.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> tpu = tw.load_arch("tpu")
    >>> chain(default_problem(tw.gemm(8, 8, 8), tpu, tpu.layout), "output")
    (('unified', 'must'), ('accumulators', 'must'))
    """
    if problem.nest.work is not None:
        return ((problem.arch.scratchpad.name, "must"),)
    role = problem.nest.operand(operand).role
    inside = problem.arch.memories[1:]
    return tuple((m.name, "must" if role in m.keeps else "may") for m in inside if m.holds(role))


def kept_in(mapping: Mapping, operand: str) -> tuple[str, ...]:
    """The memories in which a mapping keeps an operand, outermost first."""
    return tuple(keep.memory for keep in mapping.keeps if keep.operand == operand)


def bypasses(problem: NestProblem, mapping: Mapping, operand: str) -> bool:
    """Whether an operand passes the scratchpad by: its refills flow in during the steps that need them."""
    return problem.arch.scratchpad.name not in kept_in(mapping, operand)


def accumulated_dims(nest: LoopNest) -> frozenset[str]:
    """Dimensions whose loops make the output's elements arrive in parts (none where results come in a last pass)."""
    if nest.work is not None and nest.work.kind == "normalise":
        return frozenset()
    return nest.reduction_dims


def accumulating(problem: NestProblem, mapping: Mapping) -> tuple[str, ...]:
    """The memories that hold the output at accumulator width, outermost first.

    The innermost one adds results up. A memory further out does so too if its child's visits leave partial sums: a
    loop over a reduction dimension among the child's L1..Lp, results that the memory adds up itself, or, above it, a
    par over a reduction dimension, which gives it a share of each sum only.
    """
    nest = problem.nest
    mapping = without_single_loops(nest, mapping)
    if nest.work is not None:
        split = any(loop.dim in accumulated_dims(nest) for loop in mapping.loops)
        return kept_in(mapping, nest.output.name) if split else ()
    return accumulating_along(boundaries(problem, mapping, nest.output))


def accumulating_along(chain: tuple[Boundary, ...]) -> tuple[str, ...]:
    """The same from the output's boundaries, DRAM first, in a nest of multiply-accumulates."""
    found = []
    for boundary in chain[1:]:
        reductions = boundary.problem.nest.reduction_dims
        above = boundary.nodes[: boundary.begin]
        if (
            boundary.child is None
            or boundary.adds
            or loops_within(boundary, reductions)
            or any(isinstance(node, Par) and node.dim in reductions for node in above)
        ):
            found.append(boundary.parent)
    return tuple(found)


def held_bits(problem: NestProblem, mapping: Mapping, operand: str, memory: str) -> int:
    """Bits of an element of an operand in one of the memories that hold it."""
    if operand != problem.nest.output.name:
        return problem.bits(operand)
    widths = problem.arch.widths
    return widths.accumulator if memory in accumulating(problem, mapping) else widths.output


def home(problem: NestProblem, operand: str) -> Memory:
    """The outermost on-chip memory that always keeps an operand: usually the scratchpad."""
    if problem.nest.work is not None:
        return problem.arch.scratchpad
    return problem.arch.home(problem.nest.operand(operand).role)


def memories_below(problem: NestProblem, operand: str) -> tuple[Memory, ...]:
    """The memories further in than the scratchpad that always keep an operand, outermost first."""
    if problem.nest.work is not None:
        return ()
    role = problem.nest.operand(operand).role
    return tuple(memory for memory in problem.arch.below(problem.arch.scratchpad) if role in memory.keeps)


def streams(problem: NestProblem, operand: str) -> bool:
    """Whether the scratchpad never has to hold an operand."""
    return home(problem, operand) != problem.arch.scratchpad
