"""The table of supported ONNX operators: per type its importer, its versions and its constraints.

A constraint is a function of a ``Node`` whose docstring is the sentence that users read, in the table of
``tilewright ops`` and in the message about a node that breaks it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from inspect import cleandoc

from tilewright.workload.operators.emitter import Emitter
from tilewright.workload.operators.node import Node

Check = Callable[[Node], bool]
Importer = Callable[[Node, Emitter], None]
ALL = "*"


@dataclass(frozen=True)
class OperatorRow:
    """One line of the table: which versions of an operator are read, what it becomes, and under which conditions."""

    op_type: str
    opsets: str
    kind: str
    constraints: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    opsets: str
    kind: str
    importer: Importer


_entries: dict[str, _Entry] = {}
_constraints: dict[str, list[Check]] = {}


def imports(*op_types: str, kind: str, opsets: str = "7+") -> Callable[[Importer], Importer]:
    """Register the function that turns nodes of these types into operators of a canonical kind."""

    def register(importer: Importer) -> Importer:
        for op_type in op_types:
            _entries[op_type] = _Entry(opsets, kind, importer)
        return importer

    return register


def constraint(*op_types: str) -> Callable[[Check], Check]:
    """Register a condition on nodes of these types (``"*"`` for all); later ones may rely on earlier ones."""

    def register(check: Check) -> Check:
        for op_type in op_types:
            _constraints.setdefault(op_type, []).append(check)
        return check

    return register


def is_supported(op_type: str) -> bool:
    """Whether there is an importer for this type of the standard domain."""
    return op_type in _entries


def supported() -> tuple[str, ...]:
    """The operator types with an importer, in alphabetical order."""
    return tuple(sorted(_entries))


def violation(node: Node) -> str | None:
    """The sentence of the first constraint that the node breaks, or None."""
    for check in (*_constraints.get(ALL, ()), *_constraints.get(node.op_type, ())):
        if not check(node):
            return _sentence(check)
    return None


def import_node(node: Node, emitter: Emitter) -> None:
    """Add the node's operators; its constraints must hold."""
    _entries[node.op_type].importer(node, emitter)


def table() -> tuple[OperatorRow, ...]:
    """Every supported operator, in alphabetical order."""
    common = tuple(_sentence(check) for check in _constraints.get(ALL, ()))
    return tuple(
        OperatorRow(
            op_type,
            entry.opsets,
            entry.kind,
            common + tuple(_sentence(check) for check in _constraints.get(op_type, ())),
        )
        for op_type, entry in sorted(_entries.items())
    )


def _sentence(check: Check) -> str:
    return " ".join(cleandoc(check.__doc__ or "").split())
