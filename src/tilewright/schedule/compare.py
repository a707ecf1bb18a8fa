"""Strategies side by side on several networks: what each costs, and how they compare on average."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import geometric_mean
from typing import Literal

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError, InputError, LimitError, TilewrightError, UsageError
from tilewright.mapping.problem import OBJECTIVES
from tilewright.mapping.search import Effort
from tilewright.schedule.layerwise import Progress
from tilewright.schedule.run import ROUNDING, schedule, settled
from tilewright.schedule.schedule import Schedule
from tilewright.schedule.schedule import Status as Settled
from tilewright.schedule.strategies import LARGEST, strategy
from tilewright.schedule.strategies import strategies as registered
from tilewright.workload.network import Network

Status = Settled | Literal["error"]
BEST = "optimal"  # the strategy whose space contains those of all others
MEASURES = ("time", "energy", "edp", "feature_maps")


@dataclass(frozen=True)
class Row:
    """What a strategy makes of a network: a schedule, or the ``error`` that says why there is none.

    The schedule is that of the strategy ``taken_from`` if the search ended before it found one as good.
    """

    network: str
    strategy: str
    seconds: float
    schedule: Schedule | None = None
    error: TilewrightError | None = None
    taken_from: str = ""

    @property
    def status(self) -> Status:
        """That of the schedule, or how the search failed."""
        if self.schedule is not None:
            return self.schedule.status
        if isinstance(self.error, InfeasibleError):
            return "infeasible"
        return "limit" if isinstance(self.error, LimitError) else "error"


@dataclass(frozen=True)
class Average:
    """A strategy against the first one: geometric means of the ratios of their costs, of all ``networks`` of which
    both have schedules. ``ratios`` are by name of ``MEASURES``, cycles for the time, DRAM bytes for the feature maps.
    """

    strategy: str
    networks: int
    ratios: Mapping[str, float]


def compare(
    networks: Sequence[Network],
    arch: Accelerator,
    objective: str = "edp",
    strategies: Sequence[str] | None = None,
    *,
    effort: Effort | None = None,
    cache: bool = True,
    timeout: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
    largest: int = LARGEST,
) -> Iterator[Row]:
    """Schedule every network under every strategy (by default all there are); rows come one by one.

    Options are those of ``schedule``; ``timeout`` is in seconds for each row. What is infeasible, out of time or
    refused is a row too. ``optimal`` comes last of a network's: where its search ended before it found what another
    strategy of this comparison has, that is its answer. Raises UsageError for unknown names.

    >>> from tilewright import load_arch, load_model
    >>> net = load_model("ocr_classifier", until="relu_1.tmp_0")
    >>> for row in compare([net], load_arch("mobile-npu"), "traffic", ["layerwise", "pin"], effort="quick"):
    ...     print(row.strategy, row.schedule.dram_bytes.feature_maps, row.schedule.pinned)
    layerwise 110592 ()
    pin 36864 ('hardswish_0.tmp_0', 'relu_0.tmp_0')
    """
    names = registered() if strategies is None else tuple(dict.fromkeys(strategies))
    for name in names:
        strategy(name)
    if objective not in OBJECTIVES:
        raise UsageError(f"unknown objective '{objective}'; there are {', '.join(OBJECTIVES)}")

    def run(network: Network, name: str, watch: Progress | None) -> Schedule:
        return schedule(
            network, arch, objective, name,
            effort=effort, cache=cache, timeout=timeout, progress=watch, seed=seed, largest=largest,
        )  # fmt: skip

    return _rows(networks, names, run, progress)


def _rows(
    networks: Sequence[Network],
    names: Sequence[str],
    run: Callable[[Network, str, Progress | None], Schedule],
    progress: Progress | None,
) -> Iterator[Row]:
    number = 0
    for network in networks:
        others: list[Schedule] = []
        for name in sorted(names, key=lambda name: name == BEST):
            number += 1
            where = f"{network.name}, {name} ({number} of {len(networks) * len(names)})"
            began = time.monotonic()
            try:
                found = run(network, name, _within(where, progress))
            except (InfeasibleError, LimitError, InputError) as error:
                yield Row(network.name, name, time.monotonic() - began, error=error)
                continue
            except MemoryError as error:
                limit = LimitError(f"this needs more memory than there is: {error}")
                yield Row(network.name, name, time.monotonic() - began, error=limit)
                continue
            source = ""
            if name == BEST:
                found, source = _with_best(found, others)
            others.append(found)
            yield Row(network.name, name, found.seconds, found, taken_from=source)


def averages(rows: Sequence[Row], first: str) -> tuple[Average, ...]:
    """How each strategy compares with ``first``, in the order in which they come in the rows."""
    by_name: dict[str, dict[str, Schedule]] = {}
    for row in rows:
        if row.schedule is not None:
            by_name.setdefault(row.strategy, {})[row.network] = row.schedule
    base = {network: one for network, one in by_name.get(first, {}).items() if one.cycles}
    found = []
    for name, own in by_name.items():
        pairs = [(_measures(one), _measures(base[network])) for network, one in own.items() if network in base]
        if pairs:
            ratios = {key: geometric_mean([mine[key] / theirs[key] for mine, theirs in pairs]) for key in MEASURES}
            found.append(Average(name, len(pairs), ratios))
    return tuple(found)


def _measures(one: Schedule) -> dict[str, float]:
    moved = one.dram_bytes.feature_maps  # never 0: a network has an output
    return dict(zip(MEASURES, (float(one.cycles), one.energy_pj, one.edp, float(moved)), strict=True))


def _with_best(own: Schedule, others: Sequence[Schedule]) -> tuple[Schedule, str]:
    """The schedule with the groups of the best other one, if that costs less, and the name of its strategy.

    The others search parts of the same space, so the bound holds; unless single operators had more time there and are
    mapped better than in any offer of this search. Then the floor is the only bound.
    """
    best = min([own, *others], key=lambda one: one.value)  # the first of equals
    if best.value >= own.value * (1 - ROUNDING):
        return replace(own, groups=best.groups, bound=min(own.bound, best.value)), ""
    bound, notes = own.bound, (*own.notes, f"the schedule is that of {best.strategy}, which this search did not find")
    if best.value < own.bound * (1 - ROUNDING):
        bound = own.floor
        notes += ("operators are mapped better there than in all that was searched: the bound is the floor",)
    joined = replace(own, groups=best.groups, bound=bound, status="feasible", notes=notes)
    return settled(joined, complete=False), best.strategy


def _within(where: str, progress: Progress | None) -> Progress | None:
    if progress is None:
        return None

    def tell(what: str, done: int, total: int) -> None:
        progress(f"{where}: {what}", done, total)

    return tell
