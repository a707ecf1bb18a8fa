"""What a process of its own does for a market: the fronts of one group after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tilewright.schedule.group.market import Market
from tilewright.schedule.group.rows import Fronts


def fronts_of(market: tuple[Any, ...]) -> Callable[[frozenset[int]], Fronts]:
    """From what a market is made of to the function that makes all fronts of a group."""
    return Market(*market).made
