"""Lowering a schedule to a plan: programs with boxes, buffers with addresses (docs/model.md, sections 10 and 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError
from tilewright.mapping.buffers import OperandBuffer, operand_buffers
from tilewright.memory.allocate import packed
from tilewright.memory.buffer import Buffer as Room
from tilewright.memory.validate import problems
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.expand import iterations
from tilewright.plan.plan import Buffer, Plan, PlannedOperator, Program, TensorPlace
from tilewright.plan.program import lower_part
from tilewright.schedule.problems import nest_problem, vectors
from tilewright.schedule.schedule import Group, Schedule
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import executed_parts


def lower(schedule: Schedule) -> Plan:
    """The executable plan of a schedule. Raises InfeasibleError if buffers that fit by sum cannot be placed."""
    placed, arch = schedule.placed, schedule.arch
    arrays = ArrayTable(placed, arch)
    operators: list[PlannedOperator] = []
    buffers: list[Buffer] = []
    programs: list[Program] = []
    by_name = {operator.name: operator for operator in placed.network.operators}
    clock = 0
    for group in schedule.groups:
        for name in group.operators:
            operator = by_name[name]
            parts = executed_parts(placed, operator)
            lowered = _lower_operator(schedule, arrays, operator, parts, group, clock)
            operators.append(PlannedOperator(operator, parts))
            buffers.extend(lowered.buffers)
            programs.extend(lowered.programs)
            clock = lowered.clock
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
        buffers=tuple(buffers),
        programs=tuple(programs),
    )


@dataclass(frozen=True)
class _Lowered:
    buffers: tuple[Buffer, ...]
    programs: tuple[Program, ...]
    clock: int


def substeps(arch: Accelerator, steps: int) -> int:
    """Sub-steps of a program: with double buffers two per step and one before and after, otherwise three per step."""
    overlapped = arch.timing == "pipelined" and arch.buffering == "double"
    return 2 * steps + 2 if overlapped else 3 * steps


def _lower_operator(
    schedule: Schedule, arrays: ArrayTable, operator: Operator, parts: tuple[Part, ...], group: Group, clock: int
) -> _Lowered:
    """All parts of one operator, one after the other; its parameters stay on chip for all of them."""
    arch = schedule.arch
    began = clock
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
        length = substeps(arch, iterations(program))
        buffers += [replace(b, start=clock, end=clock + length) for b in own]
        programs.append(program)
        clock += length
    buffers = [replace(b, start=began, end=clock) for b in parameters] + buffers
    return _Lowered(_addressed(arch, operator.name, buffers), tuple(programs), clock)


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


def _addressed(arch: Accelerator, operator: str, buffers: list[Buffer]) -> tuple[Buffer, ...]:
    """Every scratchpad buffer with its address; partitions are packed each by itself, one after the other."""
    scratchpad = arch.scratchpad
    regions: list[tuple[str | None, int, int]] = [(None, 0, scratchpad.size_bytes or 0)]
    if scratchpad.partitions:
        regions, base = [], 0
        for kind, size in scratchpad.partitions:
            regions.append((kind, base, size))
            base += size
    offsets: dict[str, int] = {}
    for region, base, size in regions:
        rooms = [
            Room(b.name, b.size_bytes, b.start, b.end)
            for b in buffers
            if b.memory == scratchpad.name and region in (None, b.kind_class)
        ]
        packing = packed(rooms, size, arch.alignment_bytes)
        if packing.status != "feasible":
            place = f"partition {region} of {scratchpad.name}" if region else scratchpad.name
            raise InfeasibleError(f"{operator}: no addresses in {place} ({size} B): {packing.reason}")
        wrong = problems(rooms, packing.offsets, size, arch.alignment_bytes)
        if wrong:  # a defect of the packer: the validator shares no code with it
            raise RuntimeError(f"{operator}: wrong addresses: {'; '.join(wrong)}")
        offsets.update({r.name: base + o for r, o in zip(rooms, packing.offsets, strict=True)})
    return tuple(replace(b, address_bytes=offsets.get(b.name)) for b in buffers)
