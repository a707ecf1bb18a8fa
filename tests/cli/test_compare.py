"""``tilewright compare``, and ``map`` under constraints and dataflows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tilewright import conv2d, depthwise, gemm, load_arch
from tilewright.errors import UsageError
from tilewright.mapping.constraints import satisfied
from tilewright.mapping.dataflows import DATAFLOWS, dataflow, spread
from tilewright.mapping.text import parse_mapping

pytestmark = pytest.mark.usefixtures("remembered")

CONV = ("--conv", "K=8,C=4,Y=6,X=6,R=3,S=3,pad=1", "--arch", "mobile-npu", "--effort", "good")
NEST = conv2d(K=8, C=4, Y=6, X=6, R=3, S=3, pad=1)


def test_every_dataflow_is_held_against_the_free_optimum(tilewright) -> None:
    rows = tilewright("compare", *CONV, "--json").document["dataflows"]
    assert [row["dataflow"] for row in rows] == ["free", *DATAFLOWS]
    arch = load_arch("mobile-npu")
    for row in rows:
        assert row["ratio"] == row["value"] / rows[0]["value"] >= 1
        assert row["value"] == row["edp"] == row["energy_pj"] * row["cycles"]
        mapping = parse_mapping(row["mapping"], NEST, arch)
        wanted = [] if row["dataflow"] == "free" else [dataflow(row["dataflow"], NEST, arch)]
        assert all(satisfied(one, mapping, NEST) for one in wanted)
    table = tilewright("compare", *CONV).out
    assert all(name in table for name in ("free", "1.00x", *DATAFLOWS))


def test_a_dataflow_that_cannot_be_says_why(tilewright) -> None:
    outcome = tilewright("compare", "--gemm", "M=8,N=8,K=8", "--arch", "tiny", "--effort", "good", "--json")
    impossible = {row["dataflow"]: row["reason"] for row in outcome.document["dataflows"] if "reason" in row}
    assert set(impossible) == {"row-stationary"}
    assert "window" in impossible["row-stationary"]
    assert tilewright("map", "--gemm", "M=8,N=8,K=8", "--arch", "tiny", "--dataflow", "row-stationary").code == 2


def test_mappings_under_constraints_satisfy_them(tilewright, tmp_path: Path) -> None:
    file = tmp_path / "wanted.txt"
    file.write_text("keep weight in scratchpad\nfor Y in tiles of 2\nonly K on lane_k\n")
    plain = tilewright("map", *CONV, "--json").document
    found = tilewright("map", *CONV, "--constraints", file, "--dataflow", "tpu", "--json").document
    assert "for Y in tiles of 2" in found["mapping"]
    assert "C in tiles" not in "".join(line for line in found["mapping"].splitlines() if "lane_k" in line)
    assert found["edp"] >= plain["edp"]


def test_wrong_constraints_are_told_with_their_file(tilewright, tmp_path: Path) -> None:
    file = tmp_path / "wanted.txt"
    file.write_text("for Q in tiles of 2\n")
    outcome = tilewright("map", *CONV, "--constraints", file)
    assert outcome.code == 1
    assert f"{file}: line 1: there is no dimension 'Q'" in outcome.err
    file.write_text("no loop over Y\nfor Y in tiles of any\n")
    outcome = tilewright("map", *CONV, "--constraints", file)
    assert outcome.code == 3
    assert "together they leave none" in outcome.err
    assert tilewright("map", *CONV, "--constraints", file, "--method", "stoutchinin").code == 2
    assert tilewright("compare", *CONV[:-1], "quick").code == 2


@pytest.mark.parametrize(
    ("nest", "name", "dims"),
    [
        (conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), "output-stationary", "YX"),
        (conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), "weight-stationary", "RS"),
        (conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), "row-stationary", "YR"),
        (conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), "input-stationary", "CYX"),
        (conv2d(K=8, C=8, Y=8, X=8, R=3, S=3), "tpu", "KC"),
        (conv2d(K=8, C=8, Y=8, X=8), "weight-stationary", "KC"),
        (depthwise(G=8, Y=8, X=8, R=3, S=3), "tpu", "G"),
        (gemm(M=8, N=8, K=8), "output-stationary", "M"),
        (gemm(M=8, N=8, K=8), "tpu", "NK"),
    ],
)
def test_what_a_dataflow_spreads(nest, name: str, dims: str) -> None:
    assert spread(name, nest) == set(dims)


def test_an_array_that_unrolls_nothing_of_a_dataflow_refuses_it() -> None:
    from dataclasses import replace

    arch = load_arch("tiny")
    arch = replace(arch, array=replace(arch.array, unroll=(("mac", ("K",)),)))
    with pytest.raises(UsageError, match="no axis of tiny may unroll X, Y"):
        dataflow("output-stationary", NEST, arch)
    with pytest.raises(UsageError, match="there is no dataflow 'rows'"):
        dataflow("rows", NEST, arch)
