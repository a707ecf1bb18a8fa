"""Executing a plan: every step's loads, streams, computes and stores in the machine's order (docs/model.md, 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice

from tilewright.plan.expand import rounds
from tilewright.plan.plan import Plan, Program, Section
from tilewright.plan.step import Move, Step
from tilewright.simulate.blas import one_thread
from tilewright.simulate.compute import Computation
from tilewright.simulate.dram import last_uses
from tilewright.simulate.hazards import Hazard, HazardLog, StopExecution
from tilewright.simulate.machine import Machine, Room, share
from tilewright.simulate.program import Constant, RunningProgram
from tilewright.simulate.regions import Array
from tilewright.simulate.tiletime import Ports
from tilewright.simulate.timing import Clock, Meter, SectionTime

Expand = Callable[[Program], Iterable[Step]]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Execution:
    """What an execution did: cycles, bytes by (tensor, cause), results, and every hazard that was found.

    ``engine_cycles`` says how long each engine (dma, array, vector) was busy; ``accesses`` are (memory, bytes read,
    bytes written), every memory, outermost first. After a hazard that ended the execution the counts are those until
    then.
    """

    cycles: int
    engine_cycles: tuple[tuple[str, int], ...]
    traffic: tuple[tuple[str, str, int], ...]
    accesses: tuple[tuple[str, int, int], ...]
    outputs: Mapping[str, Array]
    hazards: tuple[Hazard, ...]

    @property
    def total_bytes(self) -> int:
        """Bytes moved to and from DRAM."""
        return sum(size for _, _, size in self.traffic)


@dataclass
class _Totals:
    cycles: int = 0
    dma: int = 0
    array: int = 0
    vector: int = 0
    accesses: dict[str, Ports] = field(default_factory=dict)
    traffic: dict[tuple[str, str], int] = field(default_factory=dict)
    outputs: dict[str, Array] = field(default_factory=dict)

    def add(self, time: SectionTime, clock: Clock) -> None:
        self.cycles += time.cycles
        self.dma += time.dma_cycles
        self.array += time.array_cycles
        self.vector += time.vector_cycles
        for memory, ports in clock.accesses().items():
            self.accesses.setdefault(memory, Ports()).add(ports)
        for key, size in clock.traffic.items():
            self.traffic[key] = self.traffic.get(key, 0) + size


def run_plan(
    plan: Plan,
    expand: Expand,
    constant: Constant,
    inputs: Mapping[str, Array],
    *,
    stop_at_hazard: bool = True,
    progress: Progress | None = None,
) -> Execution:
    """Execute a plan. ``constant`` gives the values of weights and parameters, ``inputs`` those of network inputs.

    ``progress`` is called before each section with the number of its first program, how many programs there are, and
    the operator of that one.
    """
    log = HazardLog(stop=stop_at_hazard)
    totals = _Totals()
    with suppress(StopExecution):
        _run(plan, expand, constant, inputs, log, totals, progress)
    return Execution(
        cycles=totals.cycles,
        engine_cycles=(("dma", totals.dma), ("array", totals.array), ("vector", totals.vector)),
        traffic=tuple(sorted((tensor, cause, size) for (tensor, cause), size in totals.traffic.items())),
        accesses=tuple(
            (memory.name, ports.read_bytes, ports.write_bytes)
            for memory in plan.arch.memories
            for ports in (totals.accesses.get(memory.name, Ports()),)
        ),
        outputs=totals.outputs,
        hazards=tuple(log.found),
    )


def _run(
    plan: Plan,
    expand: Expand,
    constant: Constant,
    inputs: Mapping[str, Array],
    log: HazardLog,
    totals: _Totals,
    progress: Progress | None,
) -> None:
    """Run every program and take the results of the network, all into ``totals``."""
    constants = {tensor.name for tensor in plan.tensors if tensor.constant}

    def initial(name: str) -> Array | None:
        return inputs[name] if name in inputs else constant(name) if name in constants else None

    machine = Machine(plan, log, initial)
    vectors = [array for array in plan.arrays if array.kind == "parameter"]
    tensors = {array.name: array.tensor for array in vectors}
    parameters = {array.name: machine.ids.take(array.name, array.elements) for array in vectors}
    finished = last_uses(plan)
    opened: _Opened | None = None
    for number, section in enumerate(plan.sections):
        first = plan.programs[section.programs[0]]
        if progress is not None:
            progress(section.programs[0], len(plan.programs), first.operator)
        log.at(first.operator, first.part, -1)
        current, opened = opened or _opened(plan, number, machine, expand, constant, parameters), None
        if _starts_early(plan, number + 1):
            opened = _opened(plan, number + 1, machine, expand, constant, parameters)
        clock = Clock(plan.arch, current.meters, plan.buffer, tensors)
        try:
            with one_thread():
                _Sequencer(machine, current, opened, clock, log).run()
        finally:
            totals.add(clock.finish(), clock)
        machine.maps.forget(finished.get(number, ()))
        machine.forget()
    log.at("network", 0, -1)
    for name in plan.outputs:
        totals.outputs[name], complete = machine.maps.tensor(name)
        if not complete:
            log.report("dram unwritten", f"output '{name}' has elements that nothing has written")


@dataclass(frozen=True)
class _Turn:
    """A step of a section: whose it is of the section's programs, and its number among the program's."""

    program: int
    number: int
    step: Step


class _Opened:
    """A section that is about to run: its programs, what times them, and its steps, of which the first can be seen."""

    def __init__(self, running: Sequence[RunningProgram], meters: Sequence[Meter], turns: Iterator[_Turn]) -> None:
        self.running, self.meters = running, meters
        self._turns = turns
        self._first = next(turns, None)

    @property
    def turns(self) -> Iterator[_Turn]:
        return chain(() if self._first is None else (self._first,), self._turns)

    @property
    def early(self) -> tuple[Move, ...]:
        """The loads of the first step that run beside the last step of the section before."""
        return () if self._first is None else self._first.step.early


def _starts_early(plan: Plan, number: int) -> bool:
    """Whether there is a section of that number, some loads of which run while the one before it computes."""
    if number >= len(plan.sections):
        return False
    return any(transfer.early for transfer in plan.programs[plan.sections[number].programs[0]].transfers)


def _opened(
    plan: Plan, number: int, machine: Machine, expand: Expand, constant: Constant, parameters: dict[str, int]
) -> _Opened:
    section = plan.sections[number]
    running = [RunningProgram(machine, plan.programs[k], constant, parameters) for k in section.programs]
    meters = [Meter(plan.arch, one.program, one.part, plan.buffer, len(section.shared)) for one in running]
    return _Opened(running, meters, _sequence(plan, section, expand))


def _sequence(plan: Plan, section: Section, expand: Expand) -> Iterator[_Turn]:
    """The steps of all programs of a section, in order."""
    steps = [enumerate(expand(plan.programs[k])) for k in section.programs]
    if len(steps) == 1:
        yield from (_Turn(0, number, step) for number, step in steps[0])
        return
    for which, count in rounds(plan, section):
        yield from (_Turn(which, number, step) for number, step in islice(steps[which], count))


class _Sequencer:
    """Runs the steps of one section in the order of the machine's timing."""

    def __init__(
        self, machine: Machine, current: _Opened, following: _Opened | None, clock: Clock, log: HazardLog
    ) -> None:
        self._machine, self._clock, self._log = machine, clock, log
        self._running, self._turns, self._following = current.running, current.turns, following
        self._computations = [Computation(one) for one in self._running]

    def run(self) -> None:
        arch = self._machine.plan.arch
        if arch.overlaps:
            self._overlapped(self._turns)
            return
        for turn in self._turns:
            self._at(turn)
            self._load(turn)
            self._compute(turn)
            self._store(turn)

    def _overlapped(self, turns: Iterator[_Turn]) -> None:
        """Beside the compute of a step run the stores of the one before it, then the loads of the one after; beside
        the last one, of the first step of the section that follows, those that are early.

        As these must share no bytes with the compute, which is checked, it does not matter that it comes first here.
        """
        turn, before = next(turns, None), None
        if turn is not None:
            self._at(turn)
            self._load(turn)
        while turn is not None:
            self._at(turn)
            following = next(turns, None)
            self._compute(turn)
            stores = before.step.stores if before is not None else ()
            loads = following.step.loads if following is not None else self._early
            computation = self._computations[turn.program]
            self._check_apart(stores, computation.changed)
            self._check_apart(loads, computation.used)
            self._store(before)
            self._load(following)
            if following is None:
                self._load_early()
            before, turn = turn, following
        self._store(before)

    @property
    def _early(self) -> tuple[Move, ...]:
        return () if self._following is None else self._following.early

    def _load_early(self) -> None:
        """The loads of the section that follows; its own clock does not count them."""
        if self._following is not None and self._early:
            for move in self._early:
                self._following.running[0].load(move)
            self._clock.add_early(self._early, self._following.meters[0])

    def _at(self, turn: _Turn) -> None:
        program = self._running[turn.program].program
        self._log.at(program.operator, program.part, turn.number)

    def _load(self, turn: _Turn | None) -> None:
        if turn is None:
            return
        for move in turn.step.loads:
            self._running[turn.program].load(move)

    def _store(self, turn: _Turn | None) -> None:
        if turn is None:
            return
        for move in turn.step.stores:
            self._running[turn.program].store(move)

    def _compute(self, turn: _Turn) -> None:
        if self._running[turn.program].program.largest:
            self._machine.forget()  # a fused group's step begins with nothing there
        for move in turn.step.streams:
            self._running[turn.program].load(move)
        self._computations[turn.program].run(turn.step)
        for fault in self._clock.add(turn.step, turn.program):
            self._log.report("array part", fault)

    def _check_apart(self, moves: Sequence[Move], used: Sequence[Room]) -> None:
        """No transfer may touch these rooms: what a compute beside it writes, of a load also what it reads."""
        for move in moves:
            if not self._machine.in_scratchpad(move.region.buffer):
                continue
            room = self._machine.room(move.region, move.counts, f"{move.cause} of '{move.operand}'")
            if room is not None and any(share(room, other) for other in used):
                self._log.report(
                    "shared in one step", f"{move.cause} of '{move.operand}' touches what the compute beside it uses"
                )
