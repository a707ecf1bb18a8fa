"""What must hold between the parts of an accelerator file, beyond each value being right by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tilewright.arch.accelerator import ROLES, Memory, Widths
from tilewright.arch.section import Section

_WHAT_SCRATCHPAD_IS = "the memory in which fused and held feature maps live"


@dataclass(frozen=True)
class Level:
    """A memory as read, beside the section of the file to point into."""

    memory: Memory
    section: Section

    def fault(self, key: str, text: str) -> None:
        """Note a problem at the value of a key, or at the memory's entry where the key is absent."""
        self.section.fault(self.section.at(key), text)


def check_memories(top: Section, levels: Sequence[Level], widths: Widths, alignment_bytes: int) -> None:
    """Note every way in which the memories fail to form one hierarchy (docs/model.md, section 2)."""
    _names(levels)
    _backing_store(levels[0])
    _scratchpad(top, levels)
    for level in levels[1:]:
        _on_chip(level)
    if all(level.section.sound("keeps", "may_keep") for level in levels):
        _homes(top, levels)
        _nesting(levels)
        for level in levels[1:]:
            _room(level, levels, widths, alignment_bytes)


def _names(levels: Sequence[Level]) -> None:
    first: dict[str, Level] = {}
    for level in levels:
        name = level.memory.name
        if name and name in first:
            line = first[name].section.at("name").start_mark.line + 1
            level.fault("name", f"two memories are called '{name}', the other one in line {line}")
        first.setdefault(name, level)


def _backing_store(level: Level) -> None:
    """The outermost memory holds every tensor whole, so it is shared, plain and keeps all operands."""
    memory = level.memory
    for key, wrong in (
        ("per", bool(memory.per)),
        ("scratchpad", memory.scratchpad),
        ("double_buffered", memory.double_buffered),
        ("partitions", bool(memory.partitions)),
        ("may_keep", bool(memory.may_keep)),
    ):
        if wrong:
            level.fault(key, f"'{key}' does not apply to '{memory.name}': the first memory is the backing store")
    if level.section.sound("keeps") and set(memory.keeps) != set(ROLES):
        level.fault(
            "keeps", f"'{memory.name}' is the backing store and must keep {', '.join(ROLES)}; leave 'keeps' out"
        )


def _scratchpad(top: Section, levels: Sequence[Level]) -> None:
    chosen = [level for level in levels if level.memory.scratchpad]
    if not chosen:
        if all(level.section.sound("scratchpad") for level in levels):
            top.fault(top.at("memories"), f"no memory has 'scratchpad: true'; give it to {_WHAT_SCRATCHPAD_IS}")
        return
    for level in chosen[1:]:
        level.fault("scratchpad", f"'{chosen[0].memory.name}' is the scratchpad already; there is exactly one")
    level, memory = chosen[0], chosen[0].memory
    if level not in levels[:2]:
        level.fault(
            "scratchpad", f"the scratchpad '{memory.name}' must be the second memory, next to the backing store"
        )
    if memory.per:
        level.fault("per", f"the scratchpad '{memory.name}' is shared by the whole array; 'per' does not apply to it")
    if memory.double_buffered:
        level.fault(
            "double_buffered", f"'{memory.name}' is the scratchpad: write 'buffering: double' at the top instead"
        )
    missing = [role for role in ("input", "output") if role not in memory.keeps]
    if missing and level.section.sound("keeps"):
        level.fault("keeps", f"the scratchpad '{memory.name}' must always keep input and output; it lacks {missing[0]}")


def _on_chip(level: Level) -> None:
    memory, section = level.memory, level.section
    if memory.setup_cycles:
        level.fault("setup", f"'setup' counts DRAM transfers and belongs to the first memory, not to '{memory.name}'")
    if not section.sound("keeps", "may_keep", "partitions", "size"):
        return
    for role in memory.may_keep:
        if role in memory.keeps:
            level.fault("may_keep", f"'{memory.name}' lists {role} under both 'keeps' and 'may_keep'; choose one")
    if not memory.keeps and not memory.may_keep:
        level.fault("keeps", f"'{memory.name}' holds no operand; list some of {', '.join(ROLES)} or remove the memory")
    if memory.partitions:
        _partitions(level)


def _partitions(level: Level) -> None:
    memory = level.memory
    given = dict(memory.partitions)
    needed = [role for role in ROLES if memory.holds(role)] + (["other"] if memory.scratchpad else [])
    for kind in needed:
        if kind not in given:
            why = "biases and temporaries" if kind == "other" else f"the {kind} that it holds"
            level.fault(
                "partitions", f"'{memory.name}' has no partition '{kind}' for {why}, for instance '{kind}: 4 KiB'"
            )
    for kind in given:
        if kind in ROLES and kind not in needed:
            level.fault("partitions", f"'{memory.name}' has a partition for {kind}, which it never holds")
    total = sum(given.values())
    if memory.size_bytes is not None and total > memory.size_bytes:
        level.fault(
            "partitions", f"the partitions of '{memory.name}' add up to {total} B, its size is {memory.size_bytes} B"
        )


def _homes(top: Section, levels: Sequence[Level]) -> None:
    """Every operand has an on-chip memory that always keeps it."""
    kept = {role for level in levels[1:] for role in level.memory.keeps}
    for role in ROLES:
        if role not in kept:
            top.fault(top.at("memories"), f"no memory on the chip always keeps {role}; add it to the 'keeps' of one")


def _nesting(levels: Sequence[Level]) -> None:
    """An instance of an inner memory belongs to one instance of each outer memory that holds the same operand."""
    for inner, outer, role in _pairs(levels):
        missing = [axis for axis in outer.memory.per if axis not in inner.memory.per]
        if missing and inner.section.sound("per") and outer.section.sound("per"):
            inner.fault(
                "per",
                f"'{inner.memory.name}' holds {role} below '{outer.memory.name}', which exists per {missing[0]}; "
                f"so it must be per {', '.join((*outer.memory.per, *inner.memory.per))}, or stand above it",
            )


def _pairs(levels: Sequence[Level]) -> Iterator[tuple[Level, Level, str]]:
    """Each memory with the next outer one that holds the same operand; a pair sharing several is met once."""
    met: Counter[tuple[int, int]] = Counter()
    for role in ROLES:
        holders = [i for i, level in enumerate(levels) if level.memory.holds(role)]
        for outer, inner in pairwise(holders):
            met[outer, inner] += 1
            if met[outer, inner] == 1:
                yield levels[inner], levels[outer], role


def _room(level: Level, levels: Sequence[Level], widths: Widths, alignment_bytes: int) -> None:
    """One element of every operand that a memory always keeps must fit, or no mapping exists."""
    memory = level.memory
    if memory.size_bytes is None or not level.section.sound("size", "partitions"):
        return
    innermost = [other for other in levels if other.memory.holds("output")][-1:]
    align = alignment_bytes if memory.scratchpad else 1
    least: dict[str, int] = {}
    for role in memory.keeps:
        bits = widths.accumulator if role == "output" and [level] == innermost else widths.of(role)
        least[role] = -(-bits // (8 * align)) * align * (2 if memory.double_buffered else 1)
    for kind, needed in least.items():
        room = memory.partition_bytes(kind)
        if room is not None and needed > room:
            level.fault(
                "partitions", f"partition '{kind}' of '{memory.name}' has {room} B; one element needs {needed} B"
            )
    total = sum(least.values())
    if total > memory.size_bytes:
        parts = ", ".join(f"{kind} {needed} B" for kind, needed in least.items())
        level.fault(
            "size",
            f"'{memory.name}' has {memory.size_bytes} B; one element of each operand kept needs {total} B ({parts})",
        )
