"""Neighbours in an operand's chain of keeps, and what moves between them (docs/model.md, section 4).

A boundary has a parent, which hands words over or gets them, and a child: the next memory that keeps the operand, or
the multipliers. Its counts are products of one factor for each axis of the operand and one for each dimension that
the operand does not use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np

from tilewright.mapping.lattice import APART, EACH, FIRST, OWN, SHARED, SUM, Cut, Cuts
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import IntArray, Level, Tiling
from tilewright.mapping.words import Served, axis_words, first_turns, largest_footprint, turns
from tilewright.workload.nest import Axis, Operand


@dataclass(frozen=True)
class Boundary:
    """Where an operand goes from the memory ``parent`` to ``child`` (None: to the multipliers).

    ``begin`` and ``end`` are the places of the two keeps among the nodes (-1 and the number of nodes for DRAM and the
    multipliers). ``last_used`` is the place of Lp (-1 if there is none; the number of nodes for the multipliers).
    """

    problem: NestProblem
    nodes: tuple[Node, ...]
    operand: Operand
    parent: str
    child: str | None
    begin: int
    end: int
    last_used: int
    array_place: int

    @property
    def within(self) -> bool:
        """Whether something moves several times within a tile step: Lp stands in the array part."""
        return self.last_used >= self.array_place

    @cached_property
    def depth(self) -> int:
        """How many tile loops tell the moves apart."""
        inside = self.array_place if self.within else self.last_used + 1
        return sum(isinstance(node, Loop) for node in self.nodes[:inside])

    @cached_property
    def pars(self) -> tuple[Par, ...]:
        """The pars between the two."""
        return tuple(node for node in self.nodes[self.begin + 1 : self.end] if isinstance(node, Par))

    @cached_property
    def shared_axes(self) -> tuple[str, ...]:
        """Axes along which positions are served together, or their results added up on the way."""
        array = self.problem.arch.array
        return array.reduce if self.operand.role == "output" else array.multicast

    @cached_property
    def adds(self) -> bool:
        """Whether partial results of one element arrive at the parent one by one (a property of two keeps)."""
        nest = self.problem.nest
        return (
            self.operand is nest.output
            and self.child is not None
            and any(par.dim in nest.reduction_dims and par.axis not in self.shared_axes for par in self.pars)
        )

    @cached_property
    def cuts(self) -> dict[str, Cuts]:
        """How loops and pars above the child cut every dimension, and what each cut is to the counts."""
        found: dict[str, list[Cut]] = {dim: [] for dim, _ in self.problem.nest.dims}
        for place, node in enumerate(self.nodes[: self.end]):
            if isinstance(node, Keep):
                continue
            if isinstance(node, Par):
                kind = OWN if place < self.begin else SHARED if node.axis in self.shared_axes else APART
            elif place > self.last_used:
                kind = FIRST
            else:
                kind = EACH if place < self.array_place else SUM
            found[node.dim].append((kind, node.tile))
        points = ((SUM, 1),) if self.child is None else ()
        return {dim: (*mine, *points) for dim, mine in found.items()}

    @cached_property
    def axis_cuts(self) -> tuple[tuple[tuple[int, ...], tuple[Cuts, ...], int | None], ...]:
        """For every axis of the operand: extents and cuts of its dimensions, and the place of the one that slides."""
        extents = self.problem.nest.extents
        sliding = self._sliding
        return tuple(
            (
                tuple(extents[dim] for dim in axis.dims),
                tuple(self._point_cuts(axis)) if self.child is None else tuple(self.cuts[dim] for dim in axis.dims),
                axis.dims.index(sliding) if sliding in axis.dims and axis.is_window else None,
            )
            for axis in self.operand.axes
        )

    def _point_cuts(self, axis: Axis) -> Iterator[Cuts]:
        """The cuts of an axis' dimensions down to single points, but one dimension's where that counts the same.

        While all others stand at a point, the indices along one dimension are a progression of different ones, so it
        may stay in one piece where no two positions can share an index: that keeps tables short.
        """
        apart = len(axis.dims) == 1 or not any(kind == SHARED for dim in axis.dims for kind, _ in self.cuts[dim])
        longest = max(axis.dims, key=lambda dim: self.problem.nest.extents[dim], default=None) if apart else None
        for dim in axis.dims:
            yield self.cuts[dim][:-1] if dim == longest else self.cuts[dim]

    @property
    def _sliding(self) -> str | None:
        """The dimension whose loop moves a window, if one does."""
        if self.child is None or self.last_used < 0 or self.operand.role == "output":
            return None
        node = self.nodes[self.last_used]
        assert isinstance(node, Loop)
        return node.dim

    @cached_property
    def words(self) -> tuple[tuple[tuple[str, ...], Served], ...]:
        """The factor of every axis, with its dimensions."""
        return tuple(
            (axis.dims, axis_words(axis, *given)) for axis, given in zip(self.operand.axes, self.axis_cuts, strict=True)
        )

    @cached_property
    def repeats(self) -> tuple[tuple[str, Served], ...]:
        """The factor of every dimension that the operand does not use."""
        nest = self.problem.nest
        return tuple((dim, turns(extent, self.cuts[dim])) for dim, extent in nest.dims if dim not in self.operand.dims)

    @cached_property
    def moved(self) -> int:
        """Words that the parent reads, or results that arrive at it, in the whole nest."""
        total = 1
        for _, factor in (*self.words, *self.repeats):
            total *= factor.moved
        return total

    @cached_property
    def received(self) -> int:
        """Words that all positions below receive, or give, in the whole nest."""
        total = 1
        for _, factor in (*self.words, *self.repeats):
            total *= factor.received
        return total

    @cached_property
    def largest(self) -> int:
        """Elements of the largest footprint at the child, of any of its instances."""
        return prod(
            largest_footprint(axis, extents, cuts)
            for axis, (extents, cuts, _) in zip(self.operand.axes, self.axis_cuts, strict=True)
        )

    def level(self, tiling: Tiling) -> Level:
        return tiling.levels[self.depth]

    def busiest_reads(self, level: Level) -> IntArray:
        """Words of an input that the instance of the parent with the most of them reads, per iteration of ``level``."""
        words = _product(level, [(dims, factor.busiest_instance) for dims, factor in self.words])
        return words * _product(level, [((dim,), factor.busiest_instance) for dim, factor in self.repeats])

    def busiest_fills(self, level: Level) -> IntArray:
        """Words that the instance of the child with the most of them receives, or gives, per iteration of ``level``."""
        words = _product(level, [(dims, factor.busiest) for dims, factor in self.words])
        return words * _product(level, [((dim,), factor.busiest) for dim, factor in self.repeats])

    def arrivals(self, level: Level, base: int) -> tuple[IntArray, IntArray]:
        """Results that reach the parent's first instance in each iteration of ``level``, and how many of them find
        something of their element there."""
        words = _product(level, [(dims, factor.first_instance) for dims, factor in self.words])
        times = _product(level, [((dim,), factor.first_instance) for dim, factor in self.repeats])
        return words * times, words * (times - self._fresh_turns(level, base))

    def back(self, level: Level, base: int) -> IntArray:
        """Partial results that come back to the child's first instance in each iteration of ``level``."""
        words = _product(level, [(dims, factor.busiest) for dims, factor in self.words])
        times = _product(level, [((dim,), factor.busiest) for dim, factor in self.repeats])
        return words * (times - self._fresh_turns(level, base))

    def _fresh_turns(self, level: Level, base: int) -> IntArray:
        """How often, in each iteration, results begin at the parent: all loops over reductions inside the place
        ``base`` stand at their first chunk."""
        extents = self.problem.nest.extents
        return _product(
            level,
            [
                ((dim,), first_turns(extents[dim], self.cuts[dim], self._loops_above(dim, base)))
                for dim, _ in self.repeats
            ],
        )

    def _loops_above(self, dim: str, base: int) -> int:
        """How many of the loops over a dimension that tell moves apart stand at or above a place."""
        inside = min(base, self.last_used) + 1
        return sum(isinstance(node, Loop) and node.dim == dim for node in self.nodes[:inside])

    def elements(self, level: Level) -> IntArray:
        """Words that the parent moves in each iteration of ``level``, all its instances together."""
        words = _product(level, [(dims, factor.all_instances) for dims, factor in self.words])
        return words * _product(level, [((dim,), factor.all_instances) for dim, factor in self.repeats])


def _product(level: Level, tables: list[tuple[tuple[str, ...], IntArray]]) -> IntArray:
    """The product of a table for each of some groups of dimensions, per iteration; one value if none varies."""
    total = np.ones(1, dtype=np.int64)
    for dims, table in tables:
        total = total * level.gather(dims, table)
    return total


def boundaries(problem: NestProblem, mapping: Mapping, operand: Operand) -> tuple[Boundary, ...]:
    """The boundaries of an operand from DRAM inward, for a mapping without loops and pars of one chunk; the last one
    leads to the multipliers unless the vector unit does the work."""
    nodes = mapping.nodes
    inside = mapping.array_place(problem.arch.scratchpad.name)
    places = [k for k, node in enumerate(nodes) if isinstance(node, Keep) and node.operand == operand.name]
    found = []
    parent, begin = problem.arch.dram.name, -1
    for place in places:
        keep = nodes[place]
        assert isinstance(keep, Keep)
        used = [k for k, n in enumerate(nodes[:place]) if isinstance(n, Loop) and n.dim in operand.dims]
        last_used = used[-1] if used else -1
        found.append(Boundary(problem, nodes, operand, parent, keep.memory, begin, place, last_used, inside))
        parent, begin = keep.memory, place
    if problem.nest.work is None:
        end = len(nodes)
        found.append(Boundary(problem, nodes, operand, parent, None, begin, end, end, inside))
    return tuple(found)


def adding_bases(chain: tuple[Boundary, ...]) -> tuple[int, ...]:
    """For each boundary of the output the place of the loop within whose iterations its parent begins from zero: Lp of
    the innermost memory, at or above that parent, whose own parent adds its results (-1 if there is none)."""
    bases, base = [], -1
    for boundary in chain:
        bases.append(base)
        if boundary.adds:
            base = boundary.last_used
    return tuple(bases)


def loops_within(boundary: Boundary, dims: frozenset[str]) -> tuple[str, ...]:
    """The loops over some dimensions among L1..Lp."""
    return tuple(
        node.dim
        for node in boundary.nodes[: min(boundary.last_used, len(boundary.nodes) - 1) + 1]
        if isinstance(node, Loop) and node.dim in dims
    )
