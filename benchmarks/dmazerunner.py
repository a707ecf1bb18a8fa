"""Makes the tables of docs/dmazerunner.md, as markdown on standard output.

    python benchmarks/dmazerunner.py                 # reads ../shared/reference
    python benchmarks/dmazerunner.py FOLDER          # with dmazerunner-points.json and dmazerunner-layers.json

Seconds are of CPU in this process, compilation apart. Exit code 5 if an evaluation or the pruned search differs from
the original's, or an optimum is not reached.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tilewright.mapping.published.dmazerunner_optimum import Switches, optimum
from tilewright.studies.dmazerunner import (
    PAPER_EDP,
    PAPER_TIME,
    Compared,
    LayerResult,
    arithmetic,
    check_points,
    compare_dataflows,
    compare_layers,
    find_optima,
    geometric,
    warm_up,
)
from tilewright.studies.dmazerunner_files import ListedLayer, PointsFile, read_layers, read_points

FOLDER = Path(__file__).resolve().parent.parent.parent / "shared" / "reference"
SWITCHES = (
    ("all rules", Switches()),
    ("without `dominance`", Switches(dominance=False)),
    ("without `tiles`", Switches(tiles=False)),
    ("without `arrays`", Switches(arrays=False)),
    ("without `tiles` and `arrays`", Switches(tiles=False, arrays=False)),
)


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def evaluations(read: PointsFile) -> tuple[list[str], bool]:
    checked = check_points(read.points, read.machine)
    found = find_optima(read.optima, read.machine)
    exact, reached = sum(not one.differences for one in checked), sum(one.reached for one in found)
    lines = [
        f"- {exact} of {len(checked)} evaluations of the original program agree exactly in cycles and energy, and in"
        " the five parts of the energy within 1e-9.",
        f"- {reached} of {len(found)} listed optima of the same model are reached, in"
        f" {sum(one.seconds for one in found):.2f} CPU s together, {max(one.seconds for one in found):.2f} s at most.",
    ]
    return lines, exact == len(checked) and reached == len(found)


def layer_table(name: str, results: Sequence[LayerResult]) -> list[str]:
    lines = [
        f"### {name}",
        "",
        "| layer | optimal EDP | pruned search | as the original | gap | optimum, s | pruned, s | original, s |",
        "|---|--:|--:|---|--:|--:|--:|--:|",
    ]
    for one in results:
        theirs = one.listed.original and one.listed.original.cpu_seconds
        same = {True: "yes", False: "no", None: "unknown"}[one.agrees]
        lines.append(
            f"| {one.listed.layer.name} | {one.best.cost.edp:.6g} | {one.pruned.cost.edp:.6g} | {same} |"
            f" {100 * one.gap:.2f}% | {one.seconds:.3f} | {one.pruned_seconds:.3f} | {number(theirs)} |"
        )
    gaps = [one.gap for one in results]
    original = sum((one.listed.original.cpu_seconds or 0) for one in results if one.listed.original)
    lines.append(
        f"| all | | | {sum(bool(one.agrees) for one in results)} of {len(results)} |"
        f" mean {100 * (arithmetic(gaps) or 0):.2f}%, most {100 * max(gaps):.2f}% |"
        f" {sum(one.seconds for one in results):.2f} | {sum(one.pruned_seconds for one in results):.2f} |"
        f" {original:.2f} |"
    )
    return [*lines, ""]


def dataflow_table(name: str, table: Sequence[Compared]) -> list[str]:
    lines = [
        f"### Dataflows on {name}",
        "",
        "| reading | dataflow | layers | no mapping | EDP, geometric | EDP, mean | time, geometric | time, mean |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for reading in dict.fromkeys(one.reading for one in table):
        own = [one for one in table if one.reading == reading]
        edp, cycles = tuple(r for one in own for r in one.edp), tuple(r for one in own for r in one.time)
        for one in (*own, Compared("all four", reading, edp, cycles, sum(one.without for one in own))):
            means = (geometric(one.edp), arithmetic(one.edp), geometric(one.time), arithmetic(one.time))
            cells = " | ".join(map(number, means))
            title = one.title.replace("|", "\\|")
            lines.append(f"| {reading} | {title} | {len(one.edp)} | {one.without} | {cells} |")
    return [*lines, ""]


def switch_table(layers: Sequence[ListedLayer]) -> list[str]:
    lines = [
        f"### What the rules save, on the {len(layers)} layers of {layers[0].network}",
        "",
        "| rules | array tiles visited | CPU s |",
        "|---|--:|--:|",
    ]
    for title, switches in SWITCHES:
        began = time.process_time()
        visited = sum(optimum(one.layer, switches=switches).visited for one in layers)
        lines.append(f"| {title} | {visited:,} | {time.process_time() - began:.2f} |")
    return [*lines, ""]


def main(folder: Path) -> int:
    compiling = warm_up()
    layers = read_layers(folder / "dmazerunner-layers.json")
    lines, matched = evaluations(read_points(folder / "dmazerunner-points.json"))
    print("## Measured", "", sep="\n")
    print(
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} processors; CPU seconds of one"
        f" process, beside {compiling:.1f} s for compiling or loading the compiled loops. The original's seconds are"
        " those of the file, from another day.\n"
    )
    print(*lines, "", sep="\n")
    networks = list(dict.fromkeys(one.network for one in layers))
    tables = []
    for name in networks:
        results = compare_layers([one for one in layers if one.network == name])
        matched &= all(one.agrees is not False for one in results)
        print(*layer_table(name, results), sep="\n")
        tables.append((name, compare_dataflows(results)))
    for name, table in tables:
        print(*dataflow_table(name, table), sep="\n")
    print(f"The paper: {PAPER_EDP}x EDP and {PAPER_TIME}x time on average over ResNet.\n")
    print(*switch_table([one for one in layers if one.network == networks[0]]), sep="\n")
    return 0 if matched else 5


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER))
