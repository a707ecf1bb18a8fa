"""Random small nests, problems and mappings."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod
from random import Random

from hypothesis import strategies as st
from tests.mapping.machines import MACHINES, random_machine

from tilewright.arch.accelerator import Accelerator, Memory
from tilewright.errors import UsageError
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import conv2d, gemm, tensor_strides
from tilewright.mapping.problem import Binding, NestProblem
from tilewright.workload.nest import Axis, LoopNest, Operand, VectorWork

Draw = st.DrawFn
small = st.integers(1, 5)


@st.composite
def convolutions(draw: Draw) -> LoopNest:
    """Strides, dilation, uneven padding, groups; inputs larger or smaller than the output needs."""
    while True:
        sizes = {
            name: draw(st.integers(1, most)) for name, most in zip("KCYXRSNG", (4, 4, 7, 5, 3, 3, 2, 2), strict=True)
        }
        pads = tuple(draw(st.integers(0, 3)) for _ in range(4))
        extra = {axis: draw(st.none() | st.integers(1, 12)) for axis in "HW"}
        strides, dilation = (draw(st.integers(1, 3)), draw(st.integers(1, 2))), draw(st.integers(1, 3))
        try:
            return conv2d(**sizes, stride=strides, dilation=dilation, pad=pads, **extra)  # type: ignore[arg-type]
        except UsageError:
            continue


@st.composite
def matrix_products(draw: Draw) -> LoopNest:
    return gemm(draw(small), draw(small), draw(st.integers(1, 9)), draw(st.integers(1, 3)))


@st.composite
def transposed_phases(draw: Draw) -> LoopNest:
    """One phase of a transposed convolution: its output rows lie a stride apart."""
    rows, taps, stride = draw(st.integers(1, 6)), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    phase = draw(st.integers(0, stride - 1))
    K, C = draw(small), draw(small)
    size = draw(st.integers(1, 7))
    read = Operand(
        "input", "input", (_axis("C", C, 0), Axis((("Y", 1), ("R", 1)), size, 1, offset=draw(st.integers(-2, 0))))
    )
    weight = Operand("weight", "weight", (_axis("C", C, 0), _axis("K", K, 1), _axis("R", taps, 2)))
    output = Operand("output", "output", (_axis("K", K, 0), Axis((("Y", stride),), rows * stride, 1, offset=phase)))
    return LoopNest((("K", K), ("C", C), ("Y", rows), ("R", taps)), (read, weight, output))


def _axis(dim: str, extent: int, tensor_axis: int) -> Axis:
    return Axis(((dim, 1),), extent, tensor_axis)


@st.composite
def pools(draw: Draw) -> LoopNest:
    """Windows that no loop may split."""
    C, Y, R, S = draw(small), draw(st.integers(1, 7)), draw(st.integers(1, 3)), draw(st.integers(1, 2))
    stride, before = draw(st.integers(1, 3)), draw(st.integers(0, 2))
    rows = Axis((("Y", stride), ("R", 1)), draw(st.integers(1, 12)), 1, offset=-before)
    read = Operand("input", "input", (_axis("C", C, 0), rows, Axis((("X", 2), ("S", 1)), 2 * 3 + S, 2)))
    output = Operand("output", "output", (_axis("C", C, 0), _axis("Y", Y, 1), _axis("X", 4, 2)))
    dims = (("C", C), ("Y", Y), ("X", 4), ("R", R), ("S", S))
    return LoopNest(dims, (read, output), frozenset("RS"), VectorWork("map", R * S))


@st.composite
def resizes(draw: Draw) -> LoopNest:
    """Rows of a resized image: a range of source rows for every output row, at the edges the nearest inside."""
    C, Y, size = draw(small), draw(st.integers(1, 9)), draw(st.integers(1, 6))
    numerator, divisor = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    rows = Axis(
        (("Y", numerator),),
        size,
        1,
        draw(st.integers(-3, 3)),
        divisor=divisor,
        reach=draw(st.integers(0, 1)),
        clamp=True,
    )
    read = Operand("input", "input", (_axis("C", C, 0), rows))
    output = Operand("output", "output", (_axis("C", C, 0), _axis("Y", Y, 1)))
    return LoopNest((("C", C), ("Y", Y)), (read, output), work=VectorWork("map", 4))


@st.composite
def elementwise(draw: Draw) -> LoopNest:
    """Two inputs, the second broadcast along some axes."""
    sizes = [("A", draw(small)), ("B", draw(st.integers(1, 7))), ("D", draw(small))]
    whole = [_axis(dim, extent, k) for k, (dim, extent) in enumerate(sizes)]
    kept = [draw(st.booleans()) for _ in sizes]
    some = [axis if keep else Axis((), 1, axis.tensor_axis) for axis, keep in zip(whole, kept, strict=True)]
    operands = (
        Operand("input", "input", tuple(whole)),
        Operand("input2", "input", tuple(some)),
        Operand("output", "output", tuple(whole)),
    )
    return LoopNest(tuple(sizes), operands, work=VectorWork("map", draw(st.integers(1, 2))))


@st.composite
def reductions(draw: Draw) -> LoopNest:
    sizes = (("A", draw(small)), ("B", draw(st.integers(1, 7))), ("D", draw(small)))
    read = Operand("input", "input", tuple(_axis(dim, extent, k) for k, (dim, extent) in enumerate(sizes)))
    output = Operand("output", "output", (_axis("A", sizes[0][1], 0), Axis((), 1, 1)))
    return LoopNest(sizes, (read, output), work=VectorWork("reduce"))


@st.composite
def normalisations(draw: Draw) -> LoopNest:
    sizes = (("A", draw(small)), ("B", draw(st.integers(1, 7))), ("D", draw(small)))
    axes = tuple(_axis(dim, extent, k) for k, (dim, extent) in enumerate(sizes))
    reduced = draw(st.sampled_from((("D",), ("B", "D"))))
    work = VectorWork("normalise", reduced=reduced, exponentials=draw(st.booleans()))
    return LoopNest(
        (("pass", 3), *sizes), (Operand("input", "input", axes), Operand("output", "output", axes)), work=work
    )


macs = st.one_of(convolutions(), convolutions(), matrix_products(), transposed_phases())
vectors = st.one_of(pools(), resizes(), elementwise(), reductions(), normalisations())


@st.composite
def problems_of(
    draw: Draw, nests: st.SearchStrategy[LoopNest], machines: dict[str, Accelerator] = MACHINES
) -> NestProblem:
    """A nest on a machine; feature maps in either layout, some inside larger ones; weights that may be activations."""
    nest = draw(nests)
    arch = machines[draw(st.sampled_from(sorted(machines)))]
    layout = draw(st.sampled_from(("nhwc", "nchw")))
    constant = draw(st.booleans())
    bindings = []
    for operand in nest.operands:
        if operand.role == "weight" and constant:
            bindings.append(Binding(operand.name, packed=True, constant=True))
            continue
        wider = draw(st.sampled_from((1, 1, 2)))
        grown = tuple(replace(axis, size=axis.size * wider) if axis.tensor_axis == 1 else axis for axis in operand.axes)
        bindings.append(Binding(operand.name, tensor_strides(replace(operand, axes=grown), layout)))
    parameters = tuple(draw(st.lists(st.integers(1, 9), max_size=2)))
    return NestProblem(nest, arch, tuple(bindings), parameters, activations=draw(st.integers(0, 1)))


@st.composite
def mappings_of(draw: Draw, problem: NestProblem) -> Mapping:
    """Any mapping of legal structure: see ``random_mapping``."""
    return random_mapping(draw(st.randoms(use_true_random=False)), problem)


@st.composite
def deep_problems(draw: Draw) -> NestProblem:
    """A small nest on a random machine of two to five levels."""
    return random_problem(draw(st.randoms(use_true_random=False)))


def random_problem(rng: Random, levels: int | None = None) -> NestProblem:
    """A nest of at most a thousand points on a random machine of two to five levels (or of that many)."""
    arch = random_machine(rng, levels or rng.randint(2, 5))
    nest = rng.choice((_random_convolution, _random_convolution, _random_window, _random_product))(rng)
    layout = rng.choice(("nhwc", "nchw"))
    constant = rng.random() < 0.6
    bindings = tuple(
        Binding(o.name, packed=True, constant=True)
        if o.role == "weight" and constant
        else Binding(o.name, tensor_strides(o, layout))
        for o in nest.operands
    )
    parameters = tuple(rng.randint(1, 9) for _ in range(rng.choice((0, 0, 1, 2))))
    return NestProblem(nest, arch, bindings, parameters, activations=rng.randint(0, 1))


def _random_convolution(rng: Random) -> LoopNest:
    """Rows and columns may be strided, dilated, padded, too many or too few for the outputs."""
    while True:
        sizes = {dim: rng.randint(1, most) for dim, most in zip("KCYXRSNG", (5, 5, 9, 5, 4, 3, 2, 2), strict=True)}
        for dim in rng.sample("KCXSNG", 3):
            sizes[dim] = 1
        if prod(sizes.values()) > 1000:
            continue
        pads = tuple(rng.choice((0, 0, 1, 2, 3)) for _ in range(4))
        strides, dilation = (rng.choice((1, 1, 2, 3)), rng.choice((1, 2))), rng.choice((1, 1, 2, 3))
        extra = {side: rng.choice((None, None, rng.randint(1, 12))) for side in "HW"}
        try:
            return conv2d(**sizes, stride=strides, dilation=dilation, pad=pads, **extra)  # type: ignore[arg-type]
        except UsageError:
            continue


def _random_window(rng: Random) -> LoopNest:
    """Many rows under a filter, few of everything else."""
    K, C, Y, R = rng.choice((1, 2, 3)), rng.choice((1, 1, 2)), rng.randint(4, 14), rng.randint(2, 4)
    stride, dilation = rng.choice((1, 1, 1, 2, 3)), rng.choice((1, 1, 2))
    pads = (rng.randint(0, 2), 0, rng.randint(0, 1), 0)
    rows = max(1, (Y - 1) * stride + (R - 1) * dilation + 1 - pads[0] - pads[2])
    return conv2d(K, C, Y, rng.choice((1, 1, 2)), R, 1, stride=(stride, 1), dilation=(dilation, 1), pad=pads, H=rows)


def _random_product(rng: Random) -> LoopNest:
    return gemm(rng.randint(1, 7), rng.randint(1, 7), rng.randint(1, 9), rng.choice((1, 1, 2)))


def random_mapping(rng: Random, problem: NestProblem) -> Mapping:
    """A mapping of legal structure: keeps in any order that the law permits, loops anywhere over any dimension,
    several pars on an axis, one dimension on several, and memories passed by where they may be. Room and hazards are
    not considered."""
    if problem.nest.work is not None:
        return _random_vector_mapping(rng, problem)
    kept = _random_keeps(rng, problem)
    skeleton = _random_order(rng, problem, kept)
    return Mapping(_random_tiles(rng, problem, skeleton))


def _random_keeps(rng: Random, problem: NestProblem) -> dict[str, list[Memory]]:
    """For every operand the memories that hold it, outermost first."""
    return {
        operand.name: [
            memory
            for memory in problem.arch.memories[1:]
            if operand.role in memory.keeps or (operand.role in memory.may_keep and rng.random() < 0.5)
        ]
        for operand in problem.nest.operands
    }


def _random_order(rng: Random, problem: NestProblem, kept: dict[str, list[Memory]]) -> list[Keep | Loop | Par]:
    """Nodes without tiles: keeps below the pars of their memory's axes and above all others."""
    array = problem.arch.array
    axes = [axis for axis, extent in array.axes if extent > 1 and rng.random() < 0.95]
    places = {frozenset(memory.per) for memories in kept.values() for memory in memories}
    while True:
        stages = sorted({place & set(axes) for place in places}, key=lambda stage: (len(stage), sorted(stage)))
        if all(outer <= inner for outer, inner in pairwise(stages)):
            break
        axes.remove(rng.choice(axes))
    stages = [*stages, frozenset(axes)]
    free = [dim for dim, extent in problem.nest.dims for _ in range(min(extent, 4) - 1)]
    nodes: list[Keep | Loop | Par] = []
    opened: frozenset[str] = frozenset()
    for number, stage in enumerate(stages):
        across = [axis for axis in stage - opened for _ in range(rng.choice((1, 1, 2, 3)))]
        for axis in rng.sample(sorted(across), len(across)):
            allowed = [dim for dim in free if array.may_unroll(axis, dim)]
            if allowed:
                nodes.append(Par(rng.choice(allowed), 0, axis))
        opened = stage
        if number + 1 < len(stages):
            nodes += _interleaved(
                rng,
                [
                    [Keep(name, m.name) for m in memories if set(m.per) & set(axes) == stage]
                    for name, memories in kept.items()
                ],
            )
    for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6)) if free else 0):
        nodes.insert(rng.randint(0, len(nodes)), Loop(rng.choice(free), 0))
    return _without_partial_sums_in_dram(problem, nodes)


def _interleaved(rng: Random, queues: list[list[Keep]]) -> list[Keep]:
    """All keeps in a random order in which those of each operand stay in theirs."""
    queues, found = [list(queue) for queue in queues if queue], []
    while queues:
        queue = rng.choice(queues)
        found.append(queue.pop(0))
        queues = [queue for queue in queues if queue]
    return found


def _without_partial_sums_in_dram(problem: NestProblem, nodes: list[Keep | Loop | Par]) -> list[Keep | Loop | Par]:
    """The nodes less those that would leave partial sums in DRAM which no memory on the chip has added up."""
    nest, arch = problem.nest, problem.arch
    outermost = next(k for k, node in enumerate(nodes) if isinstance(node, Keep) and node.operand == nest.output.name)
    keep = nodes[outermost]
    assert isinstance(keep, Keep)
    used = [k for k, node in enumerate(nodes[:outermost]) if isinstance(node, Loop) and node.dim in nest.output.dims]
    spills = keep.memory == arch.scratchpad.name

    def dropped(place: int, node: Keep | Loop | Par) -> bool:
        if place > outermost or isinstance(node, Keep) or node.dim in nest.output.dims:
            return False
        if isinstance(node, Par):
            return node.axis not in arch.array.reduce
        return not spills and bool(used) and place < used[-1]

    return [node for place, node in enumerate(nodes) if not dropped(place, node)]


def _random_tiles(rng: Random, problem: NestProblem, skeleton: list[Keep | Loop | Par]) -> tuple[Node, ...]:
    """Tiles for a skeleton: any number up to the range, for pars as many chunks as positions are left on the axis."""
    ranges, left = dict(problem.nest.extents), dict(problem.arch.array.axes)
    found: list[Node] = []
    for node in skeleton:
        if isinstance(node, Keep):
            found.append(node)
            continue
        whole = ranges[node.dim]
        least = -(-whole // left[node.axis]) if isinstance(node, Par) else 1
        tiles = [rng.randint(least, max(least, whole - 1)) for _ in range(2)] if rng.random() < 0.95 else [whole]
        # Small shares for positions, large ones for loops, so that something is left for what stands further in.
        tile = min(tiles) if isinstance(node, Par) else max(tiles)
        if isinstance(node, Par):
            left[node.axis] //= -(-whole // tile)
        found.append(replace(node, tile=tile))
        ranges[node.dim] = min(whole, tile)
    return tuple(found)


def _random_vector_mapping(rng: Random, problem: NestProblem) -> Mapping:
    """Up to five loops, dimensions split more than once, every operand kept at a depth of its own."""
    nest, work = problem.nest, problem.nest.work
    assert work is not None
    ranges = dict(nest.extents)
    free = [d for d, extent in nest.dims if extent > 1 and d not in nest.whole and d != "pass"]
    loops: list[Loop] = []
    for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 4, 5)) if free else 0):
        dim = rng.choice(free)
        tile = rng.randint(1, ranges[dim])
        loops.append(Loop(dim, tile))
        ranges[dim] = tile
    depths = {o.name: rng.choice((len(loops), rng.randint(0, len(loops)))) for o in nest.operands}
    if work.kind == "normalise":
        rows = [loop for loop in loops if loop.dim in work.reduced]
        split = any(ranges[dim] < nest.extents[dim] for dim in work.reduced)
        loops = [loop for loop in loops if loop.dim not in work.reduced] + ([Loop("pass", 1), *rows] if split else [])
        depths = {name: len(loops) if split else min(depth, len(loops)) for name, depth in depths.items()}
    else:
        first = next((k for k, loop in enumerate(loops) if loop.dim in nest.reduction_dims), len(loops))
        depths[nest.output.name] = min(depths[nest.output.name], first)
    if len(loops) not in depths.values():
        depths[nest.inputs[0].name] = len(loops)
    pad = problem.arch.scratchpad.name
    nodes: list[Node] = []
    for place in range(len(loops) + 1):
        nodes += [Keep(name, pad) for name, depth in depths.items() if depth == place]
        nodes += loops[place : place + 1]
    return Mapping(tuple(nodes))
