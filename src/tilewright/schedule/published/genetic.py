"""Layer fusion by a genetic algorithm (Horeni and Joshi, 2023)."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tilewright.schedule.offers import Offers, Solution
from tilewright.schedule.published.asked import Asked
from tilewright.schedule.published.fitness import Fitness
from tilewright.schedule.published.partitions import Partition, Partitions

Progress = Callable[[str, int, int], None]  # what, generations done, of how many

# None of these could be recovered from the paper.
ELITE = 0.1  # of a population goes on unchanged
TOURNAMENT = 3  # partitions drawn, of which the best is a parent
CROSSED = 0.7  # of the others have two parents
MUTATED = 0.8  # of those are changed besides; all that have one parent are


def genetic(
    offers: Offers,
    objective: str = "edp",
    *,
    seed: int = 0,
    population: int = 100,
    generations: int = 200,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Solution:
    """The best partition into fused groups that the algorithm meets; never worse than layer by layer.

    A genome is a partition of the graph with P(v) <= P(w) along every edge and connected groups (``Partitions``);
    crossover copies whole groups of one parent; mutations modify, split and merge; groups that have no way to run
    within the scratchpad are split; parents are found by tournament and the best stay. No map is held between groups:
    the inputs of each are streamed, its outputs stored. Fitness is the objective of layer by layer divided by the
    partition's, with the offers of the groups that make it the best (``Fitness``).

    Assumed, since the paper gives neither population nor rates nor beginning: the genome and its changes are those of
    the documented relative; 100 partitions for 200 generations, and the rates of this file; the first population is
    layer by layer and partitions made from it by some merges; a child that is there already is changed once more.
    Tiles are those of the offers, where the paper follows receptive fields.

    The same seed gives the same solution unless time runs out: past ``deadline`` (a ``time.monotonic`` moment) or
    after a first Ctrl-C the best so far is returned and is not ``complete``. Its ``bound`` is 0: the method proves
    nothing. Raises InfeasibleError that names the nodes which do not fit by themselves and their least room.
    """
    asked = Asked(offers, deadline)
    fitness = Fitness(asked, objective)
    partitions = Partitions(offers.graph, fitness.runs, Random(seed))
    begin = partitions.layer_by_layer()
    try:
        asked.check_each_alone(offers.capacity)
    except KeyboardInterrupt:
        asked.interrupt()
        asked.check_each_alone(offers.capacity)
    evolution = _Evolution(asked, fitness, partitions, begin, Random(f"{seed} parents"))
    try:
        evolution.run(population, generations, progress)
    except KeyboardInterrupt:
        asked.interrupt()
    best = evolution.best
    ratio = fitness.value(begin) / fitness.value(best) if fitness.value(best) else 1.0
    return Solution(
        fitness.choices(best),
        0.0,
        evolution.done == generations,
        (
            f"fitness: {objective} of layer by layer is {ratio:.4g} times that of the solution",
            f"generations: {evolution.done} of {generations}, population: {population}, seed: {seed}",
            f"valued: {fitness.partitions:,} partitions of {fitness.groups:,} groups",
            f"split on overflow: {partitions.overflows:,} times",
        ),
        stopped=evolution.done < generations,
    )


class _Evolution:
    """Generations of partitions and the best one met."""

    def __init__(self, asked: Asked, fitness: Fitness, partitions: Partitions, begin: Partition, rng: Random) -> None:
        self._asked, self._fitness, self._partitions = asked, fitness, partitions
        self._begin, self._rng = begin, rng
        self.best = begin
        self.done = 0

    def run(self, population: int, generations: int, progress: Progress | None) -> None:
        """Go on until the last generation or until it is late."""
        people = [self._begin]
        while len(people) < population and not self._asked.late():
            people.append(self._met(self._merged(self._rng.randint(1, max(1, len(self._begin) // 2)))))
        while self.done < generations and not self._asked.late():
            if progress is not None:
                progress("generation", self.done, generations)
            people = self._children(people)
            self.done += len(people) == population
        if progress is not None and self.done == generations:
            progress("", generations, generations)

    def _merged(self, times: int) -> Partition:
        made = self._begin
        for _ in range(times):
            made = self._partitions.merge(made)
        return made

    def _met(self, partition: Partition) -> Partition:
        """Value a partition and remember the best."""
        if self._fitness.value(partition) < self._fitness.value(self.best):
            self.best = partition
        return partition

    def _children(self, people: list[Partition]) -> list[Partition]:
        """The next generation; a shorter one if it is late."""
        ranked = sorted(people, key=lambda partition: (self._fitness.value(partition), partition))
        made = list(dict.fromkeys(ranked))[: max(1, round(ELITE * len(people)))]
        there = set(made)
        while len(made) < len(people) and not self._asked.late():
            child = self._child(people)
            if child in there:
                child = self._mutated(child)
            made.append(self._met(child))
            there.add(child)
        return made

    def _child(self, people: list[Partition]) -> Partition:
        if self._rng.random() >= CROSSED:
            return self._mutated(self._parent(people))
        child = self._partitions.crossover(self._parent(people), self._parent(people))
        return self._mutated(child) if self._rng.random() < MUTATED else child

    def _parent(self, people: list[Partition]) -> Partition:
        return min((self._rng.choice(people) for _ in range(TOURNAMENT)), key=self._fitness.value)

    def _mutated(self, partition: Partition) -> Partition:
        changes = (self._partitions.modify, self._partitions.split, self._partitions.merge)
        return self._rng.choice(changes)(partition)
