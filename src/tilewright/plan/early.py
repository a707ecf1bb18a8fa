"""First loads of a group that run beside the last step of the group before (docs/model.md, sections 9 to 11).

A pass over a finished plan. Their buffers are placed again among all others of their group, so that in the last step of
the group before they lie in bytes of which nothing is made use there any more; what that group has and bases that are
held stay where they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import aligned
from tilewright.memory.buffer import Buffer as Room
from tilewright.memory.buffer import Problem
from tilewright.memory.exact import solve
from tilewright.memory.validate import problems
from tilewright.plan.addresses import regions
from tilewright.plan.expand import last_step, substeps
from tilewright.plan.held import lives
from tilewright.plan.plan import Buffer, Plan, Program, Transfer
from tilewright.plan.step import Region
from tilewright.schedule.schedule import Schedule

BUDGET = 200_000  # placements of single buffers that are tried before a group's first loads stay where they are
Span = tuple[int, int]  # addresses [begin, end)


@dataclass(frozen=True)
class GroupPlan:
    """A group in a plan: its programs, by number, the sub-steps [begin, end) that it takes, the one in which the loads
    beside its last step run, and the buffers of the bases that are held during it."""

    programs: range
    begin: int
    end: int
    loads: int
    held: frozenset[str]


def group_plans(schedule: Schedule, plan: Plan) -> tuple[GroupPlan, ...]:
    """The groups of a schedule in its plan."""
    found: list[GroupPlan] = []
    stays = lives(schedule.placed, schedule.groups)
    program = clock = 0
    for number, group in enumerate(schedule.groups):
        alone = group.tiled is None
        programs = range(program, program + len(group.parts if alone else group.operators))
        begin, program = clock, programs.stop
        clock += sum(substeps(plan.arch, plan.programs[k]) for k in programs) if alone else len(programs)
        held = frozenset(life.name for life in stays if life.during(number))
        # The very last sub-step of an operator by itself has the stores after its last step.
        found.append(GroupPlan(programs, begin, clock, clock - (2 if alone else 1), held))
    return tuple(found)


def started_early(plan: Plan, before: GroupPlan, group: GroupPlan, tensors: Collection[str]) -> Plan | None:
    """The plan with the first loads of these tensors running beside the last step of the group before; None if no
    place is found for what they bring."""
    first = plan.programs[group.programs[0]]
    transfers = tuple(
        replace(t, early=True) if t.direction == "load" and loaded_tensor(plan, first, t) in tensors else t
        for t in first.transfers
    )
    early = {t.buffer for t in transfers if t.early}
    placed = _placed(plan, before, group, early)
    if placed is None:
        return None
    programs = list(plan.programs)
    programs[group.programs[0]] = replace(first, transfers=transfers)
    return replace(plan, programs=tuple(programs), buffers=tuple(placed.get(b.name, b) for b in plan.buffers))


def loaded_tensor(plan: Plan, program: Program, transfer: Transfer) -> str:
    """The tensor that a transfer brings: that of an operand or a parameter, or a base that is loaded whole."""
    if transfer.cause in ("weight", "parameter"):
        return plan.array[transfer.array].tensor
    part = plan.operator[program.operator].parts[program.part]
    names = {operand.name for operand in part.nest.operands}
    return part.tensor(transfer.operand) if transfer.operand in names else transfer.operand


def _placed(plan: Plan, before: GroupPlan, group: GroupPlan, early: Collection[str]) -> dict[str, Buffer] | None:
    """The buffers of a group with their new addresses and lifetimes, or None."""
    arch = plan.arch
    named = {name: plan.buffer[name] for name in _named(plan.programs[k] for k in group.programs)}
    own = [b for name, b in named.items() if b.address_bytes is not None and name not in group.held]
    held = [b for b in plan.buffers if b.name in group.held]
    stay = [_span(arch, b) for b in held if b.start < group.begin]
    come = [b for b in held if b.start == group.begin and b.name in early]
    taken = [*_used_last(plan, before), *stay]
    if any(a < d and c < b for a, b in (_span(arch, one) for one in come) for c, d in taken):
        return None
    fixed = [(before.loads, group.begin, span) for span in _merged([*taken, *(_span(arch, one) for one in come)])]
    fixed += [(group.begin, group.end, span) for span in _merged(_span(arch, one) for one in held)]
    found = {b.name: replace(b, start=before.loads) for b in come}
    for kind, low, size in regions(arch):
        mine = [b for b in own if kind in (None, b.kind_class)]
        mine = [replace(b, start=before.loads) if b.name in early else b for b in mine]
        rooms = [Room(b.name, b.size_bytes, b.start, b.end, arch.alignment_bytes) for b in mine]
        for start, end, (a, b) in fixed:
            a, b = max(a, low), min(b, low + size)
            if a < b:
                rooms.append(Room(f"what stays at {a}", b - a, start, end, arch.alignment_bytes, a - low))
        packing = solve(Problem(tuple(rooms), size), budget=BUDGET)
        if packing.status != "feasible":
            return None
        wrong = problems(rooms, packing.offsets, size, arch.alignment_bytes)
        if wrong:  # a defect of the packer: the validator shares no code with it
            raise RuntimeError(f"first loads of {plan.programs[group.programs[0]].operator}: {'; '.join(wrong)}")
        found |= {b.name: replace(b, address_bytes=low + at) for b, at in zip(mine, packing.offsets, strict=False)}
    return found


def _used_last(plan: Plan, before: GroupPlan) -> Iterator[Span]:
    """The addresses that the last step of a group computes with, or that are stored after it."""
    program = plan.programs[before.programs[-1]]
    step, compute = last_step(plan, program), program.compute
    views = step.views if step.through is None else (*step.views, step.through)
    for one in (*views, *step.stores):
        buffer = plan.buffer[one.region.buffer]
        if buffer.address_bytes is not None and 0 not in one.counts:
            yield _span(plan.arch, buffer, _elements(buffer, one.region, one.counts))
    for name in (*compute.temporaries, *(name for _, name in compute.parameters)):
        yield _span(plan.arch, plan.buffer[name])


def _elements(buffer: Buffer, region: Region, counts: tuple[int, ...]) -> Span | None:
    """The first element of a region and the one after its last; None for all of a ring."""
    if region.ring_axis is not None:
        return None
    reach = sum((count - 1) * stride for count, stride in zip(counts, region.strides, strict=True))
    return region.base, region.base + reach + 1


def _span(arch: Accelerator, buffer: Buffer, elements: Span | None = None) -> Span:
    """The addresses of a buffer, or of some elements in it, in whole multiples of the alignment."""
    address, unit = buffer.address_bytes or 0, arch.alignment_bytes
    begin, end = 0, buffer.size_bytes
    if elements is not None:
        begin, end = elements[0] * buffer.bits // 8, -(-elements[1] * buffer.bits // 8)
    return (address + begin) // unit * unit, aligned(address + end, unit)


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Spans without overlaps.

    >>> _merged([(4, 8), (0, 2), (6, 9), (2, 3)])
    [(0, 3), (4, 9)]
    """
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((begin, end))
    return found


def _named(programs: Iterable[Program]) -> Iterator[str]:
    """All buffers that programs name."""
    for program in programs:
        compute = program.compute
        yield from (transfer.buffer for transfer in program.transfers)
        yield from (access.buffer for access in compute.accesses)
        yield from compute.temporaries
        yield from (name for _, name in compute.parameters)
        if compute.through is not None:
            yield compute.through.buffer
