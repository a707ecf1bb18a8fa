"""An einsum statement as text: the operands it names and their affine subscripts, every fault with its column.

    statement  = operand ("=" | "+=") operand { "*" operand }
    operand    = NAME [ "[" [ subscript { "," subscript } ] "]" ]
    subscript  = term { ("+" | "-") term }
    term       = NUMBER | [ NUMBER "*" ] NAME | NAME "*" NUMBER

Nothing is evaluated, and reading goes on after a fault, so that one reading finds them all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

MOST_CHARACTERS = 1_000
LARGEST = 2**40
_TOKEN = re.compile(
    r"\s*(?:(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<number>[0-9]+(?:\.[0-9]*)?)"
    r"|(?P<sign>\+=|->|==|\*\*|//|[-*/]=|[^\s\0]|\0))",
    re.ASCII,
)
_FORM = "write a statement such as C[m,n] += A[m,k] * B[k,n]"
_AFFINE = "a subscript is a sum of whole numbers times dimensions, such as 2*y + r - 1"
_NOT_AFFINE = {
    "/": "divides",
    "//": "divides",
    "%": "takes a remainder",
    "^": "takes a power",
    "**": "takes a power",
    "(": "has brackets inside; multiply it out",
    "[": "looks its index up in an array",
}
_ASSIGNMENTS = ("=", "+=")
_NO_ASSIGNMENTS = ("-=", "*=", "/=", "==")

Fault = tuple[int, str]


@dataclass(frozen=True)
class Subscript:
    """The index on one axis, the sum of ``coefficient * dimension`` plus ``offset``, as it stands at a column."""

    terms: tuple[tuple[str, int], ...]
    offset: int
    column: int

    def __str__(self) -> str:
        """As it is told in messages.

        >>> str(Subscript((("y", 2), ("r", 1)), -1, 5))
        '2*y + r - 1'
        """
        parts = [f"{coefficient}*{dim}" if coefficient > 1 else dim for dim, coefficient in self.terms]
        text = " + ".join(parts) or str(self.offset)
        return text + (f" {'-' if self.offset < 0 else '+'} {abs(self.offset)}" if parts and self.offset else "")


@dataclass(frozen=True)
class Reference:
    """An operand as written; a subscript with a fault is None."""

    name: str
    column: int
    subscripts: tuple[Subscript | None, ...]

    @property
    def dims(self) -> frozenset[str]:
        return frozenset(dim for one in self.subscripts if one is not None for dim, _ in one.terms)


@dataclass(frozen=True)
class Statement:
    """What was read: the output (None if there is none to be found), the factors, and every dimension mentioned with
    the column where it first stands."""

    output: Reference | None
    factors: tuple[Reference, ...]
    dims: tuple[tuple[str, int], ...]

    @property
    def operands(self) -> tuple[Reference, ...]:
        """All operands in the order of the text."""
        return (self.output, *self.factors) if self.output is not None else self.factors


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def read_statement(text: str) -> tuple[Statement, list[Fault]]:
    """The statement of a text, as far as it can be read, and what is wrong with it: (column from 1, sentence).

    >>> statement, faults = read_statement("O[y] += W[r] * I[2*y + r - 1]")
    >>> statement.factors[1].subscripts[0].terms, statement.factors[1].subscripts[0].offset, faults
    ((('y', 2), ('r', 1)), -1, [])
    >>> read_statement("O[y] += W[r] * I[y*r]")[1][0][0]
    18
    """
    if len(text) > MOST_CHARACTERS:
        return Statement(None, (), ()), [
            (MOST_CHARACTERS + 1, f"the text has {len(text)} characters; at most {MOST_CHARACTERS} are read")
        ]
    reader = _Reader(text)
    return reader.statement(), sorted(reader.faults)


def _tokens(text: str) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup
        assert kind is not None
        yield _Token(kind, match[kind], match.start(kind) + 1)


def _depths(tokens: list[_Token]) -> list[int]:
    """How many square brackets are open before each token."""
    found, depth = [], 0
    for token in tokens:
        found.append(depth)
        depth = max(0, depth + (token.text == "[") - (token.text == "]"))
    return found


class _Reader:
    """Reads tokens and collects what is wrong with them."""

    def __init__(self, text: str) -> None:
        self.faults: list[Fault] = []
        self._text = text
        self._dims: dict[str, int] = {}

    def _fault(self, column: int, sentence: str) -> None:
        self.faults.append((column, sentence))

    def statement(self) -> Statement:
        tokens = list(_tokens(self._text))
        for place, token in enumerate(tokens):
            if token.text == ";":
                self._fault(token.column, "';' separates statements; a nest is one statement, map each by itself")
                tokens = tokens[:place]
                break
        depths = _depths(tokens)
        marks = [k for k, token in enumerate(tokens) if token.text in _ASSIGNMENTS and depths[k] == 0]
        # An assignment within a bracket that was never closed is still the best place to part the text.
        marks = marks or [k for k, token in enumerate(tokens) if token.text in _ASSIGNMENTS][:1]
        if not marks and (other := [k for k, token in enumerate(tokens) if token.text in _NO_ASSIGNMENTS]):
            marks = other[:1]
            self._fault(tokens[marks[0]].column, f"{tokens[marks[0]].text!r} is not understood; write '=' or '+='")
        if not marks:
            self._fault(len(self._text) + 1, f"there is no output: {_FORM}")
            return Statement(None, tuple(self._product(tokens)), tuple(self._dims.items()))
        if len(marks) > 1:
            second = tokens[marks[1]]
            self._fault(second.column, f"a second '{second.text}': a nest is one statement, map each by itself")
            tokens = tokens[: marks[1]]
        mark = tokens[marks[0]]
        left, right = self._product(tokens[: marks[0]]), self._product(tokens[marks[0] + 1 :])
        if not left:
            self._fault(mark.column, f"there is no output before '{mark.text}': {_FORM}")
        for further in left[1:]:
            self._fault(further.column, f"a second output, {further.name}: a nest writes exactly one operand")
        if not right:
            self._fault(mark.column, f"there is nothing after '{mark.text}': {_FORM}")
        return Statement(left[0] if left else None, tuple(right), tuple(self._dims.items()))

    def _product(self, tokens: list[_Token]) -> list[Reference]:
        """The operands of a product."""
        found: list[Reference] = []
        place, awaited, brackets = 0, True, 0
        star: _Token | None = None
        while place < len(tokens):
            token = tokens[place]
            place += 1
            if token.kind == "name":
                if not awaited:
                    self._fault(token.column, f"a '*' is missing before '{token.text}'")
                inner: list[_Token] = []
                if place < len(tokens) and tokens[place].text == "[":
                    inner, place = self._bracket(tokens, place)
                found.append(Reference(token.text, token.column, self._subscripts(inner)))
                awaited, star = False, None
            elif token.text == "*":
                if awaited:
                    self._fault(token.column, "there is no operand before this '*'")
                awaited, star = True, token
            elif token.text == "[":
                self._fault(token.column, "there is no operand's name before this bracket")
                inner, place = self._bracket(tokens, place - 1)
                self._subscripts(inner)
                awaited, star = False, None
            elif token.text == ")" and brackets:
                brackets -= 1
            else:
                brackets += token.text == "("
                self._stray(token)
                awaited, star = token.kind != "number", None
        if star is not None:
            self._fault(star.column, "there is no operand after this '*'")
        return found

    def _stray(self, token: _Token) -> None:
        """What stands between operands and is no '*'."""
        shown = repr(token.text)
        if token.kind == "number":
            said = f"the constant factor {token.text} is no operand; leave it out, it does not change the cost"
        elif token.text in ("+", "-"):
            said = f"{shown} adds products: that is not one perfect nest; map each product by itself"
        elif token.text in ("(", ")"):
            said = f"{shown}: a nest is one product of operands, without round brackets or functions"
        elif token.text == "]":
            said = f"{shown} closes a bracket that was never opened"
        elif not token.text.isascii():
            said = f"{shown} cannot be read; names are of the letters A to Z, digits and '_'"
        elif token.text == "->":
            said = f"{shown}: the output comes first; {_FORM}"
        else:
            said = f"{shown} cannot stand between operands, which are multiplied with '*'"
        self._fault(token.column, said)

    def _bracket(self, tokens: list[_Token], place: int) -> tuple[list[_Token], int]:
        """What a bracket that opens at a place holds, and the place after it."""
        depth = 0
        for end in range(place, len(tokens)):
            depth += (tokens[end].text == "[") - (tokens[end].text == "]")
            if depth == 0:
                return tokens[place + 1 : end], end + 1
        self._fault(tokens[place].column, "this bracket is never closed")
        return tokens[place + 1 :], len(tokens)

    def _subscripts(self, tokens: list[_Token]) -> tuple[Subscript | None, ...]:
        """The subscripts that commas separate; what is no dimension is not taken for one."""
        if not tokens:
            return ()
        for token, after in zip(tokens, [*tokens[1:], None], strict=True):
            if token.kind == "name" and (after is None or after.text not in ("[", "(")):
                self._dims.setdefault(token.text, token.column)
        pieces: list[list[_Token]] = [[]]
        found: list[Subscript | None] = []
        inside = 0
        for token in tokens:
            inside += (token.text in ("[", "(")) - (token.text in ("]", ")"))
            if token.text == "," and inside <= 0:
                found.append(self._subscript(pieces[-1], token.column))
                pieces.append([])
            else:
                pieces[-1].append(token)
        return (*found, self._subscript(pieces[-1], tokens[-1].column))

    def _subscript(self, tokens: list[_Token], column: int) -> Subscript | None:
        """One subscript; ``column`` is where to point if it is empty."""
        if not tokens:
            self._fault(column, "a subscript is missing here, such as 2*y + r - 1")
            return None
        last = tokens[-1]
        shown = repr(self._text[tokens[0].column - 1 : last.column - 1 + len(last.text)])
        for token in tokens:
            if token.kind == "sign" and token.text not in ("+", "-", "*"):
                said = _NOT_AFFINE.get(token.text, f"has {token.text!r} in it")
                self._fault(token.column, f"{shown} {said}; {_AFFINE}")
                return None
        before = len(self.faults)
        offset, coefficients, columns = 0, dict[str, int](), dict[str, int]()
        for sign, term in self._terms(tokens, shown):
            number, dim = self._term(term, shown)
            if dim is None:
                offset += sign * number
            else:
                coefficients[dim.text] = coefficients.get(dim.text, 0) + sign * number
                columns.setdefault(dim.text, dim.column)
        if len(self.faults) > before:
            return None
        for name, coefficient in coefficients.items():
            if coefficient < 0:
                said = f"counts backwards; number {name} from its other end in every operand"
                self._fault(columns[name], f"{name} in {shown} {said}, so that its coefficient is positive")
            elif coefficient == 0:
                self._fault(columns[name], f"{name} in {shown} has the coefficient 0; leave it out")
        if max([abs(offset), *coefficients.values()]) > LARGEST:
            self._fault(tokens[0].column, f"{shown} has a number above {LARGEST}, the largest supported")
        if len(self.faults) > before:
            return None
        return Subscript(tuple(coefficients.items()), offset, tokens[0].column)

    def _terms(self, tokens: list[_Token], shown: str) -> Iterator[tuple[int, list[_Token]]]:
        """The terms of a sum with their signs."""
        sign, term = 1, list[_Token]()
        for place, token in enumerate(tokens):
            if token.text not in ("+", "-"):
                term.append(token)
                continue
            if term:
                yield sign, term
            elif place > 0:
                self._fault(token.column, f"{shown} has two signs in a row")
            sign, term = 1 if token.text == "+" else -1, []
        if term:
            yield sign, term
        else:
            self._fault(tokens[-1].column, f"{shown} ends with a sign")

    def _term(self, term: list[_Token], shown: str) -> tuple[int, _Token | None]:
        """The number of a term and its dimension, if it has one."""
        first = term[0].column
        for one, after in pairwise(term):
            if "*" not in (one.text, after.text):
                self._fault(after.column, f"'{one.text} {after.text}': a '*', '+' or '-' is missing in {shown}")
                return 0, None
        if len(term) % 2 == 0 or any(token.text == "*" for token in term[::2]):
            self._fault(first, f"{shown} has a '*' without two factors")
            return 0, None
        names = [token for token in term if token.kind == "name"]
        if len(names) > 1:
            both = " and ".join(token.text for token in names)
            self._fault(first, f"{shown} multiplies the dimensions {both}; {_AFFINE}")
            return 0, None
        number = 1
        for token in term:
            if token.kind == "number" and "." in token.text:
                self._fault(token.column, f"{token.text} is not a whole number; {_AFFINE}")
            elif token.kind == "number":
                number *= int(token.text)
        return number, names[0] if names else None
