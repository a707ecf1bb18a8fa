"""Lowering one part: its mapping becomes loops, its keeps become transfers and accesses (docs/model.md, 4 and 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.arch.accelerator import Accelerator
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.boxes import Box, LoopLevel, LoopTree, box, loop_tree, new_indices
from tilewright.plan.expr import ONE, ZERO, Expr, const, equal
from tilewright.plan.plan import Access, Buffer, Compute, DimRange, Program, Transfer
from tilewright.schedule.problems import dram_strides, is_packed, vectors
from tilewright.schedule.schedule import PartSchedule
from tilewright.workload.nest import Operand
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork


@dataclass(frozen=True)
class _Context:
    placed: PlacedNetwork
    arch: Accelerator
    arrays: ArrayTable
    part: Part
    label: str
    tree: LoopTree


def lower_part(
    placed: PlacedNetwork,
    arch: Accelerator,
    arrays: ArrayTable,
    operator: Operator,
    part: Part,
    entry: PartSchedule,
    buffers: list[Buffer],
    parameters: list[Buffer],
) -> Program:
    """The program of one part; ``buffers`` are those of its operands and temporaries."""
    nest, mapping = part.nest, entry.mapping
    tree = loop_tree(nest.dims, mapping.loops)
    context = _Context(placed, arch, arrays, part, f"{operator.name}/{entry.part}", tree)
    by_operand = {b.operand: b for b in buffers}
    transfers: list[Transfer] = []
    accesses: list[Access] = []
    for operand in nest.operands:
        above = len(loop_tree(nest.dims, mapping.loops_above(operand.name)).levels)
        level = max((i + 1 for i in range(above) if tree.levels[i].counter.dim in operand.dims), default=0)
        buffer = by_operand[operand.name]
        if operand is nest.output:
            transfers += _output_transfers(context, operand, level, buffer)
        else:
            transfers.append(_input_transfer(context, operand, level, buffer))
        accesses.append(_access(context, operand, level, buffer))
    if entry.part == 0:
        transfers += _parameter_transfers(context, operator, parameters)
    reductions = [lv for lv in tree.levels if lv.counter.dim in nest.reduction_dims]
    ranges = tree.ranges(len(tree.levels))
    compute = Compute(
        ranges=tuple(DimRange(dim, ranges[dim].start, ranges[dim].count) for dim, _ in nest.dims),
        accesses=tuple(accesses),
        first=_opening(reductions),
        last=_closing(reductions),
        temporaries=tuple(b.name for b in buffers if b.operand in ("statistics", "exponentials")),
        parameters=tuple((b.operand, b.name) for b in parameters),
    )
    return Program(
        operator=operator.name,
        part=entry.part,
        counters=tuple(lv.counter for lv in tree.levels),
        exists=tree.exists,
        pars=mapping.pars,
        transfers=tuple(transfers),
        compute=compute,
    )


def _opening(levels: list[LoopLevel] | tuple[LoopLevel, ...]) -> Expr:
    """1 while all these loops are in their first chunk."""
    result: Expr = ONE
    for level in levels:
        result = result * equal(level.index, 0)
    return result


def _closing(levels: list[LoopLevel] | tuple[LoopLevel, ...]) -> Expr:
    """1 while all these loops are in their last chunk."""
    result: Expr = ONE
    for level in levels:
        result = result * level.is_last
    return result


def _dot(left: tuple[Expr, ...], right: tuple[int, ...]) -> Expr:
    total: Expr = ZERO
    for a, b in zip(left, right, strict=True):
        total = total + a * b
    return total


def _dense(counts: tuple[Expr, ...]) -> tuple[Expr, ...]:
    """Row-major strides of a box that is stored without gaps."""
    strides: list[Expr] = []
    total: Expr = ONE
    for count in reversed(counts):
        strides.insert(0, total)
        total = total * count
    return tuple(strides)


def _access(context: _Context, operand: Operand, level: int, buffer: Buffer) -> Access:
    held = box(operand, context.tree.ranges(level), context.tree.whole)
    turn = _opening(context.tree.levels[level:])
    return Access(operand.name, buffer.name, held.starts, held.counts, held.steps, turn)


def _input_transfer(context: _Context, operand: Operand, level: int, buffer: Buffer) -> Transfer:
    tree = context.tree
    moved = box(operand, tree.ranges(level), tree.whole)
    if level:
        moving = tree.levels[level - 1]
        for k, axis in enumerate(operand.axes):
            if axis.is_window and moving.counter.dim in axis.dims:
                start, count = new_indices(axis, moving)
                moved = Box(
                    (*moved.starts[:k], start, *moved.starts[k + 1 :]),
                    (*moved.counts[:k], count, *moved.counts[k + 1 :]),
                    moved.steps,
                )
    packed = is_packed(context.placed, context.part, operand)
    tensor = context.part.tensor(operand.name)
    if packed:
        offset, strides, array = _weight_tile(context, operand, level, buffer, moved, tensor)
    else:
        storage = context.placed.of[tensor]
        apart = dram_strides(context.placed, context.part, operand)
        offset = _dot(moved.starts, apart) + storage.offset
        strides = tuple(step * stride for step, stride in zip(moved.steps, apart, strict=True))
        array = storage.base
    return Transfer(
        direction="load" if buffer.memory == context.arch.scratchpad.name else "stream",
        cause="weight" if packed else "load",
        operand=operand.name,
        array=array,
        buffer=buffer.name,
        when=_opening(tree.levels[level:]),
        starts=moved.starts,
        counts=moved.counts,
        steps=moved.steps,
        offset=offset,
        strides=strides,
    )


def _weight_tile(
    context: _Context, operand: Operand, level: int, buffer: Buffer, tile: Box, tensor: str
) -> tuple[Expr, tuple[Expr, ...], str]:
    """Weights are stored tile by tile: tiles in the order of their loops, each in a slot of the largest tile's size."""
    slot = 1
    for count in buffer.counts:
        slot *= count
    index: Expr = ZERO
    tiles = 1
    for loop in context.tree.levels[:level]:
        if loop.counter.dim in operand.dims:
            index = index * loop.counter.trips + loop.index
            tiles *= loop.counter.trips
    array = context.arrays.weight(tensor, context.label, tiles * slot)
    return index * slot, _dense(tile.counts), array


def _output_transfers(context: _Context, operand: Operand, level: int, buffer: Buffer) -> list[Transfer]:
    """Stores of finished results; where reductions are split above the keep, spills and read-backs too."""
    tree, nest = context.tree, context.part.nest
    tile = box(operand, tree.ranges(level), tree.whole)
    storage = context.placed.of[context.part.tensor(operand.name)]
    apart = dram_strides(context.placed, context.part, operand)
    reductions = [lv for lv in tree.levels[:level] if lv.counter.dim in nest.reduction_dims]
    complete, opening = _closing(reductions), _opening(reductions)
    ending = _closing(tree.levels[level:])
    store = Transfer(
        direction="store",
        cause="store",
        operand=operand.name,
        array=storage.base,
        buffer=buffer.name,
        when=ending * complete,
        starts=tile.starts,
        counts=tile.counts,
        steps=tile.steps,
        offset=_dot(tile.starts, apart) + storage.offset,
        strides=tuple(step * stride for step, stride in zip(tile.steps, apart, strict=True)),
    )
    normalises = nest.work is not None and nest.work.kind == "normalise"
    if not reductions or normalises:
        return [store]
    array = context.arrays.partial_sums(storage.base)
    beginning = _opening(tree.levels[level:])
    spill = replace(store, cause="spill", array=array, when=ending * (1 - complete))
    readback = replace(store, direction="load", cause="readback", array=array, when=beginning * (1 - opening))
    return [store, spill, readback]


def _parameter_transfers(context: _Context, operator: Operator, buffers: list[Buffer]) -> list[Transfer]:
    transfers = []
    for (role, tensor, elements), buffer in zip(vectors(context.placed, operator), buffers, strict=True):
        transfers.append(
            Transfer(
                direction="load",
                cause="parameter",
                operand=role,
                array=context.arrays.parameter(tensor, elements),
                buffer=buffer.name,
                when=_opening(context.tree.levels),
                starts=(ZERO,),
                counts=(const(elements),),
                steps=(ONE,),
                offset=ZERO,
                strides=(ONE,),
            )
        )
    return transfers
