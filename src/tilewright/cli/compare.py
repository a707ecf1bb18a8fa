"""``tilewright compare``: strategies on networks, or dataflows on a nest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from tilewright.cli import nest, options, parse
from tilewright.cli.compare_dataflows import compare_dataflows
from tilewright.cli.compare_networks import Asked, compare_networks
from tilewright.cli.guard import guarded
from tilewright.errors import UsageError

Models = Annotated[
    list[str] | None, typer.Argument(metavar="MODEL", help=options.MODEL_HELP + " Several may be given.")
]
HowLong = Annotated[
    options.Effort | None,
    typer.Option("--effort", help="As of `tilewright schedule`; by default proof for a nest."),
]
Output = Annotated[
    Path | None,
    typer.Option("-o", metavar="FILE", help="Also write the table of networks there: .json, .csv or .md."),
]


@guarded
def compare_verb(
    arch: options.Arch,
    models: Models = None,
    strategies: options.Strategies = None,
    conv: nest.Conv = None,
    gemm: nest.Gemm = None,
    depthwise: nest.Depthwise = None,
    einsum: nest.Einsum = None,
    dims: nest.Dims = None,
    size: nest.Size = None,
    weight: nest.Weight = None,
    objective: options.Goal = options.Objective.edp,
    widths: options.WidthsChoice = options.WidthsFrom.arch,
    batch: options.Batch = None,
    input_shape: options.InputShape = None,
    dim: options.Dim = None,
    until: options.Until = None,
    effort: HowLong = None,
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    seed: options.SearchSeed = 0,
    largest: options.Largest = None,
    output: Output = None,
    as_json: options.Json = False,
    progress: options.ShowProgress = False,
) -> None:
    """Compare strategies on networks, or the best mapping of one nest with the best of every fixed dataflow.

    --timeout holds for each of them. What cannot be says why. Ctrl-C shows what has been done of the networks.
    """
    limit = None if timeout is None else parse.seconds(timeout)
    nests = {"--conv": conv, "--gemm": gemm, "--depthwise": depthwise, "--einsum": einsum}
    given = [name for name, value in nests.items() if value is not None]
    if bool(models) == bool(given):
        raise UsageError(
            f"give networks (MODEL...) to compare strategies, or one of {', '.join(nests)} to compare dataflows; there"
            f" {'are both' if given else 'is neither'}"
        )
    if models:
        _stray({"--dims": dims, "--size": size, "--weight": weight}, "einsum nests, not with networks")
        loading = options.load_options(batch, input_shape, dim, until)
        asked = Asked(
            arch=arch,
            widths=widths,
            objective=objective.value,
            strategies=None if strategies is None else parse.names(strategies, "--strategies"),
            effort=None if effort is None else effort.value,
            timeout=limit,
            cache=not no_cache,
            seed=seed,
            largest=largest,
        )
        compare_networks(models, loading, asked, output, as_json, progress)
        return
    own: dict[str, object] = {
        "--strategies": strategies,
        "--batch": batch,
        "--input-shape": input_shape,
        "--dim": dim,
        "--until": until,
    }
    own |= {"--seed": seed, "--largest": largest, "-o": output, "--widths": widths is not options.WidthsFrom.arch}
    _stray(own, f"networks, not with {given[0]}")
    shape = nest.nest_of(conv, gemm, depthwise, einsum, dims, size, weight)
    compare_dataflows(arch, shape, objective, effort or options.Effort.proof, limit, not no_cache, as_json, progress)


def _stray(given: Mapping[str, object], what: str) -> None:
    """UsageError that names options given for nothing."""
    if stray := [name for name, value in given.items() if value]:
        raise UsageError(f"{', '.join(stray)} goes with {what}")
