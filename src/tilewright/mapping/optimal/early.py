"""Good mappings early, for a proof to cut with: random moves, and short searches where these have been."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from tilewright.mapping.optimal.cases import TIMED, Node
from tilewright.mapping.optimal.chains import EVEN, FEW, FEWER, WHOLE, Choice
from tilewright.mapping.optimal.judge import Proof
from tilewright.mapping.optimal.lattice import shortest_paths
from tilewright.mapping.optimal.neighbours import Improved, improved
from tilewright.mapping.optimal.parts import Heads
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.threads import THREADS, side_by_side
from tilewright.mapping.optimal.walks import walk

if TYPE_CHECKING:
    from tilewright.mapping.optimal.optimum import Search

GLANCE = 2_000
MOST_GLANCES = 90  # orders of keeps that are glanced at
FIRST_ORDERS, MORE_ORDERS, FIRST_DIVES = 3, 6, 2  # orders of keeps looked into first, dives in each
SIMPLE = 1_000  # candidates of a component that leave time for more orders
DIVE, WALKS = 30_000, 2  # steps of a walk, walks of a dive
# Candidates of a component: to begin with, of even tiles to be listed at all, and of all tiles.
MOST_FIRST, MOST_CANDIDATES, MOST_OF_ALL = 30_000, 450_000, 120_000
DIP, DIP_STATES, DIP_LEAVES, DIP_ORDERS = 20_000, 30_000, 4, 6  # bounds, vectors of tiles, combinations, loop orders
MOST_DIPS = 100  # parts of a node that are searched
MOST_ORDERS = 48  # of loops, in which a combination is evaluated at once
PAIRED, MOST_PAIRED = 2, 12  # orders of keeps whose pairs of components are searched: without success, at most
WORTH, ALIKE, SHARE = 0.995, 1.02, 0.2  # what a success is, what is the same; the share of the time for one way
NEARLY = 0.97  # a guess as a share of the best that may be better yet
LONGEST = 3.0  # seconds for one way
POLISHED, POLISHED_FLAT, POLISHING = 8, 2, 2000  # finds whose positions are tried with other tiles; tangents for that

Find = tuple[float, Structure, dict[str, tuple[int, ...]]]  # bound, order of keeps, tiles
Walk = tuple[Node, int, int, float]  # what ``walks.walk`` is told


def first_mapping(search: Search) -> None:
    """A good mapping: random moves over few tiles in every order of keeps, then over more in the best of them."""
    free = [one for one in search.structures if None not in one.axis_places] or search.structures
    rules, search.rules = search.rules, search.rules & {"candidate"}
    ready: list[Node] = []
    for structure in free[:: max(1, -(-len(free) // MOST_GLANCES))]:
        node = None if search.spent and ready else search.root(structure, search.allowed(FEWER))
        ready += [] if node is None else [node]

    def glance(k: int) -> tuple[Any, float] | None:
        return None if search.spent and k else walk(ready[k], min(GLANCE, 30 * ready[k].rows), 0)

    glances: list[tuple[float, int]] = []
    for k, found in enumerate(side_by_side(glance, range(len(ready)))):
        if found is not None:
            try_walked(search, ready[k], *found)
            glances.append((found[1], k))
    glances.sort()
    search.rules = rules
    best = list(dict.fromkeys(ready[k].origin.structure for _, k in glances))
    if search.candidates(FEW) <= MOST_FIRST:
        values: dict[Structure, float] = {}
        for structure in best[: FIRST_ORDERS if search.candidates(FEW) > SIMPLE else MORE_ORDERS]:
            node = None if search.spent else search.root(structure, search.allowed(FEW))
            if node is not None:
                # Where pars hold items in place, other searches go on from here; traffic is soon proven.
                once = node.held or search.objective == "traffic"
                values[structure] = min(dive(search, node) for _ in range(1 if once else FIRST_DIVES))
        best.sort(key=lambda structure: values.get(structure, np.inf))
    # The most promising orders first: what they yield cuts the others short.
    rank = {structure: number for number, structure in enumerate(best)}
    search.structures = sorted(search.structures, key=lambda one: rank.get(one, len(rank)))


def dive(search: Search, node: Node) -> float:
    """Evaluate what random moves find, candidates of least scores preferred (in every second walk where there are
    memories further in than the scratchpad); its bound."""
    deep = node.origin.structure.deep
    steps = min(DIVE if deep else DIVE // 2, 30 * node.rows)
    seeds = [next(search.seeds) for _ in range(WALKS)]
    search.nodes += WALKS * (steps + node.rows)
    search.walked += WALKS * (steps + node.rows)
    finds = walk_all(search, [(node, steps, seed, 1.0 + (seed % 2 if deep else 1)) for seed in seeds])
    return float(min(value for value, _, _ in finds))


def walk_all(search: Search, walks: Sequence[Walk]) -> list[Find]:
    """What some walks find; what may be the best of all is evaluated."""
    finds: list[Find] = []
    for (node, *_), (rows, value) in zip(walks, side_by_side(lambda one: walk(*one), walks), strict=True):
        finds.append(noted(search, node, rows, value, MOST_ORDERS))
    return finds


def noted(search: Search, node: Node, rows: Any, value: float, orders: int) -> Find:
    """Note what was found, and evaluate it in so many orders of loops if it may be the best of all."""
    try_walked(search, node, rows, value, orders)
    search.finds.append((value, node.origin.structure, node.tiles(rows)))
    return search.finds[-1]


def try_walked(search: Search, node: Node, rows: Any, value: float, orders: int = MOST_ORDERS) -> None:
    """Evaluate what a random walk found, in so many orders of loops."""
    share = NEARLY if node.origin.where.objective in TIMED else 1.0  # elsewhere values are no guesses
    if share * value < search.judge.limit(node.origin.machine.most_pj):
        search.try_leaf(node, rows, Proof(0.0, "few"), value, orders)


def unbounded(search: Search, wanted: list[tuple[Structure, Choice]]) -> list[Node]:
    """Orders of keeps with their candidates, without bounds: for searches that prove nothing."""
    rules, search.rules = search.rules, search.rules & {"candidate"}
    nodes = search.roots(wanted)
    search.rules = rules
    return [node for node in nodes if node is not None]


def pair_all(search: Search, proving: bool) -> None:
    """Look for better mappings two components at a time, in the most promising orders of keeps, where there are
    memories further in than the scratchpad; for a proof in more orders, until some in a row come out at the same and
    have nothing better, and among more tiles."""
    if not any(memory.per for memory in search.problem.arch.memories):
        return
    spaces = (EVEN, WHOLE, FEW) if proving else (WHOLE, FEW)
    choice = search.allowed(next((one for one in spaces if search.candidates(one) <= MOST_FIRST), FEWER))
    orders = [one for one in search.structures if None not in one.axis_places][: MOST_PAIRED if proving else PAIRED]
    quiet, least, until = 0, np.inf, _share(search)
    for first in range(0, len(orders), THREADS):
        if search.spent or quiet >= PAIRED or (first and monotonic() > until):
            return
        pair = orders[first : first + THREADS]
        nodes = unbounded(search, [(one, choice) for one in pair])
        before, values = search.judge.least, []
        for node, rows, value, work in side_by_side(_paired, nodes):
            search.nodes += work
            values.append(noted(search, node, rows, value, DIP_ORDERS)[0])
        least = min(least, *values, np.inf)
        alike = all(value < ALIKE * least for value in values)
        quiet = quiet + len(pair) if alike and search.judge.least >= WORTH * before else 0


def _share(search: Search) -> float:
    """Until when (of ``monotonic``) to look for better mappings in one way."""
    now = monotonic()
    return np.inf if search.deadline is None else now + min(SHARE * (search.deadline - now), LONGEST)


def _paired(node: Node) -> Improved:
    rows, value = walk(node, GLANCE, 0)
    return improved(node.guessing, rows, value)


def polish_all(search: Search) -> None:
    """Look for better mappings that take the positions of the best that walks have found, of different positions."""
    finds: dict[tuple[Any, ...], tuple[Structure, tuple[tuple[str, int, int], ...]]] = {}
    for _, structure, chosen in sorted(search.finds, key=lambda one: one[0]):
        spread = tuple(structure.spread(chosen))
        finds.setdefault((structure.items, spread), (structure, spread))
    choice = search.allowed(EVEN if search.candidates(EVEN) <= MOST_CANDIDATES else FEW)
    held = any(memory.per for memory in search.problem.arch.memories)
    most, until = list(finds.values())[: POLISHED if held else POLISHED_FLAT], _share(search)
    for first in range(0, len(most), THREADS):
        if search.spent or monotonic() > until:
            return
        pair = most[first : first + THREADS]
        ready = [(structure, replace(choice, spread=spread)) for structure, spread in pair]
        for node in search.roots(ready):
            if node is not None:
                polish(search, node)


def polish(search: Search, node: Node) -> None:
    """Look for better mappings in a node whose candidates all take the same positions."""
    parts = [node]
    if node.held and node.tangent is not None:
        from tilewright.mapping.optimal.explore_kernels import TOGETHER

        limit = search.judge.limit()
        heads = Heads.of(node, led=True)
        parts = heads.explored(limit, 1.0, DIP_STATES, POLISHING, TOGETHER).nodes
    dip(search, sorted(parts, key=lambda one: one.bound))


def dip(search: Search, nodes: list[Node]) -> None:
    """Evaluate the combinations of least bound in nodes where a short search finds them, several nodes at a time."""
    waiting = [node for node in nodes[:MOST_DIPS] if node.settled and node.states() <= DIP_STATES]
    for first in range(0, len(waiting), THREADS):
        if search.spent:
            return
        _dip(search, waiting[first : first + THREADS])


def _dip(search: Search, nodes: list[Node]) -> None:
    limit = search.judge.limit()
    some = [node for node in nodes if node.bound < np.log(limit)]
    found = side_by_side(lambda k: shortest_paths(some[k], limit, DIP_LEAVES, DIP), range(len(some)))
    for node, seen in zip(some, found, strict=True):
        search.nodes += seen.work
        for rows, value in zip(seen.rows, seen.values, strict=True):
            if value < search.judge.limit():
                search.try_leaf(node, rows, Proof(0.0, "few"), value, DIP_ORDERS)


def unroll(search: Search, structure: Structure, chosen: dict[str, tuple[int, ...]]) -> None:
    """Give the best mapping an array part of little energy and few cycles, where none was looked for."""
    whole = structure.spread_out
    if whole == structure:
        return
    given = tuple(
        (dim, split.segment, tile)
        for dim, tiles in chosen.items()
        for split, tile in zip(structure.splits(dim), tiles, strict=True)
        if split.segment <= structure.last_fed
    )
    few = FEW if search.candidates(FEW) <= MOST_FIRST else FEWER
    for objective in ("energy", "edp"):
        other = search.again(objective, None)
        other.judge.watch = search.judge.take
        if search.problem.arch.timing == "roofline":  # orders of one traffic differ in nothing else
            other.order_of = search.judge.best
        node = other.root(whole, replace(search.allowed(few), most_loops=99, given=given))
        if node is not None:
            dive(other, node)
        search.nodes += other.nodes
        search.judge.evaluated += other.judge.evaluated
