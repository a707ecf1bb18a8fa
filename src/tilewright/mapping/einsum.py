"""Any perfect nest from text: ``O[k,y] += W[k,c,r] * I[c,2*y+r]`` (docs/nests.md).

``einsum_text`` reads the statement; here its dimensions get extents, its operands sizes and roles. All problems of one
statement are told at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dict
from difflib import get_close_matches
from math import prod
from operator import index
from typing import get_args

from tilewright.errors import UsageError
from tilewright.mapping.einsum_text import LARGEST, Fault, Reference, Statement, Subscript, read_statement
from tilewright.workload.nest import Axis, LoopNest, Operand, Role

MOST_DIMS = 12
MOST_FACTORS = 6
# What floats count without gaps, so that every figure of a cost is a whole number.
MOST_POINTS = 2**53
WEIGHTS = ("w", "filter", "kernel")
# Names that mean something else: the passes of a normalisation, and vectors loaded with an operator.
OWN_DIM, OWN_OPERAND = "pass", "parameters"
_NOWHERE = 10**9


def einsum(
    text: str,
    /,
    *,
    dims: Dict[str, int] | None = None,
    sizes: Dict[str, int | Iterable[int]] | None = None,
    roles: Dict[str, str] | None = None,
    **extents: int,
) -> LoopNest:
    """The nest of one statement: an output, ``+=`` or ``=``, and a product of factors with affine subscripts.

    Every dimension has its extent as a keyword, or in ``dims``. ``sizes`` gives the extents of an operand's array; an
    axis without has what is touched from index 0 on, and lower indices are padding. ``roles`` says which factors are
    an ``input`` or a ``weight``; without, factors called W..., filter... or kernel... are weights, else the second of
    two. The nest's dimensions stand in the order of the text. UsageError lists everything that is wrong.

    >>> nest = einsum("O[k,y] += W[k,c,r] * I[c,2*y+r]", k=64, c=3, y=112, r=7)
    >>> nest.points, [axis.size for axis in nest.operand("I").axes], nest.operand("W").role
    (150528, [3, 229], 'weight')
    >>> einsum("O[y] += W[r] * I[2y + r]", y=8)
    Traceback (most recent call last):
        ...
    tilewright.errors.UsageError: einsum, column 11: the dimension r has no extent; give it as r=N
    einsum, column 19: '2 y': a '*', '+' or '-' is missing in '2y + r'
    """
    statement, faults = read_statement(text)
    given = {dim: _whole(extent) for dim, extent in {**(dims or {}), **extents}.items()}
    arrays = {name: tuple(_whole(value) for value in _listed(size)) for name, size in (sizes or {}).items()}
    faults += [(_NOWHERE, f"the extent of {dim} is given twice") for dim in extents if dim in (dims or {})]
    faults += [*_names(statement), *_extents(statement, given), *_sizes(statement, arrays)]
    chosen, wrong = _roles(statement, roles or {})
    faults += wrong
    if not faults:
        nest, faults = _nest(statement, given, arrays, chosen)
    if faults:
        where = {column: f", column {column}" for column, _ in faults if column != _NOWHERE}
        raise UsageError("\n".join(f"einsum{where.get(column, '')}: {said}" for column, said in sorted(faults)))
    return nest


def _whole(value: int) -> int:
    """The number as Python's own where it is another library's; what is no number is left for ``_out_of_range``."""
    return index(value) if hasattr(value, "__index__") and not isinstance(value, bool) else value


def _listed(size: int | Iterable[int]) -> Iterable[int]:
    return size if isinstance(size, Iterable) else (size,)


def _names(statement: Statement) -> list[Fault]:
    """Operands called alike, dimensions on two axes of one operand, names that mean something else, too many."""
    faults, seen = [], set[str]()
    for one in statement.operands:
        if one.name in seen:
            faults.append((one.column, f"a second operand is called {one.name}; each needs a name of its own"))
        if one.name == OWN_OPERAND:
            faults.append((one.column, f"an operand cannot be called {OWN_OPERAND}, a name of the cost model"))
        if one.name in dict(statement.dims):
            faults.append((one.column, f"{one.name} is a dimension and cannot be an operand's name as well"))
        seen.add(one.name)
        used = set[str]()
        for subscript in one.subscripts:
            for dim, _ in subscript.terms if subscript is not None else ():
                if dim in used and subscript is not None:
                    said = f"{dim} stands on two axes of {one.name}; a dimension stands on at most one axis"
                    faults.append((subscript.column, f"{said} of an operand"))
            used |= {dim for dim, _ in subscript.terms} if subscript is not None else set()
    faults += [
        (column, f"a dimension cannot be called {OWN_DIM}, a name of the cost model")
        for dim, column in statement.dims
        if dim == OWN_DIM
    ]
    if len(statement.dims) > MOST_DIMS:
        column = statement.dims[MOST_DIMS][1]
        faults.append((column, f"there are {len(statement.dims)} dimensions; at most {MOST_DIMS} are supported"))
    if len(statement.factors) > MOST_FACTORS:
        column = statement.factors[MOST_FACTORS].column
        faults.append((column, f"there are {len(statement.factors)} factors; at most {MOST_FACTORS} are supported"))
    if statement.operands and not statement.dims:
        faults.append((1, "there is no dimension to loop over"))
    return faults


def _extents(statement: Statement, given: Dict[str, int]) -> list[Fault]:
    """Dimensions without extent, extents of no dimension, extents out of range."""
    faults: list[Fault] = []
    known = dict(statement.dims)
    spare = [dim for dim in given if dim not in known]
    for dim, column in statement.dims:
        if dim not in given:
            near = get_close_matches(dim, spare, 1) or [one for one in spare if one.lower() == dim.lower()]
            hint = f"; did you mean it by {near[0]}?" if near else f"; give it as {dim}=N"
            faults.append((column, f"the dimension {dim} has no extent{hint}"))
    if known:
        faults += [(_NOWHERE, f"{dim} has an extent, but the text has no dimension {dim}") for dim in spare]
    for dim, extent in given.items():
        faults += [(known.get(dim, _NOWHERE), said) for said in _out_of_range(extent, f"the extent of {dim}")]
    if not faults and (points := prod(given.values())) > MOST_POINTS:
        faults.append((_NOWHERE, f"the nest has {points} points; at most {MOST_POINTS} are supported"))
    return faults


def _out_of_range(value: object, what: str) -> Iterable[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        yield f"{what} is {value!r}; it must be a whole number"
    elif value < 1:
        yield f"{what} is {value} and must be at least 1"
    elif value > LARGEST:
        yield f"{what} is {value}; at most {LARGEST} is supported"


def _sizes(statement: Statement, sizes: Dict[str, Sequence[int]]) -> list[Fault]:
    """Sizes of no operand, of the wrong number of axes, out of range."""
    faults: list[Fault] = []
    operands = {one.name: one for one in statement.operands}
    for name, values in sizes.items():
        if name not in operands:
            faults += [(_NOWHERE, f"{name} has a size, but the text has no operand {name}")] if operands else []
            continue
        column, axes = operands[name].column, len(operands[name].subscripts)
        if len(values) != axes:
            faults.append((column, f"{name} has {axes} subscripts, but the size given has {len(values)} extents"))
        for axis, value in enumerate(values):
            faults += [(column, said) for said in _out_of_range(value, f"the size of {name} along axis {axis}")]
    return faults


def _roles(statement: Statement, given: Dict[str, str]) -> tuple[dict[str, Role], list[Fault]]:
    """The role of every operand, and what is wrong with those given."""
    faults: list[Fault] = []
    names = [one.name for one in statement.factors]
    chosen: dict[str, Role] = dict.fromkeys(names, "input")
    if "weight" not in given.values():
        chosen |= dict.fromkeys(weights(names), "weight")
    if statement.output is not None:
        chosen[statement.output.name] = "output"
    for name, role in given.items():
        fixed = statement.output is not None and name == statement.output.name
        if role not in get_args(Role):
            said = f"the role of {name} is '{role}'; the roles of factors are input and weight"
        elif name not in chosen:
            said = f"{name} cannot be {role}: the text has no operand {name}"
        elif fixed != (role == "output"):
            said = f"{name} cannot be {role}: the operand before the assignment is the output, all others are not"
        else:
            chosen[name] = role  # type: ignore[assignment]
            continue
        faults += [(_NOWHERE, said)] if chosen else []
    return chosen, faults


def weights(factors: Sequence[str]) -> list[str]:
    """Which of some factors are weights where nobody says: those called so, else the second of two.

    >>> weights(["W", "I"]), weights(["A", "B"]), weights(["a", "b", "x"]), weights(["x"])
    (['W'], ['B'], [], [])
    """
    called = [name for name in factors if name.lower().startswith(WEIGHTS)]
    if called and len(called) < len(factors):
        return called
    return [factors[1]] if len(factors) == 2 else []


def _nest(
    statement: Statement, extents: Dict[str, int], sizes: Dict[str, Sequence[int]], roles: Dict[str, Role]
) -> tuple[LoopNest, list[Fault]]:
    """The nest of a statement without faults, and what is wrong with its arrays."""
    assert statement.output is not None
    faults: list[Fault] = []
    operands = []
    for one in (*statement.factors, statement.output):
        axes: list[Axis] = []
        for place, subscript in enumerate(one.subscripts):
            assert subscript is not None
            size = sizes[one.name][place] if one.name in sizes else reach(subscript, extents)
            wrong = _axis_faults(one, subscript, extents, size, output=one is statement.output)
            faults += [(subscript.column, said) for said in wrong]
            if not wrong:
                axes += _axes(subscript, place, extents, size, statement)
        elements = prod(axis.size for axis in axes)
        if elements > MOST_POINTS:
            faults.append((one.column, f"{one.name} has {elements} elements; at most {MOST_POINTS} are supported"))
        # A scalar is an array of one element.
        operands.append(Operand(one.name, roles[one.name], tuple(axes) or (Axis((), 1, 0),)))
    return LoopNest(tuple((dim, extents[dim]) for dim, _ in statement.dims), tuple(operands)), faults


def reach(subscript: Subscript, extents: Dict[str, int]) -> int:
    """One past the largest index of a subscript: the size of an axis that has just what is touched from 0 on."""
    return sum(coefficient * (extents[dim] - 1) for dim, coefficient in subscript.terms) + subscript.offset + 1


def _axis_faults(
    one: Reference, subscript: Subscript, extents: Dict[str, int], size: int, *, output: bool
) -> list[str]:
    """What is wrong with one axis of an array."""
    shown = f"'{subscript}' of {one.name}"
    if size < 1:
        return [f"every index {shown} lies below 0, so that nothing is touched; give the array's size if that is meant"]
    if size > LARGEST:
        return [f"the largest index {shown} is {size - 1}; at most {LARGEST - 1} is supported"]
    if not output:
        return []
    faults = []
    if subscript.offset < 0:
        faults.append(f"{shown} begins at index {subscript.offset}; an output has no padding to write to")
    if (needed := reach(subscript, extents)) > size:
        faults.append(f"{shown} writes up to index {needed - 1}, but the size given is {size}")
    if len(subscript.terms) > 1 and flattened(subscript, extents, size) is None:
        faults.append(
            f"{shown} is not one-to-one without gaps: an output's subscript is one dimension, or several of which"
            " each has the product of the extents after it as its coefficient"
        )
    return faults


def flattened(subscript: Subscript, extents: Dict[str, int], size: int) -> tuple[tuple[str, int], ...] | None:
    """The terms of a subscript that counts through several dimensions as one, coarsest first; None if it does not.

    Each coefficient is the product of the extents after it, and the size holds whole rounds of the coarsest.

    >>> flattened(Subscript((("c", 1), ("g", 4)), 0, 1), {"g": 3, "c": 4}, 12)
    (('g', 4), ('c', 1))
    >>> flattened(Subscript((("y", 1), ("r", 1)), 0, 1), {"y": 3, "r": 4}, 6) is None
    True
    """
    terms = sorted(subscript.terms, key=lambda term: (-term[1], -extents[term[0]]))
    below = 1
    for dim, coefficient in reversed(terms):
        if coefficient != below:
            return None
        below *= extents[dim]
    return tuple(terms) if subscript.offset == 0 and terms and size % terms[0][1] == 0 else None


def _axes(
    subscript: Subscript, place: int, extents: Dict[str, int], size: int, statement: Statement
) -> tuple[Axis, ...]:
    """The operand axes of one subscript: one, or one per dimension where several are flattened into one axis.

    ``3*y + r`` with three r and ``4*g + c`` with four c look alike. The first is a window as long as weights are used
    again for every y; along a group, which every factor has, nothing is used again.
    """
    assert statement.output is not None
    dims = frozenset(dim for dim, _ in subscript.terms)
    written = dims & statement.output.dims
    window = written != dims and any(not written <= one.dims for one in statement.factors) and bool(written)
    parts = flattened(subscript, extents, size) if len(dims) > 1 and not window else None
    if parts is None:
        return (Axis(subscript.terms, size, place, offset=subscript.offset),)
    coarsest = parts[0][1]
    return tuple(
        Axis(((dim, 1),), extents[dim] if number else size // coarsest, place, scale=coefficient)
        for number, (dim, coefficient) in enumerate(parts)
    )
