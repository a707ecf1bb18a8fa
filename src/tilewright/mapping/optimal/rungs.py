"""Proofs in rungs: first that nothing costs less than some cap far below the best mapping known, then a higher one."""

from __future__ import annotations

from heapq import heapify
from typing import TYPE_CHECKING

import numpy as np

from tilewright.mapping.optimal.cases import Node
from tilewright.mapping.optimal.judge import Proof
from tilewright.mapping.optimal.orders import Queue
from tilewright.mapping.problem import Within

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

CLOSE = 0.95  # a share of the best mapping: bounds above that are proven without another rung


def climbed(search: Search, queue: Queue, proof: Proof, budget: int) -> Queue:
    """What is left of a queue after rungs of which each proves that nothing is below its cap, halfway between the least
    bound and the best mapping known (in logarithms).

    A lower limit drops more at once and makes chords tighter: what lies far below the best takes a fraction of the
    tangents that it takes with the best as limit, and of a search that ends early more is known. Where a rung finds a
    mapping below its cap it goes on with that as limit, and then nothing is left.
    Only where memories exist once per position: others are proven sooner than that pays. Not in a corner of a front:
    there all that matters is whether it is empty.
    """
    held = any(isinstance(node, Node) and node.held for _, _, node in queue)
    if isinstance(search.objective, Within) or not held:
        return queue
    while (cap := _next(search, queue)) < np.inf:
        own = _copied(queue)
        search.cap, known = cap, Proof(np.inf, proof.space, proof.left)
        try:
            search.emptied(own, known, budget)
        finally:
            search.cap = np.inf
        if search.judge.limit() < cap:
            proof.bound = min(proof.bound, known.bound)
            return []
        # Combinations that wait for other orders of loops (``Proof.left``) do not count: the end is theirs.
        queue = _raised(queue, float(np.log(min(cap, known.bound))))
        if known.bound < cap:  # time is up, or something stays open
            break
    return queue


def _next(search: Search, queue: Queue) -> float:
    """The next cap; infinite where none pays."""
    limit = search.judge.limit()
    if not queue or not np.isfinite(limit) or search.spent:
        return np.inf
    share = float(np.exp(queue[0][0])) / limit
    return limit * np.sqrt(share) if 0 < share < CLOSE else np.inf


def _copied(queue: Queue) -> Queue:
    """The queue with nodes whose bounds are found anew, with another limit."""
    return [(bound, number, node.bare if isinstance(node, Node) else node) for bound, number, node in queue]


def _raised(queue: Queue, least: float) -> Queue:
    """The queue where nothing has a bound below the least one that is known."""
    found: Queue = [
        (max(bound, least), number, node.above(least) if isinstance(node, Node) else node)
        for bound, number, node in queue
    ]
    heapify(found)
    return found
