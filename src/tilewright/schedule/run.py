"""Scheduling a network: rewrites, storage, a strategy, bounds."""

from __future__ import annotations

import time
from dataclasses import replace

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InputError, UsageError
from tilewright.mapping.problem import OBJECTIVES
from tilewright.mapping.search import Effort
from tilewright.schedule.floor import network_floor
from tilewright.schedule.layerwise import Progress
from tilewright.schedule.processes import seldom_collected
from tilewright.schedule.schedule import Schedule
from tilewright.schedule.strategies import LARGEST, Options
from tilewright.schedule.strategies import strategy as named
from tilewright.workload.network import Network
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import place

DEFAULT_STRATEGY = "optimal"
ROUNDING = 1e-9  # sums of the same numbers in another order differ by less, as a fraction


def schedule(
    network: Network,
    arch: Accelerator,
    objective: str = "edp",
    strategy: str = DEFAULT_STRATEGY,
    *,
    effort: Effort | None = None,
    cache: bool = True,
    timeout: float | None = None,
    progress: Progress | None = None,
    seed: int = 0,
    largest: int = LARGEST,
) -> Schedule:
    """The best schedule of a network on a machine under a strategy of ``strategies()``.

    ``objective`` is one of latency (cycles), energy (pJ), edp (pJ * cycles), traffic (DRAM bytes); ``effort`` and
    ``cache`` are those of ``map_nest`` for every operator by itself: good by default for ``layerwise``, quick for all
    others, which have array parts of their own; ``timeout`` is in seconds for everything. Groups have at
    most ``largest`` operators; ``seed`` is for strategies that throw dice. Raises UsageError for unknown names,
    InputError for a machine whose feature maps have two widths, and InfeasibleError, naming operator, memory and
    buffers, where something fits in no way.
    """
    began = time.monotonic()
    if objective not in OBJECTIVES:
        raise UsageError(f"unknown objective '{objective}'; there are {', '.join(OBJECTIVES)}")
    run = named(strategy)
    if arch.widths.input != arch.widths.output:
        raise InputError(
            f"{arch.name}: a network needs one width of feature maps, since what one operator writes the next reads;"
            f" widths.input is {arch.widths.input} and widths.output {arch.widths.output} bits: make them equal"
        )
    placed = place(rewrite(network), arch.layout)
    deadline = None if timeout is None else began + timeout
    options = Options(effort or default_effort(strategy), cache, deadline, progress, seed, largest)
    with seldom_collected():
        found = run(placed, arch, objective, options)
    floor = network_floor(placed, arch, objective)
    result = Schedule(
        placed=placed,
        arch=arch,
        objective=objective,
        strategy=strategy,
        status="feasible",
        groups=found.groups,
        bound=max(found.bound, floor),
        floor=floor,
        seconds=time.monotonic() - began,
        space=found.space,
        notes=found.notes,
        repacked=found.repacked,
    )
    return settled(result, complete=found.complete)


def default_effort(strategy: str) -> Effort:
    """How long to look for mappings of single operators, which are all that ``layerwise`` has."""
    return "good" if strategy == "layerwise" else "quick"


def settled(result: Schedule, *, complete: bool) -> Schedule:
    """Optimal where the cost meets the bound; that of a ``complete`` search is the cost but for rounding.

    A bound far above the cost is a defect, which is left to be seen.
    """
    rounding = ROUNDING * result.value
    if -rounding <= result.value - result.bound <= (rounding if complete else 0.0):
        return replace(result, status="optimal", bound=result.value)
    return result
