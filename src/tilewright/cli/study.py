"""``tilewright study``: published results computed again, and ours beside them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tilewright.cli import options, text
from tilewright.cli.document import show
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.errors import CheckError, UsageError

if TYPE_CHECKING:
    from tilewright.studies.dmazerunner import Checked, Compared, FoundOptimum, LayerResult

study_app = typer.Typer(
    help="Compute published results again, and print ours beside them.", no_args_is_help=True, rich_markup_mode=None
)
SHOWN = 10


@study_app.callback()
def studies() -> None:
    """Each study is a verb of its own."""


@study_app.command("dmazerunner", short_help="dMazeRunner's model, its optimum and its search (docs/dmazerunner.md).")
@guarded
def dmazerunner_verb(
    points: Annotated[
        Path | None, typer.Option("--points", metavar="FILE", help="Evaluations to reproduce, and optima.")
    ] = None,
    optima: Annotated[
        bool, typer.Option("--optima", help="With --points: also find every optimum that the file lists.")
    ] = False,
    layers: Annotated[
        Path | None, typer.Option("--layers", metavar="FILE", help="Layers to search, with the original's answers.")
    ] = None,
    dataflows: Annotated[
        bool, typer.Option("--dataflows", help="With --layers: also the four fixed dataflows on them.")
    ] = False,
    as_json: options.Json = False,
    progress: options.ShowProgress = False,
) -> None:
    """dMazeRunner's execution model: every evaluation exactly, its true optimum, its pruned search, its baselines."""
    if (points is None) == (layers is None):
        raise UsageError("give one of --points FILE and --layers FILE")
    if optima and points is None:
        raise UsageError("--optima goes with --points, not with --layers")
    if dataflows and layers is None:
        raise UsageError("--dataflows goes with --layers, not with --points")
    if points is not None:
        _points(points, optima, as_json, progress)
    elif layers is not None:
        _layers(layers, dataflows, as_json, progress)


def _points(path: Path, optima: bool, as_json: bool, progress: bool) -> None:
    import time

    from tilewright.studies.dmazerunner import check_points, find_optima, warm_up
    from tilewright.studies.dmazerunner_files import read_points

    read = read_points(path)
    compiling = warm_up() if optima and read.optima else 0.0
    began = time.process_time()
    checked = check_points(read.points, read.machine)
    with Progress("searching", progress) as shown:
        found = find_optima(read.optima, read.machine, shown) if optima else []
    seconds = time.process_time() - began
    differences = [f"{one.point.where}: {what}" for one in checked for what in one.differences]
    differences += [_missed(one) for one in found if not one.reached]
    document = {
        "points": len(checked),
        "exact": sum(not one.differences for one in checked),
        "optima": len(found),
        "reached": sum(one.reached for one in found),
        "seconds": seconds,
        "compile_seconds": compiling,
        "differences": differences,
        "notes": _notes(checked),
        "found": [_optimum_entry(one) for one in found],
    }
    if as_json:
        show(document)
    else:
        print(_points_report(document, found))
    _settle(differences)


def _layers(path: Path, dataflows: bool, as_json: bool, progress: bool) -> None:
    from tilewright.studies.dmazerunner import compare_dataflows, compare_layers, warm_up
    from tilewright.studies.dmazerunner_files import read_layers

    read = read_layers(path)
    compiling = warm_up()
    with Progress("searching", progress) as shown:
        results = compare_layers(read, watch=shown)
    networks = list(dict.fromkeys(one.listed.network for one in results))
    by_network = {name: [one for one in results if one.listed.network == name] for name in networks}
    tables: dict[str, list[Compared]] = {}
    if dataflows:
        with Progress("dataflows", progress) as shown:
            tables = {name: compare_dataflows(own, watch=shown) for name, own in by_network.items()}
    differences = [
        f"{one.listed.where} ({one.listed.layer.name}): the pruned search answers {one.pruned.cost.cycles:,} cycles and"
        f" {one.pruned.cost.energy_pj:,} pJ instead of {one.listed.original.cycles:,} and"
        f" {one.listed.original.energy_pj:,}"
        for one in results
        if one.listed.original and not one.agrees
    ]
    if as_json:
        show(
            {
                "layers": len(results),
                "agree": sum(bool(one.agrees) for one in results),
                "seconds": sum(one.seconds for one in results),
                "compile_seconds": compiling,
                "differences": differences,
                "networks": {name: [_layer_entry(one) for one in own] for name, own in by_network.items()},
                "dataflows": {name: [_dataflow_entry(one) for one in own] for name, own in tables.items()},
            }
        )
    else:
        parts = [_layers_report(name, own) for name, own in by_network.items()]
        parts += [_dataflows_report(name, own) for name, own in tables.items()]
        print("\n\n".join(parts))
    _settle(differences)


def _settle(differences: Sequence[str]) -> None:
    """CheckError where something differs from what was published."""
    sys.stdout.flush()
    if differences:
        more = [f"... and {len(differences) - SHOWN} more differences"] if len(differences) > SHOWN else []
        raise CheckError("\n".join([*differences[:SHOWN], *more]))


def _notes(checked: Sequence[Checked]) -> list[str]:
    return [f"{one.point.where}: {note}" for one in checked for note in one.notes]


def _missed(one: FoundOptimum) -> str:
    cost, claim = one.answer.cost, one.listed.claim
    return (
        f"{one.listed.where} ({one.listed.layer.name}): {cost.cycles:,} cycles and {cost.energy_pj:,} pJ, and the file"
        f" has {claim.cycles:,} and {claim.energy_pj:,}"
    )


def _optimum_entry(one: FoundOptimum) -> dict[str, Any]:
    cost, claim = one.answer.cost, one.listed.claim
    return {
        "layer": one.listed.layer.name,
        "objective": one.listed.objective,
        "cycles": cost.cycles,
        "energy_pj": cost.energy_pj,
        "edp": cost.edp,
        "file": {"cycles": claim.cycles, "energy_pj": claim.energy_pj, "edp": claim.edp},
        "reached": one.reached,
        "seconds": one.seconds,
        "tiling": _tiling(one.answer),
        "stationary": list(one.answer.stationary),
    }


def _tiling(answer: Any) -> dict[str, list[int]]:
    tiling = answer.tiling
    return {
        "DRAM": list(tiling.dram),
        "SPM": list(tiling.spm),
        "RF": list(tiling.rf),
        "Spatial": list(tiling.spatial),
    }


def _points_report(document: dict[str, Any], found: Sequence[FoundOptimum]) -> str:
    lines = [f"{document['exact']} of {document['points']} evaluations agree exactly"]
    lines += [f"note: {text.printable(note)}" for note in document["notes"]]
    if found:
        rows = [
            (
                text.shortened(one.listed.layer.name),
                one.listed.objective,
                one.answer.cost.edp,
                one.listed.claim.edp,
                one.answer.value(one.listed.objective),
                "yes" if one.reached else "no",
                f"{one.seconds:.3f}",
            )
            for one in found
        ]
        head = ["layer", "least", "EDP, pJ*cycles", "EDP of the file", "objective", "reached", "CPU s"]
        lines += ["", text.table(head, rows, left=2), ""]
        lines.append(f"{document['reached']} of {document['optima']} optima reached in {document['seconds']:.2f} CPU s")
    return "\n".join(lines)


def _layer_entry(one: LayerResult) -> dict[str, Any]:
    claim = one.listed.original
    return {
        "layer": one.listed.layer.name,
        "optimum": {
            "cycles": one.best.cost.cycles,
            "energy_pj": one.best.cost.energy_pj,
            "edp": one.best.cost.edp,
            "tiling": _tiling(one.best),
            "stationary": list(one.best.stationary),
            "seconds": one.seconds,
        },
        "pruned": {
            "cycles": one.pruned.cost.cycles,
            "energy_pj": one.pruned.cost.energy_pj,
            "edp": one.pruned.cost.edp,
            "tilings": one.pruned.visited,
            "seconds": one.pruned_seconds,
        },
        "original": None
        if claim is None
        else {
            "cycles": claim.cycles,
            "energy_pj": claim.energy_pj,
            "edp": claim.edp,
            "seconds": claim.cpu_seconds,
        },
        "gap": one.gap,
        "agrees": one.agrees,
    }


def _layers_report(name: str, results: Sequence[LayerResult]) -> str:
    from tilewright.studies.dmazerunner import arithmetic

    rows = []
    for one in results:
        claim = one.listed.original
        theirs = "" if claim is None or claim.cpu_seconds is None else f"{claim.cpu_seconds:.2f}"
        same = {True: "the same", False: "differs", None: "unknown"}[one.agrees]
        row = (text.shortened(one.listed.layer.name), one.best.cost.edp, one.pruned.cost.edp, same)
        rows.append((*row, text.percent(one.gap), f"{one.seconds:.3f}", f"{one.pruned_seconds:.3f}", theirs))
    head = ["layer", "optimal EDP", "pruned search", "original", "gap", "optimum, s", "pruned, s", "original, s"]
    gaps = [one.gap for one in results]
    claims = [one.listed.original.cpu_seconds or 0 for one in results if one.listed.original]
    return "\n".join(
        [
            f"{text.printable(name)}: EDP in pJ*cycles, CPU seconds",
            text.table(head, rows),
            f"the pruned search is {text.percent(arithmetic(gaps) or 0)} above the optimum on average,"
            f" {text.percent(max(gaps, default=0))} at most",
            f"seconds: {sum(one.seconds for one in results):.2f} for all optima,"
            f" {sum(one.pruned_seconds for one in results):.2f} for our pruned search, {sum(claims):.2f} for theirs",
        ]
    )


def _dataflow_entry(one: Compared) -> dict[str, Any]:
    from tilewright.studies.dmazerunner import arithmetic, geometric

    return {
        "dataflow": one.title,
        "reading": one.reading,
        "layers": len(one.edp),
        "without_mapping": one.without,
        "edp": {"geometric": geometric(one.edp), "arithmetic": arithmetic(one.edp)},
        "time": {"geometric": geometric(one.time), "arithmetic": arithmetic(one.time)},
    }


def _dataflows_report(name: str, table: Sequence[Compared]) -> str:
    from tilewright.studies.dmazerunner import PAPER_EDP, PAPER_TIME, arithmetic, geometric

    rows: list[tuple[object, ...]] = []
    for reading in dict.fromkeys(one.reading for one in table):
        own = [one for one in table if one.reading == reading]
        edp, cycles = [r for one in own for r in one.edp], [r for one in own for r in one.time]
        for title, left, without, e, t in (
            *((one.title, len(one.edp), one.without, one.edp, one.time) for one in own),
            ("all four", len(edp), sum(one.without for one in own), edp, cycles),
        ):
            means = [
                "-" if value is None else f"{value:.2f}"
                for value in (geometric(e), arithmetic(e), geometric(t), arithmetic(t))
            ]
            rows.append((reading, title, left, without, *means))
    head = ["reading", "dataflow", "layers", "no mapping", "EDP geo", "EDP mean", "time geo", "time mean"]
    return "\n".join(
        [
            f"{text.printable(name)}: fixed dataflows, each at its best mapping, as a multiple of the pruned search",
            text.table(head, rows, left=2),
            f"the paper: {PAPER_EDP}x EDP and {PAPER_TIME}x time on average; which readings it took is not published",
        ]
    )
