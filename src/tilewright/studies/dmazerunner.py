"""dMazeRunner again: its evaluations, its model's optimum, its pruned search, the dataflows it is compared with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, isclose, log

from tilewright.mapping.published.dmazerunner import OX, OY, PUBLISHED, Layer, Machine, faults, gemm
from tilewright.mapping.published.dmazerunner_dataflows import DATAFLOWS, READINGS, best_of_dataflow
from tilewright.mapping.published.dmazerunner_model import evaluate
from tilewright.mapping.published.dmazerunner_optimum import Answer, optimum
from tilewright.mapping.published.dmazerunner_pruned import pruned_search
from tilewright.studies.dmazerunner_files import Claim, ListedLayer, ListedOptimum, Point

# What the paper claims against the fixed dataflows, on average over ResNet.
PAPER_EDP, PAPER_TIME = 9.16, 5.83
Watch = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Checked:
    """An evaluation and what differs from it, one phrase each; notes are of what is odd about the point itself."""

    point: Point
    differences: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class FoundOptimum:
    """A listed optimum, ours, and the CPU seconds it took."""

    listed: ListedOptimum
    answer: Answer
    seconds: float

    @property
    def reached(self) -> bool:
        """Ours is at least as good in the objective, and in cycles times energy, which decides among equals."""
        claim, objective = self.listed.claim, self.listed.objective
        theirs = {"edp": claim.edp, "cycles": claim.cycles, "energy": claim.energy_pj}[objective]
        return self.answer.value(objective) <= theirs and self.answer.cost.edp <= claim.edp


@dataclass(frozen=True)
class LayerResult:
    """A layer: the optimum of EDP, what the pruned search finds, and CPU seconds of both."""

    listed: ListedLayer
    best: Answer
    pruned: Answer
    seconds: float
    pruned_seconds: float

    @property
    def gap(self) -> float:
        """How far the pruned search is above the optimum, in EDP: (pruned - optimum) / optimum."""
        return (self.pruned.cost.edp - self.best.cost.edp) / self.best.cost.edp

    @property
    def agrees(self) -> bool | None:
        """Whether the pruned search answers what the original did; None where that is not known."""
        claim = self.listed.original
        return None if claim is None else (claim.cycles, claim.energy_pj) == _numbers(self.pruned)


@dataclass(frozen=True)
class Compared:
    """A dataflow against the pruned search on some layers: ratios of EDP and of cycles.

    ``without`` counts layers for which the dataflow has no mapping.
    """

    title: str
    reading: str
    edp: tuple[float, ...]
    time: tuple[float, ...]
    without: int


def _numbers(answer: Answer) -> tuple[int, int]:
    return answer.cost.cycles, answer.cost.energy_pj


def warm_up() -> float:
    """Compile the kernels, or load them from the cache of an earlier run; seconds taken."""
    began = time.process_time()
    tiny = gemm("warm-up", 2, 2, 2)
    optimum(tiny)
    pruned_search(tiny)
    return time.process_time() - began


def check_points(points: Iterable[Point], machine: Machine = PUBLISHED) -> list[Checked]:
    """Every evaluation again: cycles and energy exactly, parts of the energy within 1e-9 of their size."""
    return [_check(point, machine) for point in points]


def _check(point: Point, machine: Machine) -> Checked:
    found = evaluate(point.layer, machine, point.tiling, point.dram_order, point.spm_order)
    wrong = []
    if found.cycles != point.claim.cycles:
        wrong.append(f"{found.cycles:,} cycles instead of {point.claim.cycles:,}")
    if found.energy_pj != point.claim.energy_pj:
        wrong.append(f"{found.energy_pj:,} pJ instead of {point.claim.energy_pj:,}")
    for name, pj in point.parts:
        own = getattr(found.energy, name)
        if not isclose(own, pj, rel_tol=1e-9, abs_tol=1e-6):
            wrong.append(f"{own:,.9g} pJ of {name} energy instead of {pj:,.9g}")
    if point.edp is not None and not isclose(point.edp, found.edp, rel_tol=1e-12):
        wrong.append(f"an EDP of {found.edp} instead of {point.edp:.17g}")
    return Checked(point, tuple(wrong), tuple(faults(point.layer, machine, point.tiling)))


def find_optima(
    listed: Sequence[ListedOptimum], machine: Machine = PUBLISHED, watch: Watch | None = None
) -> list[FoundOptimum]:
    """The proven optimum for every listed one."""
    found = []
    for place, one in enumerate(listed):
        if watch:
            watch(one.layer.name, place, len(listed))
        began = time.process_time()
        answer = optimum(one.layer, machine, one.objective)
        found.append(FoundOptimum(one, answer, time.process_time() - began))
    return found


def compare_layers(
    layers: Sequence[ListedLayer], machine: Machine = PUBLISHED, watch: Watch | None = None
) -> list[LayerResult]:
    """Optimum of EDP and pruned search for every layer."""
    results = []
    for place, listed in enumerate(layers):
        if watch:
            watch(listed.layer.name, place, len(layers))
        began = time.process_time()
        best = optimum(listed.layer, machine)
        middle = time.process_time()
        pruned = pruned_search(listed.layer, machine)
        results.append(LayerResult(listed, best, pruned, middle - began, time.process_time() - middle))
    return results


def has_windows(layer: Layer) -> bool:
    """Whether the dataflows, which name loops of convolutions, apply to a layer."""
    return layer.kind == "conv" and layer.bounds[OX] * layer.bounds[OY] > 1


def compare_dataflows(
    results: Sequence[LayerResult], machine: Machine = PUBLISHED, watch: Watch | None = None
) -> list[Compared]:
    """Every dataflow in both readings, each layer at its best mapping, against the pruned search's answer.

    The answer compared with is the original's where the file has it, as in the paper, and otherwise ours.
    """
    layers = [result for result in results if has_windows(result.listed.layer)]
    table = []
    for reading in READINGS:
        for place, dataflow in enumerate(DATAFLOWS):
            if watch:
                watch(f"{reading} {dataflow.name}", READINGS.index(reading) * len(DATAFLOWS) + place, 8)
            edp, cycles = [], []
            for result in layers:
                own = best_of_dataflow(result.listed.layer, dataflow, reading, machine)
                base = result.listed.original or Claim(*_numbers(result.pruned))
                if own is not None:
                    edp.append(own.cost.edp / base.edp)
                    cycles.append(own.cost.cycles / base.cycles)
            table.append(Compared(dataflow.title, reading, tuple(edp), tuple(cycles), len(layers) - len(edp)))
    return table


def geometric(ratios: Sequence[float]) -> float | None:
    """
    >>> geometric([1.0, 4.0]), geometric([])
    (2.0, None)
    """
    return exp(fsum(map(log, ratios)) / len(ratios)) if ratios else None


def arithmetic(ratios: Sequence[float]) -> float | None:
    """
    >>> arithmetic([1.0, 4.0]), arithmetic([])
    (2.5, None)
    """
    return fsum(ratios) / len(ratios) if ratios else None
