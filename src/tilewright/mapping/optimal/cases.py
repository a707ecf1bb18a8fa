"""Cases of the search: an order of keeps with some candidates of each component, bounded, and cut in two or more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.optimal.assumed import Case
from tilewright.mapping.optimal.chains import Choice, Floats, IntTable
from tilewright.mapping.optimal.costs import OBJECTIVE_CODES, WITHIN, Costs, Layout
from tilewright.mapping.optimal.forms import Relaxed, starts_of
from tilewright.mapping.optimal.relaxation import relaxed
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.optimal.tangents import Tangent, tangent

MOST_PREFIXES = 2**62
SAME = 1e-9  # a difference of logarithms that is none
TIMED = (OBJECTIVE_CODES["latency"], OBJECTIVE_CODES["edp"], WITHIN)


class Prefixes(NamedTuple):
    """What every candidate of each component adds to the number of a combination's tiles, and the first candidate that
    has some tiles."""

    places: list[IntTable]
    first: list[IntTable]


@dataclass(frozen=True, eq=False)
class Origin:
    """An order of keeps; ``chains[c]`` are the tables of the dimensions of component c, its candidates their product in
    order, listed for ``choice``. ``kinds`` says how the rows of packed features combine."""

    structure: Structure
    choice: Choice
    where: Layout
    machine: Costs
    chains: tuple[tuple[tuple[str, IntTable], ...], ...]
    kinds: Any
    twins: tuple[int, int] | None = None  # components that can change places without any difference
    whole: tuple[tuple[IntTable, Floats], ...] = ()  # numbers, ascending, and features of all candidates of interest

    @property
    def bytes(self) -> int:
        """The memory that the candidates take."""
        return sum(rows.nbytes + table.nbytes for rows, table in self.whole)

    def chain(self, c: int, candidate: int) -> dict[str, tuple[int, ...]]:
        """The tiles of every dimension of a component at its places."""
        shape = tuple(len(table) for _, table in self.chains[c])
        rows = np.unravel_index(candidate, shape)
        return {dim: tuple(table[r].tolist()) for (dim, table), r in zip(self.chains[c], rows, strict=True)}

    def shares(self, c: int, candidates: IntTable) -> Floats:
        """Logarithms of the positions that candidates take on axes that count alike: those of one place that share
        words in the same way and, for dimensions that are summed over, add up results in the same way. Nothing where no
        memory is further in than the scratchpad: there positions need not be told apart first.
        """
        return self._shared[c][self.places(c, candidates)] if self.whole else self._shares(c, candidates)

    @cached_property
    def _shared(self) -> list[Floats]:
        return [self._shares(c, numbers) for c, (numbers, _) in enumerate(self.whole)]

    def places(self, c: int, candidates: IntTable) -> IntTable:
        """Where candidates stand among all of interest."""
        return np.searchsorted(self.whole[c][0], candidates)

    def _shares(self, c: int, candidates: IntTable) -> Floats:
        array, nest = self.structure.problem.arch.array, self.structure.problem.nest
        if not self.structure.deep:
            return np.zeros((len(candidates), 1))
        kinds = [
            (place, axis in array.multicast, axis in array.reduce)
            for (axis, _), place in zip(array.axes, self.structure.axis_places, strict=True)
        ]
        columns: dict[tuple[object, ...], Any] = {}
        picked = np.unravel_index(candidates, tuple(len(table) for _, table in self.chains[c]))
        for (dim, table), rows in zip(self.chains[c], picked, strict=True):
            for k, split in enumerate(self.structure.splits(dim)):
                if split.axis < 0:
                    continue
                kind = kinds[split.axis] if dim in nest.reduction_dims else kinds[split.axis][:2]
                outer = table[rows, k - 1] if k else nest.extents[dim]
                columns[kind] = columns.get(kind, 0.0) + np.log(-(-outer // table[rows, k]))
        return np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(candidates), 1))

    def stepped(self, c: int, candidates: IntTable) -> Floats:
        """Logarithms of the tiles of one step; nothing where no memory is further in than the scratchpad: there telling
        them apart is not worth it."""
        if not self.structure.deep:
            return np.zeros((len(candidates), 0))
        picked = np.unravel_index(candidates, tuple(len(table) for _, table in self.chains[c]))
        columns = []
        for (dim, table), rows in zip(self.chains[c], picked, strict=True):
            places = sum(split.segment < self.structure.tile_items for split in self.structure.splits(dim))
            columns.append(np.log(table[rows, places - 1]) if places else np.zeros(len(candidates)))
        return np.stack(columns, axis=1)

    def codes(self, c: int, candidates: IntTable) -> IntTable:
        """A number for the tiles of every one of a component's candidates at every keep, its pars included."""
        return self._tiled[c][self.places(c, candidates)] if self.whole else self._codes(c, candidates)

    @cached_property
    def prefixes(self) -> Prefixes:
        """Numbers of the tiles of the scratchpad's keeps. None where there are too many, or where there is no list of
        candidates."""
        places, first, stride = [], [], 1
        for codes in self._tiled:
            own, begin, at = np.unique(
                codes[:, : self.structure.tile_items], axis=0, return_index=True, return_inverse=True
            )
            places.append(at.reshape(-1) * stride)
            first.append(begin)
            stride *= len(own)
        return Prefixes(places, first) if 0 < stride < MOST_PREFIXES else Prefixes([], [])

    def tiled(self, prefix: int) -> dict[str, tuple[int, ...]]:
        """The tiles in front of the scratchpad's keeps with a number."""
        tiles: dict[str, tuple[int, ...]] = {}
        for c, first in enumerate(self.prefixes.first):
            prefix, own = divmod(prefix, len(first))
            for dim, chain in self.chain(c, int(self.whole[c][0][first[own]])).items():
                splits = zip(self.structure.splits(dim), chain, strict=True)
                tiles[dim] = tuple(tile for split, tile in splits if split.segment < self.structure.tile_items)
        return tiles

    @cached_property
    def _tiled(self) -> list[IntTable]:
        return [self._codes(c, numbers) for c, (numbers, _) in enumerate(self.whole)]

    def _codes(self, c: int, candidates: IntTable) -> IntTable:
        shape = tuple(len(table) for _, table in self.chains[c])
        picked = np.unravel_index(candidates, shape)
        total = np.zeros((len(candidates), len(self.structure.items)), dtype=np.int64)
        for (dim, table), rows in zip(self.chains[c], picked, strict=True):
            extent = self.structure.problem.nest.extents[dim]
            splits = self.structure.splits(dim)
            for item in range(total.shape[1]):
                places = sum(split.segment <= item for split in splits)
                tile = table[rows, places - 1] if places else extent
                total[:, item] = total[:, item] * (extent + 1) + tile
        return total


@dataclass(frozen=True, eq=False)
class Node:
    """Candidates by number and their packed features; no combination of them goes below ``exp(bound)``, nor below
    ``exp(bound + its scores)``."""

    origin: Origin
    numbers: tuple[IntTable, ...]
    tables: tuple[Floats, ...]
    case: Case
    bound: float = -np.inf
    scores: tuple[Floats, ...] = ()
    form: Relaxed | None = None
    tangent: Tangent | None = None
    apart: bool = False  # whether positions are told apart as far as that is worth it

    def codes(self) -> IntTable:
        """A number for the tiles of every candidate at every keep, one component after the other."""
        return np.concatenate([self.origin.codes(c, rows) for c, rows in enumerate(self.numbers)])

    def prefix(self) -> IntTable:
        """What every candidate adds to the number of a combination's tiles, one component after the other."""
        places = self.origin.prefixes.places
        return np.concatenate([places[c][self.origin.places(c, rows)] for c, rows in enumerate(self.numbers)])

    def shares(self) -> list[Floats]:
        """The positions that the candidates of every component take (``Origin.shares``)."""
        return [self.origin.shares(c, rows) for c, rows in enumerate(self.numbers)]

    @property
    def held(self) -> bool:
        """Whether items are held in place, so that the segments of their innermost loops make cases."""
        return bool((self.origin.where.barrier >= 0).any())

    @cached_property
    def settled(self) -> bool:
        """Whether all candidates of a component take the same positions, but for axes that count alike."""
        return all(float(np.ptp(one, axis=0).max()) < SAME for one in self.shares())

    def twins(self) -> IntTable:
        """Two components that can change places without any difference (``Origin.twins``) and have the same candidates;
        else -1."""
        if self.origin.twins is not None and self.form is not None:
            some, other = self.origin.twins
            if all(np.array_equal(one[some], one[other]) for one in (self.numbers, self.form.logs)):
                return np.array([some, other])
        return np.array([-1, -1])

    def fits(self) -> bool:
        """Whether the array has the positions that some combination of candidates takes."""
        where = self.origin.where
        used = slice(where.at_used, where.at_used + len(where.positions))
        taken = np.ones((1, len(where.positions)))
        for table in self.tables:
            joined = (taken[:, None, :] * np.unique(table[:, used], axis=0)[None, :, :]).reshape(-1, taken.shape[1])
            taken = np.unique(joined[(joined <= where.positions).all(axis=1)], axis=0)
        return len(taken) > 0

    def states(self) -> int:
        """How many vectors of tiles there are at all keeps together."""
        each = [self.origin.codes(c, rows) for c, rows in enumerate(self.numbers)]
        return sum(
            int(np.prod([float(len(np.unique(codes[:, item]))) for codes in each])) for item in range(each[0].shape[1])
        )

    @property
    def size(self) -> float:
        """How many combinations there are."""
        return float(np.prod([float(len(rows)) for rows in self.numbers]))

    @property
    def offsets(self) -> IntTable:
        """Where the rows of every component begin, one after the other, and where they end."""
        found: IntTable = starts_of(self.numbers)
        return found

    @property
    def rows(self) -> int:
        return sum(len(rows) for rows in self.numbers)

    def tiles(self, rows: Any) -> dict[str, tuple[int, ...]]:
        """The tiles of every dimension at its places in a combination of candidates."""
        chosen: dict[str, tuple[int, ...]] = {}
        for c, row in enumerate(rows):
            chosen.update(self.origin.chain(c, int(self.numbers[c][row])))
        return chosen

    @property
    def guessing(self) -> Node:
        """The node for searches that prove nothing: combinations cost what is guessed of them (``guess_kernels``)."""
        return replace(self, origin=replace(self.origin, where=self.origin.where._replace(guess=True)))

    @property
    def bare(self) -> Node:
        """The node without what ``dressed`` finds again."""
        return replace(self, tables=(), form=None, tangent=None) if self.origin.whole else self

    @property
    def dressed(self) -> Node:
        """The node with its features."""
        if self.tables:
            return self
        origin = self.origin
        tables = (origin.whole[c][1][origin.places(c, rows)] for c, rows in enumerate(self.numbers))
        return replace(self, tables=tuple(tables))

    def above(self, bound: float) -> Node:
        """The node with a bound that it is known to have by other means than its scores."""
        if bound <= self.bound:
            return self
        lower = (bound - self.bound) / len(self.numbers)
        return replace(self, bound=bound, scores=tuple(score - lower for score in self.scores))

    def only(self, masks: list[Any]) -> Node:
        """The node with some of its candidates."""
        return replace(
            self,
            numbers=tuple(rows[mask] for rows, mask in zip(self.numbers, masks, strict=True)),
            tables=tuple(table[mask] for table, mask in zip(self.tables, masks, strict=bool(self.tables))),
            scores=tuple(score[mask] for score, mask in zip(self.scores, masks, strict=True)) if self.scores else (),
            form=self.form.only(masks) if self.form is not None else None,
        )


def solved(node: Node, limit: float, repeats: int = 3) -> tuple[Node | None, int, int]:
    """(node, candidates dropped, work): the node bounded, without candidates that cannot stay below ``limit``; ``None``
    if nothing of it can."""
    dropped = work = 0
    if limit <= 0:
        return None, node.rows, 0
    most = np.log(limit) - 1e-12 if np.isfinite(limit) else np.inf
    if node.scores:  # those of a node that this one is a part of
        least = [float(score.min()) for score in node.scores]
        masks = [node.bound + sum(least) - own + score < most for own, score in zip(least, node.scores, strict=True)]
        if not all(mask.any() for mask in masks):
            return None, node.rows, 0
        if sum(int(mask.sum()) for mask in masks) < 0.7 * node.rows:
            dropped += node.rows - sum(int(mask.sum()) for mask in masks)
            node = node.only(masks)
    for _ in range(repeats):
        case: Relaxed = relaxed(node.origin.where, node.origin.machine, list(node.tables), node.case)
        found: Tangent = tangent(case, limit)
        work += node.rows
        bound = max(node.bound, found.bound)
        if bound >= most:
            return None, dropped + node.rows, work
        masks = [found.bound + score < most for score in found.scores]
        left = sum(int(mask.sum()) for mask in masks)
        before = node.rows
        node = replace(node, bound=found.bound, scores=found.scores, form=case, tangent=found).only(masks)
        node = replace(node, bound=bound, scores=tuple(s - (bound - found.bound) / len(masks) for s in node.scores))
        dropped += before - left
        if not all(mask.any() for mask in masks):
            return None, dropped + left, work
        if left > 0.7 * before:
            break
    return node, dropped, work
