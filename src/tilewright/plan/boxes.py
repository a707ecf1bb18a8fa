"""Ranges of dimensions and boxes of operands as expressions of tile counters (docs/model.md, sections 2 to 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tilewright.mapping.mapping import Loop
from tilewright.plan.expr import ONE, ZERO, Expr, at_most, choose, const, counter, equal, maximum, minimum
from tilewright.plan.plan import Counter
from tilewright.workload.nest import Axis, Operand


@dataclass(frozen=True)
class Range:
    """The indices ``start .. start + count`` of a dimension; ``most`` is the largest count there is."""

    start: Expr
    count: Expr
    most: int

    @property
    def end(self) -> Expr:
        return self.start + self.count


@dataclass(frozen=True)
class LoopLevel:
    """A loop that has more than one chunk: its counter, the range it leaves, and whether this is its last chunk."""

    counter: Counter
    ranges: dict[str, Range]
    is_last: Expr

    @property
    def index(self) -> Expr:
        return counter(self.counter.name)


@dataclass(frozen=True)
class LoopTree:
    """All loops of a mapping. ``ranges(level)`` is the state of every dimension below the first ``level`` loops."""

    whole: dict[str, Range]
    levels: tuple[LoopLevel, ...]
    exists: Expr

    def ranges(self, level: int) -> dict[str, Range]:
        return self.levels[level - 1].ranges if level else self.whole


def loop_tree(dims: Sequence[tuple[str, int]], loops: Sequence[Loop]) -> LoopTree:
    """The counters and ranges of nested, possibly ragged tile loops; loops with one chunk are dropped."""
    whole = {name: Range(ZERO, const(extent), extent) for name, extent in dims}
    levels: list[LoopLevel] = []
    current = whole
    exists: Expr = ONE
    seen: dict[str, int] = {}
    for loop in loops:
        outer = current[loop.dim]
        trips = -(-outer.most // loop.tile)
        if trips == 1:
            continue
        name = f"{loop.dim}{seen.setdefault(loop.dim, 0)}"
        seen[loop.dim] += 1
        start = outer.start + counter(name) * loop.tile
        ragged_outer = outer.count.op != "const"
        divides = not ragged_outer and outer.most % loop.tile == 0
        count = const(loop.tile) if divides else minimum(loop.tile, outer.end - start)
        if ragged_outer:
            exists = exists * at_most(start + 1, outer.end)
        is_last = equal(counter(name), trips - 1) if not ragged_outer else at_most(outer.end, start + loop.tile)
        current = {**current, loop.dim: Range(start, count, loop.tile)}
        levels.append(LoopLevel(Counter(name, loop.dim, trips, loop.tile), current, is_last))
    return LoopTree(whole, tuple(levels), exists)


@dataclass(frozen=True)
class Box:
    """An operand's footprint: per axis the first index, how many, and the step between them; all in bounds."""

    starts: tuple[Expr, ...]
    counts: tuple[Expr, ...]
    steps: tuple[Expr, ...]


def _term(axis: Axis, ranges: dict[str, Range]) -> tuple[Expr, Expr]:
    """First and last index touched along an axis, before clipping."""
    first, last = const(axis.offset), const(axis.offset)
    for dim, coefficient in axis.terms:
        first = first + ranges[dim].start * coefficient
        last = last + (ranges[dim].end - 1) * coefficient
    return first, last


def _step(axis: Axis, ranges: dict[str, Range]) -> Expr:
    """The step of the progression: holes are moved too as soon as two dimensions of a window span more than one."""
    if not axis.terms or axis.divisor > 1 or axis.reach:
        return ONE
    if len(axis.terms) == 1:
        return const(axis.terms[0][1])
    (d1, c1), (d2, c2) = axis.terms
    one1, one2 = equal(ranges[d1].count, 1), equal(ranges[d2].count, 1)
    return choose(one1, choose(one2, 1, c2), choose(one2, c1, 1))


def _clipped(axis: Axis, first: Expr, last: Expr, step: Expr) -> tuple[Expr, Expr]:
    """First member in bounds and number of members in bounds of a progression."""
    if axis.clamp:
        low, high = (minimum(maximum(bound, 0), axis.size - 1) for bound in (first, last))
        return low, high - low + 1
    below = maximum((step - 1 - first) // step, 0)
    first = first + below * step
    return first, maximum((minimum(last, axis.size - 1) - first) // step + 1, 0)


def _inside(axis: Axis, whole: dict[str, Range]) -> bool:
    """Whether no tile touches padding, so that nothing needs clipping."""
    low = axis.offset
    high = axis.offset + sum(c * (whole[d].most - 1) for d, c in axis.terms)
    return low >= 0 and high < axis.size


def axis_box(axis: Axis, ranges: dict[str, Range], whole: dict[str, Range]) -> tuple[Expr, Expr, Expr]:
    """First index, count and step of a footprint along an axis (docs/model.md, section 3)."""
    first, last = _term(axis, ranges)
    step = _step(axis, ranges)
    if axis.divisor > 1 or axis.reach:
        first, last = first // axis.divisor, last // axis.divisor + axis.reach
    elif _inside(axis, whole):
        if len(axis.terms) <= 1:
            return first, (ranges[axis.terms[0][0]].count if axis.terms else ONE), step
        return first, (last - first) // step + 1, step
    start, count = _clipped(axis, first, last, step)
    return start, count, step


def box(operand: Operand, ranges: dict[str, Range], whole: dict[str, Range]) -> Box:
    """The footprint of an operand for given ranges (docs/model.md, section 3)."""
    parts = [axis_box(axis, ranges, whole) for axis in operand.axes]
    return Box(tuple(p[0] for p in parts), tuple(p[1] for p in parts), tuple(p[2] for p in parts))


def new_indices(axis: Axis, level: LoopLevel) -> tuple[Expr, Expr]:
    """What a refill moves along a sliding axis: first index and count (docs/model.md, section 4).

    In the first iteration of the sweep everything; later what lies beyond the previous footprint, or everything
    again where the two progressions have no index in common.
    """
    ranges = level.ranges
    first, last = _term(axis, ranges)
    step = _step(axis, ranges)
    earlier = {level.counter.name: level.index - 1}
    previous = {
        dim: Range(substitute(r.start, earlier), substitute(r.count, earlier), r.most) for dim, r in ranges.items()
    }
    _, before_last = _term(axis, previous)
    before_step = _step(axis, previous)
    if axis.divisor > 1 or axis.reach:
        first, last = first // axis.divisor, last // axis.divisor + axis.reach
        before_last = before_last // axis.divisor + axis.reach
        before_last = minimum(maximum(before_last, 0), axis.size - 1) if axis.clamp else before_last
        start, count = _clipped(axis, first, last, ONE)
        later = maximum(start, before_last + 1)
        opening = equal(level.index, 0)
        return choose(opening, start, later), choose(opening, count, start + count - later)
    shift = dict(axis.terms)[level.counter.dim] * level.counter.tile
    aligned = equal(const(shift) % before_step, 0)
    skipped = maximum((before_last - first) // step + 1, 0) * aligned * (1 - equal(level.index, 0))
    return _clipped(axis, first + skipped * step, last, step)


def substitute(expr: Expr, values: dict[str, Expr]) -> Expr:
    """The expression with some counters replaced.

    >>> print(substitute(minimum(4, counter("Y0") * -4 + 10), {"Y0": counter("Y0") - 1}))
    min((((Y0 + -1) * -4) + 10), 4)
    """
    if expr.op == "counter":
        return values.get(expr.name, expr)
    if not expr.args:
        return expr
    args = [substitute(arg, values) for arg in expr.args]
    if expr.op in ("min", "max"):
        return minimum(*args) if expr.op == "min" else maximum(*args)
    left, right = args
    make = {"+": Expr.__add__, "*": Expr.__mul__, "//": Expr.__floordiv__, "%": Expr.__mod__}
    make |= {"==": equal, "<=": at_most}
    return make[expr.op](left, right)
