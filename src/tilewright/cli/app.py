"""The command ``tilewright``: its verbs, and what holds for all of them. Nothing heavy is imported here."""

from __future__ import annotations

from typing import Annotated

import typer

import tilewright
from tilewright.cli import guard
from tilewright.cli.allocate import allocate_verb
from tilewright.cli.arch import arch_app
from tilewright.cli.compare import compare_verb
from tilewright.cli.explain import explain_verb
from tilewright.cli.map import map_verb
from tilewright.cli.models import models_verb
from tilewright.cli.ops import ops_verb
from tilewright.cli.schedule import schedule_verb
from tilewright.cli.simulate import simulate_verb
from tilewright.cli.study import study_app

EPILOG = """Exit codes: 0 done; 1 an input is wrong; 2 wrong usage; 3 infeasible; 4 over a budget (--max-...);
5 execution differs from the claim; 6 stopped by a limit without an answer."""

app = typer.Typer(
    name="tilewright",
    help="The best way to run a neural network on an accelerator with scratchpad memory, and its execution.",
    epilog=EPILOG,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def print_version(wanted: bool) -> None:
    """Print the version and stop, where ``--version`` was given."""
    if wanted:
        print(f"tilewright {tilewright.__version__}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    """Options that stand before the verb."""
    guard.set_debug(debug)


app.command("schedule", short_help="Schedule a network on a machine.")(schedule_verb)
app.command("simulate", short_help="Execute a schedule and check it.")(simulate_verb)
app.command("map", short_help="Map one loop nest on a machine.")(map_verb)
app.command("explain", short_help="Explain a mapping and its costs.")(explain_verb)
app.command("compare", short_help="Compare strategies on networks, or dataflows on a nest.")(compare_verb)
app.command("allocate", short_help="Place buffers in a memory.")(allocate_verb)
app.add_typer(arch_app, name="arch")
app.command("models", short_help="List networks and their layers.")(models_verb)
app.add_typer(study_app, name="study")
app.command("ops", short_help="List the supported ONNX operators.")(ops_verb)


def main() -> None:
    """The program's entry point; exits with the codes above."""
    app(prog_name="tilewright")
