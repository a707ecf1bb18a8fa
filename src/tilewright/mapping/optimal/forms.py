"""Sums of products with one factor per component, as arrays: what bounds are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.threads import aside

TOTAL, LONGEST, ROOM = 0, 1, 2
MIXED = -1
TINY = 1e-12
# (what, item or operand or axis, segment): a product over components.
Feature = tuple[str, int, int]


def starts_of(parts: Sequence[Any]) -> Any:
    """Where every part begins if one follows the other, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(part) for part in parts])])


@dataclass
class Form:
    """A sum of features with coefficients, and a constant."""

    terms: dict[Feature, float] = field(default_factory=dict)
    constant: float = 0.0

    def add(self, feature: Feature, coefficient: float) -> None:
        self.terms[feature] = self.terms.get(feature, 0.0) + coefficient

    def take(self, other: Form, scale: float) -> None:
        for feature, coefficient in other.terms.items():
            self.add(feature, coefficient * scale)
        self.constant += other.constant * scale

    def without(self, other: Form) -> None:
        """Take away what is part of the form."""
        for feature in other.terms:
            del self.terms[feature]
        self.constant -= other.constant

    def scaled(self, scale: float) -> Form:
        form = Form()
        form.take(self, scale)
        return form


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Groups of features: ``coefficients[g]`` and ``constants[g]`` of every group, and what a group is: a factor of the
    objective (TOTAL), one of those whose largest is a factor (LONGEST), or at most 1 (ROOM). ``logs`` are the features
    of each component's candidates, in logarithms; ``items`` are the keeps on whose tiles they depend (``MIXED``:
    several); ``sharp`` says what features are in parts."""

    logs: tuple[Floats, ...]
    coefficients: Floats
    constants: Floats
    roles: Any
    items: Any
    sharp: Sharper | None = None

    @property
    def separate(self) -> Relaxed:
        """The same without groups of features that depend on the tiles of several keeps."""
        mixed = self.items == MIXED
        if not mixed.any():
            return self
        groups = (self.coefficients[:, mixed] == 0).all(axis=1)
        return Relaxed(
            tuple(np.ascontiguousarray(one[:, ~mixed]) for one in self.logs),
            np.ascontiguousarray(self.coefficients[np.ix_(groups, ~mixed)]),
            self.constants[groups],
            self.roles[groups],
            self.items[~mixed],
        )

    def only(self, masks: list[Any]) -> Relaxed:
        """The same for some of the candidates: as valid, not as tight as it could be."""
        return replace(
            self,
            logs=tuple(log[mask] for log, mask in zip(self.logs, masks, strict=True)),
            sharp=self.sharp.only(np.concatenate(masks)) if self.sharp is not None else None,
        )


FIXED, BY_SEGMENT, BY_LOOPS, BY_SHARE, BY_STEPS, IF_STEPS, BY_REST, IF_SEVERAL, IF_ONCE = range(9)
ALWAYS, BRIEF_LAST, LONG_LAST, LATER = range(4)
MOST_TOGETHER = 3  # sources of transfers that a feature knows


class Sharper(NamedTuple):
    """What the features of a ``Relaxed`` case are in a part of it, where less is left open.

    ``logs[k]`` is column k of all candidates, one component after the other. Feature f is, by its ``kinds[f]``,

    - always ``columns[f, 0]``;
    - by segment: ``columns[f, s]`` of the segment s which refills item ``items[f]``, the largest of ``segments``;
    - by loops: ``columns[f, 1]`` if more than one footprint is needed, that is where candidates have two ``loops``
      above the item, or one where none of them has ``slides``;
    - by share: by segment, less the share of it that starts from zero: what the first of ``sources[f]`` has;
    - by steps: ``columns[f, 0]`` less what is done in the steps in which any of the ``sources[f]`` moves; or all of it,
      if there are other steps; or by the rest: the same, where a group has other features that say something;
    - if several: ``columns[f, 0]`` if there are ``several`` steps of tiles; if once: the same, if item ``items[f]`` is
      not refilled besides.

    Features with an item as ``less[f]`` are those of all its refills but one: of its words, the columns ``words[j, s]``
    (``still_words`` where no window slides), at most those of ``widest[j]`` are in that one.

    Only one window of an item slides, along a component with the innermost of all loops (``inner`` are their segments,
    ``windows[c, j]`` whether that can be); features are ``still[f, s]`` elsewhere. ``open`` are the items of which it
    is open what segment refills them.

    Those with an item as ``runs[f]`` are numbers of runs of its words, whose tiles are ``widest[j]``: along components
    that a run may go on along, those of refills that bring anything (``filled[f, s]``, or ``still_filled[f, s]``). The
    ``axis_`` arrays are those of ``Layout``.

    Some features are there only ``when`` the last visit of item ``stored`` may be one of a single step, or when it is
    surely not, or when there are surely several steps. ``lasting[j, s]`` are the columns of how many steps the last
    visit of item j has, or the first one where that is loaded, if segment s refills it (-1: not fed by DRAM).

    Those with an item as ``widths[f]`` are ``wider`` (a logarithm) if loops of other dimensions, in segments that are
    bits of ``beside``, stand before what refills it: then it holds partial sums.

    A source is an item (-1: none); ``apart[f, i, s]`` are the columns of its words, or of how many times as many steps
    there are as it moves in, where segment s refills it. ``passing[j]`` says that it moves beside the steps of its
    refills only if its innermost loop stands above ``tile_items``. Segments are -1 where there is no loop.

    Of two items with their innermost loops in one segment, that of the second up to its ``barrier``, either one gives
    way (what ``plain[f]`` says of does not count that): ``turns[t]`` has the pairs of which
    the first surely stays in place longer in the t-th order, ``may_turn[t]`` those of which it may; nothing is known
    in the last one. ``turned`` and ``turned_all`` are ``Layout.turns`` and ``turns_all``.
    """

    logs: Floats
    columns: Any
    still: Any
    kinds: Any
    items: Any
    sources: Any
    apart: Any
    segments: Any
    inner: Any
    loops: Any
    slides: Any
    beside: Any
    widths: Any
    plain: Any
    wider: float
    barrier: Any
    open: Any
    windows: Any
    turns: Any
    may_turn: Any
    turned: Any
    turned_all: Any
    passing: Any
    tile_items: int
    several: Any
    less: Any
    words: Any
    still_words: Any
    widest: Any
    runs: Any
    filled: Any
    still_filled: Any
    when: Any
    stored: int
    lasting: Any
    axis_count: Any
    axis_component: Any
    axis_stride: Any
    axis_size: Any

    def only(self, rows: Any) -> Sharper:
        """The same for some rows."""
        by_row = ("segments", "inner", "loops", "slides", "beside", "several")
        own = {name: getattr(self, name)[rows] for name in by_row}
        return self._replace(logs=np.ascontiguousarray(self.logs[:, rows]), **own)

    @property
    def fewer_beside(self) -> Any:
        """The less of it, the earlier partial sums are held."""
        number = self.segments.shape[1]
        bits = np.where(self.beside == 0, 1 << number, self.beside)
        first = np.log2(bits & -bits)
        return -first[:, np.unique(self.widths[self.widths >= 0])]

    def comparable(self, offsets: Any) -> list[Floats]:
        """Columns of every component: a candidate that is nowhere above another one is not in any part."""
        logs = self.logs.T
        lower = np.ones(len(self.logs), bool)
        shares = np.unique(self.apart[self.kinds == BY_SHARE][:, 0])
        lower[shares] = False
        one_less = np.unique(self.widest[self.less[self.less >= 0]])
        lower[one_less] = lower[self.widest[self.runs[self.runs >= 0]]] = False
        # Where windows slide it is the candidate itself that gains by an innermost loop further in.
        windows = -self.inner[:, self.windows.any(axis=0)]
        known = self.segments, self.inner, windows, self.loops, ~self.slides, self.fewer_beside, self.several[:, None]
        whole = np.hstack([logs[:, lower], -logs[:, shares], -logs[:, one_less], *known])
        parts = zip(np.split(whole, offsets[1:-1]), np.split(logs, offsets[1:-1]), strict=True)
        return [np.hstack([one, -tiles[:, self.along_runs(c)]]) for c, (one, tiles) in enumerate(parts)]

    def along_runs(self, c: int) -> Any:
        """The columns of tiles that runs go along a component of."""
        found = [
            self.widest[j]
            for j in np.unique(self.runs[self.runs >= 0])
            if c in self.axis_component[j, : self.axis_count[j]]
        ]
        return np.array(found, np.int64)

    def at(self, offsets: Any, rows: list[Any], turn: int = -1, along: Any = None) -> tuple[Floats, ...]:
        """The features of a part, given by some rows of every component, one of the ``turns``, and the components along
        which windows slide (-1: any)."""
        from tilewright.mapping.optimal.sharper_kernels import sharpened

        starts = starts_of(rows)
        out = np.empty((len(self.kinds), starts[-1]))
        chosen = np.concatenate([first + own for first, own in zip(offsets[:-1], rows, strict=True)])
        with aside():
            sharpened(chosen, starts, self, turn, np.full(self.segments.shape[1], -1) if along is None else along, out)
        return tuple(np.split(np.ascontiguousarray(out.T), starts[1:-1]))


class Columns:
    """Collects the columns of a ``Sharper``; ``values`` are those of a feature, in logarithms, by component."""

    def __init__(self, values: Callable[[Feature], list[Floats]], items: int, features: int) -> None:
        self.values = values
        self.held: dict[Feature, int] = {}
        self.columns = np.zeros((max(1, features), items + 1), np.int64)
        self.kinds, self.items = np.zeros(max(1, features), np.int64), np.zeros(max(1, features), np.int64)
        self.sources = np.full((max(1, features), MOST_TOGETHER), -1)
        self.apart = np.zeros((max(1, features), MOST_TOGETHER, items + 1), np.int64)
        self.still = np.zeros((max(1, features), items + 1), np.int64)
        self.whole: list[list[Floats]] = []
        self.widths, self.plain = np.full(max(1, features), -1), np.zeros(max(1, features), bool)
        self.less, self.widest = np.full(max(1, features), -1), np.zeros(items, np.int64)
        self.words, self.still_words = np.zeros((2, items, items + 1), np.int64)
        self.runs = np.full(max(1, features), -1)
        self.filled, self.still_filled = np.zeros((2, *self.columns.shape), np.int64)
        self.when, self.stored = np.full(max(1, features), ALWAYS), -1
        self.lasting = np.full((items, items + 1), -1)

    def column(self, feature: Feature) -> int:
        if feature not in self.held:
            self.held[feature] = len(self.whole)
            self.whole.append(self.values(feature))
        return self.held[feature]

    def each(self, features: list[Feature]) -> Any:
        """The columns of a feature for every segment, the last one for all others."""
        found = [self.column(feature) for feature in features]
        return np.array(found + [found[-1]] * (self.columns.shape[1] - len(found)))

    def fixed(self, f: int, feature: Feature) -> None:
        self.columns[f] = self.column(feature)

    def by_segment(self, f: int, j: int, features: list[Feature], still: list[Feature]) -> None:
        self.columns[f], self.still[f], self.items[f] = self.each(features), self.each(still), j
        self.kinds[f] = BY_SEGMENT if len(features) > 1 or still != features else FIXED

    def by_loops(self, f: int, j: int, feature: Feature) -> None:
        self.kinds[f], self.items[f] = BY_LOOPS, j
        self.columns[f] = self.column(feature)
        what, _, several = feature
        self.columns[f, 1] = self.column((what, j, 2 * several))

    def by_share(self, f: int, j: int, words: list[Feature], source: int, started: list[Feature]) -> None:
        self.kinds[f], self.items[f], self.columns[f] = BY_SHARE, j, self.each(words)
        self.still[f] = self.columns[f]
        self.sources[f, 0], self.apart[f, 0] = source, self.each(started)

    def one_less(self, f: int, j: int, words: list[Feature], still: list[Feature], widest: Feature) -> None:
        self.less[f], self.widest[j] = j, self.column(widest)
        self.words[j], self.still_words[j] = self.each(words), self.each(still)

    def visited(self, j: int, lasting: list[Feature]) -> None:
        self.lasting[j] = self.each(lasting)

    def in_runs(self, f: int, j: int, widest: Feature, filled: list[Feature], still: list[Feature]) -> None:
        self.runs[f], self.widest[j] = j, self.column(widest)
        self.filled[f], self.still_filled[f] = self.each(filled), self.each(still)

    def by_condition(self, f: int, j: int, feature: Feature, *, kind: int) -> None:
        self.kinds[f], self.items[f], self.columns[f] = kind, j, self.column(feature)

    def by_steps(
        self, f: int, points: Feature, sources: list[tuple[int, list[Feature]]], *, kind: int = BY_STEPS
    ) -> None:
        self.kinds[f], self.columns[f] = kind, self.column(points)
        for i, (source, apart) in enumerate(sources):
            self.sources[f, i], self.apart[f, i] = source, self.each(apart)

    def sharper(
        self, segments: Any, inner: Any, loops: Any, slides: Any, beside: Any, *others: Any, axes: tuple[Any, ...]
    ) -> Sharper:
        width = max(1, len(self.whole))
        logs = np.zeros((width, len(segments)))
        for column, parts in enumerate(self.whole):
            logs[column] = np.concatenate(parts)
        fewer: tuple[Any, ...] = self.less, self.words, self.still_words, self.widest
        counted: tuple[Any, ...] = self.runs, self.filled, self.still_filled, self.when, self.stored, self.lasting
        return Sharper(
            logs, self.columns, self.still, self.kinds, self.items, self.sources, self.apart, segments, inner, loops,
            slides, beside, self.widths, self.plain, *others, *fewer, *counted, *axes,
        )  # fmt: skip
