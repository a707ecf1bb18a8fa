"""An accelerator drawn as text: its memories with their instances, each operand's way through them, the array."""

from __future__ import annotations

from fractions import Fraction

from tilewright.arch.accelerator import ROLES, Accelerator, Memory


def describe(accelerator: Accelerator) -> str:
    """The hierarchy as text with units, ending in a newline; every number is the file's or follows from it."""
    blocks = [
        _heading(accelerator),
        _table(["memory", "size", "instances", "bandwidth", "read", "write", "keeps", ""], _memories(accelerator)),
        _paths(accelerator),
        _array(accelerator),
        _peaks(accelerator),
    ]
    return "\n\n".join("\n".join(line.rstrip() for line in block) for block in blocks) + "\n"


def number(value: Fraction | float | int) -> str:
    """A number without needless digits.

    >>> number(Fraction(267, 10)), number(1024), number(0.075), number(Fraction(1, 3))
    ('26.7', '1,024', '0.075', '0.333333')
    """
    exact = Fraction(value)
    return f"{int(exact):,}" if exact.denominator == 1 else f"{float(exact):.6g}"


def size(value_bytes: int | None) -> str:
    """A size in the largest binary unit that divides it.

    >>> size(65536), size(384), size(2 << 20), size(None)
    ('64 KiB', '384 B', '2 MiB', 'unbounded')
    """
    if value_bytes is None:
        return "unbounded"
    power = max(p for p in range(5) if value_bytes % 1024**p == 0)
    return f"{number(value_bytes // 1024**power)} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"


def rate(value: Fraction, unit: str) -> str:
    """A large rate with a decimal prefix.

    >>> rate(Fraction(200_000_000), "Hz")
    '200 MHz'
    """
    for prefix, factor in (("T", 10**12), ("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if value >= factor:
            return f"{float(value / factor):.4g} {prefix}{unit}"
    return f"{float(value):.4g} {unit}"


def instances(accelerator: Accelerator, memory: Memory) -> int:
    """How many of a memory there are: one for each position of the axes it is per."""
    total = 1
    for axis, extent in accelerator.array.axes:
        total *= extent if axis in memory.per else 1
    return total


def _heading(accelerator: Accelerator) -> list[str]:
    widths = accelerator.widths
    timing = f"pipelined, {accelerator.buffering} buffering" if accelerator.timing == "pipelined" else "roofline timing"
    return [
        f"{accelerator.name}: {rate(accelerator.clock_hz, 'Hz')}, {timing}, feature maps stored {accelerator.layout}, "
        f"scratchpad aligned to {size(accelerator.alignment_bytes)}",
        f"bits: input {widths.input}, weight {widths.weight}, output {widths.output}, accumulator {widths.accumulator}",
    ]


def _memories(accelerator: Accelerator) -> list[list[str]]:
    rows = []
    for memory in accelerator.memories:
        count = instances(accelerator, memory)
        indent = "" if memory is accelerator.dram else "└ " if not memory.per else "  └ "
        rows.append(
            [
                indent + memory.name,
                size(memory.size_bytes),
                f"{number(count)} (per {' × '.join(memory.per)})" if memory.per else "1",
                _bandwidth(memory),
                f"{number(memory.read_pj)} pJ/B",
                f"{number(memory.write_pj)} pJ/B",
                " ".join([*memory.keeps, *(f"[{role}]" for role in memory.may_keep)]),
                "; ".join(_remarks(memory)),
            ]
        )
    return rows


def _bandwidth(memory: Memory) -> str:
    if not memory.shared_port and memory.read_bandwidth is not None and memory.write_bandwidth is not None:
        return f"{number(memory.read_bandwidth)} read, {number(memory.write_bandwidth)} write B/cycle"
    return "unlimited" if memory.read_bandwidth is None else f"{number(memory.read_bandwidth)} B/cycle"


def _remarks(memory: Memory) -> list[str]:
    remarks = ["scratchpad"] if memory.scratchpad else []
    remarks += [f"setup {memory.setup_cycles} cycles a run"] if memory.setup_cycles else []
    remarks += ["double-buffered"] if memory.double_buffered else []
    remarks += ["partitioned"] if memory.partitions else []
    return remarks


def _paths(accelerator: Accelerator) -> list[str]:
    """Each operand's memories between the backing store and the multipliers; those it may skip in brackets."""
    lines = []
    for role in ROLES:
        stops = [
            memory.name if role in memory.keeps else f"[{memory.name}]"
            for memory in accelerator.memories
            if memory.holds(role)
        ]
        arrow = " <-> " if role == "output" else " --> "
        lines.append(f"{role:<8}{arrow.join([*stops, 'array'])}")
    for memory in accelerator.memories:
        if memory.partitions:
            parts = ", ".join(f"{kind} {size(value)}" for kind, value in memory.partitions)
            lines.append(f"parts   of {memory.name}: {parts}")
    return lines


def _array(accelerator: Accelerator) -> list[str]:
    array = accelerator.array
    shape = " × ".join(f"{axis} {extent}" for axis, extent in array.axes)
    energies = f"{number(array.mac_pj)} pJ per multiply-accumulate, {number(array.link_pj)} pJ/B delivered"
    positions = f"{number(array.size)} position{'s' if array.size > 1 else ''}"
    rows = []
    for axis, extent in array.axes:
        allowed = dict(array.unroll).get(axis)
        shares = [name for name, axes in (("multicast", array.multicast), ("reduce", array.reduce)) if axis in axes]
        unrolls = "any dimension" if allowed is None else ", ".join(allowed) or "nothing"
        rows.append(["  " + axis, str(extent), f"unrolls {unrolls}", ", ".join(shares) or "shares nothing"])
    return [f"array   {shape} = {positions}; {energies}", *_aligned(rows)]


def _peaks(accelerator: Accelerator) -> list[str]:
    macs, vector = accelerator.array.size, accelerator.vector
    on_chip = [m.size_bytes * instances(accelerator, m) for m in accelerator.memories[1:] if m.size_bytes is not None]
    bandwidth = accelerator.dram.read_bandwidth
    balance = "none, the backing store is unlimited"
    if bandwidth is not None:
        balance = f"{number(macs / bandwidth)} MAC per byte read from {accelerator.dram.name}"
        balance += f" ({rate(bandwidth * accelerator.clock_hz, 'B/s')})"
    return [
        f"peak    {number(macs)} MAC/cycle, {rate(macs * accelerator.clock_hz, 'MAC/s')}",
        f"vector  {number(vector.lanes)} operations/cycle, {rate(vector.lanes * accelerator.clock_hz, 'op/s')}, "
        f"{number(vector.operation_pj)} pJ each",
        f"balance {balance}",
        f"on chip {size(sum(on_chip))} in all; leakage {number(accelerator.leakage_mw)} mW",
    ]


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = _aligned([head, *rows])
    return [lines[0], "-" * max(map(len, lines)), *lines[1:]]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
