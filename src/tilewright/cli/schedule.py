"""``tilewright schedule``: a whole network on one machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli import folder, options, parse
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.cli.simulate import execute
from tilewright.errors import BudgetError, InfeasibleError, LimitError

if TYPE_CHECKING:
    from tilewright.schedule.schedule import Schedule


@guarded
def schedule_verb(
    model: options.Model,
    arch: options.Arch,
    objective: options.Goal = options.Objective.edp,
    strategy: options.Strategy = None,
    widths: options.WidthsChoice = options.WidthsFrom.arch,
    batch: options.Batch = None,
    input_shape: options.InputShape = None,
    dim: options.Dim = None,
    until: options.Until = None,
    effort: options.HowLongEach = None,
    timeout: options.Timeout = None,
    no_cache: options.NoCache = False,
    prefetch: Annotated[
        bool,
        typer.Option("--prefetch", help="Start first loads of a group of operators while the one before it computes."),
    ] = False,
    max_cycles: Annotated[
        int | None, typer.Option("--max-cycles", metavar="N", help="Budget; exit 4 above it.")
    ] = None,
    max_energy: Annotated[
        str | None, typer.Option("--max-energy", metavar="PJ|'5 mJ'", help="Budget; exit 4 above it.")
    ] = None,
    max_dram_bytes: Annotated[
        str | None, typer.Option("--max-dram-bytes", metavar="N|'3 MiB'", help="Budget; exit 4 above it.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", metavar="DIR", help="Write schedule, plan and summary into this folder.")
    ] = None,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="Execute the schedule right away; exit 5 if it differs.")
    ] = False,
    weights: options.Weights = "auto",
    inputs: options.Inputs = None,
    seed: options.SearchSeed = 0,
    largest: options.Largest = None,
    as_json: options.Json = False,
    progress: options.ShowProgress = False,
) -> None:
    """Find how to run a network on a machine: tiles, loop orders, buffers, and what it costs."""
    loading = options.load_options(batch, input_shape, dim, until)
    limit = None if timeout is None else parse.seconds(timeout)
    budgets = _budgets(max_cycles, max_energy, max_dram_bytes)
    parse.weights(weights)
    if output is not None:
        folder.check_writable(output, folder.FILES)
    network = loading.load(model)
    machine = options.machine(arch, widths, network)
    import tilewright
    from tilewright.cli.summary import document, summary

    try:
        with Progress("scheduling", progress) as shown:
            result = tilewright.schedule(
                network,
                machine,
                objective.value,
                strategy,
                effort=None if effort is None else effort.value,
                timeout=limit,
                cache=not no_cache,
                prefetch=prefetch,
                progress=shown,
                seed=seed,
                largest=largest,
            )
    except (InfeasibleError, LimitError) as error:
        if as_json:
            status = "infeasible" if isinstance(error, InfeasibleError) else "limit"
            head = {"model": network.name, "arch": machine.name, "objective": objective.value, "strategy": strategy}
            show(head | {"status": status, "reasons": str(error).splitlines()})
        raise
    if output is not None:
        folder.save(output, result)
    printed = document(result)
    if not as_json:
        print(summary(result))
    executed = execute(result, None, weights, inputs, seed, progress) if simulate else None
    if as_json:
        show(printed | ({"execution": executed.document} if executed else {}))
    elif executed:
        print("\n" + executed.report)
    _hold(result, budgets)
    if executed:
        executed.settle()


def _budgets(cycles: int | None, energy: str | None, dram: str | None) -> dict[str, float]:
    given = {
        "cycles": None if cycles is None else float(cycles),
        "energy": None if energy is None else parse.energy_pj(energy),
        "DRAM bytes": None if dram is None else parse.byte_count(dram),
    }
    return {name: value for name, value in given.items() if value is not None}


def _hold(result: Schedule, budgets: dict[str, float]) -> None:
    """BudgetError that names every budget which the result exceeds."""
    sys.stdout.flush()
    moved = result.dram_bytes.total
    actual = {"cycles": result.planned_cycles, "energy": result.planned_energy_pj, "DRAM bytes": moved}
    units = {"cycles": "", "energy": " pJ", "DRAM bytes": ""}
    over = [
        f"over the budget of {budget:,.0f}{units[name]} {name}: the schedule needs {actual[name]:,.0f}{units[name]}"
        for name, budget in budgets.items()
        if actual[name] > budget
    ]
    if over:
        raise BudgetError("\n".join(over))
