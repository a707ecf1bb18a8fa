"""The drawing of every machine, word by word."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tilewright.arch import catalog, describe, load_arch
from tilewright.arch.load import parse_arch

UNUSUAL = b"""
name: odd
clock: 1.5 MHz
buffering: single
layout: nchw
alignment: 32 B
leakage: 2.5 mW
memories:
  - {name: dram, size: 3 GiB}
  - name: l1
    size: 1000 B
    scratchpad: true
    keeps: [input, output]
    may_keep: [weight]
    bandwidth: {read: 3 B/cycle, write: 0.5 B/cycle}
  - {name: w, size: 6 B, keeps: [weight], per: [a, b], double_buffered: true}
array:
  axes: {a: 3, b: 5}
  unroll: {a: [K, C], b: []}
  link: 0.25 pJ/B
vector: {lanes: 3, energy: 0 pJ}
"""


@pytest.mark.parametrize("name", catalog())
def test_a_shipped_machine_is_drawn_as_before(name: str, golden: Callable[[str, str], None]) -> None:
    golden(f"{name}.txt", describe(load_arch(name)))


def test_unusual_keys_are_drawn_too(golden: Callable[[str, str], None]) -> None:
    golden("unusual.txt", describe(parse_arch(UNUSUAL, "odd.yaml")))


@pytest.mark.parametrize("name", catalog())
def test_no_line_is_too_wide_for_a_terminal_or_ends_in_blanks(name: str) -> None:
    lines = describe(load_arch(name)).splitlines()
    assert max(map(len, lines)) <= 140
    assert [line for line in lines if line != line.rstrip()] == []
