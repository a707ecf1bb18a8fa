"""Markets of small networks for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from tests.simulate.models import model

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.schedule.graph import Graph
from tilewright.schedule.group.market import Market
from tilewright.schedule.group.store import Store
from tilewright.schedule.offers import Offer
from tilewright.schedule.search.groups import all_groups
from tilewright.schedule.search.masks import Masks
from tilewright.schedule.search.moves import Market as Asked
from tilewright.schedule.strategies import Options, alone_of, market_of
from tilewright.workload.rewrite import rewrite
from tilewright.workload.storage import place

Fronts = dict[tuple[frozenset[int], tuple[int, ...]], tuple[Offer, ...]]


def small(folder: Path, prefix: str = "", layers: int = 2) -> Path:
    """A chain of convolutions of different sizes with an addition around the last; names begin with the prefix."""
    rng = np.random.default_rng(0)
    weights, nodes, tensor = {}, [], "x"
    for k in range(layers):
        weights[f"{prefix}w{k}"] = rng.normal(size=(6, 6, 3, 3)).astype(np.float32)
        pads = [1, 1, 1, 1] if k == layers - 1 else [1, 0, 1, 1]
        nodes.append(helper.make_node("Conv", [tensor, f"{prefix}w{k}"], [f"{prefix}t{k}"], pads=pads))
        before, tensor = tensor, f"{prefix}t{k}"
    nodes.append(helper.make_node("Add", [tensor, before], ["y"]))
    path = folder / f"{prefix}model{layers}.onnx"
    onnx.save(model(nodes, {"x": (1, 6, 13, 10 + layers)}, ["y"], weights), path)
    return path


@cache
def _alone(path: Path, objective: str, arch: Accelerator) -> Market:
    placed = place(rewrite(tw.load_model(path)), arch.layout)
    options = Options(effort="quick", cache=False)
    return market_of(placed, arch, objective, options, alone_of(placed, arch, objective, options))


def market(path: Path, objective: str = "edp", arch: Accelerator | None = None, store: Store | None = None) -> Market:
    """A new market of a network in a file. What single operators do by themselves is searched once."""
    m = _alone(path, objective, arch or tw.load_arch("mobile-npu"))
    return Market(m.placed, m.arch, m.graph, objective, m._alone, m._mapper._found, store)


def groups(graph: Graph, largest: int = 3) -> list[frozenset[int]]:
    """All groups of a graph of at most so many nodes."""
    return [group.members for group in all_groups(Masks(graph), largest).all]


def all_fronts(asked: Market, largest: int = 3) -> Fronts:
    """What a market says of all groups and residencies."""
    masks = Masks(asked.graph)
    moves = Asked(masks, asked, pinning=True, loading=True, tick=lambda: None)
    return {
        (group.members, places): asked.of(group.members, moves.residency(places))
        for group in all_groups(masks, largest).all
        for places in moves.all_places(group)
    }
