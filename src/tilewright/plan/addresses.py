"""Addresses in the scratchpad for the buffers of a plan (docs/model.md, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tilewright.arch.accelerator import Accelerator
from tilewright.errors import InfeasibleError
from tilewright.memory.allocate import packed
from tilewright.memory.buffer import Buffer as Room
from tilewright.memory.validate import problems
from tilewright.plan.plan import Buffer


def addressed(
    arch: Accelerator, label: str, buffers: Sequence[Buffer], together: Sequence[Sequence[str]] = ()
) -> tuple[Buffer, ...]:
    """Every scratchpad buffer with its address; partitions are packed each by itself, one after the other.

    ``together`` names buffers of one size that take one place for all their lives. InfeasibleError, which names
    ``label``, if the buffers cannot be placed.
    """
    scratchpad = arch.scratchpad
    first = {name: names[0] for names in together for name in names}
    offsets: dict[str, int] = {}
    for region, base, size in scratchpad.regions:
        rooms: dict[str, Room] = {}
        for b in buffers:
            if b.memory != scratchpad.name or region not in (None, b.kind_class):
                continue
            name = first.get(b.name, b.name)
            room = rooms.setdefault(name, Room(name, b.size_bytes, b.start, b.end))
            rooms[name] = replace(room, start=min(room.start, b.start), end=max(room.end, b.end))
        packing = packed(list(rooms.values()), size, arch.alignment_bytes)
        if packing.status != "feasible":
            place = f"partition {region} of {scratchpad.name}" if region else scratchpad.name
            raise InfeasibleError(f"{label}: no addresses in {place} ({size} B): {packing.reason}")
        wrong = problems(list(rooms.values()), packing.offsets, size, arch.alignment_bytes)
        if wrong:  # a defect of the packer: the validator shares no code with it
            raise RuntimeError(f"{label}: wrong addresses: {'; '.join(wrong)}")
        offsets.update({name: base + o for name, o in zip(rooms, packing.offsets, strict=True)})
    return tuple(replace(b, address_bytes=offsets.get(first.get(b.name, b.name))) for b in buffers)
