"""How fast, and how far, the distinct layers of networks are proven on machines.

    python benchmarks/optimal_layers.py --models resnet18 --machines mobile-npu tpu --objective edp --timeout 10

Prints markdown: for every network and machine the layers proven, total and slowest seconds, median and largest gap;
with ``--again`` layers that were not proven are searched once more with that many seconds, and count with these;
with ``--layers`` also every layer that was not proven at first, with its gap after several times. Layers that several
networks share are solved once. The first layer of a machine is solved twice, so that compilation does not count.
"""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass

import tilewright as tw
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import map_nest
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


@dataclass(frozen=True)
class Solved:
    """What a search found: seconds, gap, and the gaps that it reported with the seconds when."""

    value: float
    proven: bool
    seconds: float
    gap: float
    reports: tuple[tuple[float, float], ...]

    def gap_after(self, seconds: float) -> float | None:
        """The gap known after so many seconds; None where none was yet."""
        if seconds >= self.seconds:
            return self.gap
        known = [gap for when, gap in self.reports if when <= seconds]
        return known[-1] if known else None


def solve(problem: NestProblem, objective: str, timeout: float) -> Solved:
    """Search with a limit of seconds, noting the gap whenever it is told; at most for 400 million bounds."""
    reports: list[tuple[float, float]] = []
    began = time.perf_counter()

    def progress(what: str, _done: int, _most: int) -> None:
        told = re.search(r"at most ([0-9.]+)% off", what)
        if told is not None:
            reports.append((time.perf_counter() - began, float(told.group(1)) / 100))

    found = map_nest(problem, objective, effort="long", timeout=timeout, progress=progress)
    spent = time.perf_counter() - began
    return Solved(float(found.cost.value(objective)), found.status == "optimal", spent, found.gap, tuple(reports))


def named(problem: NestProblem) -> str:
    return " ".join(f"{dim}{extent}" for dim, extent in problem.nest.dims if extent > 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["resnet18", "mobilenet_v2"])
    parser.add_argument("--machines", nargs="+", default=["eyeriss", "simba", "tpu", "mobile-npu"])
    parser.add_argument("--objective", default="edp")
    parser.add_argument("--timeout", type=float, default=10.0)
    parser.add_argument("--again", type=float, help="seconds of another search for what is not proven in time")
    parser.add_argument("--layers", action="store_true", help="also every layer that was not proven in time")
    parser.add_argument("--after", type=float, nargs="*", default=[1, 2, 5, 10], help="seconds at which gaps are told")
    options = parser.parse_args()
    longer = f" | proven, {options.again:g} s" if options.again else ""
    print(
        f"| network | machine | layers | proven, {options.timeout:g} s{longer} | total, s | median, s | slowest, s |"
        " median gap | largest gap |"
    )
    print("|---|---|" + "--:|" * (8 if options.again else 7))
    known: dict[NestProblem, Solved] = {}
    first: dict[NestProblem, bool] = {}  # whether the first search proved it
    for machine in options.machines:
        solve(layers(options.models[0], machine)[0], options.objective, options.timeout)
        for model in options.models:
            problems = layers(model, machine)
            for problem in problems:
                if problem not in known:
                    known[problem] = solve(problem, options.objective, options.timeout)
                    first[problem] = known[problem].proven
                    if options.again and not first[problem]:
                        known[problem] = solve(problem, options.objective, options.again)
            results = [known[problem] for problem in problems]
            seconds, gaps = sorted(one.seconds for one in results), sorted(one.gap for one in results)
            middle, proven = len(results) // 2, str(sum(first[problem] for problem in problems))
            if options.again:
                proven += f" | {sum(one.proven for one in results)}"
            print(
                f"| {model} | {machine} | {len(results)} | {proven} | {sum(seconds):.0f} |"
                f" {seconds[middle]:.1f} | {seconds[-1]:.1f} | {gaps[middle]:.1%} | {gaps[-1]:.1%} |",
                flush=True,
            )
    if options.layers:
        print(
            "\n| machine | layer |",
            " | ".join(f"gap, {after:g} s" for after in options.after),
            "| at the end | seconds |",
        )
        print("|---|---|" + "--:|" * (len(options.after) + 2))
        for problem, one in sorted(known.items(), key=lambda item: item[0].arch.name):
            if not first[problem]:
                gaps_then = [one.gap_after(after) for after in options.after]
                told = " | ".join("floor" if gap is None else f"{gap:.1%}" for gap in gaps_then)
                print(f"| {problem.arch.name} | {named(problem)} | {told} | {one.gap:.1%} | {one.seconds:.1f} |")


if __name__ == "__main__":
    main()
