"""Small machines made by hand: every timing, ports, homes inside the scratchpad, odd widths."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tilewright.arch.accelerator import Accelerator, Array, Memory, VectorUnit, Widths

ALL = ("input", "weight", "output")


def dram(**changes: Any) -> Memory:
    fields: dict[str, Any] = {
        "read_bandwidth": Fraction(7, 2),
        "write_bandwidth": Fraction(7, 2),
        "read_pj": 64.0,
        "write_pj": 65.0,
        "setup_cycles": 3,
    }
    return Memory("dram", None, ALL, **(fields | changes))


def pad(size_bytes: int = 1 << 20, **changes: Any) -> Memory:
    fields: dict[str, Any] = {
        "keeps": ALL,
        "read_bandwidth": Fraction(16),
        "write_bandwidth": Fraction(16),
        "read_pj": 2.0,
        "write_pj": 1.5,
        "scratchpad": True,
    }
    return Memory("pad", size_bytes, **(fields | changes))


def machine(
    *inner: Memory, scratchpad: Memory | None = None, store: Memory | None = None, **changes: Any
) -> Accelerator:
    """A machine of a backing store, a scratchpad and memories inside it; 4 x 3 positions."""
    fields: dict[str, Any] = {
        "name": "made by hand",
        "clock_hz": Fraction(10**9),
        "array": Array((("k", 4), ("c", 3)), multicast=("k", "c"), reduce=("c",), link_pj=0.25, mac_pj=0.5),
        "vector": VectorUnit(3, 0.1),
        "widths": Widths(8, 8, 8, 32),
    }
    return Accelerator(memories=(store or dram(), scratchpad or pad(), *inner), **(fields | changes))


def weights_inside(size_bytes: int = 1 << 16, *, doubled: bool = False) -> Accelerator:
    """Weights pass the scratchpad by and live at each position along k; results accumulate inside."""
    return machine(
        Memory("weights", size_bytes, ("weight",), per=("k",), read_pj=0.2, write_pj=0.3, double_buffered=doubled),
        Memory("sums", 1 << 16, ("output",), per=("k",), read_pj=0.1, write_pj=0.15),
        scratchpad=pad(keeps=("input", "output")),
    )


def registers() -> Accelerator:
    """Every operand has registers at each position, below a scratchpad with a port for each direction."""
    return machine(
        Memory("registers", 64, ALL, per=("k", "c"), read_pj=0.01, write_pj=0.01),
        scratchpad=pad(shared_port=False, read_bandwidth=Fraction(8), write_bandwidth=Fraction(5)),
        store=dram(shared_port=False, write_bandwidth=Fraction(2)),
        widths=Widths(16, 8, 16, 24),
    )


MACHINES: dict[str, Accelerator] = {
    "double": machine(),
    "single": machine(buffering="single"),
    "roofline": machine(timing="roofline"),
    "weights inside": weights_inside(),
    "weights inside, single": machine(
        *weights_inside().memories[2:], scratchpad=pad(keeps=("input", "output")), buffering="single"
    ),
    "registers": registers(),
    "odd widths": machine(widths=Widths(4, 3, 5, 12), alignment_bytes=16),
    "registers, roofline": machine(
        *registers().memories[2:], scratchpad=registers().scratchpad, store=registers().dram, timing="roofline"
    ),
    "narrow": machine(scratchpad=pad(read_bandwidth=Fraction(3, 2), write_bandwidth=Fraction(3, 2))),
}
