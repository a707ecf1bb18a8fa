"""What ``tilewright map --front`` prints: the Pareto front of energy and cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from tilewright.cli import text
from tilewright.cli.document import show
from tilewright.cli.progress import Progress

if TYPE_CHECKING:
    from tilewright.mapping.constraints import Constraints
    from tilewright.mapping.front import Front
    from tilewright.mapping.problem import NestProblem


def show_front(
    problem: NestProblem,
    resolution: float,
    effort: Literal["quick", "good", "proof", "long"],
    timeout: float | None,
    constraints: Constraints,
    progress: bool,
    as_json: bool,
) -> None:
    """Find the front and print it."""
    from tilewright.mapping.front import map_front

    with Progress("searching", progress) as shown:
        front = map_front(
            problem, resolution=resolution, effort=effort, timeout=timeout, constraints=constraints, progress=shown
        )
    if as_json:
        show(_document(front, problem.arch.name))
    else:
        print(_report(front, problem.arch.name))


def _document(front: Front, machine: str) -> dict[str, Any]:
    from tilewright.mapping.text import format_mapping

    return {
        "arch": machine,
        "objective": "front",
        "status": front.status,
        "gap": front.gap,
        "resolution": front.resolution,
        "open_corners": front.open,
        "space": front.space,
        "evaluated": front.evaluated,
        "bounds": front.nodes,
        "seconds": front.seconds,
        "points": [
            {
                "cycles": point.cost.cycles,
                "energy_pj": point.cost.energy_pj,
                "edp": point.cost.edp,
                "dram_bytes": point.cost.dram_bytes,
                "scratchpad_bytes": point.cost.scratchpad_bytes,
                "mapping": format_mapping(point.mapping),
            }
            for point in front.points
        ],
    }


def _report(front: Front, machine: str) -> str:
    least = min(point.cost.edp for point in front.points)
    rows = [
        (
            point.cost.cycles, f"{point.cost.energy_pj / 1e6:,.6g}", f"{point.cost.edp:.6g}", point.cost.dram_bytes,
            point.cost.scratchpad_bytes, "least edp" if point.cost.edp == least else "",
        )
        for point in front.points
    ]  # fmt: skip
    claim = f"no mapping is more than {text.percent(front.gap)} better than all points in both"
    if front.gap == 0:
        claim = "no mapping equals a point in one and is better in the other"
    done = f"{front.evaluated:,} mappings evaluated, {front.nodes:,} bounds, in {text.duration(front.seconds)}"
    return "\n".join(
        [
            text.fields(
                [
                    ("machine", machine),
                    ("front", f"{len(front.points)} points of energy and cycles, {front.status}"),
                    ("claim", claim + (" (even tiles)" if front.space == "even" else "")),
                    ("open", f"{front.open} corners between points are not proven empty" if front.open else "nothing"),
                    ("search", done + (", stopped by Ctrl-C" if front.interrupted else "")),
                ]
            ),
            "",
            text.table(["cycles", "energy uJ", "edp pJ*cycles", "DRAM B", "scratchpad B", ""], rows),
        ]
    )
