"""``tilewright arch list | show | check``: the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import options, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator

arch_app = typer.Typer(help="List, draw and check machines.", no_args_is_help=True, rich_markup_mode=None)
Machine = Annotated[str, typer.Argument(metavar="ARCH", help="A shipped machine or a YAML file.")]


@arch_app.command("list")
@guarded
def list_verb(as_json: options.Json = False) -> None:
    """List the shipped machines."""
    from tilewright.arch import catalog, load_arch

    machines = [load_arch(name) for name in catalog()]
    if as_json:
        show({"machines": [_entry(machine) for machine in machines]})
        return
    rows = [
        (
            arch.name,
            arch.timing,
            f"{float(arch.clock_hz) / 1e6:,.0f}",
            " x ".join(f"{axis} {size}" for axis, size in arch.array.axes),
            arch.array.size,
            arch.vector.lanes,
            arch.scratchpad.size_bytes or 0,
            _bandwidth(arch),
            f"{arch.widths.input}/{arch.widths.weight}/{arch.widths.output}/{arch.widths.accumulator}",
        )
        for arch in machines
    ]
    headings = [
        "name",
        "timing",
        "MHz",
        "array",
        "MAC/cycle",
        "lanes",
        "scratchpad B",
        "DRAM B/cycle",
        "bits i/w/o/acc",
    ]
    print(text.table(headings, rows, left=2))


@arch_app.command("show")
@guarded
def show_verb(machine: Machine, as_json: options.Json = False) -> None:
    """Draw a machine: memories from the outermost to the array, with sizes, bandwidths and energies."""
    from tilewright.arch import load_arch
    from tilewright.arch.describe import describe

    arch = load_arch(machine)
    if as_json:
        show(_entry(arch))
        return
    print(describe(arch).rstrip())


@arch_app.command("check")
@guarded
def check_verb(files: Annotated[list[str], typer.Argument(metavar="FILE...", help="YAML files.")]) -> None:
    """Check accelerator files; every problem of every file is printed with its line and column."""
    from tilewright.arch import load_arch
    from tilewright.errors import InputError

    problems: list[str] = []
    for file in files:
        try:
            print(f"{file}: ok, machine {load_arch(file).name}")
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)


def _bandwidth(arch: Accelerator) -> str:
    port = arch.dram.read_bandwidth
    return "unlimited" if port is None else f"{float(port):g}"


def _entry(arch: Accelerator) -> dict[str, Any]:
    from pydantic import TypeAdapter

    entry: dict[str, Any] = TypeAdapter(type(arch)).dump_python(arch, mode="json")
    return entry
