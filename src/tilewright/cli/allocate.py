"""``tilewright allocate``: addresses for buffers with lifetimes."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tilewright.cli import options, parse, text
from tilewright.cli.document import show
from tilewright.cli.folder import check_writable, write_all
from tilewright.cli.guard import guarded
from tilewright.cli.progress import Progress
from tilewright.errors import InfeasibleError, LimitError, UsageError

if TYPE_CHECKING:
    from tilewright.memory.buffer import Packing
    from tilewright.memory.csv_file import Table

OFFSETS, DRAWING = "offsets.csv", "memory.svg"


class Packer(StrEnum):
    """Who places the buffers (``tilewright.memory.allocate``)."""

    exact = "exact"
    size = "size"
    area = "area"
    lifetime = "lifetime"


@guarded
def allocate_verb(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns id,lower,upper,size[,alignment][,offset].")],
    capacity: Annotated[
        str | None, typer.Option("--capacity", metavar="N", help="Bytes that there are: 4096, 64 KiB, 1 MiB.")
    ] = None,
    minimize: Annotated[bool, typer.Option("--minimize", help="Find the least height (so it is by default).")] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="DIR", help=f"Write {OFFSETS} and {DRAWING} there.")
    ] = None,
    method: Annotated[
        Packer,
        typer.Option(
            "--method", help="exact: a complete search; the others: best fit, largest size, area or lifetime first."
        ),
    ] = Packer.exact,
    timeout: options.Timeout = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the search's restarts.")] = 0,
    progress: options.ShowProgress = False,
    as_json: options.Json = False,
) -> None:
    """Place buffers in a memory so that no two that are live together share a byte, within a capacity or as low as can
    be; say whether it is proven that nothing lower, or nothing at all, is possible.

    A buffer lives from `lower` until before `upper` and has `size` bytes. Where `alignment` is given its address is a
    multiple of that; where `offset` is, it is that one.
    """
    if minimize and capacity is not None:
        raise UsageError("give --capacity or --minimize, not both")
    limit = None if timeout is None else parse.seconds(timeout)
    room = None if capacity is None else parse.capacity_bytes(capacity)
    if out is not None:
        check_writable(out)
    from tilewright.memory.allocate import allocate
    from tilewright.memory.csv_file import read_buffers

    table, began = read_buffers(file), time.perf_counter()
    with Progress("allocate", progress) as watch:
        packing = allocate(table.buffers, room, method=method.value, timeout=limit, seed=seed, progress=watch)
    seconds = time.perf_counter() - began
    if packing.status == "infeasible":
        raise InfeasibleError(f"{file}: {packing.reason}")
    if not packing.offsets:
        raise LimitError(f"{file}: {packing.reason}")
    if out is not None:
        from tilewright.emit.memory_svg import memory_svg

        drawing = memory_svg(table.buffers, packing.offsets, packing.peak_bytes if room is None else room)
        write_all(out, {OFFSETS: table.with_offsets(packing.offsets), DRAWING: drawing})
    if as_json:
        show(_document(table, packing, room, seconds))
    else:
        print(_report(table, packing, room, seconds))
        if out is not None:
            print(f"written        {out / OFFSETS}, {out / DRAWING}")


def _fragmentation(packing: Packing) -> float:
    """The share of the peak that no buffer needs when most is live."""
    return 1 - packing.live_bytes / packing.peak_bytes if packing.peak_bytes else 0.0


def _document(table: Table, packing: Packing, room: int | None, seconds: float) -> dict[str, object]:
    return {
        "status": packing.status,
        "buffers": len(table.buffers),
        "capacity_bytes": room,
        "peak_bytes": packing.peak_bytes,
        "bound_bytes": packing.bound_bytes,
        "live_bytes": packing.live_bytes,
        "fragmentation": _fragmentation(packing),
        "placements": packing.nodes,
        "pruned": dict(packing.pruned),
        "seconds": seconds,
        "offsets": {buffer.name: offset for buffer, offset in zip(table.buffers, packing.offsets, strict=True)},
    }


def _report(table: Table, packing: Packing, room: int | None, seconds: float) -> str:
    above = packing.peak_bytes / packing.bound_bytes - 1 if packing.bound_bytes else 0.0
    said = {
        "optimal": "optimal: nothing lower is possible",
        "feasible": "feasible: everything lies within the capacity",
        "limit": f"limit: the lowest found, at most {text.percent(above)} above the lowest there is",
    }
    rows = [
        ("buffers", f"{len(table.buffers):,}"),
        ("status", said[packing.status]),
        ("peak", text.size(packing.peak_bytes) + ("" if room is None else f" of {text.size(room)}")),
        ("bound", f"{text.size(packing.bound_bytes)}; {text.size(packing.live_bytes)} are live at once"),
        ("fragmentation", f"{text.percent(_fragmentation(packing))} of the peak"),
        ("search", f"{packing.nodes:,} placements tried, in {text.duration(seconds)}"),
    ]
    return "\n".join(f"{name:<15}{value}" for name, value in rows)
