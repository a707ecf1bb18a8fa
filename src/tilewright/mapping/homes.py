"""Where operands live on chip, and at which width (the first version's rules; docs/model.md, sections 2 and 4).

Every operand has one home: the outermost on-chip memory that always keeps its role. Usually that is the scratchpad;
a machine may keep a role only further in (weights that bypass the scratchpad), and then its tiles stream there from
DRAM. Operators of the vector unit work on data in the scratchpad.
"""

from __future__ import annotations

from tilewright.arch.accelerator import Memory
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import without_single_loops
from tilewright.workload.nest import LoopNest

PASS = "pass"


def home(problem: NestProblem, operand: str) -> Memory:
    """The memory that an operand's keep must name."""
    if problem.nest.work is not None:
        return problem.arch.scratchpad
    return problem.arch.home(problem.nest.operand(operand).role)


def memories_below(problem: NestProblem, operand: str) -> tuple[Memory, ...]:
    """The memories further in than the scratchpad that keep the operand's role, outermost first."""
    if problem.nest.work is not None:
        return ()
    role = problem.nest.operand(operand).role
    return tuple(memory for memory in problem.arch.below(problem.arch.scratchpad) if role in memory.keeps)


def streams(problem: NestProblem, operand: str) -> bool:
    """Whether the operand bypasses the scratchpad: its refills flow in during the step that needs them."""
    return home(problem, operand) != problem.arch.scratchpad


def accumulated_dims(nest: LoopNest) -> frozenset[str]:
    """Dimensions whose loops make the output's elements arrive in parts (none where results come in a last pass)."""
    if nest.work is not None and nest.work.kind == "normalise":
        return frozenset()
    return nest.reduction_dims


def output_bits(problem: NestProblem, mapping: Mapping) -> int:
    """Width of the output's buffer.

    Accumulator width where partial sums lie in it between steps: a loop over a reduction dimension above its keep
    (spilled and read back) or below it (several steps to one visit); and where it is itself the innermost memory that
    accumulates. Otherwise output width.
    """
    nest, widths = problem.nest, problem.arch.widths
    loops = without_single_loops(nest, mapping).loops
    accumulates = nest.work is None and not memories_below(problem, nest.output.name)
    if accumulates or any(loop.dim in accumulated_dims(nest) for loop in loops):
        return widths.accumulator
    return widths.output


def buffer_bits(problem: NestProblem, mapping: Mapping, operand: str) -> int:
    """Width of an operand's elements in its home."""
    if operand == problem.nest.output.name:
        return output_bits(problem, mapping)
    return problem.bits(operand)
