"""What a structure's words cost, laid out for the compiled bound."""

from __future__ import annotations

from itertools import permutations
from typing import Any, NamedTuple

import numpy as np

from tilewright.mapping.floor import in_bounds, touched_elements
from tilewright.mapping.optimal.chains import Floats, IntTable
from tilewright.mapping.optimal.components import one_slides, repeated_windows
from tilewright.mapping.optimal.features import Component
from tilewright.mapping.optimal.structure import Structure
from tilewright.mapping.problem import Within
from tilewright.workload.nest import Axis, LoopNest

OBJECTIVE_CODES = {"latency": 0, "energy": 1, "edp": 2, "traffic": 3}
WITHIN = 4  # limits of energy and cycles
UNLIMITED = 1e30
TOGETHER = 12  # neighbours that are bounded together first


class Layout(NamedTuple):
    """The items of a structure and where they stand, as arrays over items unless named otherwise."""

    at_item: Any
    at_visits: Any
    at_streams: Any
    at_ending: Any
    at_points: int
    at_used: int
    at_free: int
    at_score: int
    at_lasting: Any  # of items that DRAM feeds
    window: Any  # per component and item
    repeated: bool  # whether words while windows slide are told apart by segments
    parent: Any
    output: Any
    memory: Any
    parent_memory: Any
    group: Any
    bits: Any
    narrow_bits: Any
    doubles: Any
    aligned: Any
    between: Any
    packed: Any
    padded: Any  # packed, but what refills bring may lie in padding
    barrier: Any
    before: Any  # per pair of items: whether the first is to stay in place longer
    turns: Any  # per pair of items and component: whether it has dimensions of the first that the second does not use
    turns_all: Any  # whether these are all that the second does not use
    may_scatter: Any
    simple: Any
    next_output: Any
    axis_count: Any
    axis_component: Any
    axis_stride: Any
    axis_size: Any
    axis_loose: Any  # whether some tiles take less of an axis than the widest (1), or not every index in a row (2)
    capacity: Any  # per group
    reserved: Any
    positions: Any  # per array axis
    operand_bits: Any  # per operand
    innermost_memory: Any
    below: Any
    in_bounds: Any
    sharing: Any
    strange: Any  # per operand and component: the extents that the operand does not use
    extents: Any  # per component
    fewest: Any  # per set of components and rest of positions
    lane_strides: Any
    operands: int
    output_operand: int
    first_output: int
    tile_items: int  # items down to the scratchpad's innermost
    pad: int
    results: float
    output_bits: int
    accumulator_bits: int
    parameter_bytes: float
    parameters: int
    timing: int
    objective: int
    most_energy: float  # the limits of WITHIN
    most_cycles: float
    most_steps: float = np.inf  # tile steps that a mapping may have
    enough: float = np.inf  # a bound that need not be made better
    guess: bool = False  # whether combinations have cycles as guessed where these are more than the bound


class Costs(NamedTuple):
    """Energies per byte and rates of the machine; rates of unlimited ports are very large."""

    read_pj: Any
    write_pj: Any
    link_pj: float
    fixed_pj: float
    leakage_pj: float
    setup: float
    dram_read_rate: float
    dram_write_rate: float
    dram_shared: bool
    pad_read_rate: float
    pad_write_rate: float
    pad_shared: bool
    most_pj: float


ITEM_FIELDS = 10


class Packing(NamedTuple):
    """Where the features of a row stand: see ``bound_kernels``. One row is one stretch of memory, since the bound
    reads most of it."""

    at_item: Any
    at_visits: Any
    at_streams: Any
    at_ending: Any
    at_points: int
    at_used: int
    at_free: int
    at_score: int
    at_lasting: Any
    width: int


def packing(structure: Structure) -> Packing:
    """Where the features of a structure's rows stand."""
    items, axes = len(structure.items), len(structure.axis_places)
    repeated = repeated_windows(structure.problem.nest)
    at, at_item, at_visits, at_streams, at_ending = 0, [], [], [], []
    for j in range(items):
        at_item.append(at)
        at += ITEM_FIELDS + 2 * (j + 1) + 2 * (j + 1 if repeated else 1)
        at_visits.append(at)
        at += 2 * (j + 1) if structure.items[j].parent < 0 else 0
        at_streams.append(at)
        at += (j + 1) if structure.steps_count(j) else 0
        at_ending.append(at)
        at += 2 * (j + 1) if structure.steps_count(j) else 0
    at_points = at
    at_used = at_points + 5 + 3 * len(structure.problem.nest.operands)
    at_free = at_used + 2 * axes
    return Packing(
        np.array(at_item), np.array(at_visits), np.array(at_streams), np.array(at_ending), at_points, at_used,
        at_free, at_free + 2, np.array(at_visits) + np.arange(1, items + 1), at_free + 3,
    )  # fmt: skip


LEAST, MOST, COMMON = 0, 1, 2
NO_SCORE = -200.0


def packed(structure: Structure, part: Component) -> tuple[Floats, Any]:
    """The features of a component's candidates as rows, and how an inner row of a tree combines each column."""
    place = packing(structure)
    table = np.zeros((len(part), place.width))
    kinds = np.zeros(place.width, dtype=np.int64)
    for j, item in enumerate(structure.items):
        at = place.at_item[j]
        columns = (part.footprint, part.widest, part.loops, _highest(part.above), part.beside, part.first)
        for k, column in enumerate((*columns, part.ring, part.streams_share, *np.moveaxis(part.filled, 2, 0))):
            table[:, at + k] = column[:, j]
        kinds[at + 1], kinds[at + 4] = MOST, COMMON
        at += ITEM_FIELDS
        table[:, at : at + j + 1] = part.reads[:, j, : j + 1]
        table[:, at + j + 1 : at + 2 * j + 2] = part.writes[:, j, : j + 1]
        at += 2 * (j + 1)
        many = min(j + 1, part.reads_sliding.shape[2])
        table[:, at : at + many] = part.reads_sliding[:, j, :many]
        table[:, at + many : at + 2 * many] = part.writes_sliding[:, j, :many]
        if item.parent < 0:
            at = place.at_visits[j]
            table[:, at : at + 2 * (j + 1)] = np.hstack([one[:, j, : j + 1] for one in (part.visits, part.lasting)])
        if structure.steps_count(j):
            table[:, place.at_streams[j] : place.at_streams[j] + j + 1] = part.streams[:, j, : j + 1]
            at = place.at_ending[j]
            table[:, at : at + j + 1] = part.ending[:, j, : j + 1]
            table[:, at + j + 1 : at + 2 * j + 2] = part.ending_sliding[:, j, : j + 1]
    table[:, place.at_points] = part.points
    table[:, place.at_points + 1] = part.last
    for k, column in enumerate((part.step, part.final, part.steps)):
        table[:, place.at_points + 2 + k] = column
    table[:, place.at_points + 5 : place.at_used] = np.hstack([part.served, part.streams_served, part.ending_served])
    axes = part.used.shape[1]
    table[:, place.at_used : place.at_used + axes] = part.used
    table[:, place.at_used + axes : place.at_free] = part.used
    kinds[place.at_used + axes : place.at_free] = MOST
    table[:, place.at_free + 1] = (part.used > 1) @ (1 << np.arange(axes))
    kinds[place.at_free], kinds[place.at_free + 1] = MOST, COMMON
    table[:, place.at_score] = NO_SCORE
    return table, kinds


def _highest(bits: Any) -> Any:
    """The number of the highest bit of each entry, -1 for none."""
    return np.floor(np.log2(np.maximum(bits, 0.5))).astype(np.int64)


def traits(structure: Structure, part: Component, where: Layout, machine: Costs) -> tuple[Floats, Floats]:
    """Every number of a candidate that the bound depends on, a column each, smaller never worse; and the same as a
    tree should tell them apart, on a scale of effects."""
    timed = where.objective in (0, 2, WITHIN) or machine.leakage_pj > 0
    stepwise = timed and where.timing != 0  # it matters which transfers come together
    columns: list[Floats] = []
    scales: list[float] = []

    def add(values: Any, scale: float) -> None:
        table = np.asarray(values, dtype=np.float64).reshape(len(part), -1)
        table = table[:, table.min(axis=0) < table.max(axis=0)]
        columns.append(table)
        scales.extend([scale] * table.shape[1])

    bytes_alone = where.objective == OBJECTIVE_CODES["traffic"]  # what moves further in does not count
    if not bytes_alone:
        add(part.served, 4.0)
    if timed:
        add(part.points, 4.0)
    # Positions decide most of what the array costs: trees tell them apart first, if they decide anything.
    add(part.used, 16.0 if (columns and columns[0].size) or timed else 0.0)
    for j in range(len(structure.items)):
        first = 0 if where.barrier[j] >= 0 else j
        moved = ((part.reads, part.reads_sliding), (part.writes, part.writes_sliding))
        for table, sliding in moved if not bytes_alone or structure.items[j].parent < 0 else ():
            add(table[:, j, first : j + 1], 1.0)
            add(sliding[:, j, first : j + 1] if where.repeated else sliding[:, j], 1.0)
        if stepwise and structure.items[j].parent < 0:
            add(part.visits[:, j, first : j + 1], 0.5)
            add(part.filled[:, j], 0.0)
            add(np.minimum(part.lasting[:, j, first : j + 1], 2), 0.0)
            add(part.first[:, j], 0.5)
            add(-part.widest[:, j], 0.0)  # a wider tile makes longer runs
        add(part.footprint[:, j], 1.0)
        if where.doubles[j] == 1:
            add(part.loops[:, j], 0.5)
            add(part.ring[:, j], 0.0)
        if stepwise or where.barrier[j] >= 0 or where.window[:, j].any():
            add(_highest(part.above[:, j]), 0.5)
        if part.window[:, j].any():  # only the innermost loop of all moves a window
            add(-_highest(part.above[:, j]), 0.0)
        for bit in range(j + 1) if j in where.next_output else ():
            add(part.beside[:, j] >> bit & 1, 0.5)
    if stepwise:
        add(part.last, 0.5)
    if machine.link_pj > 0:
        add(part.used > 1, 0.0)
    joined = np.hstack(columns)
    if not joined.shape[1]:
        return np.zeros((len(part), 1)), np.zeros((len(part), 1))
    scale = np.array(scales)
    return np.ascontiguousarray(joined), np.ascontiguousarray((np.log2(1.0 + np.abs(joined)) * scale)[:, scale > 0])


def separable(nest: LoopNest, where: Layout, machine: Costs) -> bool:
    """Whether the bound of one combination in its best order is its exact cost: whatever counts adds up or is a
    maximum over the whole nest. Then a candidate that is nowhere better than another can be dropped."""
    return one_slides(nest) and (where.timing == 0 or (where.objective in (1, 3) and machine.leakage_pj == 0))


class Forest(NamedTuple):
    """The candidates of all components: packed features of every row, children (-1: a candidate), the row of each
    component that stands for all its candidates, and the row of its first one."""

    table: Floats
    left: Any
    right: Any
    roots: Any
    starts: Any


def forest(tables: list[Floats], kinds: Any, free: int, shapes: list[Floats]) -> Forest:
    """A tree over each component's candidates; an inner row has the least of its members' features, so that a bound
    computed from it holds for all of them. ``shapes`` are the scaled traits by which the trees are grown."""
    from tilewright.mapping.optimal.branch_kernels import fold, grow

    folded, lefts, rights, roots, starts, total = [], [], [], [], [], 0
    for table, shape in zip(tables, shapes, strict=True):
        n = len(table)
        left, right = grow(shape)
        rows = fold(table, left, right, kinds)
        rows[n:, free] = 1.0
        folded.append(rows)
        lefts.append(np.where(left >= 0, left + total, -1))
        rights.append(np.where(right >= 0, right + total, -1))
        starts.append(total)
        total += 2 * n - 1
        roots.append(total - 1)
    return Forest(
        np.concatenate(folded), np.concatenate(lefts), np.concatenate(rights), np.array(roots), np.array(starts)
    )


def stand_ins(table: Floats, begins: IntTable, kinds: Any, free: int) -> Floats:
    """Rows that stand for all candidates from one of ``begins`` up to the next: their least factors."""
    found: Floats = np.minimum.reduceat(table, begins, axis=0)
    for column in np.flatnonzero(kinds == MOST):
        found[:, column] = np.maximum.reduceat(table[:, column], begins)
    for column in np.flatnonzero(kinds == COMMON):
        found[:, column] = np.bitwise_and.reduceat(table[:, column].astype(np.int64), begins)
    found[:, free] = 1.0
    return found


def stacked(table: Floats, kinds: Any, free: int) -> list[Floats]:
    """Candidates, rows that stand for ``TOGETHER`` neighbours each, and so on up to one row for all of them."""
    levels = [table]
    while len(levels) == 1 or len(levels[-1]) > 1:
        levels.append(stand_ins(levels[-1], np.arange(0, len(levels[-1]), TOGETHER), kinds, free))
    return levels


def _rate(value: Any) -> float:
    return UNLIMITED if value is None else float(value)


def costs(structure: Structure) -> Costs:
    """The machine's numbers."""
    problem, arch = structure.problem, structure.problem.arch
    parameter_bytes = sum(problem.parameter_bytes)
    fixed = problem.nest.points * arch.array.mac_pj
    fixed += parameter_bytes * (arch.dram.read_pj + arch.scratchpad.write_pj)
    fixed += problem.activations * touched_elements(problem.nest, problem.nest.output) * arch.vector.operation_pj
    dearest = max(memory.read_pj + memory.write_pj for memory in arch.memories) + arch.array.link_pj + 1.0
    width = max(arch.widths.input, arch.widths.weight, arch.widths.output, arch.widths.accumulator) / 8 + 1
    most = problem.nest.points * (arch.array.mac_pj + 100 * dearest * width) + fixed
    return Costs(
        read_pj=np.array([memory.read_pj for memory in arch.memories]),
        write_pj=np.array([memory.write_pj for memory in arch.memories]),
        link_pj=arch.array.link_pj,
        fixed_pj=fixed,
        leakage_pj=arch.leakage_pj_per_cycle,
        setup=float(arch.dram.setup_cycles),
        dram_read_rate=_rate(arch.dram.read_bandwidth),
        dram_write_rate=_rate(arch.dram.write_bandwidth),
        dram_shared=arch.dram.shared_port,
        pad_read_rate=_rate(arch.scratchpad.read_bandwidth),
        pad_write_rate=_rate(arch.scratchpad.write_bandwidth),
        pad_shared=arch.scratchpad.shared_port,
        most_pj=most,
    )


def layout(structure: Structure, parts: list[tuple[str, ...]], objective: str | Within) -> Layout:
    """The structure's items; ``parts`` are the components in the order of their features."""
    problem, nest, arch = structure.problem, structure.problem.nest, structure.problem.arch
    names = [memory.name for memory in arch.memories]
    items, operands = structure.items, structure.operands
    number_of = {operand.name: k for k, operand in enumerate(nest.operands)}
    wide, narrow = arch.widths.accumulator, arch.widths.output
    innermost = {operand.name: structure.innermost(operand.name) for operand in nest.operands}

    def axes(above: int, until: int) -> int:
        """Bits of the array axes whose pars stand below item ``above`` and above item ``until``."""
        return sum(
            1 << a for a, place in enumerate(structure.axis_places) if place is not None and above < place <= until
        )

    groups: list[tuple[str, str | None]] = []
    capacity, reserved = [], []
    vectors = [-(-size * wide // 8) for size in (*problem.parameters, *problem.held_parameters)]
    align = arch.alignment_bytes
    kept = float(sum(-(-size // align) * align for size in vectors))
    for memory in arch.memories[1:]:
        kinds: list[str | None] = [kind for kind, _ in memory.partitions] or [None]
        for kind in kinds:
            groups.append((memory.name, kind))
            size = memory.partition_bytes(kind) if kind else memory.size_bytes
            capacity.append(np.inf if size is None else float(size))
            reserved.append(kept if memory.scratchpad and kind in (None, "other") else 0.0)
    memory_of = [arch.memories[names.index(item.memory)] for item in items]
    axis_count = np.zeros(len(items), dtype=np.int64)
    most_axes = max(len(operand.axes) for operand in nest.operands)
    axis_component, axis_stride, axis_size, axis_loose = (
        np.zeros((len(items), most_axes), dtype=np.int64) for _ in range(4)
    )
    for k, operand in enumerate(operands):
        binding = problem.binding[operand.name]
        if binding.packed or items[k].parent >= 0:
            continue
        long = [a for a, axis in enumerate(operand.axes) if axis.size > 1]
        ranked = sorted(long, key=lambda a: binding.strides[a])
        # Where a stride leaves indices out, nothing is next to its neighbour from there on.
        apart = (place for place, a in enumerate(ranked) if _spacing(operand.axes[a], nest.extents) > 1)
        ranked = ranked[: next(apart, len(ranked))]
        for place, a in enumerate(ranked):
            axis = operand.axes[a]
            owners = [c for c, dims in enumerate(parts) if set(dims) & set(axis.dims)]
            lonely = len(owners) == 1 and sum(bool(set(parts[owners[0]]) & set(o.dims)) for o in operand.axes) == 1
            axis_component[k, place] = owners[0] if lonely else -1
            axis_stride[k, place], axis_size[k, place] = binding.strides[a], axis.size
            axis_loose[k, place] = _loose(axis, nest.extents)
        axis_count[k] = len(ranked)
    reductions = nest.reduction_dims
    reducing = sum(1 << a for a, (axis, _) in enumerate(arch.array.axes) if axis in arch.array.reduce)
    unrolls = sum(
        1 << a
        for a, (axis, size) in enumerate(arch.array.axes)
        if size > 1 and any(arch.array.may_unroll(axis, dim) for dim in reductions)
    )
    outputs = [k for k, operand in enumerate(operands) if operand.role == "output"]
    following = {k: (outputs[n + 1] if n + 1 < len(outputs) else -1) for n, k in enumerate(outputs)}
    bits = [wide if operand.role == "output" else problem.bits(operand.name) for operand in operands]
    narrowest = [
        (wide if k == innermost[o.name] else min(wide, narrow)) if o.role == "output" else problem.bits(o.name)
        for k, o in enumerate(operands)
    ]
    doubles = [
        int(structure.overlapped) if memory.scratchpad else (2 if memory.double_buffered else 0) for memory in memory_of
    ]
    inside = {o.name: all(in_bounds(axis, nest.extents) for axis in o.axes) for o in nest.operands}
    packed_as = packing(structure)
    return Layout(
        at_item=packed_as.at_item,
        at_visits=packed_as.at_visits,
        at_streams=packed_as.at_streams,
        at_ending=packed_as.at_ending,
        at_points=packed_as.at_points,
        at_used=packed_as.at_used,
        at_free=packed_as.at_free,
        at_score=packed_as.at_score,
        at_lasting=packed_as.at_lasting,
        window=np.array(
            [
                [o.role != "output" and any(len(set(dims) & set(axis.dims)) == 2 for axis in o.axes) for o in operands]
                for dims in parts
            ]
        ),
        repeated=repeated_windows(nest),
        parent=np.array([item.parent for item in items]),
        output=np.array([operand.role == "output" for operand in operands]),
        memory=np.array([names.index(item.memory) for item in items]),
        parent_memory=np.array([names.index(items[i.parent].memory) if i.parent >= 0 else 0 for i in items]),
        group=np.array(
            [
                groups.index((item.memory, operand.role if memory.partitions else None))
                for item, operand, memory in zip(items, operands, memory_of, strict=True)
            ]
        ),
        bits=np.array(bits),
        narrow_bits=np.array(narrowest),
        doubles=np.array(doubles),
        aligned=np.array([float(align if memory.scratchpad else 1) for memory in memory_of]),
        between=np.array([axes(item.parent, k) for k, item in enumerate(items)]),
        packed=np.array([problem.binding[operand.name].packed for operand in operands]),
        padded=np.array([problem.binding[o.name].packed and not inside[o.name] for o in operands]),
        barrier=np.array(structure.barriers),
        before=np.zeros((len(items), len(items)), dtype=bool),
        turns=np.array(
            [
                [[any(d in one.dims and d not in other.dims for d in dims) for dims in parts] for other in operands]
                for one in operands
            ]
        ),
        turns_all=np.array(
            [[[set() < set(dims) - other.dims <= one.dims for dims in parts] for other in operands] for one in operands]
        ),
        may_scatter=np.array([bool(axes(i.parent, k) & unrolls & ~reducing) for k, i in enumerate(items)]),
        simple=np.array([not axes(-1, k) & unrolls for k in range(len(items))]),
        next_output=np.array([following.get(k, -1) for k in range(len(items))]),
        axis_count=axis_count,
        axis_component=axis_component,
        axis_stride=axis_stride,
        axis_size=axis_size,
        axis_loose=axis_loose,
        capacity=np.array(capacity),
        reserved=np.array(reserved),
        positions=np.array(
            [
                size if place is not None else 1
                for (_, size), place in zip(arch.array.axes, structure.axis_places, strict=True)
            ]
        ),
        operand_bits=np.array([problem.bits(o.name) for o in nest.operands]),
        innermost_memory=np.array([names.index(items[innermost[o.name]].memory) for o in nest.operands]),
        below=np.array([axes(innermost[o.name], len(items)) for o in nest.operands]),
        in_bounds=np.array([float(nest.points) if inside[o.name] else 0.0 for o in nest.operands]),
        sharing=np.array(
            [
                axes(innermost[o.name], len(items))
                & sum(
                    1 << a
                    for a, (axis, _) in enumerate(arch.array.axes)
                    if axis in (arch.array.reduce if o.role == "output" else arch.array.multicast)
                )
                for o in nest.operands
            ]
        ),
        strange=np.array(
            [
                [
                    float(np.prod([nest.extents[d] for d in dims if d not in o.dims]))
                    if not set(dims) & o.dims
                    else 1.0
                    for dims in parts
                ]
                for o in nest.operands
            ]
        ),
        extents=np.array([float(np.prod([nest.extents[d] for d in dims])) for dims in parts]),
        fewest=np.zeros((1 << len(parts), 1)),
        lane_strides=np.zeros(len(arch.array.axes), dtype=np.int64),
        operands=len(nest.operands),
        output_operand=number_of[nest.output.name],
        first_output=outputs[0],
        tile_items=structure.tile_items,
        pad=names.index(arch.scratchpad.name),
        results=float(touched_elements(nest, nest.output)),
        output_bits=narrow,
        accumulator_bits=wide,
        parameter_bytes=float(sum(problem.parameter_bytes)),
        parameters=len(problem.parameters),
        timing=0 if arch.timing == "roofline" else (1 if arch.buffering == "double" else 2),
        objective=WITHIN if isinstance(objective, Within) else OBJECTIVE_CODES[objective],
        most_energy=objective.energy_pj if isinstance(objective, Within) else np.inf,
        most_cycles=objective.cycles if isinstance(objective, Within) else np.inf,
    )


def turns_taken(
    where: Layout, inner: tuple[int | None, ...] = (), before: frozenset[tuple[int, int]] | None = None
) -> list[Layout]:
    """The layout once for each order in which items that cannot move up may give way in a segment that they share.

    ``inner`` are the segments of the innermost loops of items, where they are known; ``before`` the pairs of which the
    first one stays in place longer, where that is known."""
    if before is not None:
        return [where._replace(before=_pairs(where, before))]
    late = [j for j, barrier in enumerate(where.barrier) if barrier >= 0]
    known = inner or (None,) * len(where.barrier)

    def meet(i: int, j: int) -> bool:
        """Whether two items may have their innermost loops in one segment, and then the order may count."""
        apart = known[i] is not None and known[j] is not None and (known[i] != known[j] or known[i] == -1)
        return bool(where.turns[i, j].any()) and not apart

    found: dict[bytes, Layout] = {}
    for order in permutations(late):
        pairs = np.zeros_like(where.before)
        for number, i in enumerate(order):
            for j in order[number + 1 :]:
                pairs[i, j] = meet(i, j)
        found.setdefault(pairs.tobytes(), where._replace(before=pairs))
    return list(found.values())


def _pairs(where: Layout, before: frozenset[tuple[int, int]]) -> Any:
    found: Any = np.zeros(where.before.shape, dtype=bool)
    for pair in before:
        found[pair] = True
    return found


def with_fewest_points(where: Layout, parts: list[Component], known: dict[tuple[bytes, ...], Floats]) -> Layout:
    """The layout with the fewest compute steps that the array allows any set of components; ``known`` keeps tables."""
    from tilewright.mapping.optimal.bound_kernels import fewest_points

    sizes = where.positions + 1
    strides = np.array([int(np.prod(sizes[axis + 1 :])) for axis in range(len(sizes))], dtype=np.int64)
    used, points, offsets = [], [], [0]
    for part in parts:
        least = np.full(int(np.prod(sizes)), np.inf)
        fits = (part.used <= where.positions).all(axis=1)
        np.minimum.at(least, part.used[fits] @ strides, part.points[fits])
        kinds = np.flatnonzero(np.isfinite(least))
        used.append(np.stack(np.unravel_index(kinds, tuple(sizes)), axis=1))
        points.append(least[kinds])
        offsets.append(offsets[-1] + len(kinds))
    arrays = np.concatenate(used), np.concatenate(points), np.array(offsets), where.positions
    key = tuple(array.tobytes() for array in arrays)
    if key not in known:  # many orders of keeps have the same
        known[key] = fewest_points(*arrays, strides, int(np.prod(sizes)))
    return where._replace(fewest=known[key], lane_strides=strides)


def _loose(axis: Axis, extents: dict[str, int]) -> int:
    """``Layout.axis_loose`` of an axis whose dimensions are split."""
    steps = [coefficient for dim, coefficient in axis.terms if extents[dim] > 1]
    return 2 if max(steps, default=1) > 1 else int(len(steps) > 1 or not in_bounds(axis, extents))


def _spacing(axis: Axis, extents: dict[str, int]) -> int:
    """A distance that the indices which a tile needs along an axis are multiples of apart, whatever the tile: 1 where
    several dimensions make windows, which have their holes filled."""
    steps = [coefficient for dim, coefficient in axis.terms if extents[dim] > 1]
    return steps[0] if len(steps) == 1 else 1
