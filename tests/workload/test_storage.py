"""Storage: every tensor is found where its storage says, with only the operators run that are no views."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workload.build import Builder
from tests.workload.evaluate import apply, evaluate

from tilewright.workload.network import Network
from tilewright.workload.storage import PlacedNetwork, Storage, executed_parts, place

LAYOUTS = ("nhwc", "nchw")


def addresses(storage: Storage, shape: tuple[int, ...]) -> np.ndarray:
    """The address of every element of a tensor, in its own shape."""
    found = np.full(shape, storage.offset)
    for axis, stride in enumerate(storage.strides):
        along = [1] * len(shape)
        along[axis] = shape[axis]
        found = found + stride * np.arange(shape[axis]).reshape(along)
    return found


def run_in_memory(
    placed: PlacedNetwork, inputs: Mapping[str, np.ndarray], constants: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Execute on one array per base, writing only what runs; returns every tensor as found at the end."""
    network = placed.network
    values = evaluate(network, inputs, constants)
    memory = {base: np.full(size, np.nan) for base, size in placed.bases}

    def look(name: str) -> np.ndarray:
        if name not in placed.of:
            return values[name]  # a weight or a parameter
        storage = placed.of[name]
        return memory[storage.base][addresses(storage, network.shape(name))]

    def write(name: str, value: np.ndarray, region: tuple[slice, ...] = ()) -> None:
        storage = placed.of[name]
        memory[storage.base][addresses(storage, network.shape(name))[region]] = value

    for name in placed.of:
        if name not in network.producer:
            write(name, values[name])
    for operator in network.operators:
        parts = executed_parts(placed, operator)
        if operator.kind == "Concat":
            for part in parts:
                (along,) = [axis for axis in part.nest.output.axes if axis.tensor_axis == operator["axis"]]
                extent = network.shape(part.tensor("input"))[operator["axis"]]
                region = [slice(None)] * len(network.shape(operator.output))
                region[operator["axis"]] = slice(along.offset, along.offset + extent)
                write(operator.output, look(part.tensor("input")), tuple(region))
        elif parts:
            write(operator.output, apply(operator, {name: look(name) for name in operator.reads}, network))
    return {name: look(name) for name in placed.of}


def check(network: Network, builder: Builder, layout: str) -> PlacedNetwork:
    placed = place(network, layout)
    inputs = {
        name: 1 + np.arange(prod(network.shape(name))).reshape(network.shape(name)) + 1000 * i
        for i, name in enumerate(network.inputs)
    }
    expected = evaluate(placed.network, inputs, builder.constants)
    found = run_in_memory(placed, inputs, builder.constants)
    assert set(found) >= {*network.inputs, *(operator.output for operator in placed.network.operators)}
    for name, value in found.items():
        assert np.array_equal(value, expected[name]), name
    original = evaluate(network, inputs, builder.constants)
    for name in network.outputs:
        np.testing.assert_allclose(expected[name], original[name], rtol=1e-9)
    owners = [placed.of[name].base for name in network.outputs]
    assert len(set(owners)) == len(owners), "two outputs share storage"
    sizes = dict(placed.bases)
    for name in network.outputs:
        storage = placed.of[name]
        assert storage.base not in network.inputs
        assert storage.base not in builder.constants
        assert sorted(addresses(storage, network.shape(name)).ravel()) == list(range(sizes[storage.base]))
    for base, size in placed.bases:
        assert sorted(addresses(placed.of[base], placed.network.shape(base)).ravel()) == list(range(size))
    return placed


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Builder, tuple[str, ...]]:
    """Small graphs of moves and of elementwise operators that make new numbers."""
    builder = Builder()
    for _ in range(draw(st.integers(1, 2))):
        builder.input(*draw(st.sampled_from([(1, 4, 2, 3), (2, 2, 3, 2), (2, 6), (1, 4, 6)])))
    if draw(st.booleans()):
        builder.constant((1, 4, 2, 3))
    names = [*builder.inputs, *builder.constants]
    for step in range(draw(st.integers(1, 9))):
        x = draw(st.sampled_from(names))
        shape = builder.tensors[x].shape
        kind = draw(st.sampled_from(["new", "new", "slice", "concat", "concat", "reshape", "transpose", "identity"]))
        if kind == "new":
            names.append(builder.elementwise("Add", x, 10_000.0 * (step + 1)))
        elif kind == "slice":
            starts = tuple(draw(st.integers(0, size - 1)) for size in shape)
            steps = tuple(draw(st.integers(1, 2)) for _ in shape)
            sizes = tuple(
                draw(st.integers(1, (size - start + step - 1) // step))
                for size, start, step in zip(shape, starts, steps, strict=True)
            )
            names.append(builder.op("Slice", x, shape=sizes, starts=starts, steps=steps))
        elif kind == "concat":
            axis = draw(st.integers(0, len(shape) - 1))
            fitting = [
                name
                for name in names
                if len(builder.tensors[name].shape) == len(shape)
                and all(
                    i == axis or a == b for i, (a, b) in enumerate(zip(builder.tensors[name].shape, shape, strict=True))
                )
            ]
            others = draw(st.lists(st.sampled_from(fitting), min_size=1, max_size=3))
            names.append(builder.op("Concat", x, *others, axis=axis))
        elif kind == "reshape":
            merged = draw(st.sampled_from(reshapes(shape)))
            names.append(builder.op("Reshape", x, shape=merged))
        elif kind == "transpose":
            perm = tuple(draw(st.permutations(range(len(shape)))))
            names.append(builder.op("Transpose", x, perm=perm))
        else:
            names.append(builder.op("Identity", x))
    produced = [operator.output for operator in builder.operators]
    outputs = draw(st.lists(st.sampled_from(produced), min_size=1, max_size=3, unique=True))
    return builder, tuple(outputs)


def reshapes(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Shapes that merge two neighbouring axes, split one, add or drop one of extent 1, or cut through all of them."""
    found = [(1, *shape), (*shape, 1), (prod(shape),), shape[::-1]]
    for axis, size in enumerate(shape):
        if axis + 1 < len(shape):
            found.append((*shape[:axis], size * shape[axis + 1], *shape[axis + 2 :]))
        found += [(*shape[:axis], d, size // d, *shape[axis + 1 :]) for d in (2, 3) if size % d == 0 and size > d]
        if size == 1 and len(shape) > 1:
            found.append((*shape[:axis], *shape[axis + 1 :]))
    return [candidate for candidate in found if len(candidate) <= 5]


@settings(max_examples=150)
@given(graphs(), st.sampled_from(LAYOUTS))
def test_every_tensor_of_a_random_graph_is_found_where_its_storage_says(graph, layout):
    builder, outputs = graph
    check(builder.network(*outputs), builder, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_concatenation_of_fresh_tensors_is_written_in_place(layout):
    b = Builder()
    x = b.input(1, 4, 2, 3)
    left, right = b.elementwise("Add", x, 100.0), b.elementwise("Add", x, 200.0)
    both = b.op("Concat", left, right, axis=1)
    b.elementwise("Add", both, 1.0)
    placed = check(b.network(), b, layout)
    assert placed.of[left].base == placed.of[right].base == both
    assert placed.views == {"concat2"}
    assert placed.copied_inputs == ()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nested_concatenations_end_up_in_the_outermost(layout):
    b = Builder()
    x = b.input(1, 4, 2, 3)
    fresh = [b.elementwise("Add", x, 100.0 * i) for i in range(3)]
    inner = b.op("Concat", fresh[0], fresh[1], axis=1)
    outer = b.op("Concat", inner, fresh[2], axis=1)
    placed = check(b.network(outer), b, layout)
    assert {placed.of[name].base for name in (*fresh, inner, outer)} == {outer}
    assert dict(placed.bases).keys() == {x, outer}


def test_what_cannot_be_written_in_place_is_copied_alone():
    b = Builder()
    x = b.input(1, 4, 2, 3)
    fresh, kept = b.elementwise("Add", x, 100.0), b.elementwise("Add", x, 200.0)
    half = b.op("Slice", kept, shape=(1, 2, 2, 3), starts=(0, 2, 0, 0), steps=(1, 1, 1, 1))
    both = b.op("Concat", x, fresh, half, kept, axis=1)
    network = b.network(both, kept)
    placed = check(network, b, "nhwc")
    assert placed.copied_inputs == (("concat3", (0, 2, 3)),)  # an input, a slice and an output of the network
    assert [part.label for part in executed_parts(placed, network.operators[3])] == ["input 0", "input 2", "input 3"]


def test_a_tensor_in_two_concatenations_is_written_into_the_first():
    b = Builder()
    x = b.input(1, 4)
    fresh = b.elementwise("Add", x, 100.0)
    first = b.op("Concat", fresh, b.elementwise("Add", x, 200.0), axis=1)
    second = b.op("Concat", fresh, b.elementwise("Add", x, 300.0), axis=1)
    placed = check(b.network(first, second), b, "nhwc")
    assert placed.of[fresh].base == first
    assert dict(placed.copied_inputs) == {"concat4": (0,)}


def test_a_tensor_goes_into_the_first_concatenation_even_if_a_later_one_reads_it_reshaped():
    b = Builder()
    x = b.input(1, 4)
    fresh = b.elementwise("Add", x, 100.0)
    first = b.op("Concat", fresh, b.elementwise("Add", x, 200.0), axis=1)
    turned = b.op("Reshape", fresh, shape=(4, 1))
    second = b.op("Concat", turned, b.op("Reshape", x, shape=(4, 1)), axis=1)
    placed = check(b.network(first, second), b, "nhwc")
    assert placed.of[fresh].base == first
    assert dict(placed.copied_inputs) == {"concat5": (0, 1)}


def test_a_tensor_twice_in_one_concatenation_is_copied():
    b = Builder()
    fresh = b.elementwise("Add", b.input(1, 4), 100.0)
    b.op("Concat", fresh, fresh, axis=1)
    assert check(b.network(), b, "nhwc").copied_inputs == (("concat1", (0, 1)),)


def test_a_producer_writes_in_place_through_a_reshape():
    b = Builder()
    x = b.input(1, 4, 6)
    fresh = b.elementwise("Add", x, 100.0)
    flat = b.op("Reshape", fresh, shape=(1, 24))
    both = b.op("Concat", flat, b.elementwise("Add", b.op("Reshape", x, shape=(1, 24)), 1.0), axis=1)
    placed = check(b.network(both), b, "nhwc")
    assert placed.of[fresh].base == both
    assert placed.copied_inputs == ()


def test_a_reshape_that_is_copied_anyway_is_copied_into_its_concatenation():
    b = Builder()
    x = b.elementwise("Add", b.input(1, 4, 2, 3), 5.0)
    flat = b.op("Reshape", x, shape=(1, 24))  # an output of the network has its channels innermost: no view
    both = b.op("Concat", flat, b.elementwise("Add", b.input(1, 24), 1.0), axis=1)
    placed = check(b.network(both, x), b, "nhwc")
    assert placed.of[flat].base == both
    assert "reshape1" not in placed.views
    assert "concat3" in placed.views


def test_feature_maps_have_their_channels_innermost_in_nhwc_only():
    b = Builder()
    x = b.input(1, 4, 2, 3)
    network = b.network(b.elementwise("Add", x, 1.0))
    assert place(network, "nhwc").of[x].strides == (24, 1, 12, 4)
    assert place(network, "nchw").of[x].strides == (24, 6, 3, 1)


def test_weights_and_parameters_have_no_storage_but_constant_operands_do():
    b = Builder()
    y = b.conv(b.input(1, 4, 2, 3), 4)
    c = b.constant((1, 4, 2, 3))
    b.elementwise("Add", y, c)
    placed = place(b.network(), "nhwc")
    assert set(placed.of) == {"in0", "t0", c, "t1"}


def test_an_output_that_reshapes_an_internal_tensor_shares_its_storage():
    b = Builder()
    inner = b.elementwise("Add", b.input(1, 4, 1, 1), 1.0)
    flat = b.op("Reshape", inner, shape=(1, 4))
    placed = check(b.network(flat), b, "nhwc")
    assert placed.of[flat].base == inner
    assert placed.views == {"reshape1"}


@pytest.mark.parametrize("kind", ["input", "output", "constant"])
def test_an_output_that_reshapes_what_must_keep_its_own_storage_is_copied(kind):
    b = Builder()
    x = b.input(1, 4)
    y = b.elementwise("Add", x, 1.0)
    source = {"input": x, "output": y, "constant": b.constant((1, 4))}[kind]
    flat = b.op("Reshape", source, shape=(4,))
    placed = check(b.network(y, flat), b, "nhwc")
    assert placed.of[flat].base == flat
    assert placed.views == frozenset()


def test_a_transposition_of_extents_of_one_is_a_view_and_any_other_is_copied():
    b = Builder()
    x = b.elementwise("Add", b.input(1, 1, 2, 3), 1.0)
    free = b.op("Transpose", x, perm=(1, 0, 2, 3))
    moved = b.op("Transpose", x, perm=(0, 1, 3, 2))
    placed = check(b.network(b.elementwise("Add", free, 1.0), b.elementwise("Add", moved, 1.0)), b, "nhwc")
    assert placed.views == {"transpose1"}


@pytest.mark.parametrize("trans_b", [False, True])
@pytest.mark.parametrize("readers", [1, 2])
def test_a_flatten_before_constant_products_permutes_their_weights(trans_b, readers):
    b = Builder()
    x = b.elementwise("Add", b.input(2, 4, 2, 3), 1.0)
    flat = b.op("Reshape", x, shape=(2, 24))
    outs = [b.matmul(flat, 5, trans_b=trans_b) for _ in range(readers)]
    network = b.network(*outs)
    placed = check(network, b, "nhwc")
    assert {operator.kind for operator in placed.network.operators if operator.name in placed.views} == {
        "Transpose",
        "Reshape",
    }
    assert [derived.function for derived in placed.network.derived] == ["permute_rows"] * readers
    plain = check(network, b, "nchw")
    assert plain.network == network
    assert plain.views == {"reshape1"}


@pytest.mark.parametrize("reader", ["relu", "network output", "transposed product", "second factor"])
def test_a_flatten_that_something_else_reads_is_copied_in_its_own_order(reader):
    b = Builder()
    x = b.elementwise("Add", b.input(2, 4, 2, 3), 1.0)
    flat = b.op("Reshape", x, shape=(2, 24))
    outs = [b.matmul(flat, 5)]
    if reader == "relu":
        outs.append(b.elementwise("Relu", flat))
    elif reader == "network output":
        outs.append(flat)
    elif reader == "transposed product":
        outs.append(b.op("MatMul", flat, b.constant((2, 3)), shape=(24, 3), trans_a=True, trans_b=False))
    else:
        outs.append(b.op("MatMul", b.constant((3, 2)), flat, shape=(3, 24), trans_a=False, trans_b=False))
    network = b.network(*outs)
    placed = check(network, b, "nhwc")
    assert placed.network == network
    assert placed.views == frozenset()


def test_a_reshape_that_cuts_through_axes_is_copied_by_way_of_a_row():
    b = Builder()
    x = b.elementwise("Add", b.input(1, 4, 2, 3), 1.0)
    b.elementwise("Relu", b.op("Reshape", x, shape=(3, 8)))
    placed = check(b.network(), b, "nhwc")
    assert [operator.name for operator in placed.network.operators if executed_parts(placed, operator)] == [
        "elementwise0",
        "reshape1:row",
        "elementwise2",
    ]
    assert check(b.network(), b, "nchw").network == b.network()


def test_placing_twice_gives_the_same():
    b = Builder()
    x = b.input(1, 4, 2, 3)
    b.op("Concat", b.elementwise("Add", x, 1.0), b.op("Identity", x), axis=1)
    assert place(b.network(), "nhwc") == place(b.network(), "nhwc")
