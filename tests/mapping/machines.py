"""Small machines: made by hand (every timing, ports, homes inside the scratchpad, odd widths), and at random."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

from tilewright.arch.accelerator import Accelerator, Array, Memory, OperandRole, VectorUnit, Widths

ALL: tuple[OperandRole, ...] = ("input", "weight", "output")


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


def random_machine(rng: Random, levels: int) -> Accelerator:
    """A machine of that many memories, roomy ones, that differs from others in everything else.

    Memories inside the scratchpad are shared or exist per position of some axes, and keep, may keep or never hold each
    operand; weights may pass the scratchpad by, and so may results or inputs.
    """
    names = "kcr"[: rng.randint(1, 3)]
    axes = tuple((axis, rng.choice((2, 2, 3, 3, 4, 5, 1))) for axis in names)
    keeps: dict[str, list[OperandRole]] = {"pad": []}
    may: dict[str, list[OperandRole]] = {"pad": []}
    for role in ALL:
        where = rng.choice((keeps, keeps, keeps, may, None))
        if where is not None:
            where["pad"].append(role)
    per: dict[str, tuple[str, ...]] = {"pad": ()}
    above: dict[str, tuple[str, ...]] = dict.fromkeys(ALL, ())
    # Often the axes open up one after the other; otherwise memories may be apart for reasons that exclude each other.
    order, nested = rng.sample(names, len(names)), rng.random() < 0.6
    for level in range(levels - 2):
        name = f"m{level + 1}"
        per[name] = tuple(axis for axis in names if rng.random() < 0.45 + 0.2 * level)
        if nested:
            fewest = len(per[f"m{level}"]) if level else 0
            chosen = order[: rng.randint(fewest, len(order))]
            per[name] = tuple(axis for axis in names if axis in chosen)
        keeps[name], may[name] = [], []
        # An instance of an inner memory belongs to one instance of each outer memory that holds the operand.
        fitting = [role for role in ALL if set(above[role]) <= set(per[name])]
        for role in fitting:
            where = rng.choice((keeps, keeps, may, None))
            if where is not None:
                where[name].append(role)
                above[role] = per[name]
        if fitting and not keeps[name] and not may[name]:
            keeps[name].append(fitting[0])
            above[fitting[0]] = per[name]
    for role in ALL:
        # Every operand has a memory that always keeps it, and the scratchpad always keeps something.
        if not any(role in kept for kept in keeps.values()):
            may["pad"] = [other for other in may["pad"] if other != role]
            keeps["pad"].append(role)
    if not keeps["pad"]:
        may["pad"] = [role for role in may["pad"] if role != "input"]
        keeps["pad"].append("input")
    memories = [_random_memory(rng, name, keeps[name], may[name], per[name]) for name in keeps]
    narrow = rng.choice((8, 8, 16, 4, 12))
    return Accelerator(
        name=f"at random, {levels} levels",
        clock_hz=Fraction(10**9),
        memories=(_random_store(rng), *(memory for memory in memories if memory.keeps or memory.may_keep)),
        array=Array(
            axes,
            unroll=tuple((axis, tuple(rng.sample("KCYXMNRS", 5))) for axis in names if rng.random() < 0.1),
            multicast=tuple(axis for axis in names if rng.random() < 0.6),
            reduce=tuple(axis for axis in names if rng.random() < 0.5),
            link_pj=rng.choice((0.0, 0.25)),
            mac_pj=0.5,
        ),
        vector=VectorUnit(3, 0.1),
        widths=Widths(narrow, rng.choice((8, 4, 2, 3)), rng.choice((narrow, 8, 12)), rng.choice((32, 24, 17))),
        timing=rng.choice(("pipelined", "pipelined", "roofline")),
        buffering=rng.choice(("double", "double", "single")),
        alignment_bytes=rng.choice((1, 1, 16)),
        leakage_mw=rng.choice((0.0, 2.0)),
    )


def _random_store(rng: Random) -> Memory:
    rates = _random_ports(rng)
    return dram(setup_cycles=rng.choice((0, 3)), **rates)


def _random_memory(
    rng: Random, name: str, keeps: list[OperandRole], may_keep: list[OperandRole], per: tuple[str, ...]
) -> Memory:
    is_pad = name == "pad"
    return Memory(
        name,
        1 << 24,
        tuple(keeps),
        tuple(may_keep),
        per,
        read_pj=2.0 if is_pad else rng.choice((0.1, 0.2)),
        write_pj=1.5 if is_pad else rng.choice((0.1, 0.3)),
        double_buffered=not is_pad and rng.random() < 0.3,
        scratchpad=is_pad,
        **_random_ports(rng),
    )


def _random_ports(rng: Random) -> dict[str, Any]:
    """No limit, one port for both directions, or one for each."""
    rates = (Fraction(1, 2), Fraction(3, 2), Fraction(7, 2), Fraction(4), Fraction(16))
    kind = rng.choice(("unlimited", "shared", "shared", "apart"))
    if kind == "unlimited":
        return {"read_bandwidth": None, "write_bandwidth": None}
    read = rng.choice(rates)
    write = read if kind == "shared" else rng.choice(rates)
    return {"read_bandwidth": read, "write_bandwidth": write, "shared_port": kind == "shared"}
