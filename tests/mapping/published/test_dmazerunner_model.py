"""dMazeRunner's execution model against evaluations of the original program, and against itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright.mapping.published.dmazerunner import (
    ONES,
    PUBLISHED,
    Layer,
    Machine,
    Tiling,
    conv,
    faults,
    gemm,
    machine_faults,
    sizes,
)
from tilewright.mapping.published.dmazerunner_model import cost, evaluate, reuse, transfer_cycles
from tilewright.studies.dmazerunner_files import PointsFile, read_points


@pytest.fixture
def published(shared: Path) -> PointsFile:
    path = shared / "reference" / "dmazerunner-points.json"
    if not path.is_file():
        pytest.skip("there are no evaluations of the original program")
    return read_points(path)


def test_every_evaluation_of_the_original_program_is_reproduced(published: PointsFile) -> None:
    assert {point.layer.kind for point in published.points} == {"conv", "depthwise", "gemm"}
    for point in published.points:
        found = evaluate(point.layer, published.machine, point.tiling, point.dram_order, point.spm_order)
        assert (found.cycles, found.energy_pj) == (point.claim.cycles, point.claim.energy_pj), point.where
        assert len(point.parts) == 5
        for part, pj in point.parts:
            assert getattr(found.energy, part) == pytest.approx(pj, rel=1e-9), (point.where, part)
        assert faults(point.layer, published.machine, point.tiling) == []


def test_the_published_machine_is_the_default(published: PointsFile) -> None:
    assert published.machine == PUBLISHED
    assert machine_faults(PUBLISHED) == []


def one_pass(layer: Layer) -> Tiling:
    """Everything in the register file of one PE."""
    return Tiling(ONES, ONES, layer.bounds, ONES)


def test_one_pass_worked_out_by_hand() -> None:
    layer = gemm("a", 2, 3, 4)
    found = cost(layer, PUBLISHED, one_pass(layer), (1, 1, 1), (1, 1, 1))
    # 24 MACs; the longest transfer to the array is 12 elements; the output's 6 leave after computing. Nothing overlaps.
    # DMA, one burst each: O 6 elements (twice), I 8, W 12.
    dma = 2 * transfer_cycles(PUBLISHED, 6) + transfer_cycles(PUBLISHED, 8) + transfer_cycles(PUBLISHED, 12)
    assert found.cycles == max(12 + 24, dma)
    assert found.energy.mac == pytest.approx(24 * 0.075)
    assert found.energy.rf == pytest.approx(4 * 24 * 0.96)
    assert found.energy.noc == pytest.approx((2 * 6 + 8 + 12) * 2)
    assert found.energy.spm == pytest.approx((2 * 6 + 8 + 12) * 13.5)
    # The output is written once and, being whole, never read again.
    assert found.energy.dram == pytest.approx((6 + 8 + 12) * 200)


def test_a_matrix_product_is_a_pointwise_convolution_but_for_the_layout_of_its_weights() -> None:
    product = gemm("a", 6, 8, 10)
    pointwise = conv("b", product.bounds)
    for tiling in (
        Tiling((2, 1, 5, 1, 1, 1, 1), (3, 2, 1, 1, 1, 1, 1), (1, 4, 1, 1, 1, 1, 1), (1, 1, 2, 1, 1, 1, 1)),
        Tiling((3, 1, 1, 1, 1, 1, 1), (1, 2, 5, 1, 1, 1, 1), (2, 2, 1, 1, 1, 1, 1), (1, 2, 2, 1, 1, 1, 1)),
    ):
        order = (3, 4, 5, 6, 0, 1, 2)
        one, other = (evaluate(layer, PUBLISHED, tiling, order, order) for layer in (product, pointwise))
        assert (one.energy.noc, one.energy.spm, one.energy.rf) == (other.energy.noc, other.energy.spm, other.energy.rf)


def test_reuse_stops_at_the_first_loop_that_indexes_the_operand() -> None:
    layer = conv("a", (2, 4, 6, 5, 5, 3, 3))
    n, m, c, ox, oy, fx, fy = range(7)
    assert reuse(layer, layer.bounds, (n, m, ox, oy, c, fx, fy)) == (54, 1, 1)
    assert reuse(layer, layer.bounds, (c, fx, n, m, ox, fy, oy)) == (1, 1, 5)
    assert reuse(layer, layer.bounds, (n, ox, oy, c, fx, fy, m)) == (1, 4, 1)
    assert reuse(layer, ONES, (n, ox, oy, c, fx, fy, m)) == (1, 1, 1)


def test_the_input_of_a_strided_tile_overlaps_its_neighbour() -> None:
    layer = conv("a", (1, 1, 1, 8, 8, 3, 3), stride=2)
    assert sizes(layer, (1, 1, 1, 4, 4, 3, 3)) == (16, 81, 9)
    assert sizes(layer, layer.bounds) == (64, 17 * 17, 9)


@pytest.mark.parametrize(
    ("tiling", "sentence"),
    [
        (Tiling((1, 8, 1, 1, 1, 1, 1), ONES, (8, 1, 1, 1, 1, 1, 1), ONES), "C: the trip counts multiply to 1"),
        (Tiling(ONES, ONES, ONES, (8, 8, 8, 1, 1, 1, 1)), "the spatial trip counts multiply to 512"),
        (Tiling(ONES, ONES, (8, 8, 8, 1, 1, 1, 1), ONES), "a register file would hold 192 elements"),
        (Tiling(ONES, (8, 8, 8, 1, 1, 1, 1), ONES, ONES), "the scratchpad would need 6 banks"),
    ],
)
def test_what_makes_a_tiling_illegal_is_said(tiling: Tiling, sentence: str) -> None:
    layer = gemm("a", 8, 8, 8)
    machine = Machine(rf_bytes=256, banks=5, bank_bytes=64)
    assert any(fault.startswith(sentence) for fault in faults(layer, machine, tiling)), faults(layer, machine, tiling)


def test_a_machine_out_of_range_is_said() -> None:
    assert machine_faults(Machine(dma_mhz=0)) == ["array_mhz is 500 and dma_mhz 0; at most 100 times as many"]
    assert machine_faults(Machine(spm_pj=-1)) == ["spm_pj is -1; 0 to 100,000 is needed"]
