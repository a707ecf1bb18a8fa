"""Random schedules of fused groups: which operators run together, tiles, overlap, weights, what stays on chip.

``random_tiled`` gives a legal schedule (docs/model.md, sections 8 and 9) whose groups have no costs yet, only
``NO_COST`` in their place.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import prod

import onnx
from tests.simulate.build import tiled as any_mapping
from tests.simulate.models import model
from tests.simulate.random_arrays import random_array
from tests.simulate.random_networks import (
    Builder,
    activation,
    binary,
    concatenation,
    convolution,
    movement,
    part,
    pool,
    statistics,
)

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError
from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.mapping import Loop, Node
from tilewright.plan.lower import lower
from tilewright.plan.windows import Windows, block_of, shape_of, windows_of
from tilewright.schedule.graph import Graph, graph_of
from tilewright.schedule.problems import is_packed, nest_problem, tensor_traffic
from tilewright.schedule.schedule import Group, PartSchedule, Schedule
from tilewright.schedule.tiled import GroupCost, Run, Tiled, Weights
from tilewright.workload.network import Network, Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork, executed_parts, place

NO_COST = GroupCost(0, 0.0, 0, 0, 0, 0, 0, 0, (), ())
MOST_PASSES = 40
Names = tuple[str, ...]
KINDS = {convolution: 9, pool: 3, activation: 2, binary: 6, concatenation: 3, part: 2, movement: 2, statistics: 1}


def group_network(seed: int, *, nodes: int = 7) -> onnx.ModelProto:
    """A model of operators most of which can be fused; every result that nothing reads is an output."""
    rng = random.Random(seed)
    b = Builder(rng)
    b.shapes["x"] = (rng.choice((1, 1, 2)), rng.randint(1, 6), rng.randint(5, 13), rng.randint(4, 12))
    given = {"x": b.shapes["x"]}
    while len(b.nodes) < nodes:
        rng.choices(list(KINDS), list(KINDS.values()))[0](b)
    read = {name for node in b.nodes for name in node.input}
    outputs = [name for node in b.nodes for name in node.output if name not in read]
    return model(b.nodes, given, outputs, b.constants)


def random_tiled(network: Network, arch: Accelerator, seed: int) -> Schedule:
    """A random legal schedule whose groups are tiled wherever they can be. Deterministic in its arguments."""
    placed = place(network, arch.layout)
    graph = graph_of(placed, arch)
    for attempt in range(12):
        rng = random.Random(f"{seed} {attempt}")
        # What does not fit is tried again with less on chip.
        draft = Draft(placed, arch, graph, rng, hold=(0.7, 0.4, 0.0)[attempt // 4])
        try:
            groups = tuple(draft.groups())
            found = Schedule(placed, arch, "edp", "random", "feasible", groups, 0.0, 0.0, 0.0)
            lower(found)
        except InfeasibleError:
            continue
        return found
    return Schedule(placed, arch, "edp", "random", "feasible", tuple(Draft(
        placed, arch, graph, random.Random(seed), hold=0.0, tile=0.0).groups()), 0.0, 0.0, 0.0)  # fmt: skip


@dataclass
class Draft:
    """A schedule in the making. ``hold`` is the chance that a base stays on chip, ``tile`` that a group is tiled."""

    placed: PlacedNetwork
    arch: Accelerator
    graph: Graph
    rng: random.Random
    hold: float
    tile: float = 0.95
    dram: set[str] = field(default_factory=set)
    chip: set[str] = field(default_factory=set)
    places: dict[str, tuple[bool, bool]] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)

    def groups(self) -> list[Group]:
        self.dram = {base.name for base in self.graph.bases if base.given}
        found: list[Group] = []
        while len(self.done) < len(self.graph.nodes):
            members = self._members()
            group = None
            if len(members) > 1 or self._single(members[0]):
                for attempt in range(8):
                    group = self._tiled(members, loops=attempt < 7)
                    if group is not None:
                        break
            if group is None:
                members = members[:1]
                if not self._through_dram(members[0]):
                    group = self._tiled(members, loops=False)
                group = group or self._layerwise(members[0])
            found.append(group)
            self.done |= set(members)
        return found

    def operator(self, node: int) -> Operator:
        name = self.graph.nodes[node].name
        return next(op for op in self.placed.network.operators if op.name == name)

    def parts(self, node: int) -> tuple[Part, ...]:
        return executed_parts(self.placed, self.operator(node))

    def _single(self, node: int) -> bool:
        """Whether an operator by itself can be tiled, and by the dice is."""
        parts = self.parts(node)
        return len(parts) == 1 and not self._past(node) and self.rng.random() < self.tile

    def _through_dram(self, node: int) -> bool:
        reads, writes = self.graph.nodes[node].reads, self.graph.nodes[node].writes
        return set(reads) <= self.dram and not self.places.get(writes, (True, False))[1]

    def _members(self) -> list[int]:
        """Operators that can run next, one after the other, most of them reading what the one before has written."""
        ready = self._ready(self.done)
        found = [self.rng.choice(ready)]
        while self.rng.random() < 0.8 and not self.graph.nodes[found[0]].alone and self.tile:
            more = [k for k in self._ready(self.done | set(found)) if not self.graph.nodes[k].alone]
            more = [k for k in more if {self.graph.nodes[j].writes for j in found} & set(self.graph.nodes[k].reads)]
            if not more:
                break
            found.append(self.rng.choice(more))
        while len(found) > 1 and not self._connected(found):
            found.pop()
        return found

    def _ready(self, done: set[int]) -> list[int]:
        nodes = range(len(self.graph.nodes))
        return [k for k in nodes if k not in done and self.graph.before[k] <= done]

    def _connected(self, members: list[int]) -> bool:
        """Every operator but the last is read inside, the last base is written by the last operator only, and no base
        that is written here is also written outside and read here."""
        graph = self.graph
        *others, last = members
        if any(not any(k in graph.before[j] for j in members) for k in others):
            return False
        if any(graph.nodes[k].writes == graph.nodes[last].writes for k in others):
            return False
        for base in {graph.nodes[k].writes for k in members}:
            outside = graph.writers[base] - set(members)
            if outside and any(base in graph.nodes[k].reads for k in members):
                return False
        return True

    def _tiled(self, members: list[int], *, loops: bool = True) -> Group | None:
        """A tiled group of these operators; None if the loops that were drawn are no tiling of it."""
        rng = self.rng
        operators = [self.operator(k) for k in members]
        nest = self.parts(members[-1])[0].nest
        shared = self._loops(nest.dims, members[-1]) if loops else ()
        channels = self._channels(members[-1], shared) if loops else None
        overlap = rng.choice(("recompute", "cache_rows", "cache_all")) if shared else "recompute"
        state = (set(self.dram), set(self.chip), dict(self.places))
        resident, loaded, held, stored = self._residency(members)
        over = self._over(members, resident, held)
        runs = tuple(Run(op.name, (), "none") for op in operators)
        tiled = Tiled(runs, shared, channels, overlap, loaded, stored, over, NO_COST)  # type: ignore[arg-type]
        names = tuple(op.name for op in operators)
        group = Group(names, (), overlap, resident, held, (), tiled)  # type: ignore[arg-type]
        try:
            windows = windows_of(self.placed, group, tiled)
            fits = is_legal(windows)
            runs = tuple(self._run(windows, number) for number in range(len(members)))
        except InfeasibleError:
            fits = False
        if not fits:
            self.dram, self.chip, self.places = state
            return None
        return replace(group, tiled=replace(tiled, runs=runs))

    def _loops(self, dims: Sequence[tuple[str, int]], last: int) -> tuple[Loop, ...]:
        """Up to three shared loops over dimensions that the last result uses; over a batch in chunks of one."""
        rng, nest = self.rng, self.parts(last)[0].nest
        reduced = nest.work.reduced if nest.work is not None else ()
        choice = [d for d, n in dims if n > 1 and d in nest.output.dims and d not in nest.whole and d not in reduced]
        rank = len(shape_of(self.placed, self.parts(last)[0].tensor(nest.output.name)))
        batch = {d for axis in nest.output.axes if axis.tensor_axis == 0 and rank > 2 for d in axis.dims}
        rng.shuffle(choice)
        found: list[Loop] = []
        passes = 1
        for dim in choice[: rng.choice((0, 1, 1, 2, 2, 3))]:
            extent = nest.extents[dim]
            tile = 1 if dim in batch else rng.randint(1, extent - 1)
            if passes * -(-extent // tile) <= MOST_PASSES:
                passes *= -(-extent // tile)
                found.append(Loop(dim, tile))
        return tuple(found)

    def _channels(self, last: int, shared: Sequence[Loop]) -> Loop | None:
        part = self.parts(last)[0]
        nest = part.nest
        weights = [o for o in nest.inputs if is_packed(self.placed, part, o)]
        maps = {dim for o in nest.inputs if o not in weights for dim in o.dims}
        choice = [
            d for o in weights for d in sorted(o.dims & nest.output.dims - maps)
            if nest.extents[d] > 1 and d not in {loop.dim for loop in shared}
        ]  # fmt: skip
        if not choice or self.rng.random() < 0.6:
            return None
        dim = self.rng.choice(choice)
        return Loop(dim, self.rng.randint(1, nest.extents[dim] - 1))

    def _residency(self, members: list[int]) -> tuple[Names, Names, Names, Names]:
        """Bases found on chip, loaded whole, left on chip, and stored; the state afterwards is noted."""
        graph, rng = self.graph, self.rng
        writes = dict.fromkeys(graph.nodes[k].writes for k in members)
        reads = dict.fromkeys(base for k in members for base in graph.nodes[k].reads if base not in writes)
        resident, loaded, held, stored = [], [], [], []
        later = set(range(len(graph.nodes))) - self.done - set(members)
        for base in reads:
            if base in self.chip and (base not in self.dram or rng.random() < 0.7):
                resident.append(base)
            elif base not in self.chip and self._loadable(base) and rng.random() < 0.25:
                loaded.append(base)
                self.chip.add(base)
        for base in writes:
            wanted = graph.base[base].wanted
            if not (wanted or graph.readers[base] - set(members)):
                continue
            to_dram, on_chip = self.places.setdefault(base, self._place(base, wanted))
            if to_dram:
                stored.append(base)
                self.dram.add(base)
            if on_chip:
                held.append(base)
                self.chip.add(base)
        for base in list(self.chip):
            if not graph.readers[base] & later and not graph.writers[base] & later:
                self.chip.discard(base)
        return tuple(resident), tuple(loaded), tuple(held), tuple(stored)

    def _loadable(self, base: str) -> bool:
        """Whether a base may be loaded whole: all of it has been written, and nothing that reads it also writes it."""
        mixed = any(self._past(k) for k in self.graph.writers[base])
        return self.hold > 0 and self.graph.writers[base] <= self.done and not mixed

    def _place(self, base: str, wanted: bool) -> tuple[bool, bool]:
        """Whether a base goes to DRAM, and whether it stays on chip. What an operator reads or writes that is never
        tiled goes to DRAM."""
        graph = self.graph
        users = graph.readers[base] | graph.writers[base]
        whole = any(len(self.parts(k)) > 1 or self._past(k) for k in users)
        blocks = all(self._is_block(t) for k in users for part in self.parts(k) for _, t in part.tensors)
        on_chip = self.rng.random() < self.hold and blocks and not whole
        return not on_chip or wanted or self.rng.random() < 0.3, on_chip

    def _past(self, node: int) -> bool:
        """Whether an operator of one part cannot be tiled: its second factor does not go to the scratchpad, it reads
        the base that it writes, or nothing can be tiled on this machine."""
        part, of = self.parts(node)[0], self.placed.of
        read = [part.tensor(o.name) for o in part.nest.inputs]
        if any(t in of and of[t].base == self.graph.nodes[node].writes for t in read):
            return True
        maps = [o for o in part.nest.inputs if o.role == "weight" and not is_packed(self.placed, part, o)]
        return bool(self.arch.scratchpad.partitions) or (bool(maps) and "weight" not in self.arch.scratchpad.keeps)

    def _is_block(self, tensor: str) -> bool:
        if tensor not in self.placed.of:
            return True
        try:
            block_of(self.placed, tensor)
        except InfeasibleError:
            return False
        return True

    def _over(self, members: list[int], resident: Sequence[str], held: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """A held result in the place of a resident input that nobody needs any more."""
        if len(members) > 1 or not held:
            return ()
        graph, node = self.graph, self.graph.nodes[members[0]]
        gone = [
            base for base in node.over
            if base in resident and base not in self.chip and not graph.writers[node.writes] - {members[0]}
        ]  # fmt: skip
        return ((node.writes, gone[0]),) if gone and self.rng.random() < 0.8 else ()

    def _run(self, windows: Windows, number: int) -> Run:
        member = windows.members[number]
        node = next(k for k, n in enumerate(self.graph.nodes) if n.name == member.operator.name)
        problem = nest_problem(self.placed, self.arch, member.operator, self.parts(node), 0)
        largest = {dim: max(1, span.most) for dim, span in member.dims.items()}
        array: tuple[Node, ...] = default_array_part(problem, largest)
        if self.rng.random() < 0.5:
            array = random_array(problem, largest, self.rng)
        packed = any(is_packed(self.placed, member.part, o) for o in member.nest.inputs)
        weights: Weights = "none"
        if packed:
            weights = self.rng.choice(("stay", "stream")) if self.arch.scratchpad.holds("weight") else "pass"
        return Run(member.operator.name, array, weights)

    def _layerwise(self, node: int) -> Group:
        """One operator through DRAM, each part under a random mapping."""
        if not self._through_dram(node):
            raise InfeasibleError(f"{self.graph.nodes[node].name} reads or writes what is on chip only")
        operator, parts = self.operator(node), self.parts(node)
        entries = []
        for index, one in enumerate(parts):
            problem = nest_problem(self.placed, self.arch, operator, parts, index)
            mapping = any_mapping(self.rng.randrange(1 << 30), most=60)(problem)
            cost = evaluate(problem, mapping)
            traffic = tensor_traffic(self.placed, self.arch, operator, one, index, cost)
            entries.append(PartSchedule(operator.name, index, mapping, cost, traffic))
        base = self.graph.nodes[node].writes
        self.places.setdefault(base, (True, False))
        self.dram.add(base)
        return Group((operator.name,), (), "recompute", (), (), tuple(entries))


def is_legal(windows: Windows) -> bool:
    """Whether shared loops are such as section 8 wants them: every result depends on each, every map read on all or on
    none, no weights on any, blocks span the axes of their bases that depend on one, and no operator addresses such an
    axis by several dimensions."""
    every, placed = set(range(len(windows.loops))), windows.placed
    for axes in windows.written.values():
        if {axis.loop for axis in axes if axis.loop is not None} != every:
            return False
    for reading in windows.readings:
        if {span.loop for span in reading.spans if span.loop is not None} not in (set(), every):
            return False
    for member in windows.members:
        packed = [o for o in member.nest.inputs if is_packed(placed, member.part, o)]
        if any(span.loop in every for o in packed for span in member.spans(o)):
            return False
    for member in windows.members:
        for operand in member.nest.operands:
            wide = [axis.tensor_axis for axis in operand.axes if axis.size > 1]
            split = [axis for axis in operand.axes if any(member.dims[d].loop in every for d in axis.dims)]
            if any(wide.count(axis.tensor_axis) > 1 for axis in split):
                return False
    last = windows.members[-1]
    base = shape_of(placed, placed.of[last.output].base)
    block_of(placed, last.output)
    for k in {axis.tensor_axis for axis in last.nest.output.axes for d in axis.dims if last.dims[d].loop in every}:
        along = [d for axis in last.nest.output.axes if axis.tensor_axis == k for d in axis.dims]
        if prod(last.nest.extents[d] for d in along) != base[k]:
            return False
    written = {placed.of[tensor].base for tensor in windows.written}
    for reading in windows.readings:
        base = placed.of[reading.tensor].base
        sizes = zip(reading.spans, shape_of(placed, reading.tensor), shape_of(placed, base), strict=False)
        if base in written and any(span.loop is not None and size != outer for span, size, outer in sizes):
            return False
    return prod(loop.trips for loop in windows.loops) <= MOST_PASSES
