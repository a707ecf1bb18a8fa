"""``tilewright map``: one loop nest on one machine."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import options, parse, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.errors import InputError, UsageError

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator
    from tilewright.mapping.problem import NestCost, NestProblem
    from tilewright.mapping.search import NestResult
    from tilewright.workload.nest import LoopNest

NESTS = {
    "--conv": ("K C Y X", "R S N G H W stride dilation pad"),
    "--depthwise": ("G Y X", "R S N H W stride dilation pad"),
    "--gemm": ("M N K", "B"),
}


@guarded
def map_verb(
    arch: options.Arch,
    conv: Annotated[
        str | None,
        typer.Option("--conv", metavar="K=,C=,Y=,X=,...", help="A convolution; also R S N G H W stride dilation pad."),
    ] = None,
    gemm: Annotated[str | None, typer.Option("--gemm", metavar="M=,N=,K=", help="A matrix product; also B.")] = None,
    depthwise: Annotated[
        str | None,
        typer.Option(
            "--depthwise", metavar="G=,Y=,X=,...", help="One filter per channel; also R S N H W stride dilation pad."
        ),
    ] = None,
    einsum: Annotated[
        str | None,
        typer.Option(
            "--einsum", metavar="TEXT", help="Any perfect nest, such as 'C[m,n] += A[m,k] * B[k,n]'; see docs/nests.md."
        ),
    ] = None,
    dims: Annotated[
        str | None, typer.Option("--dims", metavar="k=64,c=3,...", help="Extents of the dimensions of --einsum.")
    ] = None,
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size", metavar="I=3,226", help="Size of an array of --einsum, else what it touches; may be repeated."
        ),
    ] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(
            "--weight",
            metavar="W",
            help="The factor of --einsum that is a weight, else one called W..., filter... or kernel..., or the second"
            " of two; may be repeated.",
        ),
    ] = None,
    objective: options.Goal = options.Objective.edp,
    evaluate: Annotated[
        Path | None,
        typer.Option("--evaluate", metavar="FILE", help="Cost the mapping of this file instead of searching for one."),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="Write the mapping to this file.")] = None,
    effort: Annotated[
        options.Effort,
        typer.Option("--effort", help="quick: a good mapping at once; proof: some seconds; long: some minutes."),
    ] = options.Effort.proof,
    method: Annotated[
        options.Method,
        typer.Option("--method", help="search, or the selection procedure of Stoutchinin et al. (2019)."),
    ] = options.Method.search,
    timeout: options.Timeout = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor keep results on disk.")] = False,
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
    nest = _nest(
        {"--conv": conv, "--gemm": gemm, "--depthwise": depthwise, "--einsum": einsum},
        {"--dims": dims, "--size": size, "--weight": weight},
    )
    from tilewright import load_arch
    from tilewright.mapping.nests import default_problem
    from tilewright.mapping.store import stored_map_nest
    from tilewright.mapping.text import format_mapping
    from tilewright.serial import write_whole

    machine = load_arch(arch)
    for note in _idle_axes(nest, machine):
        print(f"note: {note}", file=sys.stderr)
    problem = default_problem(nest, machine, machine.layout)
    if method is options.Method.stoutchinin:
        from tilewright.mapping.published.stoutchinin_select import stoutchinin

        result = stoutchinin(problem, objective.value)
    elif evaluate is None:
        result = stored_map_nest(problem, objective.value, effort=effort.value, timeout=limit, cache=not no_cache)
    else:
        result = _evaluated(problem, evaluate, objective.value)
    if output is not None:
        write_whole(output, format_mapping(result.mapping).rstrip() + "\n")
    if as_json:
        show(_document(result, machine.name, objective.value))
    else:
        print(_report(result, problem, objective.value))


def _nest(given: dict[str, str | None], details: dict[str, Any]) -> LoopNest:
    """The nest of the one option that is given; ``details`` are those that go with ``--einsum``."""
    chosen = [(option, spec) for option, spec in given.items() if spec is not None]
    if len(chosen) != 1:
        raise UsageError(f"give one of {', '.join(given)}; there are {len(chosen)}")
    (option, spec), *_ = chosen
    if option == "--einsum":
        return _einsum(spec, details["--dims"] or "", details["--size"] or (), details["--weight"] or ())
    if stray := [name for name, value in details.items() if value]:
        raise UsageError(f"{', '.join(stray)} goes with --einsum, not with {option}")
    sizes: dict[str, Any] = parse.nest_sizes(spec, option, *NESTS[option])
    from tilewright.mapping import nests

    make = {"--conv": nests.conv2d, "--gemm": nests.gemm, "--depthwise": nests.depthwise}[option]
    nest: LoopNest = make(**sizes)  # type: ignore[operator]
    return nest


def _einsum(text: str, dims: str, sizes: Sequence[str], weights: Sequence[str]) -> LoopNest:
    extents, arrays = parse.extents(dims), parse.array_sizes(sizes)
    from tilewright.mapping.einsum import einsum

    return einsum(text, dims=extents, sizes=arrays, roles=dict.fromkeys(weights, "weight"))


def _idle_axes(nest: LoopNest, machine: Accelerator) -> list[str]:
    """Axes of the array that may unroll nothing the nest has: its dimensions may only be called something else."""
    return [
        f"axis {axis} of {machine.name} unrolls only {', '.join(allowed)}, and the nest has no dimension of that name"
        for axis, allowed in machine.array.unroll
        if allowed and not set(allowed) & set(nest.extents)
    ]


def _evaluated(problem: NestProblem, file: Path, objective: str) -> NestResult:
    from tilewright.mapping.search import evaluated
    from tilewright.mapping.text import parse_mapping

    try:
        written = file.read_text(encoding="utf-8")
        return evaluated(problem, parse_mapping(written, problem.nest, problem.arch), objective)
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
