"""Strategies side by side on networks, for ``tilewright compare``: the table, and the file that it is saved in."""

from __future__ import annotations

import csv
import io
import json
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from tilewright.cli import options, text
from tilewright.cli.document import SCHEMA, show
from tilewright.cli.progress import Progress
from tilewright.errors import InputError, LimitError, UsageError
from tilewright.serial import write_whole

if TYPE_CHECKING:
    from tilewright.arch.accelerator import Accelerator
    from tilewright.schedule.compare import Average, Row
    from tilewright.workload.network import Network

SUFFIXES = (".json", ".csv", ".md")
HEADINGS = (
    "network", "strategy", "cycles", "time", "energy", "EDP, pJ*cycles", "DRAM B maps", "DRAM B weights", "groups",
    "largest", "pins", "status", "gap", "search",
)  # fmt: skip
LEFT = 2  # columns of names
Table = Callable[[Sequence[str], Sequence[Sequence[object]], int], str]


@dataclass(frozen=True)
class Asked:
    """What was asked for, but for the networks."""

    arch: str
    widths: options.WidthsFrom
    objective: str
    strategies: tuple[str, ...] | None
    effort: Literal["quick", "good", "proof", "long"] | None
    timeout: float | None
    cache: bool
    seed: int
    largest: int | None


class Enough(BaseException):
    """Ctrl-C was pressed, and the strategy that took it as the end of one of its phases went on."""


def compare_networks(
    models: Sequence[str],
    loading: options.LoadOptions,
    asked: Asked,
    output: Path | None,
    as_json: bool,
    progress: bool,
) -> None:
    """Schedule the networks under the strategies and print the table, also to ``output``.

    Raises what the first row failed with, about all that did, once everything is printed.
    """
    if output is not None:
        _check_output(output)
    networks = _load(models, loading)
    machines = [options.machine(asked.arch, asked.widths, network) for network in networks]
    rows, total = _rows(networks, machines, asked, progress)
    if not rows:
        raise LimitError("stopped by Ctrl-C before there was any answer")
    from tilewright.schedule.compare import averages
    from tilewright.schedule.strategies import strategies

    order = asked.strategies or strategies()
    rows.sort(key=lambda row: ([one.name for one in networks].index(row.network), order.index(row.strategy)))
    means = averages(rows, order[0]) if len({row.network for row in rows}) > 1 else ()
    head = {"arch": machines[0].name, "objective": asked.objective, "strategies": list(order)}
    document = head | {"rows": [_entry(row) for row in rows], "averages": [_average(mean) for mean in means]}
    footnotes = _footnotes(rows, total)
    if as_json:
        show(document)
    else:
        print("\n\n".join(filter(None, (*_tables(rows, means, order[0], text.table), "\n".join(footnotes)))))
    if output is not None:
        sys.stdout.flush()
        markdown = "\n\n".join((*_tables(rows, means, order[0], _markdown), *footnotes))
        write_whole(output, _saved(output.suffix, document, markdown))
    _settle(rows)


def _check_output(output: Path) -> None:
    """Tell about a hopeless place before any work is done for it."""
    if output.suffix not in SUFFIXES:
        raise UsageError(f"-o {output}: the name must end in {', '.join(SUFFIXES)}, which says what is written")
    if output.is_dir():
        raise InputError(f"{output}: is a folder; -o needs a file")


def _load(models: Sequence[str], loading: options.LoadOptions) -> list[Network]:
    """All networks, those of one name under what was typed; InputError with the problems of all of them."""
    typed, found, problems = list(dict.fromkeys(models)), list[tuple[str, Any]](), list[str]()
    for model in typed:
        try:
            found.append((model, loading.load(model)))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(problems)
    known = Counter(network.name for _, network in found)
    return [network if known[network.name] == 1 else replace(network, name=model) for model, network in found]


def _rows(
    networks: Sequence[Network], machines: Sequence[Accelerator], asked: Asked, progress: bool
) -> tuple[list[Row], int]:
    """The rows until the last one or a Ctrl-C, and how many there should be."""
    from tilewright.schedule.compare import compare
    from tilewright.schedule.strategies import LARGEST, strategies

    rows: list[Row] = []
    with Progress("comparing", progress) as shown, _interrupts() as interrupts:

        def watch(what: str, done: int, total: int) -> None:
            if len(interrupts) > (0 if rows else 1):  # what is found first is handed over, unless that takes too long
                raise Enough
            shown(what, done, total)

        try:
            for network, machine in zip(networks, machines, strict=True):
                for row in compare(
                    [network], machine, asked.objective, asked.strategies,
                    effort=asked.effort, cache=asked.cache, timeout=asked.timeout, progress=watch, seed=asked.seed,
                    largest=asked.largest or LARGEST,
                ):  # fmt: skip
                    rows.append(row)
                    if interrupts:
                        raise Enough
        except (KeyboardInterrupt, Enough):
            pass
    return rows, len(networks) * len(asked.strategies or strategies())


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Every Ctrl-C so far: a strategy takes the first one as its own and hands over the best it has."""
    seen: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        try:
            (before if callable(before) else signal.default_int_handler)(number, frame)
        except KeyboardInterrupt:
            seen.append(number)
            raise

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)


def _entry(row: Row) -> dict[str, Any]:
    """A row with its exact numbers, under the names of the columns of a CSV file."""
    names: dict[str, Any] = {"network": row.network, "strategy": row.strategy, "status": row.status}
    one = row.schedule
    if one is None:
        return names | {"seconds": row.seconds, "reason": str(row.error)}
    return names | {
        "cycles": one.cycles,
        "time_s": one.cycles / float(one.arch.clock_hz),
        "energy_pj": one.energy_pj,
        "edp": one.edp,
        "feature_map_bytes": one.dram_bytes.feature_maps,
        "weight_bytes": one.dram_bytes.weights,
        "groups": len(one.groups),
        "largest_group": one.largest_group,
        "pins": len(one.pinned),
        "value": one.value,
        "bound": one.bound,
        "gap": one.gap,
        "seconds": row.seconds,
        "taken_from": row.taken_from,
        "notes": list(one.notes),
    }


def _average(mean: Average) -> dict[str, Any]:
    return {"strategy": mean.strategy, "networks": mean.networks, **mean.ratios}


def _cells(row: Row) -> tuple[object, ...]:
    """A row as people read it."""
    one, seconds = row.schedule, f"{row.seconds:,.1f} s"
    if one is None:
        unknown = ["-"] * (len(HEADINGS) - LEFT - 3)
        return (row.network, row.strategy, *unknown, row.status, "-", seconds)
    return (
        row.network,
        row.strategy + ("*" if row.taken_from else ""),
        one.cycles,
        text.duration(one.cycles / float(one.arch.clock_hz)),
        text.energy(one.energy_pj),
        f"{one.edp:.6g}",
        one.dram_bytes.feature_maps,
        one.dram_bytes.weights,
        len(one.groups),
        one.largest_group,
        len(one.pinned),
        one.status,
        text.percent(one.gap),
        seconds,
    )


def _tables(rows: Sequence[Row], means: Sequence[Average], first: str, table: Table) -> list[str]:
    """The rows, and the averages if there are any."""
    found = [table(HEADINGS, [_cells(row) for row in rows], LEFT)]
    if means:
        cells = [(mean.strategy, mean.networks, *(f"{mean.ratios[key]:.3f}" for key in mean.ratios)) for mean in means]
        found.append(f"geometric means of ratios to {first}, over the networks of which both have schedules:")
        found.append(table(("strategy", "networks", "time", "energy", "EDP", "DRAM B maps"), cells, 1))
    return found


def _footnotes(rows: Sequence[Row], total: int) -> list[str]:
    """Why rows have no numbers, whose schedules are another strategy's, what was not packed, what Ctrl-C left out."""
    lines = []
    for row in rows:
        where = f"{row.network}, {row.strategy}"
        if row.error is not None:
            lines.append(f"{row.status}: {where}: {'; '.join(str(row.error).splitlines())}")
        if row.taken_from:
            lines.append(f"* {where}: its search ended before it found what {row.taken_from} has, which is shown")
        if row.schedule is not None and row.schedule.repacked.failed:
            failed, lost = row.schedule.repacked.failed, 100 * row.schedule.lost_to_packing
            lines.append(f"{where}: fitted by bytes but could not be packed {failed} times; that costs {lost:.2g}%")
    if len(rows) < total:
        lines.append(f"stopped by Ctrl-C: {len(rows)} of {total} were done")
    return [text.printable(line) for line in lines]


def _saved(suffix: str, document: dict[str, Any], markdown: str) -> str:
    """The contents of a file."""
    if suffix == ".json":
        return json.dumps({"schema": SCHEMA} | document, indent=2) + "\n"
    if suffix == ".md":
        return markdown + "\n"
    out = io.StringIO()
    rows = [{**row, "reason": "; ".join(row.get("reason", "").splitlines())} for row in document["rows"]]
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name != "notes"]
    writer = csv.DictWriter(out, [*(c for c in columns if c != "reason"), "reason"], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """A table of Markdown: the first ``left`` columns flush left, numbers flush right.

    >>> print(_markdown(["name", "bytes"], [["a|b", 1200]]))
    | name | bytes |
    |---|---:|
    | a\\|b | 1,200 |
    """
    lines = [headings, *rows]
    cells = [[text.cell(value).replace("|", "\\|") for value in line] for line in lines]
    head, *body = ["| " + " | ".join(line) + " |" for line in cells]
    marks = "|" + "|".join("---" if column < left else "---:" for column in range(len(headings))) + "|"
    return "\n".join([head, marks, *body])


def _settle(rows: Sequence[Row]) -> None:
    """What the first row without a schedule failed with, about all of them."""
    sys.stdout.flush()
    failed = [row for row in rows if row.error is not None]
    if failed:
        names = ", ".join(f"{row.network} under {row.strategy}" for row in failed)
        error = failed[0].error
        assert error is not None
        raise type(error)(f"{len(failed)} of {len(rows)} have no schedule: {names}")
