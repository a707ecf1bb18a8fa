"""Loop orders, and where each operand is kept in them: the discrete half of the search.

With every dimension split at most once, an operand's cost depends only on the set of loops above its keep, down to
the innermost that it uses, and on whether that one slides a window. Orders that agree in this are one choice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, permutations, product

from tilewright.mapping.arraypart import default_array_part
from tilewright.mapping.homes import PASS, accumulated_dims, streams
from tilewright.mapping.mapping import Keep, Loop, Mapping, Node
from tilewright.mapping.problem import NestProblem
from tilewright.mapping.tiling import step_tile
from tilewright.workload.nest import Operand


@dataclass(frozen=True)
class Placement:
    """The loops above an operand's keep down to the innermost it uses; ``sliding`` is that one if it moves a window."""

    above: frozenset[str]
    sliding: str | None


@dataclass(frozen=True)
class Order:
    """Dimensions from the outermost loop in, and per operand of the nest how many loops stand above its keep."""

    dims: tuple[str, ...]
    depths: tuple[int, ...]
    places: tuple[Placement, ...]


def window_dims(operand: Operand) -> frozenset[str]:
    """Dimensions whose neighbouring tiles may share indices of the operand."""
    return frozenset(dim for axis in operand.axes if axis.is_window for dim in axis.dims)


def _depths(problem: NestProblem, operand: Operand, dims: tuple[str, ...]) -> list[int]:
    """Worthwhile numbers of loops above a keep, each ending at a loop that the operand uses, or 0.

    Going below one more loop that it uses costs no traffic and saves room, unless a window is concerned.
    """
    used = [k + 1 for k, dim in enumerate(dims) if dim in operand.dims]
    if not used:
        return [0]
    if streams(problem, operand.name):
        return [used[-1]]
    windows = window_dims(operand)
    found = [0]
    for depth in used:
        following = dims[depth] if depth < len(dims) else None
        if depth == used[-1] or following not in operand.dims or {dims[depth - 1], following} & windows:
            found.append(depth)
    if operand is problem.nest.output and problem.nest.work is not None:
        barred = accumulated_dims(problem.nest)
        first = next((k for k, dim in enumerate(dims) if dim in barred), len(dims))
        found = [depth for depth in found if depth <= first]
    return found


def _place(operand: Operand, dims: tuple[str, ...], depth: int) -> Placement:
    last = dims[depth - 1] if depth else None
    slides = operand.role != "output" and last in window_dims(operand)
    return Placement(frozenset(dims[:depth]), last if slides else None)


def _signature(problem: NestProblem, operand: Operand, dims: tuple[str, ...]) -> tuple[object, ...]:
    """Operands that agree in this are kept alike."""
    return (
        operand.dims & set(dims),
        window_dims(operand) & set(dims),
        streams(problem, operand.name),
        operand is problem.nest.output,
    )


def filter_taps(problem: NestProblem) -> frozenset[str]:
    """Reduction dimensions that share a window axis with another dimension: a filter's rows and columns."""
    return frozenset(
        dim
        for operand in problem.nest.inputs
        for axis in operand.axes
        if len(axis.terms) > 1
        for dim in axis.dims
        if dim in accumulated_dims(problem.nest)
    )


def _permutations(problem: NestProblem, dims: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Orders of dimensions; filter taps stay together, and of neighbours that all operands use alike, without
    windows, only the nest's order is taken."""
    if PASS in dims:
        yield dims
        return
    use = {dim: tuple((dim in o.dims, dim in window_dims(o) and dim) for o in problem.nest.operands) for dim in dims}
    place = {dim: k for k, dim in enumerate(dims)}
    taps = tuple(dim for dim in dims if dim in filter_taps(problem))
    units = [(dim,) for dim in dims if dim not in taps] + ([taps] if taps else [])
    for arrangement in permutations(units):
        order = tuple(dim for unit in arrangement for dim in unit)
        if all(use[a] != use[b] or place[a] < place[b] for a, b in pairwise(order)):
            yield order


def orders(problem: NestProblem, dims: tuple[str, ...], outermost: tuple[str, ...] = ()) -> list[Order]:
    """Every distinct choice of order and keeps; one order stands for all that cost the same.

    Loops over ``outermost`` stand above the others, in that order.
    """
    free, dims = dims, (*outermost, *dims)
    operands = problem.nest.operands
    groups: dict[tuple[object, ...], list[int]] = {}
    for number, operand in enumerate(operands):
        groups.setdefault(_signature(problem, operand, dims), []).append(number)
    leaders = [members[0] for members in groups.values()]
    found: dict[tuple[Placement, ...], Order] = {}
    for inner in _permutations(problem, free):
        order = (*outermost, *inner)
        last_use = [max((k + 1 for k, dim in enumerate(order) if dim in o.dims), default=0) for o in operands]
        choices = [
            [last_use[number]] if PASS in dims else _depths(problem, operands[number], order) for number in leaders
        ]
        for depths in product(*choices):
            innermost = any(
                depth == last_use[number] and not streams(problem, operands[number].name)
                for number, depth in zip(leaders, depths, strict=True)
            )
            if not innermost:
                continue
            by_operand = [0] * len(operands)
            for members, depth in zip(groups.values(), depths, strict=True):
                for number in members:
                    by_operand[number] = depth
            places = tuple(_place(operands[number], order, depth) for number, depth in enumerate(by_operand))
            found.setdefault(places, Order(order, tuple(by_operand), places))
    return list(found.values())


def build(problem: NestProblem, order: Order, tile: dict[str, int]) -> Mapping:
    """The mapping of an order for a tile vector; loops of one chunk are left out."""
    extents = problem.nest.extents
    standing = [dim for dim in order.dims if tile[dim] < extents[dim]]
    depths = [len([dim for dim in order.dims[:depth] if dim in standing]) for depth in order.depths]
    return assemble(problem, tuple(Loop(dim, tile[dim]) for dim in standing), tuple(depths))


def assemble(problem: NestProblem, loops: tuple[Loop, ...], depths: tuple[int, ...]) -> Mapping:
    """A mapping of some loops with each operand kept below that many of them, and the plain array part inside.

    A keep with no loop inside that its operand uses stands innermost, which is the same.
    """
    pad = problem.arch.scratchpad.name
    keeps: dict[int, list[Keep]] = {}
    for operand, depth in zip(problem.nest.operands, depths, strict=True):
        if streams(problem, operand.name):
            continue
        if not any(loop.dim in operand.dims for loop in loops[depth:]):
            depth = len(loops)
        keeps.setdefault(depth, []).append(Keep(operand.name, pad))
    nodes: list[Node] = []
    for place in range(len(loops) + 1):
        nodes += keeps.get(place, [])
        nodes += loops[place : place + 1]
    return Mapping((*nodes, *default_array_part(problem, step_tile(problem.nest, loops))))
