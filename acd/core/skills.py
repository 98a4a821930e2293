"""What a contact asks of an agent, and whether an agent has it: skills with levels 0 to 10, and languages.

In: the expressions of queues and flows (`impuestos >= 5 and (guarani >= 1 or nivel2 >= 1)`), where every name is a
skill and one that an agent does not have is 0; and agents' records. Out: able or not, and if not, why, in a few stable
words. Must never import a service or the configuration.
"""

from collections.abc import Iterator, Mapping

import msgspec

from telefonista.notation.expressions import (
    RESERVED,
    Among,
    Expression,
    ExpressionInvalid,
    Kind,
    Literal,
    Not,
    Pair,
    Term,
    Variable,
    parse,
)

_FAILED: Mapping[str, str] = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!=", "!=": "=="}
"""What is true where a comparison is not."""


class _EverySkill(Mapping[str, Kind]):
    """Any word is a skill, and every skill is a number."""

    def __getitem__(self, name: str) -> Kind:
        if name not in self:
            raise KeyError(name)
        return Kind.NUMBER

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.isidentifier() and name == name.lower() and name not in RESERVED

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_EVERY_SKILL = _EverySkill()


class Requirement(msgspec.Struct, frozen=True):
    """An expression over skills that was understood; without one, nothing is asked."""

    condition: Expression | None = None

    @property
    def skills(self) -> tuple[str, ...]:
        """Those that it names, each once, in their order."""
        return tuple(dict.fromkeys(_names(self.condition.term))) if self.condition is not None else ()

    def met(self, skills: Mapping[str, int]) -> bool:
        return self.condition is None or self.condition.value(skills) is True

    def lacking(self, skills: Mapping[str, int]) -> str:
        """Why it is not met, such as `impuestos 3 < 5`; empty when it is."""
        if self.condition is None or self.met(skills):
            return ""
        return _why_not(self.condition.term, skills)


def read_requirement(text: str) -> Requirement:
    """What a text asks; an empty one asks nothing. Raises ExpressionInvalid."""
    if not text.strip():
        return Requirement()
    condition = parse(text, variables=_EVERY_SKILL)
    if condition.kind is not Kind.TRUTH:
        raise ExpressionInvalid("says how much but not what for: compare it, as in impuestos >= 5")
    return Requirement(condition)


def requirement_or_none(text: str) -> Requirement:
    """As `read_requirement`; what cannot be read asks nothing, for no citizen is turned away by a typing error."""
    try:
        return read_requirement(text)
    except ExpressionInvalid:
        return Requirement()


def speaks(languages: tuple[str, ...], *, language: str, own: str) -> bool:
    """Whether somebody with these languages (none: the installation's own) attends in `language`; an empty one asks
    nothing. Regions do not count: who speaks es-AR understands es-UY."""
    if not language:
        return True
    asked = _base(language)
    return any(_base(each) == asked for each in (languages or (own,)))


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def _names(term: Term) -> Iterator[str]:
    if isinstance(term, Variable):
        yield term.name
    elif isinstance(term, Not | Among):
        yield from _names(term.term)
    elif isinstance(term, Pair):
        yield from _names(term.left)
        yield from _names(term.right)


def _why_not(term: Term, skills: Mapping[str, int]) -> str:
    """Why a condition that does not hold does not."""
    if isinstance(term, Pair) and term.sign == "and":
        failing = term.right if term.left.value(skills) else term.left
        return _why_not(failing, skills)
    if isinstance(term, Pair) and term.sign == "or":
        return f"{_why_not(term.left, skills)}, {_why_not(term.right, skills)}"
    if isinstance(term, Pair) and term.sign in _FAILED:
        return f"{_with_level(term.left, skills)} {_FAILED[term.sign]} {_with_level(term.right, skills)}"
    if isinstance(term, Among):
        return f"{_with_level(term.term, skills)} not in {list(term.values)}"
    return f"{said(term)} is not so"


def _with_level(term: Term, skills: Mapping[str, int]) -> str:
    """A term, and the agent's level where it is a skill."""
    return f"{term.name} {term.value(skills)}" if isinstance(term, Variable) else said(term)


def said(term: Term) -> str:
    """A term as it would be written."""
    if isinstance(term, Variable):
        return term.name
    if isinstance(term, Literal):
        return str(term.is_)
    if isinstance(term, Not):
        return f"not ({said(term.term)})"
    if isinstance(term, Among):
        return f"{said(term.term)} in {list(term.values)}"
    assert isinstance(term, Pair)
    return f"{said(term.left)} {term.sign} {said(term.right)}"
