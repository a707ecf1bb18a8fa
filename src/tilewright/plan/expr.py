"""Integer expressions of loop counters: how a plan says boxes and conditions without listing every tile.

An expression is affine in counters, plus minimum, maximum, floor division, modulus and comparisons (docs/model.md,
section 11). In JSON it is text such as ``min(14, 56 - 14*Y0)``; text is read by a small parser that accepts nothing
else, so a plan file can hold no code.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from tilewright.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    IntArray = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Expr:
    """A node: ``op`` is "const", "counter" or one of ``+ * // % min max == <=``; comparisons give 0 or 1."""

    op: str
    args: tuple[Expr, ...] = ()
    value: int = 0
    name: str = ""

    def __add__(self, other: Expr | int) -> Expr:
        other = lift(other)
        if self.op == "const" and other.op == "const":
            return const(self.value + other.value)
        if self == ZERO:
            return other
        return self if other == ZERO else Expr("+", (self, other))

    __radd__ = __add__

    def __sub__(self, other: Expr | int) -> Expr:
        return self + lift(other) * -1

    def __rsub__(self, other: int) -> Expr:
        return lift(other) - self

    def __mul__(self, other: Expr | int) -> Expr:
        other = lift(other)
        if self.op == "const" and other.op == "const":
            return const(self.value * other.value)
        if ZERO in (self, other):
            return ZERO
        if self == ONE:
            return other
        return self if other == ONE else Expr("*", (self, other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Expr | int) -> Expr:
        other = lift(other)
        if self.op == "const" and other.op == "const":
            return const(self.value // other.value)
        return self if other == ONE else Expr("//", (self, other))

    def __mod__(self, other: Expr | int) -> Expr:
        other = lift(other)
        if self.op == "const" and other.op == "const":
            return const(self.value % other.value)
        return ZERO if other == ONE else Expr("%", (self, other))

    def __str__(self) -> str:
        if self.op == "const":
            return str(self.value)
        if self.op == "counter":
            return self.name
        inner = [str(arg) for arg in self.args]
        if self.op in ("min", "max"):
            return f"{self.op}({', '.join(inner)})"
        return f"({inner[0]} {self.op} {inner[1]})"


def const(value: int) -> Expr:
    """A constant."""
    return Expr("const", value=int(value))


ZERO = const(0)
ONE = const(1)


def counter(name: str) -> Expr:
    """The current value of a loop counter, from 0."""
    return Expr("counter", name=name)


def lift(value: Expr | int) -> Expr:
    """An integer as an expression; expressions as they are."""
    return value if isinstance(value, Expr) else const(value)


def _fold(op: str, pick: Callable[..., int], values: tuple[Expr | int, ...]) -> Expr:
    unique = list(dict.fromkeys(lift(value) for value in values))
    constants = [e.value for e in unique if e.op == "const"]
    others = [e for e in unique if e.op != "const"]
    if constants:
        others.append(const(pick(constants)))
    return others[0] if len(others) == 1 else Expr(op, tuple(others))


def minimum(*values: Expr | int) -> Expr:
    """The least of several expressions.

    >>> print(minimum(14, counter("Y0") * -14 + 56, 20))
    min(((Y0 * -14) + 56), 14)
    """
    return _fold("min", min, values)


def maximum(*values: Expr | int) -> Expr:
    """The greatest of several expressions."""
    return _fold("max", max, values)


def equal(left: Expr | int, right: Expr | int) -> Expr:
    """1 where both are equal, else 0."""
    left, right = lift(left), lift(right)
    if left.op == right.op == "const":
        return const(int(left.value == right.value))
    return ONE if left == right else Expr("==", (left, right))


def at_most(left: Expr | int, right: Expr | int) -> Expr:
    """1 where left <= right, else 0."""
    left, right = lift(left), lift(right)
    if left.op == right.op == "const":
        return const(int(left.value <= right.value))
    return Expr("<=", (left, right))


def choose(condition: Expr, yes: Expr | int, no: Expr | int) -> Expr:
    """``yes`` where the condition (0 or 1) holds, else ``no``."""
    if condition.op == "const":
        return lift(yes) if condition.value else lift(no)
    return condition * yes + (1 - condition) * no


def dot(left: Sequence[Expr], right: Sequence[int]) -> Expr:
    """The sum of products: where a box begins, from its first indices and strides."""
    total: Expr = ZERO
    for a, b in zip(left, right, strict=True):
        total = total + a * b
    return total


def row_major(counts: Sequence[Expr]) -> tuple[Expr, ...]:
    """Strides of a box that is stored without gaps."""
    strides: list[Expr] = []
    total: Expr = ONE
    for count in reversed(counts):
        strides.insert(0, total)
        total = total * count
    return tuple(strides)


def evaluate(expr: Expr, counters: Mapping[str, IntArray | int]) -> IntArray | int:
    """The value of an expression, for one iteration (integers) or many at once (arrays of one length)."""
    import numpy as np

    if expr.op == "const":
        return expr.value
    if expr.op == "counter":
        return counters[expr.name]
    operations: dict[str, Callable[[Any, Any], Any]] = {
        "min": np.minimum,
        "max": np.maximum,
        "==": lambda left, right: (left == right) * 1,
        "<=": lambda left, right: (left <= right) * 1,
        "+": operator.add,
        "*": operator.mul,
        "//": operator.floordiv,
        "%": operator.mod,
    }
    result: IntArray | int = reduce(operations[expr.op], [evaluate(arg, counters) for arg in expr.args])
    return result


_BINARY: dict[type[ast.AST], str] = {ast.Add: "+", ast.Mult: "*", ast.FloorDiv: "//", ast.Mod: "%"}
_COMPARE: dict[type[ast.AST], str] = {ast.Eq: "==", ast.LtE: "<="}
_TEXT_LIMIT = 100_000


def parse(text: str) -> Expr:
    """The expression that ``str`` printed; InputError on anything else.

    >>> parse("min(((Y0 * -14) + 56), 14)") == minimum(counter("Y0") * -14 + 56, 14)
    True
    """
    if len(text) > _TEXT_LIMIT:
        raise InputError(f"an expression of {len(text)} characters is too long (at most {_TEXT_LIMIT})")
    try:
        return _convert(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError, KeyError, ValueError) as error:
        raise InputError(f"'{text[:80]}' is not an expression of counters, + * // % min max == <=") from error


def _convert(node: ast.AST) -> Expr:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return const(node.value)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return const(-int(node.operand.value))  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return counter(node.id)
    if isinstance(node, ast.BinOp):
        return Expr(_BINARY[type(node.op)], (_convert(node.left), _convert(node.right)))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return Expr(_COMPARE[type(node.ops[0])], (_convert(node.left), _convert(node.comparators[0])))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("min", "max") and node.args:
        return Expr(node.func.id, tuple(_convert(arg) for arg in node.args))
    raise ValueError(type(node).__name__)
