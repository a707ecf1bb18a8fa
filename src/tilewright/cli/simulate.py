"""``tilewright simulate``: execute a plan on real tensors and compare it with its claim."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import folder, options, parse, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.errors import CheckError

if TYPE_CHECKING:
    from tilewright.simulate.run import Run


@guarded
def simulate_verb(
    place: Annotated[
        Path, typer.Argument(metavar="DIR|plan.json", help="What `tilewright schedule ... -o DIR` wrote.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Where the model is now; it must be the same file.")
    ] = None,
    weights: options.Weights = "auto",
    inputs: options.Inputs = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
    progress: options.ShowProgress = False,
) -> None:
    """Execute a plan on real tensors: bytes, cycles and results against the claim and onnxruntime."""
    parse.weights(weights)
    saved = folder.load(place, model)
    from tilewright.simulate.run import simulate_plan

    with Progress("executing", progress) as shown:
        run = simulate_plan(saved.plan, saved.schedule, weights=weights, inputs=inputs, seed=seed, progress=shown)
    if as_json:
        show(run_document(run))
    else:
        print(report(run))
    settle(run)


def run_document(run: Run) -> dict[str, Any]:
    """The JSON document of ``tilewright simulate``."""
    return {
        "cycles": {"predicted": run.cycles_predicted, "executed": run.cycles_executed},
        "bytes": {"predicted": run.bytes_predicted, "executed": run.bytes_executed},
        "tensors": [{"name": t.name, "predicted": t.predicted, "executed": t.executed} for t in run.tensors],
        "outputs_compared": run.outputs_compared,
        "max_relative_error": run.max_relative_error,
        "hazards": [str(hazard) for hazard in run.hazards],
        "matched": run.matched,
    }


def report(run: Run) -> str:
    """Predicted beside executed: cycles, bytes by tensor; hazards; the outputs' error; last the verdict."""
    rows = [(text.shortened(t.name, 48), t.predicted, t.executed) for t in run.tensors]
    error = "nothing was compared" if run.max_relative_error is None else f"{run.max_relative_error:.2g}"
    lines = [
        text.table(["tensor", "DRAM B predicted", "DRAM B executed"], rows),
        "",
        text.table(
            ["", "predicted", "executed"],
            [
                ("cycles", run.cycles_predicted, run.cycles_executed),
                ("DRAM bytes", run.bytes_predicted, run.bytes_executed),
            ],
        ),
        "",
        f"largest error of an output, relative to its largest value: {error}",
        *(f"hazard: {hazard}" for hazard in run.hazards),
        *(f"note: {note}" for note in run.notes),
        verdict(run),
    ]
    return "\n".join(lines)


def verdict(run: Run) -> str:
    """The last line: whether everything is as claimed."""
    if run.matched:
        return (
            f"execution matched: {run.bytes_executed:,} bytes, {run.cycles_executed:,} cycles,"
            f" {run.outputs_compared} output{'s' * (run.outputs_compared != 1)} within 1e-4"
        )
    return "execution differs from the claim"


def settle(run: Run) -> None:
    """CheckError unless the execution is as claimed."""
    sys.stdout.flush()
    if not run.matched:
        raise CheckError("the execution differs from what was claimed; the lines above say where")
