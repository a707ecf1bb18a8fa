"""``tilewright simulate``: execute a plan on real tensors and compare it with its claim."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tilewright.cli import folder, options, parse, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.errors import CheckError, InputError

if TYPE_CHECKING:
    from tilewright.plan.plan import Plan
    from tilewright.schedule.schedule import Schedule
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
    try:
        result = execute(saved.schedule, saved.plan, weights, inputs, seed, progress)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if folder.is_untouched(saved):
            raise
        raise InputError(
            f"{place}: was changed after 'tilewright schedule' wrote it and does not hold together"
            f" ({type(error).__name__}: {error}); write it again with 'tilewright schedule ... -o DIR'"
        ) from error
    if as_json:
        show(result.document)
    else:
        print(_tensors(result.run) + "\n\n" + result.report)
    result.settle()


@dataclass(frozen=True)
class Executed:
    """An execution and what is to be said about its weights."""

    run: Run
    notes: tuple[str, ...]

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document of ``tilewright simulate`` (docs/architecture.md)."""
        run = self.run
        return {
            "cycles": {"predicted": run.cycles_predicted, "executed": run.cycles_executed},
            "bytes": {"predicted": run.bytes_predicted, "executed": run.bytes_executed},
            "engine_cycles": dict(run.execution.engine_cycles),
            "tensors": [
                {"name": name, "predicted": predicted, "executed": executed}
                for name, predicted, executed in _summed(run, "tensor")
            ],
            "outputs_compared": run.outputs_compared,
            "max_relative_error": _finite(run.max_relative_error),
            "hazards": [str(hazard) for hazard in run.hazards],
            "matched": run.matched,
            "notes": list(self.notes),
        }

    @property
    def report(self) -> str:
        """Predicted beside executed by cause; engines; hazards; errors of the outputs; last the verdict."""
        run = self.run
        rows: list[tuple[str, int, int]] = [(f"{c}, B", p, e) for c, p, e in _summed(run, "cause")]
        rows.append(("all DRAM bytes", run.bytes_predicted, run.bytes_executed))
        rows.append(("cycles", run.cycles_predicted, run.cycles_executed))
        busy = ", ".join(f"{engine} {cycles:,}" for engine, cycles in run.execution.engine_cycles)
        lines = [text.table(["", "predicted", "executed"], rows), "", f"cycles in which each engine is busy: {busy}"]
        named = [f"output {o.tensor}: error {o.relative:.2g} of its largest value" for o in run.outputs]
        named += [f"hazard: {hazard}" for hazard in run.hazards]
        lines += [text.printable(line) for line in named]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join([*lines, self.verdict])

    @property
    def verdict(self) -> str:
        """The last line: whether everything is as claimed."""
        run = self.run
        if not run.matched:
            return "execution differs from the claim: " + "; ".join(differences(run))
        plural = "s" if run.outputs_compared != 1 else ""
        return (
            f"execution matched: {run.bytes_executed:,} bytes, {run.cycles_executed:,} cycles,"
            f" {run.outputs_compared} output{plural} {_within(max((o.tolerance for o in run.outputs), default=0.0))}"
        )

    def settle(self) -> None:
        """CheckError unless the execution is as claimed."""
        sys.stdout.flush()
        if not self.run.matched:
            raise CheckError(self.verdict)


def execute(
    schedule: Schedule, plan: Plan | None, weights: str, inputs: str | None, seed: int, progress: bool
) -> Executed:
    """Execute a schedule, or a plan in its place, with progress on standard error."""
    import tilewright
    from tilewright.workload.constants import ConstantStore

    store = ConstantStore(schedule.placed.network, weights)
    with Progress("executing", progress) as shown:
        run = tilewright.simulate(schedule, plan=plan, weights=store, inputs=inputs, seed=seed, progress=shown)
    return Executed(run, store.notes)


def differences(run: Run) -> list[str]:
    """What does not match, one phrase each."""
    found = []
    if run.hazards:
        found.append(f"{len(run.hazards)} hazard{'s' * (len(run.hazards) != 1)}")
    if run.cycles_predicted != run.cycles_executed:
        found.append(f"{run.cycles_executed:,} cycles instead of {run.cycles_predicted:,}")
    wrong = [t for t in run.tensors if t.predicted != t.executed]
    found += [f"{t.tensor} ({t.cause}): {t.executed:,} bytes instead of {t.predicted:,}" for t in wrong[:5]]
    if len(wrong) > 5:
        found.append(f"bytes of {len(wrong) - 5} more tensors")
    found += [f"output {o.tensor} is off by {o.relative:.2g} of its largest value" for o in run.outputs if not o.agrees]
    return found


def _summed(run: Run, key: Literal["tensor", "cause"]) -> list[tuple[str, int, int]]:
    """Bytes predicted and executed, added up by tensor or by cause."""
    found: dict[str, tuple[int, int]] = {}
    for entry in run.tensors:
        name = getattr(entry, key)
        predicted, executed = found.get(name, (0, 0))
        found[name] = (predicted + entry.predicted, executed + entry.executed)
    return [(name, *counts) for name, counts in sorted(found.items())]


def _tensors(run: Run) -> str:
    rows = [(text.shortened(t.tensor, 48), t.cause, t.predicted, t.executed) for t in run.tensors]
    return text.table(["tensor", "cause", "DRAM B predicted", "DRAM B executed"], rows, left=2)


def _within(tolerance: float) -> str:
    """
    >>> _within(1e-4), _within(0.0)
    ('within 1e-4', 'exactly')
    """
    return "within " + f"{tolerance:.0e}".replace("e-0", "e-") if tolerance else "exactly"


def _finite(value: float) -> float | None:
    """JSON has no infinity."""
    return value if math.isfinite(value) else None
