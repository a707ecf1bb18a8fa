"""Small random damage to a plan: an address shifted, a load removed, two steps swapped, a buffer shortened."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from tilewright.mapping.mapping import Keep
from tilewright.plan.expand import expand
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan, Program
from tilewright.plan.step import Move, Region, Step
from tilewright.schedule.schedule import Schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import execute
from tilewright.workload.constants import ConstantStore

Steps = list[Step]


@dataclass(frozen=True)
class Mutation:
    """What was done, and the damaged plan with its damaged steps (those of one program, by its number)."""

    text: str
    plan: Plan
    program: int = -1
    steps: tuple[Step, ...] = ()

    def expand(self, program: Program) -> Iterable[Step]:
        """The steps to execute."""
        if self.program >= 0 and program is self.plan.programs[self.program]:
            return self.steps
        return expand(self.plan, program)


def mutate(plan: Plan, rng: random.Random) -> Mutation:
    """One mutation of one of the kinds of ``KINDS``."""
    kinds = list(KINDS)
    while True:
        found = rng.choice(kinds)(plan, rng)
        if found is not None:
            return found


def noticed(schedule: Schedule, seed: int, times: int) -> int:
    """How many of so many random mutations of a schedule's plan are found out; no other may change a result."""
    network, plan, rng = schedule.placed.network, lower(schedule), random.Random(seed)
    store, inputs = ConstantStore(network, "stored"), seeded_inputs(network, seed)
    right = execute(plan, store, inputs)
    found = 0
    for _ in range(times):
        mutation = mutate(plan, rng)
        done = execute(mutation.plan, store, inputs, steps=mutation.expand)
        if done.hazards or replace(done, outputs={}) != replace(right, outputs={}):
            found += 1
            continue
        for name, value in right.outputs.items():
            assert np.array_equal(done.outputs[name], value), (seed, mutation.text)
    return found


def address_shifted(plan: Plan, rng: random.Random) -> Mutation | None:
    """A transfer or a view reaches for another place of its buffer, a transfer for another place in DRAM, or a buffer
    stands elsewhere."""
    if rng.random() < 0.2:
        buffer = rng.choice([b for b in plan.buffers if b.address_bytes is not None])
        delta = rng.choice([-64, -3, -1, 1, 2, 17, 128])
        moved = replace(buffer, address_bytes=max(0, (buffer.address_bytes or 0) + delta))
        return Mutation(f"buffer {buffer.name} moved by {delta}", _with_buffer(plan, buffer.name, moved))
    number, steps = _steps(plan, rng)
    at = rng.randrange(len(steps))
    step, delta = steps[at], rng.choice([-5, -1, 1, 2, 9])
    where = rng.choice(["loads", "streams", "stores", "views"])
    things = list(getattr(step, where))
    if not things:
        return None
    k = rng.randrange(len(things))
    if where != "views" and rng.random() < 0.4:
        things[k] = replace(things[k], offset=things[k].offset + delta)
        text = f"{where}[{k}] of step {at} moved by {delta} in DRAM"
    else:
        things[k] = replace(things[k], region=_shifted(things[k].region, delta, rng))
        text = f"{where}[{k}] of step {at} moved by {delta} in its buffer"
    steps[at] = replace(step, **{where: tuple(things)})
    return Mutation(text, plan, number, tuple(steps))


def load_removed(plan: Plan, rng: random.Random) -> Mutation | None:
    number, steps = _steps(plan, rng)
    candidates: list[tuple[int, str, Move]] = [
        (at, where, move)
        for at, step in enumerate(steps)
        for where in ("loads", "streams")
        for move in getattr(step, where)
    ]
    if not candidates:
        return None
    at, where, gone = rng.choice(candidates)
    left = tuple(move for move in getattr(steps[at], where) if move is not gone)
    steps[at] = replace(steps[at], **{where: left})
    return Mutation(f"{gone.cause} of {gone.operand} left out in step {at}", plan, number, tuple(steps))


def steps_swapped(plan: Plan, rng: random.Random) -> Mutation | None:
    number, steps = _steps(plan, rng)
    if len(steps) < 2:
        return None
    a, b = sorted(rng.sample(range(len(steps)), 2))
    steps[a], steps[b] = steps[b], steps[a]
    return Mutation(f"steps {a} and {b} swapped", plan, number, tuple(steps))


def buffer_shortened(plan: Plan, rng: random.Random) -> Mutation | None:
    buffer = rng.choice(plan.buffers)
    less = rng.randint(1, max(1, buffer.size_bytes // 2))
    shorter = replace(buffer, size_bytes=buffer.size_bytes - less)
    return Mutation(f"buffer {buffer.name} shorter by {less}", _with_buffer(plan, buffer.name, shorter))


def array_part_changed(plan: Plan, rng: random.Random) -> Mutation | None:
    """A loop or an unrolling within the steps has another size, or two nodes have changed places."""
    number = rng.randrange(len(plan.programs))
    program = plan.programs[number]
    splits = [k for k, node in enumerate(program.array) if not isinstance(node, Keep)]
    if not splits:
        return None
    array, k = list(program.array), rng.choice(splits)
    node = array[k]
    assert not isinstance(node, Keep)
    if rng.random() < 0.6:
        array[k] = replace(node, tile=max(1, node.tile + rng.choice([-1, 1, 2])))
    else:
        other = rng.choice(splits)
        array[k], array[other] = array[other], array[k]
    programs = list(plan.programs)
    programs[number] = replace(program, array=tuple(array))
    return Mutation(f"array part of {program.operator} changed at {k}", replace(plan, programs=tuple(programs)))


KINDS: tuple[Callable[[Plan, random.Random], Mutation | None], ...] = (
    address_shifted, address_shifted, load_removed, steps_swapped, buffer_shortened, array_part_changed,
    array_part_changed,
)  # fmt: skip


def _steps(plan: Plan, rng: random.Random) -> tuple[int, Steps]:
    number = rng.randrange(len(plan.programs))
    return number, list(expand(plan, plan.programs[number]))


def _shifted(region: Region, delta: int, rng: random.Random) -> Region:
    if region.ring_axis is not None and rng.random() < 0.5:
        return replace(region, ring_start=(region.ring_start + delta) % region.ring_length)
    return replace(region, base=region.base + delta)


def _with_buffer(plan: Plan, name: str, changed: object) -> Plan:
    return replace(plan, buffers=tuple(changed if b.name == name else b for b in plan.buffers))  # type: ignore[misc]
