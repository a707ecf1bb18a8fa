"""Tilewright: the best way to run a neural network on an accelerator with scratchpad memory, proven and executed.

    import tilewright as tw

    schedule = tw.schedule(tw.load_model("resnet18"), tw.load_arch("mobile-npu"), objective="edp")
    run = tw.simulate(schedule)

Importing this loads nothing heavy: each function imports what it needs when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tilewright import errors

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator
    from tilewright.mapping.search import NestResult
    from tilewright.plan.plan import Plan
    from tilewright.schedule.schedule import Schedule
    from tilewright.simulate.run import Run
    from tilewright.workload.constants import ConstantStore
    from tilewright.workload.nest import LoopNest
    from tilewright.workload.network import Network

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "conv2d",
    "depthwise",
    "errors",
    "gemm",
    "load_arch",
    "load_model",
    "map_nest",
    "schedule",
    "simulate",
]


def load_model(
    source: str | Path,
    *,
    batch: int | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    dims: Mapping[str, int] | None = None,
    until: str | None = None,
) -> Network:
    """The network of an ONNX file, or of a shipped model by its name; weights are not read.

    ``batch`` sets the first axis of every input, ``dims`` symbolic dimensions by name, ``input_shapes`` whole shapes;
    ``until`` makes the named tensor the only output. Raises ``errors.InputError`` with everything that is wrong.
    """
    from tilewright.workload.onnx_import import load_model

    return load_model(source, batch=batch, input_shapes=input_shapes, dims=dims, until=until)


def load_arch(source: str | Path) -> Accelerator:
    """The machine of that shipped name, or of a YAML file; ``errors.InputError`` lists every problem with its line."""
    from tilewright.arch.load import load_arch

    return load_arch(source)


def schedule(
    network: Network,
    arch: Accelerator,
    objective: str = "edp",
    strategy: str | None = None,
    *,
    timeout: float | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Schedule:
    """How to run a network on a machine: tiles, loop orders, buffers, and what it costs.

    ``objective`` is ``latency`` (cycles), ``energy`` (pJ), ``edp`` (pJ * cycles) or ``traffic`` (DRAM bytes);
    ``strategy`` by default the best there is; ``timeout`` in seconds. ``progress`` is called with what is being worked
    on, how many are done and how many there are. Raises ``errors.InfeasibleError`` where something fits in no way.
    """
    from tilewright.schedule import run

    return run.schedule(network, arch, objective, strategy or run.DEFAULT_STRATEGY, timeout=timeout, progress=progress)


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

    claim = Claim(schedule.cycles, schedule.traffic)
    return simulate(plan or lower(schedule), store, values, claim, progress=watch)


def conv2d(
    K: int,
    C: int,
    Y: int,
    X: int,
    R: int = 1,
    S: int = 1,
    N: int = 1,
    G: int = 1,
    **geometry: int | tuple[int, ...] | None,
) -> LoopNest:
    """A convolution: K filters over C channels (of each of G groups), Y x X outputs, R x S filter, N images.

    ``geometry``: ``stride``, ``dilation`` as a number or (y, x); ``pad`` also as (top, left, bottom, right); ``H`` and
    ``W``, the input's size, which follow from the others if absent.
    """
    from tilewright.mapping import nests

    arguments: dict[str, Any] = geometry
    return nests.conv2d(K=K, C=C, Y=Y, X=X, R=R, S=S, N=N, G=G, **arguments)


def depthwise(
    G: int, Y: int, X: int, R: int = 1, S: int = 1, N: int = 1, **geometry: int | tuple[int, ...] | None
) -> LoopNest:
    """A convolution in which each of G channels has a filter of its own; ``geometry`` as for ``conv2d``."""
    from tilewright.mapping import nests

    arguments: dict[str, Any] = geometry
    return nests.depthwise(G=G, Y=Y, X=X, R=R, S=S, N=N, **arguments)


def gemm(M: int, N: int, K: int, B: int = 1) -> LoopNest:
    """A product of an M x K and a K x N matrix, B times."""
    from tilewright.mapping import nests

    return nests.gemm(M=M, N=N, K=K, B=B)


def map_nest(nest: LoopNest, arch: Accelerator, objective: str = "edp", *, timeout: float | None = None) -> NestResult:
    """The best mapping of one nest on a machine, its operands dense arrays in DRAM."""
    from tilewright.mapping.nests import default_problem
    from tilewright.mapping.search import map_nest

    return map_nest(default_problem(nest, arch, arch.layout), objective, timeout=timeout)


class _Interface(ModuleType):
    """Keeps ``tilewright.schedule`` and ``tilewright.simulate`` the functions above.

    Importing the packages of these names would put them in the functions' place; they stay reachable as
    ``from tilewright.schedule.run import ...``.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and callable(self.__dict__.get(name))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Interface
