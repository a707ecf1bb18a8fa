"""``tilewright map``: one loop nest on one machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tilewright.cli import nest, options, parse, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.errors import InputError, UsageError

if TYPE_CHECKING:
    from tilewright.mapping.constraints import Constraints
    from tilewright.mapping.problem import NestCost, NestProblem
    from tilewright.mapping.search import NestResult


T = TypeVar("T")


@guarded
def map_verb(
    arch: options.Arch,
    conv: nest.Conv = None,
    gemm: nest.Gemm = None,
    depthwise: nest.Depthwise = None,
    einsum: nest.Einsum = None,
    dims: nest.Dims = None,
    size: nest.Size = None,
    weight: nest.Weight = None,
    objective: options.Goal = options.Objective.edp,
    evaluate: Annotated[
        Path | None,
        typer.Option("--evaluate", metavar="FILE", help="Cost the mapping of this file instead of searching for one."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="Write the mapping to this file.")] = None,
    effort: options.HowLong = options.Effort.proof,
    method: Annotated[
        options.Method,
        typer.Option("--method", help="search, or the selection procedure of Stoutchinin et al. (2019)."),
    ] = options.Method.search,
    constraints: Annotated[
        Path | None,
        typer.Option(
            "--constraints", metavar="FILE", help="Only mappings that satisfy this file; see docs/constraints.md."
        ),
    ] = None,
    dataflow: Annotated[
        options.Dataflow | None, typer.Option("--dataflow", help="Only mappings of this fixed dataflow.")
    ] = None,
    front: Annotated[
        bool, typer.Option("--front", help="Find the Pareto front of energy and cycles instead of one mapping.")
    ] = False,
    resolution: Annotated[
        str, typer.Option("--resolution", metavar="PERCENT", help="How fine --front is; 0% for every point of it.")
    ] = "1%",
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    progress: options.ShowProgress = False,
    as_json: options.Json = False,
) -> None:
    """Find the best mapping of one nest: tiles, loop order, where each operand is kept.

    Y and X are output sizes; stride, dilation and pad are one number or Y:X, pad also top:left:bottom:right. The nest
    is one of --conv, --gemm, --depthwise and --einsum.
    """
    limit = None if timeout is None else parse.seconds(timeout)
    if evaluate is not None and method is not options.Method.search:
        raise UsageError(
            f"--evaluate costs a mapping that is given, --method {method.value} chooses one: give one of them"
        )
    if (constraints or dataflow) and (evaluate is not None or method is not options.Method.search):
        raise UsageError("--constraints and --dataflow restrict a search: leave out --evaluate and --method")
    if front:
        given = {"--evaluate": evaluate, "--method": method is not options.Method.search, "-o": output}
        if stray := [name for name, value in given.items() if value]:
            raise UsageError(f"--front finds many mappings, which --json prints: leave out {stray[0]}")
    problem = nest.problem_of(arch, nest.nest_of(conv, gemm, depthwise, einsum, dims, size, weight))
    from tilewright.mapping.store import stored_map_nest
    from tilewright.mapping.text import format_mapping
    from tilewright.serial import write_whole

    if front:
        from tilewright.cli.front import show_front

        show_front(
            problem, parse.percent(resolution), effort.value, limit, _constraints(problem, constraints, dataflow),
            progress, as_json,
        )  # fmt: skip
        return
    if method is options.Method.stoutchinin:
        from tilewright.mapping.published.stoutchinin_select import stoutchinin

        result = stoutchinin(problem, objective.value)
    elif evaluate is None:
        wanted = _constraints(problem, constraints, dataflow)
        with Progress("searching", progress) as shown:
            result = stored_map_nest(
                problem, objective.value, effort=effort.value, timeout=limit, cache=not no_cache, constraints=wanted,
                progress=shown,
            )  # fmt: skip
    else:
        result = _evaluated(problem, evaluate, objective.value)
    if output is not None:
        write_whole(output, format_mapping(result.mapping).rstrip() + "\n")
    if as_json:
        show(_document(result, problem.arch.name, objective.value))
    else:
        print(_report(result, problem, objective.value))


def _evaluated(problem: NestProblem, file: Path, objective: str) -> NestResult:
    from tilewright.mapping.search import evaluated
    from tilewright.mapping.text import parse_mapping

    return read_file(file, lambda text: evaluated(problem, parse_mapping(text, problem.nest, problem.arch), objective))


def _constraints(problem: NestProblem, file: Path | None, flow: options.Dataflow | None) -> Constraints:
    from tilewright.mapping.constraints import UNCONSTRAINED, both, parse_constraints
    from tilewright.mapping.dataflows import dataflow

    wanted = UNCONSTRAINED
    if file is not None:
        wanted = read_file(file, lambda text: parse_constraints(text, problem.nest, problem.arch))
    return wanted if flow is None else both(wanted, dataflow(flow.value, problem.nest, problem.arch))


def read_file(file: Path, use: Callable[[str], T]) -> T:
    """What is made of a file's text; errors name the file."""
    try:
        return use(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from None
    except InputError as error:
        raise InputError([f"{file}: {problem}" for problem in error.problems]) from None


def _traffic(cost: NestCost) -> dict[str, int]:
    causes: dict[str, int] = {"total": cost.dram_bytes, "read": cost.dram_read_bytes, "write": cost.dram_write_bytes}
    for entry in cost.traffic:
        causes[entry.cause] = causes.get(entry.cause, 0) + entry.bytes
    return causes


def _document(result: NestResult, machine: str, objective: str) -> dict[str, Any]:
    from tilewright.mapping.text import format_mapping

    cost = result.cost
    accesses: dict[str, dict[str, dict[str, int]]] = {}
    for entry in cost.accesses:
        accesses.setdefault(entry.memory, {})[entry.operand] = {"reads": entry.read_bytes, "writes": entry.write_bytes}
    return {
        "arch": machine,
        "objective": objective,
        "status": result.status,
        "cycles": cost.cycles,
        "energy_pj": cost.energy_pj,
        "edp": cost.edp,
        "macs": cost.macs,
        "steps": cost.steps,
        "dram_bytes": _traffic(cost),
        "accesses": accesses,
        "scratchpad_bytes": cost.scratchpad_bytes,
        "bound": result.bound,
        "gap": result.gap,
        "seconds": result.seconds,
        "space": result.space,
        "evaluated": result.evaluated,
        "bounds": result.nodes,
        "pruned": dict(result.pruned),
        "mapping": format_mapping(result.mapping),
    }


def _effort(result: NestResult) -> str:
    """What the search did, in one line."""
    done = f"{result.evaluated:,} mappings evaluated"
    if result.nodes:
        done += f", {result.nodes:,} bounds"
    if result.status == "optimal":
        done += f", proven over {result.space} tile{'s' if result.space == 'even' else ''}"
    if result.interrupted:
        done += ", stopped by Ctrl-C"
    return f"{done}, in {text.duration(result.seconds)}"


def _report(result: NestResult, problem: NestProblem, objective: str) -> str:
    from tilewright.mapping.text import format_mapping

    cost, arch = result.cost, problem.arch
    causes = {cause: moved for cause, moved in _traffic(cost).items() if cause not in ("total", "read", "write")}
    limit = "compute" if cost.compute_cycles >= cost.dma_cycles else "memory"
    rows = [(entry.memory, entry.operand, entry.read_bytes, entry.write_bytes) for entry in cost.accesses]
    return "\n".join(
        [
            text.fields(
                [
                    ("machine", arch.name),
                    ("status", f"{result.status}, {text.percent(result.gap)} above the bound for {objective}"),
                    ("cycles", f"{cost.cycles:,} in {cost.steps:,} steps, limited by {limit}"),
                    ("MACs", f"{cost.macs:,}"),
                    ("energy", text.energy(cost.energy_pj)),
                    ("edp", f"{cost.edp:.6g} pJ*cycles"),
                    ("DRAM", f"{text.size(cost.dram_bytes)}: " + ", ".join(f"{c} {b:,} B" for c, b in causes.items())),
                    ("scratchpad", f"{cost.scratchpad_bytes:,} of {arch.scratchpad.size_bytes or 0:,} B"),
                    ("search", _effort(result)),
                ]
            ),
            "",
            text.table(["memory", "operand", "bytes read", "bytes written"], rows, left=2),
            "",
            format_mapping(result.mapping).rstrip(),
        ]
    )
