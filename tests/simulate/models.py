"""ONNX models made in tests, and their execution under random mappings beside onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.simulate.build import Mapper, claim_of, machine, schedule_of, tiled

from tilewright.arch.accelerator import Accelerator
from tilewright.plan.lower import lower
from tilewright.schedule.schedule import Schedule
from tilewright.simulate.inputs import seeded_inputs
from tilewright.simulate.run import OutputError, simulate
from tilewright.workload.constants import ConstantStore
from tilewright.workload.onnx_import import load_model
from tilewright.workload.rewrite import rewrite

Shape = Sequence[int]


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Shape],
    outputs: Sequence[str],
    constants: dict[str, np.ndarray] | None = None,
    *,
    opset: int = 17,
    dtype: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A checked model; shapes of outputs are inferred."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, dtype, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made, strict_mode=True)


def one_node(
    op_type: str, shapes: Sequence[Shape], constants: Sequence[np.ndarray | None] = (), *, opset: int = 17, **attrs: Any
) -> onnx.ModelProto:
    """A model of one node: inputs of these shapes, then constants (None: an input left out)."""
    names = [f"x{k}" for k in range(len(shapes))]
    extra = {f"c{k}": value for k, value in enumerate(constants) if value is not None}
    rest = [f"c{k}" if value is not None else "" for k, value in enumerate(constants)]
    node = helper.make_node(op_type, [*names, *rest], ["y"], name=op_type.lower(), **attrs)
    return model([node], dict(zip(names, shapes, strict=True)), ["y"], extra, opset=opset)


def normal(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    """Normally distributed float32 values."""
    return (np.random.default_rng(seed).standard_normal(shape) * scale).astype(np.float32)


def run(
    made: onnx.ModelProto, folder: Path, *, mapper: Mapper | None = None, arch: Accelerator | None = None, seed: int = 0
) -> tuple[OutputError, ...]:
    """Execute a model under a mapping, rewritten if the seed is odd, as ``check`` does."""
    path = folder / "model.onnx"
    onnx.save(made, path)
    network = load_model(path)
    network = rewrite(network) if seed % 2 else network
    return check(schedule_of(network, arch or machine(), mapper or tiled(seed)), seed)


def check(schedule: Schedule, seed: int = 0) -> tuple[OutputError, ...]:
    """Execute a schedule; fails on any hazard and on any difference of bytes, cycles or accesses from its claim."""
    network = schedule.placed.network
    store = ConstantStore(schedule.placed.network, "stored")
    done = simulate(lower(schedule), store, seeded_inputs(network, seed), claim_of(schedule))
    assert not done.hazards, str(done.hazards[0])
    assert [t for t in done.tensors if t.predicted != t.executed] == []
    assert done.cycles_executed == done.cycles_predicted
    assert [m for m in done.memories if m.predicted != m.executed] == []
    assert done.outputs_compared == len(network.outputs)
    return done.outputs
