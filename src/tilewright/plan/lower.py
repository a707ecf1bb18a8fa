"""Lowering a schedule to a plan: programs with boxes, buffers with addresses (docs/model.md, sections 10 and 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.errors import InfeasibleError
from tilewright.mapping.buffers import OperandBuffer, operand_buffers
from tilewright.plan.addresses import addressed
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.early import group_plans, started_early
from tilewright.plan.expand import substeps
from tilewright.plan.fused import lower_group
from tilewright.plan.held import Life, lives, shared_places
from tilewright.plan.layouts import buffer as held_buffer
from tilewright.plan.plan import Buffer, Plan, PlannedOperator, Program, Section, TensorPlace
from tilewright.plan.program import lower_part
from tilewright.schedule.problems import nest_problem, vectors
from tilewright.schedule.schedule import Group, Schedule
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import executed_parts


@dataclass(frozen=True)
class _Lowered:
    """A group, or an operator: buffers with lifetimes from its own beginning, and how many sub-steps it takes."""

    buffers: tuple[Buffer, ...]
    programs: tuple[Program, ...]
    sections: tuple[Section, ...]
    length: int


def lower(schedule: Schedule) -> Plan:
    """The executable plan of a schedule. Raises InfeasibleError if buffers that fit by sum cannot be placed, also those
    of first loads that the schedule says are early."""
    plan = _lowered(schedule)
    groups = group_plans(schedule, plan) if schedule.early else ()
    for one in schedule.early or ():
        started = started_early(plan, groups[one.group - 1], groups[one.group], one.tensors)
        if started is None:
            names = " + ".join(schedule.groups[one.group].operators)
            raise InfeasibleError(f"{names}: no addresses for what is loaded early: {', '.join(one.tensors)}")
        plan = started
    return plan


def _lowered(schedule: Schedule) -> Plan:
    """The plan in which every group starts after the one before has ended."""
    placed, arch = schedule.placed, schedule.arch
    arrays = ArrayTable(placed, arch)
    operators: list[PlannedOperator] = []
    programs: list[Program] = []
    sections: list[Section] = []
    found: list[tuple[Buffer, ...]] = []
    begins = [0]
    stays = lives(placed, schedule.groups)
    for number, group in enumerate(schedule.groups):
        mine = [placed.network.operator[name] for name in group.operators]
        operators += [PlannedOperator(operator, executed_parts(placed, operator)) for operator in mine]
        lowered = _lower_group(schedule, arrays, group, number, stays, len(programs))
        programs += lowered.programs
        sections += lowered.sections
        found.append(tuple(_later(b, begins[-1]) for b in lowered.buffers))
        begins.append(begins[-1] + lowered.length)
    network = placed.network
    return Plan(
        model=network.reference,
        arch=arch,
        tensors=network.tensors,
        inputs=network.inputs,
        outputs=network.outputs,
        derived=network.derived,
        operators=tuple(operators),
        arrays=arrays.arrays(),
        places=tuple(TensorPlace(s.tensor, s.base, s.offset, s.strides) for s in placed.storages),
        buffers=_placed(schedule, found, stays, begins),
        programs=tuple(programs),
        sections=tuple(sections),
    )


def _placed(
    schedule: Schedule, found: list[tuple[Buffer, ...]], stays: tuple[Life, ...], begins: list[int]
) -> tuple[Buffer, ...]:
    """All buffers with addresses; groups between which nothing is held are placed apart from each other."""
    arch, sizes = schedule.arch, dict(schedule.placed.bases)
    held = [
        held_buffer(
            arch,
            life.name,
            life.base,
            "input",
            (sizes[life.base],),
            arch.widths.output,
            (begins[life.first], begins[life.last + 1]),
        )
        for life in stays
    ]
    places = [[stays[k].name for k in chain] for chain in shared_places(schedule.groups, stays) if len(chain) > 1]
    result: list[Buffer] = []
    start = 0
    for end in range(1, len(found) + 1):
        if any(life.first < end <= life.last for life in stays):
            continue
        here = [b for life, b in zip(stays, held, strict=True) if start <= life.first < end]
        names = {b.name for b in here}
        label = " + ".join(name for group in schedule.groups[start:end] for name in group.operators)
        mine = [b for buffers in found[start:end] for b in buffers]
        result += addressed(arch, label, [*here, *mine], [chain for chain in places if chain[0] in names])
        start = end
    return tuple(result)


def _later(found: Buffer, by: int) -> Buffer:
    return replace(found, start=found.start + by, end=found.end + by)


def _lower_group(
    schedule: Schedule, arrays: ArrayTable, group: Group, number: int, stays: tuple[Life, ...], first: int
) -> _Lowered:
    """A group's programs, numbered from ``first``."""
    placed = schedule.placed
    if group.tiled is not None:
        mine = {*group.resident_in, *group.resident_out, *group.tiled.loaded}
        held = {life.base: life.name for life in stays if life.during(number) and life.base in mine}
        fused = lower_group(placed, schedule.arch, arrays, group, held, first)
        return _Lowered(fused.buffers, fused.programs, (fused.section,), len(fused.programs))
    buffers: list[Buffer] = []
    programs: list[Program] = []
    clock = 0
    for name in group.operators:
        lowered = _lower_operator(schedule, arrays, placed.network.operator[name], group)
        buffers += (_later(b, clock) for b in lowered.buffers)
        programs += lowered.programs
        clock += lowered.length
    sections = tuple(Section((first + k,)) for k in range(len(programs)))
    return _Lowered(tuple(buffers), tuple(programs), sections, clock)


def _lower_operator(schedule: Schedule, arrays: ArrayTable, operator: Operator, group: Group) -> _Lowered:
    """All parts of one operator, one after the other; its parameters stay on chip for all of them."""
    arch = schedule.arch
    parts: tuple[Part, ...] = executed_parts(schedule.placed, operator)
    clock = 0
    parameters: list[Buffer] = []
    buffers: list[Buffer] = []
    programs: list[Program] = []
    mine = [part for part in group.parts if part.operator == operator.name]
    for entry, part in zip(mine, parts, strict=True):
        found = operand_buffers(nest_problem(schedule.placed, arch, operator, parts, entry.part), entry.mapping)
        own = [
            _buffer(f"{operator.name}/{entry.part}/{b.operand}", b)
            for b in found
            if b.memory == arch.scratchpad.name and not _is_parameter(b)
        ]
        if entry.part == 0:
            sizes = [b for b in found if _is_parameter(b)]
            roles = [role for role, _, _ in vectors(schedule.placed, operator)]
            parameters = [
                replace(_buffer(f"{operator.name}/{role}", b), operand=role)
                for role, b in zip(roles, sizes, strict=True)
            ]
        program = lower_part(schedule.placed, arch, arrays, operator, part, entry, own, parameters)
        length = substeps(arch, program)
        buffers += [replace(b, start=clock, end=clock + length) for b in own]
        programs.append(program)
        clock += length
    buffers = [replace(b, start=0, end=clock) for b in parameters] + buffers
    return _Lowered(tuple(buffers), tuple(programs), (), clock)


def _is_parameter(buffer: OperandBuffer) -> bool:
    return buffer.operand.startswith("parameter")


def _buffer(name: str, found: OperandBuffer) -> Buffer:
    return Buffer(
        name=name,
        operand=found.operand,
        memory=found.memory,
        kind_class=found.kind_class,
        counts=found.counts,
        slots=found.slots,
        ring_axis=found.ring_axis,
        ring_length=found.ring_length,
        ring_step=found.ring_step,
        bits=found.bits,
        size_bytes=found.size_bytes,
        address_bytes=None,
        start=0,
        end=0,
    )
