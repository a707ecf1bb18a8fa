"""Parts of a case, by the segments that refill items, positions and tiles, with their bounds (``explore_kernels``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from tilewright.mapping.optimal.cases import SAME, Node
from tilewright.mapping.optimal.chains import IntTable
from tilewright.mapping.optimal.features import Floats
from tilewright.mapping.optimal.threads import aside

ROUNDS, STEPS = 24, 4  # of a tangent of a part: fewer than those of a case
NODES_A_TANGENT, ROWS_A_NODE = 150, 8  # what a tangent costs, in bounds, and rows that it prices as one bound
FEW_TANGENTS = 300  # in which positions are told apart, or segments come first


class Parts(NamedTuple):
    """``done`` is the share of a node of which nothing is left but parts that were looked into."""

    nodes: list[Node]
    dropped: int
    work: int
    done: float


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


def segments_or_positions(node: Node, limit: float) -> int:
    """What of a node's candidates is to be told apart first: positions where that soon comes to an end."""
    from tilewright.mapping.optimal.explore_kernels import POSITIONS, POSITIONS_FIRST, SEGMENTS_FIRST

    if not node.held:
        return POSITIONS_FIRST
    probe = explored(node, limit, 1.0, np.inf, FEW_TANGENTS, led=True, wanted=POSITIONS)
    return POSITIONS_FIRST if probe.done > 1.0 - SAME else SEGMENTS_FIRST


def explored(
    node: Node,
    limit: float,
    small: float,
    states: float,
    budget: int,
    *,
    aim: float = np.inf,
    led: bool = False,
    wanted: int | None = None,
) -> Parts:
    """What is left of a node after cuts by the segments of innermost loops and the positions that candidates take
    (``wanted``: what of them, and what first), then at the middle of features in which the good ones differ most, down
    to nodes of at most ``small`` combinations or of at most ``states`` vectors of tiles, or whose bound is ``aim``, or
    ``budget`` tangents. If ``led``, only candidates that no other one of as many positions beats in everything are told
    apart, and the others follow theirs."""
    from tilewright.mapping.optimal.explore_kernels import POSITIONS_FIRST, explore

    form, found = node.form, node.tangent
    assert form is not None
    assert found is not None
    assert found.chords is not None
    assert found.point is not None
    most = np.log(limit) - 1e-12 if np.isfinite(limit) else np.inf
    sharp = form.sharp
    assert sharp is not None
    segments = np.split(1.0 * sharp.segments[:, sharp.open], node.offsets[1:-1])
    shares = [np.hstack(both) for both in zip(segments, node.shares(), strict=True)]
    each = Led.of if led else Led.alone
    follow = [each(log, share) for log, share in zip(sharp.comparable(node.offsets), shares, strict=True)]
    heads = [one.heads for one in follow]
    counts = [len(one) for one in heads]
    starts = np.concatenate([[0], np.cumsum(counts)])
    used = np.zeros((starts[-1], max(one.shape[1] for one in shares)))
    for one, head, begin in zip(shares, heads, starts[:-1], strict=True):
        used[begin : begin + len(head), : one.shape[1]] = one[head]
    codes = [node.origin.codes(c, numbers) for c, numbers in enumerate(node.numbers)]
    chosen = np.concatenate([begin + head for begin, head in zip(node.offsets[:-1], heads, strict=True)])
    tiles = np.concatenate([code[head] for code, head in zip(codes, heads, strict=True)])
    with aside():
        rows, scores, sizes, bounds, turns, alongs, dropped, tangents, priced, done = explore(
            sharp.only(chosen), starts, form.coefficients, form.constants, form.roles, *found.chords, *found.point,
            node.twins(), used, tiles, most, np.log(aim), segments[0].shape[1],
            POSITIONS_FIRST if wanted is None else wanted, small, states, budget, ROUNDS, STEPS,
        )  # fmt: skip
    work = NODES_A_TANGENT * tangents + priced // ROWS_A_NODE
    nodes = []
    ends = np.cumsum(sizes.sum(axis=1))
    for part, end in enumerate(ends):
        begin = end - sizes[part].sum()
        cuts = np.cumsum(sizes[part])[:-1]
        scored = not np.isnan(scores[begin])
        bound = max(node.bound, float(bounds[part]))
        shift = (bound - float(bounds[part])) / len(counts)
        picks, own = np.split(rows[begin:end], cuts), np.split(scores[begin:end] - shift, cuts)
        turn, along = int(turns[part]), alongs[part]
        whole = [one.followers(pick, score) for one, pick, score in zip(follow, picks, own, strict=True)]
        nodes.append(
            replace(
                node,
                numbers=tuple(numbers[pick] for numbers, (pick, _) in zip(node.numbers, whole, strict=True)),
                tables=tuple(table[pick] for table, (pick, _) in zip(node.tables, whole, strict=True)),
                bound=bound,
                scores=tuple(score for _, score in whole) if scored else (),
                case=node.case.settled(sharp, node.offsets, [pick for pick, _ in whole], turn, along),
                form=replace(form, logs=sharp.at(node.offsets, [pick for pick, _ in whole], turn, along), sharp=None),
                tangent=None,
                apart=scored and not np.isfinite(aim),
            )
        )
    return Parts(nodes, dropped, work, float(done))
