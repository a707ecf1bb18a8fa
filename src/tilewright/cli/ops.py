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


def operators_text(rows: tuple[OperatorRow, ...]) -> str:
    """The table: operators of equal constraints together, those that hold for all first."""
    common = [sentence for sentence in rows[0].constraints if all(sentence in row.constraints for row in rows)]
    together: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for row in rows:
        own = tuple(sentence for sentence in row.constraints if sentence not in common)
        together.setdefault((row.kind, row.opsets, own), []).append(row.op_type)
    lines = [f"{len(rows)} operators. Of all of them:", *(f"  - {sentence}" for sentence in common)]
    for (kind, opsets, own), names in sorted(together.items(), key=lambda entry: (entry[0][0], entry[1])):
        becomes = "" if names == [kind] else f", read as {kind}"
        lines += ["", f"{', '.join(names)} (operator sets {opsets}{becomes})", *(f"  - {sentence}" for sentence in own)]
    return "\n".join(lines)
