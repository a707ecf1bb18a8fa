"""Strategies on whole networks: what each costs, how far the optimum is proven, and that its plan does what it claims.

    python benchmarks/networks.py --machines mobile-npu --objectives edp latency
    python benchmarks/networks.py --networks mobilenet_v2 resnet50 --table

Resumable: every finished row goes to a file of JSON lines (``--rows``), and what is in it is not done again. With
``--table`` nothing is run; the markdown tables of the rows are printed. Networks are those of ``../shared/models``.
The plan of ``optimal`` is executed with real tensors; networks of large inputs are scheduled and executed again with
inputs of ``--side`` rows and columns. Exit code 5 if an execution differs from its claim, or if a strategy beats
``optimal``.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import tilewright as tw
from resumable import Book, Rows, finish, parser
from tilewright.errors import TilewrightError
from tilewright.schedule.compare import Row, compare
from tilewright.schedule.strategies import strategies

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT.parent / "shared" / "models"
NETWORKS = (
    "squeezenet1_1", "mobilenet_v2", "resnet18", "mobilenet_v1", "mnasnet1_0", "efficientnet_lite0",
    "mobilenet_v3_large", "resnet50", "googlenet", "shufflenet_v2", "unet_256", "fsrcnn_x2", "alexnet", "vgg16",
    "ppocr_v4_det", "ppocr_cls_mobilenetv3s_trained", "yolox_tiny",
)  # fmt: skip
MOST_POINTS = 300 * 300  # of an input: larger ones are executed smaller
CLOSE = 1 + 1e-9
NAMES = ("network", "machine", "objective", "strategy")


def load(name: str, side: int | None = None) -> tw.Network:
    """A network; with ``side`` its inputs of four axes get so many rows and columns at most."""
    path = MODELS / f"{name}.onnx"
    network = tw.load_model(path)
    if side is None:
        return network
    shapes = {key: (*shape[:2], min(side, shape[2]), min(side, shape[3])) for key, shape in _inputs(network).items()}
    return tw.load_model(path, input_shapes=shapes)


def _inputs(network: tw.Network) -> dict[str, tuple[int, ...]]:
    return {name: network.shape(name) for name in network.inputs if len(network.shape(name)) == 4}


def record(row: Row) -> dict[str, Any]:
    """A row as numbers."""
    found: dict[str, Any] = {"strategy": row.strategy, "status": row.status, "seconds": round(row.seconds, 2)}
    one = row.schedule
    if one is None:
        return found | {"error": str(row.error)}
    return found | {
        "cycles": one.cycles,
        "energy_pj": one.energy_pj,
        "edp": one.edp,
        "value": one.value,
        "map_bytes": one.dram_bytes.feature_maps,
        "weight_bytes": one.dram_bytes.weights,
        "groups": len(one.groups),
        "pins": len(one.pinned),
        "largest": one.largest_group,
        "bound": one.bound,
        "gap": one.gap,
        "taken_from": row.taken_from,
        "unpacked": one.repacked.failed,
        "searches": one.repacked.searches,
        "by_bytes": one.repacked.by_bytes,
    }


def execute(name: str, machine: str, objective: str, args: argparse.Namespace, found: tw.Schedule) -> dict[str, Any]:
    """What the simulator says of the optimum's plan."""
    sizes = [shape[2] * shape[3] for shape in _inputs(found.placed.network).values()]
    side = args.side if max(sizes, default=0) > MOST_POINTS else None
    if side is not None:
        network = load(name, side)
        arch = tw.load_arch(machine)
        found = tw.schedule(network, arch, objective, "optimal", effort=args.effort, timeout=args.timeout)
    began = time.perf_counter()
    done = tw.simulate(found)
    return {
        "executed_side": side,
        "matched": done.matched,
        "executed_cycles": done.cycles_executed,
        "executed_bytes": done.bytes_executed,
        "largest_error": done.max_relative_error,
        "execution_seconds": round(time.perf_counter() - began, 1),
    }


def run(args: argparse.Namespace, book: Book) -> None:
    """Do what is not known yet."""
    known = book.read()
    for machine in args.machines:
        for objective in args.objectives:
            for name in args.networks:
                wanted = [s for s in args.strategies if (name, machine, objective, s) not in known]
                if wanted:
                    one(name, machine, objective, args, wanted, book)


def one(name: str, machine: str, objective: str, args: argparse.Namespace, wanted: list[str], book: Book) -> None:
    """All strategies on a network, each written down when it is done."""
    rows = compare([load(name)], tw.load_arch(machine), objective, wanted, effort=args.effort, timeout=args.timeout)
    for row in rows:
        found = {"network": name, "machine": machine, "objective": objective} | record(row)
        if row.strategy == "optimal" and row.schedule is not None and args.execute:
            try:
                found |= execute(name, machine, objective, args, row.schedule)
            except TilewrightError as error:
                found |= {"matched": False, "execution_error": str(error)}
        book.add(found)


def tables(rows: Rows) -> bool:
    """Print a table for each machine and objective; whether all holds."""
    good = True
    for machine, objective in dict.fromkeys((m, o) for _, m, o, _ in rows):
        mine = {key: row for key, row in rows.items() if key[1:3] == (machine, objective)}
        names = list(dict.fromkeys(key[3] for key in mine))
        print(f"\n**{machine}, {objective}**, relative to `optimal`; maps: DRAM bytes of feature maps\n")
        others = [name for name in names if name != "optimal"]
        print("| network | " + " | ".join(others) + " | optimal | gap | groups | pins | maps B | s | executed |")
        print("|---|" + "--:|" * (len(others) + 6) + "---|")
        ratios: dict[str, list[float]] = {name: [] for name in others}
        for network in dict.fromkeys(key[0] for key in mine):
            best = mine.get((network, machine, objective, "optimal"))
            if best is None or "value" not in best:
                continue
            cells = []
            for name in others:
                row = mine.get((network, machine, objective, name), {})
                if "value" not in row:
                    cells.append("-")
                    continue
                good &= best["value"] <= row["value"] * CLOSE
                ratios[name].append(row["value"] / best["value"])
                cells.append(f"{ratios[name][-1]:.3f}")
            good &= best.get("matched", True)
            size = f" ({best['executed_side']} px)" if best.get("executed_side") else ""
            done = {True: f"equal{size}", False: "**differs**"}.get(best.get("matched"), "-")
            print(
                f"| {network} | {' | '.join(cells)} | {best['value']:.4g} | {best['status']} {100 * best['gap']:.2g}%"
                f" | {best['groups']} | {best['pins']} | {best['map_bytes']:,} | {best['seconds']:.0f} | {done} |"
            )
        means = [f"{geometric_mean(ratios[name]):.3f}" if ratios[name] else "-" for name in others]
        print(f"| geometric mean | {' | '.join(means)} | | | | | | | |")
    return good


def main() -> int:
    """Run or print."""
    options = parser(__doc__, "networks.jsonl")
    options.add_argument("--machines", nargs="+", default=["mobile-npu"])
    options.add_argument("--objectives", nargs="+", default=["edp", "latency"])
    options.add_argument("--networks", nargs="+", default=list(NETWORKS))
    options.add_argument("--strategies", nargs="+", default=list(strategies()))
    options.add_argument("--effort", help="of all strategies; by default good for layerwise, quick for the others")
    options.add_argument("--timeout", type=float, default=None, help="seconds for each strategy")
    options.add_argument("--side", type=int, default=96)
    options.add_argument("--execute", action=argparse.BooleanOptionalAction, default=True)
    return finish(options.parse_args(), NAMES, run, tables)


if __name__ == "__main__":
    sys.exit(main())
