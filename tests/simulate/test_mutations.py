"""Damaged plans are found out without looking at numbers, or the damage does nothing."""

from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import helper
from tests.simulate.build import claim_of, machine, schedule_of, tiled
from tests.simulate.models import model
from tests.simulate.mutations import KINDS, Mutation, mutate

from tilewright.arch.accelerator import Accelerator
from tilewright.arch.load import load_arch
from tilewright.plan.lower import lower
from tilewright.plan.plan import Plan
from tilewright.simulate.executor import Execution
from tilewright.simulate.reference import reference_outputs
from tilewright.simulate.run import Claim, execute
from tilewright.workload.constants import ConstantStore
from tilewright.workload.network import Network
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite

MUTATIONS = 50  # of each plan
MACHINES = {
    "double": machine(),
    "single": machine(buffering="single", layout="nchw"),
    "roofline": machine(timing="roofline"),
    "simba": load_arch("simba"),
    "mobile-npu": load_arch("mobile-npu"),
    "eyeriss": load_arch("eyeriss"),
}


def whole(seed: int, *shape: int) -> np.ndarray:
    """Small whole numbers: their sums of products are the same in any order."""
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["a"], name="wide", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="depthwise", group=6, pads=[0, 1, 1, 1], strides=[2, 1]),
        helper.make_node("MaxPool", ["b"], ["d"], name="pool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 1]),
        helper.make_node("Concat", ["c", "d"], ["e"], name="concat", axis=1),
        helper.make_node("Add", ["c", "d"], ["f"], name="add"),
        helper.make_node("ReduceSum", ["e", "axes"], ["g"], name="sum", keepdims=0),
        helper.make_node("MatMul", ["g", "w3"], ["h"], name="matmul"),
    ]
    constants = {"w1": whole(1, 6, 4, 3, 3), "b1": whole(2, 6), "w2": whole(3, 6, 1, 2, 3), "w3": whole(4, 12, 5),
                 "axes": np.array([2, 3])}  # fmt: skip
    path = tmp_path_factory.mktemp("mutations") / "model.onnx"
    onnx.save(model(nodes, {"x": (2, 4, 9, 7)}, ["f", "h"], constants), path)
    return load_model(path)


@pytest.fixture(scope="module")
def verdicts(network: Network) -> list[tuple[str, Mutation, bool]]:
    """Every mutation, with its machine and whether it was found out; fails on one that goes unnoticed."""
    found = []
    for number, (name, arch) in enumerate(MACHINES.items()):
        found += [(name, *verdict) for verdict in _on(network, arch, number)]
    return found


def _on(network: Network, arch: Accelerator, seed: int) -> list[tuple[Mutation, bool]]:
    schedule = schedule_of(rewrite(network), arch, tiled(seed, most=40))
    plan, claim = lower(schedule), claim_of(schedule)
    store = ConstantStore(schedule.placed.network, "stored")
    inputs = {"x": whole(5, 2, 4, 9, 7)}
    rng = random.Random(seed)

    def run(mutation: Mutation) -> Execution:
        return execute(mutation.plan, store, inputs, steps=mutation.expand)

    right = run(Mutation("nothing", plan))
    assert not _wrong(right, claim)
    found = []
    for _ in range(MUTATIONS):
        mutation = mutate(plan, rng)
        done = run(mutation)
        noticed = _wrong(done, claim)
        if not noticed:
            for name, value in right.outputs.items():
                assert np.array_equal(done.outputs[name], value), f"{mutation.text}: '{name}' differs unnoticed"
        found.append((mutation, noticed))
    return found


def _wrong(done: Execution, claim: Claim) -> bool:
    counted = (done.cycles, done.traffic, done.accesses)
    return bool(done.hazards) or counted != (claim.cycles, claim.traffic, claim.accesses)


def test_every_mutation_is_found_out_or_changes_nothing(verdicts: list[tuple[str, Mutation, bool]]) -> None:
    assert len(verdicts) >= 200
    assert sum(noticed for *_, noticed in verdicts) >= 150


def test_every_kind_of_mutation_is_found_out_on_every_machine(verdicts: list[tuple[str, Mutation, bool]]) -> None:
    for name in MACHINES:
        texts = [mutation.text for where, mutation, noticed in verdicts if where == name and noticed]
        for sign in ("moved", "left out", "swapped", "shorter", "array part"):
            assert any(sign in text for text in texts), (name, sign)
    assert len(set(KINDS)) == 5


def test_a_plan_is_not_changed_by_its_mutations(network: Network) -> None:
    plan: Plan = lower(schedule_of(network, machine(), tiled(1, most=40)))
    before = repr(plan)
    for seed in range(50):
        mutate(plan, random.Random(seed))
    assert repr(plan) == before


def test_results_of_plans_that_pass_are_what_onnxruntime_computes(network: Network) -> None:
    """The undamaged plans compute the right thing, not only always the same."""
    store = ConstantStore(network, "stored")
    inputs = {"x": whole(5, 2, 4, 9, 7)}
    wanted = reference_outputs(store.reference_model(), inputs, network.outputs)
    for number, arch in enumerate(MACHINES.values()):
        plan = lower(schedule_of(network, arch, tiled(number, most=40)))
        done = execute(plan, store, inputs)
        for name in network.outputs:
            assert np.array_equal(done.outputs[name], wanted[name])
