"""What dMazeRunner's execution model is asked about: a layer, a machine, a tiling over four levels.

"dMazeRunner: Executing Perfectly Nested Loops on Dataflow Accelerators" (Dave, Kim, Avancha, Lee, Shrivastava, 2019).
All vectors of trip counts are in the order of ``DIMS``. A matrix product C[x,y] += A[x,k] * B[k,y] is written with the
same seven: x is N, y is M, k is C, so that C is the output, A the input and B the weight. Extents are in elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

Vector = tuple[int, int, int, int, int, int, int]

DIMS = ("N", "M", "C", "Ox", "Oy", "Fx", "Fy")
N, M, C, OX, OY, FX, FY = range(7)
ONES: Vector = (1,) * 7
OPERANDS = ("O", "I", "W")
KINDS = ("conv", "depthwise", "gemm")
GEMM_DIMS = {"X": "N", "Y": "M", "K": "C"}

# Loops that leave an operand's element alone. In a depthwise layer, where M is 1, also the output has an index C.
INVARIANT = {
    "conv": (frozenset({C, FX, FY}), frozenset({M}), frozenset({N, OX, OY})),
    "depthwise": (frozenset({M, FX, FY}), frozenset({M}), frozenset({M, N, OX, OY})),
    "gemm": (frozenset({C, FX, FY}), frozenset({M}), frozenset({N, OX, OY})),
}


@dataclass(frozen=True)
class Layer:
    """A perfect nest: a convolution, a depthwise convolution (M is 1) or a matrix product.

    ``padded`` is the extent of either spatial axis of the input as it lies in DRAM; it decides what is contiguous.
    """

    name: str
    kind: str
    bounds: Vector
    stride: int = 1
    padded: int = 1

    @property
    def macs(self) -> int:
        return prod(self.bounds)


@dataclass(frozen=True)
class Machine:
    """The accelerator: a count of processing elements, each with a register file, and one of two equal scratchpads.

    Energies are of one element, in pJ. The defaults are the published machine.
    """

    pes: int = 256
    rf_bytes: int = 512
    banks: int = 32
    bank_bytes: int = 2048
    element_bytes: int = 2
    dma_init_cycles: float = 291
    dma_cycles_per_byte: float = 0.24
    dma_mhz: float = 3200
    array_mhz: float = 500
    rf_pj: float = 0.96
    noc_pj: float = 2
    spm_pj: float = 13.5
    dram_pj: float = 200
    mac_pj: float = 0.075

    @property
    def rf_elements(self) -> int:
        return self.rf_bytes // self.element_bytes

    @property
    def spm_bytes(self) -> int:
        return self.banks * self.bank_bytes


PUBLISHED = Machine()

# Ranges within which no sum of the model leaves 64 bits for layers that are searched.
_COUNTS = {"pes": 2**16, "rf_bytes": 2**20, "banks": 2**16, "bank_bytes": 2**30, "element_bytes": 64}
_RATES = {"dma_init_cycles": 1e4, "dma_cycles_per_byte": 1e3, "dma_mhz": 1e6, "array_mhz": 1e6}
_ENERGIES = ("rf_pj", "noc_pj", "spm_pj", "dram_pj", "mac_pj")


def machine_faults(machine: Machine) -> list[str]:
    """Which numbers of a machine are out of range, one sentence each.

    >>> machine_faults(Machine(pes=0))
    ['pes is 0; 1 to 65,536 is needed']
    """
    found = []
    for name, most in _COUNTS.items():
        if not 1 <= (count := getattr(machine, name)) <= most:
            found.append(f"{name} is {count}; 1 to {most:,} is needed")
    for name, upper in {**_RATES, **dict.fromkeys(_ENERGIES, 1e5)}.items():
        if not 0 <= (rate := getattr(machine, name)) <= upper:
            found.append(f"{name} is {rate}; 0 to {upper:,.0f} is needed")
    if not found and not (machine.dma_mhz > 0 and machine.array_mhz <= 100 * machine.dma_mhz):
        found.append(f"array_mhz is {machine.array_mhz} and dma_mhz {machine.dma_mhz}; at most 100 times as many")
    return found


@dataclass(frozen=True)
class Tiling:
    """Trip counts of every loop on the four levels; their product is the loop's bound, exactly."""

    dram: Vector
    spm: Vector
    rf: Vector
    spatial: Vector

    @property
    def bounds(self) -> Vector:
        return times(times(self.dram, self.spm), times(self.rf, self.spatial))


def times(one: Vector, other: Vector) -> Vector:
    """Elementwise product.

    >>> times((1, 2, 3, 1, 1, 1, 1), (4, 5, 6, 1, 1, 1, 7))
    (4, 10, 18, 1, 1, 1, 7)
    """
    a, b, c, d, e, f, g = (x * y for x, y in zip(one, other, strict=True))
    return a, b, c, d, e, f, g


def conv(name: str, bounds: Vector, stride: int = 1, padded: int | None = None, kind: str = "conv") -> Layer:
    """A convolution; without ``padded`` the input is just what the outputs touch.

    >>> conv("a", (1, 64, 3, 112, 112, 7, 7), stride=2).padded
    229
    """
    touched = (bounds[OX] - 1) * stride + bounds[FX]
    return Layer(name, kind, bounds, stride, touched if padded is None else padded)


def gemm(name: str, x: int, y: int, k: int) -> Layer:
    """The matrix product C[x,y] += A[x,k] * B[k,y].

    >>> gemm("fc", 1, 1000, 2048).bounds
    (1, 1000, 2048, 1, 1, 1, 1)
    """
    return Layer(name, "gemm", (x, y, k, 1, 1, 1, 1))


def sizes(layer: Layer, tile: Vector) -> tuple[int, int, int]:
    """Elements of the output, the input and the weight that a tile touches (section 3 of the published model).

    size(O) = n m ox oy (depthwise n c ox oy); size(I) = n c ((ox-1) S + fx) ((oy-1) S + fy); size(W) = m c fx fy.

    >>> sizes(conv("a", (1, 8, 4, 6, 6, 3, 3)), (1, 2, 4, 6, 1, 3, 3))
    (12, 96, 72)
    """
    n, m, c, ox, oy, fx, fy = tile
    rows, columns = (ox - 1) * layer.stride + fx, (oy - 1) * layer.stride + fy
    outputs = n * (c if layer.kind == "depthwise" else m) * ox * oy
    return outputs, n * c * rows * columns, m * c * fx * fy


def faults(layer: Layer, machine: Machine, tiling: Tiling) -> list[str]:
    """Why a tiling is not legal, one sentence each; an empty list if it is.

    >>> faults(gemm("a", 4, 4, 4), Machine(), Tiling((4, 4, 2, 1, 1, 1, 1), ONES, ONES, ONES))
    ['C: the trip counts multiply to 2, and the bound is 4']
    """
    found = []
    for dim, product, bound in zip(DIMS, tiling.bounds, layer.bounds, strict=True):
        if product != bound:
            found.append(f"{dim}: the trip counts multiply to {product}, and the bound is {bound}")
    if prod(tiling.spatial) > machine.pes:
        found.append(f"the spatial trip counts multiply to {prod(tiling.spatial)}, and there are {machine.pes} PEs")
    held = sum(sizes(layer, tiling.rf))
    if held > machine.rf_elements:
        found.append(f"a register file would hold {held} elements, and has room for {machine.rf_elements}")
    tile = sizes(layer, times(times(tiling.rf, tiling.spatial), tiling.spm))
    banks = sum(-(-size * machine.element_bytes // machine.bank_bytes) for size in tile)
    if banks > machine.banks:
        found.append(f"the scratchpad would need {banks} banks, and has {machine.banks}")
    return found
