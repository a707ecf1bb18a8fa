"""Layer by layer: every operator is there, costs add up, bounds hold, and what cannot be done is said."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from tilewright.arch.accelerator import Widths
from tilewright.arch.load import load_arch
from tilewright.errors import InfeasibleError, InputError, UsageError
from tilewright.mapping.problem import OBJECTIVES
from tilewright.mapping.search import map_nest
from tilewright.schedule.run import schedule
from tilewright.schedule.schedule import Schedule
from tilewright.workload.onnx_import import load_model
from tilewright.workload.storage import executed_parts

FEW = "relu_1.tmp_0"  # two convolutions, a depthwise one, and what is between them


layerwise = partial(schedule, strategy="layerwise")


@pytest.fixture(scope="module")
def found() -> Schedule:
    return layerwise(load_model("ocr_classifier"), load_arch("mobile-npu"), timeout=5.0)  # sums hold however good it is


def test_every_executed_operator_is_one_group_in_the_order_of_the_network(found: Schedule) -> None:
    executed = [op.name for op in found.placed.network.operators if executed_parts(found.placed, op)]
    assert [group.operators for group in found.groups] == [(name,) for name in executed]


def test_nothing_costs_zero(found: Schedule) -> None:
    assert all(group.cycles > 0 and group.energy_pj > 0 and group.dram_bytes > 0 for group in found.groups)


def test_totals_are_sums_over_groups_and_over_tensors(found: Schedule) -> None:
    assert found.cycles == sum(group.cycles for group in found.groups)
    assert found.dram_bytes.total == sum(group.dram_bytes for group in found.groups)
    assert found.dram_bytes.total == sum(moved for _, _, moved in found.traffic)
    assert found.dram_bytes.total == found.dram_bytes.feature_maps + found.dram_bytes.weights
    assert found.dram_bytes.total == sum(found.bytes_by_cause.values())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_schedule_is_below_its_bound_nor_the_bound_below_the_floor(objective: str) -> None:
    found = layerwise(load_model("ocr_classifier"), load_arch("mobile-npu"), objective, timeout=1.0)
    assert found.value >= found.bound >= found.floor > 0
    assert found.gap >= 0


def test_every_feature_map_is_written_once_and_no_less_than_once_read(found: Schedule) -> None:
    moved = {(tensor, cause): size for tensor, cause, size in found.traffic}
    for group in found.groups:
        operator = found.placed.network.producer[
            next(op.output for op in found.placed.network.operators if op.name == group.operators[0])
        ]
        assert moved[operator.output, "store"] == found.placed.network.by_name[operator.output].elements


def test_a_network_needs_one_width_of_feature_maps() -> None:
    arch = replace(load_arch("mobile-npu"), widths=Widths(input=8, weight=8, output=16, accumulator=32))
    with pytest.raises(InputError, match=r"widths\.input is 8 and widths\.output 16 bits: make them equal"):
        layerwise(load_model("ocr_classifier"), arch)


def test_unknown_objectives_and_strategies_are_answered_with_those_there_are() -> None:
    network, arch = load_model("ocr_classifier"), load_arch("tiny")
    with pytest.raises(UsageError, match="latency, energy, edp, traffic"):
        schedule(network, arch, "speed")
    with pytest.raises(UsageError, match="layerwise"):
        schedule(network, arch, strategy="magic")


def test_a_scratchpad_too_small_names_operator_memory_bytes_and_buffers() -> None:
    small = load_arch("mobile-npu").with_scratchpad(8)
    with pytest.raises(InfeasibleError) as error:
        layerwise(load_model("ocr_classifier", until=FEW), small)
    text = str(error.value)
    assert "Conv" in text
    assert "scratchpad" in text
    assert "has 8 bytes" in text
    assert "output" in text


def test_a_second_schedule_takes_its_mappings_from_the_store(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TILEWRIGHT_CACHE", str(tmp_path))
    searched: list[str] = []

    def counted(problem, objective, **options):
        searched.append(options["effort"])
        return map_nest(problem, objective, **options)

    monkeypatch.setattr("tilewright.mapping.store.map_nest", counted)
    network, arch = load_model("ocr_classifier", until=FEW), load_arch("mobile-npu")
    first = layerwise(network, arch, effort="quick")
    distinct = len(searched)
    assert distinct > 0
    again = layerwise(network, arch, effort="quick")
    assert len(searched) == distinct
    assert again.groups == first.groups
    layerwise(network, arch, effort="quick", cache=False)
    assert len(searched) == 2 * distinct
    better = layerwise(network, arch)
    assert searched[2 * distinct :] == ["good"] * distinct
    assert better.value <= first.value


def test_a_proof_raises_the_bound_of_a_schedule() -> None:
    network, arch = load_model("ocr_classifier", until="relu_3.tmp_0"), load_arch("flat-64k")
    plain = layerwise(network, arch, "energy", effort="good")
    proven = layerwise(network, arch, "energy", effort="proof")
    assert plain.bound <= proven.bound <= proven.value <= plain.value
