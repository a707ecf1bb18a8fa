"""Parts of a case, by the segments that refill items, positions and tiles, with their bounds (``explore_kernels``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from tilewright.mapping.optimal.branches import exchangeable, stand_apart
from tilewright.mapping.optimal.cases import SAME, Node
from tilewright.mapping.optimal.chains import Floats, IntTable
from tilewright.mapping.optimal.forms import MIXED, TINY, Relaxed, starts_of
from tilewright.mapping.optimal.profiles import NONE, Cuts
from tilewright.mapping.optimal.threads import aside
from tilewright.mapping.optimal.transfer_kernels import DOUBLE, FOOTPRINT, LOOPS
from tilewright.workload.nest import LoopNest, Operand

ROUNDS, STEPS = 8, 6  # of a tangent of a part: fewer than those of a case
NODES_A_TANGENT, ROWS_A_NODE = 150, 8  # what a tangent costs, in bounds, and rows that it prices as one bound
FEW, ALONE = 30_000, 64  # combinations that are looked at one by one, and that are bounded if no more are left
FAR_APART, APART = 100.0, 50.0  # more than any logarithm of tiles or positions
FEW_TANGENTS = 60  # in which positions are told apart, or all else comes no later


@dataclass(frozen=True, eq=False)
class Led:
    """``heads`` are some rows; those that follow ``heads[k]``, itself included, are ``rows[ends[k] : ends[k + 1]]``."""

    heads: IntTable
    rows: IntTable
    ends: IntTable

    @classmethod
    def of(cls, logs: Floats, shares: Floats) -> Led:
        """Every row follows one of the same shares that is nowhere above it."""
        from tilewright.mapping.optimal.branch_kernels import leaders

        group = np.unique(np.round(shares, 9), axis=0, return_inverse=True)[1].reshape(-1)
        values = np.round(logs, 11)
        order = np.lexsort((values.sum(axis=1), group))
        sorted_values, groups = np.ascontiguousarray(values[order]), group[order]
        with aside():
            leader = order[leaders(sorted_values, groups)]
        head = np.empty(len(logs), dtype=np.int64)
        head[order] = leader
        heads, number = np.unique(head, return_inverse=True)
        ends = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(heads)))])
        return cls(heads, np.argsort(number, kind="stable"), ends)

    @classmethod
    def alone(cls, logs: Floats, _shares: Floats) -> Led:
        """Every row follows itself."""
        return cls(np.arange(len(logs)), np.arange(len(logs)), np.arange(len(logs) + 1))

    def followers(self, picks: IntTable, scores: Floats) -> tuple[IntTable, Floats]:
        """The rows that follow some heads, ascending, and the scores of those heads."""
        if len(self.heads) == len(self.rows):
            order = np.argsort(picks)
            return picks[order], scores[order]
        counts = self.ends[picks + 1] - self.ends[picks]
        rows = np.concatenate([self.rows[self.ends[pick] : self.ends[pick + 1]] for pick in picks])
        order = np.argsort(rows)
        return rows[order], np.repeat(scores, counts)[order]


def windows_slide(nest: LoopNest) -> bool:
    """Whether an operand is read in windows that overlap.

    >>> from tilewright.mapping.nests import conv2d
    >>> windows_slide(conv2d(K=8, C=8, Y=4, X=4, R=3, S=1)), windows_slide(conv2d(K=8, C=8, Y=4, X=4, R=1, S=1))
    (True, False)
    """
    return bool(_windowed(nest))


def moved_by_all(nest: LoopNest) -> bool:
    """Whether every loop moves an operand with windows, as in depthwise layers: then its transfers cost most, and how
    windows slide says more than where the multipliers are.

    >>> from tilewright.mapping.nests import conv2d, depthwise
    >>> moved_by_all(depthwise(G=8, Y=4, X=4, R=3, S=3)), moved_by_all(conv2d(K=8, C=8, Y=4, X=4, R=3, S=3))
    (True, False)
    """
    return any(all(extent == 1 or dim in operand.dims for dim, extent in nest.dims) for operand in _windowed(nest))


def _windowed(nest: LoopNest) -> list[Operand]:
    """The inputs that several loops move along one axis."""
    long = {dim for dim, extent in nest.dims if extent > 1}
    return [one for one in nest.inputs if any(len(long.intersection(axis.dims)) > 1 for axis in one.axes)]


def _as_wide(tables: list[Floats]) -> list[Floats]:
    """Tables with as many columns as the widest of them: zeros."""
    width = max(table.shape[1] for table in tables)
    return [np.hstack([table, np.zeros((len(table), width - table.shape[1]))]) for table in tables]


def _footprints(node: Node) -> Floats:
    """Logarithms of what candidates take of the memories further in than the scratchpad, one component after the other.

    These hold a few words: a mixture of footprints that leave room and of others that do not costs much less than any
    of them. Nothing where windows slide: there parts would be more, not fewer.
    """
    where = node.origin.where
    near = [
        j
        for j, memory in enumerate(where.memory)
        if memory != where.pad and np.isfinite(where.capacity[where.group[j]])
    ]
    if windows_slide(node.origin.structure.problem.nest):
        near = []
    columns = where.at_item[np.array(near, dtype=np.int64)] + FOOTPRINT
    found: Floats = np.log(np.maximum(np.concatenate([table[:, columns] for table in node.tables]), TINY))
    return found


def _lasting(node: Node) -> Floats:
    """Whether the first visit of what is loaded to the scratchpad lasts for several steps with a candidate, or the last
    one of results, so that nothing moves besides: far apart, since it says more than all else."""
    where = node.origin.where
    several = [j for j in range(where.tile_items - 1) if where.parent[j] < 0 and where.timing == DOUBLE]
    columns = np.array([where.at_lasting[j] + j for j in several], dtype=np.int64)
    flags: Floats = np.concatenate([table[:, columns] for table in node.tables])
    return np.where(flags > 1, FAR_APART, 0.0)


def _ahead(node: Node) -> Floats:
    """Whether candidates have a loop above what is loaded ahead, which then takes twice the room."""
    where = node.origin.where
    items = [j for j in range(len(where.parent)) if where.doubles[j] == 1]
    columns = np.array([where.at_item[j] + LOOPS for j in items], dtype=np.int64)
    loops: Floats = np.concatenate([table[:, columns] for table in node.tables])
    return np.where(loops > 0, APART, 0.0)


def _apart(node: Node, c: int, follow: Led, exchanged: list[int]) -> Any:
    """Whether a head of a component, or what follows it, tells an item from the next one, a column for each item."""
    told = np.zeros((len(follow.heads), len(exchanged)), bool)
    for k, j in enumerate(exchanged):
        told[:, k] = np.logical_or.reduceat(stand_apart(node, c, j)[follow.rows], follow.ends[:-1])
    return told


@dataclass(frozen=True, eq=False)
class Heads:
    """The candidates of a node that are told apart, and those that ``follow`` them; ``rows`` are their numbers, one
    component after the other, ``tiles`` their codes, ``used`` what tells them apart: first, in columns before
    ``segments``, what they take of memories further in, which visits last, above what there are loops, the segments of
    items' innermost loops and the tiles of one step, then the positions that they take. What is not ``apart``
    (``branches.exchangeable``) for any candidate of a part, or what follows it, need not be looked at."""

    node: Node
    follow: list[Led]
    rows: IntTable
    tiles: IntTable
    used: Floats
    segments: int
    apart: Any

    @classmethod
    def of(cls, node: Node, *, led: bool, once: bool = False) -> Heads:
        """If ``led``, only candidates that no other one of as many positions beats in everything are told apart; if
        ``once``, what another order of keeps says as well is left to that."""
        form = node.form
        assert form is not None
        assert form.sharp is not None
        sharp, offsets = form.sharp, node.offsets
        inner = np.split(1.0 * sharp.segments[:, sharp.open], offsets[1:-1])
        tiles = _as_wide([node.origin.stepped(c, rows) for c, rows in enumerate(node.numbers)])
        shares = [np.hstack(own) for own in zip(inner, tiles, node.shares(), strict=True)]
        each = Led.of if led else Led.alone
        follow = [each(log, share) for log, share in zip(sharp.comparable(offsets), shares, strict=True)]
        rows = np.concatenate([begin + one.heads for begin, one in zip(offsets[:-1], follow, strict=True)])
        taken = np.hstack([_footprints(node), _lasting(node), _ahead(node)])
        exchanged = exchangeable(node.origin.structure) if once else []
        apart = np.concatenate([_apart(node, c, one, exchanged) for c, one in enumerate(follow)])
        used = np.hstack([taken, np.concatenate(_as_wide(shares))])[rows]
        segments = taken.shape[1] + len(sharp.open) + tiles[0].shape[1]
        return cls(node, follow, rows, node.codes()[rows], used, segments, apart)

    @property
    def starts(self) -> IntTable:
        """Where the heads of every component begin, and where they end."""
        found: IntTable = starts_of([one.heads for one in self.follow])
        return found

    @cached_property
    def table(self) -> Floats:
        """The packed features of the node's candidates, one component after the other."""
        return np.concatenate(self.node.tables)

    @cached_property
    def separate(self) -> Relaxed:
        """The node's groups without those of features that depend on the tiles of several keeps."""
        assert self.node.form is not None
        return self.node.form.separate

    @cached_property
    def led(self) -> tuple[IntTable, IntTable]:
        """(rows, ends): the rows of the node ``rows[ends[h] : ends[h + 1]]`` follow head h of all components."""
        offsets = self.node.offsets  # as many rows follow as there are
        rows = [first + one.rows for first, one in zip(offsets[:-1], self.follow, strict=True)]
        ends = [first + one.ends[:-1] for first, one in zip(offsets[:-1], self.follow, strict=True)]
        return np.concatenate(rows), np.concatenate([*ends, offsets[-1:]])

    def told_first(self, limit: float) -> tuple[int, int]:
        """(what is to be told apart first, work): positions where that soon comes to an end."""
        from tilewright.mapping.optimal.explore_kernels import (
            POSITIONS,
            POSITIONS_FIRST,
            SEGMENTS_FIRST,
            TOGETHER,
            WINDOWS_FIRST,
        )

        if not self.node.held:
            return POSITIONS_FIRST, 0
        probe = self.explored(limit, 1.0, np.inf, FEW_TANGENTS, POSITIONS)
        nest, last = self.node.origin.structure.problem.nest, TOGETHER
        if windows_slide(nest):
            last = WINDOWS_FIRST if moved_by_all(nest) else SEGMENTS_FIRST
        return (POSITIONS_FIRST if probe.done > 1.0 - SAME else last), probe.work

    def explored(self, limit: float, small: float, states: float, budget: int, wanted: int) -> Parts:
        """What is left of the node after cuts by the segments of innermost loops and the positions that candidates take
        (``wanted``: what of them, and what first), then at the middle of features in which the good ones differ most,
        down to parts of at most ``small`` combinations or ``states`` vectors of tiles, or ``budget`` tangents."""
        from tilewright.mapping.optimal.explore_kernels import explore

        form, found = self.node.form, self.node.tangent
        assert form is not None
        assert form.sharp is not None
        assert found is not None
        assert found.chords is not None
        assert found.point is not None
        most = np.log(limit) - 1e-12 if np.isfinite(limit) else np.inf
        where, (led, ends) = self.node.origin.where, self.led
        with aside():
            parts = explore(
                form.sharp.only(self.rows), self.starts, form.coefficients, form.constants, form.roles,
                *found.chords, *found.point, self.node.twins(), self.used, self.tiles, most, self.segments, wanted,
                float(small), float(states), budget, ROUNDS, STEPS, FEW, ALONE, led, ends,
                self.table, where._replace(before=where.before.copy(), enough=limit),
                self.node.origin.machine, self.apart,
            )  # fmt: skip
        return Parts(self, *parts)


def explored(node: Node, limit: float, small: float, states: float, budget: int) -> Parts:
    """What is left of a node, positions before segments, if every candidate is told apart (``Heads.explored``)."""
    from tilewright.mapping.optimal.explore_kernels import POSITIONS_FIRST

    return Heads.of(node, led=False).explored(limit, small, states, budget, POSITIONS_FIRST)


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of a node, as ``explore`` gives them; every row stands for those that follow it. ``done`` is the share
    of the node of which nothing is left but parts that were looked into."""

    heads: Heads
    rows: IntTable
    scores: Floats
    sizes: IntTable
    bounds: Floats
    turns: IntTable
    alongs: IntTable
    dropped: int
    tangents: int
    priced: int
    done: float
    bounded: int

    @property
    def work(self) -> int:
        """What all tangents and bounds cost, in bounds."""
        return int(NODES_A_TANGENT * self.tangents + self.priced // ROWS_A_NODE + self.bounded)

    @cached_property
    def ends(self) -> IntTable:
        """Where the rows of every part end."""
        return np.cumsum(self.sizes.sum(axis=1))

    @cached_property
    def scored(self) -> Any:
        """Which parts were looked into."""
        return ~np.isnan(self.scores[self.ends - 1]) if len(self.ends) else np.zeros(0, bool)

    @property
    def nodes(self) -> list[Node]:
        """All parts."""
        return [self.node(part) for part in range(len(self.ends))]

    def node(self, part: int) -> Node:
        """One part."""
        node, follow, form = self.heads.node, self.heads.follow, self.heads.node.form
        assert form is not None
        assert form.sharp is not None
        end, scored = self.ends[part], bool(self.scored[part])
        begin = end - self.sizes[part].sum()
        cuts = np.cumsum(self.sizes[part])[:-1]
        bound = max(node.bound, float(self.bounds[part]))
        shift = (bound - float(self.bounds[part])) / len(follow)
        picks, own = np.split(self.rows[begin:end], cuts), np.split(self.scores[begin:end] - shift, cuts)
        turn, along = int(self.turns[part]), self.alongs[part]
        whole = [one.followers(pick, score) for one, pick, score in zip(follow, picks, own, strict=True)]
        chosen = [pick for pick, _ in whole]
        return replace(
            node,
            numbers=tuple(numbers[pick] for numbers, pick in zip(node.numbers, chosen, strict=True)),
            tables=tuple(table[pick] for table, pick in zip(node.tables, chosen, strict=True)),
            bound=bound,
            scores=tuple(score for _, score in whole) if scored else (),
            case=node.case.settled(form.sharp, node.offsets, chosen, turn, along),
            form=replace(form, logs=form.sharp.at(node.offsets, chosen, turn, along), sharp=None),
            tangent=None,
            apart=scored,
        )

    def interesting(self, limit: float, most: int, budget: int, cuts: Cuts, wanted: Any) -> tuple[Any, int, int, Any]:
        """(which parts shortest paths leave anything of below a limit, work, cut, numbers of tiles of whose cycles more
        should be known); of parts that are not ``wanted`` all is left."""
        from tilewright.mapping.optimal.parts_kernels import interesting

        node, form = self.heads.node, self.heads.node.form
        assert form is not None
        assert form.sharp is not None
        separate, table, (led, ends) = self.heads.separate, self.heads.table, self.heads.led
        where, codes = node.origin.where, node.codes()
        prefix = node.prefix() if cuts is not NONE else NONE.keys
        with aside():
            left, work, cut, asked = interesting(
                self.rows, self.sizes, self.turns, self.alongs, wanted, self.heads.starts[:-1], led, ends,
                form.sharp, np.flatnonzero(form.items != MIXED), separate.items, separate.coefficients,
                separate.constants, separate.roles, codes, table, prefix, cuts,
                limit, most, budget, where._replace(before=where.before.copy(), enough=limit), node.origin.machine,
            )  # fmt: skip
        return left, int(work), int(cut), asked
