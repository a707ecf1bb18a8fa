"""A statement's nest is the nest it says: equal to the usual ones, and every fault is told with its column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.mapping.machines import MACHINES

import tilewright as tw
from tilewright.errors import UsageError
from tilewright.mapping.einsum import einsum
from tilewright.mapping.einsum_text import LARGEST, MOST_CHARACTERS, read_statement
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.interpreter import interpreted
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node, Par
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm
from tilewright.mapping.problem import NestCost, NestProblem
from tilewright.workload.nest import Axis, LoopNest

# Where keeps have only one place to name; nests differ in their dimensions and operands, not in what may hold them.
FLAT = {name: arch for name, arch in MACHINES.items() if len(arch.memories) == 2}


@st.composite
def mappings(draw: st.DrawFn, problem: NestProblem) -> Mapping:
    """Loops over any dimension, several over one, keeps at any depth, and an unrolling inside."""
    ranges = {dim: extent for dim, extent in problem.nest.dims if extent > 1}
    nodes: list[Node] = []
    for _ in range(draw(st.integers(0, 5)) if ranges else 0):
        dim = draw(st.sampled_from(sorted(ranges)))
        ranges[dim] = draw(st.integers(1, ranges[dim]))
        nodes.append(Loop(dim, ranges[dim]))
    pad, inner = problem.arch.scratchpad.name, draw(st.sampled_from(problem.nest.operands)).name
    for operand in problem.nest.operands:
        if operand.name != inner:
            nodes.insert(draw(st.integers(0, len(nodes))), Keep(operand.name, pad))
    nodes.append(Keep(inner, pad))
    for axis, positions in problem.arch.array.axes:
        if wide := sorted(dim for dim, extent in ranges.items() if extent > 1):
            dim = draw(st.sampled_from(wide))
            ranges[dim] = draw(st.integers(-(-ranges[dim] // positions), ranges[dim]))
            nodes.append(Par(dim, ranges[dim], axis))
    return Mapping(tuple(nodes))


def renamed(mapping: Mapping, names: dict[str, str]) -> Mapping:
    def node(one: Node) -> Node:
        if isinstance(one, Keep):
            return Keep(names[one.operand], one.memory)
        if isinstance(one, Par):
            return Par(names[one.dim], one.tile, one.axis)
        return Loop(names[one.dim], one.tile)

    return Mapping(tuple(node(one) for one in mapping.nodes))


def axes(nest: LoopNest, names: dict[str, str]) -> dict[str, list[Axis]]:
    """The axes of every operand, names translated; terms, and axes of one element in one tensor axis, in one order."""

    def one(axis: Axis) -> Axis:
        return replace(axis, terms=tuple(sorted((names.get(dim, dim), n) for dim, n in axis.terms)))

    def order(axis: Axis) -> tuple[object, ...]:
        return axis.tensor_axis, -axis.scale, -axis.size, axis.terms

    return {names.get(o.name, o.name): sorted((one(axis) for axis in o.axes), key=order) for o in nest.operands}


def figures(cost: NestCost, names: dict[str, str]) -> tuple[Any, ...]:
    """Everything a cost says, its operands renamed."""
    traffic = sorted((names.get(t.operand, t.operand), t.cause, t.bytes) for t in cost.traffic)
    accesses = sorted((a.memory, names.get(a.operand, a.operand), a.read_bytes, a.write_bytes) for a in cost.accesses)
    times = (cost.cycles, cost.macs, cost.steps, cost.compute_cycles, cost.dma_cycles, cost.scratchpad_bytes)
    return (*times, pytest.approx(cost.energy_pj, rel=1e-12), traffic, accesses)


def same_costs(data: st.DataObject, known: LoopNest, written: LoopNest, names: dict[str, str]) -> None:
    """The two nests cost the same under any mapping, which is legal for both or for neither."""
    arch = FLAT[data.draw(st.sampled_from(sorted(FLAT)))]
    layout = data.draw(st.sampled_from(("nhwc", "nchw")))
    one, other = default_problem(known, arch, layout), default_problem(written, arch, layout)
    mapping = data.draw(mappings(one))
    again = renamed(mapping, names)
    assert len(problems(one, mapping)) == len(problems(other, again))
    assume(not problems(one, mapping))
    assert figures(evaluate(one, mapping), names) == figures(evaluate(other, again), {})


small = st.integers(1, 4)
ROLES = {"input": "I", "weight": "W", "output": "O"}


@st.composite
def windows(draw: st.DrawFn) -> dict[str, int]:
    """One spatial axis: outputs, taps, stride, dilation, padding before, and a size of its own."""
    most = {"out": 7, "taps": 3, "stride": 3, "dilation": 3}
    drawn = {name: draw(st.integers(1, most[name])) for name in most}
    drawn["pad"] = draw(st.integers(0, 2))
    needed = (drawn["out"] - 1) * drawn["stride"] + (drawn["taps"] - 1) * drawn["dilation"] + 1
    assume(needed > drawn["pad"])
    drawn["size"] = draw(st.sampled_from((needed - drawn["pad"], draw(st.integers(1, 12)))))
    return drawn


def affine(draw: st.DrawFn, *terms: tuple[int, str], offset: int = 0) -> str:
    """A subscript in one of its spellings."""
    spelled = []
    for coefficient, dim in terms:
        ways = [f"{coefficient}*{dim}", f"{dim} * {coefficient}"] + [dim] * (coefficient == 1)
        spelled.append(draw(st.sampled_from(ways)))
    if offset > 0:
        spelled.append(str(offset))
    text = draw(st.sampled_from((" + ", "+"))).join(draw(st.permutations(spelled)))
    return text if offset >= 0 else text + draw(st.sampled_from((f"-{-offset}", f" - {-offset}")))


@settings(max_examples=150)
@given(st.data())
def test_a_convolution_in_groups_costs_what_conv2d_says(data: st.DataObject) -> None:
    draw = data.draw
    N, G, K, C = (draw(st.integers(1, 3)) for _ in "NGKC")
    y, x = draw(windows()), draw(windows())
    known = conv2d(
        K, C, y["out"], x["out"], y["taps"], x["taps"], N, G,
        stride=(y["stride"], x["stride"]), dilation=(y["dilation"], x["dilation"]),
        pad=(y["pad"], x["pad"], 0, 0), H=y["size"], W=x["size"],
    )  # fmt: skip
    rows = affine(draw, (y["stride"], "y"), (y["dilation"], "r"), offset=-y["pad"])
    columns = affine(draw, (x["stride"], "x"), (x["dilation"], "s"), offset=-x["pad"])
    filters, channels = affine(draw, (K, "g"), (1, "k")), affine(draw, (C, "g"), (1, "c"))
    factors = draw(st.permutations((f"W[{filters},c,r,s]", f"I[n, {channels}, {rows}, {columns}]")))
    written = einsum(
        f"O[n,{filters},y,x] += {' * '.join(factors)}",
        sizes={"I": (N, G * C, y["size"], x["size"])},
        n=N, g=G, k=K, c=C, y=y["out"], x=x["out"], r=y["taps"], s=x["taps"],
    )  # fmt: skip
    names = {dim: dim.lower() for dim, _ in known.dims} | ROLES
    assert axes(written, {}) == axes(known, names)
    same_costs(data, known, written, names)


@settings(max_examples=80)
@given(st.data())
def test_a_depthwise_convolution_costs_what_depthwise_says(data: st.DataObject) -> None:
    draw = data.draw
    G, y = draw(small), draw(windows())
    known = depthwise(G, y["out"], 3, y["taps"], 2, stride=(y["stride"], 1), dilation=(y["dilation"], 1),
                      pad=(y["pad"], 1, 0, 1), H=y["size"])  # fmt: skip
    rows = affine(draw, (y["stride"], "Y"), (y["dilation"], "R"), offset=-y["pad"])
    written = einsum(
        f"O[N,G,Y,X] = W[G,R,S] * I[N,G,{rows},X+S-1]",
        sizes={"I": (1, G, y["size"], 2)}, N=1, G=G, Y=y["out"], X=3, R=y["taps"], S=2,
    )  # fmt: skip
    same_costs(data, known, written, {dim: dim for dim, _ in known.dims} | ROLES)


@settings(max_examples=60)
@given(st.data(), small, small, st.integers(1, 7), st.integers(1, 3))
def test_a_matrix_product_costs_what_gemm_says(data: st.DataObject, m: int, n: int, k: int, b: int) -> None:
    written = einsum("C[b,m,n] += A[b,m,k] * B[b,k,n]", b=b, m=m, n=n, k=k)
    names = {"B": "b", "M": "m", "N": "n", "K": "k", "input": "A", "weight": "B", "output": "C"}
    same_costs(data, gemm(m, n, k, b), written, names)


@st.composite
def statements(draw: st.DrawFn) -> LoopNest:
    """One to three factors over up to four dimensions, scalars and constants among their subscripts, windows of three
    terms, axes larger or smaller than needed, outputs strided and flattened."""
    names = ("a", "b", "d", "e")[: draw(st.integers(1, 4))]
    extents = {dim: draw(st.integers(1, 5)) for dim in names}
    kept = [dim for dim in names if draw(st.booleans())]
    outputs = [draw(st.sampled_from((dim, f"2*{dim}+1", f"{dim} + 2"))) for dim in kept]
    if len(kept) > 1 and draw(st.booleans()):
        outputs[:2] = [f"{extents[kept[1]]}*{kept[0]} + {kept[1]}"]
    factors, sizes = [], {}
    for number in range(draw(st.integers(1, 3))):
        free, subscripts = list(draw(st.permutations(names))), []
        while free and draw(st.integers(0, 3)):
            terms = [(draw(st.integers(1, 3)), free.pop()) for _ in range(min(len(free), draw(st.integers(1, 3))))]
            subscripts.append(affine(draw, *terms, offset=draw(st.integers(-2, 2))))
        if draw(st.integers(0, 5)) == 0:
            subscripts.append("1")
        factors.append(f"F{number}[{','.join(subscripts)}]")
        sizes[f"F{number}"] = tuple(draw(st.integers(1, 9)) for _ in subscripts)
    text = f"O[{','.join(outputs)}] += {' * '.join(factors)}"
    used = dict(read_statement(text)[0].dims)
    assume(used)
    return einsum(text, dims={dim: extents[dim] for dim in used}, sizes=sizes)


@settings(max_examples=150)
@given(st.data())
def test_any_statement_moves_what_the_interpreter_sees(data: st.DataObject) -> None:
    nest = data.draw(statements())
    problem = default_problem(nest, FLAT[data.draw(st.sampled_from(sorted(FLAT)))], "nchw")
    mapping = data.draw(mappings(problem))
    assume(not problems(problem, mapping))
    cost, seen = evaluate(problem, mapping), interpreted(problem, mapping)
    assert (cost.macs, cost.steps) == (seen.macs, len(seen.steps))
    assert {(t.operand, t.cause): t.bytes for t in cost.traffic} == {key: n for key, n in seen.traffic.items() if n}


SEARCHED = {
    "a dot product": ("s[] += a[i] * b[i]", {"i": 1000}),
    "one factor": ("s[y] = a[y,x]", {"y": 30, "x": 40}),
    "a scalar": ("o[y] = a[y] * alpha", {"y": 100}),
    "four factors": (
        "o[i,l] += a[i,j] * b[j,k] * c[k,l] * scale[l]", {"i": 8, "j": 8, "k": 8, "l": 12},
    ),
    "two weights": ("O[i,l] += I[i,j] * W1[j,k] * W2[k,l]", {"i": 8, "j": 8, "k": 8, "l": 12}),
    "three dimensions": (
        "O[k,z,y,x] += W[k,c,q,r,s] * I[c,z+q-1,y+r-1,x+s-1]",
        {"k": 8, "c": 4, "z": 6, "y": 7, "x": 7, "q": 3, "r": 3, "s": 3},
    ),
    "seven dimensions in windows": ("O[k,y,x] += W[k,c,r,s] * I[c,2*y+r,2*x+s]",
        {"k": 64, "c": 3, "y": 28, "x": 28, "r": 7, "s": 7},
    ),
}  # fmt: skip


@pytest.mark.parametrize("machine", ["tiny", "simba", "tpu", "hwc", "mobile-npu"])
@pytest.mark.parametrize("what", SEARCHED)
def test_every_statement_is_mapped_on_every_machine(what: str, machine: str) -> None:
    text, dims = SEARCHED[what]
    result = tw.map_nest(tw.einsum(text, dims=dims), tw.load_arch(machine), "traffic", timeout=1)
    assert result.cost.dram_bytes >= result.bound > 0
    assert result.cost.macs == np.prod(list(dims.values()))


def test_names_are_the_users_and_dimensions_stand_in_the_order_of_the_text() -> None:
    nest = einsum("Out[k,y] += Filter[k,c,r] * In[c,2*y+r]", r=7, y=112, c=3, k=64)
    assert nest.dims == (("k", 64), ("y", 112), ("c", 3), ("r", 7))
    assert [(o.name, o.role) for o in nest.operands] == [("Filter", "weight"), ("In", "input"), ("Out", "output")]
    assert nest.reduction_dims == {"c", "r"}


def test_assigning_and_adding_mean_the_same() -> None:
    sizes = {"m": 3, "n": 4, "k": 5}
    assert einsum("C[m,n] = A[m,k]*B[k,n]", dims=sizes) == einsum("C[m,n] += A[m,k] * B[k,n]", dims=sizes)


def test_an_axis_has_what_is_touched_from_index_0_on_unless_its_size_is_given() -> None:
    def axis(subscript: str, **more: Any) -> tuple[int, int]:
        found = einsum(f"O[y] += W[r] * I[{subscript}]", y=5, r=3, **more).operand("I").axes[0]
        return found.size, found.offset

    assert axis("2*y + 3*r") == (4 * 2 + 2 * 3 + 1, 0)
    assert axis("3*r - 1 + y*2") == (4 * 2 + 2 * 3 + 1 - 1, -1)
    assert axis("y + r + 4") == (4 + 2 + 1 + 4, 4)
    assert axis("y + r - 1", sizes={"I": (5,)}) == (5, -1)
    assert axis("y + r - 1", sizes={"I": np.int64(4)}) == (4, -1)


def test_a_group_is_flattened_and_a_window_is_not() -> None:
    grouped = einsum("O[2*g+k,y] += W[2*g+k,c] * I[4*g+c,y]", g=3, k=2, c=4, y=5)
    assert [(a.dims, a.size, a.tensor_axis, a.scale) for a in grouped.operand("I").axes] == [
        (("g",), 3, 0, 4), (("c",), 4, 0, 1), (("y",), 5, 1, 1),
    ]  # fmt: skip
    window = einsum("O[y] += W[r] * I[4*y+r]", y=3, r=4)
    assert [axis.terms for axis in window.operand("I").axes] == [(("y", 4), ("r", 1))]
    assert einsum("O[y] += A[8*y+r] * B[y]", y=3, r=4).operand("A").axes[0].is_window
    ragged = einsum("O[g] += A[4*g+c] * B[g]", g=3, c=4, sizes={"A": (10,)})
    assert ragged.operand("A").axes[0].size == 10


@pytest.mark.parametrize(
    ("text", "given", "weights"),
    [
        ("O[i] += W[i] * A[i]", {}, {"W"}),
        ("O[i] += A[i] * B[i]", {}, {"B"}),
        ("O[i] += filter_1[i] * A[i] * Kernel[i]", {}, {"filter_1", "Kernel"}),
        ("O[i] += A[i] * B[i] * D[i]", {}, set()),
        ("O[i] += w1[i] * w2[i]", {}, {"w2"}),
        ("O[i] += W[i]", {}, set()),
        ("O[i] += W[i] * A[i]", {"A": "weight"}, {"A"}),
        ("O[i] += A[i] * B[i]", {"B": "input"}, set()),
        ("O[i] += A[i] * B[i]", {"A": "weight", "B": "weight", "O": "output"}, {"A", "B"}),
    ],
)
def test_a_weight_is_what_is_called_so_or_said_to_be(text: str, given: dict[str, str], weights: set[str]) -> None:
    nest = einsum(text, i=3, roles=given)
    assert {operand.name for operand in nest.operands if operand.role == "weight"} == weights
    assert nest.output.role == "output"


FAULTS: dict[str, tuple[str, list[tuple[int, str]]]] = {
    "a product of dimensions": ("O[y] += A[y*r]", [(11, "multiplies the dimensions y and r")]),
    "a quotient": ("O[y] += A[y/2,r]", [(12, "divides")]),
    "a remainder": ("O[y] += A[y%2,r]", [(12, "takes a remainder")]),
    "a power": ("O[y] += A[y^2] * B[y**2] * D[r]", [(12, "takes a power"), (21, "takes a power")]),
    "brackets inside": ("O[y] += A[2*(y+1),r]", [(13, "multiply it out")]),
    "an index from an array": ("O[y] += A[P[y],r]", [(12, "looks its index up")]),
    "a negative coefficient": ("O[y] += A[r - y]", [(15, "counts backwards")]),
    "a coefficient of nothing": ("O[y] += A[r + y - y]", [(15, "coefficient 0")]),
    "no sign between": ("O[y] += A[2y,r]", [(12, "'2 y'")]),
    "two signs": ("O[y] += A[y--1,r]", [(13, "two signs")]),
    "a sign at the end": ("O[y] += A[y+,r]", [(12, "ends with a sign")]),
    "half a product": ("O[y] += A[2*,y,r]", [(11, "without two factors")]),
    "a fraction": ("O[y] += A[1.5*y,r]", [(11, "1.5 is not a whole number")]),
    "a number too large": (f"O[y] += A[{LARGEST + 1}*y,r]", [(11, str(LARGEST))]),
    "an index too large": (f"O[y] += A[{LARGEST}*y,r]", [(11, "the largest index")]),
    "an empty subscript": ("O[y] += A[y,,r]", [(13, "missing")]),
    "a letter of another alphabet": ("O[y] += A[y,r] * β[y]", [(18, "cannot be read"), (19, "name before")]),
    "a bracket never closed": ("O[y += A[y,r]", [(2, "never closed")]),
    "a bracket never opened": ("O[y] += A[y,r]]", [(15, "never opened")]),
    "two axes": ("O[y] += A[y,r,2*y]", [(15, "y stands on two axes of A")]),
    "an output not one-to-one": ("O[y+r] += A[y,r]", [(3, "not one-to-one")]),
    "an output with gaps": ("O[8*y+r] += A[y,r]", [(3, "not one-to-one")]),
    "an output in the padding": ("O[y-1] += A[y,r]", [(3, "no padding")]),
    "nothing touched": ("O[y] += A[y-9,r]", [(11, "below 0")]),
    "operands called alike": ("O[y] += A[y] * A[r] * O[y]", [(16, "called A"), (23, "called O")]),
    "an operand called as a dimension": ("O[y] += A[y,r] * y", [(18, "y is a dimension")]),
    "names of the model": ("O[y] += parameters[y,r]", [(9, "parameters")]),
    "no output": ("A[y] * B[r]", [(12, "no output")]),
    "nothing before": (" += A[y] * B[r]", [(2, "no output before")]),
    "nothing after": ("O[y,r] =", [(8, "nothing after")]),
    "two outputs": ("O[y] * P[r] += A[y]", [(8, "second output, P")]),
    "an arrow": ("A[y], B[r] -> O[y]", [(5, "','"), (12, "the output comes first"), (19, "no output")]),
    "another assignment": ("O[y] -= A[y,r]", [(6, "'-='")]),
    "two assignments": ("O[y] += A[r] += B[y]", [(14, "a second '+='")]),
    "two statements": ("O[y] = A[y,r]; P[y] = O[y]", [(14, "map each by itself")]),
    "a sum of products": ("O[y] += A[y] + B[r]", [(14, "not one perfect nest")]),
    "a product of sums": ("O[y] += (A[y]+B[r])*D[y]", [(9, "one product"), (14, "not one perfect nest")]),
    "a function": ("O[y] += exp(A[y,r])", [(12, "or functions")]),
    "a constant": ("O[y] += 2 * A[y,r]", [(9, "constant factor 2")]),
    "no star": ("O[y] += A[y] B[r]", [(14, "'*' is missing")]),
    "a star at the end": ("O[y] += A[y,r] *", [(16, "after this '*'")]),
    "a star at the front": ("O[y] += * A[y,r]", [(9, "before this '*'")]),
    "too many factors": ("O[y]=" + "*".join(f"A{n}[y,r]" for n in range(7)), [(54, "7 factors")]),
    "faults of every kind": (
        "O[y] += A[y*r] + B[y/2] * A[-y] * (D",
        [(11, "multiplies"), (16, "adds"), (21, "divides"), (27, "called A"), (30, "backwards"), (35, "'('")],
    ),
}  # fmt: skip


def told(text: str, **given: Any) -> list[str]:
    with pytest.raises(UsageError) as caught:
        einsum(text, **given)
    lines = str(caught.value).split("\n")
    assert all(line.startswith("einsum") for line in lines)
    return lines


@pytest.mark.parametrize("what", FAULTS)
def test_every_fault_of_a_text_is_told_with_its_column(what: str) -> None:
    text, expected = FAULTS[what]
    lines = told(text, y=4, r=3)
    assert len(lines) == len(expected), lines
    for line, (column, said) in zip(lines, expected, strict=True):
        assert line.startswith(f"einsum, column {column}: ")
        assert said in line


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"m": 2, "n": 3}, "column 15: the dimension k has no extent; give it as k=N"),
        ({"m": 2, "n": 3, "K": 4}, "column 15: the dimension k has no extent; did you mean it by K?"),
        ({"m": 2, "n": 3, "k": 4, "q": 1}, "einsum: q has an extent, but the text has no dimension q"),
        ({"m": 0, "n": 3, "k": 4}, "column 3: the extent of m is 0 and must be at least 1"),
        ({"m": -2, "n": 3, "k": 4}, "column 3: the extent of m is -2"),
        ({"m": 2.5, "n": 3, "k": 4}, "column 3: the extent of m is 2.5; it must be a whole number"),
        ({"m": True, "n": 3, "k": 4}, "must be a whole number"),
        ({"m": LARGEST + 1, "n": 3, "k": 4}, "at most 1099511627776 is supported"),
        ({"m": 2**30, "n": 2**30, "k": 4}, "points; at most"),
        ({"m": 2, "n": 3, "k": 4, "dims": {"m": 2}}, "the extent of m is given twice"),
        ({"m": 2, "n": 3, "k": 4, "sizes": {"A": (2,)}}, "column 11: A has 2 subscripts, but the size given has 1"),
        ({"m": 2, "n": 3, "k": 4, "sizes": {"A": (2, 0)}}, "column 11: the size of A along axis 1 is 0"),
        ({"m": 2, "n": 3, "k": 4, "sizes": {"Q": (2,)}}, "the text has no operand Q"),
        ({"m": 2, "n": 3, "k": 4, "sizes": {"C": (2, 2)}}, "'n' of C writes up to index 2, but the size given is 2"),
        ({"m": 2, "n": 3, "k": 4, "sizes": {"A": (2**40, 2**40)}}, "column 11: A has 1208925819614629174706176 el"),
        ({"m": 2, "n": 3, "k": 4, "roles": {"Q": "weight"}}, "the text has no operand Q"),
        ({"m": 2, "n": 3, "k": 4, "roles": {"C": "weight"}}, "C cannot be weight"),
        ({"m": 2, "n": 3, "k": 4, "roles": {"A": "output"}}, "A cannot be output"),
        ({"m": 2, "n": 3, "k": 4, "roles": {"A": "bias"}}, "the roles of factors are input and weight"),
    ],
)
def test_every_fault_of_extents_sizes_and_roles_is_told(given: dict[str, Any], said: str) -> None:
    assert any(said in line for line in told("C[m,n] += A[m,k] * B[k,n]", **given))


def test_faults_of_text_extents_and_roles_are_told_together() -> None:
    lines = told("C[m,n] += A[m*k] * B[k,n]", m=0, q=3, roles={"C": "input"}, sizes={"A": (1, 2)})
    assert [line.split(":")[0].removeprefix("einsum") for line in lines] == [
        ", column 3", ", column 5", ", column 11", ", column 13", ", column 15", "", "",
    ]  # fmt: skip


def test_too_many_dimensions_none_and_too_long_a_text_are_refused() -> None:
    many = [f"d{n}" for n in range(13)]
    text = f"O[{','.join(many)}] = A[d0]"
    assert "13 dimensions" in told(text, dims=dict.fromkeys(many, 2))[0]
    assert "no dimension to loop over" in told("s[] += a[] * b")[0]
    (line,) = told("O[y] = " + " " * MOST_CHARACTERS + "A[y]", y=3)
    assert f"at most {MOST_CHARACTERS}" in line
    assert "cannot be called pass" in told("O[pass] = A[pass]", dims={"pass": 3})[0]


@given(st.text("Oyr[]+=*-/%^(); 0123,.Aβ\n", max_size=40) | st.text(max_size=20))
def test_any_text_is_a_nest_or_told_faults(text: str) -> None:
    try:
        nest = einsum(text, y=3, r=2)
    except UsageError as error:
        assert all(line.startswith("einsum") for line in str(error).split("\n"))
    else:
        assert nest.points > 0
