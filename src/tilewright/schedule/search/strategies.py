"""The exact strategies: parts of one space, each searched whole (docs/model.md, section 9)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tilewright.schedule.offers import Offers, Solution
from tilewright.schedule.search.optimal import search


def layerwise(offers: Offers, objective: str, **options: Any) -> Solution:
    """Every node by itself, every base through DRAM. ``options`` are those of ``search``, here and below."""
    return search(offers, objective, fusing=False, pinning=False, **options)


def fuse(offers: Offers, objective: str, **options: Any) -> Solution:
    """Any groups; what leaves a group goes through DRAM."""
    return search(offers, objective, pinning=False, **options)


def pin(offers: Offers, objective: str, **options: Any) -> Solution:
    """Every node by itself; bases stay on chip where that is best."""
    return search(offers, objective, fusing=False, **options)


def fuse_then_pin(offers: Offers, objective: str, *, fused: Solution | None = None, **options: Any) -> Solution:
    """The groups of ``fuse`` (or of ``fused``, its answer) in their order, then the best that can stay on chip."""
    fused = fused or fuse(offers, objective, **options)
    start: Sequence[Solution] = (*options.pop("start", ()), fused)
    return search(offers, objective, sequence=[choice.nodes for choice in fused.choices], start=start, **options)


def optimal(offers: Offers, objective: str, **options: Any) -> Solution:
    """All orders, groups and residencies at once."""
    return search(offers, objective, **options)
