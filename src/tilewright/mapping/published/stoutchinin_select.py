"""The paper's selection as a strategy: its answer as a mapping, with what it promises beside what it costs exactly.

Traffic is all that it looks at. Where the exact model refuses an answer the next best is taken: windows that do not
stay in their buffer as the formulas assume, and buffers or structure that the machine does not allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from tilewright.errors import InfeasibleError, LimitError
from tilewright.mapping.evaluate import evaluate
from tilewright.mapping.legal import problems
from tilewright.mapping.mapping import Mapping
from tilewright.mapping.problem import NestCost, NestProblem
from tilewright.mapping.published.stoutchinin import DIMS, Traffic
from tilewright.mapping.published.stoutchinin_mapping import mapping_of, store_of
from tilewright.mapping.published.stoutchinin_search import Found, in_order, least_traffic, number_below
from tilewright.mapping.published.stoutchinin_space import (
    Box,
    Combination,
    Shape,
    Store,
    divisors,
    joined,
    on_one_chain,
    rooms_of,
    shape_of,
    traffic_of,
)
from tilewright.mapping.search import NestResult, evaluated

MOST_TRIES = 500


@dataclass(frozen=True)
class Selection:
    """The mapping taken and its exact cost; ``chosen`` is what the formulas say of it, ``paper`` of their first choice.

    ``windows_refused`` counts listed combinations of less traffic by the formulas whose window does not stay;
    ``others_refused`` those tried that are not legal on the machine, with the reasons of the first.
    """

    mapping: Mapping
    cost: NestCost
    chosen: Found
    paper: Found
    windows_refused: int
    others_refused: int
    reasons: tuple[str, ...]

    @property
    def formula_traffic(self) -> Traffic:
        """What the formulas say the mapping moves, in bits."""
        return self.chosen.traffic

    @property
    def buffers(self) -> tuple[int, int, int]:
        """Bytes of the buffers of I, W and O by the formulas."""
        return self.chosen.rooms


def stoutchinin(problem: NestProblem, objective: str = "traffic") -> NestResult:
    """The verdict, for an objective, on the mapping that the paper's selection takes."""
    return evaluated(problem, select(problem).mapping, objective)


def select(problem: NestProblem, *, max_steps: int = 1_000_000) -> Selection:
    """The legal mapping of least traffic by the paper's formulas, of at most so many tile steps.

    UsageError if the nest is no convolution or matrix product or the scratchpad does not hold all operands;
    InfeasibleError if not even single elements fit; LimitError if none of the first ones is legal.

    >>> import tilewright as tw
    >>> from tilewright.mapping.nests import default_problem
    >>> tiny = tw.load_arch("tiny")
    >>> found = select(default_problem(tw.conv2d(K=16, C=16, Y=14, X=14, R=3, S=3), tiny, tiny.layout))
    >>> found.formula_traffic.total // 8, found.cost.dram_bytes, sum(found.buffers)
    (9536, 9536, 3968)
    """
    shape, store = shape_of(problem.nest), store_of(problem)
    paper = least_traffic(shape, store)
    if paper is None:
        need = sum(rooms_of(shape, Combination(*((1,) * len(DIMS),) * 4), store))
        raise InfeasibleError(
            f"no schedule of Stoutchinin et al. fits: one element of each operand takes {need} bytes of"
            f" {problem.arch.scratchpad.name}"
        )
    refused = 0
    reasons: tuple[str, ...] = ()
    seen: set[Mapping] = set()
    for found in in_order(shape, store, staying=True):
        for one in _variants(shape, store, found):
            mapping = mapping_of(problem, shape, one.combination)
            if mapping in seen:
                continue
            seen.add(mapping)
            wrong = problems(problem, mapping) or _too_long(shape, one, max_steps)
            if not wrong:
                windows = _windows_refused(shape, store, paper, found)
                return Selection(mapping, evaluate(problem, mapping), one, paper, windows, refused, reasons)
            refused, reasons = refused + 1, reasons or tuple(wrong)
        if refused >= MOST_TRIES:
            break
    raise LimitError(
        f"none of the first {refused} schedules of Stoutchinin et al. is legal on {problem.arch.name}: "
        + "; ".join(reasons)
    )


def _windows_refused(shape: Shape, store: Store, paper: Found, taken: Found) -> int:
    """How many combinations of less traffic than the one taken have a window that does not stay."""
    limit = taken.traffic.total
    if paper.traffic.total == limit:
        return 0
    return number_below(shape, store, limit) - number_below(shape, store, limit, staying=True)


def _too_long(shape: Shape, one: Found, max_steps: int) -> tuple[str, ...]:
    steps = prod(shape.extents) // prod(one.combination.innermost)
    return (f"{steps} tile steps, more than {max_steps}",) if steps > max_steps else ()


def _variants(shape: Shape, store: Store, found: Found) -> Iterator[Found]:
    """A combination with its innermost box as large as room allows at the same traffic, and as it is."""
    yield grown(shape, store, found)
    yield found


def grown(shape: Shape, store: Store, found: Found) -> Found:
    """The same traffic in fewer tile steps: the innermost box takes what room is left, the others along with it.

    >>> from tilewright.mapping.published.stoutchinin_space import box
    >>> shape, store = Shape(box(of=64, if_=64, sy=56, sx=56, fy=3, fx=3)), Store(96 * 1024)
    >>> least = least_traffic(shape, store)
    >>> larger = grown(shape, store, least)
    >>> least.traffic == larger.traffic, prod(least.combination.innermost), prod(larger.combination.innermost)
    (True, 576, 4128768)
    """
    inside, best = found.combination.innermost, found
    free = [_growing(shape, store, found, place) for place in range(len(DIMS))]
    for candidate in product(*free):
        if prod(candidate) <= prod(best.combination.innermost):
            continue
        one = _around(shape, store, found, candidate)
        if one is not None and (-prod(candidate), candidate) < (-prod(inside), inside):
            inside, best = candidate, one
    return best


def _growing(shape: Shape, store: Store, found: Found, place: int) -> tuple[int, ...]:
    """Extents that the innermost box may have in one dimension, the others unchanged."""
    inside = found.combination.innermost
    extents = [
        extent for extent in divisors(shape.extents[place]) if extent % inside[place] == 0 and DIMS[place] != "g"
    ]
    return tuple(
        extent
        for extent in extents or [inside[place]]
        if _around(shape, store, found, (*inside[:place], extent, *inside[place + 1 :])) is not None
    )


def _around(shape: Shape, store: Store, found: Found, inside: Box) -> Found | None:
    """The combination whose boxes all contain one more, if it fits and moves no more than before."""
    old = found.combination
    new = replace(
        old,
        input=joined(old.input, inside),
        after=joined(old.after, inside),
        weight=joined(old.weight, inside),
        output=joined(old.output, inside),
    )
    traffic, rooms = traffic_of(shape, new, store.widths), rooms_of(shape, new, store)
    fits = on_one_chain(new) and store.takes(rooms) and traffic.total <= found.traffic.total
    return Found(new, traffic, rooms) if fits else None
