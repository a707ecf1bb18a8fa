"""The usual nests are what their names say."""

from __future__ import annotations

import pytest
from tests.mapping.machines import machine

from tilewright.errors import UsageError
from tilewright.mapping.nests import conv2d, default_problem, depthwise, gemm


def test_a_convolution_without_given_sizes_has_just_the_rows_it_needs() -> None:
    nest = conv2d(K=4, C=2, Y=5, X=6, R=3, S=2, stride=(2, 1), dilation=(1, 3), pad=(1, 0, 2, 1))
    rows, columns = nest.operand("input").axes[3:]
    assert (rows.size, rows.offset) == (4 * 2 + 2 + 1 - 3, -1)
    assert (columns.size, columns.offset) == (5 + 3 + 1 - 1, 0)


def test_given_sizes_are_kept() -> None:
    rows, columns = conv2d(K=1, C=1, Y=4, X=4, R=3, S=3, H=9, W=2).operand("input").axes[3:]
    assert (rows.size, columns.size) == (9, 2)


def test_a_depthwise_convolution_is_one_channel_and_filter_per_group() -> None:
    assert depthwise(G=8, Y=4, X=4, R=3, S=3, pad=1) == conv2d(K=1, C=1, Y=4, X=4, R=3, S=3, G=8, pad=1)


def test_points_count_multiply_accumulates() -> None:
    assert conv2d(K=4, C=3, Y=5, X=6, R=3, S=2, N=2, G=2).points == 4 * 3 * 5 * 6 * 3 * 2 * 2 * 2
    assert gemm(3, 4, 5, 2).points == 120


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({"K": 0}, "K is 0 and must be at least 1"),
        ({"pad": (1, 2, 3)}, r"pad is one number, two \(y, x\) or four"),
        ({"stride": (1, 2, 3)}, r"stride is one number or two \(y, x\)"),
        ({"pad": 9}, "H is -14 and must be at least 1; W is -14"),
        ({"pad": -1}, "must not be negative"),
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, int], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        conv2d(**({"K": 1, "C": 1, "Y": 4, "X": 4} | sizes))


def test_feature_maps_are_dense_in_the_machines_layout_and_weights_are_tiles() -> None:
    nest = conv2d(K=4, C=2, Y=5, X=6, G=3)
    strides = {b.operand: b.strides for b in default_problem(nest, machine(), "nhwc").bindings}
    assert strides == {"input": (5 * 6 * 6, 2, 1, 6 * 6, 6), "weight": (), "output": (5 * 6 * 12, 4, 1, 6 * 12, 12)}
    strides = {b.operand: b.strides for b in default_problem(nest, machine(), "nchw").bindings}
    assert strides["input"] == (6 * 30, 2 * 30, 30, 6, 1)
    rows = default_problem(gemm(3, 4, 5, 2), machine(), "nhwc")
    assert rows.binding["input"].strides == (15, 5, 1)
    assert rows.binding["weight"].packed
