"""Random small nests, problems and mappings."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from tests.mapping.machines import MACHINES

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import UsageError
from tilewright.mapping.homes import home
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.nests import conv2d, gemm, tensor_strides
from tilewright.mapping.problem import Binding, NestProblem
from tilewright.mapping.tiling import step_tile
from tilewright.mapping.unroll import direct_unrolling
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
    """Any order of up to five loops, dimensions split more than once, every operand kept at a depth of its own."""
    nest, work = problem.nest, problem.nest.work
    ranges = dict(nest.extents)
    normalises = work is not None and work.kind == "normalise"
    free = [d for d, extent in nest.dims if extent > 1 and d not in nest.whole and d != "pass"]
    loops: list[Loop] = []
    for _ in range(draw(st.sampled_from((0, 1, 2, 3, 3, 4, 4, 5))) if free else 0):
        dim = draw(st.sampled_from(free))
        tile = draw(st.integers(1, ranges[dim]))
        loops.append(Loop(dim, tile))
        ranges[dim] = tile
    depths = {o.name: draw(st.just(len(loops)) | st.integers(0, len(loops))) for o in nest.operands}
    if normalises:
        rows = [loop for loop in loops if loop.dim in work.reduced]
        split = any(ranges[dim] < nest.extents[dim] for dim in work.reduced)
        loops = [loop for loop in loops if loop.dim not in work.reduced] + ([Loop("pass", 1), *rows] if split else [])
        depths = {name: len(loops) if split else min(depth, len(loops)) for name, depth in depths.items()}
    elif work is not None:
        first = next((k for k, loop in enumerate(loops) if loop.dim in nest.reduction_dims), len(loops))
        depths[nest.output.name] = min(depths[nest.output.name], first)
    per_position = [o.name for o in nest.operands if home(problem, o.name).per]
    shared = [o.name for o in nest.operands if o.name not in per_position]
    if not any(depths[name] == len(loops) for name in shared):
        lowest = nest.inputs[0].name if nest.inputs[0].name in shared else shared[0]
        depths[lowest] = len(loops)
    nodes: list[Node] = []
    for place in range(len(loops) + 1):
        nodes += [Keep(name, home(problem, name).name) for name in shared if depths[name] == place]
        nodes += loops[place : place + 1]
    nodes += direct_unrolling(problem, step_tile(nest, tuple(loops)))
    nodes += [Keep(name, home(problem, name).name) for name in per_position]
    return Mapping(tuple(nodes))
