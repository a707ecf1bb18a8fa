"""The options that say which nest: a convolution, a matrix product, a depthwise convolution or an einsum."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import parse
from tilewright.errors import UsageError

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator
    from tilewright.mapping.problem import NestProblem
    from tilewright.workload.nest import LoopNest

NESTS = {
    "--conv": ("K C Y X", "R S N G H W stride dilation pad"),
    "--depthwise": ("G Y X", "R S N H W stride dilation pad"),
    "--gemm": ("M N K", "B"),
}
Conv = Annotated[
    str | None,
    typer.Option("--conv", metavar="K=,C=,Y=,X=,...", help="A convolution; also R S N G H W stride dilation pad."),
]
Gemm = Annotated[str | None, typer.Option("--gemm", metavar="M=,N=,K=", help="A matrix product; also B.")]
Depthwise = Annotated[
    str | None,
    typer.Option(
        "--depthwise", metavar="G=,Y=,X=,...", help="One filter per channel; also R S N H W stride dilation pad."
    ),
]
Einsum = Annotated[
    str | None,
    typer.Option(
        "--einsum", metavar="TEXT", help="Any perfect nest, such as 'C[m,n] += A[m,k] * B[k,n]'; see docs/nests.md."
    ),
]
Dims = Annotated[
    str | None, typer.Option("--dims", metavar="k=64,c=3,...", help="Extents of the dimensions of --einsum.")
]
Size = Annotated[
    list[str] | None,
    typer.Option(
        "--size", metavar="I=3,226", help="Size of an array of --einsum, else what it touches; may be repeated."
    ),
]
Weight = Annotated[
    list[str] | None,
    typer.Option(
        "--weight",
        metavar="W",
        help="The factor of --einsum that is a weight, else one called W..., filter... or kernel..., or the second of"
        " two; may be repeated.",
    ),
]


def nest_of(
    conv: str | None,
    gemm: str | None,
    depthwise: str | None,
    einsum: str | None,
    dims: str | None,
    sizes: list[str] | None,
    weights: list[str] | None,
) -> LoopNest:
    """The nest of the one option that is given; UsageError where it is not one, or not understood."""
    given = {"--conv": conv, "--gemm": gemm, "--depthwise": depthwise, "--einsum": einsum}
    chosen = [(option, spec) for option, spec in given.items() if spec is not None]
    if len(chosen) != 1:
        raise UsageError(f"give one of {', '.join(given)}; there are {len(chosen)}")
    (option, spec), *_ = chosen
    if option == "--einsum":
        return _einsum(spec, dims or "", sizes or (), weights or ())
    details = {"--dims": dims, "--size": sizes, "--weight": weights}
    if stray := [name for name, value in details.items() if value]:
        raise UsageError(f"{', '.join(stray)} goes with --einsum, not with {option}")
    extents: dict[str, Any] = parse.nest_sizes(spec, option, *NESTS[option])
    from tilewright.mapping import nests

    make = {"--conv": nests.conv2d, "--gemm": nests.gemm, "--depthwise": nests.depthwise}[option]
    nest: LoopNest = make(**extents)  # type: ignore[operator]
    return nest


def problem_of(arch: str, nest: LoopNest) -> NestProblem:
    """The nest on a machine; axes of its array that can unroll nothing of it are noted on standard error."""
    from tilewright import load_arch
    from tilewright.mapping.nests import default_problem

    machine = load_arch(arch)
    for note in _idle_axes(nest, machine):
        print(f"note: {note}", file=sys.stderr)
    return default_problem(nest, machine, machine.layout)


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
