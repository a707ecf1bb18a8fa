"""The cost of many boxes under one array part: products of one factor per axis (docs/model.md, sections 4 to 6).

What ``steps.step_cost`` evaluates box by box falls into factors that depend on an axis' own ranges alone. Each is
computed once per range; a box is then a handful of multiplications. Both must agree (tests/schedule/test_factors.py).
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from math import prod

from tilewright.arch.accelerator import Memory
from tilewright.mapping.boundary import Boundary, adding_bases, boundaries
from tilewright.mapping.homes import accumulating_along
from tilewright.mapping.lattice import SHARED, SUM, Cuts
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.words import axis_words, counted_unions, first_turns, turns
from tilewright.schedule.group.steps import StepCost, moved_axis, pad_keeps
from tilewright.workload.nest import Axis

Ranges = Dict[str, tuple[int, int]]  # (start, length) of each dimension that is not whole


# What an axis, or a dimension that an operand does not use, multiplies: words or turns of the parent and of all
# positions, the most of any instance of either, those of the parent's first instance, and refills. A plain tuple: there
# are dozens to a box.
Factor = tuple[int, int, int, int, int, int]
ONE: Factor = (1, 1, 1, 1, 1, 1)
MOVED, RECEIVED, BUSIEST_PARENT, BUSIEST_CHILD, FIRST, REFILLS = range(6)


def _times(a: Factor, b: Factor) -> Factor:
    return (a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3], a[4] * b[4], a[5] * b[5])


class _Sums:
    """What a box adds up to: bits by (memory, operand), and bits through the port of each memory that has one."""

    def __init__(self, memories: tuple[Memory, ...]) -> None:
        self.bits: dict[tuple[str, str], list[int]] = {}
        self.ports: dict[str, list[int]] = {memory.name: [0, 0] for memory in memories}

    def book(self, memory: str, operand: str, read: int, written: int) -> None:
        entry = self.bits.setdefault((memory, operand), [0, 0])
        entry[0] += read
        entry[1] += written

    def through(self, memory: str | None, read: int, written: int) -> None:
        if memory in self.ports:
            self.ports[memory][0] += read
            self.ports[memory][1] += written


class BoxCounts:
    """A nest of multiply-accumulates under one array part; ``moved`` as in ``step_cost``."""

    def __init__(self, problem: NestProblem, array: tuple[Node, ...], *, moved: bool) -> None:
        self._problem, self._moved = problem, moved
        mapping = Mapping((*pad_keeps(problem), *array))
        self._chains = tuple(boundaries(problem, mapping, operand) for operand in problem.nest.operands)
        self._wide = frozenset(accumulating_along(self._chains[-1]))
        self._bases = adding_bases(self._chains[-1])
        self._memories = tuple(m for m in problem.arch.memories[1:] if m.read_bandwidth or m.write_bandwidth)
        kept = {keep.operand for keep in pad_keeps(problem)}
        self._passing = tuple(chain[0] for chain in self._chains if chain[0].operand.name not in kept)
        self._compute = {dim: _computing(mapping, dim) for dim, _ in problem.nest.dims}
        self._factors: dict[tuple[object, ...], Factor] = {}
        self._numbers: dict[tuple[object, ...], int] = {}
        self._whole: dict[tuple[object, ...], tuple[Factor, Factor, tuple[tuple[int, Axis], ...], tuple[str, ...]]] = {}

    @property
    def adds_up(self) -> bool:
        """Whether results are added up in the scratchpad itself."""
        return self._problem.arch.scratchpad.name in self._wide

    def cost(self, ranges: Ranges) -> StepCost:
        """The cost of a box."""
        nest, arch = self._problem.nest, self._problem.arch
        extents = {dim: ranges[dim][1] if dim in ranges else extent for dim, extent in nest.dims}
        results = prod(extents[dim] for dim in nest.output.dims)
        sums = _Sums(self._memories)
        delivered = [(chain[0].operand.name, self._input(chain, sums, ranges, extents)) for chain in self._chains[:-1]]
        delivered.append((nest.output.name, self._output(sums, results, ranges, extents)))
        if self._moved:
            out, into = results * arch.widths.accumulator, results * arch.widths.output
            sums.book(arch.scratchpad.name, nest.output.name, out, into)
            sums.through(arch.scratchpad.name, out, into)
        busy = prod(self._work(dim, extent) for dim, extent in extents.items())
        ports = {memory.name: _whole_bytes(memory, *sums.ports[memory.name]) for memory in self._memories}
        flows = [self._flow(boundary, ranges, extents) for boundary in self._passing]
        return StepCost(
            cycles=max(busy, *(_cycles(memory, *ports[memory.name]) for memory in self._memories), 0),
            busy=busy,
            ports=tuple(ports.items()),
            bits=tuple((key, (read, written)) for key, (read, written) in sums.bits.items() if read or written),
            delivered=tuple(delivered),
            points=prod(extents.values()),
            results=results,
            stream_bytes=sum(size for size, _ in flows),
            stream_runs=sum(runs for _, runs in flows),
        )

    def _work(self, dim: str, extent: int) -> int:
        """Points of the busiest position along a dimension."""
        key = ("work", dim, extent)
        if key not in self._numbers:
            self._numbers[key] = int(turns(extent, self._compute[dim]).first_instance.sum())
        return self._numbers[key]

    def _both(self, boundary: Boundary, ranges: Ranges, extents: Dict[str, int]) -> tuple[Factor, Factor]:
        """Words and turns of a boundary. What the box does not cut is the same for all boxes of these dimensions."""
        key = (id(boundary), *ranges)
        known = self._whole.get(key)
        if known is None:
            axes = [(k, axis) for k, axis in enumerate(boundary.operand.axes)]
            cut = [(k, axis) for k, axis in axes if any(dim in ranges for dim in axis.dims)]
            rest = [dim for dim, _ in self._problem.nest.dims if dim not in boundary.operand.dims]
            words = turns_of = ONE
            for k, axis in axes:
                if (k, axis) not in cut:
                    words = _times(words, self._axis(boundary, k, axis, ranges, extents))
            for dim in rest:
                if dim not in ranges:
                    turns_of = _times(turns_of, self._dim(boundary, dim, extents[dim]))
            known = self._whole[key] = (words, turns_of, tuple(cut), tuple(dim for dim in rest if dim in ranges))
        words, turns_of, some, dims = known
        for k, axis in some:
            words = _times(words, self._axis(boundary, k, axis, ranges, extents))
        for dim in dims:
            turns_of = _times(turns_of, self._dim(boundary, dim, extents[dim]))
        return words, turns_of

    def _axis(self, boundary: Boundary, place: int, axis: Axis, ranges: Ranges, extents: Dict[str, int]) -> Factor:
        key = (id(boundary), place, *(ranges.get(dim) for dim in axis.dims))
        factor = self._factors.get(key)
        if factor is None:
            _, cuts, slide = boundary.axis_cuts[place]
            here, lengths = moved_axis(axis, ranges, extents), tuple(extents[dim] for dim in axis.dims)
            refills = 1
            if boundary in self._passing:
                refills = sum(int(times.sum()) for _, times in counted_unions(here, lengths, cuts, slide))
            factor = self._factors[key] = (*axis_words(here, lengths, cuts, slide).totals, refills)
        return factor

    def _dim(self, boundary: Boundary, dim: str, extent: int) -> Factor:
        key = (id(boundary), dim, extent)
        factor = self._factors.get(key)
        if factor is None:
            times = turns(extent, boundary.cuts[dim])
            factor = self._factors[key] = (*times.totals, times.moved)
        return factor

    def _fresh(self, boundary: Boundary, base: int, extents: Dict[str, int]) -> int:
        """How often results begin at the parent (``Boundary.arrivals``)."""
        total = 1
        for dim, extent in extents.items():
            if dim in boundary.operand.dims:
                continue
            key = (id(boundary), "fresh", dim, extent)
            number = self._numbers.get(key)
            if number is None:
                inside = min(base, boundary.last_used) + 1
                free = sum(isinstance(node, Loop) and node.dim == dim for node in boundary.nodes[:inside])
                number = self._numbers[key] = int(first_turns(extent, boundary.cuts[dim], free).sum())
            total *= number
        return total

    def _input(self, chain: tuple[Boundary, ...], sums: _Sums, ranges: Ranges, extents: Dict[str, int]) -> int:
        """Book an input from its outermost keep inward; gives the bits delivered to positions."""
        dram, pad = self._problem.arch.dram.name, self._problem.arch.scratchpad.name
        name, delivered = chain[0].operand.name, 0
        width = self._problem.bits(name)
        for boundary in chain:
            all_of_it = _times(*self._both(boundary, ranges, extents))
            if boundary.parent != dram:
                sums.book(boundary.parent, name, all_of_it[MOVED] * width, 0)
                sums.through(boundary.parent, all_of_it[BUSIEST_PARENT] * width, 0)
            if boundary.child is not None and boundary.child != pad:
                sums.book(boundary.child, name, 0, all_of_it[RECEIVED] * width)
                sums.through(boundary.child, 0, all_of_it[BUSIEST_CHILD] * width)
            if boundary.pars:
                delivered += all_of_it[RECEIVED] * width
        return delivered

    def _output(self, sums: _Sums, results: int, ranges: Ranges, extents: Dict[str, int]) -> int:
        """Book the output; gives the bits of read-backs delivered to positions."""
        arch, widths, name = self._problem.arch, self._problem.arch.widths, self._problem.nest.output.name
        delivered, zero = 0, results
        for boundary, base in zip(self._chains[-1], self._bases, strict=True):
            words, times = self._both(boundary, ranges, extents)
            fresh = self._fresh(boundary, base, extents)
            outer = widths.accumulator if boundary.parent in self._wide else widths.output
            inner = widths.accumulator if boundary.child in self._wide else widths.output
            from_dram = boundary.parent == arch.dram.name
            begun = words[MOVED] * times[MOVED] - zero
            back = 0 if boundary.adds or boundary.child is None else begun
            given = words[RECEIVED] * times[RECEIVED]
            zero = given - back
            if not from_dram:
                sums.book(boundary.parent, name, begun * outer, words[MOVED] * times[MOVED] * outer)
                found = words[FIRST] * (times[FIRST] - fresh)
                sums.through(boundary.parent, found * outer, words[FIRST] * times[FIRST] * outer)
            if boundary.child is not None and boundary.child != arch.scratchpad.name:
                own = widths.output if from_dram else inner
                sums.through(boundary.child, words[BUSIEST_CHILD] * times[BUSIEST_CHILD] * own, 0)
                if not boundary.adds:
                    sums.through(boundary.child, 0, words[BUSIEST_CHILD] * (times[BUSIEST_CHILD] - fresh) * own)
                sums.book(boundary.child, name, given * own, 0 if from_dram else back * inner)
                if boundary.pars and not from_dram:
                    delivered += back * widths.accumulator
        return delivered

    def _flow(self, boundary: Boundary, ranges: Ranges, extents: Dict[str, int]) -> tuple[int, int]:
        """Bytes and runs of weights that pass the scratchpad by."""
        all_of_it = _times(*self._both(boundary, ranges, extents))
        size = -(-all_of_it[MOVED] * self._problem.bits(boundary.operand.name) // 8)
        return size, all_of_it[REFILLS]


def _computing(mapping: Mapping, dim: str) -> Cuts:
    """How loops and pars cut a dimension down to single points, as the first position sees it."""
    cuts = [
        (SUM if isinstance(node, Loop) else SHARED, node.tile)
        for node in mapping.nodes
        if not isinstance(node, Keep) and node.dim == dim
    ]
    return (*cuts, (SUM, 1))


def _whole_bytes(memory: Memory, read_bits: int, write_bits: int) -> tuple[int, int]:
    """Bytes through the ports, rounded up once; through a shared port all count as read, together."""
    if memory.shared_port:
        return -(-(read_bits + write_bits) // 8), 0
    return -(-read_bits // 8), -(-write_bits // 8)


def _cycles(memory: Memory, read: int, written: int) -> int:
    found = 0
    for size, rate in ((read, memory.read_bandwidth), (written, memory.write_bandwidth)):
        if rate is not None:
            found = max(found, -(-size * rate.denominator // rate.numerator))
    return found
