"""The proven optimum of dMazeRunner's model, over all exact factorisations or a restricted set of them.

Only three orders per level can be best: those with all loops innermost that leave one operand alone. A longer run of
such loops reuses more and changes nothing else for the worse; the tests hold that against all orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from tilewright.errors import InfeasibleError, InputError, LimitError, UsageError
from tilewright.mapping.published.dmazerunner import (
    INVARIANT,
    KINDS,
    PUBLISHED,
    Layer,
    Machine,
    Tiling,
    Vector,
    machine_faults,
    sizes,
)
from tilewright.mapping.published.dmazerunner_model import Cost, evaluate

if TYPE_CHECKING:
    from tilewright.mapping.tiling import IntArray

# The machine's numbers that are not whole, in the order in which the kernels take them.
RATES = (
    "dma_init_cycles",
    "dma_cycles_per_byte",
    "dma_mhz",
    "array_mhz",
    "rf_pj",
    "noc_pj",
    "spm_pj",
    "dram_pj",
    "mac_pj",
)
OBJECTIVES = ("edp", "cycles", "energy")
MAY, MUST, NOT = 1, 2, 0
# Arithmetic is in 64 bits, and tables have a row per box of divisors.
MOST_MACS = 2**40
MOST_BOXES = 2_000_000
MOST_SPLITS = 60_000_000
MOST_VISITS = 500_000_000


@dataclass(frozen=True)
class Restriction:
    """Which tilings count. Least use is of PEs, of a register file's elements and of the scratchpad's bytes.

    ``spatial`` says per dimension whether it MAY, MUST or may NOT be spread over the array; ``whole`` are dimensions
    that DRAM loops do not split.
    """

    spatial: Vector = (MAY,) * 7
    whole: frozenset[int] = frozenset()
    pe_use: float = 0
    rf_use: float = 0
    spm_use: float = 0


@dataclass(frozen=True)
class Switches:
    """The rules that leave tilings out, each of which loses nothing.

    ``dominance``: of the splits of one array tile only those matter that no other beats in cycles to compute, cycles to
    compute and reduce, and both energies, since the cost grows with each. ``tiles``: a scratchpad tile whose bound is
    not below the best found has nothing better inside. ``arrays``: the same of an array tile.
    """

    dominance: bool = True
    tiles: bool = True
    arrays: bool = True


@dataclass(frozen=True)
class Answer:
    """A tiling with its orders, outermost first, its cost, and how much was looked at.

    ``status`` is ``optimal`` within the restriction. ``stationary`` are the operands kept at DRAM and at the
    scratchpad; ``visited`` counts tilings, or array tiles in the bounded search.
    """

    status: str
    tiling: Tiling
    dram_order: tuple[int, ...]
    spm_order: tuple[int, ...]
    stationary: tuple[str, str]
    cost: Cost
    visited: int

    def value(self, objective: str) -> int:
        """Cycles, energy in pJ, or their product."""
        return {"edp": self.cost.edp, "cycles": self.cost.cycles, "energy": self.cost.energy_pj}[objective]


@dataclass(frozen=True)
class Space:
    """A layer as the flat arrays that the kernels take; boxes of divisors are numbered in mixed radix."""

    layer: Layer
    machine: Machine
    restriction: Restriction
    arrays: dict[str, Any] = field(repr=False)
    tiles: IntArray = field(repr=False)

    @property
    def least(self) -> tuple[int, int]:
        """The PEs and the elements of a register file that must be in use."""
        return (
            _at_least(self.restriction.pe_use, self.machine.pes),
            _at_least(self.restriction.rf_use, self.machine.rf_elements),
        )


def _at_least(use: float, whole: int) -> int:
    """The least count that is that share of the whole; thresholds such as 0.8 - 0.1 are meant in decimals.

    >>> _at_least(0.8, 256), _at_least(0.7999999999999999, 256)
    (205, 205)
    """
    from math import ceil

    return max(0, ceil(round(use, 9) * whole))


def _divisors(bound: int) -> list[int]:
    small = [k for k in range(1, int(bound**0.5) + 1) if bound % k == 0]
    return sorted({*small, *(bound // k for k in small)})


def order_for(layer: Layer, operand: int) -> tuple[int, ...]:
    """An order of all seven dimensions, outermost first, with those innermost that leave an operand alone.

    >>> from tilewright.mapping.published.dmazerunner import DIMS, conv
    >>> [DIMS[d] for d in order_for(conv("a", (1, 8, 4, 6, 6, 3, 3)), 0)]
    ['N', 'M', 'Ox', 'Oy', 'C', 'Fx', 'Fy']
    """
    inner = INVARIANT[layer.kind][operand]
    return tuple(d for d in range(7) if d not in inner) + tuple(d for d in range(7) if d in inner)


def space(layer: Layer, machine: Machine, restriction: Restriction = Restriction()) -> Space:
    """The arrays of a layer; InputError for a machine out of range, LimitError for a layer too large to search."""
    import numpy as np

    if wrong := machine_faults(machine):
        raise InputError([f"machine: {fault}" for fault in wrong])
    if layer.macs > MOST_MACS:
        raise LimitError(f"{layer.name}: {layer.macs:,} MACs; layers of up to {MOST_MACS:,} are searched")
    lists = [_divisors(bound) for bound in layer.bounds]
    if prod(map(len, lists)) > MOST_BOXES:
        raise LimitError(
            f"{layer.name}: its bounds have {prod(map(len, lists)):,} combinations of divisors; up to {MOST_BOXES:,}"
            " are searched"
        )
    most = max(map(len, lists))
    divisors = np.zeros((7, most), np.int64)
    inside = np.zeros((7, most, most), np.int64)
    insides = np.zeros((7, most), np.int64)
    strides = np.ones(7, np.int64)
    for dim, own in enumerate(lists):
        divisors[dim, : len(own)] = own
        strides[dim] = prod(map(len, lists[dim + 1 :]))
        for i, large in enumerate(own):
            fitting = [j for j, small in enumerate(own) if large % small == 0]
            inside[dim, i, : len(fitting)], insides[dim, i] = fitting, len(fitting)
    m = machine
    arrays = {
        "shape": np.array([KINDS.index(layer.kind), layer.stride, layer.padded], np.int64),
        "bounds": np.array(layer.bounds, np.int64),
        "limits": np.array([m.pes, m.rf_elements, m.banks, m.bank_bytes, m.element_bytes], np.int64),
        "rates": np.array(
            [getattr(m, rate) for rate in RATES],
            np.float64,
        ),
        "divisors": divisors,
        "counts": np.array([len(own) for own in lists], np.int64),
        "strides": strides,
        "inside": inside,
        "insides": insides,
    }
    return Space(layer, machine, restriction, arrays, _tiles(layer, machine, restriction, lists))


def _tiles(layer: Layer, machine: Machine, restriction: Restriction, lists: list[list[int]]) -> IntArray:
    """Numbers of the scratchpad tiles that fit, and fill as much of it as the restriction asks."""
    import numpy as np

    axes = np.meshgrid(*(np.array(own, np.int64) for own in lists), indexing="ij", copy=False)
    n, m, c, ox, oy, fx, fy = axes
    rows, columns = (ox - 1) * layer.stride + fx, (oy - 1) * layer.stride + fy
    held = (n * (c if layer.kind == "depthwise" else m) * ox * oy, n * c * rows * columns, m * c * fx * fy)
    used = sum(size * machine.element_bytes for size in held)
    fits = sum(-(-size * machine.element_bytes // machine.bank_bytes) for size in held) <= machine.banks
    fits &= used >= _at_least(restriction.spm_use, machine.spm_bytes)
    for dim in restriction.whole:
        fits &= axes[dim] == layer.bounds[dim]
    return np.flatnonzero(fits).astype(np.int64)


def split_table(space: Space, dominance: bool) -> tuple[Any, Any, Any]:
    """Offsets, integers and energies of the splits of all array tiles (``split_arrays``)."""
    import numpy as np

    from tilewright.mapping.published.dmazerunner_splits_kernels import split_arrays

    keys = ("shape", "limits", "rates", "divisors", "counts", "strides", "inside", "insides")
    flat = [space.arrays[key] for key in keys]
    spread = np.array(space.restriction.spatial, np.int64)
    run: Any = split_arrays
    offsets, ints, floats, whole = run(*flat, spread, *space.least, dominance, MOST_SPLITS)
    if not whole:
        raise LimitError(
            f"{space.layer.name}: more than {MOST_SPLITS:,} ways to spread array tiles; too many to search"
        )
    return offsets, ints, floats


def optimum(
    layer: Layer,
    machine: Machine = PUBLISHED,
    objective: str = "edp",
    restriction: Restriction = Restriction(),
    switches: Switches = Switches(),
) -> Answer:
    """The best tiling and orders, proven: least ``edp``, ``cycles`` or ``energy``.

    Equal cycles are decided by energy, equal energy by cycles, and what is still equal by the order of enumeration.
    Raises InfeasibleError where no tiling satisfies the restriction, LimitError where the layer is too large.
    """
    import numpy as np

    from tilewright.mapping.published.dmazerunner_bounded_kernels import search

    if objective not in OBJECTIVES:
        raise UsageError(f"objective {objective!r}: one of {', '.join(OBJECTIVES)} is needed")
    found = space(layer, machine, restriction)
    table = split_table(found, switches.dominance)
    best = np.zeros(7, np.int64)
    keys = ("shape", "bounds", "limits", "rates", "divisors", "strides", "inside", "insides")
    flat = [found.arrays[key] for key in keys]
    number = OBJECTIVES.index(objective)
    run: Any = search
    visited, _, whole = run(number, *flat, found.tiles, *table, switches.tiles, switches.arrays, MOST_VISITS, best)
    if not whole:
        raise LimitError(f"{layer.name}: not finished after {MOST_VISITS:,} array tiles")
    if best[0] < 0:
        raise InfeasibleError(infeasible_text(layer, machine))
    return answer(found, best, visited)


def infeasible_text(layer: Layer, machine: Machine) -> str:
    """Why no tiling is legal."""
    least = sum(sizes(layer, (1,) * 7))
    return (
        f"{layer.name}: no tiling satisfies the restriction; single elements take {least} of the"
        f" {machine.rf_elements} elements of a register file and 3 of {machine.banks} banks"
    )


def answer(space: Space, best: Any, visited: int) -> Answer:
    """The kernels' row ``best`` as a value, costed by the reference model."""
    own = space.arrays

    def box(number: int) -> Vector:
        values = []
        for dim in range(7):
            index, number = divmod(number, int(own["strides"][dim]))
            values.append(int(own["divisors"][dim, index]))
        n, m, c, ox, oy, fx, fy = values
        return n, m, c, ox, oy, fx, fy

    tile, array, spatial = (box(int(best[k])) for k in (2, 3, 4))
    tiling = Tiling(_over(space.layer.bounds, tile), _over(tile, array), _over(array, spatial), spatial)
    kept, held = int(best[5]), int(best[6])
    orders = order_for(space.layer, kept), order_for(space.layer, held)
    cost = evaluate(space.layer, space.machine, tiling, *orders)
    if (cost.cycles, cost.energy_pj) != (int(best[0]), int(best[1])):
        raise AssertionError(f"{space.layer.name}: compiled and plain model differ for {tiling}")
    return Answer("optimal", tiling, *orders, ("OIW"[kept], "OIW"[held]), cost, visited)


def _over(one: Vector, other: Vector) -> Vector:
    a, b, c, d, e, f, g = (x // y for x, y in zip(one, other, strict=True))
    return a, b, c, d, e, f, g
