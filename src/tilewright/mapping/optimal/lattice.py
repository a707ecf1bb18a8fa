"""The combinations of least bound in a case: along shortest paths over vectors of tiles (``lattice_kernels``), or by
splitting trees of candidates (``branch_kernels``)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.costs import forest, turns_taken
from tilewright.mapping.optimal.forms import Relaxed
from tilewright.mapping.optimal.profiles import NONE, Cuts
from tilewright.mapping.optimal.relaxation import relaxed
from tilewright.mapping.optimal.threads import aside


class Found(NamedTuple):
    """Combinations of rows, numbered within their components, with their bounds; no other one is below ``rest`` or
    below the limit. ``work`` is in bounds."""

    rows: list[Any]
    values: list[float]
    rest: float
    work: int
    cut: int
    asked: tuple[int, ...] = ()


def shortest_paths(
    node: Node, limit: float, most: int, budget: int, form: Relaxed | None = None, cuts: Cuts = NONE
) -> Found:
    """The combinations of a node of least bound below ``limit``, at most ``most`` of them; ``form`` may be that of a
    larger node, ``cuts`` are what is known of the scratchpad's tiles."""
    from tilewright.mapping.optimal.lattice_kernels import lattice

    where, machine = node.origin.where, node.origin.machine
    form = (form or relaxed(where, machine, list(node.tables), node.case)).separate
    offsets = node.offsets
    befores = np.array([turn.before for turn in turns_taken(where, node.case.inner, node.case.before)])
    logs, table, codes = np.concatenate(form.logs), np.concatenate(node.tables), node.codes()
    prefix = node.prefix() if cuts is not NONE else NONE.keys
    with aside():
        rows, values, held, work, cut, rest, asked = lattice(
            logs, offsets, codes, form.items, form.coefficients, form.constants, form.roles,
            limit, most, budget, table, where._replace(before=befores[0].copy(), enough=limit), machine, befores,
            prefix, cuts,
        )  # fmt: skip
    order = np.argsort(values[:held], kind="stable")
    return Found(
        [rows[k] - offsets[:-1] for k in order],
        [float(values[k]) for k in order],
        float(rest),
        int(work),
        int(cut),
        tuple(asked.tolist()),
    )


def least_in_trees(node: Node, limit: float, most: int, budget: int) -> Found:
    """The same by splitting trees of candidates: better where chunks are ragged and a node has few combinations."""
    from tilewright.mapping.optimal.branch_kernels import search

    where, machine = node.origin.where, node.origin.machine
    tables = []
    for table, score in zip(node.tables, node.scores or [None] * len(node.tables), strict=True):
        own = table.copy()
        if score is not None:
            own[:, where.at_score] = score + node.bound / len(node.tables)
        tables.append(own)
    trees = forest(
        tables, node.origin.kinds, where.at_free, [np.ascontiguousarray(np.log2(1.0 + np.abs(t))) for t in tables]
    )
    combinations, bounds, rest, work, cuts = [], [], np.inf, 0, 0
    for turn in turns_taken(where, node.case.inner, node.case.before):
        with aside():
            rows, values, held, nodes, cut, left = search(
                trees.roots, trees.left, trees.right, trees.table, turn, machine, limit, most, budget
            )
        combinations += [rows[k] - trees.starts for k in range(held)]
        bounds += values[:held].tolist()
        rest, work, cuts = min(rest, float(left)), work + int(nodes), cuts + int(cut)
    order = np.argsort(bounds, kind="stable")
    return Found([combinations[k] for k in order], [bounds[k] for k in order], rest, work, cuts)
