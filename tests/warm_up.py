"""Compiles the kernels into numba's cache, one half of them per process: ``python -m tests.warm_up searches``."""

from __future__ import annotations

import sys
from importlib import import_module

import numpy as np


def searches() -> None:
    """What a small proof calls."""
    import tilewright as tw

    nest = tw.conv2d(K=8, C=4, Y=6, X=6, R=3, S=3, pad=1)
    tw.map_nest(nest, tw.load_arch("mobile-npu"), effort="proof", cache=False)


def others() -> None:
    """Kernels of published methods, which are compiled as they are imported; then shortest paths, which small proofs
    do without and which need what the other half compiles first."""
    from tests.mapping.test_lattice import some
    from tests.mapping.test_relaxation import LAYER, roots

    from tilewright.arch.load import load_arch
    from tilewright.mapping.nests import default_problem
    from tilewright.mapping.optimal.lattice import shortest_paths

    for name in ("dmazerunner_bounded", "dmazerunner_splits", "stoutchinin"):
        import_module(f"tilewright.mapping.published.{name}_kernels")
    arch = load_arch("simba")
    (root,) = roots(default_problem(LAYER, arch, arch.layout), "edp", 1)
    shortest_paths(some(root, 0), np.inf, 10_000, 1)
    addresses()


def addresses() -> None:
    """What a search for addresses calls: a problem that greedy placements do not settle."""
    from tilewright.memory import Buffer, allocate

    allocate([Buffer("a", 2, 0, 2, address=1), Buffer("b", 2, 0, 1), Buffer("c", 1, 1, 2)])


if __name__ == "__main__":
    {"searches": searches, "others": others}[sys.argv[1]]()
