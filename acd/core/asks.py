"""Who is able for what: contacts that ask the same are of one `Ask`, agents who can do the same of one `Kin`.

In: a queue's policy at one of its steps, what a flow asks beyond it, and agents' records. Out: able or not and why not,
worked out once for each pair; the line of those who wait for it and the bench of those who are free for it. Pure; must
never import the desk or the matching.
"""

from collections.abc import Sequence
from typing import TypeVar

from acd.core.choosing import CHOOSINGS, Bench
from acd.core.line import Line
from acd.core.policy import QueuePolicy
from acd.core.skills import FIRST_LEVEL, asked, requirement_or_none, speaks
from agents import Member
from telefonista.kernel.ids import AgentId, CallId

_Counted = TypeVar("_Counted", bound=str)


def count(counts: dict[_Counted, int], what: _Counted, *, more: int) -> None:
    """Add to one of some counts, of which none is kept that is zero."""
    now = counts.get(what, 0) + more
    if now:
        counts[what] = now
    else:
        counts.pop(what, None)


class Kin:
    """Agents with the same skills, languages, queues and levels."""

    __slots__ = ("able", "counts", "languages", "levels", "queues", "rarity", "skills", "unable", "working")

    def __init__(self, member: Member) -> None:
        self.queues = member.queues
        self.skills = {skill: level for skill, level in member.skills.items() if level > 0}
        self.languages = member.languages
        self.levels = member.levels
        self.rarity = 0.0
        self.able: list[Ask] = []
        self.unable: dict[Ask, str] = {}
        """Asks of their own queues that they cannot serve, and why."""
        self.counts: list[dict[str, int]] = []
        """Of each large queue of theirs: how many of its agents are not free, for each reason."""
        self.working = 0
        """How many of them are at work: free now, or soon."""

    def learn(self, ask: "Ask", *, language: str) -> None:
        """Work out whether they are able for an ask of a queue of theirs. `language` is the installation's own."""
        lacking = ask.lacking(self, language=language)
        if lacking:
            self.unable[ask] = lacking
        else:
            self.able.append(ask)
            ask.kins.append(self)


class Ask:
    """What contacts of one queue ask at one step; those who wait for it, and those who are free and able."""

    __slots__ = (
        "base",
        "bench",
        "beyond",
        "kins",
        "language",
        "level",
        "line",
        "members",
        "policy",
        "target_s",
        "unable",
    )

    def __init__(
        self, *, policy: QueuePolicy, step: int, beyond: str, language: str, members: Sequence[AgentId]
    ) -> None:
        requires, self.level = asked(policy, step=step)
        self.policy = policy
        self.target_s = policy.service_level_s
        self.base = requirement_or_none(requires)
        self.beyond = requirement_or_none(beyond)
        self.language = language
        self.line: Line[CallId] = Line()
        self.bench = Bench(CHOOSINGS[policy.strategy], queue=policy.name)
        self.kins: list[Kin] = []
        """Those who are able."""
        self.members = members
        """The agents of the queue, able or not."""
        self.unable: dict[str, int] = {}
        """How many of those who are free are not able, for each reason."""

    def lacking(self, kin: Kin, *, language: str) -> str:
        """Why agents of this kin cannot serve it; empty when they can. `language` is the installation's own."""
        level = kin.levels.get(self.policy.name, FIRST_LEVEL)
        if level > self.level:
            return self._level_in_words(level)
        if not speaks(kin.languages, language=self.language, own=language):
            return f"does not speak {self.language}"
        return self.base.lacking(kin.skills) or self.beyond.lacking(kin.skills)

    def _level_in_words(self, level: int) -> str:
        name = {2: "second level", 3: "third level"}.get(level, f"level {level}")
        for relaxation in self.policy.relax:
            if relaxation.level is not None and relaxation.level >= level:
                return f"{name}, from {relaxation.after_s:g} s on"
        return f"{name}, not asked"
