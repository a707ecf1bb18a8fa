"""Makes the tables of docs/measurements.md: schedules networks, executes them, and holds execution against claim.

    python benchmarks/measure.py                     # everything; takes a while
    python benchmarks/measure.py networks            # every network on mobile-npu
    python benchmarks/measure.py machines            # four networks on every shipped machine
    python benchmarks/measure.py speed               # seconds, in a process that has imported everything before

Networks are the shipped ones and, where the folder ``../shared/models`` exists, those in it. Exit code 5 if an
execution differs from its claim.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import tilewright as tw
from tilewright.arch import catalog
from tilewright.errors import CheckError, InfeasibleError
from tilewright.workload import zoo

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "measurements.md"
MODELS = ROOT.parent / "shared" / "models"


FOUR = ("resnet18", "mobilenet_v2", "squeezenet", "ocr_classifier")
# One multiplier and 4 KiB: at full size the millions of steps of this machine take an hour to execute.
TINY = {"input": (1, 3, 64, 64)}
HEAD = (
    "| network | input | machine | cycles | DRAM bytes | tensors | largest error "
    "| schedule, s | execute, s | matched |\n"
    "|---|---|---|--:|--:|--:|--:|--:|--:|---|"
)


@dataclass(frozen=True)
class Row:
    text: str
    matched: bool


def measure(source: str, machine: str, smaller: dict[str, tuple[int, ...]]) -> Row:
    """One line of a table; ``smaller`` are input shapes, also of inputs that the network does not have."""
    name = Path(source).stem
    inputs = tw.load_model(source).inputs
    shapes = {key: shape for key, shape in smaller.items() if key in inputs}
    network = tw.load_model(source, input_shapes=shapes)
    size = ", ".join("x".join(map(str, shape)) for shape in shapes.values()) or "as it is"
    where = f"| {name} | {size} | {machine} |"
    began = time.perf_counter()
    try:
        schedule = tw.schedule(network, tw.load_arch(machine), objective="edp", strategy="layerwise")
    except InfeasibleError as error:
        first, *more = str(error).splitlines()
        also = f" (and {len(more)} more operators)" if more else ""
        return Row(f"{where} cannot: {first}{also} |  |  |  |  |  |  |", matched=True)
    scheduled = time.perf_counter()
    run = tw.simulate(schedule)
    executed = time.perf_counter()
    equal = sum(t.predicted == t.executed for t in run.tensors)
    cycles = _pair(run.cycles_predicted, run.cycles_executed)
    moved = _pair(run.bytes_predicted, run.bytes_executed)
    return Row(
        f"{where} {cycles} | {moved} | {equal} of {len(run.tensors)} | {run.max_relative_error:.1e} |"
        f" {scheduled - began:.1f} | {executed - scheduled:.1f} | {'yes' if run.matched else '**no**'} |",
        run.matched,
    )


def _pair(predicted: int, executed: int) -> str:
    return f"{predicted:,}" if predicted == executed else f"{predicted:,} predicted, {executed:,} executed"


def networks() -> list[Row]:
    """Every network on ``mobile-npu``."""
    files = sorted(MODELS.glob("*.onnx"))
    sources = [str(file) for file in files] or list(zoo.shipped())
    return [_shown(source, "mobile-npu", {}) for source in sources]


def machines() -> list[Row]:
    """Four networks on every shipped machine."""
    return [_shown(name, machine, TINY if machine == "tiny" else {}) for name in FOUR for machine in catalog()]


def speed() -> list[Row]:
    """The least of three times that each stage of two networks takes."""
    rows = []
    for name in ("resnet18", "mobilenet_v2"):
        best = [float("inf")] * 3
        for _ in range(3):
            moments = [time.perf_counter()]
            network = tw.load_model(name)
            moments.append(time.perf_counter())
            schedule = tw.schedule(network, tw.load_arch("mobile-npu"), strategy="layerwise")
            moments.append(time.perf_counter())
            matched = tw.simulate(schedule).matched
            moments.append(time.perf_counter())
            best = [min(old, end - start) for old, start, end in zip(best, moments, moments[1:], strict=False)]
        rows.append(Row(f"| {name} | " + " | ".join(f"{seconds:.2f}" for seconds in best) + " |", matched))
        print(rows[-1].text, flush=True)
    return rows


def _shown(source: str, machine: str, smaller: dict[str, tuple[int, ...]]) -> Row:
    row = measure(source, machine, smaller)
    print(row.text, flush=True)
    return row


TABLES = {"networks": networks, "machines": machines, "speed": speed}
HEADS = {"speed": "| network on mobile-npu | import, s | schedule, s | execute and compare, s |\n|---|--:|--:|--:|"}


def write(name: str, rows: list[Row]) -> None:
    """Put a table between its marks in the page."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    made = (
        f"Made by `python benchmarks/measure.py {name}` at commit {commit.stdout.strip() or 'unknown'}, "
        f"Python {platform.python_version()}, {os.cpu_count()} cores."
    )
    body = "\n".join([made, "", HEADS.get(name, HEAD), *(row.text for row in rows)])
    page = PAGE.read_text("utf-8")
    mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    PAGE.write_text(mark.sub(lambda found: found[1] + body + "\n" + found[2], page), "utf-8")


def main(wanted: list[str]) -> None:
    matched = True
    for name in wanted or list(TABLES):
        rows = TABLES[name]()
        write(name, rows)
        matched = matched and all(row.matched for row in rows)
    if not matched:
        sys.exit(CheckError.exit_code)


if __name__ == "__main__":
    main(sys.argv[1:])
