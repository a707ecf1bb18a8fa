"""Lowering one part: its mapping becomes loops, its keeps become transfers and accesses (docs/model.md, 4 and 11)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Keep, Mapping, Node
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.boxes import Box, LoopTree, box, loop_tree, new_indices
from tilewright.plan.expr import ONE, ZERO, Expr, const, dot, row_major
from tilewright.plan.plan import Access, Buffer, Compute, DimRange, Program, Transfer
from tilewright.plan.stays import (
    array_nodes,
    box_bytes,
    closing,
    largest_box,
    levels_above,
    opening,
    refill_level,
    refilled_within,
    stays,
)
from tilewright.schedule.problems import dram_strides, is_packed, vectors
from tilewright.schedule.schedule import PartSchedule
from tilewright.workload.nest import LoopNest, Operand
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
    """The program of one part; ``buffers`` are those of its operands and temporaries in the scratchpad, to which those
    of operands that bypass it are added."""
    nest, mapping = part.nest, entry.mapping
    pad = arch.scratchpad.name
    tree = loop_tree(nest.dims, mapping.tile_loops(pad))
    array = array_nodes(nest, mapping, pad)
    context = _Context(placed, arch, arrays, part, f"{operator.name}/{entry.part}", tree)
    by_operand = {b.operand: b for b in buffers}
    transfers: list[Transfer] = []
    accesses: list[Access] = []
    for operand in nest.operands:
        level = visit_level(nest, mapping, tree, array, operand, pad)
        if operand.name not in by_operand:
            by_operand[operand.name] = _passing(context, operand, array, level)
            buffers.append(by_operand[operand.name])
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
        first=opening(reductions),
        last=closing(reductions),
        temporaries=tuple(b.name for b in buffers if b.operand in ("statistics", "exponentials")),
        parameters=tuple((b.operand, b.name) for b in parameters),
    )
    return Program(
        operator=operator.name,
        part=entry.part,
        counters=tuple(lv.counter for lv in tree.levels),
        exists=tree.exists,
        array=array,
        stays=stays(nest, mapping, tree, array, pad),
        transfers=tuple(transfers),
        compute=compute,
    )


def visit_level(
    nest: LoopNest, mapping: Mapping, tree: LoopTree, array: tuple[Node, ...], operand: Operand, pad: str
) -> int:
    """How many tile loops stand above what a step holds of an operand, down to the one that brings something new."""
    keep = Keep(operand.name, pad)
    if keep not in mapping.keeps:
        keep = _outermost(array, operand)
        if refilled_within(array, operand, keep.memory):
            return len(tree.levels)
    return refill_level(tree, operand, levels_above(nest, mapping, keep, pad))


def _outermost(array: tuple[Node, ...], operand: Operand) -> Keep:
    return next(node for node in array if isinstance(node, Keep) and node.operand == operand.name)


def _passing(context: _Context, operand: Operand, array: tuple[Node, ...], level: int) -> Buffer:
    """Room for an operand that bypasses the scratchpad: all that the positions of its outermost memory have of a step.

    Results have two, since a step's may still drain while the next one is computed.
    """
    keep = _outermost(array, operand)
    result = operand.role == "output"
    widths = context.arch.widths
    bits = widths.accumulator if result else widths.of("weight" if _packed(context, operand) else "input")
    counts, slots = largest_box(operand, context.tree, level), 2 if result else 1
    return Buffer(
        name=f"{context.label}/{operand.name}",
        operand=operand.name,
        memory=keep.memory,
        kind_class=operand.role,
        counts=counts,
        slots=slots,
        ring_axis=None,
        ring_length=0,
        ring_step=1,
        bits=bits,
        size_bytes=box_bytes(counts, bits * slots),
        address_bytes=None,
        start=0,
        end=0,
    )


def _packed(context: _Context, operand: Operand) -> bool:
    return is_packed(context.placed, context.part, operand)


def _access(context: _Context, operand: Operand, level: int, buffer: Buffer) -> Access:
    held = box(operand, context.tree.ranges(level), context.tree.whole)
    turn = opening(context.tree.levels[level:])
    return Access(operand.name, buffer.name, held.starts, held.counts, held.steps, turn)


def _input_transfer(context: _Context, operand: Operand, level: int, buffer: Buffer) -> Transfer:
    tree = context.tree
    moved = box(operand, tree.ranges(level), tree.whole)
    kept = buffer.memory == context.arch.scratchpad.name
    if level and kept:
        moving = tree.levels[level - 1]
        for k, axis in enumerate(operand.axes):
            if axis.is_window and moving.counter.dim in axis.dims:
                start, count = new_indices(axis, moving)
                moved = Box(
                    (*moved.starts[:k], start, *moved.starts[k + 1 :]),
                    (*moved.counts[:k], count, *moved.counts[k + 1 :]),
                    moved.steps,
                )
    packed = _packed(context, operand)
    tensor = context.part.tensor(operand.name)
    if packed:
        offset, strides, array = _weight_tile(context, operand, level, buffer, moved, tensor)
    else:
        storage = context.placed.of[tensor]
        apart = dram_strides(context.placed, context.part, operand)
        offset = dot(moved.starts, apart) + storage.offset
        strides = tuple(step * stride for step, stride in zip(moved.steps, apart, strict=True))
        array = storage.base
    return Transfer(
        direction="load" if kept else "stream",
        cause="weight" if packed else "load",
        operand=operand.name,
        array=array,
        buffer=buffer.name,
        when=opening(tree.levels[level:]),
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
    return index * slot, row_major(tile.counts), array


def _output_transfers(context: _Context, operand: Operand, level: int, buffer: Buffer) -> list[Transfer]:
    """Stores of finished results; where reductions are split above the keep, spills and read-backs too."""
    tree, nest = context.tree, context.part.nest
    tile = box(operand, tree.ranges(level), tree.whole)
    storage = context.placed.of[context.part.tensor(operand.name)]
    apart = dram_strides(context.placed, context.part, operand)
    reductions = [lv for lv in tree.levels[:level] if lv.counter.dim in nest.reduction_dims]
    complete, fresh = closing(reductions), opening(reductions)
    ending = closing(tree.levels[level:])
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
        offset=dot(tile.starts, apart) + storage.offset,
        strides=tuple(step * stride for step, stride in zip(tile.steps, apart, strict=True)),
    )
    normalises = nest.work is not None and nest.work.kind == "normalise"
    if not reductions or normalises:
        return [store]
    array = context.arrays.partial_sums(storage.base)
    beginning = opening(tree.levels[level:])
    spill = replace(store, cause="spill", array=array, when=ending * (1 - complete))
    readback = replace(store, direction="load", cause="readback", array=array, when=beginning * (1 - fresh))
    return [store, spill, readback]


def _parameter_transfers(context: _Context, operator: Operator, buffers: list[Buffer]) -> list[Transfer]:
    transfers = []
    for (role, tensor, elements), buffer in zip(vectors(context.placed, operator), buffers, strict=True):
        array = context.arrays.parameter(tensor, elements)
        transfers.append(parameter_load(role, array, buffer.name, elements, opening(context.tree.levels)))
    return transfers


def parameter_load(role: str, array: str, buffer: str, elements: int, when: Expr) -> Transfer:
    """A whole vector of parameters on its way into its buffer."""
    return Transfer(
        direction="load",
        cause="parameter",
        operand=role,
        array=array,
        buffer=buffer,
        when=when,
        starts=(ZERO,),
        counts=(const(elements),),
        steps=(ONE,),
        offset=ZERO,
        strides=(ONE,),
    )
