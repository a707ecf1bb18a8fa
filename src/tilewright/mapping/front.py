"""The Pareto front of energy and cycles of one nest, with a proof of how much any mapping can improve on it.

Two neighbours on a front leave a corner between them: less energy than the faster one and fewer cycles than the
thrifty one. Everything that is not covered by the front lies in such a corner. Each corner is searched by itself, for
the mapping that takes the least share of both limits (``problem.Within``), until it is proven empty or a mapping in it
makes two smaller corners of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count, pairwise
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Literal

from tilewright.errors import InfeasibleError, LimitError, UsageError
from tilewright.mapping.constraints import UNCONSTRAINED, Constraints
from tilewright.mapping.floor import floor
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.compiling import Progress, compiling_told
from tilewright.mapping.problem import NestCost, NestProblem, Within
from tilewright.mapping.search import BOUNDS, MAX_STEPS, Effort, array_search, nothing_fits
from tilewright.mapping.smallest import smallest_mapping

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

SHARE = 2  # what a corner may take of the bounds that one nest may take, as a divisor


@dataclass(frozen=True)
class FrontPoint:
    """A mapping that no other one on the front equals or beats in both energy and cycles."""

    mapping: Mapping
    cost: NestCost


@dataclass(frozen=True)
class Front:
    """Points in ascending order of cycles.

    For every mapping of ``space`` there is a point that needs at most ``1 + gap`` times its energy and ``1 + gap``
    times its cycles. It is ``optimal`` where ``gap`` is no more than the ``resolution`` that was asked for. ``open``
    corners are those that were not proven empty; ``evaluated`` mappings were evaluated exactly, ``nodes`` bounds
    computed.
    """

    points: tuple[FrontPoint, ...]
    gap: float
    resolution: float
    status: Literal["optimal", "feasible"]
    open: int
    space: str
    evaluated: int
    nodes: int
    seconds: float
    interrupted: bool = False


@dataclass
class _Archive:
    """Of all mappings evaluated those that no other one equals or beats, in ascending order of cycles."""

    points: list[FrontPoint] = field(default_factory=list)
    evaluated: int = 0

    def add(self, mapping: Mapping, cost: NestCost) -> None:
        self.evaluated += 1
        if any(p.cost.cycles <= cost.cycles and p.cost.energy_pj <= cost.energy_pj for p in self.points):
            return
        kept = [p for p in self.points if p.cost.cycles < cost.cycles or p.cost.energy_pj < cost.energy_pj]
        self.points = sorted([*kept, FrontPoint(mapping, cost)], key=lambda p: p.cost.cycles)

    def cover(self, factor: float) -> list[FrontPoint]:
        """As few points as one walk finds: every point has one in the cover that needs at most ``factor`` times its
        energy and its cycles. The fastest and the thriftiest are among them."""
        points, chosen = self.points, self.points[:1]
        while chosen[-1] is not points[-1]:
            rest = points[points.index(chosen[-1]) + 1 :]
            # The first point that those chosen leave uncovered, and the last one that covers it.
            reach = chosen[-1].cost
            bare = next((p for p in rest if reach.energy_pj > factor * p.cost.energy_pj), points[-1])
            able = [p for p in rest if p.cost.cycles <= factor * bare.cost.cycles]
            chosen = [*chosen, able[-1] if able else bare]
        return chosen


def map_front(
    problem: NestProblem,
    *,
    resolution: float = 0.01,
    effort: Effort = "proof",
    max_steps: int = MAX_STEPS,
    timeout: float | None = None,
    constraints: Constraints = UNCONSTRAINED,
    progress: Progress | None = None,
) -> Front:
    """The Pareto front of energy and cycles over the mappings of a nest, in steps of ``resolution`` (a fraction; 0 for
    every point).

    ``effort`` is ``good`` (random moves, no proof but compulsory traffic and peak compute), ``proof`` or ``long``.
    ``timeout`` in seconds and Ctrl-C end the search with the points so far. ``progress`` is told what is known, how
    many corners were looked into and how many there are so far. Raises UsageError for a nest that is none of
    multiply-accumulates, InfeasibleError if no mapping fits.
    """
    if problem.nest.work is not None:
        raise UsageError("a front needs a nest of multiply-accumulates, not an operator of the vector unit")
    if effort == "quick":
        raise UsageError("a front needs an effort of good, proof or long")
    if not 0 <= resolution < inf:
        raise UsageError(f"resolution {resolution}: a number of 0 or more is needed, such as 0.01 for steps of 1%")
    bounds = BOUNDS[effort] // SHARE
    with compiling_told(progress):
        return _Search(problem, resolution, bounds, max_steps, timeout, constraints, progress).run()


class _Search:
    def __init__(
        self,
        problem: NestProblem,
        resolution: float,
        bounds: int,
        max_steps: int,
        timeout: float | None,
        constraints: Constraints,
        progress: Progress | None,
    ) -> None:
        self.began = monotonic()
        self.deadline = None if timeout is None else self.began + timeout
        self.problem, self.bounds, self.progress = problem, bounds, progress
        self.resolution, self.factor = resolution, 1 + resolution
        self.archive = _Archive()
        first = array_search(problem, "energy", max_steps, self.deadline, constraints)
        if first is None:
            raise LimitError("the nest has too many factors or dimensions for a front: ask for one mapping")
        self.first, self.constraints = first, constraints
        self.first.judge.watch = self.archive.add
        self.least = Within(floor(problem, "energy"), floor(problem, "latency"))
        self.known: dict[Within, float] = {}  # the least share of what is in a corner
        self.nodes, self.interrupted, self.space = 0, False, ""

    def run(self) -> Front:
        self.extremes()
        if not self.archive.points and self.constraints == UNCONSTRAINED:
            self.first.judge.judge(smallest_mapping(self.problem))
        if not self.archive.points:
            if self.constraints != UNCONSTRAINED:
                raise InfeasibleError("no mapping was found that satisfies the constraints; leave one out or widen it")
            raise nothing_fits(self.problem, self.first.judge.max_steps)
        queue: list[tuple[bool, float, int, Within]] = []
        seen: set[Within] = set()
        order, done = count(), 0
        while not self.spent:
            for corner in self.corners():
                if corner not in seen:
                    seen.add(corner)
                    heappush(queue, (False, self.share(corner), next(order), corner))
            if not queue:
                break
            tried, _, _, corner = heappop(queue)
            if corner not in self.corners() or self.known.get(corner, 0.0) >= 1:
                continue
            if self.progress is not None:
                points = len(self.archive.cover(self.factor))
                self.progress(f"{points} points, at most {100 * self.gap():.1f}% off", done, done + len(queue) + 1)
            done += 1
            self.look(corner, 0 if not tried else self.bounds)
            if not tried and self.bounds and corner in self.corners():
                # First all corners by random moves, then proofs, the widest corners first.
                heappush(queue, (True, self.share(corner), next(order), corner))
        return self.result()

    def extremes(self) -> None:
        """Mappings of little energy, few cycles, and both."""
        search = self.first
        for objective in ("energy", "latency", "edp"):
            search = search if objective == "energy" else search.again(objective, self.deadline)
            self.attempt(search, 0, floor(self.problem, objective))

    def attempt(self, search: Search, bounds: int, least: float) -> float:
        """Run a search; the least that mappings which it did not evaluate may cost."""
        try:
            proof = search.run(bounds, least)
        except KeyboardInterrupt:
            self.interrupted = True
            return 0.0
        finally:
            self.nodes += search.nodes
        self.interrupted = self.interrupted or search.interrupted
        if proof.space != "nothing":
            self.space = proof.space if self.space in ("", proof.space) else "even"
        return max(proof.bound, 0.0)

    @property
    def spent(self) -> bool:
        return self.interrupted or (self.deadline is not None and monotonic() > self.deadline)

    def corners(self) -> list[Within]:
        """What the front leaves open: everything that no point of it covers."""
        cover = [point.cost for point in self.archive.cover(self.factor)]
        steps = [Within(a.energy_pj / self.factor, b.cycles / self.factor) for a, b in pairwise(cover)]
        first = Within(inf, cover[0].cycles / self.factor)
        return [first, *steps, Within(cover[-1].energy_pj / self.factor, inf)]

    def share(self, corner: Within) -> float:
        """The least share that anything takes of a corner, as far as is known."""
        least = max(self.least.energy_pj / corner.energy_pj, self.least.cycles / corner.cycles)
        return max(least, self.known.get(corner, 0.0))

    def look(self, corner: Within, bounds: int) -> None:
        """Search a corner."""
        if self.share(corner) >= 1:
            self.known[corner] = 1.0
            return
        search = self.first.again(corner, self.deadline)
        proven = self.attempt(search, bounds, self.share(corner))
        self.known[corner] = max(self.known.get(corner, 0.0), proven)

    def gap(self) -> float:
        """How much better in both any mapping can be than the point of the front next to it."""
        worst = min(min(1.0, self.share(corner)) for corner in self.corners())
        return self.factor / worst - 1 if worst > 0 else inf

    def result(self) -> Front:
        corners = self.corners()
        waiting = sum(self.share(corner) < 1 for corner in corners)
        gap = max(self.resolution, self.gap()) if waiting else self.resolution
        return Front(
            points=tuple(self.archive.cover(self.factor)),
            gap=gap,
            resolution=self.resolution,
            status="feasible" if waiting else "optimal",
            open=waiting,
            space=self.space or "every",
            evaluated=self.archive.evaluated,
            nodes=self.nodes,
            seconds=monotonic() - self.began,
            interrupted=self.interrupted,
        )
