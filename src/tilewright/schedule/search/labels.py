"""Energy * delay: fronts of both sums for every state of an exploration, bounded by what the states ahead cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tilewright.schedule.offers import Choice, Offer
from tilewright.schedule.search.measure import SHARES, Measure, Vector
from tilewright.schedule.search.state import INFINITE, Problem, Step, Sweep


@dataclass(eq=False, slots=True)
class Label:
    """The energy (pJ) and cycles of a way to a state, with its last step and the offer taken there."""

    energy_pj: float
    cycles: int
    before: Label | None
    step: Step | None
    offer: Offer | None


class Fronts:
    """The labels of a finished sweep's states that are not extended yet; ``rests`` bound what is ahead of each state.

    ``lost`` is the least that labels left out can lead to, ``best`` the schedule of least energy * delay.
    """

    def __init__(self, sweep: Sweep, rests: list[Vector]) -> None:
        self.sweep, self.rests = sweep, rests
        self.waiting: list[list[Label]] = [[] for _ in rests]
        self.lost = INFINITE
        self.best: Label | None = None

    def bound(self, problem: Problem) -> float:
        """The least that schedules can cost which labels were left out for or not extended to yet."""
        found = [self.lost]
        for labels, rest in zip(self.waiting, self.rests, strict=True):
            found += [label_bound(problem.measure, label, rest) for label in labels]
        return min(found)

    def choices(self, problem: Problem) -> tuple[Choice, ...]:
        """The best schedule found."""
        found: list[Choice] = []
        label = self.best
        while label is not None and label.step is not None and label.offer is not None:
            found.append(label.step.choice(problem.masks, label.offer))
            label = label.before
        return tuple(reversed(found))


def exact_rests(problem: Problem, sweep: Sweep) -> list[Vector]:
    """For each state of a finished sweep, the final one last, the least ahead in each sum over the sweep's steps."""
    everything = problem.masks.all_nodes
    if not problem.switches.known_rests:
        return [problem.rest(done) for done in (*(state.done for state in sweep.states), everything)]
    rests = np.full((len(sweep.states) + 1, problem.measure.width), np.inf)
    rests[-1] = 0.0  # the final state is the last
    steps = [step for step in sweep.steps if step.target.number >= 0]
    if steps:
        costs = np.array([step.least for step in steps])
        target = np.array([step.target.number for step in steps])
        source = np.array([step.source.number for step in steps])
        # Steps lie in the order of their sources. A target has more nodes, so a source's number is below its targets'.
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        ends = [*starts[1:].tolist(), len(steps)]
        for begin, end in zip(reversed(starts.tolist()), reversed(ends), strict=True):
            rests[source[begin]] = (costs[begin:end] + rests[target[begin:end]]).min(axis=0)
    return [tuple(row) for row in rests.tolist()]


def best_label(problem: Problem, fronts: Fronts, limit: float, most: int, tick: Callable[[], None]) -> None:
    """Extend labels state by state; those whose bound reaches ``limit`` and those of the same state that are worse in
    both sums are dropped. Of one state's the ``most`` best are kept.
    """
    measure, sweep, rests = problem.measure, fronts.sweep, fronts.rests
    ahead: list[list[Step]] = [[] for _ in sweep.states]
    for step in sweep.steps:
        if step.target.number >= 0 and rests[step.target.number][0] < INFINITE:
            sums = (s + m + r for s, m, r in zip(step.source.sums, step.least, rests[step.target.number], strict=True))
            if measure.value(list(sums)) < limit:
                ahead[step.source.number].append(step)
    fronts.waiting[0] = [Label(0.0, 0, None, None, None)]
    for number, steps in enumerate(ahead):
        tick()
        labels = _front(fronts.waiting[number])
        if len(labels) > most:
            labels.sort(key=lambda label: label_bound(measure, label, rests[number]))
            fronts.lost = min(fronts.lost, label_bound(measure, labels[most], rests[number]))
            del labels[most:]
        for step in steps:
            to = step.target.number
            for label in labels:
                for offer in step.move.fronts[step.index]:
                    energy, cycles = label.energy_pj + offer.energy_pj, label.cycles + offer.cycles
                    new = Label(energy, cycles, label, step, offer)
                    if label_bound(measure, new, rests[to]) < limit:
                        fronts.waiting[to].append(new)
        fronts.waiting[number] = []
    fronts.best = min(fronts.waiting[-1], key=lambda label: label.energy_pj * label.cycles, default=None)


def label_bound(measure: Measure, label: Label, rest: Vector) -> float:
    """The least energy * delay of schedules that go on from a label."""
    e, c = label.energy_pj / measure.energy, label.cycles / measure.cycles
    return measure.value([(1 - s) * e + s * c + r for s, r in zip(SHARES, rest, strict=True)])


def _front(labels: list[Label]) -> list[Label]:
    """Labels of which no other is as good in both sums."""
    kept: list[Label] = []
    for label in sorted(labels, key=lambda label: (label.energy_pj, label.cycles)):
        if not kept or label.cycles < kept[-1].cycles:
            kept.append(label)
    return kept
