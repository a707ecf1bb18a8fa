"""Laws of rewrites that need no numbers: they end, keep the graph well-formed, and are checked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workload.build import Builder
from tests.workload.evaluate import evaluate

from tilewright.workload import zoo
from tilewright.workload.network import Network, Tensor
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import STAGES, checked, rewrite
from tilewright.workload.rewrite.verify import structural_faults

PASSES = [run for stage in STAGES for run in stage]


@st.composite
def networks(draw: st.DrawFn) -> tuple[Builder, Network]:
    """Feature maps of one shape through operators that the rewrites look for, with branches and several outputs."""
    b = Builder(draw(st.integers(0, 99)))
    names = [b.input(1, 3, 4, 4)]
    for _ in range(draw(st.integers(1, 10))):
        x = names[-1] if draw(st.booleans()) else draw(st.sampled_from(names))
        what = draw(st.sampled_from([
            "conv", "conv", "bn", "in", "scale", "shift", "number", "relu", "sigmoid", "gate", "add", "identity",
            "hardswish", "reshape", "prelu",
        ]))  # fmt: skip
        if what == "conv":
            names.append(b.conv(x, 3, 3, bias=draw(st.booleans()), pad=1))
        elif what == "bn":
            names.append(b.batch_norm(x))
        elif what == "in":
            names.append(b.instance_norm(x))
        elif what == "scale":
            names.append(b.elementwise(draw(st.sampled_from(["Mul", "Div"])), x, b.constant((3, 1, 1), positive=True)))
        elif what == "shift":
            operands = [x, b.constant((1, 3, 1, 1))]
            names.append(b.elementwise(draw(st.sampled_from(["Add", "Sub"])), *draw(st.permutations(operands))))
        elif what == "number":
            operands = [x, draw(st.sampled_from([0.5, 2.0, 3.0]))]
            names.append(b.elementwise(draw(st.sampled_from(["Mul", "Add", "Sub"])), *draw(st.permutations(operands))))
        elif what == "relu":
            names.append(b.elementwise("Relu", x))
        elif what == "sigmoid":
            names.append(b.elementwise("Sigmoid", x))
        elif what == "gate":
            names.append(b.elementwise("Mul", x, b.elementwise("Sigmoid", x)))
        elif what == "add":
            names.append(b.elementwise("Add", x, draw(st.sampled_from(names))))
        elif what == "identity":
            names.append(b.op("Identity", x))
        elif what == "hardswish":
            gate = b.elementwise("Clip", b.elementwise("Add", x, 3.0), arguments=(0.0, 6.0))
            names.append(b.elementwise("Div", b.elementwise("Mul", x, gate), 6.0))
        elif what == "reshape":
            names.append(b.op("Reshape", b.op("Reshape", x, shape=(1, 3, 16)), shape=(1, 3, 4, 4)))
        else:
            names.append(b.elementwise("PRelu", x, b.constant((3, 1, 1))))
    produced = [operator.output for operator in b.operators]
    outputs = draw(st.lists(st.sampled_from(produced), min_size=1, max_size=2, unique=True))
    return b, b.network(*outputs)


@settings(max_examples=120)
@given(networks())
def test_a_random_network_computes_the_same_after_all_rewrites(drawn):
    b, network = drawn
    after = rewrite(network)
    inputs = b.feed()
    expected, found = (evaluate(each, inputs, b.constants) for each in (network, after))
    for name in network.outputs:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4 * np.abs(expected[name]).max())
    assert len(after.operators) <= len(network.operators)
    assert rewrite(after) == after


@pytest.mark.parametrize("run", PASSES, ids=lambda run: run.__name__)
@pytest.mark.parametrize("name", zoo.shipped())
def test_every_pass_alone_keeps_a_shipped_network_well_formed(run, name):
    network = load_model(name)
    after = checked(run, network)
    assert after.outputs == network.outputs
    assert [after.shape(name) for name in after.outputs] == [network.shape(name) for name in network.outputs]


@pytest.mark.parametrize("name", zoo.shipped())
def test_no_normalisation_and_no_lone_activation_is_left_in_a_shipped_network(name):
    network = rewrite(load_model(name))
    lone = {operator["function"] for operator in network.operators if operator.kind == "Elementwise"}
    assert "BatchNormalization" not in {operator.kind for operator in network.operators}
    assert lone <= {"Add", "Mul"}


def test_a_pass_that_breaks_the_graph_is_found_out():
    b = Builder()
    b.elementwise("Relu", b.input(4))

    def forgets_the_operator(network: Network) -> Network:
        return replace(network, operators=())

    with pytest.raises(RuntimeError, match="forgets_the_operator broke network test: nothing writes the output t0"):
        checked(forgets_the_operator, b.network())


def test_every_structural_fault_is_reported():
    b = Builder()
    x = b.input(4)
    first = b.elementwise("Relu", x)
    b.elementwise("Tanh", first)
    network = b.network()
    relu, tanh = network.operators
    assert structural_faults(network) == ()
    swapped = replace(network, operators=(tanh, relu))
    assert structural_faults(swapped) == ("elementwise1 reads t0 before anything writes it",)
    lost = replace(network, tensors=tuple(t for t in network.tensors if t.name != first))
    assert structural_faults(lost) == (
        "elementwise0 writes t0, which is in no table of tensors",
        "elementwise1 reads t0, which is in no table of tensors",
    )
    frozen = tuple(Tensor(t.name, t.shape, constant=t.name == first) for t in network.tensors)
    assert structural_faults(replace(network, tensors=frozen)) == ("elementwise0 writes the constant t0",)


def test_derivations_that_nobody_needs_are_dropped():
    b = Builder()
    y = b.conv(b.input(1, 3, 4, 4), 3)
    b.elementwise("Mul", b.batch_norm(y), b.constant((3, 1, 1)))
    network = rewrite(b.network())
    known = {tensor.name for tensor in network.tensors}
    needed = {name for derived in network.derived for name in derived.inputs} | known
    assert all(derived.tensor in needed for derived in network.derived)
    assert sorted(derived.function for derived in network.derived) == [
        "bn_bias",
        "bn_weight",
        "scaled_vector",
        "scaled_weight",
    ]
