"""Least traffic of convolution layers by the formulas of Stoutchinin et al., against fixed schedules; a page section.

    python benchmarks/stoutchinin.py                 # every network and size, then the study of departures; minutes
    python benchmarks/stoutchinin.py traffic         # totals by network, and where schedules differ most
    python benchmarks/stoutchinin.py traffic 1 2 4   # the same at other sizes in KiB
    python benchmarks/stoutchinin.py layers          # least traffic of every layer
    python benchmarks/stoutchinin.py exact           # the mapping of every layer at 64 KiB, costed exactly
    python benchmarks/stoutchinin.py departures      # formulas against the exact model on small nests

Layers come from ``../shared/models/layers.json``. One shared memory of single buffers; inputs, weights and outputs of
8 bits, partial sums of 32. Everything is counted, nothing timed but ``exact``.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from math import exp, log
from pathlib import Path
from typing import Any

import tilewright as tw
from tilewright.errors import TilewrightError
from tilewright.mapping.nests import conv2d, default_problem
from tilewright.mapping.published.stoutchinin import Window, Windows
from tilewright.mapping.published.stoutchinin_departures import count_buffers, every_keep
from tilewright.mapping.published.stoutchinin_fixed import SCHEDULES, best_fixed, untiled
from tilewright.mapping.published.stoutchinin_search import least_traffic
from tilewright.mapping.published.stoutchinin_select import select
from tilewright.mapping.published.stoutchinin_space import Store, shape_of
from tilewright.workload.nest import LoopNest

LAYERS = Path(__file__).resolve().parent.parent.parent / "shared" / "models" / "layers.json"
NETWORKS = ("alexnet", "vgg16", "resnet18", "resnet50", "mobilenet_v1", "mobilenet_v2")
SIZES = (16, 32, 64, 128, 256, 512)
NAMES = (*SCHEDULES, "untiled row")


@dataclass(frozen=True)
class Layer:
    """Layers of a network that are the same nest: the first one's name, and how many there are."""

    network: str
    name: str
    nest: LoopNest
    times: int


@dataclass(frozen=True)
class Row:
    """Bytes of one layer at one size: the least, and those of ``NAMES``."""

    layer: Layer
    kib: int
    least: int
    fixed: tuple[int, ...]


def layers(network: str) -> list[Layer]:
    table: dict[str, Any] = json.loads(LAYERS.read_text(encoding="utf-8"))
    found: dict[LoopNest, tuple[str, int]] = {}
    for layer in table[network]["layers"]:
        groups = layer["groups"]
        nest = conv2d(
            K=layer["M"] // groups,
            C=layer["C"] // groups,
            Y=layer["OH"],
            X=layer["OW"],
            R=layer["R"],
            S=layer["S"],
            N=layer["N"],
            G=groups,
            stride=tuple(layer["stride"]),
            dilation=tuple(layer["dilation"]),
            pad=tuple(layer["pad"]),
            H=layer["H"],
            W=layer["W"],
        )
        name, times = found.get(nest, (layer["name"], 0))
        found[nest] = name, times + 1
    return [Layer(network, name, nest, times) for nest, (name, times) in found.items()]


def rows(networks: tuple[str, ...], sizes: tuple[int, ...]) -> list[Row]:
    found = []
    for layer in (one for network in networks for one in layers(network)):
        shape = shape_of(layer.nest)
        for kib in sizes:
            store = Store(kib * 1024)
            least, row = least_traffic(shape, store), untiled(shape, store)
            fixed = [best_fixed(shape, store, name) for name in SCHEDULES]
            assert least is not None
            assert row is not None
            totals = [one.traffic.total // 8 for one in fixed if one is not None]
            found.append(Row(layer, kib, least.traffic.total // 8, (*totals, row.traffic.total // 8)))
    return found


def totals(measured: list[Row]) -> str:
    """Bytes of whole networks, and how many times as many each fixed schedule moves."""
    lines = ["| network | KiB | least, MB | " + " | ".join(NAMES) + " |", "|---|--:|--:|" + "--:|" * len(NAMES)]
    for network in dict.fromkeys(row.layer.network for row in measured):
        for kib in dict.fromkeys(row.kib for row in measured):
            some = [row for row in measured if row.layer.network == network and row.kib == kib]
            least = sum(row.least * row.layer.times for row in some)
            ratios = [sum(row.fixed[k] * row.layer.times for row in some) / least for k in range(len(NAMES))]
            cells = " | ".join(f"{ratio:.2f}" for ratio in ratios)
            lines.append(f"| {network} | {kib} | {least / 1e6:.3f} | {cells} |")
    return "\n".join(lines)


def extremes(measured: list[Row]) -> str:
    """Per schedule: the mean ratio over layers, the largest, and how many reach 14."""
    lines = ["| schedule | geometric mean | largest | layer | KiB | 14 or more |", "|---|--:|--:|---|--:|--:|"]
    for k, name in enumerate(NAMES):
        ratios = [row.fixed[k] / row.least for row in measured]
        mean = exp(sum(log(ratio) for ratio in ratios) / len(ratios))
        place = max(range(len(ratios)), key=lambda place: ratios[place])
        top = measured[place]
        many = sum(ratio >= 14 for ratio in ratios)
        where = f"{top.layer.network} `{top.layer.name}`"
        lines.append(f"| {name} | {mean:.2f} | {ratios[place]:.2f} | {where} | {top.kib} | {many} of {len(ratios)} |")
    return "\n".join(lines)


def by_layer(measured: list[Row]) -> str:
    sizes = dict.fromkeys(row.kib for row in measured)
    head = " | ".join(f"{kib} KiB" for kib in sizes)
    lines = [f"| network | layer | times | {head} |", "|---|---|--:|" + "--:|" * len(sizes)]
    for layer in dict.fromkeys((row.layer.network, row.layer.name) for row in measured):
        some = [row for row in measured if (row.layer.network, row.layer.name) == layer]
        cells = " | ".join(str(row.least) for row in some)
        lines.append(f"| {layer[0]} | `{layer[1]}` | {some[0].layer.times} | {cells} |")
    return "\n".join(lines)


def exact(networks: tuple[str, ...], kib: int = 64) -> str:
    """The selected mapping of every layer on ``flat-64k`` with 32-bit partial sums, by formula and exactly."""
    flat = tw.load_arch("flat-64k")
    arch = replace(flat.with_scratchpad(kib * 1024), widths=replace(flat.widths, accumulator=32))
    lines = [
        "| network | layer | formula, bytes | exact, bytes | steps | refused | seconds |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for layer in (one for network in networks for one in layers(network)):
        began = time.perf_counter()
        try:
            found = select(default_problem(layer.nest, arch, arch.layout))
        except TilewrightError as error:
            lines.append(f"| {layer.network} | `{layer.name}` | {error} | | | | |")
            continue
        refused = found.windows_refused + found.others_refused
        lines.append(
            f"| {layer.network} | `{layer.name}` | {found.formula_traffic.total // 8} | {found.cost.dram_bytes}"
            f" | {found.cost.steps} | {refused} | {time.perf_counter() - began:.2f} |"
        )
    return "\n".join(lines)


def differences() -> str:
    """Every order, tiling and depth of small nests: where B or T of the formulas is not what the exact model says."""
    nests: dict[str, tuple[LoopNest, dict[str, tuple[int, ...]]]] = {
        "3x3": (
            conv2d(K=2, C=2, Y=4, X=4, R=3, S=3),
            {"K": (1,), "C": (1,), "Y": (1, 2), "X": (2,), "R": (1,)},
        ),
        "row of taps": (
            conv2d(K=2, C=2, Y=1, X=6, S=3),
            {"K": (1,), "C": (1, 2), "X": (1, 2, 3, 6), "S": (1, 3)},
        ),
        "padded": (
            conv2d(K=2, C=2, Y=4, X=4, R=3, S=3, pad=1),
            {"K": (1,), "C": (1,), "Y": (1, 2), "X": (2,), "R": (1,)},
        ),
        "stride 2": (
            conv2d(K=2, C=2, Y=1, X=6, S=3, stride=2),
            {"K": (1,), "C": (1, 2), "X": (1, 2, 3, 6), "S": (1, 3)},
        ),
        "stride 3, four taps": (
            conv2d(K=2, C=1, Y=1, X=6, S=4, stride=3),
            {"K": (1,), "X": (1, 2, 3, 6), "S": (1, 2, 4)},
        ),
        "dilation 2": (
            conv2d(K=2, C=2, Y=1, X=6, S=3, dilation=2),
            {"K": (1,), "C": (1, 2), "X": (1, 2, 3, 6), "S": (1, 3)},
        ),
        "ragged tiles": (
            conv2d(K=5, C=2, Y=1, X=7, S=3),
            {"K": (2,), "C": (1, 2), "X": (1, 2, 3, 7), "S": (1, 2, 3)},
        ),
    }
    flat = tw.load_arch("flat-64k")
    signs = {-1: "less", 0: "same", 1: "more"}
    lines = [
        "| nest | cases | operand | cause | B by formula | T by formula | cases |",
        "|---|--:|---|---|---|---|--:|",
    ]
    for name, (nest, tiles) in nests.items():
        found = list(every_keep(nest, flat, tiles))
        kinds = Counter(
            (
                one.operand,
                ", ".join(cause.split(":")[0] for cause in one.causes),
                signs[(one.formula_buffer > one.exact_buffer) - (one.formula_buffer < one.exact_buffer)],
                signs[(one.formula_bytes > one.exact_bytes) - (one.formula_bytes < one.exact_bytes)],
            )
            for one in found
            if one.differs
        )
        lines += [f"| {name} | {len(found)} | {' | '.join(kind)} | {count} |" for kind, count in sorted(kinds.items())]
        if not kinds:
            lines.append(f"| {name} | {len(found)} | none | | | | 0 |")
    return "\n".join(lines)


def small_buffers() -> str:
    """The formulas' B against counting what waits for another use, for every order of the loops of small nests."""
    lines = ["| loops | stride | dilation | array levels | B too small | at loops |", "|---|--:|--:|--:|--:|---|"]
    sets = (
        {"of": 2, "if": 2, "sy": 2, "sx": 4, "fx": 3},
        {"of": 2, "if": 2, "sx": 6, "fy": 2, "fx": 3},
        {"sy": 3, "sx": 4, "fy": 3, "fx": 3},
        {"of": 2, "sx": 8, "fx": 5},
    )
    for sizes in sets:
        for stride, dilation in ((1, 1), (2, 1), (1, 2)):
            window = Window(stride, dilation)
            found = count_buffers(sizes, Windows(window, window))
            loops = ", ".join(f"{dim} {extent}" for dim, extent in sizes.items())
            where = ", ".join(sorted({dim for _, _, dim in found.too_small})) or "none"
            lines.append(f"| {loops} | {stride} | {dilation} | {found.levels} | {len(found.too_small)} | {where} |")
    return "\n".join(lines)


def main(wanted: list[str]) -> None:
    sizes = tuple(int(word) for word in wanted if word.isdigit()) or SIZES
    parts = [word for word in wanted if not word.isdigit()] or ["traffic", "layers", "exact", "departures"]
    if "departures" in parts:
        print("### Where formulas and exact model differ\n")
        print(differences(), small_buffers(), sep="\n\n", end="\n\n")
    if not LAYERS.is_file():
        print("there is no ../shared/models/layers.json: no layers to measure", file=sys.stderr)
        return
    measured = rows(NETWORKS, sizes) if {"traffic", "layers"} & set(parts) else []
    if "traffic" in parts:
        print("### Least traffic of whole networks, and fixed schedules as multiples of it\n")
        print(totals(measured), extremes(measured), sep="\n\n", end="\n\n")
    if "layers" in parts:
        print("### Least traffic by layer, bytes\n")
        print(by_layer(measured), end="\n\n")
    if "exact" in parts:
        print("### Selected mappings at 64 KiB\n")
        print(exact(NETWORKS))


if __name__ == "__main__":
    main(sys.argv[1:])
