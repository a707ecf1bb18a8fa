"""The space of the paper's selection, every loop order with every tiling, as chains of boxes.

A tiling cuts a dimension into any number of loops whose trip counts multiply to its extent, in any order. From the
innermost loop out, the extents that the loops so far cover make a growing chain of boxes, each a multiple of the one
before in one dimension. What an array costs depends on one step of the chain alone:

- W is idle in loops over places and batch, O in reductions, I in ``of``. If its buffer holds what a box touches and
  the box is the last before a loop that it uses, B_X = F_X(box) and T_X = F_X(box) * product of extent / box.
- I may also slide: with a buffer for the box ``input`` and the next loop along a window, T_I counts F_I of the box
  ``after``, which is longer in that one dimension.

So a schedule is three boxes and the input's second one, on one chain: each box of W and O divides ``input`` or is a
multiple of ``after``, and one of them divides the other. This says the same as levels of an order; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import lcm, prod

from tilewright.errors import UsageError
from tilewright.mapping.published.stoutchinin import (
    DIMS,
    USES,
    Traffic,
    Widths,
    Window,
    Windows,
    footprint,
    total_traffic,
    touched,
)
from tilewright.workload.nest import Axis, LoopNest

# Extents of DIMS, in that order.
Box = tuple[int, ...]
PLAIN = Windows()
BYTES = Widths()
_SIDES = (("sy", "fy", "y"), ("sx", "fx", "x"))


@dataclass(frozen=True)
class Shape:
    """A convolution: extents of ``DIMS``, its windows, and the nest's name of each dimension ("" if it has none)."""

    extents: Box
    windows: Windows = PLAIN
    names: tuple[str, ...] = ("",) * len(DIMS)

    @cached_property
    def elements(self) -> dict[str, int]:
        """|I| (padding included), |W| and |O|."""
        return {array: held(self, array, self.extents) for array in USES}


@dataclass(frozen=True)
class Combination:
    """Where each array is buffered: its box, and for the input what it covers while its window slides once through."""

    input: Box
    after: Box
    weight: Box
    output: Box

    @property
    def boxes(self) -> tuple[Box, Box, Box]:
        """The boxes of I, W and O."""
        return self.input, self.weight, self.output

    @property
    def innermost(self) -> Box:
        """The box inside all others."""
        return min(self.boxes, key=lambda box: (prod(box), box))

    @property
    def sliding(self) -> str | None:
        """The dimension along which the input's window slides."""
        return next((dim for dim, a, b in zip(DIMS, self.input, self.after, strict=True) if a != b), None)


@dataclass(frozen=True)
class Store:
    """The buffers' memory: bytes for all together and for each array (None: no limit), widths, and how it is filled.

    ``granule_bytes`` rounds every buffer up. ``doubled`` gives two buffers to what is fetched more than once, so that
    one fills while the other is used; a window that slides over the whole axis once needs room for its advance only.
    """

    shared_bytes: int | None
    input_bytes: int | None = None
    weight_bytes: int | None = None
    output_bytes: int | None = None
    widths: Widths = BYTES
    granule_bytes: int = 1
    doubled: bool = False

    def takes(self, rooms: tuple[int, int, int]) -> bool:
        """Whether buffers of I, W and O of those bytes fit.

        >>> Store(1024, input_bytes=512).takes((512, 400, 100)), Store(1024, input_bytes=512).takes((513, 4, 4))
        (True, False)
        """
        limits = (self.input_bytes, self.weight_bytes, self.output_bytes, self.shared_bytes)
        return all(limit is None or size <= limit for size, limit in zip((*rooms, sum(rooms)), limits, strict=True))


def box(**extents: int) -> Box:
    """A box by the names of its dimensions (``if_`` for ``if``), 1 where none is given.

    >>> box(of=2, if_=3)
    (1, 1, 2, 3, 1, 1, 1, 1)
    """
    return tuple(extents.get("if_" if dim == "if" else dim, 1) for dim in DIMS)


def held(shape: Shape, array: str, inside: Box) -> int:
    """F_X of a box."""
    return footprint(array, dict(zip(DIMS, inside, strict=True)), shape.windows)


def moved(shape: Shape, array: str, covered: Box) -> int:
    """T_X: a footprint for every box of that size."""
    return held(shape, array, covered) * prod(shape.extents) // prod(covered)


def traffic_of(shape: Shape, chosen: Combination, widths: Widths) -> Traffic:
    """What a combination moves, in bits.

    >>> row = Shape(box(of=64, if_=64, sy=224, sx=224, fy=3, fx=3))
    >>> line = Combination(box(sx=224, fy=3, fx=3), box(sy=224, sx=224, fy=3, fx=3), row.extents, row.extents)
    >>> traffic_of(row, line, Widths()).input // 8
    209207296
    """
    counts = (moved(shape, "I", chosen.after), moved(shape, "W", chosen.weight), moved(shape, "O", chosen.output))
    return total_traffic(*counts, shape.elements["O"], widths)


def rooms_of(shape: Shape, chosen: Combination, store: Store) -> tuple[int, int, int]:
    """Bytes of the buffers of I, W and O in a memory."""
    elements = [held(shape, array, inside) for array, inside in zip("IWO", chosen.boxes, strict=True)]
    if store.doubled:
        for place, (array, inside) in enumerate(zip("IWO", chosen.boxes, strict=True)):
            if _again(shape, array, inside):
                elements[place] = min(
                    2 * elements[place], _ring(shape, chosen) if array == "I" else 2 * elements[place]
                )
    widths = [store.widths.held(array) for array in "IWO"]
    size = [-(-count * bits // 8) for count, bits in zip(elements, widths, strict=True)]
    rounded = [-(-one // store.granule_bytes) * store.granule_bytes for one in size]
    return rounded[0], rounded[1], rounded[2]


def _again(shape: Shape, array: str, inside: Box) -> bool:
    """Whether loops outside the box use the array."""
    return any(a < n and dim in USES[array] for dim, a, n in zip(DIMS, inside, shape.extents, strict=True))


def _ring(shape: Shape, chosen: Combination) -> int:
    """Room for a window and its advance if it slides through all that the array has, else for two."""
    once = chosen.sliding is not None and not _again(shape, "I", chosen.after)
    if not once:
        return 2 * held(shape, "I", chosen.input)
    of = dict(zip(DIMS, chosen.input, strict=True))
    total = of["b"] * of["g"] * of["if"]
    for place, tap, side in _SIDES:
        window: Window = getattr(shape.windows, side)
        count = touched(of[place], of[tap], window)
        if chosen.sliding == place:
            count += of[place] * window.stride
        elif chosen.sliding == tap:
            count += of[tap] * window.dilation
        total *= count
    return total


def on_one_chain(chosen: Combination) -> bool:
    """Whether some order of loops passes through all boxes of a combination."""
    ends = (chosen.input, chosen.after)
    fits = all(divides(one, ends[0]) or divides(ends[1], one) for one in (chosen.weight, chosen.output))
    changed = sum(a != b for a, b in zip(*ends, strict=True))
    return (
        fits
        and changed <= 1
        and divides(*ends)
        and (divides(chosen.weight, chosen.output) or divides(chosen.output, chosen.weight))
    )


def divides(inner: Box, outer: Box) -> bool:
    """Whether a chain can go from one box to the other.

    >>> divides((1, 2), (3, 4)), divides((1, 2), (3, 3))
    (True, False)
    """
    return all(n % m == 0 for m, n in zip(inner, outer, strict=True))


def joined(one: Box, other: Box) -> Box:
    """The smallest box that both divide."""
    return tuple(lcm(m, n) for m, n in zip(one, other, strict=True))


@lru_cache(maxsize=1024)
def divisors(number: int) -> tuple[int, ...]:
    """All divisors, ascending.

    >>> divisors(12)
    (1, 2, 3, 4, 6, 12)
    """
    return tuple(d for d in range(1, number + 1) if number % d == 0)


def faithful(shape: Shape, chosen: Combination) -> bool:
    """Whether a buffer of F_I(box) really carries the reuse that the formulas claim for the input.

    Two things may fail, only with stride or dilation. The window moves by a distance that its own step does not
    divide (with stride 2 and a filter loop outside its place loop, the next tap falls between the elements that are
    held, and those are needed again for the tap after it). Or the box touches its axis with holes that lie unevenly,
    and a buffer of one contiguous range is larger than the count of its elements.
    """
    of, moves = dict(zip(DIMS, chosen.input, strict=True)), chosen.sliding
    for place, tap, side in _SIDES:
        window: Window = getattr(shape.windows, side)
        places, taps = of[place], of[tap]
        if places > 1 and taps > 1:
            reach = (places - 1) * window.stride + (taps - 1) * window.dilation + 1
            if touched(places, taps, window) < reach:
                return False
        elif (moves == tap and places > 1 and window.dilation % window.stride) or (
            moves == place and taps > 1 and window.stride % window.dilation
        ):
            return False
    return True


def shape_of(nest: LoopNest) -> Shape:
    """The convolution that a nest is; UsageError if it is none.

    A matrix product is one of a single place per row: M is ``b``, N is ``of``, K is ``if``, its batch ``g``.

    >>> from tilewright.mapping.nests import conv2d
    >>> shape = shape_of(conv2d(K=8, C=4, Y=6, X=5, R=3, S=3, stride=2))
    >>> shape.extents, shape.names, shape.windows.y
    ((1, 1, 8, 4, 6, 5, 3, 3), ('', '', 'K', 'C', 'Y', 'X', 'R', 'S'), Window(stride=2, dilation=1))
    """
    if nest.work is not None or tuple(operand.role for operand in nest.operands) != ("input", "weight", "output"):
        raise UsageError(
            "the schedules of Stoutchinin et al. are for convolutions and matrix products:"
            " an input, a weight and an output"
        )
    names: dict[str, str] = {}
    windows = {"y": Window(), "x": Window()}
    sides = iter(_SIDES)
    for axis in nest.operand("input").axes:
        if len(axis.terms) > 1 and any(nest.extents[dim] > 1 for dim in axis.dims):
            _window(nest, axis, next(sides, None), names, windows)
    for dim, extent in nest.dims:
        if extent > 1 and dim not in names.values():
            kind = _kind(nest, dim)
            if kind is None or kind in names:
                raise UsageError(f"the schedules of Stoutchinin et al. have no loop for dimension {dim} of this nest")
            names[kind] = dim
    extents = tuple(nest.extents[names[dim]] if dim in names else 1 for dim in DIMS)
    named = tuple(names.get(dim, "") for dim in DIMS)
    return Shape(extents, Windows(windows["y"], windows["x"]), named)


def _window(
    nest: LoopNest,
    axis: Axis,
    side: tuple[str, str, str] | None,
    names: dict[str, str],
    windows: dict[str, Window],
) -> None:
    (place, stride), *rest = sorted(axis.terms, key=lambda term: term[0] not in nest.output.dims)
    tap, dilation = rest[0]
    if (
        side is None
        or len(rest) > 1
        or place not in nest.output.dims
        or tap in nest.output.dims
        or min(stride, dilation) < 1
        or axis.divisor > 1
    ):
        raise UsageError("the schedules of Stoutchinin et al. are for windows of places and taps on at most two axes")
    windows[side[2]] = Window(stride, dilation)
    names.update({kind: dim for kind, dim in ((side[0], place), (side[1], tap)) if nest.extents[dim] > 1})


def _kind(nest: LoopNest, dim: str) -> str | None:
    """The dimension's part in the paper's nest, by the arrays that use it."""
    used = "".join(array for array, operand in zip("IWO", nest.operands, strict=True) if dim in operand.dims)
    return {"IWO": "g", "IO": "b", "WO": "of", "IW": "if"}.get(used)
