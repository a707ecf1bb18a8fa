"""What the operators of a group compute, hold and load in every pass, axis by axis (docs/model.md, section 8).

Operators are gone through from the last one back: what one computes says what it needs of those before it. Along an
axis a map has for every chunk of a shared loop the indices that are new and those that have to be on chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from tilewright.errors import InfeasibleError
from tilewright.plan.spans import Span, footprint, hull, intervals, joined, whole
from tilewright.schedule.problems import is_packed
from tilewright.schedule.schedule import Group
from tilewright.schedule.tiled import Run, Tiled
from tilewright.workload.nest import LoopNest, Operand
from tilewright.workload.network import Operator
from tilewright.workload.part import Part
from tilewright.workload.storage import PlacedNetwork, executed_parts


@dataclass(frozen=True)
class SharedLoop:
    """A shared loop, or the last one, over channels; ``cached``: windows along it stay on chip."""

    name: str
    dim: str
    trips: int
    tile: int
    cached: bool = False


@dataclass(frozen=True)
class Window:
    """An axis of a map. Of each chunk: what is ``new``, what must be there (``held``), and each index ``once``, in the
    first chunk that has it."""

    size: int
    new: Span
    held: Span
    once: Span

    @property
    def loop(self) -> int | None:
        return self.new.loop


@dataclass(frozen=True)
class Member:
    """An operator of a group and the range of each of its dimensions in every step."""

    number: int
    operator: Operator
    part: Part
    run: Run
    dims: dict[str, Span]

    @property
    def nest(self) -> LoopNest:
        return self.part.nest

    @property
    def output(self) -> str:
        """The tensor that it writes."""
        return self.part.tensor(self.nest.output.name)

    def spans(self, operand: Operand) -> tuple[Span, ...]:
        """What a step needs along each axis of an operand."""
        return tuple(footprint(axis, self.dims, self.nest.extents) for axis in operand.axes)


@dataclass(frozen=True)
class Reading:
    """That an operator reads a tensor, by which operand, and what of each of the tensor's axes."""

    number: int
    operand: str
    tensor: str
    spans: tuple[Span, ...]


@dataclass
class Windows:
    """A group with all its intervals. ``written`` has the tensors of all operators but the last, ``streamed`` those
    that come from DRAM piece by piece; ``readings`` are in the order of execution."""

    placed: PlacedNetwork
    loops: tuple[SharedLoop, ...]
    channels: SharedLoop | None
    members: tuple[Member, ...] = ()
    written: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    streamed: dict[str, tuple[Window, ...]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, ...]:
        """The counters by the numbers of their loops."""
        return tuple(loop.name for loop in (*self.loops, *([self.channels] if self.channels else [])))

    @property
    def caches(self) -> bool:
        """Whether anything stays on chip from pass to pass."""
        return any(loop.cached for loop in self.loops)

    def inside_cached(self, loop: int) -> bool:
        """Whether a loop stands inside a cached one."""
        return any(outer.cached for outer in self.loops[:loop])


def shape_of(placed: PlacedNetwork, tensor: str) -> tuple[int, ...]:
    """A tensor's extents; a scalar has one axis."""
    return placed.network.shape(tensor) or (1,)


def block_of(placed: PlacedNetwork, tensor: str) -> tuple[int, ...]:
    """Where in its base a tensor begins, along each axis of the base. InfeasibleError if it is no block of it."""
    own = placed.of[tensor]
    base = placed.of[own.base]
    shape, outer = shape_of(placed, tensor), shape_of(placed, own.base)
    alike = len(shape) == len(outer) and all(
        a == b for a, b, size in zip(own.strides, base.strides, shape, strict=False) if size > 1
    )
    found, rest = [0] * len(outer), own.offset
    for axis in sorted(range(len(outer)), key=lambda k: -base.strides[k] if base.strides else 0):
        if outer[axis] > 1:
            found[axis], rest = divmod(rest, base.strides[axis])
    if not alike or rest or any(at + n > size for at, n, size in zip(found, shape, outer, strict=False)):
        raise InfeasibleError(f"'{tensor}' is no block of '{own.base}', so no group can be tiled that keeps it on chip")
    return tuple(found)


def windows_of(placed: PlacedNetwork, group: Group, tiled: Tiled) -> Windows:
    """All intervals of a tiled group."""
    parts = [executed_parts(placed, placed.network.operator[run.operator]) for run in tiled.runs]
    if any(len(found) != 1 for found in parts):
        raise InfeasibleError(f"{' + '.join(group.operators)}: operators of several parts cannot be tiled")
    last = parts[-1][0]
    loops = _loops(placed, tiled, last)
    channels = None
    if tiled.channels is not None:
        dim, tile = tiled.channels.dim, tiled.channels.tile
        if any(loop.dim == dim for loop in loops):
            raise InfeasibleError(f"{last.label or group.operators[-1]}: two loops over {dim}")
        channels = SharedLoop(f"{dim}0", dim, -(-last.nest.extents[dim] // tile), tile)
    found = Windows(placed, loops, channels)
    outside = {placed.of[part.tensor(part.nest.output.name)].base for (part,) in parts}
    elsewhere = {*tiled.stored, *group.resident_out}
    held = {*group.resident_in, *tiled.loaded}
    members: list[Member] = []
    for number in reversed(range(len(parts))):
        (part,), run = parts[number], tiled.runs[number]
        dims = {dim: whole(extent) for dim, extent in part.nest.dims}
        if number == len(parts) - 1:
            dims |= _chunks(found, part.nest)
        else:
            tensor = part.tensor(part.nest.output.name)
            found.written[tensor] = _written(found, tensor, placed.of[tensor].base in elsewhere)
            dims |= _dims_of(part, found.written[tensor])
        member = Member(number, placed.network.operator[run.operator], part, run, dims)
        members.insert(0, member)
        found.readings[:0] = _readings(placed, member, len(loops))
    found.members = tuple(members)
    for tensor in dict.fromkeys(reading.tensor for reading in found.readings):
        if placed.of[tensor].base not in outside | held:
            readers = [(reading, (0,) * len(reading.spans)) for reading in found.readings if reading.tensor == tensor]
            found.streamed[tensor] = _windows(found, shape_of(placed, tensor), readers, elsewhere=False)
    return found


def _loops(placed: PlacedNetwork, tiled: Tiled, last: Part) -> tuple[SharedLoop, ...]:
    nest = last.nest
    rank = len(shape_of(placed, last.tensor(nest.output.name)))
    batch = {dim for axis in nest.output.axes if axis.tensor_axis == 0 and rank > 2 for dim in axis.dims}
    found = []
    for number, loop in enumerate(tiled.loops):
        innermost = number == len(tiled.loops) - 1
        cached = {"recompute": False, "cache_rows": innermost, "cache_all": loop.dim not in batch}[tiled.overlap]
        trips = -(-nest.extents[loop.dim] // loop.tile)
        found.append(SharedLoop(f"{loop.dim}0", loop.dim, trips, loop.tile, cached))
    return tuple(found)


def _chunks(found: Windows, nest: LoopNest) -> dict[str, Span]:
    """The chunks of the loops: what the last operator computes."""
    dims = {}
    for number, loop in enumerate((*found.loops, *([found.channels] if found.channels else []))):
        extent = nest.extents[loop.dim]
        starts = range(0, extent, loop.tile)
        dims[loop.dim] = intervals(number, [(start, min(start + loop.tile, extent)) for start in starts])
    return dims


def _readings(placed: PlacedNetwork, member: Member, loops: int) -> list[Reading]:
    found = []
    for operand in member.nest.inputs:
        if is_packed(placed, member.part, operand):
            continue
        tensor = member.part.tensor(operand.name)
        spans = []
        for k in range(len(shape_of(placed, tensor))):
            axes = [axis for axis in operand.axes if axis.tensor_axis == k]
            touched = [(hull(axis, member.dims), axis.scale) for axis in axes]
            spans.append(joined(touched) if axes else whole(shape_of(placed, tensor)[k]))
        if any(span.loop is not None and span.loop >= loops for span in spans):
            raise InfeasibleError(f"{member.operator.name}: its input depends on the loop over its channels")
        found.append(Reading(member.number, operand.name, tensor, tuple(spans)))
    return found


def _written(found: Windows, tensor: str, elsewhere: bool) -> tuple[Window, ...]:
    """The windows of what an operator writes, by what its readers in the group touch of it."""
    placed = found.placed
    shape, base = shape_of(placed, tensor), placed.of[tensor].base
    at: tuple[int, ...] = (0,) * len(shape)
    readers = []
    for reading in found.readings:
        if placed.of[reading.tensor].base != base:
            continue
        at = block_of(placed, tensor)
        other = block_of(placed, reading.tensor)
        sizes = zip(at, shape, other, shape_of(placed, reading.tensor), strict=True)
        if all(a < b + n and b < a + m for a, m, b, n in sizes):
            readers.append((reading, tuple(b - a for a, b in zip(at, other, strict=True))))
    return _windows(found, shape, readers, elsewhere=elsewhere)


def _windows(
    found: Windows, shape: tuple[int, ...], readers: Sequence[tuple[Reading, tuple[int, ...]]], *, elsewhere: bool
) -> tuple[Window, ...]:
    """The windows of a map; ``readers`` come with how far the indices of what they read are shifted against its own."""
    result = []
    for k, size in enumerate(shape):
        spans = [(reading.spans[k], shift[k]) for reading, shift in readers]
        loops = {span.loop for span, _ in spans if span.loop is not None}
        if len(loops) > 1:
            raise InfeasibleError("an axis that depends on two shared loops cannot be tiled")
        if not loops:
            result.append(Window(size, whole(size), whole(size), whole(size)))
            continue
        (loop,) = loops
        needs = _needs(spans, size, found.loops[loop].trips)
        if elsewhere:
            needs = _everything(needs, size)
        result.append(_window(loop, size, needs, cached=found.loops[loop].cached))
    return tuple(result)


Need = tuple[int, int] | None


def _needs(spans: Sequence[tuple[Span, int]], size: int, chunks: int) -> list[Need]:
    """The hull of what is touched in every chunk; None where nothing is."""
    found: list[Need] = []
    for k in range(chunks):
        touched = []
        for span, shift in spans:
            i = k if span.loop is not None else 0
            low, high = max(0, span.starts[i] + shift), min(size, span.ends()[i] + shift)
            if span.counts[i] and low < high:
                touched.append((low, high))
        found.append((min(a for a, _ in touched), max(b for _, b in touched)) if touched else None)
    return found


def _everything(needs: Sequence[Need], size: int) -> list[Need]:
    """Needs of a map that goes elsewhere too: from 0 in the first chunk, without gaps, to the end in the last."""
    found: list[Need] = []
    reached = 0
    for k, need in enumerate(needs):
        low, high = need if need is not None else (reached, reached)
        low = 0 if k == 0 else min(low, reached)
        high = max(high, size) if k == len(needs) - 1 else high
        found.append((low, high))
        reached = max(reached, high)
    return found


def _window(loop: int, size: int, needs: Sequence[Need], *, cached: bool) -> Window:
    """New, held and first indices by the table of docs/model.md, section 8.

    >>> rows = _window(0, 9, [(0, 3), (1, 5), (3, 7), (5, 9)], cached=True)
    >>> rows.new.starts, rows.new.counts, rows.held.starts, rows.held.counts
    ((0, 3, 5, 7), (3, 2, 2, 2), (0, 1, 3, 5), (3, 4, 4, 4))
    """
    reached = list(accumulate((0 if need is None else need[1] for need in needs), max))
    before = [0, *reached[:-1]]
    once = intervals(loop, zip(before, reached, strict=True))
    if not cached:
        plain = intervals(loop, [(b, b) if need is None else need for need, b in zip(needs, before, strict=True)])
        return Window(size, plain, plain, once)
    held: list[tuple[int, int]] = []
    least = size
    for need, end in zip(reversed(needs), reversed(reached), strict=True):
        least = least if need is None else min(least, need[0])
        held.insert(0, (min(least, end), end))
    new = [
        (end, end) if need is None else (min(max(need[0], b), end), end)
        for need, b, end in zip(needs, before, reached, strict=True)
    ]
    return Window(size, intervals(loop, new), intervals(loop, held), once)


def _dims_of(part: Part, windows: Sequence[Window]) -> dict[str, Span]:
    """The ranges of an operator's dimensions for which it computes the new part of what it writes."""
    found = {}
    for k, window in enumerate(windows):
        if window.loop is None:
            continue
        mine = [axis for axis in part.nest.output.axes if axis.tensor_axis == k]
        axes = [axis for axis in mine if axis.size > 1] or mine[:1]
        if len(axes) != 1 or axes[0].scale != 1 or axes[0].terms[1:] or axes[0].terms[0][1] != 1:
            raise InfeasibleError(
                f"axis {k} of '{part.tensor(part.nest.output.name)}' depends on a shared loop, and is not one dimension"
            )
        ((dim, _),) = axes[0].terms
        ends = zip(window.new.starts, window.new.ends(), strict=True)
        found[dim] = intervals(window.loop, [(a - axes[0].offset, b - axes[0].offset) for a, b in ends])
    return found
