"""A small language for what a flow decides by itself: `intentos < 3 and tipo in ['cedula', 'pasaporte']`.

In: a text and the kinds of the flow's variables. Out: an `Expression` whose kind is known before any citizen calls and
whose evaluation cannot fail: bounded in length and depth, no names but the flow's own, no functions, nothing of
Python's. Must never import a room.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple, TypeAlias

import msgspec

from telefonista.notation.problems import shown, suggestion

Value: TypeAlias = str | int | bool
"""What a variable can be. In Python a truth is a number too: ask for it first."""

RESERVED = frozenset({"or", "and", "not", "in", "true", "false"})
"""Words that no variable can be called."""
LONGEST_EXPRESSION = 300
DEEPEST_EXPRESSION = 20
GREATEST_VALUE = 10**12
"""Sums stop here, on either side of zero, so that no loop of a flow makes a number without end."""


class Kind(Enum):
    """What a variable holds, from its declaration to the end of the call."""

    TEXT = "text"
    NUMBER = "number"
    TRUTH = "truth"

    @property
    def first(self) -> Value:
        """What a variable is until it is set."""
        return _FIRST[self]


_FIRST: dict[Kind, Value] = {Kind.TEXT: "", Kind.NUMBER: 0, Kind.TRUTH: False}


def kind_of(value: Value) -> Kind:
    if isinstance(value, bool):
        return Kind.TRUTH
    return Kind.NUMBER if isinstance(value, int) else Kind.TEXT


class ExpressionInvalid(ValueError):
    """The text is no expression; the message is one line for the person who wrote it."""


class Term(msgspec.Struct, frozen=True):
    """A part of an expression."""

    kind: Kind

    def value(self, variables: Mapping[str, Value]) -> Value:
        raise NotImplementedError


class Literal(Term, frozen=True):
    is_: Value

    def value(self, variables: Mapping[str, Value]) -> Value:
        return self.is_


class Variable(Term, frozen=True):
    name: str

    def value(self, variables: Mapping[str, Value]) -> Value:
        return variables.get(self.name, self.kind.first)


class Not(Term, frozen=True):
    term: Term

    def value(self, variables: Mapping[str, Value]) -> Value:
        return not self.term.value(variables)


class Pair(Term, frozen=True):
    """Two terms and what joins them, by its sign in `_JOINS`."""

    sign: str
    left: Term
    right: Term

    def value(self, variables: Mapping[str, Value]) -> Value:
        return _JOINS[self.sign].join(self.left.value(variables), self.right.value(variables))


class Among(Term, frozen=True):
    term: Term
    values: tuple[Value, ...]

    def value(self, variables: Mapping[str, Value]) -> Value:
        return self.term.value(variables) in self.values


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was understood."""

    text: str
    term: Term

    @property
    def kind(self) -> Kind:
        return self.term.kind

    def value(self, variables: Mapping[str, Value]) -> Value:
        """Always of `kind`. A variable that is missing counts as not yet set."""
        return self.term.value(variables)


def parse(text: str, *, variables: Mapping[str, Kind]) -> Expression:
    """The expression that a text is. Raises ExpressionInvalid, and nothing else."""
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionInvalid(f"longer than {LONGEST_EXPRESSION} signs: make it several steps")
    parser = _Parser(_signs(text), variables)
    term = parser.either()
    if parser.ahead:
        raise ExpressionInvalid(f"{shown(parser.ahead)} is not expected here")
    return Expression(text=text, term=term)


class _Join(NamedTuple):
    of: Kind | None
    """What both sides must be; None: whatever, but the same."""
    gives: Kind
    join: Callable[..., Value]


def _bounded(number: int) -> int:
    return max(-GREATEST_VALUE, min(GREATEST_VALUE, number))


# Both sides are evaluated always: nothing in an expression can fail or take long.
_JOINS: dict[str, _Join] = {
    "or": _Join(Kind.TRUTH, Kind.TRUTH, lambda left, right: left or right),
    "and": _Join(Kind.TRUTH, Kind.TRUTH, lambda left, right: left and right),
    "==": _Join(None, Kind.TRUTH, lambda left, right: left == right),
    "!=": _Join(None, Kind.TRUTH, lambda left, right: left != right),
    "<": _Join(Kind.NUMBER, Kind.TRUTH, lambda left, right: left < right),
    "<=": _Join(Kind.NUMBER, Kind.TRUTH, lambda left, right: left <= right),
    ">": _Join(Kind.NUMBER, Kind.TRUTH, lambda left, right: left > right),
    ">=": _Join(Kind.NUMBER, Kind.TRUTH, lambda left, right: left >= right),
    "+": _Join(Kind.NUMBER, Kind.NUMBER, lambda left, right: _bounded(left + right)),
    "-": _Join(Kind.NUMBER, Kind.NUMBER, lambda left, right: _bounded(left - right)),
}
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_SIGN = re.compile(r"\s*(?P<sign>'[^']*'|\"[^\"]*\"|[0-9]+|[a-z_][a-z0-9_]*|==|!=|<=|>=|[-+<>()\[\],])", re.ASCII)
_NUMBER_SIGNS = len(str(GREATEST_VALUE))


def _signs(text: str) -> list[str]:
    signs = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _SIGN.match(text, at)
        if match is None:
            wrong = text[at:].strip()
            hint = "; = is written ==" if wrong.startswith("=") else ""
            raise ExpressionInvalid(f"not understood from {shown(wrong)} on{hint}")
        signs.append(match["sign"])
        at = match.end()
    return signs


class _Parser:
    """Reads signs from left to right; a method for each strength of binding, the weakest first."""

    def __init__(self, signs: list[str], variables: Mapping[str, Kind]) -> None:
        self.signs = signs
        self.variables = variables
        self.depth = 0

    @property
    def ahead(self) -> str:
        """The next sign; empty at the end."""
        return self.signs[0] if self.signs else ""

    def take(self) -> str:
        if not self.signs:
            raise ExpressionInvalid("something is missing at its end")
        return self.signs.pop(0)

    def expect(self, sign: str) -> None:
        found = self.take()
        if found != sign:
            raise ExpressionInvalid(f"{shown(sign)} expected, not {shown(found)}")

    def either(self) -> Term:
        term = self.both()
        while self.ahead == "or":
            term = _joined(self.take(), term, self.both())
        return term

    def both(self) -> Term:
        term = self.negation()
        while self.ahead == "and":
            term = _joined(self.take(), term, self.negation())
        return term

    def negation(self) -> Term:
        if self.ahead != "not":
            return self.comparison()
        self.take()
        with_deeper = self.deeper(self.negation)
        _must_be(Kind.TRUTH, with_deeper, of="not")
        return Not(Kind.TRUTH, with_deeper)

    def comparison(self) -> Term:
        term = self.sum()
        if self.ahead in _COMPARISONS:
            return _joined(self.take(), term, self.sum())
        if self.ahead == "in":
            self.take()
            return self.among(term)
        if self.ahead == "not":
            self.take()
            self.expect("in")
            return Not(Kind.TRUTH, self.among(term))
        return term

    def among(self, term: Term) -> Term:
        values: list[Value] = []
        self.expect("[")
        while self.ahead != "]":
            if values:
                self.expect(",")
            literal = self.literal(self.take())
            if literal is None:
                raise ExpressionInvalid("a list holds numbers or texts in quotes")
            _must_be(term.kind, literal, of="in")
            values.append(literal.is_)
        self.take()
        return Among(Kind.TRUTH, term, tuple(values))

    def sum(self) -> Term:
        term = self.atom()
        while self.ahead in ("+", "-"):
            term = _joined(self.take(), term, self.atom())
        return term

    def atom(self) -> Term:
        sign = self.take()
        if sign == "(":
            term = self.deeper(self.either)
            self.expect(")")
            return term
        if sign == "-":
            return _joined("-", Literal(Kind.NUMBER, 0), self.deeper(self.atom))
        literal = self.literal(sign)
        return literal if literal is not None else self.variable(sign)

    def literal(self, sign: str) -> Literal | None:
        if sign[0] in "'\"":
            return Literal(Kind.TEXT, sign[1:-1])
        if sign in ("true", "false"):
            return Literal(Kind.TRUTH, sign == "true")
        if not sign.isdigit():
            return None
        if len(sign) > _NUMBER_SIGNS or int(sign) > GREATEST_VALUE:
            raise ExpressionInvalid(f"{shown(sign)} is more than {GREATEST_VALUE}")
        return Literal(Kind.NUMBER, int(sign))

    def variable(self, sign: str) -> Variable:
        if sign not in self.variables:
            what = "no variable" if sign[0].isalpha() and sign not in RESERVED else "not expected here"
            known = suggestion(sign, known=tuple(self.variables)) if what == "no variable" else ""
            raise ExpressionInvalid(f"{shown(sign)} is {what}{known}")
        return Variable(self.variables[sign], sign)

    def deeper(self, read: Callable[[], Term]) -> Term:
        self.depth += 1
        if self.depth > DEEPEST_EXPRESSION:
            raise ExpressionInvalid("nested too deep: make it several steps")
        term = read()
        self.depth -= 1
        return term


def _joined(sign: str, left: Term, right: Term) -> Term:
    of = _JOINS[sign].of or left.kind
    _must_be(of, left, of=sign)
    _must_be(of, right, of=sign)
    return Pair(_JOINS[sign].gives, sign, left, right)


def _must_be(kind: Kind, term: Term, *, of: str) -> None:
    if term.kind is not kind:
        raise ExpressionInvalid(f"{shown(of)} needs a {kind.value} here, not a {term.kind.value}")
