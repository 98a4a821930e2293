"""What a contact asks of an agent, and whether an agent has it: skills with levels 0 to 10, and languages.

In: the expressions of queues and flows (`impuestos >= 5 and (guarani >= 1 or portugues >= 5)`), where every name is a
skill and one that an agent does not have is 0; and agents' records. Out: able or not, and if not, why, in a few stable
words; and what is asked in vain, before any citizen calls. Must never import a service or the configuration.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import msgspec

from acd.core.policy import QueuePolicy
from agents import Member
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
from telefonista.notation.problems import shown, suggestion

LEAST_LEVEL, GREATEST_LEVEL = 0, 10
FIRST_LEVEL = 1
"""The group of an agent whose record says none."""
_SKILL = re.compile(r"\b[a-z_][a-z0-9_]*", re.ASCII)
_LEVELS = range(LEAST_LEVEL, GREATEST_LEVEL + 1)
_MOST_TRIALS = 100_000
_NO_SKILL = "cannot be asked for: a skill has small letters, digits and _, and is not one of and, or, not, in"

_FAILED: Mapping[str, str] = {">=": "<", ">": "<=", "<=": ">", "<": ">=", "==": "!=", "!=": "=="}
"""What is true where a comparison is not."""


class Requirement(msgspec.Struct, frozen=True):
    """An expression over skills that was understood; without one, nothing is asked."""

    condition: Expression | None = None

    @property
    def skills(self) -> tuple[str, ...]:
        """Those that it names, each once, in their order."""
        parts = _parts(self.condition.term) if self.condition is not None else ()
        return tuple(dict.fromkeys(part.name for part in parts if isinstance(part, Variable)))

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
    condition = parse(text, variables={word: Kind.NUMBER for word in _SKILL.findall(text) if word not in RESERVED})
    if condition.kind is not Kind.TRUTH:
        raise ExpressionInvalid("says how much but not what for: compare it, as in impuestos >= 5")
    return Requirement(condition)


def requirement_or_none(text: str) -> Requirement:
    """As `read_requirement`; what cannot be read asks nothing, for no citizen is turned away by a typing error."""
    try:
        return read_requirement(text)
    except ExpressionInvalid:
        return Requirement()


def asked(policy: QueuePolicy, *, step: int) -> tuple[str, int]:
    """What a queue asks for, and the last group that may answer, at one of its steps (0: at first)."""
    requires, level = policy.requires, policy.level
    for relaxation in policy.relax[:step]:
        requires = requires if relaxation.requires is None else relaxation.requires
        level = level if relaxation.level is None else relaxation.level
    return requires, level


def speaks(languages: tuple[str, ...], *, language: str, own: str) -> bool:
    """Whether somebody with these languages (none: the installation's own) attends in `language`; an empty one asks
    nothing. Regions do not count: who speaks es-AR understands es-UY."""
    if not language:
        return True
    asked = _base(language)
    return any(_base(each) == asked for each in (languages or (own,)))


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


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


class SkillFinding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that queues ask and agents have not, said to the person who wrote the configuration."""

    where: tuple[int | str, ...]
    """The place in the configuration, such as queues, 0, relax, 1, requires; counted from 0."""
    text: str
    fatal: bool
    """Whether it cannot have been meant; else it is legal, and to be warned of."""


def check_skills(policies: Sequence[QueuePolicy], members: Sequence[Member]) -> list[SkillFinding]:
    """What is wrong with what queues ask, given the agents there are. Both in the configuration's order."""
    known = tuple(dict.fromkeys(skill for member in members for skill, level in member.skills.items() if level > 0))
    findings = [
        SkillFinding(where=("agents", n, "skills", skill), text=f"{shown(skill)} {_NO_SKILL}", fatal=True)
        for n, member in enumerate(members)
        for skill in member.skills
        if _SKILL.fullmatch(skill) is None or skill in RESERVED
    ]
    for n, policy in enumerate(policies):
        of_queue = [member for member in members if policy.name in member.queues]
        findings += (
            msgspec.structs.replace(finding, where=("queues", n, *finding.where))
            for finding in _check_queue(policy, members=of_queue, known=known)
        )
    return findings


def wrong_with(text: str, *, known: Sequence[str]) -> str:
    """Why no agent can ever meet what a text asks, given the skills that agents have; empty where some may. For queues
    and for what flows ask."""
    try:
        requirement = read_requirement(text)
    except ExpressionInvalid as invalid:
        return str(invalid)
    for skill in requirement.skills:
        if skill not in known:
            return f"no agent has the skill {shown(skill)}{suggestion(skill, known=known)}"
    if requirement.condition is not None and not _can_be_true(requirement.condition.term, requirement.skills):
        return f"cannot be true of anybody: levels go from {LEAST_LEVEL} to {GREATEST_LEVEL}"
    return ""


def _check_queue(policy: QueuePolicy, *, members: Sequence[Member], known: Sequence[str]) -> Iterator[SkillFinding]:
    places: list[tuple[tuple[int | str, ...], str]] = [(("requires",), policy.requires)]
    places += ((("relax", n, "requires"), step.requires) for n, step in enumerate(policy.relax) if step.requires)
    wrong = False
    for where, text in places:
        why = wrong_with(text, known=known)
        if why:
            wrong = True
            yield SkillFinding(where=where, text=why, fatal=True)
    if not members:
        return
    levels = {member.levels.get(policy.name, FIRST_LEVEL) for member in members}
    for n, step in enumerate(policy.relax):
        if step.level is not None and step.level not in levels:
            text = f"no agent of the queue {shown(policy.name)} is at level {step.level}"
            yield SkillFinding(where=("relax", n, "level"), text=text, fatal=False)
    if not wrong and not any(_able(member, policy=policy) for member in members):
        text = f"no agent of the queue {shown(policy.name)} has what it asks for, however long somebody waits"
        yield SkillFinding(where=("requires",), text=text, fatal=False)


def _able(member: Member, *, policy: QueuePolicy) -> bool:
    """Whether an agent may answer a queue at some step."""
    steps = (asked(policy, step=step) for step in range(len(policy.relax) + 1))
    own = member.levels.get(policy.name, FIRST_LEVEL)
    return any(own <= level and read_requirement(requires).met(member.skills) for requires, level in steps)


def _can_be_true(term: Term, skills: Sequence[str]) -> bool:
    """Tries the levels at which anything can change; where those are too many to be tried, it may be true."""
    parts = list(_parts(term))
    bounds = {part.is_ for part in parts if isinstance(part, Literal) and isinstance(part.is_, int)}
    bounds |= {value for part in parts if isinstance(part, Among) for value in part.values if isinstance(value, int)}
    if any(isinstance(part, Pair) and part.sign in "+-" for part in parts):
        levels = set(_LEVELS)
    else:
        levels = {near for bound in bounds for near in (bound - 1, bound, bound + 1)} & set(_LEVELS)
        levels |= {LEAST_LEVEL, GREATEST_LEVEL}
    if len(levels) ** len(skills) > _MOST_TRIALS:
        return True
    trials = product(sorted(levels, reverse=True), repeat=len(skills))
    return any(term.value(dict(zip(skills, trial, strict=True))) for trial in trials)


def _parts(term: Term) -> Iterator[Term]:
    yield term
    if isinstance(term, Not | Among):
        yield from _parts(term.term)
    elif isinstance(term, Pair):
        yield from _parts(term.left)
        yield from _parts(term.right)
