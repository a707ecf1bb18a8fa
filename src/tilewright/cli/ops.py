"""``tilewright ops``: the operators that can be imported, with their constraints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilewright.cli import options
from tilewright.cli.document import show
from tilewright.cli.guard import guarded

if TYPE_CHECKING:
    from tilewright.workload.operators import OperatorRow


@guarded
def ops_verb(as_json: options.Json = False) -> None:
    """Print the supported ONNX operators and what is asked of them."""
    from tilewright.workload.operators import table

    rows = table()
    if as_json:
        entries = [
            {"operator": r.op_type, "opsets": r.opsets, "becomes": r.kind, "constraints": list(r.constraints)}
            for r in rows
        ]
        show({"operators": entries})
        return
    print(operators_text(rows))


Group = tuple[tuple[str, ...], str, str, tuple[str, ...]]


def _groups(rows: tuple[OperatorRow, ...]) -> tuple[list[str], list[Group]]:
    """Constraints that hold for all; then (names, operator sets, kind, further constraints) of operators alike."""
    common = [sentence for sentence in rows[0].constraints if all(sentence in row.constraints for row in rows)]
    together: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for row in rows:
        own = tuple(sentence for sentence in row.constraints if sentence not in common)
        together.setdefault((row.kind, row.opsets, own), []).append(row.op_type)
    groups = [(tuple(names), opsets, kind, own) for (kind, opsets, own), names in together.items()]
    return common, sorted(groups, key=lambda group: (group[2], group[0]))


def operators_text(rows: tuple[OperatorRow, ...]) -> str:
    """The table for a terminal."""
    common, groups = _groups(rows)
    lines = [f"{len(rows)} operators. Of all of them:", *(f"  - {sentence}" for sentence in common)]
    for names, opsets, kind, own in groups:
        becomes = "" if names == (kind,) else f", read as {kind}"
        lines += ["", f"{', '.join(names)} (operator sets {opsets}{becomes})", *(f"  - {sentence}" for sentence in own)]
    return "\n".join(lines)


def operators_markdown() -> str:
    """The page docs/operators.md."""
    from tilewright.workload.operators import table

    rows = table()
    common, groups = _groups(rows)
    lines = [
        "# Supported operators",
        "",
        "Made from the importer's own table, the one that `tilewright ops` prints and that messages about rejected",
        "nodes quote. Chains of operators on constants and shapes (Shape, Gather, Cast, Where, Range...) are folded",
        "before this table is asked. Of all operators:",
        "",
        *(f"- {sentence}" for sentence in common),
        "",
        "| ONNX operators | operator sets | read as | asked of them |",
        "|---|---|---|---|",
    ]
    for names, opsets, kind, own in groups:
        lines.append(f"| {', '.join(names)} | {opsets} | {kind} | {' '.join(own)} |")
    return "\n".join(lines) + "\n"
