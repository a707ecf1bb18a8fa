"""Placing buffers so that they fit, or proving that they do not: a complete search, and the least height by it.

The model: time is cut into the sections between consecutive starts and ends, of which only the maximal ones matter
(those whose set of live buffers is no part of a neighbour's); buffers that no section connects are pieces of their
own. Heights count in units of the greatest common divisor of all alignments of a piece, sizes rounded up to it, which
loses nothing: all offsets are multiples of it, so that only the top of the highest buffer can tell the difference.

The search places one buffer after another in the order of their offsets, each on the floor or on top of a rival (a
buffer that is live together with it and may not share bytes). Of all placements that fit, one with the least sum of
offsets has this form, since lowering a buffer never needs room that another one has; fixed addresses stay as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tilewright.memory.buffer import Buffer, Packing, Problem, Status, too_much
from tilewright.memory.pieces import Ints, Piece, pieces_of

Progress = Callable[[str, int, int], None]  # what, placements tried, at most

# None changes an answer; each can be switched off. Why they lose nothing, "that placement" being the one with the
# least sum of offsets among those that go on from what is placed:
# floor      In a section, what is unplaced ends no lower than its lowest possible offset plus all of its bytes.
# dominated  Whatever is unplaced lies at the next offset or above. A buffer that would fit wholly below that offset
#            could be lowered into the room there, so that that placement has none.
# equal      Two buffers of equal size, alignment and sections can trade places: the first one goes below.
# free       A buffer whose rivals can all only lie above its top, were it placed as low as it can be, is in no one's
#            way there, and nowhere lower: that placement has it there.
# stranded   A buffer that was passed over at its lowest offset rests on one that is still unplaced, and so lies no
#            lower than the lowest top of its unplaced rivals.
# split      Unplaced buffers that no section connects are placed independently of each other.
# seen       Whether the rest can be placed depends on which buffers are unplaced, their lowest offsets and which of
#            them were passed over; a state that has failed fails again (two 64-bit sums identify it).
# alone      In a section, the lowest of what is unplaced leaves room above it for all the rest. If only one buffer can
#            lie that low, it is the lowest, and the others of the section lie on top of it.
RULE_NAMES = ("floor", "dominated", "equal", "free", "stranded", "split", "seen", "alone")
RULES = frozenset(RULE_NAMES)

BUDGET = 20_000_000
MOST_BUFFERS = 5_000
MOST_PAIRS = 4_000_000  # of rivals in one piece
_SLICE = 4_096  # placements between two looks at the clock
_TURN = 2_048  # placements in the first turn of an order, and in most of the drawn ones
_SHARE = 100_000  # placements for each height that is tried at first
_DRAWS = 10  # orders drawn between two turns
_SWEEP_WORK = 400_000_000  # steps of a greedy sweep over very many buffers


@dataclass
class _Effort:
    """What is left of the budget, and what was done with it."""

    left: int
    deadline: float | None
    budget: int
    progress: Progress | None
    nodes: int = 0
    pruned: Ints = field(default_factory=lambda: np.zeros(len(RULE_NAMES) + 2, np.int64))

    def over(self) -> bool:
        if self.progress is not None:
            self.progress("placements", self.nodes, self.budget)
        return self.left <= 0 or (self.deadline is not None and time.monotonic() >= self.deadline)


def solve(
    problem: Problem,
    *,
    rules: frozenset[str] = RULES,
    budget: int = BUDGET,
    deadline: float | None = None,
    seed: int = 0,
    first: Packing | None = None,
    progress: Progress | None = None,
) -> Packing:
    """Offsets within the capacity, or a proof that there are none: ``feasible``, ``infeasible`` or, without any
    offsets, ``limit``.

    ``budget`` counts placements of single buffers; the result depends on nothing else but the seed, unless a
    ``deadline`` (seconds of the monotonic clock) ends the search. ``first`` is a placement that is known already;
    ``progress`` is told now and then how many placements were tried.

    >>> a, b, c = Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3), Buffer("c", 5, 2, 4)
    >>> found = solve(Problem((a, b, c), capacity_bytes=16))
    >>> found.status, found.offsets
    ('feasible', (6, 0, 6))
    >>> solve(Problem((a, b, c), capacity_bytes=15)).reason
    'in sub-step 1 16 B are live, 1 B more than the 15 B there are: a 10 B, b 6 B'
    """
    if problem.capacity_bytes is None:
        raise ValueError("whether buffers fit needs a capacity; the least height is asked for with `least`")
    model = _Model(problem, rules, _Effort(budget, deadline, budget, progress), seed, first)
    capacity = problem.capacity_bytes
    if model.impossible:
        return model.packing("infeasible", reason=model.impossible)
    out = ""
    for k in sorted(range(len(model.pieces)), key=lambda k: len(model.pieces[k].numbers)):
        answer = model.fit(k, capacity)
        if answer == "infeasible":
            return model.packing("infeasible", reason=_ruled_out(capacity, model.effort.nodes))
        if answer == "limit":
            out = f"no placement was found within {capacity} B before the budget or the time was used up"
    # What was found but sticks out is no answer.
    return replace(model.packing("limit", out), offsets=()) if out else model.packing("feasible")


def least(
    problem: Problem,
    *,
    rules: frozenset[str] = RULES,
    budget: int = BUDGET,
    deadline: float | None = None,
    seed: int = 0,
    first: Packing | None = None,
    progress: Progress | None = None,
) -> Packing:
    """The least height, with proof: ``optimal``, ``infeasible`` above the capacity, or ``limit`` with the best found.

    >>> found = least(Problem((Buffer("a", 10, 0, 2), Buffer("b", 6, 1, 3, alignment=4), Buffer("c", 5, 2, 4))))
    >>> found.status, found.peak_bytes, found.bound_bytes, found.offsets
    ('optimal', 16, 16, (6, 0, 6))
    """
    model = _Model(problem, rules, _Effort(budget, deadline, budget, progress), seed, first)
    capacity = problem.capacity_bytes
    if model.impossible:
        return model.packing("infeasible", reason=model.impossible)
    with suppress(KeyboardInterrupt):
        model.lower(capacity)
    lowest, bound = model.peak(), model.bound()
    if capacity is not None and bound > capacity:
        return model.packing("infeasible", reason=_ruled_out(capacity, model.effort.nodes))
    if lowest == bound:
        return model.packing("optimal")
    reason = f"the lowest placement found needs {lowest} B, none goes below {bound} B"
    return model.packing("limit", reason=reason)


class _Model:
    """The pieces of a problem, and the lowest placement and the highest bound known of each."""

    def __init__(
        self, problem: Problem, rules: frozenset[str], effort: _Effort, seed: int, first: Packing | None
    ) -> None:
        if unknown := rules - RULES:
            raise ValueError(f"there are no rules {', '.join(sorted(unknown))}; there are {', '.join(RULE_NAMES)}")
        from tilewright.memory import exact_kernels

        self.kernels, self.problem, self.seed = exact_kernels, problem, seed
        self.rules = np.array([name in rules for name in RULE_NAMES], np.int64)
        self.effort = effort
        self.pieces, self.live, self.when = pieces_of(problem)
        self.bounds = [piece.bound_bytes for piece in self.pieces]
        self.best: list[Ints | None] = [None] * len(self.pieces)
        self.greedy_done = [False] * len(self.pieces)
        self.impossible = self.no_way(problem.capacity_bytes)
        if first is not None:
            self.know(first)

    def no_way(self, capacity: int | None) -> str:
        """Why nothing fits, where that takes no search."""
        buffers = self.problem.buffers
        fixed = [i for i, b in enumerate(buffers) if b.address is not None and b.size_bytes]
        if collision := _collision(buffers, fixed, self.problem.sharing):
            return collision
        if capacity is None:
            return ""
        for b in buffers:
            if b.size_bytes > capacity:
                return f"{b.name} alone needs {b.size_bytes} B, there are {capacity} B"
        for i in fixed:
            b = buffers[i]
            if (end := (b.address or 0) + b.size_bytes) > capacity:
                return f"{b.name} at its address {b.address} ends at {end} B, there are {capacity} B"
        if self.live > capacity:
            return too_much(buffers, self.when, self.live, capacity)
        if max(self.bounds, default=0) > capacity:
            return f"aligned offsets need at least {max(self.bounds)} B, there are {capacity} B"
        return ""

    def know(self, packing: Packing) -> None:
        """Use a placement of all buffers as the best so far, where it is right."""
        if len(packing.offsets) != len(self.problem.buffers):
            return
        for k, piece in enumerate(self.pieces):
            offset, wrong = np.divmod(np.array([packing.offsets[i] for i in piece.numbers], np.int64), piece.grain)
            moved = (piece.address >= 0) & (offset != piece.address)
            if wrong.any() or (offset < 0).any() or (offset % piece.unit).any() or moved.any():
                continue
            if self.kernels.apart(offset, piece.size, piece.low, piece.high, piece.partner_at, piece.partners):
                self.keep(k, offset)

    def keep(self, k: int, offset: Ints) -> None:
        best = self.best[k]
        if best is None or self.pieces[k].peak(offset) < self.pieces[k].peak(best):
            self.best[k] = offset

    def greedy(self, k: int, enough: int) -> None:
        """Lowest-fit placements of a piece, until one is no higher than ``enough`` (B)."""
        piece, best = self.pieces[k], self.best[k]
        if self.greedy_done[k] or (best is not None and piece.peak(best) <= enough):
            return
        for offset in _greedy(piece, self.kernels):
            self.keep(k, offset)
            best = self.best[k]
            if best is not None and piece.peak(best) <= enough:
                return
        self.greedy_done[k] = True

    def fit(self, k: int, capacity: int, share: int | None = None) -> str:
        """Whether a piece fits within a capacity; updates its best placement or its bound.

        ``share`` is the part of the budget that may be used."""
        piece = self.pieces[k]
        if self.bounds[k] > capacity:
            return "infeasible"
        self.greedy(k, capacity)
        best = self.best[k]
        if best is not None and piece.peak(best) <= capacity:
            return "feasible"
        kept = max(0, self.effort.left - share) if share is not None else 0
        self.effort.left -= kept
        offset = _search(piece, capacity, self.rules, self.effort, self.seed, self.kernels)
        self.effort.left += kept
        if isinstance(offset, str):
            if offset == "infeasible":
                self.bounds[k] = capacity + 1
            return offset
        self.best[k] = offset
        return "feasible"

    def lower(self, capacity: int | None) -> None:
        """Lower the highest piece until it is proven to be as low as it can be."""
        for k in range(len(self.pieces)):
            self.greedy(k, self.bound())
        share = _SHARE
        while self.pieces and self.peak() > self.bound() and not self.effort.over():
            # The bound is most often right; where it is not, halve what is left. Heights that took more than the
            # share are passed over until nothing above them is left to try, and then get a larger one.
            hope = self.bound()
            while hope < self.peak() and not self.effort.over():
                low, high = self.bound(), self.peak()
                if capacity is not None and low > capacity:
                    return
                aim = hope if hope == low else (hope + high - 1) // 2
                if capacity is not None and high > capacity:
                    aim = min(aim, capacity)
                k = max(range(len(self.pieces)), key=self.height)
                if not _small(self.pieces[k]):
                    return
                if self.fit(k, aim, share) != "feasible":
                    hope = max(hope, aim) + 1
                    if capacity is not None and aim == capacity:
                        break
            share *= 4

    def height(self, k: int) -> int:
        best = self.best[k]
        assert best is not None
        return self.pieces[k].peak(best)

    def peak(self) -> int:
        if any(best is None for best in self.best):
            return 0
        return max((self.height(k) for k in range(len(self.pieces))), default=0)

    def bound(self) -> int:
        return max(self.bounds, default=0)

    def packing(self, status: Status, reason: str = "") -> Packing:
        """The result in the problem's own order and in bytes."""
        pruned = tuple(zip((*RULE_NAMES, "tall", "order"), self.effort.pruned.tolist(), strict=True))
        offsets, peak = [b.address or 0 for b in self.problem.buffers], 0
        if status != "infeasible" and all(best is not None for best in self.best):
            for piece, best in zip(self.pieces, self.best, strict=True):
                assert best is not None
                peak = max(peak, piece.peak(best))
                for i, offset in zip(piece.numbers.tolist(), (best * piece.grain).tolist(), strict=True):
                    offsets[i] = offset
        else:
            offsets = []
        nodes, bound = self.effort.nodes, self.bound()
        return Packing(status, tuple(offsets), peak, self.live, reason, bound, nodes, pruned)


def _collision(buffers: Sequence[Buffer], fixed: Sequence[int], sharing: frozenset[tuple[int, int]]) -> str:
    """Two fixed addresses that share a byte, as a sentence."""
    alive: list[int] = []
    for i in sorted(fixed, key=lambda i: buffers[i].start):
        new = buffers[i]
        alive = [j for j in alive if buffers[j].end > new.start]
        for j in alive:
            old = buffers[j]
            a, b = old.address or 0, new.address or 0
            where = f"{old.name} at its address {a} and {new.name} at its address {b}"
            if a < b + new.size_bytes and b < a + old.size_bytes and (min(i, j), max(i, j)) not in sharing:
                return f"{where} share bytes in sub-step {new.start}"
        alive.append(i)
    return ""


def _ruled_out(capacity: int, tried: int) -> str:
    return f"no placement fits within {capacity} B: all were ruled out ({tried} placements tried)"


def _pressure(piece: Piece) -> Ints:
    """The fullest section of each buffer, units."""
    return np.array([piece.total[a:b].max() for a, b in zip(piece.low, piece.high, strict=True)], np.int64)


def _orders(piece: Piece) -> list[Ints]:
    """Branching orders, each a permutation of the buffers: what the fullest sections hold first, large, long-lived."""
    n = np.arange(len(piece.size))
    total, width = -_pressure(piece), piece.low - piece.high
    area = width * piece.size
    # The last key given to lexsort is the first one that counts.
    keys: list[tuple[Ints, ...]] = [
        (n, area, width, total),
        (n, width, area, total),
        (n, total, area, width),
        (n, width, -piece.size),
        (n, -piece.size, area),
    ]
    return [np.lexsort(key) for key in keys]


def _small(piece: Piece) -> bool:
    """Whether the search can hold the piece: its buffers, and the pairs of them that are live together."""
    begun = np.searchsorted(np.sort(piece.low), piece.high, side="left")
    over = np.searchsorted(np.sort(piece.high), piece.low, side="right")
    return len(piece.size) <= MOST_BUFFERS and int((begun - over).sum()) // 2 <= MOST_PAIRS


def _greedy(piece: Piece, kernels: Any) -> Iterator[Ints]:
    """Lowest-fit placements in several orders; of very many buffers in the orders of starts and of ends only."""
    common = (piece.size, piece.unit, piece.address)
    if _small(piece):
        rows = kernels.rivals_of(piece.low, piece.high, piece.partner_at, piece.partners)
        for order in _orders(piece):
            yield kernels.lowest_fit(order, *common, *rows)
        return
    sections, shared, found = len(piece.total), (piece.partner_at, piece.partners), 0
    for low, high in ((piece.low, piece.high), (sections - piece.high, sections - piece.low)):
        offset = kernels.sweep(*common, low, high, *shared, _SWEEP_WORK)
        if len(offset):
            found += 1
            yield offset
    if not found:
        yield kernels.stack_up(*common, piece.low, piece.high, sections)


def _search(piece: Piece, capacity: int, rules: Ints, effort: _Effort, seed: int, kernels: Any) -> Ints | str:
    """Offsets of a piece within the capacity, in units, or "infeasible" or "limit".

    How long a search takes depends on its order more than on anything else, by orders of magnitude. So several take
    turns, which grow; each keeps its place, and the one that comes to its end first decides. Between them go short
    ones in orders drawn with the seed. All share what is known to fail."""
    if not _small(piece):
        return "limit"
    part, table = _part(piece, capacity, rules, kernels)
    generator = np.random.default_rng(seed)
    features = np.log(np.array([_pressure(piece), piece.size, piece.high - piece.low], np.float64))
    orders = _orders(piece)
    parts: list[Any] = [part._replace(rank=kernels.ranks(order, part.twin)) for order in orders]
    searches: list[Any] = []
    turn, drawn = _TURN, 0
    while True:
        for k in (*range(len(orders)), *[len(orders)] * _DRAWS):
            if new := k == len(searches):
                searches.append(kernels.state(part, table))
            search, most = searches[k], turn
            if k == len(orders):
                drawn += 1
                parts[k:] = [part._replace(rank=kernels.ranks(_drawn(features, generator), part.twin))]
                # Longer ones now and then: twice as long half as often.
                new, most = True, _TURN * (drawn & -drawn)
            if new:
                kernels.start(parts[k], search)
            spent, answer = 0, kernels.OUT_OF_BUDGET
            while spent < most and answer == kernels.OUT_OF_BUDGET:
                if effort.over():
                    return "limit"
                before = int(search.registers[kernels.NODES])
                answer = kernels.run(parts[k], search, min(_SLICE, most - spent, effort.left))
                used = int(search.registers[kernels.NODES]) - before
                spent, effort.left, effort.nodes = spent + used, effort.left - used, effort.nodes + used
            effort.pruned += search.pruned
            search.pruned[:] = 0
            if answer == kernels.FITS:
                return np.array(search.offset)
            if answer == kernels.RULED_OUT:
                return "infeasible"
        turn += turn // 2


def _drawn(features: NDArray[np.float64], generator: np.random.Generator) -> Ints:
    """An order by a product of powers of the features (one row of logarithms each), with noise."""
    weights = generator.uniform(0, 1, 3) * np.array([8 * generator.integers(0, 2), 1, 1])
    noise = generator.uniform(1 - generator.uniform(0, 0.6), 1, features.shape[1])
    return np.argsort(-(weights @ features + np.log(noise)), kind="stable")


def _part(piece: Piece, capacity: int, rules: Ints, kernels: Any) -> tuple[Any, Ints]:
    """The piece as the search has it, without an order; and the table of failed states, empty."""
    n = len(piece.size)
    rival_at, rivals = kernels.rivals_of(piece.low, piece.high, piece.partner_at, piece.partners)
    latest = (capacity - piece.sizes_bytes) // piece.grain
    alone = (piece.address < 0) & (np.diff(piece.partner_at) == 0)
    part = kernels.Part(
        piece.size,
        piece.unit,
        np.where(piece.address < 0, latest, np.minimum(latest, piece.address)),
        piece.address,
        piece.low,
        piece.high,
        np.arange(n),
        kernels.twins((piece.size, piece.unit, piece.low, piece.high, piece.sizes_bytes), alone),
        rival_at,
        rivals,
        piece.light_at,
        piece.light,
        piece.total,
        np.array([-(-capacity // piece.grain)], np.int64),
        rules,
    )
    return part, np.zeros((1 << (18 if n > 24 else 10), 2), np.int64)
