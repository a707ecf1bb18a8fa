"""Whether a placement of buffers is right. Shares no code with what makes placements: it walks time, not space."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tilewright.memory.buffer import Buffer


def problems(
    buffers: Sequence[Buffer],
    offsets: Sequence[int],
    capacity: int,
    alignment: int = 1,
    sharing: Collection[tuple[int, int]] = frozenset(),
) -> tuple[str, ...]:
    """What is wrong with the offsets (docs/model.md, section 10), one sentence each; empty if nothing is.

    All offsets are multiples of ``alignment``, and sizes count rounded up to it; a buffer with an alignment of its own
    keeps to that as well. ``sharing`` has the pairs of numbers, the smaller first, that may overlap.

    >>> problems([Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3)], [0, 2], capacity=8)
    ('a at [0, 4) and b at [2, 6) share bytes [2, 4) in sub-steps [1, 2)',)
    """
    if len(offsets) != len(buffers):
        return (f"{len(buffers)} buffers have {len(offsets)} offsets",)
    found = []
    for buffer, offset in zip(buffers, offsets, strict=True):
        padded = buffer.size_bytes + (-buffer.size_bytes) % alignment
        if offset < 0:
            found.append(f"{buffer.name} lies at the negative offset {offset}")
        if offset % alignment:
            found.append(f"{buffer.name} lies at {offset}, which is no multiple of the alignment {alignment}")
        if offset % buffer.alignment:
            found.append(f"{buffer.name} lies at {offset}, which is no multiple of its alignment {buffer.alignment}")
        if buffer.address is not None and offset != buffer.address:
            found.append(f"{buffer.name} lies at {offset}, its address is {buffer.address}")
        if padded and offset + padded > capacity:  # an empty one takes no byte wherever it lies
            found.append(f"{buffer.name} at [{offset}, {offset + padded}) ends beyond the capacity of {capacity} B")
    return tuple(found + _shared(buffers, offsets, sharing))


def _shared(buffers: Sequence[Buffer], offsets: Sequence[int], sharing: Collection[tuple[int, int]]) -> list[str]:
    """Every pair that shares a byte in some sub-step: those alive when the later one begins, compared by address."""
    found = []
    arrivals = sorted((b.start, index) for index, b in enumerate(buffers) if b.size_bytes)
    alive: list[int] = []
    for now, index in arrivals:
        alive = [other for other in alive if buffers[other].end > now]
        new, low = buffers[index], offsets[index]
        for other in alive:
            old, base = buffers[other], offsets[other]
            first, last = max(low, base), min(low + new.size_bytes, base + old.size_bytes)
            if first < last and (min(other, index), max(other, index)) not in sharing:
                places = " and ".join(f"{b.name} at [{o}, {o + b.size_bytes})" for b, o in ((old, base), (new, low)))
                found.append(f"{places} share bytes [{first}, {last}) in sub-steps [{now}, {min(old.end, new.end)})")
        alive.append(index)
    return found
