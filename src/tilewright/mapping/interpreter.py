"""A mapping walked loop by loop, position by position, with sets of words: the slow oracle of ``evaluate``.

Nothing of the fast model is used here. Every memory of every position has its real contents, so that a word which is
not where the mapping says stops the interpretation, and whether partial sums start from zero, are read back, added up
or complete follows from counting each element's contributions. Only for nests of a few thousand points; tests compare
it with ``evaluate`` for equality.

    interpreter_walk      the order of events
    interpreter_contents  what every memory holds, and what moves
    interpreter_vector    passes of the vector unit
    interpreter_time      cycles
    interpreter_room      room
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, prod

from tilewright.mapping.interpreter_contents import READ, WRITE, Contents
from tilewright.mapping.interpreter_room import room_bytes
from tilewright.mapping.interpreter_time import (
    TIMINGS,
    Bits,
    Pass,
    StepSeen,
    limits,
    parameter_bytes,
    tile_cycles,
    total_cycles,
)
from tilewright.mapping.interpreter_vector import vector_passes
from tilewright.mapping.interpreter_walk import Cycle, Enter, Leave, Step, footprint, real_nodes, walk
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestProblem

__all__ = ["Interpreted", "footprint", "interpret", "interpreted"]


@dataclass(frozen=True)
class Interpreted:
    """All that was seen of a mapping.

    ``cycles`` has the nest's cycles under every timing of ``TIMINGS``, ``own_cycles`` those of the machine's own.
    ``ports`` are cycles that computing and every memory take by themselves, as a roofline counts them. ``traffic`` is
    DRAM bytes by (operand, cause), ``accesses`` bytes (read, written) by (memory, operand), ``room`` bytes needed in
    one instance of each memory. ``returns`` tells whether a step reads back what the step before it spills.
    """

    steps: tuple[StepSeen, ...]
    tiles: tuple[int, ...]
    cycles: dict[str, int]
    own_cycles: int
    ports: dict[str, int]
    traffic: dict[tuple[str, str], int]
    accesses: dict[tuple[str, str], tuple[int, int]]
    delivered_bytes: int
    compute_cycles: int
    macs: int
    vector_operations: int
    energy_pj: float
    room: dict[str, int]
    returns: bool


def interpreted(problem: NestProblem, mapping: Mapping) -> Interpreted:
    """Run a mapping of legal structure and count everything; AssertionError where it does not deliver what it must.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> from tilewright.mapping.text import parse_mapping
    >>> nest, tiny = tw.gemm(M=2, N=2, K=2), tw.load_arch("tiny")
    >>> text = "keep input in glb" + chr(10) + "keep weight in glb" + chr(10) + "keep output in glb"
    >>> seen = interpreted(default_problem(nest, tiny, "nhwc"), parse_mapping(text, nest, tiny))
    >>> seen.macs, seen.compute_cycles, seen.traffic["input", "load"]
    (8, 8, 4)
    """
    nest = problem.nest
    nodes = real_nodes(nest, mapping)
    contents = Contents(problem, nodes)
    steps: list[StepSeen] = []
    fresh: list[bool] = []
    for event in walk(nest, nodes, problem.arch.scratchpad.name):
        if isinstance(event, Enter):
            contents.enter(event)
        elif isinstance(event, Leave):
            contents.leave(event)
        elif isinstance(event, Cycle):
            contents.compute(event)
        else:
            steps.append(StepSeen(event.ranges))
            fresh.append(contents.vector_step(event) if nest.work is not None else True)
    if not contents.all_complete():
        raise AssertionError("some results in DRAM lack contributions or have some twice")

    for number, step in enumerate(steps):
        step.moves = contents.moves[number]
        if nest.work is None:
            step.passes = [Pass(contents.busy[number], _busiest(contents, number))]
        else:
            partial = not all(fresh) and nest.work.kind != "normalise"
            step.passes = vector_passes(contents, Step(number, step.ranges), fresh=fresh[number], partial=partial)
    return _summary(problem, contents, steps)


def interpret(problem: NestProblem, mapping: Mapping) -> tuple[StepSeen, ...]:
    """Every tile step of a mapping in order, with all that moves for it."""
    return interpreted(problem, mapping).steps


def _busiest(contents: Contents, step: int) -> Bits:
    """Bits that pass every memory in a step, by (memory, operand, direction): the most of any instance. At the
    scratchpad only those on the array's side count, further in those that its parent gives and takes as well."""
    moved: defaultdict[tuple[str, str, str], Counter[tuple[int, ...]]] = defaultdict(Counter)
    pad, nest = contents.problem.arch.scratchpad.name, contents.nest
    for (number, memory, name, direction), words in contents.array_side.items():
        if number == step:
            bits = contents.held_bits(nest.operand(name), memory)
            for instance, count in words.items():
                moved[memory, name, direction][instance] += count * bits
    for (number, memory, name, direction), sizes in contents.far_side.items():
        if number == step and memory != pad:
            moved[memory, name, direction].update(sizes)
    for (number, memory, instance), count in contents.drained.items():
        if number == step and memory != pad:
            outermost = contents.stages[nest.output.name][1].memory == memory
            bits = contents.problem.arch.widths.output if outermost else contents.held_bits(nest.output, memory)
            moved[memory, nest.output.name, READ][instance] += count * bits
    return {key: max(sizes.values()) for key, sizes in moved.items()}


def _summary(problem: NestProblem, contents: Contents, steps: list[StepSeen]) -> Interpreted:
    arch, nest = problem.arch, problem.nest
    traffic: Counter[tuple[str, str]] = Counter()
    for step in steps:
        for (_, name, cause, _), (size_bytes, _) in step.transfers().items():
            traffic[name, cause] += size_bytes
    if sum(parameter_bytes(problem)):
        traffic["parameters", "parameter"] = sum(parameter_bytes(problem))
    accesses = _accesses(problem, contents, steps)
    delivered = sum(ceil(bits / 8) for bits in contents.delivered.values())
    operations = sum(one.operations for step in steps for one in step.passes)
    operations += problem.activations * prod(nest.extents[dim] for dim in nest.output.dims)
    macs = nest.points if nest.work is None else 0
    cycles = {timing: total_cycles(problem, timing, steps) for timing in TIMINGS}
    own = cycles["roofline" if arch.timing == "roofline" else arch.buffering]
    memories = {memory.name: memory for memory in arch.memories}
    energy = sum(
        read * memories[name].read_pj + written * memories[name].write_pj
        for (name, _), (read, written) in accesses.items()
    )
    energy += delivered * arch.array.link_pj + macs * arch.array.mac_pj + operations * arch.vector.operation_pj
    energy += own * arch.leakage_pj_per_cycle
    return Interpreted(
        steps=tuple(steps),
        tiles=tuple(tile_cycles(problem, step) for step in steps),
        cycles=cycles,
        own_cycles=own,
        ports=limits(problem, steps),
        traffic=dict(traffic),
        accesses=accesses,
        delivered_bytes=delivered,
        compute_cycles=sum(one.busy for step in steps for one in step.passes),
        macs=macs,
        vector_operations=operations,
        energy_pj=energy,
        room=room_bytes(contents, [step.ranges for step in steps]),
        returns=_returns(steps),
    )


def _accesses(
    problem: NestProblem, contents: Contents, steps: list[StepSeen]
) -> dict[tuple[str, str], tuple[int, int]]:
    """Bytes (read, written) by (memory, operand): bits summed over the nest, transfers with DRAM at it and at the
    scratchpad each by itself."""
    dram, pad = problem.arch.dram.name, problem.arch.scratchpad.name
    whole: Counter[tuple[str, str, str]] = Counter()
    bits: Counter[tuple[str, str, str]] = Counter()
    for step in steps:
        for (kind, name, _, memory), (size_bytes, _) in step.transfers().items():
            whole[dram, name, WRITE if kind == "store" else READ] += size_bytes
            if memory == pad:
                whole[pad, name, READ if kind == "store" else WRITE] += size_bytes
        for one in step.passes if problem.nest.work is not None else ():
            bits.update(one.bits)
    for size_bytes in parameter_bytes(problem):
        whole[dram, "parameters", READ] += size_bytes
        whole[pad, "parameters", WRITE] += size_bytes
    for (_, memory, name, direction), words in contents.array_side.items():
        bits[memory, name, direction] += words.total() * contents.held_bits(problem.nest.operand(name), memory)
    for (memory, name, direction), count in contents.outer_words.items():
        bits[memory, name, direction] += count * contents.held_bits(problem.nest.operand(name), memory)
    for (memory, name, direction), count in contents.outer_bits.items():
        if memory != pad:
            bits[memory, name, direction] += count
    found: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (memory, name, direction), size_bytes in whole.items():
        found[memory, name][direction == WRITE] += size_bytes
    for (memory, name, direction), count in bits.items():
        found[memory, name][direction == WRITE] += ceil(count / 8)
    return {key: (read, written) for key, (read, written) in found.items() if read or written}


def _returns(steps: list[StepSeen]) -> bool:
    """Whether a step reads back a word that the step just before it spills."""
    for before, after in pairwise(steps):
        spilled = [move.box for move in before.moves if move.cause == "spill"]
        back = [move.box for move in after.moves if move.cause == "readback"]
        if any(all(a & b for a, b in zip(out, again, strict=True)) for out in spilled for again in back):
            return True
    return False
