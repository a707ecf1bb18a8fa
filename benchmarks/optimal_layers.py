"""How fast, and how far, the distinct layers of networks are proven on machines.

    python benchmarks/optimal_layers.py --models resnet18 --machines mobile-npu tpu --objective edp

Prints a markdown table: layers proven, total and slowest seconds, median and largest gap; then, for the layer of the
largest gap of every row, its gap after several times. The first layer of a machine is solved twice, so that compilation
does not count.
"""

from __future__ import annotations

import argparse
import time

import tilewright as tw
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import NestResult, map_nest
from tilewright.schedule.problems import nest_problem
from tilewright.workload.storage import executed_parts, place


def layers(model: str, machine: str) -> list[NestProblem]:
    """The distinct nests of multiply-accumulates of a network, in order."""
    placed, arch = place(tw.load_model(model), tw.load_arch(machine).layout), tw.load_arch(machine)
    found: dict[NestProblem, None] = {}
    for operator in placed.network.operators:
        parts = executed_parts(placed, operator)
        for number, part in enumerate(parts):
            if part.nest.work is None:
                found[nest_problem(placed, arch, operator, parts, number)] = None
    return list(found)


def timed(problem: NestProblem, objective: str, timeout: float) -> tuple[NestResult, float]:
    began = time.perf_counter()
    found = map_nest(problem, objective, effort="long", timeout=timeout)
    return found, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--machines", nargs="+", default=["eyeriss", "simba", "tpu", "mobile-npu"])
    parser.add_argument("--objective", default="edp")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("--over-time", type=float, nargs="*", default=[1, 2, 5, 20], help="seconds")
    options = parser.parse_args()
    print("| network | machine | layers | proven | total, s | median, s | slowest, s | median gap | largest gap |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
    hardest: list[tuple[str, str, NestProblem]] = []
    for machine in options.machines:
        for model in options.models:
            problems = layers(model, machine)
            timed(problems[0], options.objective, options.timeout)
            results = [timed(problem, options.objective, options.timeout) for problem in problems]
            proven = sum(result.status == "optimal" for result, _ in results)
            seconds = sorted(spent for _, spent in results)
            gaps = sorted(result.gap for result, _ in results)
            middle = len(results) // 2
            if gaps[-1] > 0:
                worst = max(range(len(results)), key=lambda k: results[k][0].gap)
                hardest.append((model, machine, problems[worst]))
            print(
                f"| {model} | {machine} | {len(results)} | {proven} | {sum(seconds):.0f} |"
                f" {seconds[middle]:.1f} | {seconds[-1]:.1f} | {gaps[middle]:.1%} | {gaps[-1]:.1%} |",
                flush=True,
            )
    if hardest and options.over_time:
        print("\n| network | machine | layer |", " | ".join(f"gap, {t:g} s" for t in options.over_time), "|")
        print("|---|---|---|" + "--:|" * len(options.over_time))
    for model, machine, problem in hardest if options.over_time else ():
        gaps = [timed(problem, options.objective, limit)[0].gap for limit in options.over_time]
        layer = " ".join(f"{dim}{extent}" for dim, extent in problem.nest.dims if extent > 1)
        print(f"| {model} | {machine} | {layer} |", " | ".join(f"{gap:.1%}" for gap in gaps), "|", flush=True)


if __name__ == "__main__":
    main()
