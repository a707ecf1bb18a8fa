"""Executing a plan: every step's loads, streams, computes and stores in the machine's order (docs/model.md, 11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tilewright.plan.plan import Plan, Program
from tilewright.plan.step import Move, Step
from tilewright.simulate.blas import one_thread
from tilewright.simulate.compute import Computation
from tilewright.simulate.dram import last_uses
from tilewright.simulate.hazards import Hazard, HazardLog, StopExecution
from tilewright.simulate.machine import Machine, share
from tilewright.simulate.program import Constant, RunningProgram
from tilewright.simulate.regions import Array
from tilewright.simulate.tiletime import Ports
from tilewright.simulate.timing import Clock, PartTime

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

    def add(self, time: PartTime, clock: Clock) -> None:
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

    ``progress`` is called before each program with its number, how many there are, and its operator.
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
    parameters = {array.name: machine.ids.take(array.name, array.elements) for array in vectors}
    finished = last_uses(plan)
    for number, program in enumerate(plan.programs):
        if progress is not None:
            progress(number, len(plan.programs), program.operator)
        log.at(program.operator, program.part, -1)
        running = RunningProgram(machine, program, constant, parameters)
        clock = Clock(plan.arch, program, running.part, plan.buffer, {array.name: array.tensor for array in vectors})
        try:
            with one_thread():
                _Sequencer(running, clock, log).run(expand(program))
        finally:
            totals.add(clock.finish(), clock)
        machine.maps.forget(finished.get(number, ()))
        machine.forget()
    log.at("network", 0, -1)
    for name in plan.outputs:
        totals.outputs[name], complete = machine.maps.tensor(name)
        if not complete:
            log.report("dram unwritten", f"output '{name}' has elements that nothing has written")


class _Sequencer:
    """Runs the steps of one program in the order of the machine's timing."""

    def __init__(self, running: RunningProgram, clock: Clock, log: HazardLog) -> None:
        self._running, self._clock, self._log = running, clock, log
        self._machine = running.machine
        self._computation = Computation(running)

    def run(self, steps: Iterable[Step]) -> None:
        arch = self._machine.plan.arch
        if arch.timing == "pipelined" and arch.buffering == "double":
            self._overlapped(iter(steps))
            return
        for number, step in enumerate(steps):
            self._at(number)
            self._load(step.loads)
            self._compute(step)
            self._store(step.stores)

    def _overlapped(self, steps: Iterator[Step]) -> None:
        """Beside the compute of a step run the stores of the one before it, then the loads of the one after.

        As these must share no bytes with the compute, which is checked, it does not matter that it comes first here.
        """
        self._at(0)
        step = next(steps, None)
        stores: tuple[Move, ...] = ()
        if step is not None:
            self._load(step.loads)
        number = 0
        while step is not None:
            self._at(number)
            following = next(steps, None)
            loads = following.loads if following is not None else ()
            self._compute(step)
            self._check_apart((*stores, *loads))
            self._store(stores)
            self._load(loads)
            stores = step.stores
            step, number = following, number + 1
        self._store(stores)

    def _at(self, number: int) -> None:
        self._log.at(self._running.program.operator, self._running.program.part, number)

    def _load(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self._running.load(move)

    def _store(self, moves: Sequence[Move]) -> None:
        for move in moves:
            self._running.store(move)

    def _compute(self, step: Step) -> None:
        self._load(step.streams)
        self._computation.run(step)
        for fault in self._clock.add(step):
            self._log.report("array part", fault)

    def _check_apart(self, moves: Sequence[Move]) -> None:
        """No transfer may touch what the compute beside it reads or writes."""
        for move in moves:
            if not self._machine.in_scratchpad(move.region.buffer):
                continue
            room = self._machine.room(move.region, move.counts, f"{move.cause} of '{move.operand}'")
            if room is not None and any(share(room, other) for other in self._computation.used):
                self._log.report(
                    "shared in one step", f"{move.cause} of '{move.operand}' touches what the compute beside it uses"
                )
