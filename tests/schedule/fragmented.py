"""A network and an order of its operators in which all maps fit on chip by the sum of bytes, and have no addresses."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from tests.simulate.models import model

import tilewright as tw
from tilewright.arch.accelerator import Accelerator
from tilewright.workload.network import Network

UNIT = 256  # bytes of a channel

# Maps as (step that writes it, step that reads it, channels): at most eight channels are live at once, and no
# placement has all of them within eight. Of random ones with up to nine maps it was the smallest found.
MAPS = ((3, 5, 3), (8, 11, 2), (13, 15, 4), (6, 12, 2), (0, 2, 4), (10, 16, 4), (4, 9, 1), (1, 7, 4))
LIVE = 8
STEPS = 17  # one of them neither writes a map nor reads one, so that none is read right after it is written


def fragmented_network(folder: Path) -> Network:
    """Two convolutions for each map: one writes it from an input of its own, one reads it for an output of its own. In
    the order of the steps they come to the graph like that."""
    rng = np.random.default_rng(0)
    ends = {first: ("x{}", "m{}", k, (n, 1)) for k, (first, _, n) in enumerate(MAPS)}
    ends |= {last: ("m{}", "y{}", k, (1, n)) for k, (_, last, n) in enumerate(MAPS)}
    nodes, weights, inputs, outputs = [], {}, {}, []
    for step in range(STEPS):
        reads, writes, k, shape = ends.get(step, ("x{}", "y{}", len(MAPS), (1, 1)))
        source, result, weight = reads.format(k), writes.format(k), f"w{step}"
        weights[weight] = rng.normal(size=(*shape, 1, 1)).astype(np.float32)
        nodes.append(helper.make_node("Conv", [source, weight], [result]))
        if source.startswith("x"):
            inputs[source] = (1, 1, 16, 16)
        if result.startswith("y"):
            outputs.append(result)
    onnx.save(model(nodes, inputs, outputs, weights), folder / "fragmented.onnx")
    return tw.load_model(folder / "fragmented.onnx")


def machine(name: str, size_bytes: int, alignment_bytes: int = 1) -> Accelerator:
    """A machine of the catalog with another scratchpad."""
    return replace(tw.load_arch(name).with_scratchpad(size_bytes), alignment_bytes=alignment_bytes)


def fragmented_machine() -> Accelerator:
    """Room for the most that is live at once, and less than a channel beside it; a DRAM so slow that all else is
    hidden behind it."""
    arch = machine("mobile-npu", LIVE * UNIT + UNIT - 1)
    slow = replace(arch.dram, read_bandwidth=Fraction(1, 16), write_bandwidth=Fraction(1, 16), setup_cycles=0)
    return replace(arch, memories=tuple(slow if m.name == slow.name else m for m in arch.memories))
