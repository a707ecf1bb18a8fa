"""Seconds from a command to a proven and packed schedule, with nothing in the cache and with everything there.

    python benchmarks/cold_and_warm.py --networks resnet50 mobilenet_v2
    python benchmarks/cold_and_warm.py --rows cold_and_warm.jsonl --table

Each run is a process of its own that reads the model, schedules it with the default strategy and writes the schedule to
a folder; the cold one has a cache folder of its own that is empty; of warm ones the quickest of three counts. One run
before all others, not counted, compiles what is compiled once in an installation. Meant for a machine that does nothing
else. Exit code 5 if not all write the same bytes. Resumable like ``networks.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from networks import MODELS, NETWORKS
from resumable import Book, Rows, finish, parser

NAMES = ("network", "machine", "objective")


def timed(name: str, args: argparse.Namespace, cache: Path, out: Path) -> float:
    """Seconds of one process."""
    command = [sys.executable, "-m", "tilewright", "schedule", str(MODELS / f"{name}.onnx")]
    command += ["--arch", args.machine, "--objective", args.objective, "-o", str(out)]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"TILEWRIGHT_CACHE": str(cache)}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def run(args: argparse.Namespace, book: Book) -> None:
    """Do what is not known yet."""
    known = book.read()
    with TemporaryDirectory() as folder:
        here = Path(folder)
        for name in args.networks:
            head = {"network": name, "machine": args.machine, "objective": args.objective}
            if book.key(head) in known:
                continue
            if not (here / "compile").exists():
                timed(name, args, here / "compile", here / "first")
            cold = timed(name, args, here / name, here / f"{name} cold")
            warm = min(timed(name, args, here / name, here / f"{name} {turn}") for turn in range(3))
            folders = [here / f"{name} {what}" for what in ("cold", 0, 1, 2)]
            written = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in folders]
            status = json.loads(written[0]["schedule.json"])["schedule"]["status"]
            same = all(one == written[0] for one in written)
            book.add(head | {"seconds": cold, "warm": warm, "same": same, "status": status})


def tables(rows: Rows) -> bool:
    """Print what the rows say."""
    print("| network | machine | objective | status | cold, s | warm (least of three), s |\n|---|---|---|---|--:|--:|")
    for row in rows.values():
        print(
            f"| {row['network']} | {row['machine']} | {row['objective']} | {row['status']} | {row['seconds']:.1f} |"
            f" {row['warm']:.1f} |"
        )
    return all(row["same"] for row in rows.values())


def main() -> int:
    """Run or print."""
    options = parser(__doc__, "cold_and_warm.jsonl")
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--machine", default="mobile-npu")
    options.add_argument("--objective", default="edp")
    return finish(options.parse_args(), NAMES, run, tables)


if __name__ == "__main__":
    sys.exit(main())
