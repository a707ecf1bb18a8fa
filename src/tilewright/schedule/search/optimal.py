"""The best schedule of a network over all orders, groups and residencies, or over a part of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule.offers import Choice, Offer, Offers, Solution
from tilewright.schedule.search.explore import explore
from tilewright.schedule.search.groups import Group, all_groups, group_of
from tilewright.schedule.search.labels import Fronts, best_label, exact_rests
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.measure import Measure, Vector
from tilewright.schedule.search.moves import Market, Moves
from tilewright.schedule.search.rests import After, Rests, shares
from tilewright.schedule.search.state import INFINITE, Problem, Sweep
from tilewright.schedule.search.switches import Switches

Progress = Callable[[float | None, float, int], None]

CLOSE = 1 - 1e-12  # sums of the same numbers in another order differ by less
NO_TIME = (
    "the search was stopped before it found a schedule that fits: give it more time, or let it start from the schedule"
    " of a simpler strategy"
)
WIDTHS = (60, 1500)  # states per layer in the first sweeps


@dataclass(frozen=True)
class Limits:
    """Where the search gives up being complete: numbers of groups, of sets of executed nodes whose rests are computed,
    of states and of steps of one sweep, of labels of one state.
    """

    groups: int = 100_000
    sets: int = 100_000
    states: int = 400_000
    steps: int = 1_500_000
    labels: int = 3_000


class Stopped(Exception):  # noqa: N818
    """The time is over: no error."""


def search(
    offers: Offers,
    objective: str,
    *,
    fusing: bool = True,
    pinning: bool = True,
    loading: bool = True,
    sequence: Sequence[frozenset[int]] | None = None,
    start: Sequence[Solution] = (),
    largest: int | None = None,
    switches: Switches | None = None,
    limits: Limits | None = None,
    deadline: float | None = None,
    progress: Progress | None = None,
) -> Solution:
    """The schedule of least ``objective``: latency (cycles), energy (pJ), edp (pJ * cycles) or traffic (DRAM bytes).

    Without ``fusing`` groups are of one node, otherwise of at most ``largest``; without ``pinning`` no base stays on
    chip between groups; without ``loading`` none is loaded whole; ``sequence`` fixes groups and order. The answer is
    never worse than those of ``start``. ``deadline`` is a ``time.monotonic`` moment; past it, and at a
    KeyboardInterrupt, the best so far is returned with what bound is known. ``progress`` gets the least known value,
    the bound, and how many states were expanded.

    Raises InfeasibleError if no schedule fits, naming nodes that run in no way, and LimitError if the search had to
    stop before there was one.
    """
    run = _Run(objective, switches or Switches(), limits or Limits(), deadline, progress)
    least: dict[int, list[Offer]] = {}
    if not offers.graph.nodes:
        return Solution((), 0.0)
    for solution in start:
        run.keep(solution.choices)
    try:
        masks = Masks(offers.graph)
        groups, after = _any(run, masks, largest if fusing else 1) if sequence is None else _fixed(masks, sequence)
        market = Market(masks, offers, pinning=pinning, loading=loading, tick=run.tick)
        least = _asked(run, market, groups)
        run.sweeps(_problem(run, masks, market, offers.capacity, least, after))
    except (KeyboardInterrupt, Stopped):
        run.notes.append("stopped before the search was complete")
        run.stopped = True
    if run.best is None:
        raise _nothing(offers, least) if run.complete else LimitError(NO_TIME)
    bound = run.value if run.complete else run.bound
    return Solution(run.best, bound, run.complete, tuple(run.notes), run.stopped)


class _Run:
    """The best known schedule and bound, and the clock."""

    def __init__(
        self, objective: str, switches: Switches, limits: Limits, deadline: float | None, progress: Progress | None
    ) -> None:
        self.objective, self.switches, self.limits = objective, switches, limits
        self.deadline, self.progress = deadline, progress
        self.best: tuple[Choice, ...] | None = None
        self.value, self.bound, self.states = INFINITE, 0.0, 0
        self.complete = self.partial = self.stopped = False
        self.notes: list[str] = []

    @property
    def limit(self) -> float:
        """Schedules of this much or more need not be found."""
        return self.value * CLOSE if self.switches.incumbent else INFINITE

    def tick(self) -> None:
        """End the search when its time is over."""
        if self.deadline is not None and monotonic() > self.deadline:
            raise Stopped

    def tick_state(self) -> None:
        """Count a state."""
        self.states += 1
        self.tick()
        if self.states % 1000 == 0:
            self.report()

    def report(self) -> None:
        """Tell how far the search is."""
        if self.progress is not None:
            self.progress(None if self.best is None else self.value, self.bound, self.states)

    def keep(self, choices: tuple[Choice, ...]) -> None:
        """Take a schedule if it is the best so far."""
        value = Solution(choices, 0.0).value(self.objective)
        if self.best is None or value < self.value:
            self.best, self.value = choices, value

    def raise_bound(self, bound: float) -> None:
        """Nothing costs less than this but perhaps what is known."""
        if not self.partial:
            self.bound = max(self.bound, min(self.value, bound * CLOSE))

    def sweeps(self, problem: Problem) -> None:
        """Explore with more and more states per layer until none is left out for lack of room."""
        nothing_done = problem.rest(0)
        if nothing_done[0] < INFINITE:
            self.raise_bound(problem.measure.value(nothing_done))
        most = max(1, self.limits.states // (1 + len(problem.masks.before)))
        for width in [*(w for w in WIDTHS if self.switches.narrow and w < most), most]:
            lost = self._sweep(problem, width)
            self.raise_bound(lost)
            self.report()
            if lost >= self.limit:
                self.complete = not self.partial
                return
        self.notes.append(f"stopped at the limit of {self.limits.states:,} states in one sweep")

    def _sweep(self, problem: Problem, width: int) -> float:
        """Take the best schedule of one exploration; returns the least that those it left out can cost."""
        sweep = Sweep([{} for _ in range(len(problem.masks.before) + 1)])
        try:
            explore(problem, sweep, self.limit, width, self.limits.steps, self.tick_state)
        except (KeyboardInterrupt, Stopped):
            self._keep_paths(problem, sweep)
            self.raise_bound(sweep.bound(problem))
            raise
        if sweep.final is None:
            return sweep.lost
        self._keep_paths(problem, sweep)
        if problem.measure.width == 1:
            return sweep.lost
        fronts = Fronts(sweep, exact_rests(problem, sweep))
        try:
            best_label(problem, fronts, self.limit, self.limits.labels, self.tick)
        except (KeyboardInterrupt, Stopped):
            self.raise_bound(min(sweep.lost, fronts.bound(problem)))
            raise
        if fronts.best is not None:
            self.keep(fronts.choices(problem))
        return min(sweep.lost, fronts.lost)

    def _keep_paths(self, problem: Problem, sweep: Sweep) -> None:
        """Take the schedules that are least in one of the sums, if the sweep came to its end by any way."""
        if sweep.final is not None:
            for number in range(problem.measure.width):
                self.keep(sweep.path(problem, number))


def _any(run: _Run, masks: Masks, largest: int | None) -> tuple[tuple[Group, ...], After]:
    """All groups, and which can be next."""
    groups = all_groups(masks, largest, run.limits.groups, run.tick)
    run.notes += [groups.cut] if groups.cut else []
    return groups.all, lambda done: groups.at(done, masks.frontier(done))


def _fixed(masks: Masks, sequence: Sequence[frozenset[int]]) -> tuple[tuple[Group, ...], After]:
    """The groups of a fixed sequence, and which is next."""
    groups: list[Group] = []
    following: dict[int, list[Group]] = {}
    done = 0
    for members in sequence:
        group = group_of(masks, sum(1 << k for k in members))
        if group is None or group.nodes & done or group.needs & ~done:
            names = ", ".join(masks.graph.nodes[k].name for k in sorted(members))
            raise ValueError(f"not a sequence of groups: {names} cannot be number {len(groups)} of it")
        groups.append(group)
        following[done] = [group]
        done |= group.nodes
    return tuple(groups), lambda done: following.get(done, [])


def _asked(run: _Run, market: Market, groups: tuple[Group, ...]) -> dict[int, list[Offer]]:
    """What each group costs at least, small ones first. If that takes half of the time, larger ones are left out."""
    now = monotonic()
    half = None if run.deadline is None else (now + run.deadline) / 2
    least: dict[int, list[Offer]] = {}
    in_order = sorted(groups, key=lambda group: len(group.members))
    market.prepare(in_order, None if half is None else half - (half - now) / 10)  # to ask what is ready takes time too
    for group in in_order:
        if half is not None and monotonic() > half:
            size = len(group.members)
            run.partial = True
            run.notes.append(f"no time to look at groups of {size} and more operators, so there is no bound")
            return {nodes: found for nodes, found in least.items() if nodes.bit_count() < size}
        found = market.all_of(group)
        if found:
            least[group.nodes] = found
    return least


def _problem(
    run: _Run, masks: Masks, market: Market, capacity: int, least: dict[int, list[Offer]], after: After
) -> Problem:
    """The moves and bounds for an objective. Mixed sums are taken about the least energy and delay there could be."""
    measure = Measure(run.objective, lines=run.switches.lines)
    if run.objective == "edp":
        both: dict[int, Vector] = {
            k: (min(o.energy_pj for o in found), min(o.cycles for o in found)) for k, found in least.items()
        }
        energy, cycles = (
            (min(sum(column), 1e300) for column in zip(*shares(masks, both), strict=True)) if both else (1, 1)
        )
        measure = replace(measure, energy=energy or 1.0, cycles=cycles or 1.0)
    low = {k: measure.least(found) for k, found in least.items()}
    rests = Rests(masks, after, low, run.limits.sets, run.tick)
    if not rests.complete:
        run.notes.append(f"more than {run.limits.sets:,} sets of executed operators: bounds by shares of operators")
    return Problem(masks, capacity, measure, Moves(masks, market, low, measure), rests, after, run.switches)


def _nothing(offers: Offers, least: dict[int, list[Offer]]) -> InfeasibleError:
    """Why there is no schedule."""
    runs = 0
    for nodes in least:
        runs |= nodes
    never = [node.name for k, node in enumerate(offers.graph.nodes) if not runs >> k & 1]
    if never:
        return InfeasibleError(
            f"the scratchpad of {offers.capacity:,} bytes is too small for {', '.join(never)}: no group with them fits"
        )
    return InfeasibleError(
        f"the scratchpad of {offers.capacity:,} bytes is too small: each operator fits in some group, but no sequence"
        " of groups fits with what has to stay on chip between them"
    )
