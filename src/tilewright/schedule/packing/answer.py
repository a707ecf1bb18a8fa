"""A strategy's answer that can be packed: search, forbid what conflicts, search again (docs/model.md, section 10)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from tilewright.errors import InfeasibleError, LimitError
from tilewright.schedule.offers import Choice, Offers, Solution
from tilewright.schedule.packing.conflict import Conflict, smallest
from tilewright.schedule.packing.forbid import Forbidden, Rest, key_of, original
from tilewright.schedule.packing.packer import Packer
from tilewright.schedule.packing.repair import repaired
from tilewright.schedule.schedule import NEVER_FAILED, Repacked

MOST_SEARCHES = 20  # after the first
CLOSE = 1 - 1e-12  # sums of the same numbers in another order differ by less

Search = Callable[[Offers, tuple[Solution, ...]], Solution]


def packed_answer(
    search: Search,
    offers: Offers,
    objective: str,
    packer: Packer,
    *,
    start: Sequence[Solution] = (),
    deadline: float | None = None,
    most: int = MOST_SEARCHES,
) -> tuple[Solution, Repacked]:
    """What ``search`` finds over offers, from schedules to start with that can be packed; and how it came to that.

    If its answer cannot be packed, every schedule that can be lacks at least one decision of its smallest conflict: so
    there is a search for each of them that forbids this one, beside what was forbidden before, and the least answer of
    all is looked at next. That ends when no answer left is better than the best that can be packed, after ``most``
    searches more, or when the time (``deadline``, of ``time.monotonic``, or a Ctrl-C) is over. Each answer that cannot
    be packed is repaired besides (``repaired``), so that there is a schedule at any time. The bound is that of the
    first search, which knows nothing of packing.

    What is forbidden is an offer beside as many held bytes as the conflict has there, or a base on chip anywhere. The
    former alone would lose nothing but other ways with no advantage in bytes; the latter forbids more than it must.

    Raises what the first search raises, and LimitError if no schedule is found that can be packed.
    """
    first = search(offers, tuple(start))
    if packer.packs(first.choices):
        return first, NEVER_FAILED
    run = _Run(search, offers, objective, packer, deadline, most)
    for solution in start:
        run.keep(solution.choices)
    run.missed(first, Forbidden())
    run.branch()
    return run.result(first)


def near(offers: Offers, objective: str, packer: Packer, plans: Sequence[Solution]) -> tuple[Solution, Repacked]:
    """The first of several plans none of which can be packed, repaired; LimitError if that is not possible."""
    choices = repaired(offers, objective, packer, plans[0].choices)
    if choices is None:
        raise _without_addresses(len(plans))
    record = Repacked(len(plans), len(plans) - 1, True, plans[0].value(objective))
    return said(replace(plans[0], choices=choices), objective, record)


def said(answer: Solution, objective: str, record: Repacked) -> tuple[Solution, Repacked]:
    """An answer with a note about what packing cost, if it cost anything."""
    if record.by_bytes is None:
        return answer, record
    value = answer.value(objective)
    lost = f" ({value / record.by_bytes - 1:+.3%})" if record.by_bytes else ""
    note = (
        f"packing: schedules that fit by the sum of bytes and have no addresses: {record.failed:,}, searches again:"
        f" {record.searches:,}; the answer {'is repaired and ' if record.repaired else ''}costs {value:.6g} instead of"
        f" {record.by_bytes:.6g}{lost}"
    )
    return replace(answer, notes=(*answer.notes, note)), record


def _without_addresses(schedules: int) -> LimitError:
    return LimitError(
        f"no addresses were found for any of {schedules:,} schedules that fit by the sum of bytes, and some operator by"
        " itself has none either"
    )


class _Run:
    """Answers that cannot be packed, the least first, and the best one that can be."""

    def __init__(
        self, search: Search, offers: Offers, objective: str, packer: Packer, deadline: float | None, most: int
    ) -> None:
        self._search, self._offers, self._objective, self._packer = search, offers, objective, packer
        self._deadline, self._most = deadline, most
        self._open: list[tuple[float, int, tuple[Choice, ...], Forbidden]] = []
        self._best: Solution | None = None
        self._value = float("inf")
        self._failed = self._searches = 0
        self._repaired = self._stopped = False
        self._tried: list[Forbidden] = []

    def keep(self, choices: tuple[Choice, ...] | None, *, changed: bool = False) -> None:
        """Take choices that can be packed if they are the best so far; ``changed``: they were repaired."""
        if choices is None:
            return
        solution = Solution(choices, 0.0)
        value = solution.value(self._objective)
        if self._best is None or value < self._value:
            self._best, self._value, self._repaired = solution, value, changed

    def missed(self, found: Solution, forbidden: Forbidden) -> None:
        """Take note of an answer that cannot be packed."""
        choices = tuple(original(self._offers, choice) for choice in found.choices)
        self._failed += 1
        self._stopped |= found.stopped
        heappush(self._open, (found.value(self._objective), self._failed, choices, forbidden))
        self.keep(repaired(self._offers, self._objective, self._packer, choices), changed=True)

    def branch(self) -> None:
        """Forbid and search as long as there is something to gain."""
        try:
            while self._open and self._open[0][0] < self._value * CLOSE:
                _, _, choices, forbidden = heappop(self._open)
                for child in self._children(choices, forbidden):
                    if self._late():
                        return
                    if child not in self._tried:
                        self._tried.append(child)
                        self._again(child)
        except KeyboardInterrupt:
            self._stopped = True

    def result(self, first: Solution) -> tuple[Solution, Repacked]:
        """The best schedule that can be packed, with the bound of the first search."""
        if self._best is None:
            raise _without_addresses(self._failed)
        complete = first.complete and not self._stopped
        answer = replace(first, choices=self._best.choices, complete=complete, stopped=self._stopped)
        by_bytes = first.value(self._objective)
        return said(answer, self._objective, Repacked(self._failed, self._searches, self._repaired, by_bytes))

    def _late(self) -> bool:
        over = self._deadline is not None and time.monotonic() >= self._deadline
        return over or self._stopped or self._searches >= self._most

    def _again(self, forbidden: Forbidden) -> None:
        """Search what is left of the offers."""
        self._searches += 1
        start = () if self._best is None else (self._best,)
        try:
            found = self._search(Rest(self._offers, forbidden), start)
        except (InfeasibleError, LimitError):
            return
        self._stopped |= found.stopped
        if self._packer.packs(found.choices):
            self.keep(tuple(original(self._offers, choice) for choice in found.choices))
        else:
            self.missed(found, forbidden)

    def _children(self, choices: tuple[Choice, ...], forbidden: Forbidden) -> list[Forbidden]:
        """What to forbid next: one decision each of the first conflict of several groups, and in all of them whatever
        conflicts within a single group, since nothing but its offer is to blame."""
        conflicts = [smallest(self._packer, choices, section) for section in self._packer.failing(choices)]
        conflicts = [conflict for conflict in conflicts if conflict.proven]
        alone = [conflict for conflict in conflicts if len(conflict.window) == 1 and conflict.groups]
        others = [conflict for conflict in conflicts if conflict not in alone]
        for conflict in alone:
            forbidden = self._less_room(choices, forbidden, conflict, conflict.groups[0])
        if not others:
            return [forbidden] if alone else []
        children = [self._less_room(choices, forbidden, others[0], number) for number in others[0].groups]
        return children + [replace(forbidden, bases=forbidden.bases | {base}) for base in sorted(others[0].bases)]

    def _less_room(
        self, choices: tuple[Choice, ...], forbidden: Forbidden, conflict: Conflict, number: int
    ) -> Forbidden:
        """An offer takes more than is left beside what the conflict holds there."""
        key = key_of(self._offers, choices[number])
        assert key is not None, "what strategies start from can be packed, all else is from the offers"
        left = self._offers.capacity - conflict.held_bytes(self._offers.graph, choices, number)
        return replace(forbidden, rooms={**forbidden.rooms, key: left + 1})
