"""Tilewright: the best way to run a neural network on an accelerator with scratchpad memory, proven and executed.

    import tilewright as tw

    schedule = tw.schedule(tw.load_model("resnet18"), tw.load_arch("mobile-npu"), objective="edp")
    run = tw.simulate(schedule)

Importing this loads nothing heavy: each function imports what it needs when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from tilewright import errors

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator
    from tilewright.arch.load import load_arch
    from tilewright.emit.drawn import ExplainedResult
    from tilewright.mapping.einsum import einsum
    from tilewright.mapping.front import Front
    from tilewright.mapping.nests import conv2d, depthwise, gemm
    from tilewright.memory.allocate import allocate
    from tilewright.plan.plan import Plan
    from tilewright.schedule.compare import compare
    from tilewright.schedule.schedule import Schedule
    from tilewright.simulate.run import Run
    from tilewright.workload.constants import ConstantStore
    from tilewright.workload.nest import LoopNest
    from tilewright.workload.network import Network
    from tilewright.workload.onnx_import import load_model

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "allocate",
    "compare",
    "conv2d",
    "depthwise",
    "einsum",
    "errors",
    "gemm",
    "load_arch",
    "load_model",
    "map_front",
    "map_nest",
    "schedule",
    "simulate",
]


# Where the names live that need nothing added; they are imported when they are first asked for.
_HOMES = {
    "allocate": "tilewright.memory.allocate",
    "compare": "tilewright.schedule.compare",
    "conv2d": "tilewright.mapping.nests",
    "depthwise": "tilewright.mapping.nests",
    "einsum": "tilewright.mapping.einsum",
    "gemm": "tilewright.mapping.nests",
    "load_arch": "tilewright.arch.load",
    "load_model": "tilewright.workload.onnx_import",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'tilewright' has no attribute '{name}'")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def schedule(
    network: Network,
    arch: Accelerator,
    objective: str = "edp",
    strategy: str | None = None,
    *,
    effort: Literal["quick", "good", "proof", "long"] | None = None,
    timeout: float | None = None,
    cache: bool = True,
    prefetch: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    seed: int = 0,
    largest: int | None = None,
) -> Schedule:
    """How to run a network on a machine: tiles, loop orders, buffers, and what it costs.

    ``objective`` is ``latency`` (cycles), ``energy`` (pJ), ``edp`` (pJ * cycles) or ``traffic`` (DRAM bytes);
    ``strategy`` one of `tilewright schedule --help`, by default ``optimal``; ``effort`` and ``cache`` are those of
    ``map_nest`` for every operator by itself, good by default for ``layerwise`` and quick for all others;
    ``timeout`` in seconds. With ``prefetch`` first loads of a group start while the group before it computes wherever
    that saves cycles; ``planned_cycles`` of the result counts that, all else is as without. ``progress`` is
    called with what is being worked on, how many are done and how many there are (0 if nobody knows). Groups have at
    most ``largest`` operators, by default 5; ``seed`` is for strategies that throw dice. Raises
    ``errors.InfeasibleError`` where something fits in no way.
    """
    from tilewright.schedule import run
    from tilewright.schedule.strategies import LARGEST

    found = run.schedule(
        network,
        arch,
        objective,
        run.DEFAULT_STRATEGY if strategy is None else strategy,
        effort=effort,
        timeout=timeout,
        cache=cache,
        progress=progress,
        seed=seed,
        largest=LARGEST if largest is None else largest,
    )
    if not prefetch:
        return found
    from tilewright.plan.prefetch import with_early_loads

    return with_early_loads(found)


def simulate(
    schedule: Schedule,
    *,
    plan: Plan | None = None,
    weights: str | ConstantStore = "auto",
    inputs: str | Path | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Run:
    """Execute a schedule on real tensors and compare bytes, cycles and results with what it claims.

    ``plan`` is executed if given, else the one that follows from the schedule. ``weights`` is ``auto``, ``stored`` or
    ``seeded:N``; ``inputs`` an ``.npz`` file with an array per network input, by default random numbers from ``seed``.
    ``progress`` is as for ``schedule``.
    """
    from tilewright.plan.lower import lower
    from tilewright.simulate.inputs import read_inputs, seeded_inputs
    from tilewright.simulate.run import Claim, simulate
    from tilewright.workload.constants import ConstantStore

    network = schedule.placed.network
    store = ConstantStore(network, weights) if isinstance(weights, str) else weights
    values = seeded_inputs(network, seed) if inputs is None else read_inputs(inputs, network)

    def watch(done: int, total: int, what: str) -> None:
        if progress is not None:
            progress(what, done, total)

    claim = Claim(schedule.planned_cycles, schedule.traffic, schedule.accesses)
    return simulate(plan or lower(schedule), store, values, claim, progress=watch)


def map_nest(
    nest: LoopNest,
    arch: Accelerator,
    objective: str = "edp",
    *,
    effort: Literal["quick", "good", "proof", "long"] = "proof",
    timeout: float | None = None,
    cache: bool = True,
) -> ExplainedResult:
    """The best mapping of one nest on a machine, its operands dense arrays in DRAM.

    ``effort``: ``quick`` for a plain mapping, ``good`` for a search through the whole hierarchy, ``proof`` for one that
    is proven the best where that takes seconds, ``long`` for minutes; ``timeout`` in seconds ends any of them with the
    best so far. Results are kept on disk and found again unless ``cache`` is false. A notebook draws the result, and
    its ``explain()`` says what `tilewright explain` prints.
    """
    from tilewright.emit.drawn import explained
    from tilewright.mapping.nests import default_problem
    from tilewright.mapping.store import stored_map_nest

    problem = default_problem(nest, arch, arch.layout)
    return explained(stored_map_nest(problem, objective, effort=effort, timeout=timeout, cache=cache), problem)


def map_front(
    nest: LoopNest,
    arch: Accelerator,
    *,
    resolution: float = 0.01,
    effort: Literal["good", "proof", "long"] = "proof",
    timeout: float | None = None,
) -> Front:
    """The Pareto front of energy and cycles of one nest on a machine, its operands dense arrays in DRAM.

    For every mapping one of the points needs at most ``1 + gap`` times its energy and its cycles; ``gap`` is
    ``resolution``, a fraction, where that is proven, else more.

    >>> front = map_front(gemm(M=8, N=8, K=8), load_arch("flat-64k"))
    >>> [(point.cost.cycles, point.cost.energy_pj) for point in front.points], front.status
    ([(48, 24064.0)], 'optimal')
    """
    from tilewright.mapping.front import map_front as search
    from tilewright.mapping.nests import default_problem

    return search(default_problem(nest, arch, arch.layout), resolution=resolution, effort=effort, timeout=timeout)


class _Interface(ModuleType):
    """Keeps ``tilewright.schedule`` and ``tilewright.simulate`` the functions above.

    Importing the packages of these names would put them in the functions' place; they stay reachable as
    ``from tilewright.schedule.run import ...``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and callable(self.__dict__.get(name))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Interface
