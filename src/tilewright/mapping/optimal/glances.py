"""Short looks at cases: their bounds, their parts of settled positions, and all combinations that are left of them.

Nothing here changes the search: jobs that run side by side have their own tallies, and learn by themselves."""

from __future__ import annotations

from time import monotonic
from typing import Any

import numpy as np

from tilewright.mapping.optimal.bound_kernels import bound
from tilewright.mapping.optimal.branches import branches
from tilewright.mapping.optimal.cases import Node, solved
from tilewright.mapping.optimal.costs import OBJECTIVE_CODES, WITHIN, turns_taken
from tilewright.mapping.optimal.early import DIP_LEAVES
from tilewright.mapping.optimal.forms import Relaxed
from tilewright.mapping.optimal.lattice import Found, least_in_trees, shortest_paths
from tilewright.mapping.optimal.parts import Heads, Parts
from tilewright.mapping.optimal.profiles import Profiles
from tilewright.mapping.optimal.roots import Tally
from tilewright.mapping.optimal.transfer_kernels import scratch_of

CLOSER = 0.02  # what makes others more promising, in logarithms
TANGENTS, TANGENTS_A_SECOND = 20_000, 5000
STATES, MANY_STATES, FEW_STATES = 100_000, 20_000, 200  # vectors of tiles
GLIMPSE, GLANCED = 3_000, 16  # bounds of a short search, and the most combinations that it may find
FEW_PARTS = 16  # of which tiles are learned first
MOST_AGAIN = 10  # short searches of one part, each with what the one before has taught
KEPT_OF_CASES = 2_000  # candidates of a case that are kept while it waits
Leaf = tuple[Node, Any, float]  # one combination of a node, with its bound


def over(until: float | None) -> bool:
    """Whether some time is over, if there is one."""
    return until is not None and monotonic() > until


def _solved(node: Node, limit: float, tally: Tally) -> Node | None:
    better, dropped, work = solved(node, limit, 1)
    tally.take(work // 2, dropped)
    return better


def told_apart(
    node: Node, limit: float, small: float, free: bool, until: float | None, profiles: Profiles, tally: Tally
) -> list[tuple[Node, Found | None]]:
    """What is of interest in a node, in parts by the segments that refill items and the positions that candidates take,
    each with what a short search along shortest paths finds, and without those that this rules out; if the search is
    ``free`` to look into every order of keeps, without those whose mappings another order has as well. If that takes
    longer than ``until`` (of ``monotonic``; 0: all parts, without shortest paths), the node comes back whole."""
    if node.tangent is None or node.form is None or node.form.sharp is None:
        better = _solved(node.dressed, limit, tally)
        if better is None:
            return []
        if better.bound > node.bound + CLOSER:
            return [(better, None)]  # others may be more promising now
        node = better
    heads = Heads.of(node, led=True, once=free)
    wanted, work = heads.told_first(limit)
    tally.nodes += work
    tangents = TANGENTS if not until else int(max(1.0, min(TANGENTS, (until - monotonic()) * TANGENTS_A_SECOND)))
    parts = heads.explored(limit, 1.0 if node.held else small, FEW_STATES, tangents, wanted)
    tally.take(parts.work, parts.dropped)
    if until == 0.0:
        return [(part, None) for part in parts.nodes]
    left = interesting(parts, limit, profiles, until, tally)
    found: list[tuple[Node, Found | None]] = []
    for part in (parts.node(int(k)) for k in np.flatnonzero(left)):
        if over(until):  # thousands of parts would take seconds, and nothing would come of them
            return [(node.above(float(parts.bounds[left].min())), None)]
        if not part.apart or part.states() > MANY_STATES:
            found.append((part, None))
            continue
        seen = searched(part, limit, profiles, form=part.form)
        tally.nodes += seen.work
        tally.pruned["bound"] += seen.cut
        if seen.rows or seen.rest < limit:
            found.append((part, seen))
    return found


def interesting(parts: Parts, limit: float, profiles: Profiles, until: float | None, tally: Tally) -> Any:
    """Which parts shortest paths leave anything of, again and again with what more is known of their tiles: what a few
    parts have taught serves all others, which often have the same tiles."""
    node = parts.heads.node
    left = np.ones(len(parts.sizes), np.bool_)
    first, most, waiting = 0, FEW_PARTS, np.flatnonzero(parts.scored)
    while first < len(waiting) and not over(until):
        wanted = np.zeros_like(left)
        wanted[waiting[first : first + most]] = True
        for _ in range(MOST_AGAIN):
            own, work, cut, asked = parts.interesting(limit, DIP_LEAVES, GLIMPSE, profiles.cuts(node), wanted)
            tally.nodes += work
            tally.pruned["bound"] += cut
            left &= own
            wanted &= own
            if not len(asked) or over(until):
                break
            profiles.learn(node.origin, asked.tolist())
        first, most = first + most, 4 * most
    return left


def by_paths(node: Node) -> bool:
    """Whether shortest paths are found soon: where tiles are those of divisors, and of not too many vectors of them."""
    return node.origin.structure.deep and node.states() <= STATES


def searched(
    node: Node, limit: float, profiles: Profiles, most: int = DIP_LEAVES, form: Relaxed | None = None
) -> Found:
    """What a short search of a part finds; once more with what that has taught, as long as there is something to learn
    or all of it takes too long."""
    work = cut = 0
    for _ in range(1 + MOST_AGAIN):
        seen = shortest_paths(node, limit, most, GLIMPSE, form, profiles.cuts(node))
        work, cut = work + seen.work, cut + seen.cut
        profiles.learn(node.origin, seen.asked)
        if not seen.rows or not (seen.asked or all(ruled_out(node, rows, limit, profiles) for rows in seen.rows)):
            break
    return seen._replace(work=work, cut=cut)


def glanced(node: Node, limit: float, small: float, profiles: Profiles, tally: Tally) -> list[Leaf] | None:
    """All combinations of a node below a limit, the least first, where a short search of the node and its cases finds
    them; else None. Trees serve up to ``small`` combinations."""
    waiting, leaves = [node], []
    while waiting:
        case = waiting.pop()
        seen = least_in_trees(case, limit, GLANCED, GLIMPSE) if case.size <= small else None
        if (seen is None or seen.rows or seen.rest < limit) and by_paths(case):
            tally.nodes += 0 if seen is None else seen.work
            seen = searched(case, limit, profiles, GLANCED, node.form if case is node else None)
        if seen is None:
            return None
        tally.nodes += seen.work
        tally.pruned["bound"] += seen.cut
        if not seen.rows and seen.rest >= limit:
            continue
        children = branches(case)
        waiting += children
        if not children:
            leaves += [(case, rows, value) for rows, value in zip(seen.rows, seen.values, strict=True)]
            if seen.rest < limit or len(leaves) > GLANCED:
                return None
    return sorted(leaves, key=lambda leaf: leaf[2])


def ruled_out(node: Node, rows: Any, limit: float, profiles: Profiles) -> bool:
    """Whether a combination's tiles take too long, step by step, for all that its energy is at least."""
    cycles = profiles.least(node, rows)
    if cycles == 0.0:
        return False
    where, machine = node.origin.where, node.origin.machine
    if where.objective == WITHIN:
        return cycles / where.most_cycles >= limit
    if where.objective == OBJECTIVE_CODES["latency"]:
        return cycles >= limit
    table, scratch = np.stack([own[row] for own, row in zip(node.tables, rows, strict=True)]), scratch_of(where)
    energy = min(bound(np.arange(len(rows)), table, turn, machine, scratch)[1] for turn in turns_taken(where))
    return bool(energy * cycles >= limit)
