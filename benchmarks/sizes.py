"""Networks on one machine with scratchpads of several sizes: what pinning and fusing gain, what packing costs.

    python benchmarks/sizes.py --sizes 4096 2048 1024 512 256
    python benchmarks/sizes.py --networks mobilenet_v2 --strategies optimal --sizes 8192 4096 2048 1024 512 256 128

Sizes are in KiB, the largest first, since what is found for it serves the smaller ones. Resumable like ``networks.py``,
whose networks these are: every finished row goes to ``--rows``; with ``--table`` nothing is run. Printed are, for each
size, geometric means over the networks; how often the answer of ``pin-or-fuse`` is not the optimum; retries; schedules
that fit by bytes and could not be packed; and whether more scratchpad ever costs more. Exit code 5 if it does, or if a
strategy beats ``optimal``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import pairwise
from statistics import geometric_mean

import tilewright as tw
from networks import CLOSE, load, record
from resumable import Book, Rows, finish, parser
from tilewright.schedule.compare import compare

NETWORKS = (
    "mobilenet_v1", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_lite0", "mnasnet1_0", "resnet18", "resnet50",
    "squeezenet1_1", "googlenet", "unet_256",
)  # fmt: skip
STRATEGIES = ("fuse", "fuse-then-pin", "pin-or-fuse", "optimal")
NAMES = ("network", "machine", "objective", "kib", "strategy")


def run(args: argparse.Namespace, book: Book) -> None:
    """Do what is not known yet."""
    known, machine = book.read(), tw.load_arch(args.machine)
    for name in args.networks:
        network = load(name)
        for kib in sorted(args.sizes, reverse=True):
            head = {"network": name, "machine": args.machine, "objective": args.objective, "kib": kib}
            wanted = [s for s in args.strategies if book.key(head | {"strategy": s}) not in known]
            for row in compare([network], machine.with_scratchpad(kib << 10), args.objective, wanted, effort="quick"):
                book.add(head | record(row))


def ratios(rows: Rows, kib: int, one: str, other: str, column: str) -> Iterator[float]:
    """A column of one strategy over that of another, for all networks that have both."""
    for key, row in rows.items():
        base = rows.get((*key[:3], kib, other))
        if key[3:] == (kib, one) and base is not None and "value" in row and "value" in base and base[column]:
            yield row[column] / base[column]


def mean(values: Iterator[float]) -> str:
    found = [value for value in values if value > 0]
    return f"{geometric_mean(found):.3f}" if found else "-"


def tables(rows: Rows) -> bool:
    """Print what the rows say; whether all holds."""
    good = True
    sizes = sorted({key[3] for key in rows}, reverse=True)
    names = list(dict.fromkeys(key[4] for key in rows))
    others = [name for name in names if name not in ("fuse", "fuse-then-pin")]
    print("\nGeometric means over networks: cycles and DRAM bytes of feature maps against another strategy\n")
    pairs = [(one, other) for one in others for other in ("fuse", "fuse-then-pin") if other in names]
    print("| KiB | networks | " + " | ".join(f"{a} / {b}: cycles | maps" for a, b in pairs) + " |")
    print("|--:|--:|" + "--:|" * (2 * len(pairs)))
    for kib in sizes:
        number = len({key[0] for key, row in rows.items() if key[3] == kib and "value" in row})
        cells = [mean(ratios(rows, kib, a, b, c)) for a, b in pairs for c in ("cycles", "map_bytes")]
        print(f"| {kib} | {number} | {' | '.join(cells)} |")
    print("\n| KiB | strategy | answers | not the optimum | costs more, mean | most | not packed at once | retries |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for kib in sizes:
        for name in names:
            mine = [row for key, row in rows.items() if key[3:] == (kib, name) and "value" in row]
            off = list(ratios(rows, kib, name, "optimal", "value"))
            good &= all(ratio * CLOSE >= 1 for ratio in off)
            worse = [ratio for ratio in off if ratio > CLOSE]
            failed = [row for row in mine if row["unpacked"]]
            print(
                f"| {kib} | {name} | {len(mine)} | {len(worse)} | {mean(iter(off))} | {max(off, default=1):.3f}"
                f" | {len(failed)} | {sum(row['unpacked'] for row in mine)} |"
            )
    for network in dict.fromkeys(key[0] for key in rows):
        mine = {key[3]: row for key, row in rows.items() if key[::4] == (network, "optimal") and "value" in row}
        along = [mine[kib]["value"] for kib in sorted(mine)]
        holds = all(more <= less * CLOSE for less, more in pairwise(along))
        good &= holds
        said = "never costs more" if holds else "**costs more somewhere**"
        print(f"\n{network}: more scratchpad {said}, {len(along)} sizes: {', '.join(f'{v:.6g}' for v in along)}")
    return good


def main() -> int:
    """Run or print."""
    options = parser(__doc__, "sizes.jsonl")
    options.add_argument("--machine", default="mobile-npu")
    options.add_argument("--objective", default="latency")
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    options.add_argument("--sizes", nargs="+", type=int, default=[4096, 2048, 1024, 512, 256])
    return finish(options.parse_args(), NAMES, run, tables)


if __name__ == "__main__":
    sys.exit(main())
