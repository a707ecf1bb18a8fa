"""Cases of the search: an order of keeps with some candidates of each component, bounded, and cut in two or more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tilewright.mapping.optimal.bound_kernels import INNER, LOOPS, WIDEST
from tilewright.mapping.optimal.chains import Choice, IntTable
from tilewright.mapping.optimal.costs import OBJECTIVE_CODES, WITHIN, Costs, Layout
from tilewright.mapping.optimal.features import Floats
from tilewright.mapping.optimal.relaxation import (
    Case,
    Relaxed,
    Tangent,
    relaxed,
    segments_known,
    tangent,
)
from tilewright.mapping.optimal.structure import Structure

ROUNDS, STEPS = 5, 30  # of a tangent of a part: fewer than those of a case
NODES_A_TANGENT, ROWS_A_NODE = 150, 8  # what a tangent costs, in bounds, and rows that it prices as one bound
SAME = 1e-9  # a difference of logarithms that is none
TIMED = (OBJECTIVE_CODES["latency"], OBJECTIVE_CODES["edp"], WITHIN)


@dataclass(frozen=True, eq=False)
class Origin:
    """An order of keeps; ``chains[c]`` are the tables of the dimensions of component c, its candidates their product in
    order, listed for ``choice``. ``kinds`` says how the rows of packed features combine."""

    structure: Structure
    choice: Choice
    where: Layout
    machine: Costs
    chains: tuple[tuple[tuple[str, IntTable], ...], ...]
    kinds: Any

    def chain(self, c: int, candidate: int) -> dict[str, tuple[int, ...]]:
        """The tiles of every dimension of a component at its places."""
        shape = tuple(len(table) for _, table in self.chains[c])
        rows = np.unravel_index(candidate, shape)
        return {dim: tuple(table[r].tolist()) for (dim, table), r in zip(self.chains[c], rows, strict=True)}

    def shares(self, c: int, candidates: IntTable) -> Floats:
        """Logarithms of the positions that candidates take on axes that count alike: those of one place that share
        words in the same way and, for dimensions that are summed over, add up results in the same way. Nothing where no
        memory is further in than the scratchpad: there positions need not be told apart first.
        """
        array, nest = self.structure.problem.arch.array, self.structure.problem.nest
        if not self.structure.deep:
            return np.zeros((len(candidates), 1))
        kinds = [
            (place, axis in array.multicast, axis in array.reduce)
            for (axis, _), place in zip(array.axes, self.structure.axis_places, strict=True)
        ]
        columns: dict[tuple[object, ...], Any] = {}
        picked = np.unravel_index(candidates, tuple(len(table) for _, table in self.chains[c]))
        for (dim, table), rows in zip(self.chains[c], picked, strict=True):
            for k, split in enumerate(self.structure.splits(dim)):
                if split.axis < 0:
                    continue
                kind = kinds[split.axis] if dim in nest.reduction_dims else kinds[split.axis][:2]
                outer = table[rows, k - 1] if k else nest.extents[dim]
                columns[kind] = columns.get(kind, 0.0) + np.log(-(-outer // table[rows, k]))
        return np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(candidates), 1))

    def codes(self, c: int, candidates: IntTable) -> IntTable:
        """A number for the tiles of every one of a component's candidates at every keep, its pars included."""
        shape = tuple(len(table) for _, table in self.chains[c])
        picked = np.unravel_index(candidates, shape)
        total = np.zeros((len(candidates), len(self.structure.items)), dtype=np.int64)
        for (dim, table), rows in zip(self.chains[c], picked, strict=True):
            extent = self.structure.problem.nest.extents[dim]
            splits = self.structure.splits(dim)
            for item in range(total.shape[1]):
                places = sum(split.segment <= item for split in splits)
                tile = table[rows, places - 1] if places else extent
                total[:, item] = total[:, item] * (extent + 1) + tile
        return total


@dataclass(frozen=True, eq=False)
class Node:
    """Candidates by number and their packed features; no combination of them goes below ``exp(bound)``, nor below
    ``exp(bound + its scores)``."""

    origin: Origin
    numbers: tuple[IntTable, ...]
    tables: tuple[Floats, ...]
    case: Case
    bound: float = -np.inf
    scores: tuple[Floats, ...] = ()
    form: Relaxed | None = None
    tangent: Tangent | None = None

    def codes(self) -> IntTable:
        """A number for the tiles of every candidate at every keep, one component after the other."""
        return np.concatenate([self.origin.codes(c, rows) for c, rows in enumerate(self.numbers)])

    def shares(self) -> list[Floats]:
        """The positions that the candidates of every component take (``Origin.shares``)."""
        return [self.origin.shares(c, rows) for c, rows in enumerate(self.numbers)]

    @property
    def settled(self) -> bool:
        """Whether all candidates of a component take the same positions, but for axes that count alike."""
        return all(float(np.ptp(one, axis=0).max()) < SAME for one in self.shares())

    def fits(self) -> bool:
        """Whether the array has the positions that some combination of candidates takes."""
        where = self.origin.where
        used = slice(where.at_used, where.at_used + len(where.positions))
        taken = np.ones((1, len(where.positions)))
        for table in self.tables:
            joined = (taken[:, None, :] * np.unique(table[:, used], axis=0)[None, :, :]).reshape(-1, taken.shape[1])
            taken = np.unique(joined[(joined <= where.positions).all(axis=1)], axis=0)
        return len(taken) > 0

    def states(self) -> int:
        """How many vectors of tiles there are at all keeps together."""
        each = [self.origin.codes(c, rows) for c, rows in enumerate(self.numbers)]
        return sum(
            int(np.prod([float(len(np.unique(codes[:, item]))) for codes in each])) for item in range(each[0].shape[1])
        )

    @property
    def size(self) -> float:
        """How many combinations there are."""
        return float(np.prod([float(len(rows)) for rows in self.numbers]))

    @property
    def rows(self) -> int:
        return sum(len(rows) for rows in self.numbers)

    def only(self, masks: list[Any]) -> Node:
        """The node with some of its candidates."""
        return replace(
            self,
            numbers=tuple(rows[mask] for rows, mask in zip(self.numbers, masks, strict=True)),
            tables=tuple(np.ascontiguousarray(table[mask]) for table, mask in zip(self.tables, masks, strict=True)),
            scores=tuple(score[mask] for score, mask in zip(self.scores, masks, strict=True)) if self.scores else (),
            form=self.form.only(masks) if self.form is not None else None,
        )


def solved(node: Node, limit: float, repeats: int = 3) -> tuple[Node | None, int, int]:
    """(node, candidates dropped, work): the node bounded, without candidates that cannot stay below ``limit``; ``None``
    if nothing of it can."""
    dropped = work = 0
    if limit <= 0:
        return None, node.rows, 0
    most = np.log(limit) - 1e-12 if np.isfinite(limit) else np.inf
    for _ in range(repeats):
        case: Relaxed = relaxed(node.origin.where, node.origin.machine, list(node.tables), node.case)
        found: Tangent = tangent(case, limit)
        work += node.rows
        bound = max(node.bound, found.bound)
        if bound >= most:
            return None, dropped + node.rows, work
        masks = [found.bound + score < most for score in found.scores]
        left = sum(int(mask.sum()) for mask in masks)
        before = node.rows
        node = replace(node, bound=found.bound, scores=found.scores, form=case, tangent=found).only(masks)
        node = replace(node, bound=bound, scores=tuple(s - (bound - found.bound) / len(masks) for s in node.scores))
        dropped += before - left
        if not all(mask.any() for mask in masks):
            return None, dropped + left, work
        if left > 0.7 * before:
            break
    return node, dropped, work


def branches(node: Node) -> list[Node]:
    """Nodes that together hold every combination of a node and bring its forms nearer to the costs; empty where no such
    cut is left."""
    for cut in (_by_segment, _by_run, _by_loops):
        found = cut(node)
        if found:
            return found
    return []


def explored(node: Node, limit: float, small: float, states: float, budget: int) -> tuple[list[Node], int, int]:
    """(nodes, candidates dropped, work): what is left of a node after cuts by the positions that candidates take, then
    at the middle of features in which the good ones differ most, down to nodes of at most ``small`` combinations or of
    at most ``states`` vectors of tiles, or ``budget`` tangents."""
    from tilewright.mapping.optimal.dual_kernels import explore

    form, found = node.form, node.tangent
    assert form is not None
    assert found is not None
    assert found.chords is not None
    counts = [len(rows) for rows in node.numbers]
    most = np.log(limit) - 1e-12 if np.isfinite(limit) else np.inf
    shares = node.shares()
    used = np.zeros((node.rows, max(one.shape[1] for one in shares)))
    for one, first in zip(shares, np.cumsum([0, *counts[:-1]]), strict=True):
        used[first : first + len(one), : one.shape[1]] = one
    rows, scores, sizes, bounds, dropped, tangents, priced = explore(
        np.concatenate(form.logs), np.concatenate([[0], np.cumsum(counts)]), form.coefficients, form.constants,
        form.roles, *found.chords, found.multipliers, used, node.codes(), most, small, states, budget,
        ROUNDS, STEPS,
    )  # fmt: skip
    nodes = []
    ends = np.cumsum(sizes.sum(axis=1))
    for part, end in enumerate(ends):
        first = end - sizes[part].sum()
        cuts = np.cumsum(sizes[part])[:-1]
        picks, own = np.split(rows[first:end], cuts), np.split(scores[first:end], cuts)
        bound = max(node.bound, float(bounds[part]))
        scored = not np.isnan(scores[first])
        shift = (bound - float(bounds[part])) / len(counts)
        nodes.append(
            replace(
                node,
                numbers=tuple(numbers[pick] for numbers, pick in zip(node.numbers, picks, strict=True)),
                tables=tuple(np.ascontiguousarray(table[pick]) for table, pick in zip(node.tables, picks, strict=True)),
                bound=bound,
                scores=tuple(score - shift for score in own) if scored else (),
                form=None,
                tangent=None,
            )
        )
    return nodes, dropped, NODES_A_TANGENT * tangents + priced // ROWS_A_NODE


def _by_segment(node: Node) -> list[Node]:
    """By the segment of the innermost loop of an item that its pars hold in place."""
    where, known = node.origin.where, segments_known(node.origin.where, list(node.tables), node.case)
    for j, at in enumerate(where.at_item):
        barrier = int(where.barrier[j])
        if barrier < 0 or node.case.inner[j] is not None:
            continue
        found = []
        most = max(table[:, at + INNER].max() for table in node.tables)
        for segment in [*range(known[j][0], min(barrier, j) + 1), *([j] if barrier < j else [])]:
            free = segment > barrier
            if (free and most <= barrier) or (not free and segment > most):
                continue
            masks = [np.ones(len(t), bool) if free else t[:, at + INNER] <= segment for t in node.tables]
            if not all(mask.any() for mask in masks):
                continue
            if segment >= 0 and not free and not any((t[:, at + INNER] == segment).any() for t in node.tables):
                continue
            inner = (*node.case.inner[:j], segment, *node.case.inner[j + 1 :])
            found.append(replace(node.only(masks), case=replace(node.case, inner=inner)))
        return found
    return []


def _by_run(node: Node) -> list[Node]:
    """By whether a tile covers the axis along which a tensor's addresses follow each other."""
    where = node.origin.where
    if node.origin.machine.setup == 0 or where.objective not in TIMED:
        return []
    for j in range(len(where.parent)):
        if where.parent[j] >= 0 or where.packed[j]:
            continue
        run = 1.0
        for k in range(where.axis_count[j]):
            c, extent = int(where.axis_component[j, k]), float(where.axis_size[j, k])
            if run != where.axis_stride[j, k]:
                break
            run *= extent
            if c < 0:
                continue
            whole = node.tables[c][:, where.at_item[j] + WIDEST] >= extent
            if whole.any() and not whole.all():
                return _cut(node, c, whole)
            if not whole.all():
                break
    return []


def _by_loops(node: Node) -> list[Node]:
    """By whether an item that is loaded ahead has loops of a component above it: then it needs two footprints."""
    where = node.origin.where
    for j in range(len(where.parent)):
        if where.doubles[j] != 1:
            continue
        counts = [table[:, where.at_item[j] + LOOPS] for table in node.tables]
        if any(count.min() > 0 for count in counts):
            continue
        for c, count in enumerate(counts):
            if count.max() > 0:
                return _cut(node, c, count == 0)
    return []


def _cut(node: Node, c: int, one: Any) -> list[Node]:
    masks = [np.ones(len(rows), bool) for rows in node.numbers]
    return [node.only([*masks[:c], mask, *masks[c + 1 :]]) for mask in (one, ~one)]
