"""One problem solved by Tilewright: see ``compare.py``. Solved once before, which compiles."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from importlib.metadata import version

from problems import LAYERS, MACHINES, Answer, serve

import tilewright as tw
from tilewright.mapping.nests import default_problem
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.search import map_nest


def problem_of(machine: dict, layer: dict[str, int]) -> NestProblem:
    """The problem on the shipped machine ``flat-64k``, with this machine's numbers."""
    flat = tw.load_arch("flat-64k")
    rates = Fraction(machine["dram_rate"]), Fraction(machine["pad_rate"])
    dram = replace(flat.dram, read_bandwidth=rates[0], write_bandwidth=rates[0], read_pj=float(machine["dram_pj"]),
                   write_pj=float(machine["dram_pj"]))  # fmt: skip
    pad = replace(flat.scratchpad, size_bytes=machine["pad_bytes"], read_bandwidth=rates[1], write_bandwidth=rates[1],
                  read_pj=float(machine["pad_pj"]), write_pj=float(machine["pad_pj"]), name="pad")  # fmt: skip
    array = replace(flat.array, mac_pj=float(machine["mac_pj"]))
    if machine["axes"]:
        axes = tuple(zip("xy", machine["axes"], strict=True))
        array = replace(array, axes=axes, multicast=("x", "y"), reduce=("x", "y"))
    arch = replace(flat, memories=(dram, pad), array=array)
    return default_problem(tw.conv2d(**layer), arch, arch.layout)


def solve(machine: dict, layer: dict[str, int], objective: str) -> Answer:
    found = map_nest(problem_of(machine, layer), objective)
    return {
        "value": found.cost.value(objective),
        "status": found.status,
        "bound": found.bound,
        "version": version("tilewright"),
    }


if __name__ == "__main__":
    for objective in ("energy", "latency"):
        map_nest(problem_of(MACHINES["free"], LAYERS["1x1"]), objective)
    serve(solve)
