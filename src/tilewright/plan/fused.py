"""Lowering a group that runs tile by tile: one program for each operator, on shared counters (docs/model.md, 8, 11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.mapping import Keep
from tilewright.mapping.tiling import without_single_chunks
from tilewright.plan.arrays import ArrayTable
from tilewright.plan.expr import ONE, ZERO, Expr, at_most, const, counter, dot, equal, row_major
from tilewright.plan.layouts import (
    Layout,
    buffer,
    dense,
    held_layout,
    inner_map,
    number_of,
    streamed_map,
)
from tilewright.plan.plan import Access, Buffer, Compute, Counter, DimRange, Program, Section, Spot, Transfer
from tilewright.plan.program import parameter_load
from tilewright.plan.spans import Box, Span, box_of, said
from tilewright.plan.stays import adds_up_outside, every_step
from tilewright.plan.windows import Member, SharedLoop, Windows, block_of, windows_of
from tilewright.schedule.problems import dram_strides, is_packed, vectors
from tilewright.schedule.schedule import Group
from tilewright.schedule.tiled import Tiled
from tilewright.workload.nest import Operand
from tilewright.workload.storage import PlacedNetwork


@dataclass(frozen=True)
class Fused:
    """A lowered group: its programs, its section (which numbers them from ``first``), and its own buffers, with
    lifetimes in phases of the group."""

    programs: tuple[Program, ...]
    section: Section
    buffers: tuple[Buffer, ...]


def lower_group(
    placed: PlacedNetwork, arch: Accelerator, arrays: ArrayTable, group: Group, held: Mapping[str, str], first: int
) -> Fused:
    """The programs of a tiled group; ``held`` names the buffer of every base that is held during it. InfeasibleError
    if the schedule does not fit the group."""
    assert group.tiled is not None
    windows = windows_of(placed, group, group.tiled)
    lowering = _Lowering(placed, arch, arrays, group, group.tiled, windows, held)
    lowering.place_maps()
    programs = tuple(lowering.program(member) for member in windows.members)
    shared = tuple(_counter(loop) for loop in windows.loops)
    numbers = tuple(range(first, first + len(programs)))
    return Fused(programs, Section(numbers, shared), tuple(lowering.buffers))


def _counter(loop: SharedLoop) -> Counter:
    return Counter(loop.name, loop.dim, loop.trips, loop.tile)


@dataclass
class _Lowering:
    placed: PlacedNetwork
    arch: Accelerator
    arrays: ArrayTable
    group: Group
    tiled: Tiled
    windows: Windows
    held: Mapping[str, str]
    buffers: list[Buffer] = field(default_factory=list)
    layouts: dict[str, Layout] = field(default_factory=dict)

    @property
    def phases(self) -> int:
        return len(self.windows.members)

    @property
    def label(self) -> str:
        """What tells the group's buffers from others: its last operator."""
        return self.windows.members[-1].operator.name

    def place_maps(self) -> None:
        """Buffers and places of all feature maps but a named output that goes to DRAM only."""
        placed, windows = self.placed, self.windows
        inner: dict[str, Layout] = {}
        for tensor in windows.written:
            base = placed.of[tensor].base
            if base not in self.held and base not in inner:
                room, inner[base] = inner_map(windows, self.arch, base, f"{self.label}:{base}", self._life(base))
                self.buffers.append(room)
        for tensor in windows.streamed:
            name = f"{self.label}:{tensor}"
            room, self.layouts[tensor] = streamed_map(windows, self.arch, tensor, name, (0, self.phases))
            self.buffers.append(room)
        named = [member.output for member in windows.members]
        for tensor in dict.fromkeys([*(r.tensor for r in windows.readings), *named]):
            base = placed.of[tensor].base
            if base in self.held:
                self.layouts[tensor] = held_layout(placed, tensor, self.held[base])
            elif base in inner:
                self.layouts[tensor] = inner[base].of_block(block_of(placed, tensor))

    def _life(self, base: str) -> tuple[int, int]:
        """From the first operator that writes an inner base to the last that reads it, or stores the end of it."""
        if self.windows.caches:
            return 0, self.phases
        of = self.placed.of
        writers = [m.number for m in self.windows.members if of[m.output].base == base]
        readers = [r.number for r in self.windows.readings if of[r.tensor].base == base]
        stored = [number + 1 for number in writers if base in self.tiled.stored]
        return min(writers), max(*writers, *readers, *stored) + 1

    def program(self, member: Member) -> Program:
        """The program of one operator."""
        nest, last = member.nest, member.number == self.phases - 1
        loops = [*self.windows.loops, *([self.windows.channels] if last and self.windows.channels else [])]
        largest = {dim: member.dims[dim].most for dim, _ in nest.dims}
        array = without_single_chunks(member.run.array, largest)
        transfers: list[Transfer] = []
        accesses: list[Access] = []
        for operand in nest.inputs:
            if is_packed(self.placed, member.part, operand):
                transfer, access = self._weights(member, operand, loops)
                transfers.append(transfer)
            else:
                access = self._input(member, operand)
            accesses.append(access)
        transfers = [*self._loads(member), *self._parameters(member), *transfers]
        through = self._output(member, adds_up_outside(self.arch, nest, array), transfers, accesses)
        ranges = box_of((member.dims[dim] for dim, _ in nest.dims), self.windows.names)
        every = zip(nest.dims, ranges.starts, ranges.counts, strict=True)
        within = tuple(DimRange(dim, start, count) for (dim, _), start, count in every)
        return Program(
            operator=member.operator.name,
            part=0,
            counters=tuple(_counter(loop) for loop in loops),
            exists=ONE,
            array=array,
            stays=every_step(array, within),
            transfers=tuple(transfers),
            compute=Compute(
                ranges=within,
                accesses=tuple(accesses),
                first=ONE,
                last=ONE,
                temporaries=self._temporaries(member, largest),
                parameters=tuple(
                    (role, f"{member.operator.name}/{role}") for role, _, _ in vectors(self.placed, member.operator)
                ),
                through=through,
                over=self._over(member),
            ),
            largest=tuple(largest.items()),
        )

    def _input(self, member: Member, operand: Operand) -> Access:
        layout = self.layouts[member.part.tensor(operand.name)]
        box = box_of(member.spans(operand), self.windows.names)
        spot = layout.of_operand(operand)
        return Access(operand.name, layout.buffer, box.starts, box.counts, box.steps, ONE, spot)

    def _loads(self, member: Member) -> list[Transfer]:
        """Whole bases, with the first step of all, and the parts of maps that this operator is the first to read."""
        found = []
        if member.number == 0:
            found += [self._whole(base, member) for base in self.tiled.loaded]
        firsts = {reading.tensor: reading for reading in reversed(self.windows.readings)}
        for tensor, axes in self.windows.streamed.items():
            if firsts[tensor].number == member.number:
                found.append(self._part(tensor, firsts[tensor].operand, [axis.new for axis in axes], member))
        return found

    def _whole(self, base: str, member: Member) -> Transfer:
        elements = const(dict(self.placed.bases)[base])
        return Transfer(
            direction="load",
            cause="load",
            operand=base,
            array=base,
            buffer=self.held[base],
            when=self._first_step(member),
            starts=(ZERO,),
            counts=(elements,),
            steps=(ONE,),
            offset=ZERO,
            strides=(ONE,),
            at=Spot(ZERO, (1,)),
        )

    def _part(self, tensor: str, operand: str, spans: Sequence[Span], member: Member) -> Transfer:
        """A streamed map's new part: in every pass, or in the first one if it is the same in all."""
        storage, layout = self.placed.of[tensor], self.layouts[tensor]
        when = self._first_chunk(member) if any(s.loop is not None for s in spans) else self._first_step(member)
        box = box_of(spans, self.windows.names)
        strides = storage.strides or (1,)
        return Transfer(
            direction="load",
            cause="load",
            operand=operand,
            array=storage.base,
            buffer=layout.buffer,
            when=when,
            starts=box.starts,
            counts=box.counts,
            steps=box.steps,
            offset=dot(box.starts, strides) + storage.offset,
            strides=tuple(const(stride) for stride in strides),
            at=layout.spot,
        )

    def _first_pass(self) -> Expr:
        return _product(equal(counter(loop.name), 0) for loop in self.windows.loops)

    def _first_chunk(self, member: Member) -> Expr:
        channels = self.windows.channels
        last = member.number == self.phases - 1
        return equal(counter(channels.name), 0) if last and channels is not None else ONE

    def _first_step(self, member: Member) -> Expr:
        """1 in the operator's step, or first chunk, of the first pass."""
        return self._first_pass() * self._first_chunk(member)

    def _first_busy(self, member: Member) -> Expr:
        """1 in the first pass in which the operator has anything to compute."""
        found: Expr = ONE
        for number, loop in enumerate(self.windows.loops):
            spans = [span for span in member.dims.values() if span.loop == number]
            busy = [k for k in range(loop.trips) if all(span.counts[k] for span in spans)]
            found = found * equal(counter(loop.name), busy[0] if busy else 0)
        return found

    def _busy(self, member: Member) -> Expr:
        """1 where the operator's step is not empty."""
        names = self.windows.names
        some = [span for span in member.dims.values() if not all(span.counts)]
        return _product(at_most(1, said(span.counts, span.loop, names)) for span in some)

    def _parameters(self, member: Member) -> list[Transfer]:
        found = []
        for role, tensor, elements in vectors(self.placed, member.operator):
            bits = self.arch.widths.accumulator
            room = buffer(
                self.arch, f"{member.operator.name}/{role}", role, "other", (elements,), bits, (0, self.phases)
            )
            self.buffers.append(room)
            array, when = self.arrays.parameter(tensor, elements), self._first_busy(member) * self._first_chunk(member)
            found.append(parameter_load(role, array, room.name, elements, when))
        return found

    def _weights(self, member: Member, operand: Operand, loops: Sequence[SharedLoop]) -> tuple[Transfer, Access]:
        """Constant weights: all of them by and by, or a step's tile in one of one or two slots."""
        spans = member.spans(operand)
        own = [span.loop for span in spans if span.loop is not None]
        shared = len(self.windows.loops)
        counts = tuple(span.most for span in spans)
        tile = prod(counts)
        box = box_of(spans, self.windows.names)
        chunk = counter(loops[shared].name) if any(loop >= shared for loop in own) else ZERO
        tiles = loops[shared].trips if any(loop >= shared for loop in own) else 1
        tensor = member.part.tensor(operand.name)
        array = self.arrays.weight(tensor, f"{member.operator.name}/0", tiles * tile)
        room, spot = self._weight_room(member, operand, counts, box, loops)
        self.buffers.append(room)
        stays = member.run.weights == "stay"
        transfer = Transfer(
            direction="stream" if member.run.weights == "pass" else "load",
            cause="weight",
            operand=operand.name,
            array=array,
            buffer=room.name,
            when=self._first_busy(member) if stays else self._busy(member),
            starts=box.starts,
            counts=box.counts,
            steps=box.steps,
            offset=chunk * tile,
            strides=row_major(box.counts),
            at=spot,
        )
        return transfer, Access(operand.name, room.name, box.starts, box.counts, box.steps, ONE, spot)

    def _weight_room(
        self, member: Member, operand: Operand, counts: tuple[int, ...], box: Box, loops: Sequence[SharedLoop]
    ) -> tuple[Buffer, Spot]:
        arch, name, bits = self.arch, f"{member.operator.name}/0/{operand.name}", self.arch.widths.weight
        if member.run.weights == "stay":
            sizes = tuple(axis.size for axis in operand.axes)
            room = buffer(arch, name, operand.name, "weight", sizes, bits, (0, self.phases))
            return room, Spot(ZERO, dense(sizes))
        follow = self.phases == 1 or (len(loops) > len(self.windows.loops))
        twice = follow and arch.overlaps and prod(loop.trips for loop in loops) > 1
        slots = 2 if twice and member.run.weights == "stream" else 1
        life = (member.number - 1, member.number + 1) if member.number else (0, self.phases)
        room = buffer(arch, name, operand.name, "weight", counts, bits, life, slots)
        if member.run.weights == "pass":
            inside = [n for n in member.run.array if isinstance(n, Keep) and n.operand == operand.name]
            room = replace(room, memory=inside[0].memory)
        return room, _turning(counts, box, loops, slots)

    def _output(
        self, member: Member, adds_up: bool, transfers: list[Transfer], accesses: list[Access]
    ) -> Access | None:
        """The access of the results, their transfer to DRAM, and the tile they are added up in, if it is another."""
        arch, operand, tensor = self.arch, member.nest.output, member.output
        spans = member.spans(operand)
        box = box_of(spans, self.windows.names)
        counts = tuple(span.most for span in spans)
        storage = self.placed.of[tensor]
        last = member.number == self.phases - 1
        bits = arch.widths.accumulator if adds_up else arch.widths.output
        layout = self.layouts.get(tensor)
        through = None
        if layout is None:
            loops = [*self.windows.loops, *([self.windows.channels] if self.windows.channels else [])]
            slots = 2 if arch.overlaps and prod(loop.trips for loop in loops) > 1 else 1
            name = f"{member.operator.name}/0/{operand.name}"
            room = buffer(arch, name, operand.name, "output", counts, bits, (0, self.phases), slots)
            self.buffers.append(room)
            place, spot = room.name, _turning(counts, box, loops, slots)
        else:
            place, spot = layout.buffer, layout.of_operand(operand)
            if adds_up:
                name = f"{member.operator.name}/0/{operand.name}"
                life = (member.number, member.number + 1)
                room = buffer(arch, name, operand.name, "output", counts, bits, life)
                self.buffers.append(room)
                tile = _turning(counts, box, (), 1)
                through = Access(operand.name, name, box.starts, box.counts, box.steps, ONE, tile)
        accesses.append(Access(operand.name, place, box.starts, box.counts, box.steps, ONE, spot))
        if storage.base in self.tiled.stored:
            once = box if last else self._once(member, spans)
            apart = dram_strides(self.placed, member.part, operand)
            transfers.append(
                Transfer(
                    direction="store",
                    cause="store",
                    operand=operand.name,
                    array=storage.base,
                    buffer=place,
                    when=ONE,
                    starts=once.starts,
                    counts=once.counts,
                    steps=once.steps,
                    offset=dot(once.starts, apart) + storage.offset,
                    strides=tuple(step * stride for step, stride in zip(once.steps, apart, strict=True)),
                    at=spot,
                )
            )
        return through

    def _once(self, member: Member, spans: Sequence[Span]) -> Box:
        """What a step is the first to compute, by the axes of the output."""
        axes = self.windows.written[member.output]
        found = []
        for axis, span in zip(member.nest.output.axes, spans, strict=True):
            once = axes[axis.tensor_axis].once
            found.append(once if span.loop is not None else span)
        return box_of(found, self.windows.names)

    def _temporaries(self, member: Member, largest: Mapping[str, int]) -> tuple[str, ...]:
        """What a normalisation keeps between its passes: two statistics a row, a softmax one exponential an element."""
        work = member.nest.work
        if work is None or work.kind != "normalise":
            return ()
        bits, life = self.arch.widths.accumulator, (member.number, member.number + 1)
        rows = prod(n for dim, n in largest.items() if dim != "pass" and dim not in work.reduced)
        sizes = {"statistics": (2, rows)}
        if work.exponentials:
            sizes["exponentials"] = (1, prod(span.most for span in member.spans(member.nest.inputs[0])))
        rooms = [
            buffer(self.arch, f"{member.operator.name}/0/{name}", name, "other", counts, bits, life)
            for name, counts in sizes.items()
        ]
        self.buffers += rooms
        return tuple(room.name for room in rooms)

    def _over(self, member: Member) -> str:
        """The operand whose place the results take."""
        of = self.placed.of
        taken = dict(self.tiled.over).get(of[member.output].base)
        for operand in member.nest.inputs:
            tensor = member.part.tensor(operand.name)
            if taken is not None and tensor in of and of[tensor].base == taken:
                return operand.name
        return ""


def _turning(counts: tuple[int, ...], box: Box, loops: Sequence[SharedLoop], slots: int) -> Spot:
    """One of several slots in turn, each with a box from its beginning."""
    strides = dense(counts)
    base = dot(box.starts, strides) * -1
    if slots > 1:
        base = base + number_of(loops) % slots * prod(counts)
    return Spot(base, strides)


def _product(factors: Iterable[Expr]) -> Expr:
    found: Expr = ONE
    for factor in factors:
        found = found * factor
    return found
