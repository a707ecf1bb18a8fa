"""Plans for tests: networks and mappings made by hand, lowered as in a schedule, with buffers laid out plainly."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping as Table
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.mapping.mapping import Keep, Loop, Mapping, Par
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.boxes import LoopTree, box, largest_step, loop_tree
from tilewright.plan.expand import expand
from tilewright.plan.expr import evaluate
from tilewright.plan.plan import Buffer, Plan, PlannedOperator, TensorPlace
from tilewright.plan.program import lower_part
from tilewright.plan.step import Move, Step
from tilewright.schedule.problems import vectors
from tilewright.schedule.schedule import PartSchedule
from tilewright.workload.nest import LoopNest, Operand
from tilewright.workload.network import Network, Operator, Tensor
from tilewright.workload.part import Part
from tilewright.workload.storage import executed_parts, place

Mapper = Callable[[Part], Mapping]


def machine(**changes: object) -> Accelerator:
    """A small machine with one on-chip memory."""
    everything = ("input", "weight", "output")
    dram = Memory("dram", None, everything, read_bandwidth=Fraction(4), write_bandwidth=Fraction(4), setup_cycles=3)
    pad = Memory("pad", 1 << 20, everything, read_bandwidth=Fraction(16), write_bandwidth=Fraction(16), scratchpad=True)
    array = Array((("lane_k", 4), ("lane_c", 2)), multicast=("lane_k", "lane_c"), reduce=("lane_c",))
    base = Accelerator("test", Fraction(10**9), (dram, pad), array, VectorUnit(4, 0.1), Widths(8, 8, 8, 32))
    return replace(base, **changes)  # type: ignore[arg-type]


class Values:
    """Constants with given values; drawn by name and shape where none is given."""

    def __init__(self, network: Network, given: Table[str, np.ndarray] | None = None, seed: int = 0) -> None:
        self.network, self.given, self.seed = network, dict(given or {}), seed

    def value(self, name: str) -> np.ndarray:
        if name not in self.given:
            rng = np.random.default_rng([self.seed, *name.encode()])
            self.given[name] = rng.standard_normal(self.network.shape(name)).astype(np.float32)
        return self.given[name]


def one_operator(operator: Operator, shapes: Table[str, tuple[int, ...]], constants: tuple[str, ...] = ()) -> Network:
    """A network of one operator; every tensor that is not named constant or the output is an input."""
    tensors = tuple(Tensor(name, shape, constant=name in constants) for name, shape in shapes.items())
    inputs = tuple(t.name for t in tensors if not t.constant and t.name != operator.output)
    return Network("one", (operator,), tensors, inputs, (operator.output,))


def flat(part: Part) -> Mapping:
    """Everything in one step."""
    return arrange((), dict.fromkeys((operand.name for operand in part.nest.operands), 0))


def arrange(loops: tuple[Loop, ...], depths: Table[str, int], pars: tuple[Par, ...] = ()) -> Mapping:
    """Loops with each operand's keep below so many of them."""
    nodes: list[Loop | Keep | Par] = []
    for depth in range(len(loops) + 1):
        nodes += [Keep(name, "pad") for name, at in depths.items() if at == depth]
        nodes += loops[depth : depth + 1]
    return Mapping((*nodes, *pars))


def tiled(seed: int, *, most: int = 200) -> Mapper:
    """Random loops over random dimensions, each operand kept at a random legal depth."""
    rng = random.Random(seed)

    def mapping(part: Part) -> Mapping:
        nest = part.nest
        rows = nest.work.reduced if nest.work is not None and nest.work.kind == "normalise" else ()
        loops = _loops(rng, nest, most)
        split = any(loop.dim in rows for loop in loops)
        if split:
            outer = tuple(loop for loop in loops if loop.dim not in rows)
            loops = (*outer, Loop("pass", 1), *(loop for loop in loops if loop.dim in rows))
        depths = {operand.name: rng.randint(0, len(loops)) for operand in nest.operands}
        if split:
            depths = dict.fromkeys(depths, len(loops))
        elif nest.work is not None:
            reductions = [k for k, loop in enumerate(loops) if loop.dim in nest.reduction_dims]
            depths[nest.output.name] = rng.randint(0, min(reductions, default=len(loops)))
        return arrange(loops[: max(depths.values())], depths)

    return mapping


def _loops(rng: random.Random, nest: LoopNest, most: int) -> tuple[Loop, ...]:
    while True:
        sizes, loops = dict(nest.dims), []
        for _ in range(rng.randint(0, 4)):
            dims = [d for d, size in sizes.items() if size > 1 and d not in nest.whole and d != "pass"]
            if dims:
                dim = rng.choice(dims)
                sizes[dim] = rng.randint(1, sizes[dim] - 1)
                loops.append(Loop(dim, sizes[dim]))
        if prod(-(-extent // sizes[d]) for d, extent in nest.dims) <= most:
            return tuple(loops)


def plan_of(network: Network, arch: Accelerator, mapper: Mapper) -> Plan:
    """The plan of a network, each part mapped by ``mapper``; every buffer has an address of its own."""
    placed = place(network, arch.layout)
    arrays = ArrayTable(placed, arch)
    planned, buffers, programs = [], [], []
    for operator in placed.network.operators:
        parts = executed_parts(placed, operator)
        if not parts:
            continue
        held = [
            _vector(f"{operator.name}/{role}", role, elements, arch)
            for role, _, elements in vectors(placed, operator)
        ]
        buffers += held
        for index, part in enumerate(parts):
            entry = PartSchedule(operator.name, index, mapper(part), None, ())  # type: ignore[arg-type]
            own = list(_buffers(f"{operator.name}/{index}", part.nest, entry.mapping, arch))
            programs.append(lower_part(placed, arch, arrays, operator, part, entry, own, held))
            buffers += own
        planned.append(PlannedOperator(operator, parts))
    return Plan(
        model=network.reference,
        arch=arch,
        tensors=placed.network.tensors,
        inputs=network.inputs,
        outputs=network.outputs,
        derived=(),
        operators=tuple(planned),
        arrays=arrays.arrays(),
        places=tuple(TensorPlace(s.tensor, s.base, s.offset, s.strides) for s in placed.storages),
        buffers=tuple(_addressed(buffers)),
        programs=tuple(programs),
    )


def _addressed(buffers: list[Buffer]) -> Iterator[Buffer]:
    address = 0
    for buffer in buffers:
        yield replace(buffer, address_bytes=address)
        address += buffer.size_bytes


def _vector(name: str, operand: str, elements: int, arch: Accelerator) -> Buffer:
    bits = arch.widths.accumulator
    size = -(-elements * bits // 8)
    return Buffer(name, operand, "pad", "other", (elements,), 1, None, 0, 1, bits, size, None, 0, 1)


def _buffers(label: str, nest: LoopNest, mapping: Mapping, arch: Accelerator) -> Iterator[Buffer]:
    tree = loop_tree(nest.dims, mapping.loops)
    for operand in nest.operands:
        level = _level(nest, operand, mapping, tree)
        counts, length, step = _extent(operand, tree, level)
        ring = _ring_axis(operand, tree, level)
        bits = _bits(nest, operand, arch)
        size = prod(counts) * 2 if ring is None else prod(c for k, c in enumerate(counts) if k != ring) * length
        size = -(-size * bits // 8)
        yield Buffer(
            f"{label}/{operand.name}", operand.name, "pad", operand.role, counts, 2, ring, length if ring is not None
            else 0, step, bits, size, None, 0, 1,
        )
    if nest.work is not None and nest.work.kind == "normalise":
        deepest = tree.ranges(len(tree.levels))
        rows = prod(r.most for d, r in deepest.items() if d not in (*nest.work.reduced, "pass"))
        yield _vector(f"{label}/statistics", "statistics", 2 * rows, arch)
        if nest.work.exponentials and deepest["pass"].most > 1:
            points = prod(r.most for d, r in deepest.items() if d != "pass")
            yield _vector(f"{label}/exponentials", "exponentials", points, arch)


def _level(nest: LoopNest, operand: Operand, mapping: Mapping, tree: LoopTree) -> int:
    above = len(loop_tree(nest.dims, mapping.loops_above(operand.name)).levels)
    return max((k + 1 for k in range(above) if tree.levels[k].counter.dim in operand.dims), default=0)


def _extent(operand: Operand, tree: LoopTree, level: int) -> tuple[tuple[int, ...], int, int]:
    """Largest footprint per axis over all iterations, and for a ring its length (two footprints) and step."""
    trips = [lv.counter.trips for lv in tree.levels]
    grid = np.indices(trips).reshape(len(trips), -1) if trips else np.zeros((0, 1), dtype=np.int64)
    counters = {lv.counter.name: row for lv, row in zip(tree.levels, grid, strict=True)}
    held = box(operand, tree.ranges(level), tree.whole)
    exists = np.broadcast_to(np.asarray(evaluate(tree.exists, counters)), grid.shape[1:]) != 0
    counts = tuple(
        int(np.broadcast_to(np.asarray(evaluate(c, counters)), grid.shape[1:])[exists].max()) for c in held.counts
    )
    ring = _ring_axis(operand, tree, level)
    if ring is None:
        return counts, 0, 1
    return counts, 2 * counts[ring], largest_step(operand.axes[ring], tree.ranges(level))


def _ring_axis(operand: Operand, tree: LoopTree, level: int) -> int | None:
    if not level or operand.role == "output":
        return None
    dim = tree.levels[level - 1].counter.dim
    return next((k for k, axis in enumerate(operand.axes) if axis.is_window and dim in axis.dims), None)


def _bits(nest: LoopNest, operand: Operand, arch: Accelerator) -> int:
    if operand.role == "output":
        accumulates = nest.work is None or nest.work.kind == "reduce"
        return arch.widths.accumulator if accumulates else arch.widths.output
    return arch.widths.input


def reads_back_too_early(plan: Plan) -> bool:
    """Whether partial sums are loaded for a step while the step before it has yet to store them."""
    if plan.arch.timing != "pipelined" or plan.arch.buffering != "double":
        return False
    for program in plan.programs:
        before: Step | None = None
        for step in expand(plan, program):
            if before is not None:
                spilled = {a for move in before.stores if move.cause == "spill" for a in addresses(move)}
                if any(spilled & addresses(move) for move in step.loads if move.cause == "readback"):
                    return True
            before = step
    return False


def addresses(move: Move) -> set[int]:
    """The elements of its DRAM array that a transfer touches."""
    total = np.array([move.offset])
    for count, stride in zip(move.counts, move.strides, strict=True):
        total = np.add.outer(total, stride * np.arange(count)).ravel()
    return set(total.tolist())
