"""Numbers that follow a loop's counter, as short expressions of it (docs/model.md, section 11).

What the operators of a group need of each other along an axis is affine in the chunk's number but for borders, ragged
chunks and resizes. The table over all chunks is computed first; an expression is accepted if it gives just this table.
"""

from __future__ import annotations

from collections.abc import Sequence

from tilewright.plan.expr import Expr, at_most, choose, const, counter, maximum, minimum

_DIVISORS = 12  # the longest period of numbers that advance by fractions


def sequence(values: Sequence[int], name: str) -> Expr:
    """An expression of a counter that is ``values[i]`` where the counter is i.

    >>> print(sequence((0, 3, 7, 11, 12), "Y0"))
    min(max(((Y0 * 4) + -1), 0), 12)
    >>> print(sequence((0, 1, 1, 2, 2), "Y0"), sequence((5, 5), "Y0"))
    ((Y0 + 1) // 2) 5
    """
    index = counter(name)
    if len(set(values)) == 1:
        return const(values[0])
    for divisor in range(1, min(_DIVISORS, len(values) - 1) + 1):
        found = _clipped(values, index, divisor)
        if found is not None:
            return found
    return _pieces(values, index)


def _clipped(values: Sequence[int], index: Expr, divisor: int) -> Expr | None:
    """``min(max((a * i + b) // divisor, low), high)`` if that gives all values; None otherwise."""
    length, low, high = len(values), min(values), max(values)
    last = length - 1 - divisor
    inside = [i for i in range(last + 1) if low < values[i] < high and low < values[i + divisor] < high]
    for at in dict.fromkeys((*inside[:1], last // 2, 0, last, min(1, last))):
        advance = values[at + divisor] - values[at]
        for rest in range(divisor):
            offset = divisor * values[at] + rest - advance * at
            line = [(advance * i + offset) // divisor for i in range(length)]
            if any(min(max(v, low), high) != wanted for v, wanted in zip(line, values, strict=True)):
                continue
            found = (index * advance + offset) // divisor
            found = maximum(found, low) if min(line) < low else found
            return minimum(found, high) if max(line) > high else found
    return None


def _pieces(values: Sequence[int], index: Expr) -> Expr:
    """One line after the other, each as long as it holds."""
    found: Expr | None = None
    at = 0
    while at < len(values):
        advance = values[at + 1] - values[at] if at + 1 < len(values) else 0
        end = at + 1
        while end < len(values) and values[end] == values[at] + advance * (end - at):
            end += 1
        if end - at <= 2:  # two points are always on a line
            advance, end = 0, at + 1
            while end < len(values) and values[end] == values[at]:
                end += 1
        piece = index * advance + (values[at] - advance * at)
        found = piece if found is None else choose(at_most(at, index), piece, found)
        at = end
    assert found is not None
    return found
