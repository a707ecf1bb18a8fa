"""Genetic layer fusion and the optimum against layer by layer, over seeds.

    python benchmarks/genetic.py --machines simba eyeriss --seeds 0 1 2

Layer by layer has the mappings of effort ``good``; both others have quick ones and the array parts of groups. Resumable
like ``networks.py``: rows go to ``--rows``; with ``--table`` nothing is run. Printed are gains (costs of ``layerwise``
over those of another) and how far the genetic answers are above the optimum. Exit code 5 if one is below it.
"""

from __future__ import annotations

import argparse
import sys
import time
from statistics import geometric_mean

import tilewright as tw
from networks import CLOSE, load
from resumable import Book, Row, Rows, finish, parser

NETWORKS = ("mobilenet_v3_large", "resnet50", "unet_256")
NAMES = ("network", "machine", "objective", "strategy", "seed")


def run(args: argparse.Namespace, book: Book) -> None:
    """Do what is not known yet."""
    known = book.read()
    wanted = [("layerwise", 0), ("optimal", 0), *(("genetic", seed) for seed in args.seeds)]
    for machine in args.machines:
        for objective in args.objectives:
            for name in args.networks:
                network, arch = load(name), tw.load_arch(machine)
                for strategy, seed in wanted:
                    if (name, machine, objective, strategy, seed) in known:
                        continue
                    began = time.perf_counter()
                    found = tw.schedule(network, arch, objective, strategy, seed=seed, timeout=args.timeout)
                    row = {
                        "network": name, "machine": machine, "objective": objective, "strategy": strategy,
                        "seed": seed, "status": found.status, "gap": found.gap, "cycles": found.cycles,
                        "energy_pj": found.energy_pj, "edp": found.edp, "value": found.value,
                        "seconds": round(time.perf_counter() - began, 1),
                    }  # fmt: skip
                    book.add(row)


def tables(rows: Rows) -> bool:
    """Print what the rows say; whether no genetic answer beats the optimum."""
    good = True
    print("| machine | objective | network | genetic: EDP | energy | optimal: EDP | energy | optimal | genetic above it"
          " | s layerwise | s genetic | s optimal |")  # fmt: skip
    print("|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for network, machine, objective in dict.fromkeys(key[:3] for key in rows):
        head = (network, machine, objective)
        base, best = rows.get((*head, "layerwise", 0)), rows.get((*head, "optimal", 0))
        tried = [row for key, row in rows.items() if key[:4] == (*head, "genetic")]
        if base is None or best is None or not tried:
            continue
        above = [row["value"] / best["value"] - 1 for row in tried]
        good &= min(above) >= 1 / CLOSE - 1

        def gain(some: list[Row], column: str, base: Row = base) -> str:
            return f"{geometric_mean(base[column] / row[column] for row in some):.2f}x"

        print(
            f"| {machine} | {objective} | {network} | {gain(tried, 'edp')} | {gain(tried, 'energy_pj')}"
            f" | {gain([best], 'edp')} | {gain([best], 'energy_pj')} | {best['status']} {100 * best['gap']:.2g}%"
            f" | {100 * min(above):.1f} to {100 * max(above):.1f}%, {len(tried)} seeds | {base['seconds']:.0f}"
            f" | {max(row['seconds'] for row in tried):.0f} | {best['seconds']:.0f} |"
        )
    return good


def main() -> int:
    """Run or print."""
    options = parser(__doc__, "genetic.jsonl")
    options.add_argument("--machines", nargs="+", default=["simba", "eyeriss"])
    options.add_argument("--objectives", nargs="+", default=["edp", "energy"])
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    options.add_argument("--timeout", type=float, default=None, help="seconds for each search")
    return finish(options.parse_args(), NAMES, run, tables)


if __name__ == "__main__":
    sys.exit(main())
