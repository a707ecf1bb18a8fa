"""Random moves between combinations of candidates, for good mappings early."""

from __future__ import annotations

from typing import Any

import numpy as np

from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import turns_taken
from tilewright.mapping.optimal.threads import aside


def walk(node: Node, steps: int, seed: int, skew: float = 1.0) -> tuple[Any, float]:
    """The best combination of a walk of so many moves and a descent, numbered within the components, and its guess.

    With a ``skew`` above 1 candidates of least scores are tried more often.
    """
    from tilewright.mapping.optimal.branch_kernels import anneal, descend

    node = node.guessing
    machine, table = node.origin.machine, np.concatenate(node.tables)
    befores = np.array([turn.before for turn in turns_taken(node.origin.where, node.case.inner, node.case.before)])
    where = node.origin.where._replace(before=befores[0].copy())
    counts = np.array([len(rows) for rows in node.numbers])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    scores = node.scores or tuple(np.zeros(count) for count in counts)
    leaves = np.concatenate(
        [first + np.argsort(score, kind="stable") for first, score in zip(offsets[:-1], scores, strict=True)]
    )
    smallest = _smallest(node, offsets[:-1])
    with aside():
        rows, _ = anneal(smallest, leaves, offsets, table, where, machine, befores, steps, seed, skew)
        rows, value = descend(rows, offsets[:-1], counts, table, where, machine, befores)
    return rows - offsets[:-1], float(value)


def _smallest(node: Node, starts: Any) -> Any:
    """The candidates that need least room and positions."""
    where = node.origin.where
    room = [*where.at_item, *range(where.at_used, where.at_free)]
    return np.array(
        [first + int(np.argmin(table[:, room].sum(axis=1))) for first, table in zip(starts, node.tables, strict=True)]
    )
