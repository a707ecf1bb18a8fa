"""Inputs, the comparison with a reference, and what an execution reports besides."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.simulate.build import claim_of, flat, machine, schedule_of, tiled
from tests.simulate.models import model, normal, one_node, run

from tilewright.arch.accelerator import Widths
from tilewright.errors import InputError
from tilewright.plan.lower import lower
from tilewright.simulate import blas
from tilewright.simulate.inputs import read_inputs, seeded_inputs
from tilewright.simulate.run import execute, output_error, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model


@pytest.fixture
def network(tmp_path: Path) -> Network:
    made = model(
        [helper.make_node("Add", ["a", "b"], ["y"], name="add"), helper.make_node("Relu", ["y"], ["z"], name="relu")],
        {"a": (2, 3, 4, 5), "b": (1, 3, 1, 5)}, ["y", "z"],
    )  # fmt: skip
    onnx.save(made, tmp_path / "model.onnx")
    return load_model(tmp_path / "model.onnx")


def test_seeded_inputs_depend_on_seed_and_name_alone(network: Network) -> None:
    first, again, other = seeded_inputs(network, 1), seeded_inputs(network, 1), seeded_inputs(network, 2)
    assert all(np.array_equal(first[name], again[name]) for name in network.inputs)
    assert not np.array_equal(first["a"], other["a"])
    assert {name: (value.shape, value.dtype) for name, value in first.items()} == {
        "a": ((2, 3, 4, 5), np.dtype(np.float32)), "b": ((1, 3, 1, 5), np.dtype(np.float32)),
    }  # fmt: skip
    swapped = seeded_inputs(replace(network, inputs=("b", "a")), 1)
    assert np.array_equal(first["a"], swapped["a"])


def test_inputs_are_read_from_a_file_by_name(network: Network, tmp_path: Path) -> None:
    wanted = seeded_inputs(network, 5)
    np.savez(tmp_path / "inputs.npz", **wanted)
    found = read_inputs(tmp_path / "inputs.npz", network)
    assert found.keys() == wanted.keys()
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_everything_wrong_with_an_input_file_is_said_at_once(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, a=np.zeros((2, 3, 4)), c=np.zeros(1))
    with pytest.raises(InputError) as caught:
        read_inputs(path, network)
    assert caught.value.problems == (
        f"{path}: input 'b' is missing",
        f"{path}: input 'a' has shape (2, 3, 4), the network needs (2, 3, 4, 5)",
        f"{path}: input 'a' has type float64, the network needs float32",
        f"{path}: 'c' is no input of the network (inputs: a, b)",
    )


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_a_file_that_is_no_archive_of_arrays_is_one_clear_error(
    network: Network, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "inputs.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"inputs\.npz: .*"):
        read_inputs(path, network)


def test_objects_are_not_unpickled(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "inputs.npz"
    np.savez(path, a=np.array([{"key": 1}], dtype=object))
    with pytest.raises(InputError, match=r"is not an \.npz file of plain arrays"):
        read_inputs(path, network)


def test_a_single_array_and_a_missing_file_are_clear_errors(network: Network, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match="one array without a name"):
        read_inputs(tmp_path / "one.npy", network)
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_inputs(tmp_path / "none.npz", network)


def test_an_error_is_relative_to_the_largest_value_of_the_reference() -> None:
    wanted = np.array([4.0, 2.0], np.float32)
    assert output_error("y", wanted + np.array([0.0, 0.4], np.float32), wanted).relative == pytest.approx(0.1)
    assert output_error("y", np.zeros(3), wanted).relative == float("inf")
    assert output_error("y", np.array([np.nan, 2.0]), wanted).relative == float("inf")
    assert output_error("y", np.full(2, 1e-3), np.zeros(2, np.float32)).relative == pytest.approx(1e-3)
    infinite = np.array([np.inf, 1.0], np.float32)
    assert output_error("y", infinite, infinite).relative == 0


def test_whole_numbers_must_agree_exactly() -> None:
    wanted = np.array([10_000_000, 1])
    assert output_error("y", wanted.astype(np.float64), wanted).agrees
    assert not output_error("y", wanted + np.array([0, 1]), wanted).agrees


def test_networks_of_whole_numbers_run_exactly(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["p"], name="product"),
        helper.make_node("Div", ["p", "d"], ["q"], name="divide"),
        helper.make_node("ReduceSum", ["q", "axes"], ["y"], name="sum"),
    ]
    rng = np.random.default_rng(3)
    constants = {"w": rng.integers(-900, 900, (7, 5)).astype(np.int32), "d": np.array([7], np.int32),
                 "axes": np.array([1])}  # fmt: skip
    made = model(nodes, {"x": (6, 7)}, ["q", "y"], constants, dtype=onnx.TensorProto.INT32)
    for seed in range(8):
        assert all(error.relative == 0 for error in run(made, tmp_path, seed=seed))


def test_widths_below_a_byte_are_counted_and_addressed_in_bits(tmp_path: Path) -> None:
    made = one_node("Conv", [(1, 4, 6, 6)], [normal(1, 6, 4, 3, 3), normal(2, 6)], pads=[1, 1, 1, 1])
    for seed in range(8):
        errors = run(made, tmp_path, arch=machine(widths=Widths(4, 4, 4, 12)), seed=seed)
        assert all(error.agrees for error in errors)


def test_several_outputs_and_an_input_that_is_read_twice_are_compared(network: Network) -> None:
    schedule = schedule_of(network, machine(), tiled(3))
    done = simulate(lower(schedule), ConstantStore(network), seeded_inputs(network), claim_of(schedule))
    assert done.matched
    assert [output.tensor for output in done.outputs] == ["y", "z"]
    assert done.outputs_compared == 2


def test_cycles_of_the_engines_are_reported(network: Network) -> None:
    schedule = schedule_of(network, machine(buffering="single"), flat)
    done = execute(lower(schedule), ConstantStore(network), seeded_inputs(network))
    engines = dict(done.engine_cycles)
    assert engines["array"] == 0
    assert engines["dma"] + engines["vector"] == done.cycles


def test_progress_is_told_before_each_program(network: Network) -> None:
    told: list[tuple[int, int, str]] = []
    plan = lower(schedule_of(network, machine(), flat))
    execute(plan, ConstantStore(network), seeded_inputs(network), progress=lambda *news: told.append(news))
    assert told == [(0, 2, "add"), (1, 2, "relu")]


def test_an_interrupt_leaves_at_once(network: Network) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    plan = lower(schedule_of(network, machine(), flat))
    with pytest.raises(KeyboardInterrupt):
        execute(plan, ConstantStore(network), seeded_inputs(network), progress=stop)


def test_products_run_on_one_thread_and_give_the_others_back() -> None:
    functions = blas._openblas()
    if functions is None:
        pytest.skip("numpy does not bring its own OpenBLAS here")
    before = functions[0]()
    inside = []
    with contextlib.suppress(KeyboardInterrupt), blas.one_thread():
        inside.append(functions[0]())
        raise KeyboardInterrupt
    assert inside == [1]
    assert functions[0]() == before
