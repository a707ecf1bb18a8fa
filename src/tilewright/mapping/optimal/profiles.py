"""What the tiles of the scratchpad's keeps say of cycles, step by step, whatever is kept further in.

The transfers of every tile step follow from these tiles and the order of their loops alone, and so does how much there
is to multiply in it. With what is known of computing, no step takes less than the longer of both; exact transfers of
a few tiles so rule out all mappings that have them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from tilewright.mapping.cycles import Side, beside, group_cycles, port_cycles, rate_cycles
from tilewright.mapping.homes import bypasses
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.cases import TIMED, Node, Origin
from tilewright.mapping.optimal.chains import Floats
from tilewright.mapping.optimal.costs import UNLIMITED
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.threads import aside
from tilewright.mapping.optimal.transfer_kernels import DOUBLE
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling, without_single_loops
from tilewright.mapping.traffic import box_elements, moves_in, span_tables, visits
from tilewright.workload.nest import Operand

MOST_STEPS, MOST_ORDERS = 20_000, 24  # of tiles that are looked at, and orders of their loops


@dataclass(frozen=True, eq=False)
class Profile:
    """The steps of some tiles in one order: first loads and last stores in cycles, and the different ``kinds`` of
    steps, a row each: how many there are, their multiply-accumulates, the cycles of the transfers beside them, those of
    the scratchpad's port at least, and for every operand that passes the scratchpad by what it takes at least if its
    innermost loop is one of tiles, and if it is refilled in every step (``steps_kernels``)."""

    edges: float
    kinds: Floats


def profile(problem: NestProblem, mapping: Mapping) -> Profile | None:
    """The steps of a mapping's tiles, for pipelined time; None where they are too many or results pass by."""
    nest, dram = problem.nest, problem.arch.dram
    mapping = without_single_loops(nest, mapping)
    tiling = Tiling(nest, mapping.tile_loops(problem.arch.scratchpad.name))
    passing = {operand.name for operand in nest.operands if bypasses(problem, mapping, operand.name)}
    if tiling.steps > MOST_STEPS or nest.output.name in passing:
        return None
    kept = [operand for operand in nest.operands if operand is not nest.output and operand.name not in passing]
    moves, visited = [moves_in(problem, mapping, tiling, operand) for operand in kept], visits(problem, mapping, tiling)
    loads = group_cycles(
        dram, [*moves, visited.readbacks], tiling.steps, writing=False, at_start=problem.parameter_bytes
    )
    stores = group_cycles(dram, [visited.stores, visited.spills], tiling.steps, writing=True)
    moved = beside(loads, stores)
    last = tiling.levels[-1]
    work = np.broadcast_to(last.product({dim: chunks.length for dim, chunks in last.chunks.items()}), moved.shape)
    flows = []
    for keep in mapping.keeps:
        if keep.operand in passing:
            passing.remove(keep.operand)
            operand = nest.operand(keep.operand)
            above = min(len(tiling.loops), len(mapping.loops_above(keep.operand, keep.memory)))
            levels = (tiling.levels[tiling.last_used(above, operand.dims)], last)
            flows += [_flow(problem, operand, level, tiling.steps) for level in levels]
    port = np.broadcast_to(_port(problem, mapping, tiling, kept), moved.shape)
    kinds, number = np.unique(np.stack([work, moved, port, *flows]), axis=1, return_counts=True)
    return Profile(float(loads[0] + stores[-1]), np.vstack([number[None, :], kinds]).T.astype(np.float64))


def _port(problem: NestProblem, mapping: Mapping, tiling: Tiling, kept: Sequence[Operand]) -> IntArray:
    """The cycles of the scratchpad's port in each step, at least: what is kept anew further in is read, but for
    windows, and results are written before the next ones are."""
    pad, output, widths = problem.arch.scratchpad, problem.nest.output, problem.arch.widths
    moved = np.zeros((2, tiling.steps), dtype=np.int64)
    for operand in (*kept, output):
        if any(axis.is_window for axis in operand.axes):
            continue
        memories = [keep.memory for keep in mapping.keeps if keep.operand == operand.name]
        within = memories[memories.index(pad.name) + 1 :]
        above = len(mapping.loops_above(operand.name, within[0])) if within else len(tiling.loops)
        level = tiling.levels[tiling.last_used(min(above, len(tiling.loops)), operand.dims)]
        elements = box_elements(operand, level, span_tables(operand, level.chunks, None))
        if operand is output:
            moved[1, level.last_step] += elements * min(widths.output, widths.accumulator)
        else:
            moved[0, level.first_step] += elements * problem.bits(operand.name)
    return port_cycles(pad, *Side(pad, *moved).whole_bytes)


def _flow(problem: NestProblem, operand: Operand, level: Level, steps: int) -> IntArray:
    """The cycles that an operand takes, at least, to pass the scratchpad by in each step: every word once in those in
    which an iteration of a level begins. Nothing where windows slide."""
    found = np.zeros(steps, dtype=np.int64)
    if any(axis.is_window for axis in operand.axes):
        return found
    dram = problem.arch.dram
    elements = box_elements(operand, level, span_tables(operand, level.chunks, None))
    found[level.first_step] = rate_cycles(-(-elements * problem.bits(operand.name) // 8), dram.read_bandwidth)
    found[level.first_step] += dram.setup_cycles * (elements > 0)
    return found


class Cuts(NamedTuple):
    """What is known of tiles by their numbers: those of number ``keys[k]`` (ascending) have the profiles from
    ``first[k]`` on, profile p with ``edges[p]`` and the ``kinds`` from ``ends[p]`` on."""

    keys: IntArray
    first: IntArray
    edges: Floats
    ends: IntArray
    kinds: Floats


def _nothing() -> Cuts:
    none = np.zeros(0, dtype=np.int64)
    return Cuts(none, np.zeros(1, dtype=np.int64), np.zeros(0), np.zeros(1, dtype=np.int64), np.zeros((0, 4)))


NONE = _nothing()


class Known:
    """The profiles of an order of keeps and its candidates, by the number of their tiles."""

    def __init__(self, profiles: dict[int, tuple[Profile, ...]], joined: Cuts | None = None) -> None:
        self.profiles = profiles
        self.joined = joined

    def learn(self, key: int, own: tuple[Profile, ...]) -> None:
        self.profiles[key] = own
        self.joined = None

    @property
    def all(self) -> Cuts:
        """All of them, joined."""
        if self.joined is None:
            keys = sorted(self.profiles)
            own = [self.profiles[key] for key in keys]
            each = [one for profiles in own for one in profiles]
            first = np.cumsum([0, *(len(profiles) for profiles in own)])
            ends = np.cumsum([0, *(len(one.kinds) for one in each)])
            kinds = np.concatenate([one.kinds for one in each]) if each else NONE.kinds
            edges = np.array([one.edges for one in each])
            self.joined = Cuts(np.array(keys, dtype=np.int64), first, edges, ends, kinds)
        return self.joined


class Profiles:
    """The profiles that a search has computed, by order of keeps; none is begun after some time (of ``monotonic``)."""

    def __init__(self, problem: NestProblem, until: float | None = None) -> None:
        self.problem, self.until = problem, until
        self.known: WeakKeyDictionary[Origin, Known] = WeakKeyDictionary()

    def copy(self, origin: Origin) -> Profiles:
        """What is known of an order of keeps, for a job that runs beside others to learn more by itself."""
        other = Profiles(self.problem, self.until)
        if origin in self.known:
            known = self.known[origin]
            other.known[origin] = Known(dict(known.profiles), known.joined)
        return other

    def take(self, other: Profiles) -> None:
        """Know what another one has learned, too."""
        for origin, known in other.known.items():
            mine = self.known.setdefault(origin, Known({}))
            if known.profiles.keys() - mine.profiles.keys():
                mine.profiles.update(known.profiles)
                mine.joined = None

    def of_use(self, origin: Origin) -> bool:
        """Whether time counts, is pipelined, and does not follow from the bound of combinations alone."""
        where = origin.where
        timed = where.timing == DOUBLE and where.objective in TIMED and origin.machine.dram_read_rate < UNLIMITED
        return timed and len(origin.prefixes.first) > 0

    def learn(self, origin: Origin, keys: Iterable[int]) -> None:
        """Compute the profiles of tiles by their numbers."""
        known = self.known.setdefault(origin, Known({}))
        for key in keys:
            if self.until is not None and monotonic() > self.until:
                return
            if key not in known.profiles:
                known.learn(key, self._profiles(origin, key))

    def _profiles(self, origin: Origin, key: int) -> tuple[Profile, ...]:
        """The profiles of all orders of the tile loops; none where there are too many."""
        pad, structure = self.problem.arch.scratchpad.name, origin.structure
        every, all_of_them = mappings(structure, origin.tiled(key), MOST_ORDERS)
        if not all_of_them:
            return ()
        different = {mapping.tile_loops(pad): mapping for mapping in every}
        found = [profile(self.problem, mapping) for mapping in different.values()]
        return tuple(one for one in found if one is not None) if None not in found else ()

    def cuts(self, node: Node) -> Cuts:
        """What is known of the tiles of a node's candidates."""
        if not self.of_use(node.origin):
            return NONE
        return self.known.setdefault(node.origin, Known({})).all

    def least(self, node: Node, rows: Any) -> float:
        """What the cycles of a combination are not below."""
        from tilewright.mapping.optimal.steps_kernels import least_cycles

        if not self.of_use(node.origin):
            return 0.0
        origin = node.origin
        key = int(node.prefix()[node.offsets[:-1] + np.asarray(rows)].sum())
        self.learn(origin, [key])
        if key not in self.known[origin].profiles:
            return 0.0
        table, cuts = np.stack([own[row] for own, row in zip(node.tables, rows, strict=True)]), self.cuts(node)
        with aside():
            return float(least_cycles(table, cuts, np.searchsorted(cuts.keys, key), origin.where, origin.machine))
