"""What the free optimum of a nest gains over fixed dataflows, for ``tilewright compare``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tilewright.cli import nest, options, text
from tilewright.cli.document import show
from tilewright.cli.progress import Progress
from tilewright.errors import InfeasibleError, UsageError

if TYPE_CHECKING:
    from tilewright.mapping.problem import NestProblem
    from tilewright.mapping.search import Effort, NestResult
    from tilewright.workload.nest import LoopNest

FREE = "free"
UNITS = {"latency": "cycles", "energy": "pJ", "edp": "pJ*cycles", "traffic": "B"}


def compare_dataflows(
    arch: str,
    shape: LoopNest,
    objective: options.Objective,
    effort: options.Effort,
    limit: float | None,
    cache: bool,
    as_json: bool,
    progress: bool,
) -> None:
    """Search the nest freely and under every dataflow, and print both."""
    if effort is options.Effort.quick:
        raise UsageError("--effort quick knows no dataflows: take good, proof or long")
    problem = nest.problem_of(arch, shape)
    from tilewright.mapping.constraints import UNCONSTRAINED
    from tilewright.mapping.dataflows import DATAFLOWS, dataflow
    from tilewright.mapping.store import stored_map_nest

    how_long: Effort = effort.value  # type: ignore[assignment]
    results: dict[str, NestResult] = {}
    reasons: dict[str, str] = {}
    names = (FREE, *DATAFLOWS)
    with Progress("comparing", progress) as shown:
        for number, name in enumerate(names):
            shown(name, number, len(names))
            try:
                wanted = UNCONSTRAINED if name == FREE else dataflow(name, problem.nest, problem.arch)
                results[name] = stored_map_nest(
                    problem, objective.value, effort=how_long, timeout=limit, cache=cache, constraints=wanted
                )
            except (UsageError, InfeasibleError) as error:
                if name == FREE:
                    raise
                reasons[name] = str(error)
    results[FREE] = _freed(results, objective.value)
    if as_json:
        show(_document(problem, objective.value, results, reasons))
    else:
        print(_report(problem, objective.value, results, reasons))


def _freed(results: dict[str, NestResult], objective: str) -> NestResult:
    """The free result; where its search ended early and a dataflow's found something better, with that."""
    free = results[FREE]
    best = min(results.values(), key=lambda result: result.cost.value(objective))
    value = best.cost.value(objective)
    if value >= free.cost.value(objective):
        return free
    gap = (value - free.bound) / free.bound if free.bound > 0 else 0.0
    return replace(free, mapping=best.mapping, cost=best.cost, gap=gap)


def _ratio(results: dict[str, NestResult], name: str, objective: str) -> float:
    best = results[FREE].cost.value(objective)
    return results[name].cost.value(objective) / best if best else 1.0


def _utilisation(problem: NestProblem, result: NestResult) -> float:
    return result.cost.macs / (result.cost.cycles * problem.arch.array.size) if result.cost.cycles else 0.0


def _document(
    problem: NestProblem, objective: str, results: dict[str, NestResult], reasons: dict[str, str]
) -> dict[str, Any]:
    from tilewright.mapping.text import format_mapping

    rows: list[dict[str, Any]] = [
        {
            "dataflow": name,
            "value": result.cost.value(objective),
            "ratio": _ratio(results, name, objective),
            "energy_pj": result.cost.energy_pj,
            "cycles": result.cost.cycles,
            "edp": result.cost.edp,
            "dram_bytes": result.cost.dram_bytes,
            "utilisation": _utilisation(problem, result),
            "status": result.status,
            "gap": result.gap,
            "seconds": result.seconds,
            "mapping": format_mapping(result.mapping),
        }
        for name, result in results.items()
    ]
    rows += [{"dataflow": name, "status": "impossible", "reason": reason} for name, reason in reasons.items()]
    return {"arch": problem.arch.name, "objective": objective, "dataflows": rows}


def _report(problem: NestProblem, objective: str, results: dict[str, NestResult], reasons: dict[str, str]) -> str:
    rows = [
        (
            name,
            f"{result.cost.value(objective):.6g}",
            f"{_ratio(results, name, objective):.2f}x",
            text.energy(result.cost.energy_pj),
            f"{result.cost.cycles:,}",
            f"{result.cost.dram_bytes:,}",
            text.percent(_utilisation(problem, result)),
            f"{result.status}, gap {text.percent(result.gap)}",
        )
        for name, result in results.items()
    ]
    head = [
        "dataflow", f"{objective}, {UNITS[objective]}", "to free", "energy", "cycles", "DRAM B", "of peak", "status"
    ]  # fmt: skip
    table = text.table(head, rows, left=1)
    return "\n".join([table, *(f"impossible: {reason}" for reason in reasons.values())])
