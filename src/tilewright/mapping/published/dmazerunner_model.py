"""dMazeRunner's execution model, formula by formula: cycles and energy of a tiling with reuse on two levels.

The plain reference for ``dmazerunner_kernels``, written to be read beside section 3 of the published model. Two of its
peculiarities are kept because they are the model: an output that stays in the register files is charged one transfer
instead of two, and the first fill and last drain of the scratchpad are not charged at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod

from tilewright.mapping.published.dmazerunner import (
    FX,
    FY,
    INVARIANT,
    OX,
    OY,
    C,
    Layer,
    M,
    Machine,
    N,
    Tiling,
    Vector,
    sizes,
    times,
)

Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Energy:
    """Energy by where it goes, in pJ."""

    mac: float
    rf: float
    noc: float
    spm: float
    dram: float

    @property
    def total_pj(self) -> int:
        """The sum, rounded as the original program does."""
        return round(self.mac + self.rf + self.noc + self.spm + self.dram)


@dataclass(frozen=True)
class Cost:
    """What the model says of one execution method."""

    cycles: int
    energy: Energy

    @property
    def energy_pj(self) -> int:
        return self.energy.total_pj

    @property
    def edp(self) -> int:
        """Energy times cycles, in pJ * cycles."""
        return self.cycles * self.energy_pj


def reuse(layer: Layer, trips: Vector, order: Sequence[int]) -> Triple:
    """How often in a row each of O, I, W needs the same tile; ``order`` is of dimensions, outermost first.

    From the innermost loop out, loops of one trip do not count, loops that do not index the operand multiply, and the
    first that does ends it.

    >>> from tilewright.mapping.published.dmazerunner import conv
    >>> reuse(conv("a", (1, 8, 4, 6, 6, 3, 3)), (1, 8, 4, 1, 1, 3, 1), (0, 1, 3, 4, 2, 5, 6))
    (12, 1, 1)
    """
    found = []
    for invariant in INVARIANT[layer.kind]:
        factor = 1
        for dim in reversed(order):
            if trips[dim] == 1:
                continue
            if dim not in invariant:
                break
            factor *= trips[dim]
        found.append(factor)
    outputs, inputs, weights = found
    return outputs, inputs, weights


def bursts(layer: Layer, tile: Vector) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Transfers and elements in each, for the tiles of O, I, W in DRAM.

    Layouts are O[N][M][Ox][Oy] (depthwise O[N][C][Ox][Oy]), I[N][C][Ix][Iy] with the padded extents, W[M][C][Fx][Fy],
    and of matrix products C[X][Y], A[X][K], B[K][Y]. As long as all axes further in are whole an axis lengthens the
    transfer; otherwise it multiplies their number.

    >>> from tilewright.mapping.published.dmazerunner import gemm
    >>> bursts(gemm("a", 8, 8, 8), (2, 8, 4, 1, 1, 1, 1))
    ((1, 16), (2, 4), (1, 32))
    """
    n, m, c, ox, oy, fx, fy = tile
    own, stride = layer.bounds, layer.stride
    channel = C if layer.kind == "depthwise" else M
    outputs = [(tile[dim], own[dim]) for dim in (OY, OX, channel, N)]
    side = layer.padded
    inputs = [((oy - 1) * stride + fy, side), ((ox - 1) * stride + fx, side), (c, own[C]), (n, own[N])]
    if layer.kind == "gemm":
        inputs = inputs[2:]
        weights = [(m, own[M]), (c, own[C])]
    else:
        weights = [(fy, own[FY]), (fx, own[FX]), (c, own[C]), (m, own[M])]
    return _runs(outputs), _runs(inputs), _runs(weights)


def _runs(axes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Transfers and their length for (tile, whole) extents, innermost axis first."""
    count, length, whole = 1, 1, True
    for extent, full in axes:
        if whole:
            length *= extent
        else:
            count *= extent
        whole = whole and extent == full
    return count, length


def transfer_cycles(machine: Machine, elements: int) -> int:
    """Array cycles that the DMA engine takes for one contiguous transfer.

    >>> transfer_cycles(Machine(), 49)
    50
    """
    dma = machine.dma_init_cycles + machine.dma_cycles_per_byte * elements * machine.element_bytes
    return ceil(dma * machine.array_mhz / machine.dma_mhz)


def evaluate(
    layer: Layer, machine: Machine, tiling: Tiling, dram_order: Sequence[int], spm_order: Sequence[int]
) -> Cost:
    """Cost of a legal tiling under two orders of loops, outermost first."""
    return cost(layer, machine, tiling, reuse(layer, tiling.dram, dram_order), reuse(layer, tiling.spm, spm_order))


def cost(layer: Layer, machine: Machine, tiling: Tiling, rd: Triple, rs: Triple) -> Cost:
    """Cost of a legal tiling, given how often O, I, W are reused at DRAM (rd) and at the scratchpad (rs)."""
    array = times(tiling.rf, tiling.spatial)
    rf, moved = sizes(layer, tiling.rf), sizes(layer, array)
    outer, inner, pes = prod(tiling.dram), prod(tiling.spm), prod(tiling.spatial)
    gathered = prod(trips for dim, trips in enumerate(tiling.spatial) if dim not in INVARIANT[layer.kind][0])
    reduction = rf[0] * (pes - gathered)
    skip = [r if s == inner and r > 1 else 1 for r, s in zip(rd, rs, strict=True)]
    runs = bursts(layer, times(array, tiling.spm))
    passing, first = _pass_cycles(moved, rs, skip, prod(tiling.rf), reduction, inner)
    cycles = _total_cycles(machine, runs, rd, moved, skip, passing, first, prod(tiling.rf) + reduction, outer)
    delivered = (rf[0] * gathered, rf[1] * pes, rf[2] * pes)
    rounds = [outer // r if kept > 1 else outer * inner // s for r, s, kept in zip(rd, rs, skip, strict=True)]
    crossed = [rounds[0] * (1 if skip[0] > 1 else 2), rounds[1], rounds[2]]
    tiles = prod(trips for dim, trips in enumerate(tiling.dram) if dim not in INVARIANT[layer.kind][0])
    # The output is written at every visit and read again at every visit but the first.
    visits = [outer // r for r in rd]
    if rd[0] != outer:
        visits[0] += outer // rd[0] - tiles
    reduced = rounds[0] * reduction
    return Cost(
        cycles,
        Energy(
            mac=(layer.macs + reduced) * machine.mac_pj,
            rf=(4 * layer.macs + 3 * reduced) * machine.rf_pj,
            noc=(sum(d * x for d, x in zip(delivered, crossed, strict=True)) + reduced) * machine.noc_pj,
            spm=sum(a * x for a, x in zip(moved, crossed, strict=True)) * machine.spm_pj,
            dram=sum(k * run * v for (k, run), v in zip(runs, visits, strict=True)) * machine.dram_pj,
        ),
    )


def _pass_cycles(
    moved: Triple, rs: Triple, skip: Sequence[int], compute: int, reduction: int, inner: int
) -> tuple[int, int]:
    """Cycles of one scratchpad pass, and the longest of the transfers that come with every register-file pass.

    Loading is hidden behind computing. Writing the output back is not: it waits for the computation and the reduction,
    and where it happens every time, nothing overlaps.
    """
    network: dict[int, int] = {}
    stall: dict[int, int] = {}
    for operand, (elements, every) in enumerate(zip(moved, rs, strict=True)):
        if skip[operand] == 1:
            network[every] = max(network.get(every, 0), elements)
            if operand == 0:
                stall[every] = compute + reduction
    current = 0 if 1 in stall else compute
    cycles = current * inner
    for every in sorted(network):
        if network[every] > current:
            cycles += (network[every] - current) * inner // every
            current = network[every]
        cycles += stall.get(every, 0) * inner // every
    return cycles, network.get(1, 0)


def _total_cycles(
    machine: Machine,
    runs: Sequence[tuple[int, int]],
    rd: Triple,
    moved: Triple,
    skip: Sequence[int],
    passing: int,
    first: int,
    write_back: int,
    outer: int,
) -> int:
    """All scratchpad passes: DMA and array side by side, and of every rd passes two that load or store more."""
    raw: dict[int, int] = {1: 0}
    for operand, ((count, length), r) in enumerate(zip(runs, rd, strict=True)):
        twice = 2 if operand == 0 and r == 1 else 1
        raw[r] = raw.get(r, 0) + count * transfer_cycles(machine, length) * twice
    sums, running = {}, 0
    for r in sorted(raw):
        running += raw[r]
        sums[r] = running
    base = max(sums[1], passing)
    total = base * outer
    for operand, r in enumerate(rd):
        if r == 1:
            continue
        load, store = sums[r], sums[r] - (0 if operand == 0 else raw[r])
        leave = enter = passing
        if skip[operand] > 1:
            enter += max(0, moved[operand] - first)
            leave += write_back if operand == 0 else 0
        total += (max(0, max(load, leave) - base) + max(0, max(store, enter) - base)) * outer // r
    return total
