"""What a search asks for: class names joined by and, or, not and parentheses, each with a bound on its area if wanted.

    alternatives := conjunction ("or" conjunction)*
    conjunction  := operand ("and" operand)*
    operand      := "not" operand | "(" alternatives ")" | name [comparison area]
    name         := a word, or anything in quotes
    comparison   := ">" | ">=" | "<" | "<="
    area         := number "%" | number "px"

Truth has three values, as in Kleene's strong logic: TRUE, FALSE, and UNKNOWN where a file's labels say nothing of a
name. They are ordered: "and" is the minimum, "or" the maximum, "not" the negative. Where areas are known within bounds
only, so is the truth: an answer is the least and the most that it can be.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from dsslic_jax.errors import ConfigError
from dsslic_jax.search.area import AREA, ONE_PIXEL, Area, area_of

Bounds = tuple[int, int]  # least and most: pixels that a class covers, or a truth
Areas = Callable[[str], Bounds | None]  # by class name; None where nothing is known of it
FALSE, UNKNOWN, TRUE = -1, 0, 1

_MAX_DEPTH = 64  # of parentheses and nots; each takes a few of Python's thousand frames
_SHOWN = 40  # characters of the expression that an error repeats
_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SPACE = re.compile(r"\s*")
_TOKEN = re.compile(
    r"""(?P<sign>[()]|[<>]=?)|(?P<quoted>"[^"]+"|'[^']+')|(?P<word>[^\s()<>="'][^\s()<>="]*)|(?P<other>.?)""",
    re.DOTALL,
)
_KEYWORDS = ("and", "or", "not")


@dataclass(frozen=True)
class Term:
    """A class that covers an area above or below a bound."""

    name: str  # as it was written
    comparison: str
    area: Area
    wanted: bool  # more of the class can only help the file to match

    def truth(self, areas: Areas, total: int) -> Bounds:
        """As `Expression` has it."""
        bounds = areas(self.name)
        if bounds is None:
            return UNKNOWN, UNKNOWN
        compare, pixels = _COMPARISONS[self.comparison], self.area.pixels(total)
        least, most = sorted(TRUE if compare(bound, pixels) else FALSE for bound in bounds)
        return least, most


@dataclass(frozen=True)
class Expression:
    """Something that holds of a picture or does not."""

    # (areas, total) -> whether it holds of a picture of `total` pixels whose classes cover `areas`.
    truth: Callable[[Areas, int], Bounds]
    terms: tuple[Term, ...]  # every name in it, from left to right


def _opposite(operand: Expression) -> Expression:
    def truth(areas: Areas, total: int) -> Bounds:
        least, most = operand.truth(areas, total)
        return -most, -least

    return Expression(truth, operand.terms)


def _joined(keyword: str, operands: list[Expression]) -> Expression:
    pick = min if keyword == "and" else max

    def truth(areas: Areas, total: int) -> Bounds:
        least, most = zip(*(operand.truth(areas, total) for operand in operands), strict=True)
        return pick(least), pick(most)

    return Expression(truth, tuple(term for operand in operands for term in operand.terms))


def parse(text: str, minimum: Area = ONE_PIXEL) -> Expression:
    """The expression that `text` writes; a wanted name without a bound of its own means at least `minimum`.

    Raises ConfigError, naming the character, for anything else.
    """
    return _Parser(text, minimum).parse()


class _Parser:
    """Recursive descent. `wanted` says whether the part being read helps (True) or hinders (under a not) a match."""

    def __init__(self, text: str, minimum: Area) -> None:
        self._text = text
        self._minimum = minimum
        self._end = 0  # of the present token
        self._advance()

    def parse(self) -> Expression:
        whole = self._chain("or", 0, wanted=True)
        if self._token:
            self._refuse('"and", "or" or the end; a name of several words is written in quotes')
        return whole

    def _chain(self, keyword: str, depth: int, wanted: bool) -> Expression:
        def operand() -> Expression:
            if keyword == "or":
                return self._chain("and", depth, wanted)
            return self._operand(depth, wanted)

        operands = [operand()]
        while self._keyword == keyword:
            self._advance()
            operands.append(operand())
        return operands[0] if len(operands) == 1 else _joined(keyword, operands)

    def _operand(self, depth: int, wanted: bool) -> Expression:
        if depth > _MAX_DEPTH:
            self._refuse(f"at most {_MAX_DEPTH} parentheses and nots inside each other")
        if self._keyword == "not":
            self._advance()
            return _opposite(self._operand(depth + 1, not wanted))
        if self._sign == "(":
            self._advance()
            inside = self._chain("or", depth + 1, wanted)
            if self._sign != ")":
                self._refuse('")"')
            self._advance()
            return inside
        term = self._term(wanted)
        return Expression(term.truth, (term,))

    def _term(self, wanted: bool) -> Term:
        name = self._name
        if not name:
            self._refuse("a class name")
        self._advance()
        if self._sign not in _COMPARISONS:
            return Term(name, ">=", self._minimum if wanted else ONE_PIXEL, wanted)
        comparison = self._sign
        match = AREA.match(self._text, self._end)
        area = area_of(match) if match else None
        if match is None or area is None:
            self._advance()
            self._refuse("an area such as 20% or 500px")
        self._advance(match.end())
        return Term(name, comparison, area, wanted == (comparison in (">", ">=")))

    def _advance(self, position: int | None = None) -> None:
        """Reads the token at `position`, by default the one after the present; "" at the end."""
        start = _SPACE.match(self._text, self._end if position is None else position)
        match = start and _TOKEN.match(self._text, start.end())
        assert match is not None  # both match anything
        self._start, self._end, self._token = match.start(), match.end(), match[0]
        word, quoted = match["word"] or "", match["quoted"] or ""
        self._sign = match["sign"] or ""
        self._keyword = word.lower() if word.lower() in _KEYWORDS else ""
        self._name = "" if self._keyword else word or quoted[1:-1].strip()

    def _refuse(self, expected: str) -> NoReturn:
        found = repr(self._token[:_SHOWN]) if self._token else "the end"
        raise ConfigError(
            f"search expression, character {self._start + 1}: expected {expected}, found {found}"
        )
