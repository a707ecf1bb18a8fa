"""Better mappings from new starts: a short walk in every order of keeps, and searches of the neighbours of what it
finds."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from tilewright.mapping.optimal.assumed import Case
from tilewright.mapping.optimal.cases import Node, Origin
from tilewright.mapping.optimal.early import DIP_ORDERS, GLANCE, noted
from tilewright.mapping.optimal.neighbours import Improved, improved
from tilewright.mapping.optimal.orders import Queue
from tilewright.mapping.optimal.threads import THREADS, side_by_side
from tilewright.mapping.optimal.walks import walk

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

# Parts that have been told apart without an end, and bounds so far below the best mapping: then new starts pay.
MUCH_TOLD, FAR = 16, 0.75
SHARE = 0.1  # of the time and of the bounds that there are
BETTER = 1 - 1e-6


def start_again(search: Search, queue: Queue, bounds: int) -> None:
    """Look for better mappings in the orders of keeps that wait in a queue, the first nodes first: one start in each,
    and again until a round has had nothing better; once in a search. ``bounds`` are those of all of it.

    Only where memories exist once per position: others are proven sooner than that pays.
    """
    if search.started_again:
        return
    search.started_again = True
    waiting = [node for _, _, node in sorted(queue, key=lambda one: one[:2])]
    origins = list(dict.fromkeys(node.origin for node in waiting if isinstance(node, Node) and node.held))
    now = monotonic()
    until = float("inf") if search.deadline is None else now + SHARE * (search.deadline - now)
    most, quiet, started = search.nodes + SHARE * bounds, 0, 0
    while quiet < len(origins) and search.nodes <= most and monotonic() <= until:
        some = [origins[(started + k) % len(origins)] for k in range(min(THREADS, len(origins)))]
        before = search.judge.least
        try:
            for one in side_by_side(_started, [(origin, next(search.seeds)) for origin in some]):
                search.nodes += one.work
                noted(search, one.node, one.rows, one.value, DIP_ORDERS)
        except KeyboardInterrupt:
            search.stop()
            return
        started += len(some)
        quiet = 0 if search.judge.least < BETTER * before else quiet + len(some)


def _started(start: tuple[Origin, int]) -> Improved:
    """What a start with some seed finds, among all candidates of an order of keeps that are of interest."""
    origin, seed = start
    numbers, tables = zip(*origin.whole, strict=True)
    node = Node(origin, numbers, tables, Case((None,) * len(origin.where.parent)))
    rows, value = walk(node, GLANCE, seed)
    found = improved(node.guessing, rows, value)
    return found._replace(work=found.work + GLANCE + node.rows)
