"""The published accounting of a two-level machine, and energies found on it by another optimal mapper."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths
from tilewright.arch.load import load_arch
from tilewright.mapping.nests import conv2d, default_problem, gemm
from tilewright.mapping.search import NestResult, map_nest
from tilewright.workload.nest import LoopNest

ALL = ("input", "weight", "output")


@pytest.fixture
def reference(shared: Path) -> dict[str, Any]:
    path = shared / "reference" / "flat-machine.json"
    if not path.is_file():
        pytest.skip("there is no reference for a flat machine")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def flat(numbers: dict[str, Any]) -> Accelerator:
    def memory(name: str, size: int | None, **more: Any) -> Memory:
        own = numbers["dram" if size is None else "glb"]
        rate = Fraction(own["bytes_per_cycle"])
        return Memory(
            name,
            size,
            ALL,
            read_bandwidth=rate,
            write_bandwidth=rate,
            read_pj=float(own["read"]),  # whole numbers would have every kernel compiled anew
            write_pj=float(own["write"]),
            **more,
        )

    mac = numbers["mac"]
    return Accelerator(
        "flat",
        Fraction(10**9),
        (memory("dram", None), memory("glb", numbers["glb"]["size_bytes"], scratchpad=True)),
        Array((("mac", mac["per_cycle"]),), mac_pj=float(mac["energy"])),
        VectorUnit(256, 1.0),
        Widths(8, 8, 8, 8),
        timing="roofline",
    )


def nest_of(layer: dict[str, Any]) -> LoopNest:
    return gemm(**layer["gemm"]) if "gemm" in layer else conv2d(**layer["conv"])


def accounted(result: NestResult, nest: LoopNest) -> float:
    """E = 100 * DRAM bytes + 2 * (4 * MACs + I + W + 2 * read-backs) + MACs."""
    moved: dict[str, int] = {}
    for entry in result.cost.traffic:
        moved[entry.cause] = moved.get(entry.cause, 0) + entry.bytes
    back = moved.get("readback", 0)
    assert moved.get("spill", 0) == back
    on_chip = 4 * nest.points + moved["load"] + moved["weight"] + 2 * back
    return 100.0 * result.cost.dram_bytes + 2 * on_chip + nest.points


@pytest.mark.parametrize("name", ["gemm_512", "conv1x1", "conv3x3", "conv3x3s2"])
def test_energies_follow_the_published_accounting_and_are_no_worse(reference: dict[str, Any], name: str) -> None:
    layer = next(layer for layer in reference["layers"] if layer["name"] == name)
    nest = nest_of(layer)
    result = map_nest(default_problem(nest, flat(reference["machine"]), "nhwc"), "energy")
    assert result.cost.energy_pj == accounted(result, nest)
    known = [layer["energy"], layer.get("with_ragged_tiles"), layer.get("better_exists")]
    assert result.cost.energy_pj <= min(energy for energy in known if energy is not None)


def test_least_latency_of_the_published_layers_is_that_of_transfers_or_of_the_array(reference: dict[str, Any]) -> None:
    for layer in reference["layers"]:
        nest = nest_of(layer)
        cost = map_nest(default_problem(nest, flat(reference["machine"]), "nhwc"), "latency").cost
        assert cost.cycles == max(cost.compute_cycles, cost.dma_cycles)


def test_the_array_is_used_where_rows_and_columns_are_cut_differently() -> None:
    flat = load_arch("flat-64k")
    pad = replace(flat.scratchpad, size_bytes=16 * 1024)
    nest = conv2d(K=128, C=128, Y=28, X=28, R=3, S=3, pad=1)
    problem = default_problem(nest, replace(flat, memories=(flat.dram, pad)), flat.layout)
    found = map_nest(problem, "traffic")
    assert found.status == "optimal"
    assert found.cost.cycles < nest.points / 100
