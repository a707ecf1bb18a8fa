"""What the tiles of the scratchpad's keeps say of cycles, step by step, whatever is kept further in.

The transfers of every tile step follow from these tiles and the order of their loops alone, and so does how much there
is to multiply in it. With the positions that are taken, no step takes less than the longer of both; exact transfers of
a few tiles so rule out all mappings that have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilewright.mapping.cycles import beside, group_cycles
from tilewright.mapping.homes import bypasses
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.optimal.cases import TIMED, Node
from tilewright.mapping.optimal.costs import UNLIMITED
from tilewright.mapping.optimal.features import Floats
from tilewright.mapping.optimal.realize import mappings
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.transfer_kernels import DOUBLE
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import Tiling, without_single_loops
from tilewright.mapping.traffic import moves_in, visits

MOST_STEPS, MOST_ORDERS = 20_000, 24  # of tiles that are looked at, and orders of their loops

Prefix = tuple[int, ...]  # numbers of a component's tiles at the keeps down to the scratchpad's last


@dataclass(frozen=True, eq=False)
class Profile:
    """The steps of some tiles in one order: first loads and last stores in cycles, and of every kind of step its
    multiply-accumulates, the cycles of the transfers beside it, and how many there are."""

    edges: float
    work: Floats
    moved: Floats
    number: Floats

    def cycles(self, positions: float) -> float:
        """What no mapping of these tiles on so many positions goes below."""
        return self.edges + float((self.number * np.maximum(np.ceil(self.work / positions), self.moved)).sum())


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
    moved = beside(loads, stores).astype(np.float64)
    last = tiling.levels[-1]
    work = np.broadcast_to(last.product({dim: chunks.length for dim, chunks in last.chunks.items()}), moved.shape)
    kinds, number = np.unique(np.stack([work.astype(np.float64), moved]), axis=1, return_counts=True)
    return Profile(float(loads[0] + stores[-1]), kinds[0], kinds[1], number.astype(np.float64))


@dataclass(frozen=True, eq=False)
class Cuts:
    """What is known for a node: ``prefix`` adds up over the rows of a combination to its number among ``keys``
    (ascending), and ``cycles`` are what no mapping with that number goes below."""

    prefix: Any
    keys: Any
    cycles: Floats


NONE = Cuts(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


class Profiles:
    """The profiles that a search has computed, by order of keeps and the tiles of every component."""

    def __init__(self, problem: NestProblem) -> None:
        self.problem = problem
        self.known: dict[Structure, dict[tuple[Prefix, ...], tuple[Profile, ...]]] = {}

    def copy(self, structure: Structure) -> Profiles:
        """What is known of an order of keeps, for a job that runs beside others to learn more by itself."""
        other = Profiles(self.problem)
        other.known[structure] = dict(self.known.get(structure, {}))
        return other

    def take(self, other: Profiles) -> None:
        """Know what another one has learned, too."""
        for structure, profiles in other.known.items():
            self.known.setdefault(structure, {}).update(profiles)

    def of_use(self, node: Node) -> bool:
        """Whether time counts, is pipelined, and does not follow from the bound of combinations alone."""
        where = node.origin.where
        return where.timing == DOUBLE and where.objective in TIMED and node.origin.machine.dram_read_rate < UNLIMITED

    def least(self, node: Node, rows: Any) -> float:
        """What the cycles of a combination are not below, by its tiles and positions."""
        if not self.of_use(node):
            return 0.0
        structure = node.origin.structure
        key = tuple(
            tuple(node.origin.codes(c, node.numbers[c][row : row + 1])[0, : structure.tile_items].tolist())
            for c, row in enumerate(rows)
        )
        profiles = self.known.setdefault(structure, {})
        if key not in profiles:
            profiles[key] = self._profiles(structure, node.tiles(rows))
        where = node.origin.where
        used = slice(where.at_used, where.at_used + len(where.positions))
        taken = np.prod([table[row, used] for table, row in zip(node.tables, rows, strict=True)], axis=0)
        return min((one.cycles(float(np.prod(taken))) for one in profiles[key]), default=0.0)

    def _profiles(self, structure: Structure, chosen: dict[str, tuple[int, ...]]) -> tuple[Profile, ...]:
        """The profiles of all orders of the tile loops of a combination; none where there are too many."""
        pad = self.problem.arch.scratchpad.name
        every, all_of_them = mappings(structure, chosen, MOST_ORDERS)
        if not all_of_them:
            return ()
        different = {mapping.tile_loops(pad): mapping for mapping in every}
        found = [profile(self.problem, mapping) for mapping in different.values()]
        return tuple(one for one in found if one is not None) if None not in found else ()

    def cuts(self, node: Node) -> Cuts:
        """What is known of the tiles of a node's candidates, on the most positions that any combination takes."""
        structure, where = node.origin.structure, node.origin.where
        profiles = self.known.get(structure)
        if not profiles:
            return NONE
        prefix, place, stride = [], [], 1
        for c, numbers in enumerate(node.numbers):
            codes = node.origin.codes(c, numbers)[:, : structure.tile_items]
            different, at = np.unique(codes, axis=0, return_inverse=True)
            prefix.append(at.reshape(-1) * stride)
            place.append({tuple(one): k * stride for k, one in enumerate(different.tolist())})
            stride *= len(different)
        if stride >= 2**62:
            return NONE
        used = slice(where.at_used, where.at_used + len(where.positions))
        taken = np.prod([table[:, used].max(axis=0) for table in node.tables], axis=0)
        positions = float(np.prod(np.minimum(taken, where.positions)))
        found = sorted(
            (sum(here[k] for k, here in zip(key, place, strict=True)), min(one.cycles(positions) for one in own))
            for key, own in profiles.items()
            if own and all(k in here for k, here in zip(key, place, strict=True))
        )
        if not found:
            return NONE
        keys, cycles = np.array([key for key, _ in found], dtype=np.int64), np.array([cycles for _, cycles in found])
        return Cuts(np.concatenate(prefix), keys, cycles)
