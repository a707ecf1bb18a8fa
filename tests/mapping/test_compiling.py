"""Whoever waits for compilation is told so, function by function."""

from __future__ import annotations

import pytest
from numba import njit

from tilewright.mapping.optimal import compiling
from tilewright.mapping.optimal.compiling import FUNCTIONS, compiling_told


def test_every_function_of_ours_that_is_compiled_is_told() -> None:
    told: list[tuple[str, int, int]] = []

    def stranger(x: int) -> int:
        return x + 1

    with compiling_told(lambda *one: told.append(one)):
        njit(stranger)(1)  # of somebody else
        assert not told
        njit(lambda x: x)(1)
        ours = njit(_own)
        ours(1)
        assert [done for _, done, _ in told] == [0, 1]
        ours(2)  # known by now
        assert len(told) == 2
        ours(1.5)
    assert [done for _, done, _ in told] == [0, 1, 1, 2]
    assert all("compiling" in what and total == FUNCTIONS for what, _, total in told)
    ours("nobody listens any more")
    assert len(told) == 4


def _own(x: object) -> object:
    return x


_own.__module__ = "tilewright.mapping.optimal.kernels"  # as if it were of the search


def test_more_functions_than_expected_stay_below_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "FUNCTIONS", 2)
    told: list[tuple[str, int, int]] = []
    with compiling_told(lambda *one: told.append(one)):
        ours = njit(_own)
        for kind in (1, 1.5, "x", True, None):
            ours(kind)
    assert told[-1][1] == 5
    assert all(done < total for _, done, total in told)


def test_nobody_has_to_listen() -> None:
    with compiling_told(None):
        assert njit(_own)(3) == 3
