"""What every memory holds, moment by moment, while a mapping runs: the heart of the slow interpreter.

For each keep and each position that has one there is a set of words (inputs, weights) or a count per word of the
points summed so far (results). Fills are set differences, sharing is a union over positions, and whether results
start from zero, are read back, added or complete is read off the counts (docs/model.md, sections 4 and 5).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product
from math import prod

from tilewright.mapping.interpreter_walk import (
    Active,
    Box,
    Cycle,
    Enter,
    Leave,
    Position,
    Ranges,
    Step,
    Word,
    Words,
    box_of,
    footprint,
    stretches,
)
from tilewright.mapping.mapping import Keep, Loop, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.workload.nest import Operand

READ, WRITE = "read", "write"


@dataclass(frozen=True)
class Moved:
    """One transfer between DRAM and a memory: ``kind`` is load, stream or store, ``box`` the indices moved along every
    axis, ``bits`` those of one element."""

    kind: str
    operand: str
    cause: str
    memory: str
    box: Box
    elements: int
    runs: int
    bits: int


@dataclass
class Stage:
    """One stop of an operand on its way to the multipliers: a memory from some node inward.

    ``pars`` of the mapping's pars stand above it, so that many chunk numbers name an instance. ``used`` of the loops
    above reach down to the innermost one whose dimension the operand uses; if that one moves a window, ``slides`` is
    the operand's axis. ``adds`` tells that the next outer stage adds arriving results up. ``footprints`` lists what
    every refill or visit needs, with the counters of the loops used; ``largest`` are the ranges of the first one.
    """

    memory: str
    pars: int = 0
    used: int = 0
    slides: int | None = None
    adds: bool = False
    sweep: tuple[int, ...] | None = None
    words: dict[Position, Words] = field(default_factory=dict)
    sums: dict[Position, dict[Word, int]] = field(default_factory=dict)
    footprints: list[tuple[tuple[int, ...], dict[Position, Box]]] = field(default_factory=list)
    largest: Ranges = field(default_factory=dict)


class Contents:
    """The state of a machine while the events of a mapping reach it, and counts of all that moved.

    ``array_side[step, memory, operand, direction]`` counts words by instance; ``outer_words`` those that a memory
    exchanges with an on-chip one further out, ``outer_bits`` with DRAM, ``delivered`` those that reach positions.
    """

    def __init__(self, problem: NestProblem, nodes: tuple[Node, ...]) -> None:
        self.problem = problem
        self.pars = [node for node in nodes if isinstance(node, Par)]
        self.nest = problem.nest
        self.stages = {operand.name: self._chain(operand, nodes) for operand in self.nest.operands}
        normalises = self.nest.work is not None and self.nest.work.kind == "normalise"
        reductions = [extent for dim, extent in self.nest.dims if dim not in self.nest.output.dims]
        self.needed = 1 if normalises else prod(reductions)
        self.moves: defaultdict[int, list[Moved]] = defaultdict(list)
        self.array_side: defaultdict[tuple[int, str, str, str], Counter[Position]] = defaultdict(Counter)
        self.outer_words: Counter[tuple[str, str, str]] = Counter()
        self.outer_bits: Counter[tuple[str, str, str]] = Counter()
        self.delivered: Counter[str] = Counter()
        self.partial: set[str] = set()
        self.drained: Counter[tuple[int, str, Position]] = Counter()
        self.far_side: defaultdict[tuple[int, str, str, str], Counter[Position]] = defaultdict(Counter)
        self.busy: Counter[int] = Counter()
        self._known: dict[tuple[str, tuple[range, ...]], tuple[Box, Words]] = {}
        everything = product(*(range(axis.size) for axis in self.nest.output.axes))
        self.stages[self.nest.output.name][0].sums[()] = dict.fromkeys(everything, 0)

    def _chain(self, operand: Operand, nodes: tuple[Node, ...]) -> list[Stage]:
        """DRAM, then every memory that keeps the operand, outermost first."""
        found = [Stage(self.problem.arch.dram.name)]
        loops: list[Loop] = []
        pars: list[Par] = []
        for node in nodes:
            if isinstance(node, Loop):
                loops.append(node)
            elif isinstance(node, Par):
                pars.append(node)
            elif node.operand == operand.name:
                used = max((k + 1 for k, loop in enumerate(loops) if loop.dim in operand.dims), default=0)
                between = pars[found[-1].pars :]
                adds = operand is self.nest.output and any(
                    par.dim not in operand.dims and par.axis not in self.problem.arch.array.reduce for par in between
                )
                slides = _window(operand, loops[used - 1].dim) if used else None
                found.append(Stage(node.memory, len(pars), used, slides, adds))
        return found

    def needs(self, operand: Operand, ranges: Ranges) -> tuple[Box, Words]:
        """The footprint of an operand as a box and as words."""
        key = (operand.name, tuple(ranges[dim] for axis in operand.axes for dim in axis.dims))
        if key not in self._known:
            box = footprint(operand, ranges)
            self._known[key] = box, frozenset(product(*box))
        return self._known[key]

    # Keeps are entered and left.

    def enter(self, event: Enter) -> None:
        """Refill a keep, or begin a visit, if this is the first moment of an iteration of the loops that it uses."""
        parent, stage, operand = self._boundary(event.keep)
        if any(turn.counter for turn in event.turns[stage.used :]):
            return
        counters = tuple(turn.counter for turn in event.turns[: stage.used])
        stage.footprints.append((counters, {p: self.needs(operand, r)[0] for p, r in event.active.items()}))
        stage.largest = stage.largest or min(event.active.items())[1]
        if operand is self.nest.output:
            self._begin_visit(operand, parent, stage, event.active, event.step)
        else:
            self._refill(operand, parent, stage, event, counters)

    def leave(self, event: Leave) -> None:
        """Drain a keep of results if this was the last moment of an iteration of the loops that it uses."""
        parent, stage, operand = self._boundary(event.keep)
        if operand is self.nest.output and all(turn.last for turn in event.turns[stage.used :]):
            self._end_visit(operand, parent, stage, event.step)

    def _boundary(self, keep: Keep) -> tuple[Stage, Stage, Operand]:
        stages = self.stages[keep.operand]
        place = next(k for k, stage in enumerate(stages) if k and stage.memory == keep.memory)
        return stages[place - 1], stages[place], self.nest.operand(keep.operand)

    def _groups(
        self, parent: Stage, below: int, positions: Iterable[Position], shared: tuple[str, ...]
    ) -> list[tuple[Position, list[Position]]]:
        """Positions in groups that share a word on its way: (instance of the parent, positions) in order.

        Those of one parent that differ only along ``shared`` axes, among the pars between the parent and ``below``.
        """
        groups: defaultdict[tuple[int, ...], list[Position]] = defaultdict(list)
        for position in sorted(positions):
            apart = [n for n in range(parent.pars, below) if self.pars[n].axis not in shared]
            groups[*position[: parent.pars], *(position[n] for n in apart)].append(position)
        return [(members[0][: parent.pars], members) for members in groups.values()]

    # Inputs and weights.

    def _refill(self, operand: Operand, parent: Stage, stage: Stage, event: Enter, counters: tuple[int, ...]) -> None:
        sweep = counters[:-1]
        held = stage.words if counters and stage.sweep == sweep and stage.slides is not None else {}
        stage.sweep = sweep
        now = {position: self.needs(operand, ranges)[1] for position, ranges in event.active.items()}
        received = {position: words - held.get(position, frozenset()) for position, words in now.items()}
        for owner, members in self._groups(parent, stage.pars, now, self.problem.arch.array.multicast):
            union = frozenset[Word]().union(*(received[position] for position in members))
            if parent is self.stages[operand.name][0]:
                self._load(operand, stage, union, event.step)
            else:
                if not union <= parent.words[owner]:
                    raise AssertionError(f"{parent.memory} lacks words of {operand.name} that {stage.memory} needs")
                self.array_side[event.step, parent.memory, operand.name, READ][owner] += len(union)
            self._receive(operand, parent, stage, sum(len(received[position]) for position in members))
        for position, words in received.items():
            bits = len(words) * self.problem.bits(operand.name)
            self.far_side[event.step, stage.memory, operand.name, WRITE][position] += bits
        stage.words = now

    def _load(self, operand: Operand, stage: Stage, words: Words, step: int) -> None:
        if not words:
            return
        kind = "load" if stage.memory == self.problem.arch.scratchpad.name else "stream"
        constant = operand.role == "weight" and self.problem.binding[operand.name].constant
        cause = "weight" if constant else "load"
        self._move(kind, operand, stage, cause, words, step, self.problem.bits(operand.name))

    def _move(self, kind: str, operand: Operand, stage: Stage, cause: str, words: Words, step: int, bits: int) -> None:
        box = box_of(words)
        runs = stretches(self.problem.binding[operand.name], box)
        self.moves[step].append(Moved(kind, operand.name, cause, stage.memory, box, len(words), runs, bits))

    def _receive(self, operand: Operand, parent: Stage, stage: Stage, words: int) -> None:
        """Words that positions write, whatever the parent had to read for them."""
        bits = self.problem.arch.widths.accumulator if operand is self.nest.output else self.problem.bits(operand.name)
        if parent is self.stages[operand.name][0]:
            self.outer_bits[stage.memory, operand.name, WRITE] += words * bits
        else:
            self.outer_words[stage.memory, operand.name, WRITE] += words
        if stage.pars > parent.pars:
            self.delivered[operand.name] += words * bits

    # Results.

    def _begin_visit(self, operand: Operand, parent: Stage, stage: Stage, active: Active, step: int) -> None:
        stage.sums = {p: dict.fromkeys(sorted(self.needs(operand, ranges)[1]), 0) for p, ranges in active.items()}
        if stage.adds:
            return
        for owner, members in self._groups(parent, stage.pars, active, self.problem.arch.array.reduce):
            back: dict[Word, Position] = {}
            for position in members:
                for word in stage.sums[position]:
                    if parent.sums[owner][word]:
                        back.setdefault(word, position)
            for word, position in back.items():
                stage.sums[position][word] = parent.sums[owner][word]
            if not back:
                continue
            if parent is self.stages[operand.name][0]:
                self._move(
                    "load", operand, stage, "readback", frozenset(back), step, self.problem.arch.widths.accumulator
                )
            else:
                self.array_side[step, parent.memory, operand.name, READ][owner] += len(back)
            self._receive(operand, parent, stage, len(back))
            for position in back.values():
                bits = self.problem.arch.widths.accumulator
                self.far_side[step, stage.memory, operand.name, WRITE][position] += bits

    def _end_visit(self, operand: Operand, parent: Stage, stage: Stage, step: int) -> None:
        outermost = parent is self.stages[operand.name][0]
        for owner, members in self._groups(parent, stage.pars, stage.sums, self.problem.arch.array.reduce):
            arriving: Counter[Word] = Counter()
            for position in members:
                arriving.update(stage.sums[position])
            if not any(arriving.values()):
                # A pass of a normalisation that only gathers statistics has no results.
                continue
            begun = 0
            for word, points in arriving.items():
                if stage.adds and parent.sums[owner][word]:
                    begun += 1
                    points += parent.sums[owner][word]
                parent.sums[owner][word] = points
            complete = {parent.sums[owner][word] == self.needed for word in arriving}
            if len(complete) > 1:
                raise AssertionError("a visit leaves some of its elements complete and others not")
            drained = sum(len(stage.sums[position]) for position in members)
            for position in members:
                self.drained[step, stage.memory, position] += len(stage.sums[position])
            if complete == {False}:
                self.partial.add(parent.memory)
            if outermost:
                self._store(operand, stage, frozenset(arriving), drained, complete == {True}, step)
                continue
            self.outer_words[stage.memory, operand.name, READ] += drained
            self.array_side[step, parent.memory, operand.name, WRITE][owner] += len(arriving)
            self.array_side[step, parent.memory, operand.name, READ][owner] += begun
        stage.sums = {}

    def _store(self, operand: Operand, stage: Stage, words: Words, drained: int, complete: bool, step: int) -> None:
        if stage.adds:
            raise AssertionError("partial results would have to be added up in DRAM")
        if not complete and stage.memory != self.problem.arch.scratchpad.name:
            raise AssertionError("partial sums leave the chip from below the scratchpad")
        widths = self.problem.arch.widths
        bits = widths.output if complete else widths.accumulator
        self._move("store", operand, stage, "store" if complete else "spill", words, step, bits)
        self.outer_bits[stage.memory, operand.name, READ] += drained * bits

    # The multipliers.

    def compute(self, event: Cycle) -> None:
        """Every active position takes its words from the innermost keeps and adds its product to its result."""
        self.busy[event.step] += 1
        array = self.problem.arch.array
        for operand in self.nest.operands:
            stage = self.stages[operand.name][-1]
            touched = {position: self.needs(operand, ranges)[1] for position, ranges in event.active.items()}
            shared = array.reduce if operand is self.nest.output else array.multicast
            for owner, members in self._groups(stage, len(self.pars), event.active, shared):
                key = (event.step, stage.memory, operand.name)
                if operand is self.nest.output:
                    self._accumulate(stage, owner, [word for p in members for word in touched[p]], key)
                    continue
                union = frozenset[Word]().union(*(touched[position] for position in members))
                if not union <= stage.words[owner]:
                    raise AssertionError(f"{stage.memory} lacks words of {operand.name} that the multipliers need")
                self.array_side[*key, READ][owner] += len(union)
                if len(self.pars) > stage.pars:
                    words = sum(len(touched[position]) for position in members)
                    self.delivered[operand.name] += words * self.problem.bits(operand.name)

    def _accumulate(self, stage: Stage, owner: Position, words: list[Word], key: tuple[int, str, str]) -> None:
        sums = stage.sums[owner]
        for word, points in Counter(words).items():
            self.array_side[*key, WRITE][owner] += 1
            self.array_side[*key, READ][owner] += sums[word] > 0
            sums[word] += points

    def vector_step(self, event: Step) -> bool:
        """What a tile step of the vector unit adds to the results; whether they had nothing before."""
        nest = self.nest
        assert nest.work is not None
        sums = self.stages[nest.output.name][-1].sums[()]
        words = self.needs(nest.output, event.ranges)[1]
        fresh = all(sums[word] == 0 for word in words)
        points = prod(len(values) for dim, values in event.ranges.items() if dim not in nest.output.dims)
        if nest.work.kind == "normalise":
            # Results come with the last of the three passes.
            points = int(event.ranges["pass"].stop == nest.extents["pass"])
        if not fresh and nest.work.kind != "normalise":
            self.partial.add(self.problem.arch.scratchpad.name)
        for word in words:
            sums[word] += points
        return fresh

    # Afterwards.

    def held_bits(self, operand: Operand, memory: str) -> int:
        """Width of an operand's words in a memory that keeps it."""
        widths = self.problem.arch.widths
        if operand is not self.nest.output:
            return self.problem.bits(operand.name)
        innermost = self.nest.work is None and memory == self.stages[operand.name][-1].memory
        return widths.accumulator if innermost or memory in self.partial else widths.output

    def all_complete(self) -> bool:
        """Whether DRAM holds every element that the nest produces with all its points, each once."""
        whole = {dim: range(extent) for dim, extent in self.nest.dims}
        produced = self.needs(self.nest.output, whole)[1]
        sums = self.stages[self.nest.output.name][0].sums[()]
        return all(points == (self.needed if word in produced else 0) for word, points in sums.items())


def _window(operand: Operand, dim: str) -> int | None:
    """The axis along which a loop over a dimension moves a window of an operand that is read."""
    if operand.role == "output":
        return None
    return next((k for k, axis in enumerate(operand.axes) if axis.is_window and dim in axis.dims), None)
