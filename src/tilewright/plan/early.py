"""First loads of a group that run beside the last step of the group before (docs/model.md, sections 9 to 11).

A pass over a finished plan. Their buffers are placed again among all others of their group, so that in the last step of
the group before they lie in bytes of which no use is made there any more; what that group has and bases that are
held stay where they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tilewright.mapping.buffers import aligned
from tilewright.memory.buffer import Buffer as Room
from tilewright.memory.buffer import Problem
from tilewright.memory.exact import solve
from tilewright.memory.validate import problems
from tilewright.plan.expand import expand, last_step, substeps
from tilewright.plan.held import lives
from tilewright.plan.plan import Buffer, Plan, Program, Transfer
from tilewright.plan.step import Move, Region, View
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
    """The plan with the first loads of these tensors running beside the last step of the group before; None if
    some of what they bring is stored only after that step, or if no place is found for it."""
    first = plan.programs[group.programs[0]]
    transfers = tuple(
        replace(t, early=True) if t.direction == "load" and loaded_tensor(plan, first, t) in tensors else t
        for t in first.transfers
    )
    programs = list(plan.programs)
    programs[group.programs[0]] = changed = replace(first, transfers=transfers)
    loads, last = next(expand(plan, changed)).early, last_step(plan, plan.programs[before.programs[-1]])
    if any(_meet(load, store) for load in loads for store in last.stores):
        return None
    placed = _placed(plan, before, group, {load.region.buffer for load in loads})
    if placed is None:
        return None
    return replace(plan, programs=tuple(programs), buffers=tuple(placed.get(b.name, b) for b in plan.buffers))


def _meet(a: Move, b: Move) -> bool:
    """Whether two transfers may touch an element in DRAM both."""
    if a.array != b.array:
        return False
    (first, end), (other, stop) = _elements(a.offset, a.counts, a.strides), _elements(b.offset, b.counts, b.strides)
    return first < stop and other < end


def _elements(base: int, counts: Sequence[int], strides: Sequence[int]) -> Span:
    """The first element of a box and the one after its last."""
    reach = sum((count - 1) * stride for count, stride in zip(counts, strides, strict=True))
    return base, base + reach + 1


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
    come = [b for b in held if b.start == group.begin and b.name in early]
    taken = [*_used_last(plan, before), *(_span(b) for b in held if b.start < group.begin)]
    if any(a < d and c < b for a, b in map(_span, come) for c, d in taken):
        return None
    fixed = [(before.loads, group.begin, [*taken, *map(_span, come)]), (group.begin, group.end, [*map(_span, held)])]
    found = {b.name: replace(b, start=before.loads) for b in come}
    for kind, low, size in arch.scratchpad.regions:
        mine = [b for b in own if kind in (None, b.kind_class)]
        mine = [replace(b, start=before.loads) if b.name in early else b for b in mine]
        rooms = [Room(b.name, b.size_bytes, b.start, b.end, arch.alignment_bytes) for b in mine]
        for start, end, spans in fixed:
            for a, b in _merged(_units(spans, low, size, arch.alignment_bytes)):
                rooms.append(Room(f"what stays at {low + a}", b - a, start, end, arch.alignment_bytes, a))
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
    used: list[View | Move] = [*step.views, *step.stores]
    if step.through is not None:
        used.append(step.through)
    for one in used:
        buffer = plan.buffer[one.region.buffer]
        if buffer.address_bytes is not None and 0 not in one.counts:
            yield _span(buffer, one.region, one.counts)
    for name in (*compute.temporaries, *(name for _, name in compute.parameters)):
        yield _span(plan.buffer[name])


def _span(buffer: Buffer, region: Region | None = None, counts: Sequence[int] = ()) -> Span:
    """The addresses of a buffer, or of a box in a region of it; of one in a ring those of the whole buffer."""
    address = buffer.address_bytes or 0
    if region is None or region.ring_axis is not None:
        return address, address + buffer.size_bytes
    begin, end = _elements(region.base, counts, region.strides)
    return address + begin * buffer.bits // 8, address - (-end * buffer.bits // 8)


def _units(spans: Iterable[Span], low: int, size: int, unit: int) -> Iterator[Span]:
    """Spans of a region that begins at address ``low``, as offsets in it, in whole multiples of the alignment."""
    for begin, end in spans:
        if low <= begin < end <= low + size:
            yield (begin - low) // unit * unit, aligned(end - low, unit)


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
