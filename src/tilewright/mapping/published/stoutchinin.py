"""The memory model of Stoutchinin, Conti and Benini (2019): what a convolution moves with a buffer for each array.

"Optimally Scheduling CNN Convolutions for Efficient Memory Access" reads a convolution as loops L_1 (innermost) to L_N
and asks, for each of the arrays I (input), W (weights) and O (output), what a buffer at one level of the nest holds
and what it saves. All formulas here are the paper's, in elements unless a name says otherwise.

The paper's loops are ``of, if, sy, sx, fy, fx``. Groups ``g``, batch ``b``, stride and dilation are extensions made
here: a loop over ``b`` is one over places without windows, a loop over ``g`` is used by all arrays, and stride and
dilation enter through ``touched``, which is the paper's count where both are 1. Padding counts as data, as in the
paper's own figures.
"""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import gcd, prod

DIMS = ("g", "b", "of", "if", "sy", "sx", "fy", "fx")
ARRAYS = ("I", "W", "O")
USES: dict[str, frozenset[str]] = {
    "I": frozenset({"g", "b", "if", "sy", "sx", "fy", "fx"}),
    "W": frozenset({"g", "of", "if", "fy", "fx"}),
    "O": frozenset({"g", "b", "of", "sy", "sx"}),
}
# A loop, outermost first in every list of them: its dimension and how often it runs.
Trip = tuple[str, int]


@dataclass(frozen=True)
class Window:
    """How one axis of the input depends on a place and a tap: index ``stride * place + dilation * tap``."""

    stride: int = 1
    dilation: int = 1


@dataclass(frozen=True)
class Windows:
    """The input's two window axes."""

    y: Window = Window()
    x: Window = Window()


@dataclass(frozen=True)
class Widths:
    """Bits of an element: P_X of the input, the weights, a final result and a partial sum."""

    input: int = 8
    weight: int = 8
    output: int = 8
    accumulator: int = 32

    def held(self, array: str) -> int:
        """Bits of an element in the array's buffer; the output's holds partial sums."""
        return {"I": self.input, "W": self.weight, "O": self.accumulator}[array]


@dataclass(frozen=True)
class Level:
    """One loop as an array sees it: reuse distance d, footprint F, buffer B, and traffic T if buffered here.

    Level 0 is inside all loops: one element, fetched at every point.
    """

    dim: str
    trips: int
    distance: Fraction
    footprint: int
    buffer: int
    traffic: int

    @property
    def carries(self) -> bool:
        """Whether the loop carries reuse of the array."""
        return self.distance > 1


@dataclass(frozen=True)
class Traffic:
    """What moves, in bits: input, weights, partial sums in both directions, final results."""

    input: int
    weight: int
    accumulated: int
    final: int

    @property
    def total(self) -> int:
        return self.input + self.weight + self.accumulated + self.final


@dataclass(frozen=True)
class Buffering:
    """One level for each of I, W and O, counted from 1 at the innermost loop (0: no buffer), and what that costs."""

    levels: tuple[int, int, int]
    buffers: tuple[int, int, int]
    traffic: Traffic


def touched(places: int, taps: int, window: Window = Window()) -> int:
    """Distinct indices on a window axis for so many consecutive places and taps.

    Equal indices are ``stride / g`` taps and ``dilation / g`` places apart, g their greatest common divisor, so the
    pairs of neighbours in such a chain are what the product counts too often.

    >>> touched(224, 3), touched(112, 3, Window(2)), touched(5, 1, Window(2))
    (226, 225, 5)
    """
    g = gcd(window.stride, window.dilation)
    repeated = max(0, places - window.dilation // g) * max(0, taps - window.stride // g)
    return places * taps - repeated


def footprint(array: str, box: Dict[str, int], windows: Windows = Windows()) -> int:
    """F_X of a box of iterations: the elements of an array that they touch; a dimension that is missing counts 1.

    >>> footprint("I", {"sx": 224, "fy": 3, "fx": 3})
    678
    """
    of = {dim: box.get(dim, 1) for dim in DIMS}
    if array != "I":
        return prod(of[dim] for dim in USES[array])
    rows, columns = touched(of["sy"], of["fy"], windows.y), touched(of["sx"], of["fx"], windows.x)
    return of["g"] * of["b"] * of["if"] * rows * columns


def levels(array: str, order: Sequence[Trip], windows: Windows = Windows()) -> tuple[Level, ...]:
    """Level 0 and then every loop from the innermost out, as one array sees it; ``order`` is outermost first.

    F(L_i) = F(L_{i-1}) * n(L_i) / d(L_i); B(L_i) = F(L_{i-1}) if L_i carries reuse, else B(L_{i-1});
    T = F(L_i) * product of n(L_j), j > i.

    >>> of_sx = levels("I", [("of", 64), ("if", 64), ("sy", 224), ("sx", 224), ("fy", 3), ("fx", 3)])[3]
    >>> of_sx.dim, of_sx.footprint, of_sx.buffer, of_sx.traffic
    ('sx', 678, 9, 622067712)
    """
    outside = prod(trips for _, trips in order)
    box: dict[str, int] = {}
    found = [Level("", 1, Fraction(1), 1, 1, outside)]
    for dim, trips in reversed(order):
        inner = found[-1]
        box[dim] = box.get(dim, 1) * trips
        outside //= trips
        held = footprint(array, box, windows)
        distance = Fraction(inner.footprint * trips, held)
        room = inner.footprint if distance > 1 else inner.buffer
        found.append(Level(dim, trips, distance, held, room, held * outside))
    return tuple(found)


def total_traffic(input_elements: int, weight_elements: int, visited: int, outputs: int, widths: Widths) -> Traffic:
    """T = T_I + T_W + T_O,acc + T_O,final, in bits.

    ``visited`` is V, the elements of all visits of output tiles, ``outputs`` |O|: all but the last visit of an
    element leave a partial sum, and all but the first fetch it.

    >>> total_traffic(100, 10, 30, 10, Widths())
    Traffic(input=800, weight=80, accumulated=1280, final=80)
    """
    return Traffic(
        input_elements * widths.input,
        weight_elements * widths.weight,
        2 * (visited - outputs) * widths.accumulator,
        outputs * widths.output,
    )


def buffering(order: Sequence[Trip], chosen: tuple[int, int, int], widths: Widths, windows: Windows) -> Buffering:
    """What three levels cost under one order of loops."""
    return _buffering(tuple(levels(array, order, windows) for array in ARRAYS), chosen, widths)


def _buffering(seen: Sequence[Sequence[Level]], chosen: tuple[int, int, int], widths: Widths) -> Buffering:
    at = [one[level] for one, level in zip(seen, chosen, strict=True)]
    traffic = total_traffic(at[0].traffic, at[1].traffic, at[2].traffic, seen[2][-1].footprint, widths)
    return Buffering(chosen, (at[0].buffer, at[1].buffer, at[2].buffer), traffic)


@dataclass(frozen=True)
class Capacity:
    """Room in bits: for all buffers together, for one array each, or both; None is no limit."""

    shared: int | None = None
    input: int | None = None
    weight: int | None = None
    output: int | None = None

    def takes(self, bits: tuple[int, int, int]) -> bool:
        """Whether buffers of I, W and O of those sizes fit."""
        limits = (*zip(bits, (self.input, self.weight, self.output), strict=True), (sum(bits), self.shared))
        return all(limit is None or size <= limit for size, limit in limits)


def best_levels(
    order: Sequence[Trip], capacity: Capacity, widths: Widths = Widths(), windows: Windows = Windows()
) -> Buffering | None:
    """The levels of least traffic under one order that fit, then of least room; None if single elements do not.

    >>> row = [("of", 64), ("if", 64), ("sy", 224), ("sx", 224), ("fy", 3), ("fx", 3)]
    >>> best_levels(row, Capacity(shared=8 * 1024)).levels, best_levels(row, Capacity(shared=8 * 1024 * 1024)).levels
    ((4, 4, 2), (4, 4, 5))
    """
    seen = tuple(levels(array, order, windows) for array in ARRAYS)
    every = range(len(order) + 1)
    best: tuple[tuple[int, int, tuple[int, int, int]], Buffering] | None = None
    for chosen in product(every, every, every):
        one = _buffering(seen, chosen, widths)
        room = held_bits(one.buffers, widths)
        key = (one.traffic.total, sum(room), chosen)
        if capacity.takes(room) and (best is None or key < best[0]):
            best = (key, one)
    return None if best is None else best[1]


def held_bits(buffers: tuple[int, int, int], widths: Widths) -> tuple[int, int, int]:
    """Bits of the buffers of I, W and O.

    >>> held_bits((9, 9, 1), Widths())
    (72, 72, 32)
    """
    return buffers[0] * widths.held("I"), buffers[1] * widths.held("W"), buffers[2] * widths.held("O")
