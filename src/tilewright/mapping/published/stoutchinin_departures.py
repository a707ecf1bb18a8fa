"""Where the formulas of Stoutchinin et al. and the exact model differ, and why; and their buffers against counting.

Exact footprints and traffic are those of docs/model.md. A difference always has one of the causes below; where none of
them applies both models give the same figures, which the tests check over thousands of small nests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import prod

from tilewright.arch.accelerator import Accelerator
from tilewright.mapping.buffers import operand_buffers
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.mapping import Loop, Mapping
from tilewright.mapping.nests import default_problem
from tilewright.mapping.problem import NestCost, NestProblem
from tilewright.mapping.published.stoutchinin import ARRAYS, DIMS, Level, Trip, Widths, Windows, levels
from tilewright.mapping.published.stoutchinin_mapping import kept_at
from tilewright.mapping.published.stoutchinin_space import PLAIN, Combination, Shape, faithful, shape_of
from tilewright.mapping.tiling import step_tile, without_single_loops
from tilewright.workload.nest import LoopNest

RAGGED = "ragged: a tile does not divide its range, and the formulas count every chunk as a full one"
PADDING = "padding: the formulas hold and move it like data"
WINDOW = "window: what is held does not carry the reuse (a strided or dilated row with gaps)"
CAUSES = (RAGGED, PADDING, WINDOW)


@dataclass(frozen=True)
class Departure:
    """One operand under one mapping: buffer in elements and traffic in bytes, by the formulas and exactly.

    ``causes`` are those that may make a difference, also where they happen not to.
    """

    operand: str
    formula_buffer: int
    exact_buffer: int
    formula_bytes: int
    exact_bytes: int
    causes: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return (self.formula_buffer, self.formula_bytes) != (self.exact_buffer, self.exact_bytes)


def departures(problem: NestProblem, mapping: Mapping) -> tuple[Departure, ...]:
    """What the formulas and the exact model say of input, weight and output under one mapping.

    >>> import tilewright as tw
    >>> from tilewright.mapping.text import parse_mapping
    >>> tiny, nest = tw.load_arch("tiny"), tw.conv2d(K=2, C=1, Y=1, X=8, S=3, stride=2)
    >>> taps_outside = parse_mapping('''
    ... keep output in glb
    ... for S in tiles of 1
    ...   keep input in glb
    ...   keep weight in glb
    ... ''', nest, tiny)
    >>> found = departures(default_problem(nest, tiny, tiny.layout), taps_outside)[0]
    >>> found.formula_buffer, found.exact_buffer, found.formula_bytes, found.exact_bytes, found.causes == (WINDOW,)
    (8, 8, 17, 24, True)
    """
    mapping = without_single_loops(problem.nest, mapping)
    shape, cost = shape_of(problem.nest), evaluate(problem, mapping)
    names = {name: dim for name, dim in zip(shape.names, DIMS, strict=True) if name}
    order, exact_tiles = _trips(problem.nest, mapping, names)
    inner = len(order) - len(mapping.loops)
    pad = problem.arch.scratchpad.name
    buffers = {buffer.operand: buffer for buffer in operand_buffers(problem, mapping) if buffer.memory == pad}
    widths = Widths(
        problem.bits("input"), problem.bits("weight"), problem.arch.widths.output, problem.arch.widths.accumulator
    )
    found = []
    for array, operand in zip(ARRAYS, problem.nest.operands, strict=True):
        seen = levels(array, order, shape.windows)
        kept = inner + len(mapping.loops) - len(mapping.loops_above(operand.name))
        # What the keep holds also serves the reuse of loops further out whose B it is.
        serves = [k for k in range(kept + 1, len(seen)) if seen[k].carries and seen[k].buffer <= seen[kept].footprint]
        level = max(serves, default=kept)
        causes = [] if exact_tiles else [RAGGED]
        if array == "I":
            causes += [PADDING] if _padded(problem.nest) else []
            causes += [] if _stays(shape, order, seen, kept, level) else [WINDOW]
        found.append(
            Departure(
                operand.name,
                seen[kept].footprint,
                prod(buffers[operand.name].counts),
                _bytes(array, seen[level].traffic, seen[-1].footprint, widths),
                _exact_bytes(cost, operand.name),
                tuple(causes),
            )
        )
    return tuple(found)


def _trips(nest: LoopNest, mapping: Mapping, names: dict[str, str]) -> tuple[list[Trip], bool]:
    """The mapping's loops and then what is inside them as the paper's loops; whether all chunks are full ones."""
    ranges, exact = dict(nest.extents), True
    found: list[Trip] = []
    for loop in mapping.loops:
        found.append((names[loop.dim], -(-ranges[loop.dim] // loop.tile)))
        exact &= ranges[loop.dim] % loop.tile == 0
        ranges[loop.dim] = loop.tile
    tile = step_tile(nest, mapping.loops)
    return found + [(names[dim], tile[dim]) for dim, _ in nest.dims if dim in names and tile[dim] > 1], exact


def _padded(nest: LoopNest) -> bool:
    """Whether any index of the input lies outside its array."""
    for axis in nest.operand("input").axes:
        last = axis.offset + sum(coefficient * (nest.extents[dim] - 1) for dim, coefficient in axis.terms)
        if axis.offset < 0 or last >= axis.size:
            return True
    return False


def _stays(shape: Shape, order: Sequence[Trip], seen: Sequence[Level], kept: int, level: int) -> bool:
    """``faithful`` of the input's keep at one level and of the window that moves at another."""
    inside = dict.fromkeys(DIMS, 1)
    for dim, trips in order[len(order) - kept :]:
        inside[dim] *= trips
    held = tuple(inside.values())
    moves = seen[level]
    if level > kept and moves.dim in ("sy", "sx", "fy", "fx"):
        inside[moves.dim] *= moves.trips
    return faithful(shape, Combination(held, tuple(inside.values()), held, held))


def _bytes(array: str, elements: int, outputs: int, widths: Widths) -> int:
    if array == "O":
        return (outputs * widths.output + 2 * (elements - outputs) * widths.accumulator) // 8
    return elements * widths.held(array) // 8


def _exact_bytes(cost: NestCost, operand: str) -> int:
    return sum(entry.bytes for entry in cost.traffic if entry.operand == operand)


def every_keep(nest: LoopNest, arch: Accelerator, tiles: dict[str, tuple[int, ...]]) -> Iterator[Departure]:
    """All operands at all depths under every order of one loop for each dimension, for every choice of its tiles."""
    problem = default_problem(nest, arch, arch.layout)
    for chosen in product(*tiles.values()):
        for order in permutations(zip(tiles, chosen, strict=True)):
            loops = tuple(Loop(dim, tile) for dim, tile in order if tile < nest.extents[dim])
            if len(loops) < sum(tile < nest.extents[dim] for dim, tile in order):
                continue
            for place in range(3):
                for depth in range(len(loops) + 1):
                    depths = [len(loops)] * 3
                    depths[place] = depth
                    mapping = kept_at(problem, loops, (depths[0], depths[1], depths[2]))
                    yield departures(problem, mapping)[place]


def points(order: Sequence[Trip], windows: Windows) -> Iterator[dict[str, tuple[int, ...]]]:
    """What every point of a nest touches of I, W and O, in order; loops over one dimension count in digits."""
    for counters in product(*(range(trips) for _, trips in order)):
        of = dict.fromkeys(DIMS, 0)
        for (dim, trips), counter in zip(order, counters, strict=True):
            of[dim] = of[dim] * trips + counter
        row = of["sy"] * windows.y.stride + of["fy"] * windows.y.dilation
        column = of["sx"] * windows.x.stride + of["fx"] * windows.x.dilation
        yield {
            "I": (of["g"], of["b"], of["if"], row, column),
            "W": (of["g"], of["of"], of["if"], of["fy"], of["fx"]),
            "O": (of["g"], of["b"], of["of"], of["sy"], of["sx"]),
        }


def needed(elements: Sequence[tuple[int, ...]]) -> int:
    """The most elements that wait for another use at once, with the one in use: the least buffer that loads each once.

    >>> needed([(0,), (1,), (0,), (2,), (1,)])
    2
    """
    last = {element: moment for moment, element in enumerate(elements)}
    held: set[tuple[int, ...]] = set()
    most = 0
    for moment, element in enumerate(elements):
        held.add(element)
        most = max(most, len(held))
        if last[element] == moment:
            held.remove(element)
    return most


@dataclass(frozen=True)
class Count:
    """Levels counted, and those whose B is less than is ``needed``: array, order, the loop that B comes from."""

    levels: int
    too_small: tuple[tuple[str, tuple[str, ...], str], ...]


def count_buffers(sizes: dict[str, int], windows: Windows = PLAIN) -> Count:
    """The formulas' buffers against counting, for every order of one loop for each dimension.

    A level that carries no reuse has the B of the loop inside it.

    >>> from tilewright.mapping.published.stoutchinin import Window
    >>> found = count_buffers({"sx": 4, "fx": 5}, Windows(x=Window(stride=2)))
    >>> found.levels, found.too_small
    (12, (('I', ('fx', 'sx'), 'fx'),))
    """
    counted = 0
    small = []
    for order in permutations(sizes.items()):
        touches = list(points(order, windows))
        for array in ARRAYS:
            elements = [point[array] for point in touches]
            source, inside = "", 1
            for level in levels(array, order, windows)[1:]:
                source = level.dim if level.carries else source
                inside *= level.trips
                counted += 1
                if level.buffer < needed(elements[:inside]):
                    small.append((array, tuple(dim for dim, _ in order), source))
    return Count(counted, tuple(small))
