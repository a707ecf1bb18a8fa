"""Quantities are exact, and only quantities."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilewright.arch.units import BANDWIDTH, BYTES, CLOCK, CYCLES, ENERGY, ENERGY_PER_BYTE, POWER, Unit


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        (BYTES, "64 KiB", 65536),
        (BYTES, "64KiB", 65536),
        (BYTES, "1 B", 1),
        (BYTES, "2 MiB", 2 << 20),
        (BYTES, "3 GiB", 3 << 30),
        (BYTES, "64 kB", 64000),
        (BYTES, "1.5 MB", 1500000),
        (BYTES, "2 GB", 2 * 10**9),
        (BYTES, "0.5 KiB", 512),
        (BANDWIDTH, "26.7 B/cycle", Fraction(267, 10)),
        (BANDWIDTH, "1 KiB / cycle", 1024),
        (ENERGY_PER_BYTE, "0.5 pJ/B", Fraction(1, 2)),
        (ENERGY_PER_BYTE, "2 nJ/B", 2000),
        (ENERGY_PER_BYTE, "20 fJ/B", Fraction(1, 50)),
        (ENERGY, "0.2 pJ", Fraction(1, 5)),
        (ENERGY, "1e-3 nJ", 1),
        (CLOCK, "1 GHz", 10**9),
        (CLOCK, "200 MHz", 2 * 10**8),
        (CLOCK, "32 kHz", 32000),
        (CLOCK, "5 Hz", 5),
        (CYCLES, "30 cycles", 30),
        (CYCLES, "1 cycle", 1),
        (POWER, "10 mW", 10),
        (POWER, "1 W", 1000),
        (POWER, "1 uW", Fraction(1, 1000)),
        (BYTES, "-4 KiB", -4096),
        (BYTES, "1e3 B", 1000),
        (BYTES, ".5 KiB", 512),
    ],
)
def test_quantities_are_read_exactly(unit: Unit, text: str, value: Fraction) -> None:
    assert unit.parse(text) == value


@pytest.mark.parametrize(
    ("unit", "text", "complaint"),
    [
        (BYTES, "64", "has no unit; it is written like '64 KiB'"),
        (BYTES, "64 KIB", "unknown unit 'KIB'; did you mean 'KiB'?"),
        (BYTES, "64 KB", "unknown unit 'KB'; did you mean 'kB'?"),
        (BYTES, "64 furlongs", "unknown unit 'furlongs' (known are B, KiB"),
        (BYTES, "much", "is no size; it is written like '64 KiB'"),
        (BYTES, "0x40 B", "unknown unit 'x40 B'"),
        (BYTES, "1e999 B", "unknown unit '9 B'"),
        (BANDWIDTH, "16 B", "unknown unit 'B' (known are B/cycle"),
        (BANDWIDTH, "16 GB/s", "unknown unit 'GB/s'"),
        (CLOCK, "1 ghz", "did you mean 'GHz'?"),
        (ENERGY, "1 pJ/B", "unknown unit 'pJ/B'"),
        (CYCLES, "", "is no number of cycles"),
    ],
)
def test_what_is_no_quantity_is_said_with_an_example(unit: Unit, text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as caught:
        unit.parse(text)
    assert complaint in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_quantity_or_a_complaint(text: str) -> None:
    try:
        assert isinstance(BYTES.parse(text), Fraction)
    except ValueError as error:
        assert str(error).startswith(("is no", "has "))


@given(st.integers(0, 10**12), st.integers(0, 10**6), st.sampled_from(sorted(BYTES.factors)))
def test_decimals_lose_nothing(whole: int, part: int, unit: str) -> None:
    exact = (whole + Fraction(part, 10**7)) * BYTES.factors[unit]
    assert BYTES.parse(f"{whole}.{part:07d} {unit}") == exact
